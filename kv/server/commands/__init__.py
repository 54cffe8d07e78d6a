"""Commands written in Python: those that are not on the request path. Importing a module declares its commands; the server
imports them all (registry.declare_package)."""
