"""ROLE, REPLICAOF, FAILOVER, and what replicas send, as a primary answers them that has no replicas and takes none.

WAIT and WAITAOF are in the core.
"""
from __future__ import annotations

from kv._core.runtime.call import NO_REPLY, OK, SYNTAX_ERROR, ReplyError
from kv._core.runtime.registry import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call

ABSENT = "Replication is not part of this release"
BECOME_REPLICA = "admin noscript stale no_async_loading"
SERVE_REPLICA = "admin noscript no_async_loading no_multi"
PRIMARY_OR_NO_ONE = "(args: (host-port: host port:integer) | (no-one: NO ONE))"


@command("role", 1, "noscript loading stale fast", group="server", since="2.8.12", complexity="O(1)",
         acl="admin dangerous", summary="The role in replication, and who is connected.")
def role(call: Call):
    return ["master", call.server.figures.replication.master_repl_offset, []]


@command("replicaof", 3, BECOME_REPLICA, group="server", since="5.0.0", complexity="O(1)",
         summary="Makes the server a replica of another one, or a primary.", args=PRIMARY_OR_NO_ONE)
def replicaof(call: Call):
    if (call.word(0), call.word(1)) == ("no", "one"):
        return OK
    port = call.integer(1, "ERR Invalid master port")
    if not 0 <= port <= 65535:
        raise ReplyError("ERR Invalid master port")
    raise ReplyError(f"ERR {ABSENT}: this server can't become a replica")


command("slaveof", 3, BECOME_REPLICA, group="server", since="1.0.0", complexity="O(1)", deprecated="5.0.0 `REPLICAOF`",
        summary="Makes the server a replica of another one, or a primary.", args=PRIMARY_OR_NO_ONE)(replicaof)


@command("failover", -1, "admin noscript stale", group="server", since="6.2.0", complexity="O(1)",
         summary="Has a replica take the server's place.",
         args="[TO target: host port:integer [FORCE]] [ABORT] [TIMEOUT milliseconds:integer]")
def failover(call: Call):
    if len(call.args) == 1 and call.word(0) == "abort":
        raise ReplyError("ERR No failover in progress.")
    index, timeout, target, forced = 0, 0, False, False
    while index < len(call.args):
        word, more = call.word(index), len(call.args) - index - 1
        if word == "timeout" and more >= 1 and not timeout:
            timeout = call.integer(index + 1)
            if timeout <= 0:
                raise ReplyError("ERR FAILOVER timeout must be greater than 0")
            index += 1
        elif word == "to" and more >= 2 and not target:
            call.integer(index + 2)
            target = True
            index += 2
        elif word == "force" and not forced:
            forced = True
        else:
            raise ReplyError(SYNTAX_ERROR)
        index += 1
    raise ReplyError("ERR FAILOVER requires connected replicas.")


@command("replconf", -1, "admin noscript loading stale allow_busy syscmd", group="server", since="3.0.0", complexity="O(1)",
         summary="A replica's settings.")
def replconf(call: Call):
    """ACK and GETACK, which need a replica or a primary at the other end, are never answered."""
    if len(call.args) % 2:
        raise ReplyError(SYNTAX_ERROR)
    if call.args and call.word(0) in ("ack", "getack"):
        return NO_REPLY
    raise no_snapshot()


@command("psync", -3, SERVE_REPLICA, group="server", since="2.8.0", summary="Begins to replicate from an offset.",
         args="replicationid offset:integer")
def psync(call: Call):
    raise no_snapshot()


@command("sync", 1, SERVE_REPLICA, group="server", since="1.0.0", summary="Begins to replicate.")
def sync(call: Call):
    raise no_snapshot()


def no_snapshot() -> ReplyError:
    return ReplyError(f"ERR {ABSENT}: this server serves no replicas")
