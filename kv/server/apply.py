"""From options to the running server: what takes effect when, and what is refused.

Options that the compiled core must know are handed to Engine.configure under the name of their attribute; the
others are read where they are used. Hooks run at the start (apply_all) and after each CONFIG SET that changes one
of their options.
"""
from __future__ import annotations

import _locale
import os
import sys

from kv._core.engine.stopsignals import log_stop_signals

from . import affinity, crash, process
from .absent import warn_of_snapshots
from .config import ConfigError
from .config.option import DEBUG
from .config.table import OPTIONS
from .listeners import BindError
from .log import LEVELS, log
from .title import expand
from .trouble import troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config
    from .server import Server

CORE_OPTIONS = (
    "maxmemory", "maxmemory-policy", "maxmemory-samples", "maxmemory-eviction-tenacity", "lfu-log-factor", "lfu-decay-time",
    "lazyfree-lazy-eviction", "lazyfree-lazy-expire", "lazyfree-lazy-server-del", "lazyfree-lazy-user-del",
    "lazyfree-lazy-user-flush", "proto-max-bulk-len", "client-query-buffer-limit",
    "latency-tracking", "latency-monitor-threshold", "commandlog-execution-slower-than", "commandlog-request-larger-than",
    "commandlog-reply-larger-than", "enable-debug-command", "enable-module-command", "activerehashing",
    "active-expire-effort", "timeout", "import-mode",
    "list-max-listpack-size", "list-compress-depth",
    "hash-max-listpack-entries", "hash-max-listpack-value",
    "set-max-intset-entries", "set-max-listpack-entries", "set-max-listpack-value",
    "zset-max-listpack-entries", "zset-max-listpack-value",
    "hll-sparse-max-bytes",
    "stream-node-max-bytes", "stream-node-max-entries")
LEAST_FOR_CLIENTS = 128 << 10   # with less in maxmemory-clients nobody could talk to the server to change it
RESERVED_FILES = 32     # descriptors kept for ourselves, beside the clients'
EVENT_LETTERS = {"K": 1 << 0, "E": 1 << 1, "g": 1 << 2, "$": 1 << 3, "l": 1 << 4, "s": 1 << 5, "h": 1 << 6, "z": 1 << 7,
                 "x": 1 << 8, "e": 1 << 9, "t": 1 << 10, "m": 1 << 11, "d": 1 << 13, "n": 1 << 14}
EVENT_ALL = "g$lshzxetd"


def bind_hooks(server: Server) -> None:
    """Have CONFIG SET act on the running server."""
    on_change = server.config.on_change
    for name in CORE_OPTIONS:
        on_change([name], core_hook(server, name))
    on_change(["maxmemory"], lambda config: warn_of_low_maxmemory(server))
    on_change(["maxmemory", "maxmemory-clients"], lambda config: memory_of_clients(server))
    on_change(["min-replicas-to-write", "min-replicas-max-lag"], lambda config: replicas_wanted(server))
    on_change(["requirepass"], lambda config: new_password(server))
    on_change(["client-output-buffer-limit"], lambda config: output_limits(server))
    on_change(["notify-keyspace-events"], lambda config: events(server))
    on_change(["loglevel", "log-format", "log-timestamp-format"], lambda config: logging(config))
    on_change(["crash-log-enabled", "hide-user-data-from-log", "use-exit-on-panic", "crash-memcheck-enabled",
               *[option.name for option in OPTIONS if option.flags & DEBUG]], crash.configure)
    on_change(["watchdog-period"], lambda config: server.watchdog.change())
    on_change(["dir"], lambda config: directory(config))
    on_change(["oom-score-adj", "oom-score-adj-values"], lambda config: oom_score(config))
    on_change(["maxclients"], lambda config: client_limit(config))
    on_change(["port"], lambda config: listen_again(server, "Unable to listen on this port. Check server logs."))
    on_change(["bind"], lambda config: listen_again(server, "Failed to bind to specified addresses."))
    on_change(["proc-title-template", "port", "bind"], lambda config: title(server))
    on_change(["locale-collate"], collation)
    on_change(["rdma-port", "rdma-bind"], no_rdma)
    on_change(["appendonly"], lambda config: server.aof.switch(config.appendonly))
    on_change(["aof-disable-auto-gc"], lambda config: server.aof.delete_history())
    on_change(["appendfsync"], lambda config: server.aof.set_policy())
    on_change(["save", "appendonly"], warn_of_snapshots)
    on_change(["hz"], lambda config: None)


def apply_all(server: Server) -> None:
    """What the configuration says, at the start."""
    for name in CORE_OPTIONS:
        core(server, name)
    affinity.settle(server.config)
    memory_of_clients(server)
    replicas_wanted(server)
    password(server)
    output_limits(server)
    events(server)
    start_client_limit(server.config)
    server.watchdog.check_period()
    try:
        process.oom_score.apply(server.config)
    except OSError as error:
        log("warning", f"Unable to write oom_score_adj: {error.strerror}")
    title(server)


def core_hook(server: Server, name: str):
    return lambda config: core(server, name)


def core(server: Server, name: str) -> None:
    attribute = name.replace("-", "_")
    server.engine.configure(**{attribute: getattr(server.config, attribute)})


def warn_of_low_maxmemory(server: Server) -> None:
    limit = server.config.maxmemory
    used = server.engine.used_memory
    if limit and limit < used:
        log("warning", f"WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the current memory usage "
                       f"({used}). This will result in key eviction and/or the inability to accept new write commands "
                       "depending on the maxmemory-policy.")


def memory_of_clients(server: Server) -> None:
    """maxmemory-clients in bytes; a share of maxmemory is none where maxmemory is not limited."""
    config = server.config
    limit = config.maxmemory_clients
    if limit < 0:
        limit = config.maxmemory * -limit // 100
    server.engine.configure(maxmemory_clients=max(limit, LEAST_FOR_CLIENTS) if limit else 0)


def replicas_wanted(server: Server) -> None:
    """Whether writes are refused for want of replicas that keep up; both options must be set for that."""
    config = server.config
    good = server.figures.replication.min_slaves_good_slaves
    server.engine.configure(few_replicas=good is not None and good < config.min_replicas_to_write)


def title(server: Server) -> None:
    if server.config.set_proc_title:
        server.title.show(expand(server.config, sys.argv[0]))


def new_password(server: Server) -> None:
    """After CONFIG SET requirepass; where the change is taken back, so is what a line of ACLs had said before it."""
    if server.config.restoring:
        server.default_user.undo()
    else:
        server.default_user.set_password(server.config.requirepass)
    password(server)


def password(server: Server) -> None:
    server.engine.configure(requires_password=not server.default_user.nopass)


def output_limits(server: Server) -> None:
    for client_class, (hard, soft, seconds) in server.config.client_output_buffer_limit.items():
        server.engine.set_output_limit(client_class, hard, soft, seconds)


def event_bits(letters: str) -> int:
    """notify-keyspace-events as the core's EventClass bits."""
    bits = 0
    for letter in letters.replace("A", EVENT_ALL):
        bits |= EVENT_LETTERS[letter]
    return bits


def events(server: Server) -> None:
    server.engine.configure(notify_keyspace_events=event_bits(server.config.get("notify-keyspace-events")))


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


def client_limit(config: Config) -> None:
    wanted = config.maxclients + RESERVED_FILES
    allowed = process.raise_file_limit(wanted)
    if allowed != -1 and allowed < wanted:
        raise ConfigError("The operating system is not able to handle the specified number of clients, try with "
                          f"{max(1, allowed - RESERVED_FILES)}")


def start_client_limit(config: Config) -> None:
    """At the start too many clients are not refused but made fewer, as many as the system allows."""
    wanted = config.maxclients + RESERVED_FILES
    allowed = process.raise_file_limit(wanted)
    if allowed != -1 and allowed < wanted:
        fewer = max(1, allowed - RESERVED_FILES)
        log("warning", f"You requested maxclients of {config.maxclients} requiring at least {wanted} max file descriptors.")
        log("warning", f"Current maximum open files is {allowed}. maxclients has been reduced to {fewer} to compensate for "
                       "low ulimit. If you need higher maxclients increase 'ulimit -n'.")
        config.force("maxclients", str(fewer))


def listen_again(server: Server, refusal: str) -> None:
    try:
        server.listeners.reopen_tcp()
    except BindError as error:
        troubles.report_line(str(error))
        raise ConfigError(refusal) from None
