"""What commands see as call.server in a program that embeds the engine: the parts of a server, without its process.

A part is made when it is first asked for, since most databases need few of them and tests make thousands of databases. What
belongs to a process (signals, the working directory, its title, its limits) is the program's and is left alone; options that are
about nothing else are refused by CONFIG SET.
"""
from __future__ import annotations

import errno
import logging
import os
from functools import cached_property

from kv._core.engine.commandlog import CommandLog
from kv._core.engine.engine import Engine
from kv._core.engine.inspect import memory_figures
from kv._core.runtime.registry import declare_package
from kv.server import commands
from kv.server.acllog import AclLog
from kv.server.aof import AppendOnly
from kv.server.children import Children
from kv.server.clientlog import ClientLog
from kv.server.config import Config, ConfigError
from kv.server.figures import ServerFigures
from kv.server.instance import Instance
from kv.server.latencymonitor import LatencyMonitor
from kv.server.link import LinkCache
from kv.server.listeners import Listeners
from kv.server.log import log, log_script
from kv.server.loop import Loop
from kv.server.metrics import Metrics
from kv.server.passwordfile import PasswordFile
from kv.server.rdb import RdbLoader, Snapshots
from kv.server.serversettings import PROCESS_OPTIONS
from kv.server.settings import Settings
from kv.server.shutdown import Shutdown
from kv.server.title import ProcessTitle
from kv.server.trouble import troubles
from kv.server.user import DefaultUser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

declare_package(commands)
NO_SUPERVISOR = "no"
LOGGER = logging.getLogger("kv")
LOGGING_LEVELS = (logging.DEBUG, logging.DEBUG, logging.INFO, logging.WARNING)    # of the log's own levels


def to_logging(level: int, message: str) -> None:
    LOGGER.log(LOGGING_LEVELS[level], "%s", message.strip("\n"))


log.sink = to_logging


class EmbeddedConfig(Config):
    """The options of a database in this process. Who wants to know of changes says so before the first one."""

    def __init__(self) -> None:
        super().__init__()
        self.before_changes = do_nothing

    def set_many(self, pairs: Iterable[tuple[str, str]], *, loading: bool = False, local: bool = True) -> None:
        """CONFIG SET. Raises ConfigError."""
        bind, self.before_changes = self.before_changes, do_nothing
        bind()
        super().set_many(pairs, loading=loading, local=local)


def do_nothing() -> None:
    """The hooks are in place."""


class Host:
    """The parts of one database."""

    def __init__(self, options: dict[str, str], folder: str = "") -> None:
        """`folder`: where the data are kept, "": in memory alone. Raises ConfigError for an option that there is not, or a value
        that it can't have."""
        self.config = config = EmbeddedConfig()
        config.force("save", "")            # the append-only file has everything
        if folder:
            config.force("dir", folder)
            config.folder = config.dir
            config.force("appendonly", "yes")
        for name, text in options.items():
            force(config, name, text)
        self.failed = False         # what was done could not be put on disk
        self.engine = engine = Engine(self, databases=config.databases)
        self.loop = Loop(engine, config)
        self.default_user = DefaultUser(config)
        config.before_changes = self.bind
        self.settings.apply()
        engine.on_commandlog = self.note_command
        engine.on_protocol_error = self.note_protocol_error
        engine.on_closing = self.note_closing
        engine.on_bad_payload = self.note_bad_payload
        engine.on_latency = self.note_latency
        engine.on_flush = self.flushed
        engine.on_script_log = log_script
        engine.on_busy = self.let_others_in
        self.instance.startup_memory = memory_figures(engine)["used"]

    def load(self) -> None:
        """Read what the folder has, and go on writing it. Raises LoadError."""
        self.aof.load_at_start()
        if not self.config.appendonly:
            self.snapshots.load_at_start(self.loop.serve_or_stop)
        self.loop.core.on_log = self.write_log

    def write_log(self) -> None:
        """Raises OSError, where appendfsync is always: who waits for it is told. What was done stays done in memory, and every call
        tries again to have it on disk before it does anything else."""
        self.failed = True
        self.aof.flush()
        self.failed = False

    def put_on_disk(self) -> bool:
        """False, and logged, where that fails."""
        return self.shutdown.put_on_disk(force=True)

    def stop_listening(self) -> None:
        if "listeners" in self.__dict__:
            self.listeners.close()

    def restart(self) -> None:
        """DEBUG RESTART: there is no process of the database's own. It ends. Raises OSError."""
        self.loop.stop()
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    def bind(self) -> None:
        """Have CONFIG SET act on the database, and refuse what is the process's."""
        self.settings.bind()
        self.config.on_change(PROCESS_OPTIONS, refuse)

    def close(self) -> None:
        """No client is connected any more: let go of what was made."""
        engine = self.engine
        engine.owner = None
        for name in ("commandlog", "protocol_error", "closing", "bad_payload", "latency", "flush", "script_log", "busy"):
            setattr(engine, f"on_{name}", None)

    # -- what the engine tells of -------------------------------------------------------------------------------------

    def note_command(self, *what: Any) -> None:
        self.commandlog.note(*what)

    def note_protocol_error(self, *what: Any) -> None:
        self.client_log.note_protocol_error(*what)

    def note_closing(self, *what: Any) -> None:
        self.client_log.note_closing(*what)

    def note_bad_payload(self, *what: Any) -> None:
        self.client_log.note_bad_payload(*what)

    def note_latency(self, event: str, ms: int) -> None:
        self.latency.note(event, ms)

    def flushed(self) -> None:
        if "snapshots" in self.__dict__:
            self.snapshots.flushed()

    def let_others_in(self) -> bool:
        """A script runs on and on: threads that wait for the engine are answered BUSY, and may end it."""
        self.engine.let_others_in()
        return True

    # -- parts --------------------------------------------------------------------------------------------------------

    @cached_property
    def instance(self) -> Instance:
        return Instance(NO_SUPERVISOR)

    @cached_property
    def settings(self) -> Settings:
        return Settings(self)

    @cached_property
    def password_file(self) -> PasswordFile:
        return PasswordFile(self.config, self.default_user)

    @cached_property
    def title(self) -> ProcessTitle:
        return ProcessTitle()

    @cached_property
    def commandlog(self) -> CommandLog:
        return CommandLog(self.config)

    @cached_property
    def acl_log(self) -> AclLog:
        return AclLog(self.config)

    @cached_property
    def latency(self) -> LatencyMonitor:
        return LatencyMonitor(self.config)

    @cached_property
    def client_log(self) -> ClientLog:
        return ClientLog(self.engine, self.config)

    @cached_property
    def metrics(self) -> Metrics:
        metrics = Metrics(self.engine)
        self.loop.each_cron("Sampling figures", metrics.sample)
        return metrics

    @cached_property
    def children(self) -> Children:
        children = Children(self.engine, self.config, self.latency, self.title)
        self.loop.each_cron("Looking after a child", children.reap)
        return children

    @cached_property
    def rdb(self) -> RdbLoader:
        return RdbLoader(self.engine, self.config)

    @cached_property
    def aof(self) -> AppendOnly:
        aof = AppendOnly(self.engine, self.config, self.loop, self.children, self.latency, self.rdb)
        aof.writer.give_up = tell
        self.loop.each_cron("Looking after the append-only file", aof.cron)
        return aof

    @cached_property
    def snapshots(self) -> Snapshots:
        snapshots = Snapshots(self.engine, self.config, self.children, self.latency, self.rdb)
        self.loop.each_cron("Looking after snapshots", snapshots.cron)
        return snapshots

    @cached_property
    def links(self) -> LinkCache:
        return LinkCache()

    @cached_property
    def listeners(self) -> Listeners:
        return Listeners(self.engine, self.config, self.loop, self.default_user)

    @cached_property
    def shutdown(self) -> Shutdown:
        return Shutdown(self.engine, self.config, self.loop, self.aof, self.snapshots, NO_SUPERVISOR)

    @cached_property
    def figures(self) -> ServerFigures:
        return ServerFigures(self)


def force(config: Config, name: str, text: str) -> None:
    """Set an option before the database is there. Raises ConfigError."""
    try:
        config.force(name, text)
    except KeyError:
        raise ConfigError(f"there is no option {name!r}") from None


def tell(why: str, error: OSError) -> None:
    """appendfsync is always, and a write or sync failed."""
    troubles.report_line(why)
    raise error


def refuse(config: Config) -> None:
    raise ConfigError("the database is embedded in a program, which this is the affair of")
