"""The append-only file. appendonly.py: how it is used."""
from .appendonly import AppendOnly
from .rewrite import RewriteError

__all__ = ["AppendOnly", "RewriteError"]
