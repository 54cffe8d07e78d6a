"""Large values are sent from where they stand: what is sent is what the value was when the command ran, whatever happens to the
key before a slow client has read it."""
from __future__ import annotations

import random
import socket

import pytest

from tests.commands.client import Client, Failure, request
from tests.commands.test_client_memory import fields, figure
from tests.program import Program

MB = 1 << 20
VALUE = random.Random(1).randbytes(MB)
PART = 300_000


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A server of its own: its memory is looked at, and values of others would count."""
    running = Program(tmp_path_factory.mktemp("large"), "--enable-debug-command", "yes")
    yield running
    running.kill()


@pytest.fixture
def control(program):
    client = program.connect()
    client("FLUSHALL", "SYNC")
    client("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0 pubsub 32mb 8mb 60")
    client("SET", "big", VALUE)
    client("HSET", "hash", "field", VALUE, "small", "x")
    client("SET", "other", b"o" * PART)
    yield client
    client.close()


@pytest.fixture(params=[2, 3])
def slow(program, control, request):
    """A client whose socket takes little: what it is sent waits in the server."""
    client = Client.__new__(Client)
    client.socket = socket.socket()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    client.socket.connect(("127.0.0.1", program.port))
    client.socket.settimeout(30)
    client.file = client.socket.makefile("rb")
    client.resp = request.param
    client("HELLO", request.param)
    client("CLIENT", "SETNAME", "slow")
    yield client
    client.close()


READS = [
    (("GET", "big"), VALUE),
    (("GETEX", "big"), VALUE),
    (("GETRANGE", "big", 5, -7), VALUE[5:-6]),
    (("GETRANGE", "big", 16_384, 32_767), VALUE[16_384:32_768]),
    (("GETRANGE", "big", 16_385, 32_767), VALUE[16_385:32_768]),
    (("MGET", "big", "none", "other", "big"), [VALUE, None, b"o" * PART, VALUE]),
    (("HGET", "hash", "field"), VALUE),
    (("HMGET", "hash", "field", "none", "small", "field"), [VALUE, None, b"x", VALUE]),
]

CHANGES = [
    ("APPEND", "big", "more"), ("SETRANGE", "big", 3, "changed"), ("SETBIT", "big", 77, 1), ("SET", "big", "short"),
    ("BITFIELD", "big", "SET", "u8", 800, 1), ("SET", "big", b"n" * MB), ("SET", "big", b"n" * (MB - 1)), ("DEL", "big", "hash"),
    ("UNLINK", "big", "hash"), ("RENAME", "other", "big"), ("COPY", "other", "big", "REPLACE"), ("GETDEL", "big"),
    ("BITOP", "NOT", "big", "big"), ("HSET", "hash", "field", b"n" * MB), ("HDEL", "hash", "field"), ("FLUSHALL", "SYNC"),
    ("FLUSHALL", "ASYNC"), ("SWAPDB", 0, 1), ("PEXPIREAT", "big", 1), ("DEBUG", "RELOAD"),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda words: f"{words[0]}-{len(str(words))}")
def test_a_slow_reader_gets_what_the_value_was(program, control, slow, change):
    rounds = 4
    slow.socket.sendall(b"".join(request(*words) for words, _ in READS) * rounds + request("PING"))
    program.until(lambda: figure(control, "slow", "omem") > 8 * MB)
    before = control("GETRANGE", "big", 0, -1)
    assert not isinstance(control(*change), Failure)
    after = control("GET", "big")
    for _ in range(rounds):
        for words, expected in READS:
            assert slow.reply() == expected, words[0]
    assert slow.reply() == "PONG"
    program.until(lambda: figure(control, "slow", "omem") == 0)
    assert control("GET", "big") == after
    assert before == VALUE
    control("SWAPDB", 0, 1) if change[0] == "SWAPDB" else None


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("transaction", [False, True])
def test_values_that_change_in_the_same_turn(program, control, resp, transaction):
    client = program.connect(resp)
    steps = [
        (("PING",), "PONG"), (("GET", "big"), VALUE), (("APPEND", "big", "tail"), MB + 4), (("GET", "big"), VALUE + b"tail"),
        (("SETRANGE", "big", 0, "head"), MB + 4), (("GET", "big"), b"head" + VALUE[4:] + b"tail"), (("SETBIT", "big", 0, 1), 0),
        (("GETRANGE", "big", 0, 99_999), b"\xe8ead" + VALUE[4:100_000]),
        (("SET", "big", b"s" * PART, "GET"), b"\xe8ead" + VALUE[4:] + b"tail"),
        (("GETSET", "big", b"t" * PART), b"s" * PART), (("SET", "big", b"u" * PART), "OK"), (("GETDEL", "big"), b"u" * PART),
        (("GET", "big"), None), (("HGET", "hash", "field"), VALUE), (("HSET", "hash", "field", b"v" * PART), 0),
        (("HGET", "hash", "field"), b"v" * PART), (("HDEL", "hash", "field", "small"), 2), (("ECHO", "end"), b"end"),
    ]
    words = [step for step, _ in steps]
    if transaction:
        client.socket.sendall(b"".join(map(request_of, [("MULTI",), *words, ("EXEC",)])))
        assert client.reply() == "OK"
        assert [client.reply() for _ in words] == ["QUEUED"] * len(words)
        assert client.reply() == [reply for _, reply in steps]
    else:
        client.socket.sendall(b"".join(map(request_of, words)))
        for step, reply in steps:
            assert client.reply() == reply, step[0]
    client.close()


def request_of(words):
    return request(*words)


def test_replies_that_are_turned_off(program, control):
    client = program.connect()
    client.socket.sendall(b"".join(map(request_of, [
        ("CLIENT", "REPLY", "SKIP"), ("GET", "big"), ("GET", "other"), ("CLIENT", "REPLY", "OFF"), ("GET", "big"),
        ("MGET", "big", "big"), ("CLIENT", "REPLY", "ON"), ("GET", "big")])))
    assert [client.reply() for _ in range(3)] == [b"o" * PART, "OK", VALUE]
    client.close()


def test_values_held_for_a_client_that_goes_are_freed(program, control, slow):
    control("SETRANGE", "first", 8 * MB - 1, "x")
    control("SETRANGE", "second", 8 * MB - 1, "x")
    used = info(control, "used_memory")
    slow.socket.sendall(request("MGET", *["first", "second"] * 20))
    program.until(lambda: figure(control, "slow", "omem") > 300 * MB)
    assert info(control, "used_memory") - used < 4 * MB     # not copied
    control("UNLINK", "first")
    control("DEL", "second")
    program.until(lambda: info(control, "lazyfree_pending_objects") == 0)
    assert info(control, "used_memory") - used > -4 * MB    # held still
    slow.close()
    program.until(lambda: info(control, "used_memory") < used - 12 * MB)


def info(control, field):
    text = control("INFO").decode()
    return int(next(line.split(":")[1] for line in text.splitlines() if line.startswith(field + ":")))


@pytest.mark.parametrize("limit, closed", [(2 * MB, True), (64 * MB, False)])
def test_what_is_held_counts_for_the_limit(program, control, slow, limit, closed):
    control("CONFIG", "SET", "client-output-buffer-limit", f"normal {limit} 0 0")
    slow.socket.sendall(request("GET", "big") * 20)
    if closed:
        program.until(lambda: fields(control, "slow") is None)
    else:
        program.until(lambda: figure(control, "slow", "omem") > 10 * MB)
        assert [slow.reply() for _ in range(20)] == [VALUE] * 20


def test_a_value_above_the_limit_is_not_sent(program, control, slow):
    control("CONFIG", "SET", "client-output-buffer-limit", f"normal {MB // 2} 0 0")
    with pytest.raises(ConnectionError):
        slow("GET", "big")


def test_large_messages_are_shared(program, control, slow):
    """By receivers of both versions, slow ones among them; the publisher gets its own behind its reply."""
    fast = [program.connect(resp) for resp in (2, 3, 2, 3)]
    for client in (*fast, slow):
        client.send("SUBSCRIBE", "news")
        client.reply()
    publisher = program.connect(3)
    publisher.send("SUBSCRIBE", "news")
    publisher.reply()
    used = info(control, "used_memory")
    texts = [bytes([65 + number]) * MB for number in range(6)]
    for text in texts:
        publisher.send("PUBLISH", "news", text)
        assert publisher.reply() == 6
        assert publisher.reply() == [b"message", b"news", text]
        for client in fast:
            assert client.reply() == [b"message", b"news", text]
    assert info(control, "used_memory") - used < 10 * MB
    for text in texts:
        assert slow.reply() == [b"message", b"news", text]
    for client in (*fast, publisher):
        client.close()


def test_the_command_log_counts_what_is_not_copied(program, control):
    control("CONFIG", "SET", "commandlog-reply-larger-than", 1000, "commandlog-request-larger-than", 1000)
    control("COMMANDLOG", "RESET", "large-reply")
    control("COMMANDLOG", "RESET", "large-request")
    control("GET", "big")
    control("SET", "big", VALUE, *["x"] * 40)
    control("MULTI")
    control("MGET", "big", "big")
    control("EXEC")
    replies = [(entry[2], entry[3]) for entry in control("COMMANDLOG", "GET", -1, "large-reply")]
    assert replies == [(len(b"*2\r\n") + 2 * (MB + 12), [b"MGET", b"big", b"big"]), (MB + 12, [b"GET", b"big"])]
    (large,) = control("COMMANDLOG", "GET", -1, "large-request")
    assert large[3] == [b"SET", b"big", VALUE[:128] + b"... (%d more bytes)" % (MB - 128), *[b"x"] * 28, b"... (12 more arguments)"]
    control("CONFIG", "SET", "commandlog-reply-larger-than", MB, "commandlog-request-larger-than", MB)


def test_large_arguments_and_small_requests_in_turn(program, control):
    """Who sent a large argument is read in two parts the next time: whatever comes then arrives whole."""
    client = program.connect()
    draw = random.Random(2)
    for _ in range(60):
        sizes = [draw.choice([0, 10, 900, 1100, 40_000, 70_000, 300_000]) for _ in range(draw.randint(1, 5))]
        data = b"".join(request("ECHO", draw.randbytes(1) * size) for size in sizes)
        cut = draw.randint(0, len(data))
        client.socket.sendall(data[:cut])
        client.socket.sendall(data[cut:])
        assert [len(client.reply()) for _ in sizes] == sizes
    client.close()
