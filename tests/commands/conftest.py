"""Our server, started once a session, and clients of it in both RESP versions."""
from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.commands.client import Client
from tests.commands.embedded import embedded_engine, kv  # noqa: F401
from tests.program import Program


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program(tmp_path_factory.mktemp("server"), "--enable-debug-command", "yes")
    yield program
    program.kill()


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The server to compare with: Debian's, or the one that KV_TEST_PEER names."""
    path = os.environ.get("KV_TEST_PEER") or shutil.which("redis-server")
    if path is None:
        pytest.skip("no redis-server to compare with")
    program = Program(tmp_path_factory.mktemp("peer"), "--enable-debug-command", "yes", command=[path])
    yield program
    program.kill()


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(server: Program, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of an empty server."""
    connected = Client(server.port, request.param)
    connected("FLUSHALL")
    yield connected
    connected.close()
