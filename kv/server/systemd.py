"""What systemd is told, where it sees to this process (Type=notify): datagrams of NAME=value lines to the socket that it names.

While data are loaded at the start, messages put off the unit's TimeoutStartSec: a large dataset takes longer than that.
Where the unit has WatchdogSec, systemd kills a server from which it has heard nothing for so long. The loop says that it still
turns; so it does between two commands of a file that is loaded, and in the middle of a script that runs on and on, since other
clients are answered then and may end it. Any other command of that length keeps the loop from turning, so WatchdogSec is to be
longer than any.
"""
from __future__ import annotations

import math
import os
import socket
import time

from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from kv._core.engine.engine import Engine

LOADING_PERIOD_S = 5        # between two messages while data are loaded
LOADING_EXTENSION_S = 60    # what each of them asks for


def notify(message: str, flags: int = 0) -> None:
    """Send lines to systemd; with MSG_DONTWAIT no longer than there is room for them. Raises OSError."""
    address = os.environ["NOTIFY_SOCKET"]
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto(message.encode() + b"\n", flags, address)


def tell(message: str) -> None:
    """Send lines to systemd; what prevents that is logged."""
    try:
        notify(message)
    except OSError as error:
        log("warning", f"systemd supervision error: {error.strerror}")


def watchdog_period(environment: Mapping[str, str]) -> float:
    """How many seconds apart systemd is to hear from this process: half of what the unit allows. math.inf where it has no
    WatchdogSec, or means another process."""
    try:
        allowed_us = int(environment.get("WATCHDOG_USEC", ""))
        if int(environment.get("WATCHDOG_PID", os.getpid())) != os.getpid():
            return math.inf
    except ValueError:
        return math.inf
    return allowed_us / 2e6 if allowed_us > 0 else math.inf


class Systemd:
    """What it is told while the server runs; nothing, where `supervisor` is another."""

    def __init__(self, engine: Engine, supervisor: str) -> None:
        self.engine = engine
        self.listens = supervisor == "systemd"
        self.period = watchdog_period(os.environ)   # seconds between two messages for the watchdog
        self.starting = True
        self.next_ping = 0.0        # of the monotonic clock
        self.next_extension = 0.0

    def ready(self) -> None:
        """Connections are accepted, the data are there."""
        self.starting = False
        if self.listens:
            tell("STATUS=Ready to accept connections\nREADY=1")

    def ping(self) -> None:
        """Send what is due by now. Raises OSError; it is due still then."""
        if not self.listens:
            return
        now = time.monotonic()
        if self.starting and self.engine.loading and now >= self.next_extension:
            notify(f"EXTEND_TIMEOUT_USEC={LOADING_EXTENSION_S * 1_000_000}", socket.MSG_DONTWAIT)
            self.next_extension = now + LOADING_PERIOD_S
        if self.period < math.inf and now >= self.next_ping:
            notify("WATCHDOG=1", socket.MSG_DONTWAIT)
            self.next_ping = now + self.period
