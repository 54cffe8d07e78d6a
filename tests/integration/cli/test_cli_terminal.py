"""The prompt at a real (pseudo) terminal: editing, hints, completion, history, Ctrl-C and Ctrl-D."""

import os
import pty
import re
import signal
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSCTTY, TIOCSWINSZ

import pytest

from tests.integration.cli.cli_programs import CLI, WAIT_S, Dialogue, Server, environment, redis_server

CONTROL = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\r")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("server")) as running:
        yield running


class Terminal(Dialogue):
    """A dialogue whose text is read without the control sequences that place and colour it."""

    def see(self, text: bytes) -> bytes:
        seen = b""
        while text not in CONTROL.sub(b"", seen):
            seen += self.until(text[-1:])
        return CONTROL.sub(b"", seen)


def own_terminal() -> None:
    """Ctrl-C on it is a signal to the client, though whoever started that ignores it, as a job in the background."""
    ioctl(0, TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def terminal(server: Server, history: Path) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
    process = subprocess.Popen(
        [*CLI, "-p", str(server.port)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        # NO_CPR: this terminal does not answer where its cursor is
        env=environment(TERM="xterm", KVCLI_HISTFILE=str(history), PROMPT_TOOLKIT_NO_CPR="1"),
        start_new_session=True,
        preexec_fn=own_terminal,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours, ours)
    finally:
        process.kill()
        process.wait(WAIT_S)
        os.close(ours)


def test_a_session(server: Server, tmp_path: Path) -> None:
    history = tmp_path / "history"
    prompt = b"127.0.0.1:%d" % server.port
    with terminal(server, history) as screen:
        screen.see(prompt + b">")
        screen.type(b"incr c")
        screen.see(b"incr c")
        screen.type(b" ")
        screen.type(b"\rselect 3\r")
        screen.see(prompt + b"[3]>")
        screen.type(b"multi\r")
        screen.see(prompt + b"[3](TX)>")
        screen.type(b"discard\r")
        screen.see(b"OK")
        screen.type(b"auth secret\r")
        screen.see(b"(error)")
        screen.see(prompt + b"[3]>")
        screen.type(b"\x04")
        assert screen.process.wait(WAIT_S) == 0
    assert history.read_text().splitlines() == ["incr c ", "select 3", "multi", "discard"]
    assert history.stat().st_mode & 0o777 == 0o600


def test_hints_and_completion(server: Server, tmp_path: Path) -> None:
    with terminal(server, tmp_path / "history") as screen:
        screen.see(b">")
        screen.type(b"getrange ")
        screen.see(b"key start end")
        screen.type(b"\x15getd\t")
        screen.see(b"GETDEL")
        screen.type(b"\x15help @hyper\t")
        screen.see(b"loglog")
        screen.type(b"\r")
        screen.see(b"PFMERGE")


def test_control_c(server: Server, tmp_path: Path) -> None:
    prompt = b"127.0.0.1:%d" % server.port
    with terminal(server, tmp_path / "history") as screen:
        screen.see(prompt + b">")
        screen.type(b"subscribe c\r")
        screen.see(b"Reading messages...")
        server.call("PUBLISH", "c", "hello")
        screen.see(b'"hello"')
        screen.type(b"u")  # any key leads to the prompt, and is not lost
        screen.see(prompt + b"(subscribed mode)>")
        screen.see(b"u")
        screen.type(b"nsubscribe\r")
        screen.see(b'"unsubscribe"')
        screen.see(prompt + b">")
        screen.type(b"monitor\r")
        screen.see(b"OK")
        server.call("SET", "watched", "1")
        screen.see(b'"watched"')
        screen.type(b"\x03")
        screen.see(prompt + b">")
        screen.type(b"half a line\x03")
        screen.see(prompt + b">")
        screen.type(b"echo again\r")
        screen.see(b'"again"')
        screen.see(prompt + b">")
        screen.type(b"\x03")
        assert screen.process.wait(WAIT_S) == 0


def test_control_c_ends_a_command_that_blocks(server: Server, tmp_path: Path) -> None:
    with terminal(server, tmp_path / "history") as screen:
        screen.see(b">")
        screen.type(b"blpop nothing 0\r")
        while b"blocked_clients:1" not in server.run("info", "clients").stdout:
            pass
        screen.type(b"\x03")
        assert screen.process.wait(WAIT_S) == 1
