"""What a command written in Python is given: the call, whose `server` has the parts below, and the session that sent it.

Commands stand below the server, so they know it as these parts and not as the class.
"""
from __future__ import annotations

from kv._core.engine.sessions import session
from kv._core.runtime.call import ReplyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeAlias

    from kv._core.engine.commandlog import CommandLog
    from kv._core.engine.engine import Engine
    from kv._core.engine.sessions import SessionInfo
    from kv._core.runtime import call as core

    from .acllog import AclLog
    from .aof import AppendOnly
    from .children import Children
    from .config import Config
    from .figures import ServerFigures
    from .instance import Instance
    from .latencymonitor import LatencyMonitor
    from .link import LinkCache
    from .listeners import Listeners
    from .loop import Loop
    from .metrics import Metrics
    from .rdb import Snapshots
    from .settings import Settings
    from .shutdown import Shutdown
    from .user import DefaultUser

    class Parts(Protocol):
        """call.server."""

        engine: Engine
        config: Config
        instance: Instance
        default_user: DefaultUser
        loop: Loop
        commandlog: CommandLog
        acl_log: AclLog
        latency: LatencyMonitor
        metrics: Metrics
        children: Children
        aof: AppendOnly
        listeners: Listeners
        links: LinkCache
        shutdown: Shutdown
        snapshots: Snapshots
        figures: ServerFigures
        settings: Settings

        def restart(self) -> None:
            """Become a new process of the same command line. Raises OSError, and goes on then."""

    Call: TypeAlias = core.Call[Parts]


def caller(call: Call) -> SessionInfo:
    """The session that sent the command. Raises ReplyError where a script did, whose session nobody may change."""
    found = session(call.engine, call.session_id)
    if found is None:
        raise ReplyError("ERR This Redis command is not allowed from script")
    return found
