"""kv-benchmark: how many requests a second a server answers, and how long each waits.

Takes the options of valkey-benchmark 8.1 and redis-benchmark and prints what they print, so that scripts
which call them go on working. The parts: the command line (options), a connection for questions
(link), the default tests (suite), the output (report), and the load itself,
which is compiled (load). Here they are put together: the load runs in threads of its own, without the GIL,
while the main thread prints how it goes and waits for Ctrl-C.

What valkey-benchmark has not: Ctrl-C prints what was measured so far; `--` ends the options; __data__ in a
command stands for -d bytes, as in Valkey 9.
"""
from __future__ import annotations

import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from kv.benchmark.link import Link, encode, greeting
from kv.benchmark.load import Load
from kv.benchmark.options import USAGE, Answer, BadOption, Options, Refusal, UnknownCommand, parse
from kv.benchmark.report import CSV_HEADER, Report
from kv.benchmark.suite import Data, Test, suite

LIVE_SECONDS = 0.25
KEEPALIVE_WARNING = (
    "WARNING: Keepalive disabled. You probably need 'echo 1 > /proc/sys/net/ipv4/tcp_tw_reuse' for Linux and "
    "'sudo sysctl -w net.inet.tcp.msl=1000' for Mac OS X in order to use a lot of clients/requests")


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
        """End the program where the load has failed. Raises UnknownCommand where the server does not know its command."""
        if fine:
            return
        kind, text = load.failure or ("error", "unknown")
        beginnings = {"connect": f"Could not connect to server at {self.options.address}: ",
                      "write": "Error writing to the server: ", "reply": "Error from server: ",
                      "error": "Error: "}
        unknown = kind == "reply" and UnknownCommand.is_told_by(text)
        raise (UnknownCommand if unknown else Refusal)(beginnings[kind] + text)

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
                    self.test(test)
            if not self.options.csv:
                print(flush=True)
            if not self.options.loop:
                return


    def test(self, test: Test) -> None:
        """Run one. Without -t it is left out where the server does not know its command: older servers, and those that
        have no functions, are loaded with what they know."""
        try:
            if test.library is not None:
                self.link.ask_or_refuse("FUNCTION", "LOAD", "REPLACE", test.library)
            self.benchmark(test.title, test.request)
        except UnknownCommand:
            if self.options.tests is not None:
                raise
            name = "FUNCTION" if test.library is not None else os.fsdecode(test.words[0]).strip().upper()
            print(f"{test.title}: skipped, the server does not know the command {name}", file=sys.stderr)


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
