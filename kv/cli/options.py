"""The options of the command line.

Not argparse: loading it would cost as much CPU as everything else that a health probe does, and it has no
word for the rule that counts here - options end at the first word that is not one, since what follows is
a command for the server and may well begin with a dash. Every option is one line of a table below:
flag -> (attribute, how to read the value) or, without a value, (attribute, what to set).
"""

import os
import sys
from collections.abc import Callable

from kv.cli.errors import Fatal

# Output formats
STANDARD, RAW, CSV, JSON, QUOTED_JSON = "standard", "raw", "csv", "json", "quoted-json"

AUTH_VARIABLES = ("KVCLI_AUTH", "VALKEYCLI_AUTH", "REDISCLI_AUTH")
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
AUTH_WARNING = (
    "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe."
)


class Options:
    """What was asked for. Class attributes are the defaults."""

    host = "127.0.0.1"
    port = 6379
    unix_socket: str | None = None
    tls = False
    tls_sni: str | None = None
    tls_ca_file: str | None = None
    tls_ca_folder: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_ciphers: str | None = None
    tls_insecure = False
    prefer_ipv4 = False
    prefer_ipv6 = False
    connect_timeout = 0.0  # seconds, 0 leaves it to the system
    user: str | None = None
    password: str | None = None
    ask_password = False
    warn_password = True
    db = 0
    resp2 = False
    resp3 = False
    wants_resp3 = False  # JSON is better in RESP3, but a server without it will do
    cluster = False
    repeat = 1
    interval = 0.0  # seconds
    stdin_last = False
    stdin_tag: str | None = None
    quoted_input = False
    output = STANDARD
    item_delimiter = "\n"
    reply_delimiter = "\n"
    show_pushes = True
    exit_on_error = False
    verbose = False
    mode = ""  # one of modes.MODES, or empty for commands
    eval_file: str | None = None
    debug_script = ""  # "yes" or "sync": argument of SCRIPT DEBUG
    pattern: bytes | None = None
    scan_type: str | None = None
    scan_count = 10
    scan_cursor = 0
    memory_samples = 0
    lru_keys = 0
    seconds = 0  # of --intrinsic-latency
    history = False  # --latency-history
    mono = False  # --latency-dist without colours
    rdb_file: str | None = None
    pipe_timeout = 30
    hint_input: str | None = None
    hint_file: str | None = None

    def __init__(self) -> None:
        self.command: list[str] = []

    def fail(self, text: str) -> None:
        raise Fatal(text)


def seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError(text)
    return value


def port_number(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise Fatal("Invalid server port.")
    return port


def quoted(text: str) -> bytes:
    from kv.quoting import Unbalanced, unquote

    try:
        return unquote(os.fsencode(text))
    except Unbalanced:
        raise Fatal("Invalid quoted string specified for --quoted-pattern.") from None


def set_show_pushes(options: Options, text: str) -> None:
    answer = text[:1].lower()
    if answer in ("y", "n"):
        options.show_pushes = answer == "y"
    else:
        print(f"Unknown --show-pushes value '{text}' (valid: '[y]es', '[n]o')", file=sys.stderr)


def set_uri(options: Options, text: str) -> None:
    from kv.cli.uri import parse_uri

    uri = parse_uri(text)
    options.tls = options.tls or uri.tls
    options.host = uri.host or options.host
    if uri.port:
        try:
            options.port = port_number(uri.port)
        except ValueError:
            raise Fatal("Invalid server port.") from None
    options.user = options.user if uri.user is None else uri.user
    options.password = options.password if uri.password is None else uri.password
    options.db = options.db if uri.db is None else uri.db


# Options with a value: attribute and reader, or a function of the options and the text.
Reader = Callable[[str], object]
WITH_VALUE: dict[str, tuple[str, Reader] | Callable[[Options, str], None]] = {
    "-h": ("host", str),
    "-p": ("port", port_number),
    "-t": ("connect_timeout", seconds),
    "-s": ("unix_socket", str),
    "-a": ("password", str),
    "--pass": ("password", str),
    "--user": ("user", str),
    "-u": set_uri,
    "-r": ("repeat", int),
    "-i": ("interval", seconds),
    "-n": ("db", int),
    "-X": ("stdin_tag", str),
    "-d": ("item_delimiter", str),
    "-D": ("reply_delimiter", str),
    "--show-pushes": set_show_pushes,
    "--pattern": ("pattern", os.fsencode),
    "--quoted-pattern": ("pattern", quoted),
    "--type": ("scan_type", str),
    "--count": ("scan_count", int),
    "--cursor": ("scan_cursor", int),
    "--pipe-timeout": ("pipe_timeout", int),
    "--eval": ("eval_file", str),
    "--sni": ("tls_sni", str),
    "--cacert": ("tls_ca_file", str),
    "--cacertdir": ("tls_ca_folder", str),
    "--cert": ("tls_cert", str),
    "--key": ("tls_key", str),
    "--tls-ciphers": ("tls_ciphers", str),
}

# Options without: attribute and what to set.
FLAGS: dict[str, tuple[str, object]] = {
    "-x": ("stdin_last", True),
    "-2": ("resp2", True),
    "-3": ("resp3", True),
    "-c": ("cluster", True),
    "-e": ("exit_on_error", True),
    "-4": ("prefer_ipv4", True),
    "-6": ("prefer_ipv6", True),
    "--askpass": ("ask_password", True),
    "--no-auth-warning": ("warn_password", False),
    "--raw": ("output", RAW),
    "--no-raw": ("output", STANDARD),
    "--csv": ("output", CSV),
    "--json": ("output", JSON),
    "--quoted-json": ("output", QUOTED_JSON),
    "--quoted-input": ("quoted_input", True),
    "--mono": ("mono", True),
    "--verbose": ("verbose", True),
    "--ldb": ("debug_script", "yes"),
    "--ldb-sync-mode": ("debug_script", "sync"),
    "--tls": ("tls", True),
    "--insecure": ("tls_insecure", True),
}

# Options that choose a mode other than running commands; the second column is the attribute of its value.
MODES: dict[str, tuple[str, tuple[str, Reader] | None]] = {
    "--scan": ("scan", None),
    "--bigkeys": ("bigkeys", None),
    "--memkeys": ("memkeys", None),
    "--memkeys-samples": ("memkeys", ("memory_samples", int)),
    "--hotkeys": ("hotkeys", None),
    "--stat": ("stat", None),
    "--latency": ("latency", None),
    "--latency-history": ("latency-history", None),
    "--latency-dist": ("latency-dist", None),
    "--intrinsic-latency": ("intrinsic-latency", ("seconds", int)),
    "--lru-test": ("lru-test", ("lru_keys", int)),
    "--pipe": ("pipe", None),
    "--replica": ("replica", None),
    "--slave": ("replica", None),
    "--rdb": ("rdb", ("rdb_file", str)),
    "--functions-rdb": ("functions-rdb", ("rdb_file", str)),
    "--test_hint": ("hint", ("hint_input", str)),
    "--test_hint_file": ("hint-file", ("hint_file", str)),
    "--help": ("help", None),
    "--version": ("version", None),
    "-v": ("version", None),
}


def parse(argv: list[str]) -> Options:
    """Read the options; what is left is `command`. Raises Fatal with what is wrong."""
    options = Options()
    if not on_terminal():
        options.output = RAW
        options.show_pushes = False
    at = 0
    while at < len(argv) and argv[at].startswith("-"):
        at = _take_option(options, argv, at)
    options.command = argv[at:]
    _check(options)
    _settle_password(options)
    return options


def on_terminal() -> bool:
    """Whether to write for a person. FAKETTY in the environment says so over a pipe, for tests."""
    return os.isatty(1) or "FAKETTY" in os.environ


def _take_option(options: Options, argv: list[str], at: int) -> int:
    """Take in the option at `at`; returns where the next one begins."""
    name = argv[at]
    rest = argv[at + 1 :]
    if name in FLAGS:
        setattr(options, *FLAGS[name])
    elif name == "-h" and not rest:
        options.mode = "help"
    elif name in MODES:
        return at + _take_mode(options, name, rest)
    elif name in WITH_VALUE and rest:
        target = WITH_VALUE[name]
        if isinstance(target, tuple):
            setattr(options, target[0], _read(name, target[1], rest[0]))
        else:
            target(options, rest[0])
        return at + 2
    else:
        raise _unrecognized(name)
    return at + 1


def _take_mode(options: Options, name: str, rest: list[str]) -> int:
    mode, value = MODES[name]
    if value is not None:
        if not rest:
            raise _unrecognized(name)
        setattr(options, value[0], _read(name, value[1], rest[0]))
    if {options.mode, mode} == {"rdb", "functions-rdb"}:
        raise Fatal("Option --functions-rdb and --rdb are mutually exclusive.")
    if options.mode not in ("help", "version"):  # these two only inform, whatever else is asked for
        options.mode = mode
    return 1 if value is None else 2


def _read(name: str, reader: Reader, text: str) -> object:
    try:
        return reader(text)
    except ValueError:
        if name == "-t":
            raise Fatal("Invalid connection timeout for -t.") from None
        raise _unrecognized(name) from None


def _unrecognized(name: str) -> Fatal:
    if name.startswith("--cluster"):
        return Fatal(f"'{name}': this client has no cluster manager; -c follows redirections of a cluster.")
    return Fatal(f"Unrecognized option or bad number of args for: '{name}'")


def _check(options: Options) -> None:
    exclusive = (
        (options.unix_socket is not None and options.cluster, "-c and -s"),
        (options.resp2 and options.resp3, "-2 and -3"),
        (options.stdin_last and options.stdin_tag is not None, "-x and -X"),
        (options.prefer_ipv4 and options.prefer_ipv6, "-4 and -6"),
    )
    for both, names in exclusive:
        if both:
            raise Fatal(f"Options {names} are mutually exclusive.")
    if options.debug_script and not options.eval_file:
        raise Fatal(
            "Options --ldb and --ldb-sync-mode require --eval.\nTry kv-cli --help for more information."
        )
    if options.debug_script:
        options.output = RAW
    options.wants_resp3 = options.resp3 or (options.output in (JSON, QUOTED_JSON) and not options.resp2)


def _settle_password(options: Options) -> None:
    """Arguments come before the environment, and --askpass before both."""
    if options.password is not None and options.warn_password:
        print(AUTH_WARNING, file=sys.stderr)
    if options.ask_password:
        options.password = ask_password()
    for variable in AUTH_VARIABLES:
        if options.password is None:
            options.password = os.environ.get(variable)
    if options.password is None and "KV_REQUIREPASS_FROM" in os.environ:
        options.password = _container_password(options)


def _container_password(options: Options) -> str | None:
    """That of the server in this container, which no other host is told; None where there is none."""
    if options.user is not None or (options.unix_socket is None and options.host not in LOCAL_HOSTS):
        return None
    from kv.passwords import EnvironmentPassword

    try:
        return EnvironmentPassword(os.environ).read() or None
    except (OSError, ValueError):
        return None


def ask_password() -> str:
    if not os.isatty(0):
        return sys.stdin.readline().rstrip("\n")
    from getpass import getpass

    return getpass("Please input password: ")
