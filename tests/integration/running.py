"""A kv-server of a test's own: its options, its directory, its log."""
from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import redis

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RunningServer:
    """Started at once; restart() keeps the directory and the options."""

    def __init__(self, directory: Path, *options: str, config: str | None = None, wait: bool = True):
        self.directory = directory
        self.port = free_port()
        self.options = options
        self.config = config
        self.log = directory / "server.log"
        self.process: subprocess.Popen | None = None
        self.start(wait)

    def command(self) -> list[str]:
        words = [sys.executable, "-m", "kv.server"]
        if self.config is not None:
            path = self.directory / "kv.conf"
            path.write_text(self.config)
            words.append(str(path))
        return [*words, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory), "--save", "",
                *self.options]

    def start(self, wait: bool = True) -> None:
        self.process = subprocess.Popen(self.command(), stdout=self.log.open("ab"), stderr=subprocess.STDOUT,
                                        env={**os.environ, "PYTHONPATH": str(ROOT)})
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port)):
                    return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the server did not start:\n{self.text()}") from None
                time.sleep(0.01)

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def client(self, **options) -> redis.Redis:
        return redis.Redis("127.0.0.1", self.port, **options)

    def raw(self, timeout: float = 10) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        """Send a signal and wait; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def resident(self) -> int:
        """Bytes of the resident set."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmRSS")
