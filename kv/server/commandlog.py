"""The command log: slow commands, large requests, large replies; SLOWLOG is the first of the three.

The core calls in only for a command that passes one of the thresholds, so nothing here is on the request path.
"""
from __future__ import annotations

import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config

SLOW, LARGE_REQUEST, LARGE_REPLY = 1, 2, 4  # CommandLogKind of the core
KINDS = ("slow", "large-request", "large-reply")


class Entry:
    """One command of the log."""

    __slots__ = ("id", "time", "value", "words", "peer", "name")

    def __init__(self, id_: int, value: int, words: list[bytes], peer: str, name: bytes) -> None:
        self.id = id_
        self.time = int(time.time())
        self.value = value  # microseconds, or bytes
        self.words = words
        self.peer, self.name = peer, name

    def reply(self) -> list:
        return [self.id, self.time, self.value, self.words, self.peer, self.name]


class CommandLog:
    """The three lists, newest first. Lengths and thresholds are the configuration's."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.entries: dict[str, deque[Entry]] = {kind: deque() for kind in KINDS}
        self.next_id = dict.fromkeys(KINDS, 0)

    def note(self, passed: int, words: list[bytes], peer: str, name: bytes, duration_us: int, request_bytes: int,
             reply_bytes: int) -> None:
        """A command passed thresholds (SLOW, LARGE_REQUEST, LARGE_REPLY together): its words as they are shown, whose it was,
        and what it took."""
        config = self.config
        if passed & SLOW:
            self.add("slow", config.commandlog_slow_execution_max_len, duration_us, words, peer, name)
        if passed & LARGE_REQUEST:
            self.add("large-request", config.commandlog_large_request_max_len, request_bytes, words, peer, name)
        if passed & LARGE_REPLY:
            self.add("large-reply", config.commandlog_large_reply_max_len, reply_bytes, words, peer, name)

    def add(self, kind: str, most: int, value: int, words: list[bytes], peer: str, name: bytes) -> None:
        if most > 0:
            self.entries[kind].appendleft(Entry(self.next_id[kind], value, words, peer, name))
            self.next_id[kind] += 1
            self.trim(kind, most)

    def trim(self, kind: str, most: int) -> None:
        while len(self.entries[kind]) > most:
            self.entries[kind].pop()

    def get(self, kind: str, count: int) -> list:
        """The newest `count` entries, all for -1."""
        entries = self.entries[kind]
        count = len(entries) if count == -1 else count
        return [entry.reply() for entry in list(entries)[:count]]

