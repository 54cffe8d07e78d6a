"""Programs for the tests here: kv-cli itself, a real server to talk to, and a scripted one."""

import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from kv.cli.resp import Connection
from tests.program import free_port as free_port

ROOT = Path(__file__).resolve().parents[3]
CLI = [sys.executable, "-m", "kv.cli.client"]
WAIT_S = 20.0  # nothing here takes a second; this only ends a test that hangs


def environment(**extra: str) -> dict[str, str]:
    """Ours without what would change the client's behaviour, and with no home whose files it could read."""
    kept = {name: value for name, value in os.environ.items() if "CLI_" not in name and name != "FAKETTY"}
    return {**kept, "PYTHONPATH": str(ROOT), "HOME": "/nonexistent", "TERM": "dumb", **extra}


def run(
    *arguments: str, stdin: bytes = b"", tty: bool = False, **extra: str
) -> subprocess.CompletedProcess[bytes]:
    if tty:
        extra["FAKETTY"] = "1"
    return subprocess.run(
        [*CLI, *arguments], input=stdin, capture_output=True, timeout=WAIT_S, env=environment(**extra)
    )


class Server:
    """A running redis-server, and a client of ours to prepare data with."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.unix_socket = folder / "server.sock"

    def run(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
        return run("-p", str(self.port), *arguments, **options)  # type: ignore[arg-type]

    def call(self, *words: str | bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port)) as sock:
            plain = [word.encode() if isinstance(word, str) else word for word in words]
            reply = Connection(sock).call(*plain)
            assert not reply.is_error, reply.text
            return reply.data

    def wait(self) -> None:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                self.call("PING")
                return
            except OSError:
                assert time.monotonic() < deadline, "redis-server did not start"
                time.sleep(0.02)


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[Server]:
    """Debian's redis-server in `folder`; the tests that need it are skipped where it is absent."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    server = Server(free_port(), folder)
    command = [program, "--port", str(server.port), "--dir", str(folder), "--save", "", "--appendonly", "no"]
    command += ["--unixsocket", str(server.unix_socket), "--enable-debug-command", "yes"]
    command += ["--repl-diskless-sync-delay", "0", "--loglevel", "warning", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        server.wait()
        yield server
    finally:
        process.terminate()
        process.wait(WAIT_S)


class ScriptedServer:
    """Answers each connection's commands with the given replies, in order, and notes what it was asked."""

    def __init__(self, *conversations: Sequence[bytes]) -> None:
        self.asked: list[list[bytes]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(conversations,), daemon=True)

    def __enter__(self) -> "ScriptedServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(WAIT_S)
        self._listener.close()

    def _serve(self, conversations: Sequence[Sequence[bytes]]) -> None:
        for replies in conversations:
            sock, _ = self._listener.accept()
            with sock:
                connection = Connection(sock)
                for reply in replies:
                    self.asked.append([word.data for word in connection.read().items])
                    sock.sendall(reply)


class Dialogue:
    """kv-cli driven over a pair of file descriptors: write a line, read until some text has come."""

    def __init__(self, process: "subprocess.Popen[bytes]", read_fd: int, write_fd: int) -> None:
        self.process = process
        self.read_fd = read_fd
        self.write_fd = write_fd
        self.unread = b""

    def type(self, keys: bytes) -> None:
        os.write(self.write_fd, keys)

    def until(self, text: bytes) -> bytes:
        """Everything up to and including `text`."""
        deadline = time.monotonic() + WAIT_S
        while text not in self.unread:
            ready, _, _ = select.select([self.read_fd], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"waited for {text!r}, got {self.unread!r}"
            try:
                data = os.read(self.read_fd, 65536)
            except OSError:  # a terminal's other end was closed
                data = b""
            assert data, f"ended before {text!r}, got {self.unread!r}"
            self.unread += data
        before, _, self.unread = self.unread.partition(text)
        return before + text

    def ask(self, line: bytes, answer: bytes) -> bytes:
        self.type(line + b"\n")
        return self.until(answer)


@contextmanager
def piped_client(*arguments: str, **extra: str) -> Iterator[Dialogue]:
    process = subprocess.Popen(
        [*CLI, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(**extra),
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield Dialogue(process, process.stdout.fileno(), process.stdin.fileno())
    finally:
        process.kill()
        process.communicate(timeout=WAIT_S)
