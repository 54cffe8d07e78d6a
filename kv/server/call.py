"""What a command written in Python is given: the call, whose `server` has the parts below, and the session that sent it.

Commands stand below the server, so they know it as these parts and not as the class.
"""
from __future__ import annotations

from kv._core.engine.sessions import session
from kv._core.runtime.call import ReplyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeAlias

    from kv._core.engine.sessions import SessionInfo
    from kv._core.runtime import call as core

    from . import parts
    from .figures import ServerFigures
    from .settings import Settings

    class Parts(parts.Parts, Protocol):
        """call.server."""

        @property
        def figures(self) -> ServerFigures: ...
        @property
        def settings(self) -> Settings: ...

        def restart(self) -> None:
            """Become a new process of the same command line. Raises OSError, and goes on then."""

    Call: TypeAlias = core.Call[Parts]


def caller(call: Call) -> SessionInfo:
    """The session that sent the command. Raises ReplyError where a script did, whose session nobody may change."""
    found = session(call.engine, call.session_id)
    if found is None:
        raise ReplyError("ERR This Redis command is not allowed from script")
    return found
