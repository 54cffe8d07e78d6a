"""The append-only file. appendonly.py: how it is used."""
from .appendonly import AppendOnly, LoadError

__all__ = ["AppendOnly", "LoadError"]
