"""Redis without a server: the engine in this process, with what a server would have around it.

    import kv

    with kv.open() as db:                   # in memory; kv.open("folder") keeps the data there
        db.execute("SET", "key", 1)         # OK
        client = db.client()                # redis-py's Redis, over no socket
        client.get("key")                   # b"1"
"""
from .database import Database, open
from .errors import ClosedError, FolderInUse, ForkedError, LoadError, OptionError, ReplyError

__all__ = ["ClosedError", "Database", "FolderInUse", "ForkedError", "LoadError", "OptionError", "ReplyError", "open"]
