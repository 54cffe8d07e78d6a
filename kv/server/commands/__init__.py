"""Commands written in Python: those that are not on the request path. Importing a module declares its commands."""
from . import (  # noqa: F401
    acl,
    clients,
    cluster,
    command,
    commandlog,
    config,
    connection,
    debug,
    latency,
    memory,
    modules,
    replication,
    server,
    tracking,
)
