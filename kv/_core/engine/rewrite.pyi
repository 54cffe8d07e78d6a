"""Types for rewrite.pyx."""
from kv._core.engine.engine import Engine

class DatasetCommands:
    keys: int
    def __init__(self, engine: Engine) -> None: ...
    def fill(self, least: int) -> memoryview | None: ...
