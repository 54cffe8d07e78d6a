"""What the log is told of clients: requests that are none, and connections that are closed for what they did.

The core calls in only as such a thing happens (Engine.on_protocol_error, Engine.on_bad_payload, Engine.on_closing).
"""
from __future__ import annotations

import time

from kv._core.engine.clientlist import client_lines
from kv._core.engine.sessions import session

from .loading import internal_error
from .log import HIDDEN, LEVELS, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kv._core.engine.engine import Engine
    from kv._core.engine.sessions import SessionInfo

    from .config import Config

SAMPLE_BYTES = 128          # of a faulty request that the log shows
BROWSER_SECONDS = 60        # between two lines about web pages


class ClientLog:
    """Writes the lines."""

    def __init__(self, engine: Engine, config: Config) -> None:
        self.engine = engine
        self.config = config
        self.browser_logged = -float(BROWSER_SECONDS)   # when it was, of the monotonic clock

    def note_protocol_error(self, session_id: int, error: str, data: memoryview) -> None:
        """A client sent what is no request; `data` is the input that it is in."""
        client = session(self.engine, session_id)
        if log.level > LEVELS["verbose"] or client is None:
            return
        shown = HIDDEN if self.config.hide_user_data_from_log else sample(data)
        log("verbose", f"Protocol error ({error.removeprefix('Protocol error: ')}) from client: {self.line(client)}. "
                       f"Query buffer: {shown}")

    def note_bad_payload(self, session_id: int, offset: int, complaint: str) -> None:
        """A client restores what is no value."""
        client = session(self.engine, session_id)
        if log.level <= LEVELS["verbose"] and client is not None:
            log("verbose", f"{internal_error(offset, complaint, 'RESTORE')} (from client: {self.line(client)})")

    def note_closing(self, session_id: int, why: str) -> None:
        """A client is closed that did not ask for it: evicted, input, output, browser."""
        client = session(self.engine, session_id)
        if client is None:
            return
        if why == "browser":
            self.note_browser(client.peer)
        elif why == "evicted":
            log("notice", f"Evicting client: {self.line(client)}")
        elif why == "input":
            log("warning", f"Closing client that reached max query buffer length: {self.line(client)}")
        else:
            log("warning", f"Client {self.line(client)} scheduled to be closed ASAP for overcoming of output buffer limits.")

    def line(self, client: SessionInfo) -> str:
        """Its line of CLIENT LIST."""
        line = client_lines(self.engine, [client.id], self.config.hide_user_data_from_log)
        return line.decode("utf-8", "surrogateescape").rstrip("\n")

    def note_browser(self, peer: str) -> None:
        """A client sent POST or Host:. Told once a minute, so that nobody fills the log."""
        now = time.monotonic()
        if now - self.browser_logged < BROWSER_SECONDS:
            return
        self.browser_logged = now
        log("warning", "Possible SECURITY ATTACK detected: somebody sends POST or Host:, as a web page that makes a browser "
                       f"talk to this server would. Connection from {peer} aborted.")


def sample(data: memoryview) -> str:
    """The two ends of what a client sent, in printable characters."""
    half = SAMPLE_BYTES // 2
    ends = [data] if len(data) < SAMPLE_BYTES else [data[:half], data[-half:]]
    shown = ["'" + "".join([chr(byte) if 32 <= byte < 127 else "." for byte in end]) + "'" for end in ends]
    return f" (... more {len(data) - SAMPLE_BYTES} bytes ...) ".join(shown)
