"""What a server answers that has no replicas, no cluster, no users but one and no modules: byte for byte as Valkey 8.1.7,
save the refusals of what is not there, which are ours."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

import kv.server.server  # noqa: F401  declares the commands
from kv._core.runtime.registry import declarations
from tests.commands.client import Client, Failure, Map
from tests.program import Program

FACTS = json.loads((Path(__file__).parents[1] / "data" / "commands.json").read_text())
NO_CLUSTER = b"-ERR This instance has cluster support disabled\r\n"
NOT_INTEGER = b"-ERR value is not an integer or out of range\r\n"
NO_ACL_FILE = (b"-ERR This instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER "
               b"command and then issue a CONFIG REWRITE (assuming you have a configuration file set) in order to store users "
               b"in the configuration.\r\n")
NO_MODULES = (b"-ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a "
              b"local connection, otherwise you need to set this option in the configuration file, and then restart the "
              b"server.\r\n")
NOT_TRACKING = (b"-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode "
                b"enabled\r\n")
BAD_BITS = (b"-ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096\r\n")
USER = (b"$5\r\nflags\r\n*3\r\n$2\r\non\r\n$6\r\nnopass\r\n$16\r\nsanitize-payload\r\n$9\r\npasswords\r\n*0\r\n$8\r\ncommands\r\n"
        b"$5\r\n+@all\r\n$4\r\nkeys\r\n$2\r\n~*\r\n$8\r\nchannels\r\n$2\r\n&*\r\n$9\r\nselectors\r\n*0\r\n")
TRACKING = b"$5\r\nflags\r\n*1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n"


def wrong_number(name: str) -> bytes:
    return f"-ERR wrong number of arguments for '{name}' command\r\n".encode()


def usage(name: str, subcommand: str) -> bytes:
    return f"-ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try {name} HELP.\r\n".encode()


REPLIES: list[tuple[str, bytes]] = [
    ("ROLE", b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"),
    ("REPLICAOF no ONE", b"+OK\r\n"),
    ("SLAVEOF NO ONE", b"+OK\r\n"),
    *[(f"REPLICAOF host {port}", b"-ERR Invalid master port\r\n") for port in ("abc", "65536", "-1")],
    ("REPLICAOF no two", b"-ERR Invalid master port\r\n"),
    ("REPLICAOF host", wrong_number("replicaof")),
    ("FAILOVER", b"-ERR FAILOVER requires connected replicas.\r\n"),
    ("FAILOVER TO host 1 TIMEOUT 100 FORCE", b"-ERR FAILOVER requires connected replicas.\r\n"),
    ("FAILOVER abort", b"-ERR No failover in progress.\r\n"),
    ("FAILOVER TIMEOUT 0", b"-ERR FAILOVER timeout must be greater than 0\r\n"),
    ("FAILOVER TIMEOUT x", NOT_INTEGER),
    ("FAILOVER TO host x", NOT_INTEGER),
    *[(f"FAILOVER {words}", b"-ERR syntax error\r\n") for words in (
        "x", "TO host", "TIMEOUT", "TIMEOUT 1 TIMEOUT 1", "FORCE FORCE", "ABORT FORCE", "TO a 1 TO b 2")],
    ("REPLCONF a", b"-ERR syntax error\r\n"),
    ("PSYNC x", wrong_number("psync")),
    ("SYNC x", wrong_number("sync")),
    ("SENTINEL MASTERS", b"-ERR unknown command 'SENTINEL', with args beginning with: 'MASTERS' \r\n"),

    ("READWRITE", b"+OK\r\n"),
    ("ASKING", NO_CLUSTER),
    ("CLUSTER", wrong_number("cluster")),
    ("CLUSTER nosuch", b"-ERR unknown subcommand 'nosuch'. Try CLUSTER HELP.\r\n"),
    ("CLUSTER KEYSLOT", wrong_number("cluster|keyslot")),
    ("CLUSTER SLOTS x", wrong_number("cluster|slots")),
    ("CLUSTER SLOT-STATS", wrong_number("cluster|slot-stats")),
    *[(f"CLUSTER {words}", NO_CLUSTER) for words in (
        "INFO", "NODES", "SLOTS", "SHARDS", "MYID", "MYSHARDID", "LINKS", "HELP", "KEYSLOT key", "COUNTKEYSINSLOT x", "RESET HARD",
        "GETKEYSINSLOT 1 1", "MEET 127.0.0.1 1", "ADDSLOTS 1", "REPLICAS x", "SLAVES x", "SLOT-STATS SLOTSRANGE 0 1")],

    ("MODULE", wrong_number("module")),
    ("MODULE LIST", b"*0\r\n"),
    ("MODULE LIST x", wrong_number("module|list")),
    ("MODULE nosuch", b"-ERR unknown subcommand 'nosuch'. Try MODULE HELP.\r\n"),
    *[(f"MODULE {words}", NO_MODULES) for words in ("LOAD x", "LOADEX x", "UNLOAD x")],

    ("CLIENT GETREDIR", b":-1\r\n"),
    *[(f"CLIENT CACHING {word}", NOT_TRACKING) for word in ("yes", "no", "x")],
    *[(f"CLIENT TRACKING {words}", b"+OK\r\n") for words in ("OFF", "off BCAST", "OFF PREFIX a OPTIN OPTOUT NOLOOP")],
    *[(f"CLIENT TRACKING {words}", b"-ERR syntax error\r\n") for words in ("x", "OFF x", "OFF REDIRECT", "ON PREFIX")],
    ("CLIENT TRACKING ON REDIRECT 99999999", b"-ERR The client ID you want redirect to does not exist\r\n"),
    ("CLIENT TRACKING OFF REDIRECT -1", b"-ERR The client ID you want redirect to does not exist\r\n"),
    ("CLIENT TRACKING OFF REDIRECT x", NOT_INTEGER),
    ("CLIENT TRACKING ON OPTIN OPTOUT", b"-ERR You can't specify both OPTIN mode and OPTOUT mode\r\n"),
    ("CLIENT TRACKING ON BCAST OPTIN", b"-ERR OPTIN and OPTOUT are not compatible with BCAST\r\n"),
    ("CLIENT TRACKING ON PREFIX a", b"-ERR PREFIX option requires BCAST mode to be enabled\r\n"),

    ("ACL", wrong_number("acl")),
    ("ACL WHOAMI", b"$7\r\ndefault\r\n"),
    ("ACL WHOAMI x", wrong_number("acl|whoami")),
    ("ACL USERS", b"*1\r\n$7\r\ndefault\r\n"),
    ("ACL LIST", b"*1\r\n$51\r\nuser default on nopass sanitize-payload ~* &* +@all\r\n"),
    ("ACL nosuch", b"-ERR unknown subcommand 'nosuch'. Try ACL HELP.\r\n"),
    ("ACL CAT nosuch", b"-ERR Unknown category 'nosuch'\r\n"),
    ("ACL CAT read x", usage("ACL", "CAT")),
    ("ACL GENPASS x", NOT_INTEGER),
    *[(f"ACL GENPASS {bits}", BAD_BITS) for bits in (0, -1, 4097)],
    ("ACL GENPASS 1 2", usage("ACL", "GENPASS")),
    ("ACL LOG reset", b"+OK\r\n"),
    ("ACL LOG x", NOT_INTEGER),
    ("ACL LOG 1 2", usage("ACL", "LOG")),
    ("ACL SAVE", NO_ACL_FILE),
    ("ACL LOAD", NO_ACL_FILE),
    ("ACL DELUSER bob alice", b":0\r\n"),
    ("ACL DELUSER bob default", b"-ERR The 'default' user cannot be removed\r\n"),
    *[(f"ACL SETUSER default {rules}".rstrip(), b"+OK\r\n") for rules in (
        "", "on", "nopass", "allkeys", "on nopass sanitize-payload ~* &* +@all", "reset on nopass ~* &* +@all", ">a <a nopass",
        "clearselectors")],
    ("ACL SETUSER default on x",
     b"-ERR Error in ACL SETUSER modifier 'x': Syntax error\r\n"),
    ("ACL SETUSER default <x", b"-ERR Error in ACL SETUSER modifier '<x': The password you are trying to remove from the user "
                               b"does not exist\r\n"),
    ("ACL SETUSER default #zz", b"-ERR Error in ACL SETUSER modifier '#zz': The password hash must be exactly 64 characters and "
                                b"contain only lowercase hexadecimal characters\r\n"),
    ("ACL DRYRUN default get a", b"+OK\r\n"),
    ("ACL DRYRUN default config GET a", b"+OK\r\n"),
    ("ACL DRYRUN default get", b"-ERR wrong number of arguments for 'get' command\r\n"),
    ("ACL DRYRUN default config get", b"-ERR wrong number of arguments for 'config|get' command\r\n"),
    ("ACL DRYRUN default config nosuch", b"-ERR Command 'config' not found\r\n"),
    ("ACL DRYRUN default nosuch", b"-ERR Command 'nosuch' not found\r\n"),
    ("ACL DRYRUN nobody get a", b"-ERR User 'nobody' not found\r\n"),
    ("ACL DRYRUN default", wrong_number("acl|dryrun")),
]
BY_VERSION: list[tuple[str, bytes, bytes]] = [
    ("CLIENT TRACKINGINFO", b"*6\r\n" + TRACKING, b"%3\r\n" + TRACKING.replace(b"*1", b"~1", 1)),
    ("ACL GETUSER default", b"*12\r\n" + USER, b"%6\r\n" + USER.replace(b"*3", b"~3", 1)),
    ("ACL GETUSER nobody", b"$-1\r\n", b"_\r\n"),
]
ABSENT = [
    ("REPLICAOF 127.0.0.1 6379", "ERR Replication is not part of this release: this server can't become a replica"),
    ("SLAVEOF 127.0.0.1 6379", "ERR Replication is not part of this release: this server can't become a replica"),
    *[(words, "ERR Replication is not part of this release: this server serves no replicas") for words in (
        "SYNC", "PSYNC ? -1", "REPLCONF", "REPLCONF listening-port 6380", "REPLCONF capa eof capa psync2")],
    ("CLIENT TRACKING ON", "ERR Client tracking is not part of this release"),
    ("CLIENT TRACKING ON BCAST PREFIX a NOLOOP", "ERR Client tracking is not part of this release"),
    *[(f"ACL SETUSER {words}", "ERR There is the default user alone, with all keys, channels and commands (on ~* &* +@all): "
                               "ACL users are not part of this release") for words in (
        "bob", "bob on >x ~* +@all", "default off", "default -get", "default resetkeys ~a", "default resetpass", "default reset",
        "default (~a)", "default -@all")],
]

OTHERWISE_IN_7 = {      # no replicas' READONLY outside of a cluster, subcommands that came later, another name of the program
    "READWRITE", "CLUSTER MYSHARDID", "CLUSTER SLOT-STATS", "CLUSTER SLOT-STATS SLOTSRANGE 0 1", "ACL LIST", "ACL SAVE", "ACL LOAD"}


@pytest.mark.parametrize("resp", [2, 3])
def test_replies_are_those_of_redis_7_too(peer: Program, resp: int) -> None:
    asking = Client(peer.port, resp)
    modern = isinstance(asking("HELLO", 3), Map) and asking("INFO", "server").find(b"valkey_version") >= 0
    asking("HELLO", resp)
    for words, reply in REPLIES:
        if modern or words not in OTHERWISE_IN_7:
            assert (words, asking.raw(*words.split())) == (words, reply)


@pytest.mark.parametrize(("words", "reply"), REPLIES, ids=[words for words, _ in REPLIES])
def test_replies_are_those_of_valkey(client: Client, words: str, reply: bytes) -> None:
    assert client.raw(*words.split()) == reply


@pytest.mark.parametrize(("words", "resp2", "resp3"), BY_VERSION, ids=[words for words, _, _ in BY_VERSION])
def test_replies_that_differ_by_version(client: Client, words: str, resp2: bytes, resp3: bytes) -> None:
    assert client.raw(*words.split()) == (resp2 if client.resp == 2 else resp3)


@pytest.mark.parametrize(("words", "error"), ABSENT, ids=[words for words, _ in ABSENT])
def test_what_is_not_there_is_refused(client: Client, words: str, error: str) -> None:
    assert client(*words.split()) == Failure(error)


def test_a_user_name_may_have_no_spaces(client: Client) -> None:
    for name in ("a b", "a\0b", "a\tb"):
        assert client("ACL", "SETUSER", name) == Failure("ERR Usernames can't contain spaces or null characters")


def test_acknowledgements_are_not_answered(client: Client) -> None:
    client.send("REPLCONF", "ACK", 0)
    client.send("REPLCONF", "GETACK", "*")
    assert client("PING") == "PONG"


def test_readonly_is_shown_until_readwrite_or_reset(client: Client) -> None:
    def flags() -> str:
        return dict(pair.split("=") for pair in client("CLIENT", "INFO").decode().split())["flags"]

    for end in ("READWRITE", "RESET"):
        assert client("READONLY") == "OK"
        assert flags() == "r"
        client(end)
        assert flags() == "N"


def test_helps_name_every_subcommand(client: Client) -> None:
    for container, without in (("ACL", set()), ("MODULE", set()), ("CLIENT", set())):
        names = {line.split()[0] for line in client(container, "HELP")[1:] if not line.startswith(" ")}
        known = {name.partition("|")[2].upper() for name in declarations if name.startswith(container.lower() + "|")}
        assert names == known - without


# -- commands by category -----------------------------------------------------------------------------------------

def test_categories_and_their_commands(client: Client) -> None:
    categories = [category.decode() for category in client("ACL", "CAT")]
    assert categories == ["keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo",
                          "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction",
                          "scripting"]
    every = {name.decode(): set(FACTS[name.decode()]["acl"]) if name.decode() in FACTS else shown(client, name)
             for name in client("COMMAND", "LIST")}
    for category in categories:
        found = [name.decode() for name in client("ACL", "CAT", category.upper())]
        assert len(found) == len(set(found))
        assert set(found) == {name for name in every if f"@{category}" in every[name]}
    assert set(client("ACL", "CAT", "transaction")) >= {b"discard", b"exec", b"multi", b"unwatch", b"watch"}


def shown(client: Client, name: bytes) -> set[str]:
    """The categories of a command, as COMMAND INFO shows them."""
    return set(client("COMMAND", "INFO", name)[0][6])


def test_passwords_are_random_and_as_long_as_asked(client: Client) -> None:
    assert len({client("ACL", "GENPASS") for _ in range(20)}) == 20
    for bits, digits in ((None, 64), (1, 1), (4, 1), (5, 2), (1023, 256), (4096, 1024)):
        word = client("ACL", "GENPASS", *([] if bits is None else [bits]))
        assert len(word) == digits and not word.decode().strip("0123456789abcdef")


# -- the default user's password ----------------------------------------------------------------------------------

@pytest.fixture()
def guarded(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path, "--requirepass", "secret", "--enable-module-command", "yes")
    yield program
    program.kill()


def digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def logged_in(program: Program, password: str = "secret", resp: int = 2) -> Client:
    client = Client(program.port)
    client.resp = resp
    client("HELLO", resp, "AUTH", "default", password)
    return client


def test_a_password_is_shown_as_its_hash(guarded: Program) -> None:
    client = logged_in(guarded)
    assert Client(guarded.port)("ACL", "WHOAMI") == Failure("NOAUTH Authentication required.")
    assert client("ACL", "LIST") == [f"user default on sanitize-payload #{digest('secret')} ~* &* +@all".encode()]
    user = logged_in(guarded, resp=3)("ACL", "GETUSER", "default")
    assert isinstance(user, Map)
    assert (user[b"flags"], user[b"passwords"]) == ([b"on", b"sanitize-payload"], [digest("secret").encode()])


def test_setuser_changes_the_password(guarded: Program) -> None:
    client = logged_in(guarded)
    assert client("ACL", "SETUSER", "default", ">other") == "OK"
    assert client("ACL", "SETUSER", "default", "<secret", "#" + digest("third")) == "OK"
    assert client("ACL", "LIST") == [
        f"user default on sanitize-payload #{digest('other')} #{digest('third')} ~* &* +@all".encode()]
    fresh = Client(guarded.port)
    assert fresh("AUTH", "secret") == Failure("WRONGPASS invalid username-password pair or user is disabled.")
    assert [fresh("AUTH", "other"), fresh("AUTH", "default", "third")] == ["OK", "OK"]
    assert client("ACL", "SETUSER", "default", ">fourth", "off") == Failure(dict(ABSENT)["ACL SETUSER bob"])
    assert fresh("AUTH", "fourth") == Failure("WRONGPASS invalid username-password pair or user is disabled.")
    assert client("ACL", "SETUSER", "default", "nopass") == "OK"
    assert Client(guarded.port)("PING") == "PONG"


def test_setuser_shows_no_password_to_monitors(guarded: Program) -> None:
    monitor, client = logged_in(guarded), logged_in(guarded)
    monitor("MONITOR")
    client("CONFIG", "SET", "slowlog-log-slower-than", 0)
    client("ACL", "SETUSER", "default", ">hidden")
    client("PING")
    line = monitor.reply()
    while "PING" not in line:
        assert "hidden" not in line
        line = monitor.reply()
    assert b"hidden" not in client.raw("SLOWLOG", "GET")


def test_the_log_of_failed_logins(guarded: Program) -> None:
    client = Client(guarded.port)
    for words in (("AUTH", "wrong"), ("AUTH", "bob", "wrong"), ("HELLO", 3, "AUTH", "default", "wrong"),
                  ("AUTH", "default", "wrong")):
        assert client(*words) == Failure("WRONGPASS invalid username-password pair or user is disabled.")
    client("AUTH", "secret")
    log = [dict(zip(entry[::2], entry[1::2], strict=True)) for entry in client("ACL", "LOG")]
    assert [(entry[b"count"], entry[b"object"], entry[b"username"], entry[b"entry-id"]) for entry in log] == [
        (2, b"AUTH", b"default", 0), (1, b"HELLO", b"default", 2), (1, b"AUTH", b"bob", 1)]
    assert {(entry[b"reason"], entry[b"context"]) for entry in log} == {(b"auth", b"toplevel")}
    assert list(log[0]) == [b"count", b"reason", b"context", b"object", b"username", b"age-seconds", b"client-info", b"entry-id",
                            b"timestamp-created", b"timestamp-last-updated"]
    assert log[0][b"client-info"].startswith(b"id=") and b" cmd=auth " in log[0][b"client-info"]
    assert log[0][b"timestamp-created"] <= log[1][b"timestamp-created"] <= log[0][b"timestamp-last-updated"]
    assert 0 <= float(log[0][b"age-seconds"]) < 60
    assert isinstance(logged_in(guarded, resp=3)("ACL", "LOG", 1)[0][b"age-seconds"], float)
    assert len(client("ACL", "LOG", 2)) == 2 and client("ACL", "LOG", -1) == []
    client("MULTI")
    client("AUTH", "wrong")
    client("EXEC")
    newest = client("ACL", "LOG", 1)[0]
    assert newest[newest.index(b"context") + 1] == b"multi"
    client("CONFIG", "SET", "acllog-max-len", 2)
    client("AUTH", "carol", "wrong")
    assert len(client("ACL", "LOG")) == 2
    assert client("ACL", "LOG", "RESET") == "OK"
    assert client("ACL", "LOG") == []


def test_modules_that_can_not_be_loaded(guarded: Program) -> None:
    client = logged_in(guarded)
    for words in ("LOAD /x.so", "LOADEX /x.so CONFIG a b"):
        assert client("MODULE", *words.split()) == Failure("ERR Error loading the extension. Please check the server logs.")
    assert "Module /x.so failed to load: modules are not part of this release" in guarded.log.read_text()
    assert client("MODULE", "UNLOAD", "x") == Failure("ERR Error unloading module: no such module with that name")


def test_the_acl_file_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "users.acl"
    path.write_text("user default on nopass ~* &* +@all\n")
    program = Program(tmp_path, "--aclfile", "users.acl")
    try:
        client = program.connect()
        assert [client("ACL", "LOAD"), client("ACL", "SETUSER", "default", ">foo"), client("ACL", "SAVE")] == ["OK"] * 3
        assert path.read_text() == f"user default on sanitize-payload #{digest('foo')} ~* &* +@all\n"
        path.write_text("user default on nopass ~* &* +@all foo\n")
        assert str(client("ACL", "LOAD")).endswith("users.acl:1: Syntax error. WARNING: ACL errors detected, no change to the "
                                                   "previously active ACL rules was performed")
        assert Client(program.port)("PING") == Failure("NOAUTH Authentication required.")
        path.write_text("user default on >bar ~* &* +@all\n")
        assert client("ACL", "LOAD") == "OK"
        assert [client("AUTH", "default", "bar"), client("PING")] == ["OK", "PONG"]
        path.unlink()
        path.mkdir()
        assert client("ACL", "SAVE") == Failure("ERR There was an error trying to save the ACLs. Please check the server logs for "
                                                "more information")
    finally:
        program.kill()


# -- client libraries ---------------------------------------------------------------------------------------------

def test_a_client_that_caches_is_told_at_once(server: Program) -> None:
    from redis.cache import CacheConfig

    with pytest.raises(redis.ResponseError, match="Client tracking is not part of this release"):
        redis.Redis(port=server.port, protocol=3, cache_config=CacheConfig()).get("a")


def test_every_command_has_its_place() -> None:
    assert FACTS.keys() <= declarations.keys()
