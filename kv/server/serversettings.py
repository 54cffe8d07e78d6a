"""From options to the server's process: its log, sockets, limits, folder and title. What is the database's is in settings.py."""
from __future__ import annotations

import _locale
import os
import sys

from kv._core.engine.stopsignals import log_stop_signals

from . import affinity, crash, process, system
from .admin.endpoint import ADMIN_FILES
from .config import ConfigError
from .config.option import DEBUG
from .config.table import OPTIONS
from .container import memory_limit
from .log import LEVELS, log
from .settings import Settings
from .tcp import BindError
from .title import expand
from .trouble import troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from .admin.endpoint import AdminEndpoint
    from .config import Config
    from .crash import Watchdog
    from .parts import Parts
    from .title import ProcessTitle

    class ServerParts(Parts, Protocol):
        """What only a server has."""

        @property
        def title(self) -> ProcessTitle: ...
        @property
        def watchdog(self) -> Watchdog: ...
        @property
        def admin(self) -> AdminEndpoint: ...

RESERVED_FILES = 32     # descriptors kept for ourselves, beside the clients'
CRASH_OPTIONS = ("crash-log-enabled", "hide-user-data-from-log", "use-exit-on-panic", "crash-memcheck-enabled")
DEBUG_OPTIONS = tuple([option.name for option in OPTIONS if option.flags & DEBUG])
# what CONFIG SET changes in the process: a program that embeds a database keeps that to itself
PROCESS_OPTIONS = ("loglevel", "log-format", "log-timestamp-format", *CRASH_OPTIONS, "watchdog-period", "dir", "oom-score-adj",
                   "oom-score-adj-values", "maxclients", "port", "bind", "admin-port", "admin-bind", "proc-title-template",
                   "locale-collate", "rdma-port", "rdma-bind")


class ServerSettings(Settings):
    """The configuration as the running server obeys it."""

    def __init__(self, parts: ServerParts) -> None:
        super().__init__(parts)
        self.server = parts

    def apply(self) -> None:
        """What the configuration says, at the start."""
        super().apply()
        system.tell_of_share(self.config)
        system.warn_of_limit(self.config, memory_limit())
        affinity.settle(self.config)
        start_client_limit(self.config)
        self.server.watchdog.check_period()
        try:
            process.oom_score.apply(self.config)
        except OSError as error:
            log("warning", f"Unable to write oom_score_adj: {error.strerror}")
        self.show_title()

    def bind(self) -> None:
        """Have CONFIG SET act on the running server."""
        super().bind()
        on_change = self.config.on_change
        on_change(["loglevel", "log-format", "log-timestamp-format"], logging)
        on_change([*CRASH_OPTIONS, *DEBUG_OPTIONS], crash.configure)
        on_change(["watchdog-period"], lambda config: self.server.watchdog.change())
        on_change(["dir"], directory)
        on_change(["oom-score-adj", "oom-score-adj-values"], oom_score)
        on_change(["maxclients"], client_limit)
        on_change(["port"], lambda config: self.listen_again("Unable to listen on this port. Check server logs."))
        on_change(["bind"], lambda config: self.listen_again("Failed to bind to specified addresses."))
        on_change(["admin-port", "admin-bind"], lambda config: self.admin_again())
        on_change(["proc-title-template", "port", "bind"], lambda config: self.show_title())
        on_change(["locale-collate"], collation)
        on_change(["rdma-port", "rdma-bind"], no_rdma)

    def show_title(self) -> None:
        if self.config.set_proc_title:
            self.server.title.show(expand(self.config, sys.argv[0]))

    def listen_again(self, refusal: str) -> None:
        """After CONFIG SET of port or bind. Raises ConfigError."""
        try:
            self.server.listeners.reopen_tcp()
        except BindError as error:
            troubles.report_line(str(error))
            raise ConfigError(refusal) from None

    def admin_again(self) -> None:
        """After CONFIG SET of admin-port or admin-bind. Raises ConfigError."""
        wanted, allowed = file_limit(self.config)
        if self.config.admin_port and allowed < wanted:
            raise ConfigError(f"The operating system allows {allowed} open files, and {wanted} are needed for maxclients and "
                              "the admin port")
        try:
            self.server.admin.reopen()
        except BindError as error:
            troubles.report_line(str(error))
            raise ConfigError("Unable to listen on the admin port. Check server logs.") from None


def logging(config: Config) -> None:
    log.level, log.format, log.timestamps = LEVELS[config.loglevel], config.log_format, config.log_timestamp_format
    log_stop_signals(log.level <= LEVELS["warning"])


def directory(config: Config) -> None:
    try:
        os.chdir(config.dir)
    except OSError as error:
        raise ConfigError(error.strerror) from None


def collation(config: Config) -> None:
    """The order of SORT ALPHA; an empty name means that of the environment."""
    try:
        _locale.setlocale(_locale.LC_COLLATE, config.locale_collate)
    except (_locale.Error, ValueError):  # type: ignore[attr-defined]
        raise ConfigError("Invalid locale name") from None


def no_rdma(config: Config) -> None:
    if config.rdma_port or config.rdma_bind:
        raise ConfigError("No RDMA building support.")


def oom_score(config: Config) -> None:
    try:
        process.oom_score.apply(config)
    except OSError as error:
        log("warning", f"Unable to write oom_score_adj: {error.strerror}")
        raise ConfigError("Failed to set current oom_score_adj. Check server logs.") from None


def reserved_files(config: Config) -> int:
    """Descriptors that are not the clients'."""
    return RESERVED_FILES + (ADMIN_FILES if config.admin_port else 0)


def file_limit(config: Config) -> tuple[int, int]:
    """(how many open files are needed, how many the system allows)."""
    wanted = config.maxclients + reserved_files(config)
    allowed = process.raise_file_limit(wanted)
    return wanted, allowed if allowed != -1 else wanted


def client_limit(config: Config) -> None:
    wanted, allowed = file_limit(config)
    if allowed < wanted:
        raise ConfigError("The operating system is not able to handle the specified number of clients, try with "
                          f"{max(1, allowed - reserved_files(config))}")


def start_client_limit(config: Config) -> None:
    """At the start too many clients are not refused but made fewer, as many as the system allows."""
    wanted, allowed = file_limit(config)
    if allowed < wanted:
        fewer = max(1, allowed - reserved_files(config))
        log("warning", f"You requested maxclients of {config.maxclients} requiring at least {wanted} max file descriptors.")
        log("warning", f"Current maximum open files is {allowed}. maxclients has been reduced to {fewer} to compensate for "
                       "low ulimit. If you need higher maxclients increase 'ulimit -n'.")
        config.force("maxclients", str(fewer))
