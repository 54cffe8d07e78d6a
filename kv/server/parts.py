"""What a server is made of, as its settings and INFO see it, and commands (call.py): a server's own parts (server.py), or those of
a database that a program embeds (kv/embedded/host.py)."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from kv._core.engine.commandlog import CommandLog
    from kv._core.engine.engine import Engine

    from .acllog import AclLog
    from .aof import AppendOnly
    from .children import Children
    from .config import Config
    from .instance import Instance
    from .latencymonitor import LatencyMonitor
    from .link import LinkCache
    from .listeners import Listeners
    from .loop import Loop
    from .metrics import Metrics
    from .passwordfile import PasswordFile
    from .rdb import Snapshots
    from .shutdown import Shutdown
    from .user import DefaultUser

    class Parts(Protocol):
        """Each is made before it is asked for, or as it is."""

        @property
        def config(self) -> Config: ...
        @property
        def engine(self) -> Engine: ...
        @property
        def loop(self) -> Loop: ...
        @property
        def instance(self) -> Instance: ...
        @property
        def default_user(self) -> DefaultUser: ...
        @property
        def password_file(self) -> PasswordFile: ...
        @property
        def commandlog(self) -> CommandLog: ...
        @property
        def acl_log(self) -> AclLog: ...
        @property
        def latency(self) -> LatencyMonitor: ...
        @property
        def metrics(self) -> Metrics: ...
        @property
        def children(self) -> Children: ...
        @property
        def aof(self) -> AppendOnly: ...
        @property
        def snapshots(self) -> Snapshots: ...
        @property
        def links(self) -> LinkCache: ...
        @property
        def listeners(self) -> Listeners: ...
        @property
        def shutdown(self) -> Shutdown: ...
