"""start_server(*options, config=text): a server of the test's own, killed when the test ends."""
from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.integration.running import RunningServer


@pytest.fixture
def start_server(tmp_path) -> Iterator[Callable[..., RunningServer]]:
    started: list[RunningServer] = []

    def start(*options: str, **rest) -> RunningServer:
        directory = tmp_path / str(len(started))
        directory.mkdir()
        started.append(RunningServer(directory, *options, **rest))
        return started[-1]

    yield start
    for server in started:
        server.kill()
