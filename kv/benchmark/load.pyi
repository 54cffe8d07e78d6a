import socket
from collections.abc import Sequence

from kv.benchmark.histogram import Histogram

class Load:
    def __init__(
        self,
        request: bytes,
        *,
        target: socket.socket | bytes,
        prefix: Sequence[bytes] = (),
        clients: int = 50,
        requests: int = 100000,
        pipeline: int = 1,
        threads: int = 1,
        keepalive: bool = True,
        keyspace: int | None = None,
        precision: int = 3,
        seed: int = 0,
        idle: bool = False,
    ) -> None: ...
    def connect(self) -> bool: ...
    def run(self, index: int) -> None: ...
    def stop(self) -> None: ...
    @property
    def finished(self) -> int: ...
    @property
    def latency_sum(self) -> tuple[int, int]: ...
    @property
    def seconds(self) -> float: ...
    def histogram(self) -> Histogram: ...
    @property
    def failure(self) -> tuple[str, str] | None: ...
