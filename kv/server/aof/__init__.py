"""The append-only file. appendonly.py: how it is used."""
from .appendonly import AppendOnly, LoadError, LoadStopped
from .rewrite import RewriteError

__all__ = ["AppendOnly", "LoadError", "LoadStopped", "RewriteError"]
