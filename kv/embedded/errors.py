"""What can go wrong with a database in this process, beside the errors that commands answer (ReplyError)."""
from kv._core.engine.engine import ForkedError
from kv._core.runtime.call import ReplyError
from kv.server.folderlock import FolderInUse
from kv.server.loading import LoadError


class ClosedError(RuntimeError):
    """The database was closed."""


class OptionError(ValueError):
    """There is no such option, or it can't have such a value."""


__all__ = ["ClosedError", "FolderInUse", "ForkedError", "LoadError", "OptionError", "ReplyError"]
