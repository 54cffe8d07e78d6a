"""A server of ours in a folder of its own, started, stopped and killed at will."""
from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.commands.client import Client, request

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 20


class Server:
    """`with Server(folder, appendonly="yes") as server: server("SET", "k", "v")`; options with _ for -."""

    def __init__(self, folder: Path, file_size_limit: int | None = None, wait: bool = True,
                 **options: Any) -> None:
        self.folder = folder
        self.log_path = folder / "log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        options = {"save": "", "enable_debug_command": "yes", "appendonly": "yes", **options}
        words = []
        for name, value in options.items():
            words += ["--" + name.replace("_", "-"), str(value)]

        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size_limit, resource.RLIM_INFINITY))

        self.process = subprocess.Popen(
            [sys.executable, "-m", "kv.server", "--port", str(self.port), "--bind", "127.0.0.1",
             "--dir", str(folder), "--logfile", str(self.log_path), *words],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, preexec_fn=limit if file_size_limit else None)
        self.client: Client | None = None
        if wait:
            self.connect()

    def connect(self) -> None:
        """Wait until it serves."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.client = Client(self.port)
                if not str(self.client("PING")).startswith("LOADING"):
                    return
                self.client.close()
            except ConnectionError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the server did not start:\n" + self.log())
            time.sleep(0.01)

    def __call__(self, *words: Any) -> Any:
        assert self.client is not None
        return self.client(*words)

    def pipe(self, commands: list[tuple]) -> list[Any]:
        assert self.client is not None
        self.client.socket.sendall(b"".join([request(*words) for words in commands]))
        return [self.client.reply() for _ in commands]

    def info(self, section: str = "persistence") -> dict[str, str]:
        lines = self("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    def until(self, holds: Callable[[], Any], seconds: float = 10) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not come about; the log:\n" + self.log()
            time.sleep(0.01)

    def rewritten(self, count: int = 1) -> None:
        """Wait for so many rewrites to be over."""
        def over() -> bool:
            figures = self.info()
            return figures["aof_rewrites"] == str(count) and figures["aof_rewrite_in_progress"] == "0"

        self.until(over)

    def ends(self, seconds: float = 10) -> int:
        """Wait for the process to end; its status."""
        return self.process.wait(seconds)

    def terminate(self) -> int:
        self.process.terminate()
        return self.ends()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.client is not None:
            with contextlib.suppress(OSError):
                self.client.close()
        self.kill()


def commands(*lines: str) -> bytes:
    """The bytes of commands, a line each, words apart by blanks."""
    return b"".join([request(*line.split()) for line in lines])


def make_files(folder: Path, stem: str = "appendonly.aof", base: bytes | None = None,
               *increments: bytes) -> Path:
    """Files of an append-only file, and the manifest that names them; its folder."""
    inside = folder / "appendonlydir"
    inside.mkdir(exist_ok=True)
    lines = []
    if base is not None:
        (inside / f"{stem}.1.base.aof").write_bytes(base)
        lines.append(f"file {stem}.1.base.aof seq 1 type b\n")
    for number, data in enumerate(increments, 1):
        (inside / f"{stem}.{number}.incr.aof").write_bytes(data)
        lines.append(f"file {stem}.{number}.incr.aof seq {number} type i\n")
    (inside / f"{stem}.manifest").write_text("".join(lines))
    return inside
