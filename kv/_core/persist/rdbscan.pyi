"""Types for rdbscan.pyx."""
from typing import Any

class ScanFault(ValueError): ...

class Profile:
    type: str
    keys: int
    expires: int
    expired: int
    key_bytes: int
    value_bytes: int
    elements: int
    most_elements: int
    largest_element: int
    def elements_percentile(self, percent: float) -> int: ...
    def size_percentile(self, percent: float) -> int: ...

class RdbScan:
    keys: int
    expires: int
    expired: int
    empty: int
    libraries: int
    version: int
    valkey: bool
    doing: str
    key: bytes | None
    type: int
    opcode: int
    database: int
    profiles: dict[tuple[int, str], Profile]
    def __init__(self, fd: int, *, now_ms: int, rows: bool = False, size: int = 0, quick: bool = False) -> None: ...
    @property
    def offset(self) -> int: ...
    def step(self, keys: int = 10000) -> bool: ...
    def take_events(self) -> list[tuple[Any, ...]]: ...
