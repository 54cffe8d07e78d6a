"""From options to the running server: what takes effect when, and what is refused.

Options that the compiled core must know stand in its table (kv/_core/engine/settings) under the name of their
attribute, and are handed to Engine.configure as they are; the others are read where they are used. What must be done about
an option is done at the start (apply_all) and after each CONFIG SET that changes it (bind).
"""
from __future__ import annotations

import _locale
import os
import sys

from kv._core.engine.settings import SETTINGS
from kv._core.engine.stopsignals import log_stop_signals

from . import affinity, crash, process, system
from .admin.endpoint import ADMIN_FILES
from .config import ConfigError
from .config.option import DEBUG
from .config.table import OPTIONS
from .container import memory_limit
from .figures import good_replicas
from .log import LEVELS, log
from .tcp import BindError
from .title import expand
from .trouble import troubles
from .user import TWO_PASSWORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kv._core.engine.engine import Engine

    from .admin.endpoint import AdminEndpoint
    from .aof import AppendOnly
    from .config import Config
    from .listeners import Listeners
    from .passwordfile import PasswordFile
    from .rdb import Snapshots
    from .title import ProcessTitle
    from .user import DefaultUser

WORKED_OUT = ("maxmemory-clients",)     # settings of the core that have an option's name and follow from several
CORE_OPTIONS = tuple([option.name for option in OPTIONS if option.attribute in SETTINGS and option.name not in WORKED_OUT])
LEAST_FOR_CLIENTS = 128 << 10   # with less in maxmemory-clients nobody could talk to the server to change it
RESERVED_FILES = 32     # descriptors kept for ourselves, beside the clients'


class Settings:
    """The configuration as the running server obeys it."""

    def __init__(self, engine: Engine, config: Config, default_user: DefaultUser, password_file: PasswordFile,
                 listeners: Listeners, admin: AdminEndpoint, aof: AppendOnly, snapshots: Snapshots, title: ProcessTitle,
                 watchdog: crash.Watchdog) -> None:
        self.engine = engine
        self.config = config
        self.default_user = default_user
        self.password_file = password_file
        self.listeners = listeners
        self.admin = admin
        self.aof = aof
        self.snapshots = snapshots
        self.title = title
        self.watchdog = watchdog

    def apply_all(self) -> None:
        """What the configuration says, at the start."""
        for name in CORE_OPTIONS:
            self.tell_core(name)
        affinity.settle(self.config)
        self.limit_clients_memory()
        self.want_replicas()
        self.require_password()
        system.tell_of_share(self.config)
        system.warn_of_limit(self.config, memory_limit())
        self.limit_output()
        start_client_limit(self.config)
        self.watchdog.check_period()
        try:
            process.oom_score.apply(self.config)
        except OSError as error:
            log("warning", f"Unable to write oom_score_adj: {error.strerror}")
        self.show_title()

    def bind(self) -> None:
        """Have CONFIG SET act on the running server."""
        on_change = self.config.on_change
        for name in CORE_OPTIONS:
            on_change([name], self.core_hook(name))
        on_change(["maxmemory"], lambda config: self.tell_of_maxmemory())
        on_change(["maxmemory", "maxmemory-clients"], lambda config: self.limit_clients_memory())
        on_change(["min-replicas-to-write", "min-replicas-max-lag"], lambda config: self.want_replicas())
        on_change(["requirepass"], lambda config: self.take_password())
        on_change(["requirepass-file"], lambda config: self.take_password_file())
        on_change(["client-output-buffer-limit"], lambda config: self.limit_output())
        on_change(["loglevel", "log-format", "log-timestamp-format"], logging)
        on_change(["crash-log-enabled", "hide-user-data-from-log", "use-exit-on-panic", "crash-memcheck-enabled",
                   *[option.name for option in OPTIONS if option.flags & DEBUG]], crash.configure)
        on_change(["watchdog-period"], lambda config: self.watchdog.change())
        on_change(["dir"], directory)
        on_change(["oom-score-adj", "oom-score-adj-values"], oom_score)
        on_change(["maxclients"], client_limit)
        on_change(["port"], lambda config: self.listen_again("Unable to listen on this port. Check server logs."))
        on_change(["bind"], lambda config: self.listen_again("Failed to bind to specified addresses."))
        on_change(["admin-port", "admin-bind"], lambda config: self.admin_again())
        on_change(["proc-title-template", "port", "bind"], lambda config: self.show_title())
        on_change(["locale-collate"], collation)
        on_change(["rdma-port", "rdma-bind"], no_rdma)
        on_change(["appendonly"], lambda config: self.aof.switch(config.appendonly))
        on_change(["aof-disable-auto-gc"], lambda config: self.aof.delete_history_now())
        on_change(["appendfsync"], lambda config: self.aof.set_policy())
        on_change(["aof-timestamp-enabled"], lambda config: self.aof.set_timestamps())
        on_change(["save", "stop-writes-on-bgsave-error"], lambda config: self.snapshots.refuse_writes())

    def core_hook(self, name: str) -> Callable[[Config], None]:
        return lambda config: self.tell_core(name)

    def tell_core(self, name: str) -> None:
        """Hand an option to the engine as it is."""
        attribute = name.replace("-", "_")
        self.engine.configure(**{attribute: getattr(self.config, attribute)})

    def tell_of_maxmemory(self) -> None:
        """After CONFIG SET maxmemory."""
        if not self.config.restoring:
            system.tell_of_share(self.config)
            if self.config.maxmemory:
                system.warn_of_limit(self.config, memory_limit())
        limit, used = self.config.maxmemory, self.engine.used_memory
        if limit and limit < used:
            log("warning", f"WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the current memory "
                           f"usage ({used}). This will result in key eviction and/or the inability to accept new write "
                           "commands depending on the maxmemory-policy.")

    def limit_clients_memory(self) -> None:
        """maxmemory-clients in bytes; a share of maxmemory is none where maxmemory is not limited."""
        limit = self.config.maxmemory_clients
        if limit < 0:
            limit = self.config.maxmemory * -limit // 100
        self.engine.configure(maxmemory_clients=max(limit, LEAST_FOR_CLIENTS) if limit else 0)

    def want_replicas(self) -> None:
        """Whether writes are refused for want of replicas that keep up."""
        good = good_replicas(self.config)
        self.engine.configure(few_replicas=good is not None and good < self.config.min_replicas_to_write)

    def show_title(self) -> None:
        if self.config.set_proc_title:
            self.title.show(expand(self.config, sys.argv[0]))

    def take_password(self) -> None:
        """After CONFIG SET requirepass; where the change is taken back, so is what a line of ACLs had said before it."""
        if self.config.requirepass_file:
            if self.config.requirepass:
                raise ConfigError(TWO_PASSWORDS)
            return
        if self.config.restoring:
            self.default_user.undo()
        else:
            self.default_user.set_password(self.config.requirepass)
        self.require_password()

    def take_password_file(self) -> None:
        """After CONFIG SET requirepass-file. Raises ConfigError."""
        if self.config.requirepass_file and (self.config.requirepass or self.default_user.stated):
            raise ConfigError(TWO_PASSWORDS)
        self.password_file.change()
        self.require_password()

    def require_password(self) -> None:
        """Have the engine know whether clients must say who they are, and whether their payloads are looked at closer."""
        self.engine.configure(requires_password=not self.default_user.nopass, payloads_trusted=not self.default_user.sanitized)
        if not self.config.restoring:
            self.default_user.warn_of_placeholder()

    def limit_output(self) -> None:
        for client_class, (hard, soft, seconds) in self.config.client_output_buffer_limit.items():
            self.engine.set_output_limit(client_class, hard, soft, seconds)

    def listen_again(self, refusal: str) -> None:
        """After CONFIG SET of port or bind. Raises ConfigError."""
        try:
            self.listeners.reopen_tcp()
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
            self.admin.reopen()
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
