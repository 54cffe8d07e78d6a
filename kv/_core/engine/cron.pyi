"""Types for cron.pyx."""
from kv._core.engine.engine import Engine

def engine_cron(engine: Engine, hz: int) -> None: ...
