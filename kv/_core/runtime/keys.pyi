"""Types for keys.pyx, which has nothing for Python."""
