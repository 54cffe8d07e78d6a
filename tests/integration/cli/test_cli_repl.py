"""The prompt over a pipe: state of the connection, subscriptions, monitoring, and losing the server."""

import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.integration.cli.cli_programs import (
    CLI,
    WAIT_S,
    Dialogue,
    ScriptedServer,
    Server,
    environment,
    piped_client,
    redis_server,
    run,
)

READING = b"Reading messages... (press Ctrl-C to quit or any key to type command)\r"
ERASE = b"\033[K"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def tty(server: Server) -> Iterator[Dialogue]:
    with piped_client("-p", str(server.port), FAKETTY="1") as dialogue:
        yield dialogue


@pytest.fixture
def raw(server: Server) -> Iterator[Dialogue]:
    with piped_client("-p", str(server.port)) as dialogue:
        yield dialogue


def test_reports_are_shown_as_they_are(tty: Dialogue) -> None:
    assert tty.ask(b"info server", b"executable:").startswith(b"# Server\r\n")


def test_quoting(tty: Dialogue, server: Server) -> None:
    assert tty.ask(b'set key "\\"\\x00 "', b"\n") == b"OK\n"
    assert server.call("GET", "key") == b'"\x00 '
    assert tty.ask(b'get "key"x', b"\n") == b"Invalid argument(s)\n"


def test_subscriptions(tty: Dialogue, server: Server) -> None:
    def confirmed(kind: bytes, name: bytes, count: int) -> bytes:
        return b'1) "%b"\n2) "%b"\n3) (integer) %d\n' % (kind, name, count)

    expected = confirmed(b"subscribe", b"a", 1) + confirmed(b"subscribe", b"b", 2) + READING
    assert tty.ask(b"subscribe a b", READING) == expected
    server.call("PUBLISH", "b", "hello")
    assert tty.until(READING) == ERASE + b'1) "message"\n2) "b"\n3) "hello"\n' + READING
    refused = tty.ask(b"get k", READING)
    assert refused.startswith(ERASE + b"(error) ERR Can't execute 'get'")
    assert tty.ask(b"ping", READING) == ERASE + b'1) "pong"\n2) ""\n' + READING
    assert tty.ask(b"reset", b"RESET\n") == ERASE + b"RESET\n"
    assert tty.ask(b"ping", b"\n") == b"PONG\n"


def test_subscriptions_in_resp3(raw: Dialogue, server: Server) -> None:
    raw.ask(b"hello 3", b"modules \n")
    assert raw.ask(b"subscribe a", b"a\n1\n") == b"subscribe\na\n1\n"
    assert raw.ask(b":get pubsub", b"\n") == b"1\n"
    raw.ask(b"client tracking on", b"OK\n")
    raw.ask(b"get k", b"\n")
    server.call("SET", "k", "2")
    assert raw.until(b"k\n") == b"invalidate\nk\n"
    assert raw.ask(b"get k", b"\n") == b"2\n"
    assert raw.ask(b"unsubscribe", b"a\n0\n") == b"unsubscribe\na\n0\n"
    assert raw.ask(b":get pubsub", b"\n") == b"0\n"
    server.call("SET", "k", "3")  # pushes are not shown any more, and must not be taken for replies
    assert raw.ask(b"get k", b"\n") == b"3\n"


def test_pushes_are_shown_at_a_terminal(server: Server) -> None:
    ran = server.run("-3", stdin=b"client tracking on\nget p\nset p 1\nping\n", tty=True)
    push = b"-> invalidate: 'p'\n"  # before or behind the OK of SET: servers differ
    assert ran.stdout.count(push) == 1
    assert ran.stdout.replace(push, b"") == b"OK\n(nil)\nOK\nPONG\n"


def test_subscription_of_arguments_follows_until_the_end() -> None:
    messages = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n"
    with ScriptedServer([messages]) as scripted:
        ran = run("-p", str(scripted.port), "subscribe", "c")
    assert ran.stdout == b"subscribe\nc\n1\nmessage\nc\nhi\n"
    assert (ran.returncode, ran.stderr) == (1, b"Error: Server closed the connection\n")


def test_control_c_ends_a_subscription_of_arguments(server: Server) -> None:
    """As it ends a C program, so that a shell's loop around it ends too; nothing is complained of."""
    process = subprocess.Popen(
        [*CLI, "-p", str(server.port), "subscribe", "c"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    while process.stdout.readline() != b"1\n":
        pass
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=WAIT_S) == (b"", b"")
    assert process.returncode == -signal.SIGINT


def test_monitor(raw: Dialogue, server: Server) -> None:
    raw.ask(b"monitor", b"OK\n")
    server.call("SET", "seen", "1")
    assert b'"SET" "seen" "1"\n' in raw.until(b'"1"\n')


def test_database_survives_a_lost_connection(raw: Dialogue, server: Server) -> None:
    assert raw.ask(b"select 7", b"\n") == b"OK\n"
    server.call("CLIENT", "KILL", "TYPE", "normal")
    assert b"Error: " in raw.ask(b"ping", b"\n")
    assert raw.ask(b"set here 1", b"\n") == b"OK\n"
    assert server.run("-n", "7", "exists", "here").stdout == b"1\n"


def test_aborted_transaction_restores_the_database(raw: Dialogue) -> None:
    for line in (b"multi", b"select 3", b"discard"):
        raw.ask(line, b"\n")
    raw.ask(b"multi", b"\n")
    raw.ask(b"select 4", b"\n")
    raw.ask(b"nosuch", b"\n\n")
    assert raw.ask(b"exec", b"\n").startswith(b"EXECABORT")
    raw.unread = b""
    assert b" db=0 " in raw.ask(b"client info", b" sub=")


def test_connect_to_another_server(server: Server) -> None:
    with ScriptedServer([b"+OTHER\r\n"]) as other:
        ran = server.run(stdin=b"ping\nconnect 127.0.0.1 %d\nping\n" % other.port)
    assert ran.stdout == b"PONG\nOTHER\n"


def test_preferences_file(server: Server, tmp_path) -> None:
    ran = server.run(stdin=b":set nonsense\n:frob\n:get frob\n")
    assert ran.stdout.splitlines() == [
        b"unknown kv-cli preference 'nonsense'",
        b"unknown kv-cli internal command ':frob'",
        b"unknown kv-cli get option 'frob'",
    ]


def test_help(server: Server) -> None:
    text = server.run(stdin=b"help get\nhelp @nosuchgroup\n").stdout
    assert b"\x1b[1mGET\x1b[0m \x1b[90mkey\x1b[0m" in text
    assert b"group:\x1b[0m string" in text
    group = server.run("help", "@hyperloglog").stdout
    assert all(name in group for name in (b"PFADD", b"PFCOUNT", b"PFMERGE"))
    assert b"group:" not in group


def test_help_without_a_server() -> None:
    assert b"seconds|PX milliseconds" in run("-p", "1", "help", "set").stdout


def test_slow_commands_show_their_time(tty: Dialogue) -> None:
    assert tty.ask(b"debug sleep 0.55", b"s)\n").startswith(b"OK\n(0.")
