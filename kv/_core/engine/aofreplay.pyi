"""Types for aofreplay.pyx."""
from kv._core.engine.engine import Engine

class AofFault(ValueError):
    offset: int
    whole: int
    refusal: str
    def __init__(self, offset: int, whole: int, refusal: str = ...) -> None: ...

class AofReplay:
    commands: int
    errors: int
    error: bytes
    error_command: str
    in_transaction: bool
    needed: int
    paused: bool
    def __init__(self, engine: Engine) -> None: ...
    def feed(self, data: bytes | bytearray | memoryview, at: int = ..., most: int = ...,
             slice_us: int = ...) -> int: ...

def empty_dataset(engine: Engine) -> None: ...
