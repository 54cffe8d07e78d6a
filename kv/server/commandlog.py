"""The command log: slow commands, large requests, large replies; SLOWLOG is the first of the three.

The core calls in only for a command that passes one of the thresholds, so nothing here is on the request path.
"""
from __future__ import annotations

import time
from collections import deque

from kv._core.engine.sessions import session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kv._core.engine.engine import Engine

    from .config import Config

WORDS_SHOWN = 32
BYTES_SHOWN = 128
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

    def __init__(self, engine: Engine, config: Config) -> None:
        self.engine = engine
        self.config = config
        self.entries: dict[str, deque[Entry]] = {kind: deque() for kind in KINDS}
        self.next_id = dict.fromkeys(KINDS, 0)

    def note(self, words: list[bytes], lengths: list[int], argc: int, session_id: int, duration_us: int, request_bytes: int,
             reply_bytes: int) -> None:
        """A command passed one of the thresholds: its first words, their whole lengths, and what it took."""
        config = self.config
        for kind, value, limit, most in (
                ("slow", duration_us, config.commandlog_execution_slower_than,
                 config.commandlog_slow_execution_max_len),
                ("large-request", request_bytes, config.commandlog_request_larger_than,
                 config.commandlog_large_request_max_len),
                ("large-reply", reply_bytes, config.commandlog_reply_larger_than,
                 config.commandlog_large_reply_max_len)):
            over = value >= limit if kind == "slow" else value > limit
            if limit >= 0 and most > 0 and over:
                self.add(kind, value, shorten(words, lengths, argc), session_id, most)

    def add(self, kind: str, value: int, words: list[bytes], session_id: int, most: int) -> None:
        client = session(self.engine, session_id)
        peer, name = (client.peer, client.name) if client is not None else ("", b"")
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


def shorten(words: list[bytes], lengths: list[int], argc: int) -> list[bytes]:
    """At most WORDS_SHOWN words of at most BYTES_SHOWN bytes each; what was left out is said."""
    shown = []
    for word, length in zip(words[:WORDS_SHOWN], lengths, strict=False):
        if length > BYTES_SHOWN:
            word = word[:BYTES_SHOWN] + b"... (%d more bytes)" % (length - BYTES_SHOWN)
        shown.append(word)
    if argc > WORDS_SHOWN:
        shown[-1] = b"... (%d more arguments)" % (argc - WORDS_SHOWN + 1)
    return shown
