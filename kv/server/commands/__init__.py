"""Commands written in Python: those that are not on the request path. Importing a module declares its commands."""
from . import clients, command, commandlog, config, connection, debug, latency, memory, server  # noqa: F401
