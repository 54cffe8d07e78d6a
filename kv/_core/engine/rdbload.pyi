"""Types for rdbload.pyx."""
from collections.abc import Callable

from kv._core.engine.engine import Engine

BYTES: str
CUT_OFF: str
HEAD: str
CHECKSUM: str
REFUSED: str

class RdbFault(ValueError):
    """What is wrong with the bytes, and where."""

    offset: int     # in the file, of what can't be read
    key: bytes      # that was being read, b"" where it was none
    kind: str       # BYTES, CUT_OFF, HEAD, CHECKSUM or REFUSED: what it is about

    def __init__(self, complaint: str, offset: int = ..., key: bytes = ..., kind: str = ...) -> None: ...

class RdbLoad:
    """Reads RDB from a file descriptor into the databases of an engine, from the descriptor's position on."""

    keys: int               # loaded so far
    expired: int            # left out: their time had come
    empty: int              # left out: they had no elements
    empty_keys: list[bytes]  # ... the names of the first ten
    unchecked: bool         # at the end: a CRC-64 was to be looked at, and the file has none
    offset: int             # bytes read so far; at the end: where the RDB ends (an AOF goes on there)
    version: int            # of the file
    aux: dict[bytes, bytes]  # what the file says of itself

    def __init__(self, engine: Engine, fd: int, *, serve: Callable[[], object] | None = None, merge: bool = False,
                 keep_expired: bool = False, relaxed: bool = False, checksum: bool = True, deep: bool = False) -> None: ...
    def step(self, ms: int = 0) -> bool:
        """Load for about so many milliseconds (0: all). Whether there is more. Inside a value that is long in coming `serve` is
        called several times a second; what it raises ends the load. RdbFault, OSError."""
