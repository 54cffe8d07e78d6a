"""The append-only file of a running server."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..server import Server


class LoadError(Exception):
    """The files can't be loaded; str() is the line to log before the server exits."""


class AppendOnly:
    """What the loop, the cron and commands use."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.holding_replies = False  # the loop must not send: an fsync that replies wait for is under way
        self.must_flush = False  # flush() is due although there are no new effects
        self.buffered = 0  # bytes not yet written

    def load_at_start(self) -> None:
        """Read the dataset and open the file that is appended to. Raises LoadError."""

    def switch(self, on: bool) -> None:
        """CONFIG SET appendonly. Raises ConfigError where it can't be done."""

    def flush(self) -> None:
        """Write the engine's effects; called in every turn that has any, before replies are sent."""
        self.server.engine.effects_taken()

    def cron(self) -> None:
        """fsync that is due, retries after errors, automatic rewrites."""

    def rewrite(self) -> str:
        """BGREWRITEAOF: start one or schedule it; the status line to answer."""
        return "Background append only file rewriting started"

    def figures(self) -> dict:
        """The fields of INFO persistence that are the file's (see info.py)."""
        return {"aof_enabled": False, "aof_rewrite_in_progress": False, "aof_rewrite_scheduled": False,
                "aof_last_rewrite_time_sec": -1, "aof_current_rewrite_time_sec": -1, "aof_last_bgrewrite_status": "ok",
                "aof_rewrites": 0, "aof_rewrites_consecutive_failures": 0, "aof_last_write_status": "ok",
                "aof_last_cow_size": 0, "append_only": None, "load": None}

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""

    def close(self, force: bool) -> bool:
        """Before the process ends: write and fsync. False where that fails, unless forced."""
        return True
