"""An engine in a program: commands in, Python values out, and nothing opened."""
from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from kv._core.engine.engine import Engine
from kv._core.engine.localsession import SessionClosed
from kv._core.runtime.call import ReplyError, Status, Verbatim
from kv._core.runtime.registry import declare_package
from kv.server import commands

declare_package(commands)       # those that are written in Python


@pytest.fixture
def engine() -> Engine:
    return Engine(seed=1)


def test_it_opens_nothing() -> None:
    before, threads = sorted(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
    engine = Engine()
    engine.execute("SET", "k", "v")
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert len(os.listdir("/proc/self/task")) <= threads


@pytest.mark.parametrize("words, value", [
    (["SET", "k", "v"], "OK"), (["GET", "none"], None), (["APPEND", "a", b"\0\xff"], 2), (["GET", "a"], b"\0\xff"),
    (["INCRBYFLOAT", "f", 1.5], b"1.5"), (["ZADD", "z", 1.5, "m"], 1), (["ZSCORE", "z", "m"], 1.5),
    (["ZRANGE", "z", 0, -1, "WITHSCORES"], [[b"m", 1.5]]), (["HSET", "h", "f", 1, "g", 2], 2),
    (["HGETALL", "h"], {b"f": b"1", b"g": b"2"}), (["SADD", "s", "x", "y"], 2), (["SMEMBERS", "s"], {b"x", b"y"}),
    (["LRANGE", "none", 0, -1], []), (["XADD", "x", "1-1", "a", "b"], b"1-1"),
    (["XRANGE", "x", "-", "+"], [[b"1-1", [b"a", b"b"]]]),
    (["LPOP", "none", 2], None), (["ECHO", "é"], "é".encode()), (["DEBUG", "PROTOCOL", "true"], True)])
def test_replies_are_values(engine: Engine, words: list, value) -> None:
    for setup in (["APPEND", "a", b"\0\xff"], ["ZADD", "z", 1.5, "m"], ["HSET", "h", "f", 1, "g", 2], ["SADD", "s", "x", "y"],
                  ["XADD", "x", "1-1", "a", "b"]):
        if setup != words:
            engine.execute(*setup)
    if words[0] == "GET" and words[1] == "a":
        assert engine.execute(*words) == value
        return
    reply = engine.execute(*words)
    assert reply == value and type(reply) is (Status if value == "OK" else type(value))


def test_types_of_resp3(engine: Engine) -> None:
    protocol = lambda kind: engine.execute("DEBUG", "PROTOCOL", kind)      # noqa: E731
    assert isinstance(protocol("verbatim"), Verbatim) and protocol("double") == 3.141
    assert protocol("bignum") == 1234567999999999999999999999999999999
    assert protocol("set") == {0, 1, 2} and protocol("map") == {0: False, 1: True, 2: False}
    assert protocol("null") is None and protocol("array") == [0, 1, 2]


def test_the_gates_are_a_connections(engine: Engine) -> None:
    with pytest.raises(ReplyError, match="^ERR unknown command 'NONE', with args beginning with: 'x' $"):
        engine.execute("NONE", "x")
    with pytest.raises(ReplyError, match="wrong number of arguments for 'get'"):
        engine.execute("GET")
    engine.execute("LPUSH", "l", 1)
    with pytest.raises(ReplyError, match="^WRONGTYPE"):
        engine.execute("GET", "l")
    engine.configure(maxmemory=1)
    with pytest.raises(ReplyError, match="^OOM"):
        engine.execute("SET", "k", "v")
    assert engine.execute("GET", "k") is None
    engine.configure(maxmemory=0)
    engine.set_write_error("disk")
    with pytest.raises(ReplyError, match="^MISCONF"):
        engine.execute("SET", "k", "v")
    engine.set_write_error(None)
    engine.pause(False, 1 << 50)
    assert engine.execute("SET", "k", "v") == "OK"      # the program's own commands are not held back
    engine.unpause()


def test_transactions(engine: Engine) -> None:
    with engine.session() as one, engine.session() as other:
        one.execute("WATCH", "k")
        assert one.execute("MULTI") == "OK" and one.execute("SET", "k", 1) == "QUEUED" and one.execute("LPUSH", "k", 1) == "QUEUED"
        replies = one.execute("EXEC")
        assert replies[0] == "OK" and isinstance(replies[1], ReplyError) and str(replies[1]).startswith("WRONGTYPE")
        one.execute("WATCH", "k")
        one.execute("MULTI")
        one.execute("GET", "k")
        other.execute("SET", "k", 2)
        assert one.execute("EXEC") is None
        one.execute("MULTI")
        with pytest.raises(ReplyError):
            one.execute("NONE")
        with pytest.raises(ReplyError, match="^EXECABORT"):
            one.execute("EXEC")


def test_sessions_have_their_own_database(engine: Engine) -> None:
    with engine.session() as one, engine.session() as other:
        one.execute("SELECT", 3)
        one.execute("SET", "k", "three")
        assert other.execute("GET", "k") is None and one.execute("GET", "k") == b"three"


def test_messages(engine: Engine) -> None:
    with engine.session() as session:
        assert session.execute("SUBSCRIBE", "a", "b") is None
        assert session.pushes() == [[b"subscribe", b"a", 1], [b"subscribe", b"b", 2]]
        engine.execute("PUBLISH", "a", "1")
        engine.execute("PUBLISH", "b", "2")
        assert session.execute("PING") == "PONG"
        assert session.pushes() == [[b"message", b"a", b"1"], [b"message", b"b", b"2"]] and session.pushes() == []
        session.execute("PUBLISH", "a", "own")
        assert session.pushes() == [[b"message", b"a", b"own"]]


def test_messages_that_nobody_takes_are_limited(engine: Engine) -> None:
    engine.set_output_limit("pubsub", 100_000, 0, 0)
    session = engine.session()
    session.execute("SUBSCRIBE", "c")
    for _ in range(200):
        engine.execute("PUBLISH", "c", "x" * 1000)
    with pytest.raises(SessionClosed):
        session.execute("PING")
    assert engine.execute("PUBLISH", "c", "x") == 0


def test_waits_only_where_asked_to(engine: Engine) -> None:
    assert engine.execute("BLPOP", "q", 0) is None
    started = time.monotonic()
    assert engine.execute("BLPOP", "q", 0, wait=0.05) is None
    assert engine.execute("BLPOP", "q", 0.05, wait=10) is None
    assert 0.1 <= time.monotonic() - started < 5


def test_a_wait_ends_when_another_thread_brings_what_it_waits_for(engine: Engine) -> None:
    found: list = []
    with engine.session() as session:
        thread = threading.Thread(target=lambda: found.append(session.execute("BLPOP", "q", 0, wait=10)))
        thread.start()
        time.sleep(0.05)
        engine.execute("RPUSH", "q", "v")
        thread.join(10)
    assert found == [[b"q", b"v"]]


def test_closed(engine: Engine) -> None:
    session = engine.session()
    session.close()
    session.close()
    with pytest.raises(SessionClosed):
        session.execute("PING")
    other = engine.session()
    assert other.execute("QUIT") == "OK"
    with pytest.raises(SessionClosed):
        other.execute("PING")


@pytest.mark.parametrize("words, error", [([], ValueError), (["GET", None], TypeError), (["GET", True], TypeError)])
def test_words(engine: Engine, words: list, error: type) -> None:
    with pytest.raises(error):
        engine.execute(*words)
    assert engine.execute("SET", bytearray(b"k"), memoryview(b"v")) == "OK" and engine.execute("GET", "k") == b"v"


def test_many_words(engine: Engine) -> None:
    assert engine.execute("RPUSH", "l", *range(1000)) == 1000
    assert engine.execute("LRANGE", "l", 0, -1) == [str(n).encode() for n in range(1000)]


def test_engines_die_with_what_they_have() -> None:
    import gc
    for _ in range(3):
        engine = Engine()
        session = engine.session()
        session.execute("SUBSCRIBE", "c")
        feed = engine.feed()
        engine.execute("SET", "k", "v")
        del engine, session, feed
        gc.collect()


def test_the_examples_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).resolve().parents[3] / "README.md").read_text()
    examples = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert len(examples) == 2 and all(5 <= len(example.splitlines()) <= 15 for example in examples)
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})
    assert (tmp_path / "folder" / "appendonlydir").is_dir()
