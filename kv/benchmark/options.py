"""The command line of kv-benchmark: the names and limits of valkey-benchmark 8.1, one table of them.

A number that is none is refused, where valkey-benchmark reads it as 0. An empty user name in a URI
(redis://:password@host) is the default user, as the clients of every language take it.
"""
from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from kv.about import version_line

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
ERROR_WARNING = "WARNING: -e option has no effect. We now immediately exit on error to avoid false results."


class Refusal(Exception):
    """Ends the program with this line on standard error and exit status 1."""


class UnknownCommand(Refusal):
    """The server does not know the command of a benchmark."""

    @staticmethod
    def is_told_by(reply: str) -> bool:
        return reply.startswith("ERR unknown command")


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
            raise Answer(version_line("kv-benchmark") + "\n")
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
