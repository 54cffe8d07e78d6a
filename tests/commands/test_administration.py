"""CLIENT, CONFIG, DEBUG, MONITOR and their kin: replies and complaints, as Valkey 8.1.7 gives them."""
from __future__ import annotations

import pytest

from tests.commands.client import Client, Failure
from tests.program import Program

UNKNOWN = "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP."
REPLIES = [
    ("CONFIG SET maxmemory 1mb hz", Failure("ERR syntax error")),
    ("CONFIG SET slowlog-max-len 128 commandlog-slow-execution-max-len 128", "OK"),
    ("CONFIG SET hz 10 HZ 10", Failure("ERR CONFIG SET failed (possibly related to argument 'HZ') - duplicate parameter")),
    ("CONFIG SET slowlog-log-slower-than 9223372036854775807", "OK"),
    ("CONFIG SET latency-monitor-threshold 9223372036854775807", "OK"),
    ("CONFIG SET slowlog-log-slower-than 10000 latency-monitor-threshold 0", "OK"),
    ("CONFIG SET locale-collate xx_YY.none",
     Failure("ERR CONFIG SET failed (possibly related to argument 'locale-collate') - Invalid locale name")),
    ("CONFIG SET rdma-port 1",
     Failure("ERR CONFIG SET failed (possibly related to argument 'rdma-port') - No RDMA building support.")),
    ("CLIENT IMPORT-SOURCE nonsense", Failure("ERR Server is not in import mode")),
    ("CLIENT CAPA nonsense", "OK"),
    ("COMMANDLOG GET -2 nonsense", Failure("ERR count should be greater than or equal to -1")),
    ("COMMANDLOG GET 1 nonsense", Failure("ERR type should be one of the following: slow, large-request, large-reply")),
    ("SLOWLOG get 1 2", Failure(UNKNOWN.format("get", "SLOWLOG"))),
    ("PUBSUB Channels a b", Failure(UNKNOWN.format("Channels", "PUBSUB"))),
    ("PUBSUB SHARDCHANNELS a b", Failure(UNKNOWN.format("SHARDCHANNELS", "PUBSUB"))),
    ("SELECT 4294967296", Failure("ERR value is out of range, value must between -2147483648 and 2147483647")),
    ("SELECT 16", Failure("ERR DB index is out of range")),
    ("SELECT x", Failure("ERR value is not an integer or out of range")),
    ("DEBUG SLEEP nonsense", "OK"),
    ("DEBUG SLEEP -1", "OK"),
    ("DEBUG SET-ACTIVE-EXPIRE 1x", "OK"),
    ("DEBUG REPLYBUFFER resizing 1", "OK"),
    ("DEBUG POPULATE x", Failure("ERR value is out of range, must be positive")),
    ("DEBUG POPULATE 1 key x", Failure("ERR value is out of range, must be positive")),
    ("DEBUG HTSTATS x", Failure("ERR value is not an integer or out of range")),
    ("LOLWUT", b"Redis ver. 8.1.7\n"),
    ("LOLWUT VERSION x", Failure("ERR value is not an integer or out of range")),
    ("EXEC x", Failure("EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command")),
]


@pytest.mark.parametrize(("words", "reply"), REPLIES)
def test_replies(client: Client, words: str, reply: object) -> None:
    assert client(*words.split()) == reply


def field(client: Client, watcher: Client, name: str) -> str:
    line = watcher("CLIENT", "LIST", "ID", client.id).decode()
    return dict(pair.split("=", 1) for pair in line.split())[name]


@pytest.fixture()
def seen(client: Client) -> Client:
    client.id = client("CLIENT", "ID")
    return client


def test_the_last_command_is_the_one_that_came_last(server: Program, seen: Client) -> None:
    watcher = server.connect()
    for words, name in (("NOSUCH", "NULL"), ("CONFIG NOSUCH", "NULL"), ("GET", "get"), ("PING", "ping"), ("MULTI", "multi"),
                        ("SET a b", "set"), ("NOSUCH", "NULL"), ("DISCARD", "discard")):
        seen(*words.split())
        assert field(seen, watcher, "cmd") == name


def test_capabilities_are_listed(server: Program, seen: Client) -> None:
    watcher = server.connect()
    assert field(seen, watcher, "capa") == ""
    assert seen("CLIENT", "CAPA", "other", "redirect") == "OK"
    assert field(seen, watcher, "capa") == "r"


def test_a_subcommand_that_does_not_exist_is_no_call_of_its_container(client: Client) -> None:
    client("CONFIG", "RESETSTAT")
    client("MEMORY", "NOSUCH")
    client("MEMORY")
    assert b"cmdstat_memory:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0\r\n" in client("INFO", "commandstats")


def test_monitor_shows_the_database_that_select_chose(server: Program, client: Client) -> None:
    monitor = server.connect()
    assert monitor("MONITOR") == "OK"
    client("SELECT", 3)
    client("PING")
    assert [monitor.reply().partition(" [")[2].partition(" ")[0] for _ in range(2)] == ["3", "3"]


def test_monitor_is_refused_in_a_transaction_and_silent_when_it_is_on(client: Client) -> None:
    client("MULTI")
    client("MONITOR")
    assert client("EXEC") == [Failure("ERR MONITOR isn't allowed for DENY BLOCKING client")]
    assert client("MONITOR") == "OK"
    client.send("MONITOR")
    assert client("RESET") == "RESET"


def test_debug_protocol_push(server: Program) -> None:
    client = Client(server.port, 3)
    assert client("DEBUG", "PROTOCOL", "PUSH") == [b"server-cpu-usage", 42]
    assert client.reply() == b"Some real reply following the push reply"


def test_debug_help_shows_arguments(client: Client) -> None:
    assert {"SLEEP <seconds>", "OBJECT <key> [fast]", "DIGEST"} <= set(client("DEBUG", "HELP"))


def test_debug_tells_of_tables(client: Client) -> None:
    assert client("DEBUG", "HTSTATS", 9) == b"[Dictionary HT]\n[Expires HT]\n"
    client("MSET", *range(20))
    assert b" number of entries: 10\n" in client("DEBUG", "HTSTATS", 0)
    assert b"top-level buckets" not in client("DEBUG", "HTSTATS", 0)
    assert b" top-level buckets: " in client("DEBUG", "HTSTATS", 0, "full")
    client("SADD", "set", *range(1000))
    client("HSET", "hash", *range(2000))
    client("ZADD", "zset", *range(2000))
    for key in ("set", "hash", "zset"):
        assert client("DEBUG", "HTSTATS-KEY", key).startswith(b"Hash table 0 stats (main hash table):\n table size: ")
    client("SADD", "small", 1)
    assert client("DEBUG", "HTSTATS-KEY", "small") == Failure(
        "ERR The value stored at the specified key is not represented using an hash table")
    assert client("DEBUG", "HTSTATS-KEY", "nosuch") == Failure("ERR no such key")
