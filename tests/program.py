"""A server program in a directory of a test's own: started at once, told to stop, killed.

    program = Program(tmp_path, "--maxclients", "3")
    client = program.connect()              # a Client of tests/commands/client.py
    program.client().set("k", "v")          # redis-py
"""
from __future__ import annotations

import itertools
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis

from tests.commands.client import Client

ROOT = Path(__file__).resolve().parents[1]
KV_SERVER = (sys.executable, "-m", "kv.server")
START_SECONDS = 30


FIRST_PORT, PORTS_EACH = 11_000, 1_500      # below the ports that the kernel gives to connections
_ports = itertools.count(os.getpid() * 7)


def free_port() -> int:
    """A port that nobody listens on, out of a range that this test worker has for itself: a server that starts slowly, or starts
    again, would else find another worker's in its place."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 12
    for number in itertools.islice(_ports, PORTS_EACH):
        port = FIRST_PORT + worker * PORTS_EACH + number % PORTS_EACH
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")


class Program:
    """start() after an end runs it again, with the same directory, port and options. Ours, unless `command` is another
    server's; `config` is the text of a configuration file. Without `wait` nobody has seen it serve yet."""

    def __init__(self, directory: Path, *options: str, command: Sequence[str] = KV_SERVER, config: str | None = None,
                 wait: bool = True, file_size_limit: int | None = None,
                 environment: dict[str, str] | None = None, prepare: Callable[[], object] | None = None) -> None:
        self.directory = directory
        self.port = free_port()
        self.options = options
        self.program = command
        self.config = config
        self.file_size_limit = file_size_limit
        self.environment = environment or {}    # beside this process's own
        self.prepare = prepare      # runs in the new process, before the program
        self.log = directory / "server.log"
        self.process: subprocess.Popen
        self.start(wait)

    # -- its life -----------------------------------------------------------------------------------------------------

    def command(self) -> list[str]:
        words = [*self.program]
        if self.config is not None:
            path = self.directory / "kv.conf"
            path.write_text(self.config)
            words.append(str(path))
        return [*words, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory), "--save", "",
                *self.options]

    def start(self, wait: bool = True) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment},
                preexec_fn=self.limit_files if self.file_size_limit else self.prepare)
        if wait:
            self.wait_ready()

    def limit_files(self) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_size_limit, resource.RLIM_INFINITY))

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until it accepts connections."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port)):
                    return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the server did not start:\n{self.text()}") from None
                time.sleep(0.01)

    def ends(self, seconds: float = 20) -> int:
        """Wait for the process to end; its status."""
        return self.process.wait(seconds)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        """Send a signal and wait; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.ends(seconds)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    # -- talking to it ------------------------------------------------------------------------------------------------

    def connect(self, resp: int = 2) -> Client:
        return Client(self.port, resp)

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis("127.0.0.1", self.port, **options)

    def raw(self, timeout: float = 10) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    # -- looking at it ------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """What it logged so far."""
        return self.log.read_text(errors="replace")

    def until(self, holds: Callable[[], Any], seconds: float = 10) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not come about; the log:\n" + self.text()
            time.sleep(0.01)

    def resident(self) -> int:
        """Bytes of the resident set."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmRSS")
