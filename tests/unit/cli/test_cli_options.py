"""The command line: what is read, what is refused, and which of several sources wins."""

import pytest

from kv.cli.errors import Fatal
from kv.cli.options import AUTH_VARIABLES, AUTH_WARNING, FLAGS, MODES, WITH_VALUE, Options, parse
from kv.cli.usage import USAGE


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*AUTH_VARIABLES, "FAKETTY"):
        monkeypatch.delenv(variable, raising=False)


def test_options_end_at_the_command() -> None:
    options = parse(["-p", "7000", "-n", "3", "set", "-p", "-x"])
    assert (options.port, options.db, options.command) == (7000, 3, ["set", "-p", "-x"])
    assert not options.stdin_last


def test_defaults_follow_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.isatty", lambda _: False)
    assert (parse([]).output, parse([]).show_pushes) == ("raw", False)
    monkeypatch.setenv("FAKETTY", "1")
    assert (parse([]).output, parse([]).show_pushes) == ("standard", True)


@pytest.mark.parametrize(
    ("argv", "attribute", "value"),
    [
        (["-h", "db.example"], "host", "db.example"),
        (["-s", "/tmp/x"], "unix_socket", "/tmp/x"),
        (["-t", "0.25"], "connect_timeout", 0.25),
        (["-r", "-1"], "repeat", -1),
        (["-i", "0.1"], "interval", 0.1),
        (["-X", "tag"], "stdin_tag", "tag"),
        (["--json"], "wants_resp3", True),
        (["--json", "-2"], "wants_resp3", False),
        (["-3"], "wants_resp3", True),
        (["--csv", "--no-raw"], "output", "standard"),
        (["--quoted-pattern", r'"\x41*"'], "pattern", b"A*"),
        (["--memkeys-samples", "7"], "mode", "memkeys"),
        (["--show-pushes", "yes"], "show_pushes", True),
        (["-h"], "mode", "help"),
        (["--version", "--scan"], "mode", "version"),
    ],
)
def test_values(argv: list[str], attribute: str, value: object) -> None:
    assert getattr(parse(argv), attribute) == value


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--nope"], "Unrecognized option or bad number of args for: '--nope'"),
        (["-p"], "Unrecognized option or bad number of args for: '-p'"),
        (["-X"], "Unrecognized option or bad number of args for: '-X'"),
        (["-n", "one"], "Unrecognized option or bad number of args for: '-n'"),
        (["-p", "65536"], "Invalid server port."),
        (["-t", "x"], "Invalid connection timeout for -t."),
        (["-t", "-1"], "Invalid connection timeout for -t."),
        (["-t", "nan"], "Invalid connection timeout for -t."),
        (["-2", "-3"], "Options -2 and -3 are mutually exclusive."),
        (["-x", "-X", "t"], "Options -x and -X are mutually exclusive."),
        (["-c", "-s", "x"], "Options -c and -s are mutually exclusive."),
        (["-4", "-6"], "Options -4 and -6 are mutually exclusive."),
        (["--rdb", "a", "--functions-rdb", "b"], "Option --functions-rdb and --rdb are mutually exclusive."),
        (["--quoted-pattern", '"a'], "Invalid quoted string specified for --quoted-pattern."),
    ],
)
def test_refusals(argv: list[str], text: str) -> None:
    with pytest.raises(Fatal) as refused:
        parse(argv)
    assert str(refused.value) == text


def test_password_sources_in_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for variable in reversed(AUTH_VARIABLES):
        monkeypatch.setenv(variable, variable.lower())
        found.append(parse([]).password)
    assert found == ["rediscli_auth", "valkeycli_auth", "kvcli_auth"]
    assert capsys.readouterr().err == ""  # only a password in the arguments is seen by others
    assert parse(["-a", "argument"]).password == "argument"
    assert capsys.readouterr().err == AUTH_WARNING + "\n"
    assert parse(["--pass", "argument", "--no-auth-warning"]).password == "argument"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("kv://", ("127.0.0.1", 6379, None, None, 0, False)),
        ("redis://h", ("h", 6379, None, None, 0, False)),
        ("valkey://h:7/2", ("h", 7, None, None, 2, False)),
        ("KV://u:p%40%2F@h:7/2", ("h", 7, "u", "p@/", 2, False)),
        ("redis://:p@h", ("h", 6379, None, "p", 0, False)),
        ("redis://p@h", ("h", 6379, None, "p", 0, False)),
        ("redis://[::1]:7", ("::1", 7, None, None, 0, False)),
        ("rediss://h", ("h", 6379, None, None, 0, True)),
        ("valkeys://h", ("h", 6379, None, None, 0, True)),
    ],
)
def test_uri(uri: str, expected: tuple[object, ...]) -> None:
    options: Options = parse(["--no-auth-warning", "-u", uri])
    found = (options.host, options.port, options.user, options.password, options.db, options.tls)
    assert found == expected


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("http://h", "Invalid URI scheme"),
        ("h:6379", "Invalid URI scheme"),
        ("kv://h:99999", "Invalid server port."),
        ("kv://h:x", "Invalid server port."),
        ("kv://h/x", "Invalid database number in the URI"),
        ("kv://u:%4@h", "Incomplete URI encoding"),
        ("kv://u:%zz@h", "Illegal character in URI encoding"),
    ],
)
def test_bad_uri(uri: str, text: str) -> None:
    with pytest.raises(Fatal) as refused:
        parse(["-u", uri])
    assert str(refused.value) == text


def test_every_option_is_in_the_help() -> None:
    synonyms = {"--slave", "-v", "--test_hint", "--test_hint_file"}  # old names, and what only tests use
    for name in {*FLAGS, *MODES, *WITH_VALUE} - synonyms:
        assert name in USAGE.replace(",", " ").split(), name
