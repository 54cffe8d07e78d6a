"""Our server, started once a session, and clients of it in both RESP versions."""
from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.client import Client
from tests.commands.embedded import embedded_engine, kv  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]


class Program:
    """A running server."""

    def __init__(self, command: list[str], directory: Path):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", ""]
        self.process = subprocess.Popen(
            [*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)})
        self.wait()

    def wait(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                Client(self.port).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the server did not start") from None
                time.sleep(0.02)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program([sys.executable, "-m", "kv.server", "--enable-debug-command", "yes"],
                      tmp_path_factory.mktemp("server"))
    yield program
    program.stop()


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The server to compare with: Debian's, or the one that KV_TEST_PEER names."""
    path = os.environ.get("KV_TEST_PEER") or shutil.which("redis-server")
    if path is None:
        pytest.skip("no redis-server to compare with")
    program = Program([path], tmp_path_factory.mktemp("peer"))
    yield program
    program.stop()


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(server: Program, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of an empty server."""
    connected = Client(server.port, request.param)
    connected("FLUSHALL")
    yield connected
    connected.close()
