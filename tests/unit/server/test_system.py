"""What the log says about maxmemory and the limit of a container."""
from __future__ import annotations

import pytest

from kv._core.engine.engine import Engine
from kv._core.runtime.call import ReplyError
from kv.server import system
from kv.server.config import Config
from kv.server.config.option import Share
from kv.server.user import PLACEHOLDER, DefaultUser

GB = 1 << 30


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    for module in ("kv.server.system.log", "kv.server.user.log"):
        monkeypatch.setattr(module, lambda level, line: found.append(f"{level} {line}"))
    return found


def with_maxmemory(text: str, monkeypatch: pytest.MonkeyPatch, limit: int | None) -> Config:
    monkeypatch.setattr("kv.server.config.option.usable_memory", lambda: limit or 64 * GB)
    monkeypatch.setattr("kv.server.system.memory_limit", lambda: limit)
    config = Config()
    config.force("maxmemory", text)
    return config


@pytest.mark.parametrize("maxmemory, limit, said", [
    ("0", None, ""), ("100gb", None, ""), ("1gb", 2 * GB, ""), ("2gb", 2 * GB, ""), ("75%", 2 * GB, ""),
    ("0", 2 * GB, "warning WARNING maxmemory is not set, and this container has a memory limit of 2147483648 bytes: when the "
                  "data grow beyond it, the kernel kills the server. Set 'maxmemory 75%', which is 1610612736 bytes here."),
    ("3gb", 2 * GB, "warning WARNING maxmemory (3221225472) is more than the memory limit of this container (2147483648 bytes): "
                    "the kernel kills the server before it would evict a key or refuse a write. Set 'maxmemory 75%', which is "
                    "1610612736 bytes here.")])
def test_a_limit_that_maxmemory_does_not_go_with(lines: list[str], monkeypatch: pytest.MonkeyPatch, maxmemory: str,
                                                 limit: int | None, said: str) -> None:
    system.warn_of_limit(with_maxmemory(maxmemory, monkeypatch, limit), limit)
    assert lines == ([said] if said else [])


@pytest.mark.parametrize("limit, said", [
    (2 * GB, "notice maxmemory is 75% of the memory limit of this container (2147483648 bytes): 1610612736 bytes"),
    (None, "notice maxmemory is 75% of this machine's memory (68719476736 bytes): 51539607552 bytes")])
def test_what_a_share_is_of(lines: list[str], monkeypatch: pytest.MonkeyPatch, limit: int | None, said: str) -> None:
    system.tell_of_share(with_maxmemory("75%", monkeypatch, limit))
    system.tell_of_share(with_maxmemory("1gb", monkeypatch, limit))
    assert lines == [said]


def test_the_engine_obeys_a_share() -> None:
    engine = Engine(None)
    engine.configure(maxmemory=Share(50, 4 << 20))
    with pytest.raises(ReplyError, match="used memory > 'maxmemory'"):
        for number in range(100):
            engine.execute(b"SET", b"k%d" % number, b"x" * 100_000)
    assert (1 << 20) < engine.used_memory < (3 << 20)


@pytest.mark.parametrize("password, warned", [(PLACEHOLDER, True), ("generated", False), ("", False)])
def test_the_placeholder_is_no_password(lines: list[str], password: str, warned: bool) -> None:
    config = Config()
    config.force("requirepass", password)
    DefaultUser(config).warn_of_placeholder()
    assert bool(lines) == warned and not any(PLACEHOLDER in line for line in lines)
