"""The server: an engine, its listeners, and the loop around them.

One turn of the loop: sockets are waited for, what ready clients sent is run, effects go to the AOF, replies leave. All of that
is the core's (engine/loop); with appendfsync always the effects are written and synced here, and the core keeps the replies
until they are. Everything else is a descriptor that Python watches (listeners, the signal pipe, a child's
pipe) or a job of the cron (loop.py). The request path is not here: it is compiled (kv._core). What is here may be read and
changed without knowing it.
"""
from __future__ import annotations

import gc
import os
import signal
import sys

from kv._core.engine.commandlog import CommandLog
from kv._core.engine.engine import Engine
from kv._core.engine.inspect import memory_figures
from kv._core.runtime.call import set_bug_log
from kv._core.runtime.registry import declare_package

from . import commands, crash, process
from .absent import refuse_absent, warn_of_absent
from .acllog import AclLog
from .admin.endpoint import AdminEndpoint
from .aof import AppendOnly
from .children import Children
from .clientlog import ClientLog
from .config import ConfigError
from .config.directive import fatal
from .debugsessions import DebugSessions
from .figures import ServerFigures
from .folderlock import FolderInUse, FolderLock
from .instance import Instance
from .latencymonitor import LatencyMonitor
from .link import LinkCache
from .listeners import Listeners
from .loading import LoadError, LoadStopped
from .log import LEVELS, log, log_bug, log_script
from .loop import Loop
from .metrics import Metrics
from .passwordfile import PasswordFile
from .rdb import RdbLoader, Snapshots
from .rename import rename
from .selfcheck import SelfCheck
from .serversettings import ServerSettings, collation
from .shutdown import Shutdown
from .system import check_at_start
from .systemd import Systemd
from .tcp import BindError
from .title import ProcessTitle
from .trouble import reason, troubles
from .user import DefaultUser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .admin.http import Request
    from .admin.pages import Pages, Reply
    from .config import Config

declare_package(commands)
CRASH_REFRESH_MS = 60_000   # how old what a crash report knows of the time zone may be


class StartError(Exception):
    """The server can't start; its arguments are the lines to log."""


class Server:
    """The parts of one running server, each made of those above it. Commands written in Python see them as call.server."""

    def __init__(self, config: Config, supervisor: str = "no") -> None:
        self.config = config
        self.instance = Instance(supervisor)
        self.default_user = DefaultUser(config)
        self.password_file = PasswordFile(config, self.default_user)
        self.title = ProcessTitle()
        self.watchdog = crash.Watchdog(config)
        self.folder_lock: FolderLock | None = None
        self.engine = engine = Engine(self, databases=config.databases)
        self.loop = loop = Loop(engine, config)
        self.commandlog = CommandLog(config)
        self.acl_log = AclLog(config)
        self.latency = LatencyMonitor(config)
        self.client_log = ClientLog(engine, config)
        self.metrics = Metrics(engine)
        self.systemd = Systemd(engine, supervisor)
        self.self_check = SelfCheck(engine, config)
        self.children = Children(engine, config, self.latency, self.title)
        rdb = RdbLoader(engine, config)
        self.aof = AppendOnly(engine, config, loop, self.children, self.latency, rdb)
        self.snapshots = Snapshots(engine, config, self.children, self.latency, rdb)
        self.links = LinkCache()
        self.listeners = Listeners(engine, config, loop, self.default_user)
        self.shutdown = Shutdown(engine, config, loop, self.aof, self.snapshots, supervisor)
        self.debug_sessions = DebugSessions(engine, self.children, self.links, self.shutdown.reading)
        self.shutdown.when_stopping.append(self.debug_sessions.kill)
        self.figures = ServerFigures(self)
        self.admin_pages: Pages | None = None   # once somebody asked
        self.admin = AdminEndpoint(config, loop, self.answer_admin)
        self.settings = ServerSettings(self)
        engine.on_protocol_error = self.client_log.note_protocol_error
        engine.on_closing = self.client_log.note_closing
        engine.on_commandlog = self.commandlog.note
        engine.on_bad_payload = self.client_log.note_bad_payload
        engine.on_latency = self.latency.note
        engine.on_flush = self.snapshots.flushed
        engine.on_script_log = log_script
        engine.on_busy = self.serve_while_busy
        loop.stop_requested = lambda: bool(self.shutdown.received)
        self.fill_cron()

    def fill_cron(self) -> None:
        """What is done `hz` times a second, in this order."""
        loop = self.loop
        loop.before_jobs = self.watchdog.rewind
        loop.each_cron("Sampling figures", self.metrics.sample)
        loop.each_cron("Looking after a child", self.children.reap)
        loop.each_cron("Looking after debugging sessions", self.debug_sessions.reap)
        loop.each_cron("Looking after the append-only file", self.aof.cron)
        loop.each_cron("Looking after snapshots", self.snapshots.cron)
        loop.each_cron("Listening", self.listeners.cron)
        loop.each_cron("Looking after the admin port", self.admin.cron, while_loading=True)
        loop.each_cron("Closing links that are not used", self.links.cron, 1000)
        loop.each_cron("Reading requirepass-file", self.password_file.look, 1000, while_loading=True)
        loop.each_cron("Telling systemd that the server is alive", self.systemd.ping, while_loading=True)
        loop.each_cron("Shutting down", self.shutdown.cron, while_loading=True)
        loop.each_cron("Checking the dataset", self.self_check.cron)
        loop.each_cron("Refreshing what crash reports know", crash.refresh, CRASH_REFRESH_MS)

    # -- starting -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, load the data, accept connections. Raises StartError."""
        if not check_at_start(self.config):
            raise StartError("The kernel is not safe to fork on, exiting.")
        warn_of_absent(self.config, self.default_user)
        self.settings.apply()
        self.settings.bind()
        try:
            self.lock_folder()
        except FolderInUse as error:
            raise StartError(error.strerror) from None
        self.config.on_change(["dir"], lambda config: self.follow_folder())
        try:
            self.admin.open()       # before clients connect: who sees the one port finds the other, too
            self.listeners.open()
        except BindError as error:
            raise StartError(str(error)) from None
        show_logo(self.config)
        log("notice", "Server initialized")
        self.instance.startup_memory = memory_figures(self.engine)["used"]
        self.load()
        if not self.loop.running:
            return
        for listener in self.listeners.names():
            log("notice", f"Ready to accept connections {listener}")
        self.systemd.ready()
        self.settle()

    def lock_folder(self) -> None:
        """Share `dir` with other servers, and with no program that embeds a database. Raises FolderInUse."""
        lock = None
        try:
            lock = FolderLock(self.config.dir, alone=False)
        except FolderInUse:
            raise
        except OSError:
            pass        # it may be entered and not be listed, say: then nobody can lock it
        before, self.folder_lock = self.folder_lock, lock
        if before is not None:
            before.close()

    def follow_folder(self) -> None:
        """After CONFIG SET dir. Raises ConfigError."""
        try:
            self.lock_folder()
        except FolderInUse as error:
            raise ConfigError(error.strerror) from None

    def settle(self) -> None:
        """What clients need not wait for."""
        crash.load_late()
        gc.collect()
        gc.freeze()  # what the start made stays: the collector need not look at it, nor a child copy it

    def load(self) -> None:
        """The data: of the append-only file, else of the snapshot. Raises StartError."""
        try:
            self.aof.load_at_start()
            if not self.config.appendonly:
                self.snapshots.load_at_start(self.loop.serve_or_stop)
        except LoadError as error:
            raise StartError(*filter(None, (str(error), error.ending))) from None
        except LoadStopped:
            pass

    def answer_admin(self, request: Request, reply: Reply) -> None:
        """A request of the admin port, whose pages are loaded for the first one."""
        if self.admin_pages is None:
            from .admin.metrics import PrometheusMetrics
            from .admin.pages import Pages

            metrics = PrometheusMetrics(self.engine, self.config, self.figures, self.latency, self.commandlog)
            self.admin_pages = Pages(metrics.collection, self.not_ready, self.loop)
        self.admin_pages.answer(request, reply)

    def not_ready(self) -> str:
        """Why clients are not served, "" where they are. A server that refuses writes serves reads, and is ready."""
        if self.shutdown.received or not self.loop.running:
            return "stopping"
        if self.engine.loading:
            return "loading"
        return "busy with a script" if self.engine.busy_error else ""

    # -- the loop -----------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Turn until told to stop; the exit status."""
        loop, aof = self.loop, self.aof
        turns, send = loop.core.turns, loop.core.send
        appender = self.engine.appender_of_log()
        while loop.running:
            try:
                ready = turns(loop.wait_ms())
            except OSError as error:
                loop.poller_failed(error)
                ready = ()
            for fd in ready:
                loop.handle(fd)
            loop.run_due()
            if appender.waits:
                aof.flush()
            send()
        return loop.exit_status

    def serve_while_busy(self) -> bool:
        """A turn in the middle of a script. False: the server ends."""
        try:
            self.systemd.ping()
        except OSError as error:
            troubles.report("Telling systemd that the server is alive", error)
        return self.loop.serve_while_busy(self.write_log)

    def write_log(self) -> None:
        """The log of effects, where the core leaves that to the append-only file."""
        if self.engine.appender_of_log().waits:
            self.aof.flush()

    def restart(self) -> None:
        """Become a new process of the same command line, when everything is on disk that is to be. Raises OSError, and goes on
        then."""
        self.watchdog.stop()    # its timer would survive, and end the new process
        self.debug_sessions.kill()
        here = os.getcwd()
        try:
            os.chdir(self.config.started_in)    # what the command line names may be relative
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])      # which closes all descriptors
        finally:
            os.chdir(here)
            self.watchdog.rewind()

    def close(self) -> None:
        self.listeners.close()
        self.admin.close()


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
        process.pidfile.remove()
        for line in error.args if isinstance(error, StartError) else [f"The server can't start: {reason(error)}"]:
            log("warning", line)
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
    server = Server(config, supervisor)
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
    """Sort by the locale that locale-collate names, and refuse the start where there is none of that name. Where it names none, the
    environment's is taken, if it exists. Raises StartError."""
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
