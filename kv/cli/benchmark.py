"""kv-benchmark: how many requests a second a server answers, and how long each waits.

Takes the options of valkey-benchmark 8.1 and redis-benchmark and prints what they print, to the letter, so
that scripts which parse their output go on working. The load itself is made by kv/cli/_load; here are, from
top to bottom: the options, the conversation that precedes a benchmark (one plain connection, which tells
whether the server can be reached and how it persists), the tests, the report, and main().

What differs from valkey-benchmark, on purpose: a number that is none is refused instead of read as 0; an
empty user name in a URI (redis://:password@host) means the default user; --precision 0 means 1 instead of a
crash; latencies beyond three seconds are shown, not cut; Ctrl-C prints what was measured so far; `--` ends
the options; __data__ in a command stands for -d bytes, as in Valkey 9.
"""
from __future__ import annotations

import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO
from urllib.parse import unquote

import kv
from kv.cli._histogram import Histogram
from kv.cli._load import Load

USAGE = """\
Usage: kv-benchmark [OPTIONS] [COMMAND ARGS...]

Options:
 -h <hostname>      Host of the server (default 127.0.0.1)
 -p <port>          Port of the server (default 6379)
 -s <socket>        Unix socket of the server, instead of host and port
 -a <password>      Password to authenticate with
 --user <username>  User to authenticate as, together with -a
 -u <uri>           Server as valkey://user:password@host:port/dbnum or redis://...;
                    user, password and dbnum may be left out
 -c <clients>       Connections in parallel (default 50)
 -n <requests>      Requests altogether (default 100000)
 -d <size>          Bytes of a value in SET, LPUSH and the like (default 3)
 --dbnum <db>       Database to SELECT (default 0)
 -3                 Speak RESP3
 --threads <num>    Spread the connections over so many threads
 --enable-tracking  Send CLIENT TRACKING on before the benchmark starts
 -k <boolean>       1 keeps connections, 0 opens a new one for each pipeline (default 1)
 -r <keyspacelen>   Replace each __rand_int__ by a number of 12 digits from 0 to
                    keyspacelen-1, a new one for every request. The default tests have it
                    in their keys, members and scores; without -r they use a single key.
 -P <numreq>        Send so many requests at once (default 1, no pipeline)
 -q                 Quiet: requests per second and median only
 --precision <num>  Significant digits of latencies, 1 to 4 (default 3)
 --csv              Print CSV
 -l                 Loop: run the tests for ever
 -t <tests>         Only these tests, separated by commas: ping (ping_inline, ping_mbulk), set,
                    get, incr, lpush, rpush, lpop, rpop, sadd, hset, spop, zadd, zpopmin, lrange
                    (lrange_100, lrange_300, lrange_500, lrange_600), mset, xadd,
                    function_load, fcall. Ignored where a command is given.
 -I                 Idle: open the connections and wait
 -x                 Read the last argument of the command from standard input
 --seed <num>       Seed of the random numbers (default: taken from the clock)
 --num-functions <num>
                    Functions in the library that the function_load test loads (default 10)
 --num-keys-in-fcall <num>
                    Keys that the fcall test passes (default 1)
 --help             Print this and exit
 --version          Print the version and exit

In a command of your own, __rand_int__ is a random number where -r is given, and __data__ is a
value of -d bytes. A command that starts with a dash follows `--`.

Examples:

 The default tests against 127.0.0.1:6379:
   $ kv-benchmark
 20 connections, 100000 requests, another host:
   $ kv-benchmark -h 192.168.1.1 -p 6379 -n 100000 -c 20
 About a million keys, with SET alone:
   $ kv-benchmark -t set -n 1000000 -r 100000000
 A few tests as CSV:
   $ kv-benchmark -t ping,set,get -n 100000 --csv
 A command of your own:
   $ kv-benchmark -r 10000 -n 10000 lpush mylist __rand_int__
"""

DEFAULT_PRECISION, MOST_PRECISION = 3, 4
MOST_THREADS = 500
MOST_DATA = 1024**3
LIVE_SECONDS = 0.25
CSV_HEADER = '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms",' \
             '"p99_latency_ms","max_latency_ms"'
ERROR_WARNING = "WARNING: -e option has no effect. We now immediately exit on error to avoid false results."
KEEPALIVE_WARNING = (
    "WARNING: Keepalive disabled. You probably need 'echo 1 > /proc/sys/net/ipv4/tcp_tw_reuse' for Linux and "
    "'sudo sysctl -w net.inet.tcp.msl=1000' for Mac OS X in order to use a lot of clients/requests")


class Refusal(Exception):
    """Ends the program with this line on standard error and exit status 1."""


class Answer(Exception):
    """Ends the program with this text on standard output and exit status 0."""


class BadOption(Exception):
    """An option that is unknown or lacks a usable argument."""


@dataclass
class Options:
    """What the command line says, after every default and limit."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str | None = None
    password: str | None = None
    user: str | None = None
    clients: int = 50
    requests: int = 100000
    size: int = 3
    dbnum: int = 0
    resp3: bool = False
    threads: int = 0  # 0 is one thread and "multi-thread: no" in the report
    tracking: bool = False
    keepalive: bool = True
    keyspace: int | None = None
    pipeline: int = 1
    quiet: bool = False
    csv: bool = False
    precision: int = DEFAULT_PRECISION
    loop: bool = False
    tests: frozenset[str] | None = None
    idle: bool = False
    stdin: bool = False
    seed: int = field(default_factory=lambda: time.time_ns() ^ os.getpid())
    functions: int = 10
    function_keys: int = 1
    command: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return self.path if self.path is not None else f"{self.host}:{self.port}"


Setter = Callable[[Options, str], None]  # puts an option's argument into place; ValueError where it is none


def set_precision(options: Options, text: str) -> None:
    wanted = int(text)
    options.precision = DEFAULT_PRECISION if wanted < 0 else max(1, min(wanted, MOST_PRECISION))


def set_port(options: Options, text: str) -> None:
    options.port = int(text)
    if not 0 <= options.port <= 65535:
        raise Refusal("Invalid server port.")


def set_threads(options: Options, text: str) -> None:
    options.threads = max(0, int(text))
    if options.threads > MOST_THREADS:
        print(f"WARNING: Too many threads, limiting threads to {MOST_THREADS}.", file=sys.stderr)
        options.threads = MOST_THREADS


def set_uri(options: Options, text: str) -> None:
    """scheme://[[user:]password@][host[:port]][/dbnum]"""
    scheme, _, rest = text.partition("://")
    if scheme.lower() in ("valkeys", "rediss"):
        raise Refusal(f"{scheme}:// is not supported by kv-benchmark: it speaks no TLS")
    if scheme.lower() not in ("valkey", "redis") or "://" not in text:
        raise Refusal("Invalid URI scheme")
    authority, _, dbnum = rest.partition("/")
    login, at, place = authority.rpartition("@")
    if at:
        user, _, password = login.rpartition(":")
        options.user, options.password = unquote(user) or None, unquote(password)
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = place.partition(":")
    options.host = host or options.host
    if port:
        set_port(options, port)
    if dbnum:
        options.dbnum = int(dbnum)


def number_into(name: str, least: int | None = None, most: int | None = None) -> Setter:
    def put(options: Options, text: str) -> None:
        number = int(text)
        number = number if least is None else max(number, least)
        setattr(options, name, number if most is None else min(number, most))
    return put


def text_into(name: str) -> Setter:
    return lambda options, text: setattr(options, name, text)


def set_tests(options: Options, text: str) -> None:
    options.tests = frozenset(text.lower().split(","))


def set_keepalive(options: Options, text: str) -> None:
    options.keepalive = int(text) != 0


SWITCHES = {"-3": "resp3", "--enable-tracking": "tracking", "-q": "quiet", "--csv": "csv", "-l": "loop",
            "-I": "idle", "-x": "stdin"}
SETTERS: dict[str, Setter] = {
    "-h": text_into("host"), "-p": set_port, "-s": text_into("path"), "-a": text_into("password"),
    "--user": text_into("user"), "-u": set_uri, "-c": number_into("clients", 1),
    "-n": number_into("requests", 0), "-d": number_into("size", 1, MOST_DATA),
    "--dbnum": number_into("dbnum"), "--threads": set_threads, "-k": set_keepalive,
    "-r": number_into("keyspace", 0), "-P": number_into("pipeline", 1), "--precision": set_precision,
    "-t": set_tests, "--seed": number_into("seed"), "--num-functions": number_into("functions", 0),
    "--num-keys-in-fcall": number_into("function_keys", 0)}
NO_TLS = "it speaks no TLS"
NO_CLUSTER = "it loads one node at a time; point it at that one"
ABSENT = {"--tls": NO_TLS, "--sni": NO_TLS, "--cacert": NO_TLS, "--cacertdir": NO_TLS, "--insecure": NO_TLS,
          "--cert": NO_TLS, "--key": NO_TLS, "--tls-ciphers": NO_TLS, "--tls-ciphersuites": NO_TLS,
          "--cluster": NO_CLUSTER, "--rfr": NO_CLUSTER}


def parse(arguments: Sequence[str]) -> Options:
    """The options, up to the first argument that is none: from there on it is a command."""
    options = Options()
    left = iter(arguments)
    for name in left:
        if name == "--":
            options.command = list(left)
        elif not name.startswith("-"):
            options.command = [name, *left]
        elif name in SWITCHES:
            setattr(options, SWITCHES[name], True)
        elif name in ("-v", "--version"):
            raise Answer(f"kv-benchmark {kv.__version__}\n")
        elif name == "--help":
            raise Answer(USAGE)
        elif name == "-e":
            print(ERROR_WARNING, file=sys.stderr)
        elif name in ABSENT:
            raise Refusal(f"{name} is not supported by kv-benchmark: {ABSENT[name]}")
        else:
            try:
                SETTERS[name](options, next(left))
            except (KeyError, StopIteration, ValueError):
                raise BadOption(name) from None
    return options


def encode(*words: str | bytes) -> bytes:
    """A request as RESP: an array of bulk strings."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = os.fsencode(word)
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class ServerError(Exception):
    """An error reply."""


class Link:
    """One plain connection, for what has to be asked before a benchmark."""

    def __init__(self, options: Options) -> None:
        self.address = options.address
        try:
            if options.path is None:
                self.socket = socket.create_connection((options.host, options.port))
            else:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(options.path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise Refusal(f"Could not connect to server at {self.address}: {reason}") from None
        self.input: BinaryIO = self.socket.makefile("rb")
        if options.password is not None:
            self.ask_or_refuse(*login(options))

    def ask(self, *words: str) -> object:
        self.socket.sendall(encode(*words))
        return read_reply(self.input)

    def ask_or_refuse(self, *words: str) -> object:
        """The reply; the program ends where that is an error."""
        try:
            return self.ask(*words)
        except ServerError as error:
            raise Refusal(f"Node {self.address} replied with error:\n{error}") from None
        except OSError:
            raise Refusal(f"ERROR: failed to fetch reply from {self.address}") from None

    def persistence(self) -> dict[str, str] | None:
        """The server's "save" and "appendonly", or None where it does not tell."""
        found = {}
        for name in ("save", "appendonly"):
            try:
                reply = self.ask("CONFIG", "GET", name)
            except ServerError as error:
                if str(error).startswith("NOAUTH"):
                    raise Refusal(f"Node {self.address} replied with error:\n{error}") from None
                return None
            except OSError:
                return None
            if not isinstance(reply, list) or len(reply) < 2:
                return None
            found[name] = (reply[1] or b"").decode(errors="replace")
        return found


def read_reply(stream: BinaryIO) -> object:
    """One RESP2 reply: bytes, int, None or a list of these."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("Server closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise ServerError(rest.decode(errors="replace"))
    if kind == b"+":
        return rest
    number = int(rest)
    if kind == b":" or number < 0:
        return number if kind == b":" else None
    if kind == b"$":
        return stream.read(number + 2)[:-2]
    return [read_reply(stream) for _ in range(number)]


def login(options: Options) -> list[str]:
    return ["AUTH", *([options.user] if options.user is not None else []), options.password or ""]


def greeting(options: Options) -> list[bytes]:
    """The requests that open every connection of a benchmark."""
    requests: list[list[str]] = []
    if options.password is not None:
        requests.append(login(options))
    if options.tracking:
        requests.append(["CLIENT", "TRACKING", "on"])
    if options.dbnum:
        requests.append(["SELECT", str(options.dbnum)])
    if options.resp3:
        requests.append(["HELLO", "3"])
    return [encode(*words) for words in requests]


class Data:
    """Values of -d bytes: always the same ones, so that two runs compress and compare alike.

    The recurrence is that of ANSI C's example rand(), as valkey-benchmark uses it; it goes on from one
    repetition of the tests (-l) to the next.
    """

    def __init__(self) -> None:
        self.state = 1234

    def take(self, size: int) -> bytes:
        data = bytearray(size)
        state = self.state
        for i in range(size):
            state = (state * 1103515245 + 12345) & 0xFFFFFFFF
            data[i] = 48 + (state >> 16 & 63)
        self.state = state
        return bytes(data)


@dataclass
class Test:
    """A benchmark of the default suite."""

    names: str  # that select it with -t, separated by blanks
    title: str
    words: list[str | bytes]  # of its request; a single one that ends in CR LF is an inline command
    library: str | None = None  # functions to load first

    @property
    def request(self) -> bytes:
        first = os.fsencode(self.words[0])
        return first if first.endswith(b"\r\n") else encode(*self.words)


def suite(options: Options, data: bytes) -> Iterator[Test]:
    """The default tests, in order."""
    yield Test("ping_inline ping", "PING_INLINE", ["PING\r\n"])
    yield Test("ping_mbulk ping", "PING_MBULK", ["PING"])
    yield Test("set", "SET", ["SET", "key:__rand_int__", data])
    yield Test("get", "GET", ["GET", "key:__rand_int__"])
    yield Test("incr", "INCR", ["INCR", "counter:__rand_int__"])
    yield Test("lpush", "LPUSH", ["LPUSH", "mylist", data])
    yield Test("rpush", "RPUSH", ["RPUSH", "mylist", data])
    yield Test("lpop", "LPOP", ["LPOP", "mylist"])
    yield Test("rpop", "RPOP", ["RPOP", "mylist"])
    yield Test("sadd", "SADD", ["SADD", "myset", "element:__rand_int__"])
    yield Test("hset", "HSET", ["HSET", "myhash", "element:__rand_int__", data])
    yield Test("spop", "SPOP", ["SPOP", "myset"])
    score = "0" if options.keyspace is None else "__rand_int__"
    yield Test("zadd", "ZADD", ["ZADD", "myzset", score, "element:__rand_int__"])
    yield Test("zpopmin", "ZPOPMIN", ["ZPOPMIN", "myzset"])
    yield Test("lrange lrange_100 lrange_300 lrange_500 lrange_600", "LPUSH (needed to benchmark LRANGE)",
               ["LPUSH", "mylist", data])
    for count in (100, 300, 500, 600):
        yield Test(f"lrange lrange_{count}", f"LRANGE_{count} (first {count} elements)",
                   ["LRANGE", "mylist", "0", str(count - 1)])
    pair: list[str | bytes] = ["key:__rand_int__", data]
    yield Test("mset", "MSET (10 keys)", ["MSET", *pair * 10])
    yield Test("xadd", "XADD", ["XADD", "mystream", "*", "myfield", data])
    yield Test("function_load", "FUNCTION LOAD",
               ["function", "load", "replace", library(options.functions, False)])
    keys = options.function_keys
    yield Test("fcall", "FCALL", ["fcall", "foo1", str(keys), *(f"key{i + 1}" for i in range(keys))],
               library(1, keys > 0))


def library(count: int, with_keys: bool) -> str:
    """A library `benchlib` with the functions foo1 ... fooN, in Lua that Redis 7 and Valkey both take."""
    lines = ["#!lua name=benchlib"]
    for i in range(count, 0, -1):
        body = "(keys, args) return keys[0] end" if with_keys else "() return 0 end"
        lines.append(f"local function foo{i}{body}\nredis.register_function('foo{i}', foo{i})")
    return "\n".join(lines) + "\n"


def percentile_lines(histogram: Histogram) -> Iterator[str]:
    """Latencies at 0 %, 50 %, 75 %, 87.5 % ...: every step halves what remains.

    A slot that several steps fall into is shown once, at the lowest of them; the last one at 100 % too.
    """
    seen, percent, remaining = 0, 0.0, 100.0
    for value, count in histogram.recorded():
        seen += count
        reached = 100.0 * seen / histogram.total
        if percent <= reached:
            yield distribution_line(percent, value, seen)
        while percent <= reached and remaining > 1e-9:
            remaining /= 2
            percent = 100.0 - remaining
    yield distribution_line(100.0, histogram.most, seen)


def cumulative_lines(histogram: Histogram) -> Iterator[str]:
    """Which part of the requests took up to 0.1 ms, 0.2 ms ..., and beyond 2 ms in steps of 1 ms."""
    recorded = iter(histogram.recorded())
    value, count = next(recorded, (0, 0))
    seen, shown = 0, -1
    level, step, bound = 100, 100, 0
    while seen < histogram.total or histogram.lowest(level) <= bound:
        bound = histogram.highest(level)
        while value <= bound and count:
            seen += count
            value, count = next(recorded, (0, 0))
        if seen != shown or seen == histogram.total:
            yield distribution_line(100.0 * seen / histogram.total, bound, seen)
        shown = seen
        level += step
        if bound > 2000:
            step = 1000


def distribution_line(percent: float, value_us: int, seen: int) -> str:
    return f"{percent:.3f}% <= {value_us / 1000:.3f} milliseconds (cumulative count {seen})\n"


class Report:
    """Prints one benchmark: a line that moves while it runs, and the result."""

    def __init__(self, options: Options, title: str, persistence: dict[str, str] | None) -> None:
        self.options = options
        self.title = os.fsencode(title).decode(errors="replace")
        self.persistence = persistence
        self.width = 0  # characters of the moving line, to be wiped
        self.started = self.ticked = time.monotonic()
        self.finished = 0  # requests, and (microseconds, requests) of latency, at the last tick
        self.latency = (0, 0)

    def wipe(self) -> None:
        print(f"{'':>{max(self.width, 1)}}\r", end="")

    def tick(self, load: Load) -> None:
        """Show how it goes; `overall` is since the start, the figure before it since the last tick."""
        if self.options.csv:
            return
        now, finished, latency = time.monotonic(), load.finished, load.latency_sum
        self.wipe()
        line = (f"{self.title}: rps={ratio(finished - self.finished, now - self.ticked):.1f}"
                f" (overall: {ratio(finished, now - self.started):.1f})"
                f" avg_msec={ratio(latency[0] - self.latency[0], latency[1] - self.latency[1]) / 1000:.3f}"
                f" (overall: {ratio(*latency) / 1000:.3f})\r")
        print(line, end="", flush=True)
        self.width, self.ticked, self.finished, self.latency = len(line), now, finished, latency

    def result(self, load: Load) -> None:
        histogram, rate = load.histogram(), load.finished / load.seconds
        median = histogram.percentile(50) / 1000
        if self.options.csv:
            figures = [f"{rate:.2f}", *(f"{value:.3f}" for value in summary(histogram))]
            print(",".join(f'"{cell}"' for cell in (self.title, *figures)), flush=True)
            return
        self.wipe()
        if self.options.quiet:
            print(f"{self.title}: {rate:.2f} requests per second, p50={median:.3f} msec", flush=True)
            return
        print(f"====== {self.title} ======")
        self.circumstances(load)
        print("\nLatency by percentile distribution:")
        print("".join(percentile_lines(histogram)))
        print("Cumulative distribution of latencies:")
        print("".join(cumulative_lines(histogram)))
        print(f"Summary:\n  throughput summary: {rate:.2f} requests per second\n  latency summary (msec):")
        print("   ", " ".join(f"{name:>9}" for name in ("avg", "min", "p50", "p95", "p99", "max")))
        print("   ", " ".join(f"{value:9.3f}" for value in summary(histogram)), flush=True)

    def circumstances(self, load: Load) -> None:
        options = self.options
        print(f"  {load.finished} requests completed in {load.seconds:.2f} seconds")
        print(f"  {options.clients} parallel clients")
        print(f"  {options.size} bytes payload")
        print(f"  keep alive: {int(options.keepalive)}")
        for name, value in (self.persistence or {}).items():
            print(f'  host configuration "{name}": {value}')
        print(f"  multi-thread: {'yes' if options.threads else 'no'}")
        if options.threads:
            print(f"  threads: {options.threads}")


def summary(histogram: Histogram) -> list[float]:
    """Milliseconds: mean, least, median, 95th and 99th percentile, most."""
    percentiles = (histogram.percentile(percent) for percent in (50, 95, 99))
    return [us / 1000 for us in (histogram.mean, histogram.least, *percentiles, histogram.most)]


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


class Session:
    """A server, and the benchmarks run against it with the same options."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.link = Link(options)
        self.persistence = self.link.persistence()
        if self.persistence is None:
            print("WARNING: Could not fetch server CONFIG", file=sys.stderr)

    def load(self, request: bytes) -> Load:
        options = self.options
        load = Load(
            request, target=self.link.socket if options.path is None else os.fsencode(options.path),
            prefix=[] if options.idle else greeting(options), clients=options.clients,
            requests=options.requests, pipeline=options.pipeline, threads=max(1, options.threads),
            keepalive=options.keepalive, keyspace=options.keyspace, precision=options.precision,
            seed=options.seed & 0xFFFFFFFFFFFFFFFF, idle=options.idle)
        self.check(load.connect(), load)
        return load

    def check(self, fine: bool, load: Load) -> None:
        """End the program where the load has failed."""
        if fine:
            return
        kind, text = load.failure or ("error", "unknown")
        beginnings = {"connect": f"Could not connect to server at {self.options.address}: ",
                      "write": "Error writing to the server: ", "reply": "Error from server: ",
                      "error": "Error: "}
        raise Refusal(beginnings[kind] + text)

    def benchmark(self, title: str, request: bytes, options: Options | None = None) -> None:
        """Run one and print its result; on Ctrl-C that of the part which was run."""
        load = self.load(request)
        report = Report(options or self.options, title, self.persistence)
        try:
            drive(load, max(1, self.options.threads), report.tick)
        except KeyboardInterrupt:
            report.result(load)
            raise
        self.check(load.failure is None, load)
        report.result(load)

    def idle(self) -> None:
        count = self.options.clients
        print(f"Creating {count} idle connections and waiting forever (Ctrl+C when done)", flush=True)
        load = self.load(b"")
        drive(load, max(1, self.options.threads), lambda _: print(f"clients: {count}\r", end="", flush=True))
        self.check(load.failure is None, load)

    def command(self) -> None:
        """The command given on the command line."""
        words: list[str | bytes] = list(self.options.command)
        if self.options.stdin:
            words.append(sys.stdin.buffer.read())
        data = Data().take(self.options.size)
        request = encode(*(os.fsencode(word).replace(b"__data__", data) for word in words))
        shown = replace(self.options, size=len(request))
        while True:
            self.benchmark(" ".join(self.options.command), request, shown)
            if not self.options.loop:
                return

    def tests(self) -> None:
        """The default tests, or those that -t names."""
        data = Data()
        while True:
            for test in suite(self.options, data.take(self.options.size)):
                if self.options.tests is None or self.options.tests & set(test.names.split()):
                    if test.library is not None:
                        self.link.ask_or_refuse("FUNCTION", "LOAD", "REPLACE", test.library)
                    self.benchmark(test.title, test.request)
            if not self.options.csv:
                print(flush=True)
            if not self.options.loop:
                return


def drive(load: Load, threads: int, tick: Callable[[Load], None]) -> None:
    """Run every thread to its end, with a tick each quarter of a second.

    A semaphore tells the end, not Thread.join(): a join that Ctrl-C interrupts takes a running thread for a
    finished one (CPython's _wait_for_tstate_lock).
    """
    ended = threading.Semaphore(0)

    def work(index: int) -> None:
        load.run(index)
        ended.release()

    started = 0
    try:
        for started in range(1, threads + 1):
            threading.Thread(target=work, args=(started - 1,), daemon=True).start()
        due = time.monotonic() + LIVE_SECONDS
        while started:
            if ended.acquire(timeout=max(0.0, due - time.monotonic())):
                started -= 1
            else:
                tick(load)
                due += LIVE_SECONDS
    finally:
        load.stop()
        for _ in range(started):
            ended.acquire()


def allow_descriptors(wanted: int) -> None:
    """Raise the soft limit of open files as far as the hard one lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def run(options: Options) -> None:
    allow_descriptors(options.clients + options.threads + 64)
    session = Session(options)
    if not options.keepalive:
        print(KEEPALIVE_WARNING, file=sys.stderr)
    if options.command and options.tests is not None:
        print("WARNING: Option -t is ignored.", file=sys.stderr)
    if options.idle:
        session.idle()
        return
    if options.csv:
        print(CSV_HEADER, flush=True)
    if options.command:
        session.command()
    else:
        session.tests()


def main(arguments: Sequence[str] | None = None) -> int:
    """The program kv-benchmark; returns its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        run(parse(arguments))
    except Answer as answer:
        print(answer, end="")
        return 0
    except BadOption as error:
        print(f'Invalid option "{error}" or option argument missing\n\n{USAGE}', end="")
        return 1
    except Refusal as error:
        sys.stdout.flush()
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails again
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
