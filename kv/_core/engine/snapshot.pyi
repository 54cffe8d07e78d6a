"""Types for snapshot.pyx."""
from kv._core.engine.engine import Engine

SERVER_VERSION: bytes

class Snapshot:
    rdb_version: int
    def __init__(self, engine: Engine, fd: int, sync_bytes: int = 0, rdb_version: int = 0, compress: bool = True,
                 checksum: bool = True, aof_base: bool = False) -> None: ...
    @property
    def keys(self) -> int: ...
    @property
    def written(self) -> int: ...
    def step(self, keys: int = 0, ms: int = 0) -> bool: ...
