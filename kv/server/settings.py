"""From options to the database: what takes effect when, and what is refused. What is about the server's process is in
serversettings.py.

Options that the compiled core must know stand in its table (kv/_core/engine/settings) under the name of their
attribute, and are handed to Engine.configure as they are; the others are read where they are used. What must be done about
an option is done at the start (apply) and after each CONFIG SET that changes it (bind).
"""
from __future__ import annotations

from kv._core.engine.settings import SETTINGS

from . import system
from .config import ConfigError
from .config.table import OPTIONS
from .container import memory_limit
from .figures import good_replicas
from .log import log
from .user import TWO_PASSWORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import Config
    from .parts import Parts

WORKED_OUT = ("maxmemory-clients",)     # settings of the core that have an option's name and follow from several
CORE_OPTIONS = tuple([option.name for option in OPTIONS if option.attribute in SETTINGS and option.name not in WORKED_OUT])
CORE_ATTRIBUTES = tuple([name.replace("-", "_") for name in CORE_OPTIONS])
LEAST_FOR_CLIENTS = 128 << 10   # with less in maxmemory-clients nobody could talk to the server to change it


class Settings:
    """The configuration as a database obeys it."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.engine = parts.engine
        self.config = parts.config
        self.default_user = parts.default_user

    def apply(self) -> None:
        """What the configuration says, at the start."""
        self.engine.configure(**{attribute: getattr(self.config, attribute) for attribute in CORE_ATTRIBUTES})
        self.limit_clients_memory()
        self.want_replicas()
        self.require_password()
        self.limit_output()

    def bind(self) -> None:
        """Have CONFIG SET act on the database."""
        on_change = self.config.on_change
        for name in CORE_OPTIONS:
            on_change([name], self.core_hook(name))
        on_change(["maxmemory"], lambda config: self.tell_of_maxmemory())
        on_change(["maxmemory", "maxmemory-clients"], lambda config: self.limit_clients_memory())
        on_change(["min-replicas-to-write", "min-replicas-max-lag"], lambda config: self.want_replicas())
        on_change(["requirepass"], lambda config: self.take_password())
        on_change(["requirepass-file"], lambda config: self.take_password_file())
        on_change(["client-output-buffer-limit"], lambda config: self.limit_output())
        on_change(["appendonly"], lambda config: self.parts.aof.switch(config.appendonly))
        on_change(["aof-disable-auto-gc"], lambda config: self.parts.aof.delete_history_now())
        on_change(["appendfsync"], lambda config: self.parts.aof.set_policy())
        on_change(["aof-timestamp-enabled"], lambda config: self.parts.aof.set_timestamps())
        on_change(["save", "stop-writes-on-bgsave-error"], lambda config: self.parts.snapshots.refuse_writes())

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
        self.parts.password_file.change()
        self.require_password()

    def require_password(self) -> None:
        """Have the engine know whether clients must say who they are, and whether their payloads are looked at closer."""
        self.engine.configure(requires_password=not self.default_user.nopass, payloads_trusted=not self.default_user.sanitized)
        if not self.config.restoring:
            self.default_user.warn_of_placeholder()

    def limit_output(self) -> None:
        for client_class, (hard, soft, seconds) in self.config.client_output_buffer_limit.items():
            self.engine.set_output_limit(client_class, hard, soft, seconds)
