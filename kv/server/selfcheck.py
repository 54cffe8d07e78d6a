"""enable-debug-assert: the invariants of the dataset are walked while the server serves.

It is meant for tests. One walk looks at every key, so after one that took long the next is put off: a fiftieth of the
time goes into walking. What does not hold ends the server, with a report of it, as any broken invariant does.
"""
from __future__ import annotations

import time

from kv._core.engine.inspect import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kv._core.engine.engine import Engine

    from .config import Config

SECONDS = 1.0       # between two walks, at least
SHARE = 50          # of the time, the part that goes into walks


class SelfCheck:
    def __init__(self, engine: Engine, config: Config) -> None:
        self.engine = engine
        self.wanted = config.enable_debug_assert
        self.due = 0.0          # when the next walk is, of the monotonic clock

    def cron(self) -> None:
        """Walk if it is time. Raises AssertionError."""
        started = time.monotonic()
        if not self.wanted or started < self.due or self.engine.loading:
            return
        check(self.engine)
        ended = time.monotonic()
        self.due = ended + max(SECONDS, (ended - started) * SHARE)
