"""Debugging sessions of scripts (SCRIPT DEBUG): each in a forked child of its own, or in the server itself.

The child has the client's connection and the dataset as it was; whatever the script does to it ends with the child. It writes no
file: nobody takes its effects, and what FLUSHALL has the server do about snapshots is not done. The server closes the connection on
its side, so the client's next words are the child's.

    engine.on_debug(session, sync)      forks; returns in both processes
    engine.on_debug_end(session, sync)  the session is over: the child ends

A child ends with its server, as all children do. Any number of sessions may be there, also beside a child that saves.
"""
from __future__ import annotations

import errno
import os
import signal

from kv._core.engine.sessions import session

from .log import log
from .trouble import troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kv._core.engine.engine import Engine

    from .children import Children
    from .link import LinkCache

TITLE = "kv-debug-script"
NO_CHILD = (errno.ECHILD, errno.ESRCH)


class DebugSessions:
    """The children that live, and what begins and ends a session."""

    def __init__(self, engine: Engine, children: Children, links: LinkCache, stop_fd: int) -> None:
        self.engine = engine
        self.children = children
        self.links = links
        self.stop_fd = stop_fd              # can be read once the server is to stop
        self.pids: set[int] = set()         # of the children that live
        engine.on_debug = self.begin
        engine.on_debug_end = self.end

    def begin(self, session_id: int, sync: bool) -> int | None:
        """Where the session goes on: a descriptor that can be read once it is to end, -1 in a child. None in the server, where a
        child has it. Raises OSError."""
        if sync:
            log("notice", "KV synchronous debugging eval session started")
            return self.stop_fd
        pid = self.children.fork_process()
        if pid == 0:
            self.become_child(session_id)
            return -1
        self.pids.add(pid)
        return None

    def end(self, session_id: int, sync: bool) -> None:
        """The session is over. A child does not return."""
        if sync:
            log("notice", "KV synchronous debugging eval session ended")
            return
        log("notice", "Lua debugging session child exiting")
        os._exit(0)

    # -- in the child -------------------------------------------------------------------------------------------------

    def become_child(self, session_id: int) -> None:
        """Whatever goes wrong here, the child must not go on as a second server."""
        try:
            debugged = session(self.engine, session_id)
            if debugged is None:
                os._exit(1)
            engine = self.engine
            engine.on_flush = engine.on_busy = None
            self.links.clear()
            self.children.become_child(TITLE, {debugged.fd})
            log("notice", "KV forked for debugging eval")
        except BaseException as error:
            log("warning", f"Debugging child failed: {error!r}")
            os._exit(1)

    # -- in the server ------------------------------------------------------------------------------------------------

    def reap(self) -> None:
        """See which children have ended."""
        for pid in [*self.pids]:
            try:
                ended = os.waitpid(pid, os.WNOHANG)[0]
            except OSError as error:
                if error.errno not in NO_CHILD:
                    troubles.report(f"Waiting for the debugging session {pid}", error)
                    continue
                ended = pid
            if ended:
                self.pids.discard(pid)

    def kill(self) -> None:
        """End all children now."""
        for pid in [*self.pids]:
            log("notice", f"Killing debugging session {pid}")
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except OSError as error:
                if error.errno not in NO_CHILD:
                    troubles.report(f"Killing the debugging session {pid}", error)
            self.pids.discard(pid)
