"""The log, in Valkey's format: `pid:role day month year time level message`.

    12345:M 23 Nov 2026 10:00:00.123 * Ready to accept connections tcp

The file is opened for each line, so that log rotation may move it away at any time. Before the configuration is
known lines go to standard output.
"""
from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LEVELS = {"debug": 0, "verbose": 1, "notice": 2, "warning": 3, "nothing": 4}
MARKS = ".-*#"
NAMES = ("debug", "info", "notice", "warning")
ROLES = {"X": "sentinel", "C": "RDB/AOF", "S": "replica", "M": "primary"}
LINE_MAX = 1024
KEPT_LINES = 100        # that could not be written, in memory
HIDDEN = "*redacted*"   # stands for what users have sent or chosen, where hide-user-data-from-log is on


class Log:
    """Where lines go, and which. Attributes may be changed at any time."""

    def __init__(self) -> None:
        self.level = LEVELS["notice"]
        self.path = ""  # "" is standard output
        self.format = "legacy"  # or logfmt
        self.timestamps = "legacy"  # or iso8601, milliseconds
        self.pid = os.getpid()
        self.role = "M"  # of this process; a forked child is C
        self.discard = False  # daemonized without a file: nowhere to go
        self.syslog: Any = None  # the module, once enabled
        self.kept: list[bytes] = []     # lines that could not be written yet
        self.lost = 0                   # ... and how many more there were than are kept
        self.sink: Callable[[int, str], object] | None = None   # who is told of a level and a message in the place of all that

    def __call__(self, level: str, message: str) -> None:
        """Write a line of a level (debug, verbose, notice, warning)."""
        number = LEVELS[level]
        if number < self.level:
            return
        message = message[:LINE_MAX]
        if self.sink is not None:
            self.sink(number, message)
            return
        pid = os.getpid()
        role = self.role if pid == self.pid else "C"
        if self.format == "logfmt":
            text = message.replace('"', "'").replace("\n", " ").replace("\r", " ")
            line = (f'pid={pid} role={ROLES[role]} timestamp="{self.timestamp()}" level={NAMES[number]} '
                    f'message="{text}"\n')
        else:
            line = f"{pid}:{role} {self.timestamp()} {MARKS[number]} {message}\n"
        self.write(line)
        if self.syslog is not None:
            self.syslog.syslog((7, 6, 5, 4)[number], message)

    def write(self, line: str) -> None:
        """Write text as it is. What can't be written (no descriptor is free, no space) is kept, and goes before the next
        line that can."""
        data = line.encode("utf-8", "surrogateescape")
        if self.kept:
            data = b"".join([*self.kept, b"(%d lines are missing here)\n" % self.lost if self.lost else b"", data])
        try:
            self.put(data)
        except OSError:
            if len(self.kept) < KEPT_LINES:
                self.kept.append(line.encode("utf-8", "surrogateescape"))
            else:
                self.lost += 1
        else:
            self.kept, self.lost = [], 0

    def put(self, data: bytes) -> None:
        if self.path:
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.write(fd, data)
            finally:
                os.close(fd)
        elif not self.discard:
            if sys.stdout is not None:
                sys.stdout.flush()
            os.write(1, data)

    def timestamp(self) -> str:
        now = time.time()
        if self.timestamps == "milliseconds":
            return str(int(now * 1000))
        local = time.localtime(now)
        ms = int(now * 1000) % 1000
        if self.timestamps == "iso8601":
            zone = time.strftime("%z", local)
            return time.strftime("%Y-%m-%dT%H:%M:%S", local) + f".{ms:03d}{zone[:3]}:{zone[3:]}"
        return time.strftime("%d %b %Y %H:%M:%S", local) + f".{ms:03d}"

    def enable_syslog(self, ident: str, facility: str) -> None:
        import syslog

        syslog.openlog(ident, syslog.LOG_PID | syslog.LOG_NDELAY | syslog.LOG_NOWAIT,
                       getattr(syslog, "LOG_" + facility.upper()))
        self.syslog = syslog


log = Log()


def log_script(level: int, text: str) -> None:
    """redis.log of a script; levels are LEVELS' numbers."""
    log(list(LEVELS)[level], text)


def log_bug(text: str) -> None:
    """What the core tells of a bug in a command, line by line."""
    for line in text.splitlines():
        log("warning", line)
