"""What the log has of a server that crashed, panicked, raised an exception or hung."""
from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.program import Server
from tests.program import Program
from tests.sanitizer import unsanitized

START = "=== KV BUG REPORT START: Cut & paste starting from here ==="
END = "=== KV BUG REPORT END. Make sure to include from START to END. ==="
TRACE = "------ STACK TRACE ------"
DONE = "------ STACK TRACE DONE ------"
CLIENT = "------ CURRENT CLIENT INFO ------"
HEAD = r"^{pid}:{role} \d\d \w{{3}} \d{{4}} \d\d:\d\d:\d\d\.\d{{3}} # "

# further subcommands of DEBUG, for bugs that a server does not offer
BUGS = """
import ctypes, os, sys, threading, time, zlib
from kv._core.engine import crash
from kv._core.runtime.call import OK
from kv.server.__main__ import main
from kv.server.commands.debug import subcommand

def crash_in_child(*arguments):
    crash.crash_by_fault()

@subcommand("jump", 0)
def jump(call):
    ctypes.CFUNCTYPE(None)(16)()

@subcommand("overflow", 0)
def overflow(call):
    # Python guards itself; the C library's parser calls itself for each bracket
    ctypes.CDLL(None).regcomp(ctypes.create_string_buffer(1024), b"(" * 1_000_000, 1)

@subcommand("fault-in-thread", 0)
def fault_in_thread(call):
    threading.Thread(target=crash.crash_by_fault, name="other").start()
    return OK

@subcommand("panic-beside-threads", 0)
def panic_beside_threads(call):
    def work():
        while True:
            zlib.crc32(data)
    data = bytes(100_000)
    for _ in range(8):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(0.1)
    crash.crash_by_panic("beside threads")

@subcommand("raise-in-thread", 0)
def raise_in_thread(call):
    threading.Thread(target=lambda: 1 / 0, name="other").start()
    return OK

@subcommand("raise-unseen", 0)
def raise_unseen(call):
    class Thing:
        def __del__(self):
            raise ValueError("in a finalizer")
    Thing()
    return OK

@subcommand("raise-in-handler", 0)
def raise_in_handler(call):
    reading, writing = os.pipe()
    os.write(writing, b"x")
    call.server.loop.watch(reading, lambda: {}["missing"])
    return OK

@subcommand("raise-in-cron", 0)
def raise_in_cron(call):
    call.server.loop.each_cron("Sampling figures", lambda: {}["missing"])
    return OK

def fail(kind):
    raise MemoryError if kind == b"memory" else OSError(int(kind), os.strerror(int(kind)))

@subcommand("trouble", 2)
def trouble(call, where, kind):
    reading, writing = os.pipe()
    os.write(writing, b"x")
    if where == b"here":
        fail(kind)
    elif where == b"handler":
        call.server.loop.watch(reading, lambda: fail(kind), "Handling")
    else:
        call.server.loop.each_cron("Looking after a child", lambda: fail(kind))
    return OK

@subcommand("children-crash", 0)
def children_crash(call):
    from kv.server.aof import rewrite
    rewrite.write_dataset = crash_in_child
    return OK

sys.exit(main())
"""


@pytest.fixture
def serve(tmp_path: Path) -> Iterator:
    """serve(buggy=False, **options): a server whose log is tmp_path/own.log, with the BUGS or without."""
    with contextlib.ExitStack() as stack:
        def start(buggy: bool = False, **options) -> Server:
            options = {"logfile": tmp_path / "own.log", "pidfile": tmp_path / "pid", "appendonly": "no", **options}
            return stack.enter_context(BuggyServer(tmp_path, **options) if buggy else Server(tmp_path, **options))

        yield start


class BuggyServer(Server):
    def command(self) -> list[str]:
        self.program = [sys.executable, "-c", BUGS]
        return super().command()


def log_of(server: Program) -> str:
    return (server.directory / "own.log").read_text(errors="replace")


def crash(server: Server, *words: str) -> None:
    """Send a command that is not answered."""
    with pytest.raises((ConnectionError, EOFError, OSError)):
        server(*words)


@pytest.mark.parametrize("kind, why", [("28", "No space left on device"), ("memory", "Cannot allocate memory")])
@pytest.mark.parametrize("where, what", [("here", "Running debug"), ("handler", "Handling"), ("cron", "Looking after a child")])
def test_what_the_system_refuses_is_no_bug(serve, where: str, what: str, kind: str, why: str) -> None:
    """Wherever it happens: one line, however often, and the server goes on."""
    server = serve(buggy=True)
    assert server("DEBUG", "TROUBLE", where, kind) == (f"ERR {why}" if where == "here" else "OK")
    used = cpu_seconds(server)
    time.sleep(0.5)
    assert cpu_seconds(server) - used < 0.3     # it does not try without end
    assert server("PING") == "PONG" and log_of(server).count(f"{what}: {why}") == 1
    assert "Traceback" not in log_of(server) and START not in log_of(server)
    figures = server.info("stats")
    assert figures["last_system_error"] == f"{what}: {why}" and (int(figures["system_errors"]) > 2) == (where != "here")


def cpu_seconds(server: Program) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check_report(text: str, pid: int, role: str = "M") -> str:
    """There is one report, and it is whole; its text."""
    assert text.count(START) == text.count(END) == 1, text
    report = text[text.index(START):text.index(END)]
    assert report.count(TRACE) == report.count(DONE) == 1, report
    assert report.index(TRACE) < report.index(DONE)
    assert re.search(HEAD.format(pid=pid, role=role), report, re.M), report
    assert ".so" in report[report.index(TRACE):]        # a frame in C
    return report


# -- crashes ------------------------------------------------------------------------------------------------------

def test_a_fault(serve, tmp_path: Path) -> None:
    server = serve()
    pid = server.process.pid
    assert (tmp_path / "pid").read_text() == f"{pid}\n"
    crash(server, "DEBUG", "SEGFAULT")
    assert server.ends() == -signal.SIGSEGV
    report = check_report(log_of(server), pid)
    assert re.search(HEAD.format(pid=pid, role="M") + r"KV 8\.1\.7 crashed by signal: 11, si_code: 2$", report, re.M)
    assert re.search(r"# Accessing address: 0x[0-9a-f]{16}$", report, re.M)
    assert "Current thread" in report and "in debug_segfault" in report and "in main" in report
    assert 'argc: 2\nargv[0]: "DEBUG"\nargv[1]: 8 bytes\n' in report[report.index(CLIENT):]
    assert "name=*redacted*" in report
    assert not (tmp_path / "pid").exists()


@unsanitized
def test_memory_is_tested(serve) -> None:
    server = serve()
    server("SET", "k", "v" * 1_000_000)
    crash(server, "DEBUG", "SEGFAULT")
    assert server.ends() == -signal.SIGSEGV
    report = check_report(log_of(server), server.process.pid)
    tested = report[report.index("------ FAST MEMORY TEST ------"):]
    announced = re.findall(r"^\*\*\* Preparing to test memory region 0x[0-9a-f]+ \((\d+) bytes\)$", tested, re.M)
    regions = [int(size) for size in announced]
    assert sum(regions) > 5_000_000 and f"\n{'.O' * len(regions)}\n" in tested
    assert "Fast memory test PASSED, however your memory can still be broken." in tested
    assert tested.count("\n------ ") == 0


def test_memory_is_not_tested_where_nobody_wants_it(serve) -> None:
    server = serve()
    server("CONFIG", "SET", "crash-memcheck-enabled", "no")
    crash(server, "DEBUG", "SEGFAULT")
    assert server.ends() == -signal.SIGSEGV
    assert "MEMORY TEST" not in check_report(log_of(server), server.process.pid)


def test_options_are_shown(serve) -> None:
    server = serve()
    server("CONFIG", "SET", "debug-context", "test run 7", "list-compress-depth", "3")
    crash(server, "DEBUG", "SEGFAULT")
    assert server.ends() == -signal.SIGSEGV
    report = check_report(log_of(server), server.process.pid)
    shown = report[report.index("------ CONFIG DEBUG OUTPUT ------"):].split("\n\n")[0].splitlines()
    assert {'debug-context "test run 7"', "list-compress-depth 3", "replica-read-only yes"} <= set(shown)
    assert not [line for line in shown if line.startswith("port ")]


def test_words_are_shown_where_they_may_be(serve) -> None:
    server = serve(hide_user_data_from_log="no")
    server("CLIENT", "SETNAME", "somebody")
    server("MULTI")
    server("DEBUG", "OBJECT", 'a"\n\x7f' + "x" * 200)
    server("DEBUG", "SEGFAULT")
    crash(server, "EXEC")
    assert server.ends() == -signal.SIGSEGV
    report = check_report(log_of(server), server.process.pid)
    assert 'argc: 2\nargv[0]: "DEBUG"\nargv[1]: "SEGFAULT"\n' in report     # what EXEC runs, not EXEC
    assert "name=somebody" in report


def test_an_abort_from_outside(serve) -> None:
    server = serve()
    server.process.send_signal(signal.SIGABRT)
    assert server.ends() == -signal.SIGABRT
    report = check_report(log_of(server), server.process.pid)
    assert "crashed by signal: 6, si_code: 0" in report
    assert f"Killed by PID: {os.getpid()}, UID: {os.getuid()}" in report
    assert CLIENT not in report


def test_without_a_log_file_the_report_goes_to_stdout(serve) -> None:
    server = serve(logfile="")
    crash(server, "DEBUG", "SEGFAULT")
    assert server.ends() == -signal.SIGSEGV
    check_report(server.text(), server.process.pid)


@unsanitized
@pytest.mark.parametrize("bug, name", [("JUMP", "jump"), ("OVERFLOW", "overflow")])
def test_a_stack_that_is_of_no_use(serve, bug: str, name: str) -> None:
    """After a jump into nowhere the stack trace itself faults; after an overflow there is no room for a handler."""
    server = serve(buggy=True)
    crash(server, "DEBUG", bug)
    assert server.ends() == -signal.SIGSEGV
    text = log_of(server)
    assert text.count(START) == text.count(END) == text.count(TRACE) == text.count(DONE) == 1
    assert CLIENT in text
    assert f"in {name}" in text or bug == "OVERFLOW"


def test_a_fault_in_another_thread(serve) -> None:
    server = serve(buggy=True)
    with contextlib.suppress(ConnectionError, EOFError, OSError):
        server("DEBUG", "FAULT-IN-THREAD")
    assert server.ends() == -signal.SIGSEGV
    report = check_report(log_of(server), server.process.pid)
    assert "in run" in report and CLIENT not in report


# -- panics -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("bug, lines", [
    ("PANIC", [r"!!! Software Failure\. Press left mouse button to continue",
               r"Guru Meditation: DEBUG PANIC called at Unix time \d+"]),
    ("ASSERT", ["=== ASSERTION FAILED ===", "==> .*'.*' is not true"]),
    pytest.param("OOM", [r"Guru Meditation: Out Of Memory allocating \d+ bytes!"], marks=unsanitized)])
def test_a_panic(serve, tmp_path: Path, bug: str, lines: list[str]) -> None:
    server = serve()
    crash(server, "DEBUG", bug)
    assert server.ends() == -signal.SIGABRT
    report = check_report(log_of(server), server.process.pid)
    for line in lines:
        assert re.search(HEAD.format(pid=server.process.pid, role="M") + line + "$", report, re.M), report
    assert CLIENT in report and "crashed by signal" not in report
    assert not (tmp_path / "pid").exists()


def test_a_panic_may_end_with_an_exit_status(serve, tmp_path: Path) -> None:
    server = serve(use_exit_on_panic="yes")
    crash(server, "DEBUG", "ASSERT")
    assert server.ends() == 1
    check_report(log_of(server), server.process.pid)
    assert not (tmp_path / "pid").exists()


@unsanitized
def test_memory_is_tested_while_no_other_thread_runs(serve, tmp_path: Path) -> None:
    """They would find patterns on their stacks, and end the process before the report is whole."""
    server = serve(buggy=True)
    crash(server, "DEBUG", "PANIC-BESIDE-THREADS")
    assert server.ends() == -signal.SIGABRT
    report = check_report(log_of(server), server.process.pid)
    assert "Fast memory test PASSED" in report and "Crashed running" not in report
    assert not (tmp_path / "pid").exists()


def test_a_panic_in_the_background(tmp_path: Path) -> None:
    """There stderr leads nowhere."""
    program = Program(tmp_path, "--daemonize", "yes", "--logfile", str(tmp_path / "own.log"), "--pidfile", str(tmp_path / "pid"),
                      "--enable-debug-command", "yes", wait=False)
    assert program.ends() == 0
    client = None
    deadline = time.monotonic() + 20
    while client is None:
        assert time.monotonic() < deadline
        with contextlib.suppress(OSError):
            client = program.connect()
        time.sleep(0.02)
    with pytest.raises((ConnectionError, EOFError, OSError)):
        client("DEBUG", "PANIC")
    program.log = tmp_path / "own.log"       # what is shown if it does not come about
    program.until(lambda: END in log_of(program) and not (tmp_path / "pid").exists(), 30)
    assert "Guru Meditation: DEBUG PANIC" in log_of(program)


# -- options ------------------------------------------------------------------------------------------------------

@unsanitized
def test_no_report_where_none_is_wanted(serve) -> None:
    server = serve(crash_log_enabled="no")
    crash(server, "DEBUG", "SEGFAULT")
    assert server.ends() == -signal.SIGSEGV
    assert START not in log_of(server)


def test_a_panic_tells_its_text_all_the_same(serve) -> None:
    server = serve(crash_log_enabled="no")
    crash(server, "DEBUG", "PANIC")
    assert server.ends() == -signal.SIGABRT
    text = log_of(server)
    assert "Guru Meditation: DEBUG PANIC" in text and TRACE not in text and text.count(END) == 1


@pytest.mark.parametrize("wanted", ["yes", pytest.param("no", marks=unsanitized)])
def test_reports_are_switched(serve, wanted: str) -> None:
    server = serve(crash_log_enabled="no" if wanted == "yes" else "yes")
    server("CONFIG", "SET", "crash-log-enabled", wanted)
    server.process.send_signal(signal.SIGFPE)
    assert server.ends() == -signal.SIGFPE
    assert log_of(server).count("crashed by signal: 8") == (wanted == "yes")


# -- children -----------------------------------------------------------------------------------------------------

def test_a_child_tells_that_it_is_one(serve, tmp_path: Path) -> None:
    server = serve(buggy=True, appendonly="yes")
    server("DEBUG", "CHILDREN-CRASH")
    server("BGREWRITEAOF")
    server.until(lambda: END in log_of(server))
    text = log_of(server)
    pid = int(re.search(r"^(\d+):C .* crashed by signal: 11", text, re.M)[1])
    assert pid != server.process.pid
    report = check_report(text, pid, "C")
    assert "This is a forked child" in report and CLIENT not in report
    assert server("PING") == "PONG"
    assert (tmp_path / "pid").exists()


# -- exceptions ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("place", ["HANDLER", "CRON"])
def test_an_exception_that_nobody_catches(serve, tmp_path: Path, place: str) -> None:
    server = serve(buggy=True, unixsocket=tmp_path / "socket", appendonly="yes")
    server("SET", "key", "value")
    assert (tmp_path / "socket").exists()
    server("DEBUG", f"RAISE-IN-{place}")
    assert server.ends() == 1
    text = log_of(server)
    assert text.count(START) == text.count(END) == 1
    head = HEAD.format(pid=server.process.pid, role="M")
    assert re.search(head + "Traceback", text, re.M) and re.search(head + "KeyError: 'missing'$", text, re.M)
    assert not (tmp_path / "socket").exists() and not (tmp_path / "pid").exists()
    server.start(wait=False)
    server.wait_loaded()
    assert server("GET", "key") == b"value"


def test_exceptions_that_can_not_be_raised(serve) -> None:
    server = serve(buggy=True)
    server("DEBUG", "RAISE-UNSEEN")
    server("DEBUG", "RAISE-IN-THREAD")
    server.until(lambda: "ZeroDivisionError" in log_of(server))
    assert "ValueError: in a finalizer" in log_of(server) and "Exception in thread other" in log_of(server)
    assert server("PING") == "PONG"


# -- the living ---------------------------------------------------------------------------------------------------

def test_a_stack_trace_on_demand(serve) -> None:
    server = serve()
    for count in (1, 2):
        server.process.send_signal(signal.SIGALRM)
        server.until(lambda count=count: log_of(server).count(DONE) == count)
        assert server("PING") == "PONG"
    text = log_of(server)
    assert re.search(HEAD.format(pid=server.process.pid, role="M") + "Received SIGALRM$", text, re.M)
    assert text.count("Received SIGALRM") == text.count(TRACE) == 2
    assert "in run" in text and START not in text and "WATCHDOG" not in text


def test_the_watchdog(serve) -> None:
    server = serve()
    server("CONFIG", "SET", "watchdog-period", "1")
    assert server("CONFIG", "GET", "watchdog-period") == [b"watchdog-period", b"200"]
    time.sleep(0.5)
    assert "WATCHDOG" not in log_of(server)
    server("DEBUG", "SLEEP", "0.5")
    text = log_of(server)
    assert text.count("--- WATCHDOG TIMER EXPIRED ---") == text.count(DONE) == 1
    assert "in debug_sleep" in text and 'argv[0]: "DEBUG"' in text
    server("CONFIG", "SET", "watchdog-period", "0")
    server("DEBUG", "SLEEP", "0.5")
    assert log_of(server).count("WATCHDOG") == 1


def test_the_watchdog_does_not_outlive_a_restart(serve) -> None:
    server = serve()
    server("CONFIG", "SET", "watchdog-period", "300")
    crash(server, "DEBUG", "RESTART")
    time.sleep(0.6)
    server.wait_loaded()
    assert server("CONFIG", "GET", "watchdog-period") == [b"watchdog-period", b"0"]
    assert "WATCHDOG" not in log_of(server)


# -- requests that are none ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("hide, shown", [("yes", r"\*redacted\*"), ("no", r"'\*1\.\.\$secret\.\.'")])
def test_a_faulty_request_is_logged(serve, hide: str, shown: str) -> None:
    server = serve(loglevel="verbose", hide_user_data_from_log=hide)
    with server.raw() as connection:
        connection.sendall(b"*1\r\n$secret\r\n")
        assert connection.recv(100).startswith(b"-ERR Protocol error")
    assert re.search(r"- Protocol error \(invalid bulk length\) from client: id=\d.*\. Query buffer: " + shown + "$",
                     log_of(server), re.M)
