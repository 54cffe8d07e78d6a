"""A server that a benchmark starts, measures and stops."""
from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(sys.executable).parent


class Server:
    """A server on a port of its own, in a new folder or one that exists, pinned to the first processor or not."""

    def __init__(self, command: list[str], *options: str, folder: str | None = None, pinned: bool = True):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = folder or tempfile.mkdtemp(prefix="benchmark-")
        self.process = subprocess.Popen(
            [*(["taskset", "-c", "0"] if pinned else []), *command, "--port", str(self.port), "--dir", self.folder, "--save", "",
             *options], stdout=subprocess.DEVNULL)
        for _ in range(200):
            try:
                self.connection = socket.create_connection(("127.0.0.1", self.port))
                return
            except OSError:
                time.sleep(0.05)
        sys.exit(f"{Path(sys.argv[0]).name}: {command[0]} does not listen")

    def seconds(self) -> float:
        """Processor time of its main thread so far."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9

    def end(self) -> None:
        """Stop it, and keep its files."""
        self.connection.close()
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def ours() -> list[str]:
    """The command of this project's server, beside the Python that runs the benchmark."""
    return [str(BIN / "kv-server")]
