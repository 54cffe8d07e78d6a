"""Lua 5.1, of the lupa package, and the libraries that scripts have."""
