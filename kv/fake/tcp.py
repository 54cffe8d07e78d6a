"""A fake server that listens, for clients in other languages and processes."""
from __future__ import annotations

import threading

from kv.embedded.database import Database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .server import Version


class TcpFakeServer:
    """socketserver's face: serve_forever() returns after shutdown(). Clients are served from the moment it is made."""

    def __init__(self, server_address: tuple[str, int] = ("127.0.0.1", 0), server_type: str = "redis",
                 server_version: Version = (8,)) -> None:
        self.database = Database()
        self.server_type = server_type
        try:
            self.server_address = self.database.listen(*server_address)
        except BaseException:
            self.database.close()
            raise
        self.stopped = threading.Event()

    def __enter__(self) -> TcpFakeServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.server_close()

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        self.stopped.wait()

    def shutdown(self) -> None:
        self.stopped.set()

    def server_close(self) -> None:
        """Its clients find their connections closed."""
        self.stopped.set()
        self.database.close()
