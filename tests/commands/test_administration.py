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


def test_monitors_come_and_go_in_any_order(server: Program, client: Client) -> None:
    monitors = [server.connect() for _ in range(5)]
    for monitor in monitors:
        assert monitor("MONITOR") == "OK"
    monitors[2].close()
    assert monitors[0]("RESET") == "RESET"
    monitors[4].close()
    client("ECHO", "one")
    for monitor in (monitors[1], monitors[3]):
        while '"ECHO" "one"' not in monitor.reply():
            pass                                    # RESET of the other one, which closing ones may come before
    assert monitors[0]("PING") == "PONG"
    assert monitors[0]("MONITOR") == "OK"
    for monitor in (monitors[0], monitors[1], monitors[3]):
        monitor.close()
    assert client("PING") == "PONG"


def test_clients_held_back_by_a_pause_may_leave(server: Program, client: Client) -> None:
    blocked = int(info_field(client, "clients", "blocked_clients"))
    client("CLIENT", "PAUSE", 60_000, "WRITE")
    held = [server.connect() for _ in range(6)]
    for number, one in enumerate(held):
        one.send("SET", f"held:{number}", "v")
    server.until(lambda: int(info_field(client, "clients", "blocked_clients")) == blocked + 6)
    for number in (0, 3, 5):
        held[number].close()
    server.until(lambda: int(info_field(client, "clients", "blocked_clients")) == blocked + 3)
    client("CLIENT", "UNPAUSE")
    for number in (1, 2, 4):
        assert held[number].reply() == "OK"
        held[number].close()
    assert client("EXISTS", *[f"held:{number}" for number in range(6)]) == 3
    assert int(info_field(client, "clients", "blocked_clients")) == blocked


def test_the_line_of_a_client(server: Program, client: Client) -> None:
    other = server.connect()
    other("CLIENT", "SETNAME", "one")
    other("CLIENT", "SETINFO", "LIB-NAME", "lib")
    other("SELECT", 7)
    other("WATCH", "k")
    other("SUBSCRIBE", "a", "b")
    other.reply()
    id = next(line for line in client("CLIENT", "LIST").decode().splitlines() if " name=one " in line).split()[0][3:]
    line = client("CLIENT", "LIST", "ID", id).decode()
    found = dict(word.split("=", 1) for word in line.split())
    assert line.endswith("\n") and line.count("\n") == 1
    assert " ".join(found) == FIELDS
    assert {name: found[name] for name in ("name", "flags", "db", "sub", "psub", "multi", "watch", "cmd", "user", "redir",
                                           "resp", "lib-name", "lib-ver", "events", "capa")} == {
        "name": "one", "flags": "P", "db": "7", "sub": "2", "psub": "0", "multi": "-1", "watch": "1", "cmd": "subscribe",
        "user": "default", "redir": "-1", "resp": "2", "lib-name": "lib", "lib-ver": "", "events": "r", "capa": ""}
    assert client("CLIENT", "LIST", "ID", 999_999_999) == b""
    assert client("CLIENT", "KILL", "ID", id) == 1
    mine = dict(word.split("=", 1) for word in client("CLIENT", "INFO").decode().split())
    assert mine["cmd"] == "client|info" and int(mine["argv-mem"]) >= 10


FIELDS = ("id addr laddr fd name age idle flags capa db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs rbp obl "
          "oll omem tot-mem events cmd user redir resp lib-name lib-ver tot-net-in tot-net-out tot-cmds")


def info_field(client: Client, section: str, name: str) -> str:
    return dict(line.split(":", 1) for line in client("INFO", section).decode().splitlines() if ":" in line)[name]


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


def test_events_of_new_keys_are_not_hidden_with_their_letter(client: Client, server: Program) -> None:
    """A stands for all classes but m and n, and CONFIG GET shows no n behind it; they are published all the same."""
    listener = Client(server.port)
    client("CONFIG", "SET", "notify-keyspace-events", "AEn")
    shown = client("CONFIG", "GET", "notify-keyspace-events")
    assert b"AE" in (shown.values() if isinstance(shown, dict) else shown)
    listener("PSUBSCRIBE", "__keyevent@0__:*")
    client("DEL", "fresh")
    client("SET", "fresh", 1)
    client("SET", "fresh", 2)
    heard = [listener.reply()[2] for _ in range(3)]
    assert [channel.decode().partition(":")[2] for channel in heard] == ["new", "set", "set"]
    client("CONFIG", "SET", "notify-keyspace-events", "")
    client("DEL", "fresh")
    listener.close()
