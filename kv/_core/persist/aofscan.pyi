"""Types for aofscan.pyx."""

class AofScan:
    def __init__(self, offset: int = 0, until: int = 0) -> None: ...
    offset: int
    whole: int
    began: int
    lines: int
    commands: int
    in_transaction: bool
    past: bool
    unmarked: bool
    fault: str
    @property
    def stopped(self) -> bool: ...
    def feed(self, data: bytes | bytearray | memoryview) -> None: ...
    def end(self) -> None: ...
