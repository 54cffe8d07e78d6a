"""Hanzo KV: a key-value server compatible with Valkey 8.1 and Redis 7.2."""

__version__ = "0.1.0"
VALKEY_VERSION = "8.1.7"  # the Valkey release whose behaviour this one reproduces
REDIS_VERSION = "7.2.4"  # what clients that parse redis_version are told, as Valkey tells them

EMBEDDED = ("ClosedError", "Database", "FolderInUse", "ForkedError", "LoadError", "OptionError", "ReplyError", "open")


def __getattr__(name: str) -> object:
    """`kv.Engine`, kv.open and what belongs to it, which load the compiled core when they are asked for: kv-cli does without."""
    if name == "Engine":
        from ._core.engine.engine import Engine

        return Engine
    if name in EMBEDDED:
        from importlib import import_module

        return getattr(import_module("kv.embedded"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
