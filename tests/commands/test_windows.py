"""Pipelines: what is fetched ahead for a window of requests changes nothing of what they answer."""
from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.commands.client import Client, request
from tests.program import Program

FILL = [str(number) for number in range(600)]       # members that make a collection large
MEMBERS = st.sampled_from([*FILL[:3], "9999", "x" * 200, ""])


def commands(key: str) -> st.SearchStrategy[list[str]]:
    """One request on a collection, or one that replaces or deletes it in the middle of a window."""
    return st.one_of(
        st.tuples(st.sampled_from(["sadd", "srem", "sismember"]), st.just(f"{key}:set"), MEMBERS),
        st.tuples(st.sampled_from(["hget", "hdel", "hexists", "hstrlen"]), st.just(f"{key}:hash"), MEMBERS),
        st.tuples(st.just("hset"), st.just(f"{key}:hash"), MEMBERS, MEMBERS),
        st.tuples(st.sampled_from(["zscore", "zrem", "zrank"]), st.just(f"{key}:zset"), MEMBERS),
        st.tuples(st.sampled_from(["zadd", "zincrby"]), st.just(f"{key}:zset"), st.sampled_from(["1", "nan", "-2.5"]), MEMBERS),
        st.tuples(st.just("sadd"), st.just(f"{key}:hash"), MEMBERS),
        st.tuples(st.sampled_from(["sadd", "hget", "zadd", "hset", "nothing"]), st.just(f"{key}:set")),
        st.tuples(st.just("del"), st.sampled_from([f"{key}:set", f"{key}:hash", f"{key}:zset"])),
        st.tuples(st.just("rename"), st.just(f"{key}:set"), st.just(f"{key}:hash")),
        st.tuples(st.sampled_from(["mget", "mset"]), st.just(f"{key}:a"), st.just(f"{key}:b")),
        st.tuples(st.just("get"), st.just(f"{key}:set")),
    ).map(list)


def fill(client: Client, key: str) -> None:
    client("flushall")
    client("sadd", f"{key}:set", *FILL)
    client("hset", f"{key}:hash", *[word for member in FILL for word in (member, member)])
    client("zadd", f"{key}:zset", *[word for member in FILL for word in (member, member)])


@settings(max_examples=60, deadline=None)
@given(st.lists(commands("k"), min_size=2, max_size=70))
def test_a_window_answers_as_its_requests_one_by_one(server: Program, script: list[list[str]]) -> None:
    client = Client(server.port)
    fill(client, "k")
    expected = [client(*words) for words in script]
    fill(client, "k")
    client.socket.sendall(b"".join([request(*words) for words in script]))
    assert [client.reply() for _ in script] == expected
    client.close()


def test_requests_of_every_small_form_in_one_window(server: Program) -> None:
    """Words of 0 to 120 bytes, one to twelve of them: the short way of the parser, and where it ends."""
    client = Client(server.port)
    script = [["echo", "e" * length] for length in range(121)]
    script += [["del", *["none"] * count] for count in range(1, 13)]
    client.socket.sendall(b"".join([request(*words) for words in script]))
    for words in script:
        assert client.reply() == (words[1].encode() if words[0] == "echo" else 0)
    client.close()


def test_headers_that_the_short_way_must_not_take(server: Program) -> None:
    for header, reply in (
        ("*1\r\n$04\r\nPING\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        ("*1\r\n$:\r\nPING\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        ("*1\r\n$1;\r\nPING\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        ("*1\r\n$-1\r\nPING\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        ("*:\r\n$4\r\nPING\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        ("*1\r\n+4\r\nPING\r\n", "-ERR Protocol error: expected '$', got '+'\r\n"),
    ):
        client = Client(server.port)
        client.socket.sendall(header.encode())
        assert client.raw_reply() == reply.encode(), header
        client.close()
