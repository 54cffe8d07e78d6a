"""Data that are being read: how far that is, and how it ends."""
from __future__ import annotations

import time


class LoadError(Exception):
    """The files can't be loaded; str() is the line to log, and `ending` the one behind it where the server exits for that, "" for
    none."""

    def __init__(self, line: str, ending: str = "") -> None:
        super().__init__(line)
        self.ending = ending


class LoadStopped(Exception):
    """The server was told to stop while it loaded."""


def internal_error(offset: int, why: str, command: str = "") -> str:
    """The line that is looked for in logs: bytes of RDB can't be read, of a file or of what a command was given."""
    return f"Internal error in RDB reading offset {offset}{command and ', ' + command} -> {why}"


class Loading:
    """How far loading is, as INFO shows it."""

    def __init__(self, total: int) -> None:
        self.loading_start_time = int(time.time())
        self.loading_total_bytes = total
        self.loading_rdb_used_mem = 0
        self.loading_loaded_bytes = 0

    @property
    def elapsed_seconds(self) -> int:
        return int(time.time()) - self.loading_start_time
