"""start_server(*options, config=text): a server of the test's own, killed when the test ends."""
from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.program import Program


@pytest.fixture
def start_server(tmp_path) -> Iterator[Callable[..., Program]]:
    started: list[Program] = []

    def start(*options: str, **rest) -> Program:
        directory = tmp_path / str(len(started))
        directory.mkdir()
        started.append(Program(directory, *options, **rest))
        return started[-1]

    yield start
    for server in started:
        server.kill()
