"""The prompt: read a line, run it, again - until the input ends.

The same loop serves a person at a terminal, a file of commands (`kv < commands`) and a program that drives
it over a pipe; they differ only in where lines come from. On a real terminal that is kv.cli.terminal
(editing, history, completion, hints), which costs a few hundred milliseconds to load and cannot work
without one; everywhere else it is the plain reader below.

A subscription turns the loop around: messages are printed as they come until somebody types.
"""

import os
import sys
import time
from contextlib import contextmanager

from kv.cli import preferences
from kv.cli.debugger import show_final_reply, split_debugger_line, stop_debugging
from kv.cli.errors import Disconnected, Fatal
from kv.cli.interrupts import raise_interrupts, wait_readable
from kv.cli.options import RAW, STANDARD, Options, on_terminal
from kv.cli.session import PRODUCT, Session, write
from kv.quoting import Unbalanced, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    class LineSource(Protocol):
        def read(self, prompt: str) -> bytes | None:
            """The next line without its newline, None at the end of input."""

        def pending(self) -> bool:
            """Whether a line was read ahead, so that waiting for standard input would be wrong."""


READING = b"Reading messages... (press Ctrl-C to quit or any key to type command)\r"
GREY, NO_COLOUR, ERASE_LINE = b"\033[1;90m", b"\033[0m", b"\033[K"
SLOW_S = 0.5  # a command that took longer has its time shown


class PlainLines:
    """Lines of a pipe, a file or a terminal that can do nothing but print."""

    def __init__(self, show_prompt: bool) -> None:
        self.show_prompt = show_prompt
        self._buffer = b""
        self._ended = False

    def pending(self) -> bool:
        return b"\n" in self._buffer

    def read(self, prompt: str) -> bytes | None:
        if self.show_prompt:
            print(prompt, end="", flush=True)
        while b"\n" not in self._buffer and not self._ended:
            if self.show_prompt:
                wait_readable(0)
            data = os.read(0, 65536)
            self._ended = not data
            self._buffer += data
        if not self._buffer:
            return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r") if self.show_prompt else line


def open_lines(session: Session) -> "LineSource":
    if not os.isatty(0):
        return PlainLines(show_prompt=False)
    if os.environ.get("TERM", "").lower() in ("dumb", "cons25", "emacs", "") or not os.isatty(1):
        return PlainLines(show_prompt=True)
    from kv.cli.terminal import TerminalLines

    return TerminalLines(session)


def run_repl(session: Session, options: Options) -> int:
    session.connect()  # a failure is shown, and tried again by the first command
    Repl(session, options).run()
    return 0


class Repl:
    def __init__(self, session: Session, options: Options) -> None:
        self.session = session
        self.options = options
        session.interactive = True
        if os.isatty(0):
            preferences.load()
            raise_interrupts()
            session.wait_with(wait_readable)
        self.lines = open_lines(session)
        self.restart = False  # `restart` was typed in the Lua debugger

    def run(self) -> None:
        """Until the input ends, `quit`, or `restart` of a debugging session."""
        while not self.restart:
            line = self.lines.read(self.session.prompt())
            if line is None:
                if not (self.session.subscribed and os.isatty(0)):
                    return
                self.session.connect()  # Ctrl-C or Ctrl-D leaves the subscription first
                continue
            try:
                if line and not self.run_line(line):
                    return
                if self.session.subscribed and not self.lines.pending():
                    wait_for_messages(self.session)
            except KeyboardInterrupt:  # of a command that blocks, or at the terminal's plain reader
                raise SystemExit(1) from None

    def run_line(self, line: bytes) -> bool:
        """Run one line; False to leave."""
        try:
            words = split_debugger_line(line) if self.session.debugging else split(line)
        except Unbalanced:
            print("Invalid argument(s)", flush=True)
            return True
        if not words:
            return True
        repeat = 1
        if len(words) > 1 and words[0].lstrip(b"+-").isdigit():
            repeat = int(words.pop(0))
            if not 0 < repeat < 1 << 63:
                print("Invalid kv-cli repeat command option value.", flush=True)
                return True
        return self._run_words(words, repeat)

    def _run_words(self, words: list[bytes], repeat: int) -> bool:
        command = words[0].lower()
        if command in (b"quit", b"exit"):
            return False
        if command.startswith(b":"):
            preferences.apply(words, self.session)
        elif command == b"restart":
            self._restart()
        elif command == b"connect" and len(words) == 3:
            self._connect(words)
        elif command == b"clear" and len(words) == 1:
            print("\x1b[H\x1b[2J", end="", flush=True)
        else:
            self._run_command(words, repeat)
        return True

    def _restart(self) -> None:
        if self.options.eval_file is None:
            print("Use 'restart' only in Lua debugging mode.", flush=True)
        else:
            self.restart = True

    def _connect(self, words: list[bytes]) -> None:
        if not words[2].isdigit():
            print("Invalid server port.", flush=True)
            return
        self.options.unix_socket = None
        self.session.host = os.fsdecode(words[1])
        self.session.port = int(words[2])
        self.session.connect()

    def _run_command(self, words: list[bytes], repeat: int) -> None:
        started = time.monotonic()
        reached = self.session.run(words, repeat)
        if self.session.debug_ended:
            show_final_reply(self.session)
        elif self.session.debugging and not reached:
            stop_debugging(self.session)  # the connection is lost, and the debugger with it
        elapsed = time.monotonic() - started
        if elapsed >= SLOW_S and self.options.output == STANDARD:
            print(f"({elapsed:.2f}s)", flush=True)


def wait_for_messages(session: Session) -> None:
    """Print messages as they come, until standard input has something to say or the subscription ends."""
    with _keys_at_once():
        try:
            while session.subscribed and not _input_waits(session):
                if session.connection is not None and not session.connection.poll():
                    continue
                reply = session.read_reply()
                if reply is not None and session.is_pubsub(reply):
                    session.count_subscriptions(reply)
        except Disconnected as error:
            raise Fatal(f"Error: {error}") from None
        except KeyboardInterrupt:
            print(f"Closing current connection. Ready to reconnect to {PRODUCT} server... ", flush=True)
            if not session.connect():
                raise SystemExit(1) from None


def _input_waits(session: Session) -> bool:
    """Wait for the server or for standard input; True if it was standard input alone."""
    connection = session.connection
    assert connection is not None
    if connection.buffered():
        return False
    show = session.options.output != RAW and on_terminal()
    if show:
        write(GREY + READING + NO_COLOUR if "xterm" in os.environ.get("TERM", "") else READING)
    try:
        ready = wait_readable(connection.fileno(), 0)
    finally:
        if show:
            write(ERASE_LINE)
    return connection.fileno() not in ready


@contextmanager
def _keys_at_once() -> "Iterator[None]":
    """Let a single key wake select(), without showing it; the terminal is as before afterwards."""
    if not os.isatty(0):
        yield
        return
    import termios

    before = termios.tcgetattr(0)
    mode = termios.tcgetattr(0)
    mode[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(0, termios.TCSANOW, mode)
    try:
        yield
    finally:
        sys.stdout.flush()
        termios.tcsetattr(0, termios.TCSANOW, before)
