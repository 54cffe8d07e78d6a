"""maxmemory-clients, the memory that CLIENT LIST shows, and the room for replies."""
from __future__ import annotations

import contextlib
import os
import signal
import time

import pytest

from tests.commands.client import Client, Failure, request
from tests.program import Program

MB = 1 << 20


@pytest.fixture
def program(tmp_path):
    """A server of its own: limits on clients would hit the shared one's."""
    running = Program(tmp_path, "--enable-debug-command", "yes")
    yield running
    running.kill()


@pytest.fixture
def control(program):
    """A client that is never closed for room."""
    client = program.connect()
    client("CLIENT", "SETNAME", "control")
    client("CLIENT", "NO-EVICT", "on")
    yield client
    client.close()


def fields(control: Client, name: str) -> dict[str, str] | None:
    """What CLIENT LIST shows of the client of a name; None: there is none."""
    for line in control("CLIENT", "LIST").decode().splitlines():
        found = dict(word.split("=", 1) for word in line.split(" "))
        if found["name"] == name:
            return found
    return None


def figure(control: Client, name: str, field: str) -> int:
    found = fields(control, name)
    assert found is not None
    return int(found[field])


def sender(program: Program, name: str) -> Client:
    client = program.connect()
    assert client("CLIENT", "SETNAME", name) == "OK"
    return client


def hold_argument(client: Client, size: int) -> None:
    """All of an argument but the end of its line: the server has to keep it, or closes the connection meanwhile."""
    with contextlib.suppress(ConnectionError):
        client.socket.sendall(b"*2\r\n$%d\r\n" % size + b"v" * size)


def statistic(control: Client, name: str, section: str = "stats") -> int:
    return int(dict(line.split(":", 1) for line in control("INFO", section).decode().splitlines() if ":" in line)[name])


def test_an_argument_that_is_being_received_counts_once(program, control):
    client = sender(program, "sender")
    hold_argument(client, 3 * MB)
    program.until(lambda: figure(control, "sender", "qbuf") == 3 * MB)
    assert 3 * MB < figure(control, "sender", "tot-mem") < 3 * MB + 64 * 1024
    client.socket.sendall(b"\r\n$3\r\nabc\r\n")
    assert client.reply().startswith("ERR unknown command 'vvv")
    assert figure(control, "sender", "qbuf") == 0
    client.close()


@pytest.mark.parametrize("sizes", [(40_000,), (10, 40_000), (40_000, 70_000), (3, 5, 50_000, 4, 90_000, 7)])
def test_big_arguments_arrive_whole_however_they_are_cut(program, control, sizes):
    """Their first bytes come with what stands before them, and go to a block of their own."""
    words = [b"%c" % (97 + index) * size for index, size in enumerate(sizes)]
    data = request("RPUSH", "key", *words) + request("LRANGE", "key", 0, -1) + request("DEL", "key")
    for step in (1000, 33_000, len(data)):
        client = sender(program, "sender")
        for start in range(0, len(data), step):
            client.socket.sendall(data[start:start + step])
            if step == 1000 and start < 5000:
                time.sleep(0.001)
        assert [client.reply() for _ in range(3)] == [len(words), words, 1]
        client.close()


def test_the_client_that_takes_too_much_is_closed(program, control):
    control("CONFIG", "SET", "maxmemory-clients", 2 * MB)
    small, large = sender(program, "small"), sender(program, "large")
    hold_argument(small, 100_000)
    program.until(lambda: figure(control, "small", "qbuf") == 100_000)
    hold_argument(large, 3 * MB)
    with pytest.raises(ConnectionError):
        large.reply()
    assert fields(control, "large") is None and fields(control, "small") is not None
    assert statistic(control, "evicted_clients") == 1
    assert "Evicting client: id=" in program.text() and "name=*redacted*" in program.text()
    small.close()


def test_a_share_of_maxmemory(program, control):
    control("CONFIG", "SET", "maxmemory", 100 * MB)
    control("CONFIG", "SET", "maxmemory-clients", "3%")
    assert control("CONFIG", "GET", "maxmemory-clients") == [b"maxmemory-clients", b"3%"]
    client = sender(program, "sender")
    hold_argument(client, 2 * MB)
    program.until(lambda: figure(control, "sender", "qbuf") == 2 * MB)
    control("CONFIG", "SET", "maxmemory", 50 * MB)
    program.until(lambda: fields(control, "sender") is None)
    client.close()


def queue(client: Client, number: int):
    return client("SET", "k", b"v" * 10_000)


@pytest.mark.parametrize("before, grow", [
    (("MULTI",), queue), ((), lambda client, number: client("WATCH", number)),
    ((), lambda client, number: client("SUBSCRIBE", number)), ((), lambda client, number: client("PSUBSCRIBE", number)),
    ((), lambda client, number: client("SSUBSCRIBE", number))],
    ids=["queue", "watch", "subscribe", "psubscribe", "ssubscribe"])
def test_whatever_a_client_has_the_server_keep_counts(program, control, before, grow):
    control("CONFIG", "SET", "maxmemory-clients", 150_000)
    client = sender(program, "sender")
    if before:
        assert client(*before) == "OK"
    with pytest.raises(ConnectionError):
        for number in range(20_000):
            assert not isinstance(grow(client, number), Failure)
    assert statistic(control, "evicted_clients") == 1


def test_output_that_is_not_read_counts(program, control):
    control("CONFIG", "SET", "maxmemory-clients", 2 * MB)
    control("SETRANGE", "big", 200_000, "x")
    client = sender(program, "reader")
    for _ in range(400):
        client.send("GET", "big")
        if fields(control, "reader") is None:
            break
    assert fields(control, "reader") is None
    client.close()


def test_who_asked_to_be_spared_is(program, control):
    client = sender(program, "spared")
    client("CLIENT", "NO-EVICT", "on")
    control("CONFIG", "SET", "maxmemory-clients", MB)
    hold_argument(client, 2 * MB)
    program.until(lambda: figure(control, "spared", "tot-mem") > 2 * MB)
    assert "e" in fields(control, "spared")["flags"]
    client.socket.sendall(b"\r\n$3\r\nabc\r\n")
    client.reply()
    client.send("CLIENT", "NO-EVICT", "off")
    hold_argument(client, 2 * MB)
    program.until(lambda: fields(control, "spared") is None)
    client.close()


def test_the_largest_go_first_and_no_more_than_must(program, control):
    sizes = {"small": 100_000, "middle": 500_000, "large": 2_000_000}
    clients = [sender(program, name) for name in sizes for _ in range(3)]
    for client, size in zip(clients, [size for size in sizes.values() for _ in range(3)], strict=True):
        hold_argument(client, size)
    taken = dict.fromkeys(sizes, 0)
    for name, size in sizes.items():
        program.until(lambda name=name, size=size: figure(control, name, "qbuf") == size)
        taken[name] = figure(control, name, "tot-mem")
    program.until(lambda: statistic(control, "mem_clients_normal", "memory") > 3 * sum(sizes.values()))
    own = figure(control, "control", "tot-mem")

    def left() -> dict[str, int]:
        lines = control("CLIENT", "LIST").decode().splitlines()
        return {name: sum(f"name={name} " in line for line in lines) for name in sizes}

    for limit, wanted in ((3 * (taken["small"] + taken["middle"]) + own + 1000, {"small": 3, "middle": 3, "large": 0}),
                          (3 * taken["small"] + taken["middle"] + own + 1000, {"small": 3, "middle": 1, "large": 0}),
                          (3 * taken["small"] + own + 1000, {"small": 3, "middle": 0, "large": 0})):
        control("CONFIG", "SET", "maxmemory-clients", limit)
        program.until(lambda wanted=wanted: left() == wanted)
    control("CONFIG", "SET", "maxmemory-clients", 0)
    late = sender(program, "late")
    hold_argument(late, 4 * MB)
    program.until(lambda: figure(control, "late", "qbuf") == 4 * MB)
    for client in [*clients, late]:
        client.close()


def test_a_client_over_its_output_limit_takes_no_other_with_it(program, control):
    control("CONFIG", "SET", "client-output-buffer-limit", "normal 3mb 0 0")
    control("CONFIG", "SET", "maxmemory-clients", 6 * MB)
    control("SETRANGE", "big", 4 * MB, "x")
    holder, readers = sender(program, "holder"), [sender(program, f"reader{n}") for n in range(2)]
    hold_argument(holder, 3 * MB)
    program.until(lambda: figure(control, "holder", "qbuf") == 3 * MB)
    for reader in readers:
        reader.send("GET", "big")
    program.until(lambda: fields(control, "reader0") is None and fields(control, "reader1") is None)
    assert fields(control, "holder") is not None
    assert statistic(control, "evicted_clients") == 0
    assert statistic(control, "client_output_buffer_limit_disconnections") == 2


def test_no_key_is_evicted_for_replies_on_their_way(program, control):
    for number in range(20):
        control("SETRANGE", f"key{number}", 100_000, "x")
    used = statistic(control, "used_memory", "memory")
    control("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    control("CONFIG", "SET", "maxmemory", used + MB // 2)
    client = sender(program, "reader")
    client.socket.sendall(request("MGET", *[f"key{number}" for number in range(8)]) + request("SET", "x", "1"))
    assert [len(value) for value in client.reply()] == [100_001] * 8
    assert client.reply() == "OK"
    assert statistic(control, "evicted_keys") == 0
    client.close()


# -- room for replies ---------------------------------------------------------------------------------------------

def test_the_room_for_replies_follows_them(program, control):
    control("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", 50)
    client = sender(program, "reader")
    program.until(lambda: figure(control, "reader", "rbs") == 1024)
    assert figure(control, "reader", "rbp") < 1024
    assert statistic(control, "reply_buffer_shrinks") > 0
    control("SET", "big", b"x" * 32_768)
    control("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "never")
    client("GET", "big")
    program.until(lambda: figure(control, "reader", "rbs") == 16_384)
    assert figure(control, "reader", "rbp") == 16_384
    assert statistic(control, "reply_buffer_expands") >= 4
    control("DEBUG", "REPLYBUFFER", "RESIZING", 0)
    control("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "reset")
    assert control("DEBUG", "REPLYBUFFER", "nonsense", 1) == Failure(
        "ERR unknown subcommand or wrong number of arguments for 'REPLYBUFFER'. Try DEBUG HELP.")
    client.close()


def test_a_subscriber_of_short_messages_has_a_small_block(program, control):
    control("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", 50)
    control("DEBUG", "CLIENT-ENFORCE-REPLY-LIST", 1)
    clients = [sender(program, f"quiet{number}") for number in range(20)]
    for client in clients:
        client("SUBSCRIBE", "news")
    program.until(lambda: all(figure(control, f"quiet{number}", "rbs") == 1024 for number in range(20)))
    os.kill(program.process.pid, signal.SIGSTOP)        # all that follows is one turn's
    control.socket.sendall(request("PUBLISH", "news", "x") + request("CLIENT", "LIST"))
    os.kill(program.process.pid, signal.SIGCONT)
    assert control.reply() == 20
    waiting = [dict(word.split("=", 1) for word in line.split(" ")) for line in control.reply().decode().splitlines()]
    blocks = [int(one["omem"]) for one in waiting if one["name"].startswith("quiet")]
    assert len(blocks) == 20 and all(1024 < block < 1280 for block in blocks)
    for client in clients:
        client.close()


# -- limits of output and input -----------------------------------------------------------------------------------

def test_a_reply_above_the_hard_limit_is_not_sent(program, control):
    control("CONFIG", "SET", "client-output-buffer-limit", "normal 100000 0 0")
    control("SETRANGE", "big", 150_000, "x")
    client = sender(program, "reader")
    client.socket.sendall(request("GET", "big") + request("SET", "after", "1"))
    assert client.socket.recv(1) == b""
    assert control("EXISTS", "after") == 0
    client.close()


def test_a_transaction_runs_whole_whatever_it_answers(program, control):
    control("CONFIG", "SET", "client-output-buffer-limit", "normal 100000 0 0")
    control("SETRANGE", "big", 150_000, "x")
    client = sender(program, "reader")
    for words in (("MULTI",), ("GET", "big"), ("SET", "after", "1"), ("EXEC",)):
        client.send(*words)
    with pytest.raises(ConnectionError):
        for _ in range(4):
            client.reply()
    assert control("GET", "after") == b"1"


@pytest.mark.parametrize("fill, draw", [
    (("HSET", "k", "a", "b"), ("HRANDFIELD", "k", -999_999_999)),
    (("HSET", "k", "a", "b"), ("HRANDFIELD", "k", -99_999_999, "WITHVALUES")),
    (("SADD", "k", "a", "b"), ("SRANDMEMBER", "k", -999_999_999)),
    (("SADD", "k", "1", "2"), ("SRANDMEMBER", "k", -999_999_999)),
    (("ZADD", "k", "1", "a"), ("ZRANDMEMBER", "k", -999_999_999, "WITHSCORES"))])
def test_drawing_stops_at_the_limit(program, control, fill, draw):
    control("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
    control(*fill)
    client = sender(program, "reader")
    started = time.monotonic()
    client.send(*draw)
    assert client.socket.recv(1) == b""
    assert time.monotonic() - started < 3
    client.close()


def test_soft_limit(program, control):
    control("CONFIG", "SET", "client-output-buffer-limit", "normal 0 100kb 1")
    control("SETRANGE", "big", 20 * MB, "x")
    client = sender(program, "reader")
    client.send("GET", "big")
    program.until(lambda: fields(control, "reader") is not None and figure(control, "reader", "omem") > 0)
    program.until(lambda: fields(control, "reader") is None)
    assert statistic(control, "client_output_buffer_limit_disconnections") == 1
    client.close()


@pytest.mark.parametrize("data", [
    request("SET", "k", b"x" * 3 * MB), request("MULTI") + request("SET", "k", b"x" * 20_000) * 100])
def test_input_limit_counts_big_arguments_and_queues(program, control, data):
    control("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    client = sender(program, "writer")
    try:
        client.socket.sendall(data)
        while client.socket.recv(1000):
            pass
    except ConnectionError:
        pass
    program.until(lambda: fields(control, "writer") is None)
    assert statistic(control, "client_query_buffer_limit_disconnections") == 1
    assert control("EXISTS", "k") == 0


def queue(client: Client, words: list[tuple]) -> None:
    """Queue commands in a transaction, each read by the server before the next one is sent."""
    assert client("MULTI") == "OK"
    for one in words:
        assert client(*one) == "QUEUED"


def test_input_limit_counts_what_is_queued_command_by_command(program, control):
    """Each of them fits the chunk that all clients are read into."""
    control("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    client = sender(program, "writer")
    with pytest.raises((ConnectionError, AssertionError)):
        queue(client, [("SET", "k", b"x" * 30_000)] * 100)
    program.until(lambda: fields(control, "writer") is None)
    assert statistic(control, "client_query_buffer_limit_disconnections") == 1
    assert control("EXISTS", "k") == 0


def test_input_limit_counts_the_words_of_a_queue_and_not_its_memory(program, control):
    control("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    client = sender(program, "writer")
    count = 20_000
    client.socket.sendall(request("MULTI") + request("SET", "k", "1") * count)
    assert [client.reply() for _ in range(count + 1)][-1] == "QUEUED"
    assert figure(control, "writer", "multi-mem") > MB
    assert client("EXEC") == ["OK"] * count
    queue(client, [("SET", "k", b"x" * 30_000)] * 30)       # the queue before counts no longer
    assert client("DISCARD") == "OK"
    queue(client, [("SET", "k", b"x" * 30_000)] * 30)
    assert len(client("EXEC")) == 30
    client.close()


def test_a_subscriber_that_reads_at_once_is_never_over_its_soft_limit_for_long(program, control):
    control("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 100kb 1")
    client = sender(program, "reader")
    client("SUBSCRIBE", "c")
    message = b"x" * 3 * MB
    for _ in range(3):
        assert control("PUBLISH", "c", message) == 1
        assert client.reply() == [b"message", b"c", message]
        time.sleep(1.2)
    assert fields(control, "reader") is not None
    assert statistic(control, "client_output_buffer_limit_disconnections") == 0
    client.close()
