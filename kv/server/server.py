"""The server: an engine, its listeners, and the loop around them.

One turn of the loop: the engine waits for sockets and runs what ready clients sent; then the effects go to the AOF;
then the replies leave. Everything else is a descriptor that Python watches (listeners, the signal pipe, a child's
pipe) or a timer of the cron. The request path is not here: it is compiled (kv._core). What is here may be read and
changed without knowing it.
"""
from __future__ import annotations

import gc
import os
import signal
import sys
import time

from kv._core.engine.clientlist import client_lines
from kv._core.engine.cron import engine_cron
from kv._core.engine.engine import Engine
from kv._core.engine.inspect import memory_figures, note_rejected_connection, session
from kv._core.runtime.call import set_bug_log
from kv._core.runtime.registry import declare_package

from . import commands, crash, process
from .absent import refuse_absent, warn_of_absent
from .acllog import AclLog
from .aof import AppendOnly, LoadError, LoadStopped
from .apply import apply_all, bind_hooks, collation
from .children import Children
from .commandlog import CommandLog
from .config import ConfigError
from .config.source import fatal
from .figures import ServerFigures
from .latencymonitor import LatencyMonitor
from .listeners import BindError, Listeners
from .log import HIDDEN, LEVELS, log, log_bug
from .metrics import Metrics
from .rename import rename
from .selfcheck import SelfCheck
from .shutdown import Shutdown
from .system import check_at_start
from .title import ProcessTitle
from .trouble import POLLER_LOST, TROUBLE, reason, troubles
from .user import DefaultUser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from .config import Config

declare_package(commands)
RUN_ID_BYTES = 20
SAMPLE_BYTES = 128  # of a faulty request that the log shows
CRASH_REFRESH_MS = 60_000   # how old what a crash report knows of the time zone may be
POLLER_PAUSE_S = 0.01       # between two tries to wait for events


class StartError(Exception):
    """The server can't start; str() is the line to log."""


class Server:
    """Everything of one running server. Commands written in Python see it as call.server."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.run_id = os.urandom(RUN_ID_BYTES).hex()
        self.started = time.time()
        self.default_user = DefaultUser(config)
        self.supervised = "no"
        self.handlers: dict[int, tuple[str, Callable[[], object]]] = {}
        self.resting: set[int] = set()  # descriptors whose handlers failed, until the next cron
        self.engine = Engine(self, databases=config.databases)
        self.engine.on_protocol_error = self.note_protocol_error
        self.engine.on_commandlog = self.note_command
        self.engine.on_closing = self.note_closing
        self.commandlog = CommandLog(config)
        self.acl_log = AclLog(config)
        self.latency = LatencyMonitor(config)
        self.engine.on_latency = self.latency.note
        self.metrics = Metrics(self.engine)
        self.children = Children(self)
        self.aof = AppendOnly(self)
        self.listeners = Listeners(self)
        self.shutdown = Shutdown(self)
        self.watchdog = crash.Watchdog(config)
        self.self_check = SelfCheck(self.engine, config)
        self.title = ProcessTitle()
        self.figures = ServerFigures(self)
        self.last_save = int(self.started)
        self.replication_id = os.urandom(RUN_ID_BYTES).hex()
        self.startup_memory = 0
        self.cron_runs = 0
        self.cron_paused = False  # DEBUG PAUSE-CRON
        self.next_cron = 0.0
        self.browser_logged = -60.0  # when it was, of the monotonic clock
        self.running = True
        self.exit_status = 0

    # -- starting -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, load the data, accept connections. Raises StartError."""
        if not check_at_start(self.config):
            raise StartError("The kernel is not safe to fork on, exiting.")
        warn_of_absent(self)
        apply_all(self)
        bind_hooks(self)
        try:
            self.listeners.open()
        except BindError as error:
            raise StartError(str(error)) from None
        show_logo(self.config)
        log("notice", "Server initialized")
        self.startup_memory = memory_figures(self.engine)["used"]
        self.load()
        if not self.running:
            return
        for listener in self.listener_names():
            log("notice", f"Ready to accept connections {listener}")
        process.notify_ready(self)
        self.settle()

    def settle(self) -> None:
        """What clients need not wait for."""
        crash.load_late()
        gc.collect()
        gc.freeze()  # what the start made stays: the collector need not look at it, nor a child copy it

    def load(self) -> None:
        try:
            self.aof.load_at_start()
        except LoadError as error:
            raise StartError(str(error)) from None
        except LoadStopped:
            pass

    def listener_names(self) -> list[str]:
        return (["tcp"] if self.listeners.tcp else []) + (["unix"] if self.listeners.unix else [])

    # -- the loop -----------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Turn until told to stop; the exit status."""
        engine = self.engine
        turns, send = engine.turns, engine.send
        aof = self.aof
        while self.running:
            try:
                ready = turns(self.wait_ms())
            except OSError as error:
                self.poller_failed(error)
                ready = ()
            for fd in ready:
                self.handle(fd)
            if self.now() >= self.next_cron:
                self.cron()
            if engine.effects_pending:
                aof.flush()
            send()
        return self.exit_status

    def handle(self, fd: int) -> None:
        """A descriptor is ready. Where its handler fails it rests until the next cron: it would be ready again at once."""
        what, handler = self.handlers.get(fd, ("", None))
        if handler is None:
            return
        try:
            handler()
        except TROUBLE as error:
            troubles.report(what, error)
            if fd in self.handlers:
                self.engine.poller.unwatch(fd)
                self.resting.add(fd)

    def end_rests(self) -> None:
        """Watch again the descriptors whose handlers failed."""
        for fd in [*self.resting]:
            self.engine.poller.watch(fd)
            self.resting.discard(fd)

    def poller_failed(self, error: OSError) -> None:
        """There are no events to be had just now. Raises the error where there never will be."""
        if error.errno in POLLER_LOST:
            raise error
        troubles.report("Waiting for events", error)
        time.sleep(POLLER_PAUSE_S)

    def now(self) -> float:
        return time.monotonic()

    def wait_ms(self) -> int:
        left = self.next_cron - time.monotonic()
        return int(left * 1000) + 1 if left > 0 else 0

    def cron(self) -> None:
        """What is due `hz` times a second."""
        hz = self.config.hz
        started = self.now()
        self.next_cron = started + 1 / hz
        self.watchdog.rewind()
        if self.cron_paused:
            return
        self.cron_runs += 1
        self.attempt("Watching a descriptor again", self.end_rests)
        self.attempt("Sampling figures", self.metrics.sample)
        self.attempt("Expiring and resizing", self.sweep)
        self.attempt("Looking after a child", self.children.reap)
        self.attempt("Looking after the append-only file", self.aof.cron)
        self.attempt("Listening", self.listeners.cron)
        self.attempt("Shutting down", self.shutdown.cron)
        self.self_check.cron()
        if self.every_ms(CRASH_REFRESH_MS):
            self.attempt("Refreshing what crash reports know", crash.refresh)
        self.metrics.cron_us += (self.now() - started) * 1e6

    def attempt(self, what: str, part: Callable[[], object]) -> None:
        """Something that comes round again: where the system does not let it be done now, it is done then."""
        try:
            part()
        except TROUBLE as error:
            troubles.report(what, error)

    def sweep(self) -> None:
        """The core's share of the cron."""
        engine_cron(self.engine, self.config.hz)
        trouble = self.engine.poller.take_error()
        if trouble:
            troubles.report("Watching a client for more output, which closes it", OSError(trouble, os.strerror(trouble)))

    def every_ms(self, period_ms: int) -> bool:
        """Whether a job that runs each so many ms is due in this run of the cron."""
        per_run = 1000 // self.config.hz
        return period_ms <= per_run or self.cron_runs % max(1, period_ms // per_run) == 0

    def serve_while_loading(self) -> None:
        """A turn in between while data are read: clients are answered LOADING, INFO and PING, and whoever wants the server
        to stop is obeyed."""
        try:
            ready = self.engine.turn(0)
        except OSError as error:
            self.poller_failed(error)
            ready = ()
        for fd in ready:
            self.handle(fd)
        self.engine.send()
        if self.resting and self.now() >= self.next_cron:
            self.next_cron = self.now() + 1 / self.config.hz
            self.attempt("Watching a descriptor again", self.end_rests)
        self.shutdown.cron()

    # -- descriptors --------------------------------------------------------------------------------------------------

    def watch(self, fd: int, handler: Callable[[], object], what: str = "Serving a descriptor") -> None:
        """Call the handler whenever the descriptor is readable; `what` it does, for the log. Raises OSError."""
        self.engine.poller.watch(fd)
        self.handlers[fd] = what, handler

    def unwatch(self, fd: int) -> None:
        self.handlers.pop(fd, None)
        self.resting.discard(fd)
        self.engine.poller.unwatch(fd)

    # -- what parts tell ----------------------------------------------------------------------------------------------

    def note_protocol_error(self, session_id: int, error: str, data: memoryview) -> None:
        if log.level > LEVELS["verbose"]:
            return
        shown = HIDDEN if self.config.hide_user_data_from_log else sample(data)
        client = self.client_line(session(self.engine, session_id))
        log("verbose", f"Protocol error ({error.removeprefix('Protocol error: ')}) from client: {client}. Query buffer: {shown}")

    def note_command(self, words, lengths, argc, session_id, duration_us, request_bytes, reply_bytes) -> None:
        self.commandlog.note(self.engine, words, lengths, argc, session_id, duration_us, request_bytes, reply_bytes)

    def note_closing(self, session_id: int, why: str) -> None:
        """A client is closed that did not ask for it."""
        client = session(self.engine, session_id)
        if why == "browser":
            self.note_browser(client.peer)
            return
        line = self.client_line(client)
        if why == "evicted":
            log("notice", f"Evicting client: {line}")
        elif why == "input":
            log("warning", f"Closing client that reached max query buffer length: {line}")
        else:
            log("warning", f"Client {line} scheduled to be closed ASAP for overcoming of output buffer limits.")

    def client_line(self, client) -> str:
        line = client_lines(self.engine, [client.id], self.config.hide_user_data_from_log)
        return line.decode("utf-8", "surrogateescape").rstrip("\n")

    def note_browser(self, peer: str) -> None:
        """A client sent POST or Host:. Told once a minute, so that nobody fills the log."""
        if self.now() - self.browser_logged < 60:
            return
        self.browser_logged = self.now()
        log("warning", "Possible SECURITY ATTACK detected: somebody sends POST or Host:, as a web page that makes a browser "
                       f"talk to this server would. Connection from {peer} aborted.")

    def note_rejected_connection(self) -> None:
        note_rejected_connection(self.engine)

    def stop(self, status: int = 0) -> None:
        """End the loop after this turn."""
        self.running = False
        self.exit_status = status

    def restart(self) -> None:
        """Become a new process of the same command line (DEBUG RESTART). Raises OSError, and goes on then."""
        self.aof.close(force=True)
        self.watchdog.stop()    # its timer would survive, and end the new process
        here = os.getcwd()
        try:
            os.chdir(self.config.started_in)    # what the command line names may be relative
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])      # which closes all descriptors
        finally:
            os.chdir(here)
            self.watchdog.rewind()

    def close(self) -> None:
        self.listeners.close()


def sample(data: memoryview) -> str:
    """The two ends of what a client sent, in printable characters."""
    half = SAMPLE_BYTES // 2
    ends = [data] if len(data) < SAMPLE_BYTES else [data[:half], data[-half:]]
    shown = ["'" + "".join([chr(byte) if 32 <= byte < 127 else "." for byte in end]) + "'" for end in ends]
    return f" (... more {len(data) - SAMPLE_BYTES} bytes ...) ".join(shown)


def fail(server: Server, error: BaseException) -> NoReturn:
    """An exception that nobody caught, and that is none of the system's errors (see trouble.py), is a bug: say which, and
    stop. Nothing is done to the data: what clients were told is with the AOF already, and of what they were not told yet
    nobody knows whether it is whole."""
    try:
        crash.log_exception(error)
        server.close()
        process.pidfile.remove()
    finally:
        os._exit(1)


def run(config: Config) -> int:
    """The whole life of a server; the exit status. Raises FatalConfigError."""
    refuse_absent(config)
    rename(config)
    enter_directory(config)
    configure_log(config)
    set_bug_log(log_bug, troubles.report)
    supervisor = process.supervisor(config)
    if config.daemonize and supervisor == "no":
        log.discard = not config.logfile
        try:
            process.daemonize()
        except OSError as error:
            log("warning", f"Can't daemonize: {reason(error)}")
            return 1
    log.pid = os.getpid()
    greet(config)
    if config.daemonize or config.pidfile:
        process.pidfile.write(process.pidfile_of(config))
    try:
        server = start(config, supervisor)
    except (StartError, OSError) as error:
        log("warning", str(error) if isinstance(error, StartError) else f"The server can't start: {reason(error)}")
        process.pidfile.remove()
        return 1
    try:
        status = server.run()
    except BaseException as error:
        fail(server, error)
    server.watchdog.stop()
    server.close()
    process.pidfile.remove()
    log("warning", "KV is now ready to exit, bye bye...")
    return status


def enter_directory(config: Config) -> None:
    """Go to `dir`, before the first line of a log whose path is relative."""
    try:
        os.chdir(config.dir)
    except OSError as error:
        raise fatal(f"Can't chdir to '{config.dir}': {reason(error)}") from None


def start(config: Config, supervisor: str) -> Server:
    """A server that accepts connections, or that was told to stop while it loaded. Raises StartError, OSError."""
    crash.install(config)
    server = Server(config)
    server.supervised = supervisor
    try:
        crash.observe(server.engine)
        start_collation(config)
        server.shutdown.catch_signals()
        server.start()
    except (StartError, OSError):
        raise
    except BaseException as error:
        fail(server, error)
    return server


def start_collation(config: Config) -> None:
    """A name that was asked for must exist; what the environment says may not."""
    try:
        collation(config)
    except ConfigError:
        if config.locale_collate:
            raise StartError("Failed to configure LOCALE for invalid locale name.") from None


def configure_log(config: Config) -> None:
    log.path, log.level = config.logfile, LEVELS[config.loglevel]
    log.format, log.timestamps = config.log_format, config.log_timestamp_format
    if config.syslog_enabled:
        log.enable_syslog(config.syslog_ident, config.syslog_facility)
    for level, text in config.notices:
        log(level, text)
    config.log = log


LOGO = """
     _  ____     __
    | |/ /\\ \\   / /   KV {version} ({bits} bit)
    | ' /  \\ \\ / /    Running in {mode} mode
    | . \\   \\ V /     Port: {port}
    |_|\\_\\   \\_/      PID: {pid}

"""


def show_logo(config: Config) -> None:
    """To a person at a terminal, or where always-show-logo asks; else one line."""
    import kv

    if config.always_show_logo or (not config.logfile and not config.syslog_enabled and os.isatty(1)):
        log.write(LOGO.format(version=kv.VALKEY_VERSION, bits=64, mode="standalone", port=config.port, pid=os.getpid()))
    else:
        log("notice", f"Running mode=standalone, port={config.port}.")


def greet(config: Config) -> None:
    import kv

    log("notice", "oO0OoO0OoO0Oo KV is starting oO0OoO0OoO0Oo")
    log("notice", f"KV version={kv.VALKEY_VERSION}, bits=64, commit=00000000, modified=0, pid={os.getpid()}, "
                  f"just started")
    if config.file or len(config.words) > 1:
        log("notice", "Configuration loaded")
    else:
        log("warning", "Warning: no config file specified, using the default config. In order to specify a config file "
                       f"use {sys.argv[0]} /path/to/kv.conf")
    if signal.getsignal(signal.SIGPIPE) is not signal.SIG_IGN:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
