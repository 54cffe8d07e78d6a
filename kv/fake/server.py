"""The database behind fake clients."""
from __future__ import annotations

import threading

from kv.embedded.database import Database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    Version = tuple[int, ...] | int | str

REFUSED = "FakeRedis is emulating a connection error."


class FakeServer:
    """A database that fake clients share. `version` and `server_type` are kept for who asks; `config` holds options, as
    requirepass. `connected` may be set: while it is False clients find no server."""

    by_key: ClassVar[dict[str, FakeServer]] = {}
    lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, version: Version = (8,), server_type: str = "redis", config: dict[Any, Any] | None = None) -> None:
        self.version = version_tuple(version)
        self.server_type = server_type
        self.options = {text(name).replace("-", "_"): text(value) for name, value in (config or {}).items()}
        self.opened: Database | None = None
        self.is_connected = True

    @classmethod
    def of(cls, key: str, version: Version, server_type: str) -> FakeServer:
        """The one that all clients of a host and port share."""
        with cls.lock:
            server = cls.by_key.get(key)
            if server is None:
                server = cls.by_key[key] = cls(version, server_type)
            return server

    @property
    def database(self) -> Database:
        """Opened when it is first asked for."""
        if self.opened is None:
            with self.lock:
                if self.opened is None:
                    self.opened = Database(**self.options)
        return self.opened

    @property
    def connected(self) -> bool:
        return self.is_connected

    @connected.setter
    def connected(self, on: bool) -> None:
        """Those who are connected find their connections closed once they use them."""
        if self.is_connected and not on and self.opened is not None:
            self.opened.disconnect_all()
        self.is_connected = on


def version_tuple(version: Version) -> tuple[int, ...]:
    if isinstance(version, tuple):
        return version
    if isinstance(version, int):
        return (version,)
    return tuple([int(part) for part in version.split(".")])


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
