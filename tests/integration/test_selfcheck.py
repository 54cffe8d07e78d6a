"""enable-debug-assert: what does not hold ends the server."""
from __future__ import annotations

import sys
import time

import pytest

from kv._core.engine.engine import Engine
from kv.server import selfcheck
from kv.server.config import Config


class Walks:
    def __init__(self, monkeypatch, seconds: float, enabled: str = "yes") -> None:
        self.now, self.seconds, self.count = 100.0, seconds, 0
        monkeypatch.setattr(selfcheck, "check", self.walk)
        monkeypatch.setattr(selfcheck.time, "monotonic", lambda: self.now)
        config = Config()
        config.force("enable-debug-assert", enabled)
        self.check = selfcheck.SelfCheck(Engine(None), config)

    def walk(self, engine) -> None:
        self.count += 1
        self.now += self.seconds


def test_walks_take_a_fiftieth_of_the_time(monkeypatch) -> None:
    walks = Walks(monkeypatch, 0.5)
    for _ in range(1000):
        walks.check.cron()
        walks.now += 0.1
    assert 3 <= walks.count <= 4       # in a hundred seconds
    walks = Walks(monkeypatch, 0.001)
    for _ in range(100):
        walks.check.cron()
        walks.now += 0.1
    assert 8 <= walks.count <= 10      # in ten


def test_nobody_walks_unasked(monkeypatch) -> None:
    walks = Walks(monkeypatch, 0.001, "no")
    walks.check.cron()
    assert walks.count == 0


@pytest.mark.parametrize("holds", [True, False])
def test_a_server_that_walks(start_server, holds: bool) -> None:
    program = "import sys\nfrom kv.server import selfcheck\n"
    if not holds:
        program += "def check(engine):\n    raise AssertionError('a table is larger than it is')\nselfcheck.check = check\n"
    program += "from kv.server.__main__ import main\nsys.exit(main())\n"
    server = start_server("--enable-debug-assert", "yes", command=[sys.executable, "-c", program], wait=holds)
    if holds:
        client = server.client()
        client.mset(dict.fromkeys(range(1000), "v"))
        time.sleep(1.3)
        assert client.dbsize() == 1000
    else:
        assert server.ends() == 1
        assert "a table is larger than it is" in server.text() and "BUG REPORT" in server.text()
