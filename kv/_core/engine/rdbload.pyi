"""Types for rdbload.pyx."""
from collections.abc import Callable

from kv._core.engine.engine import Engine

class RdbFault(ValueError):
    """What is wrong with the bytes, and where."""

    offset: int     # in the file, of what can't be read
    key: bytes      # that was being read, b"" where it was none

    def __init__(self, complaint: str, offset: int = ..., key: bytes = ...) -> None: ...

class RdbLoad:
    """Reads RDB from a file descriptor into the databases of an engine, from the descriptor's position on."""

    keys: int               # loaded so far
    expired: int            # left out: their time had come
    empty: int              # left out: they had no elements
    offset: int             # bytes read so far; at the end: where the RDB ends (an AOF goes on there)
    version: int            # of the file
    aux: dict[bytes, bytes]  # what the file says of itself

    def __init__(self, engine: Engine, fd: int, *, serve: Callable[[], object] | None = None, merge: bool = False,
                 keep_expired: bool = False, relaxed: bool = False, checksum: bool = True, deep: bool = False) -> None: ...
    def step(self, ms: int = 0) -> bool:
        """Load for about so many milliseconds (0: all). Whether there is more. Inside a value that is long in coming `serve` is
        called several times a second; what it raises ends the load. RdbFault, OSError."""
