"""CLUSTER, ASKING, READONLY, READWRITE, as a server that is no node of a cluster answers them.

Clients ask at once whether there is a cluster, and take this very error for "no"; so the subcommands are all
declared, checked for their words as everywhere, and refused alike.
"""
from __future__ import annotations

from kv._core.runtime.call import OK, ReplyError
from kv._core.runtime.registry import command, container

from ..call import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call

DISABLED = "ERR This instance has cluster support disabled"
SHOWN = "loading stale"     # flags of what tells of the cluster
READ = "stale"              # ... looks at slots and keys
CHANGES = "admin stale no_async_loading"
UNSTEADY = "nondeterministic_output"

container("cluster", since="3.0.0", group="cluster", summary="The cluster that a node is part of.")


def disabled(call: Call):
    raise ReplyError(DISABLED)


def declare_disabled(name: str, arity: int, flags: str, since: str, complexity: str, summary: str, **docs) -> None:
    command(f"cluster|{name}", arity, flags, group="cluster", since=since, complexity=complexity, summary=summary,
            **docs)(disabled)


declare_disabled("addslots", -3, CHANGES, "3.0.0", "O(N)", "Gives slots to the node.", args="slot:integer...")
declare_disabled("addslotsrange", -4, CHANGES, "7.0.0", "O(N)", "Gives ranges of slots to the node.",
                 args="(range: start-slot:integer end-slot:integer)...")
declare_disabled("bumpepoch", 2, CHANGES, "3.0.0", "O(1)", "Raises the node's configuration epoch.", tips=UNSTEADY)
declare_disabled("count-failure-reports", 3, "admin stale", "3.0.0", "O(N)", "How many nodes report a node as failing.",
                 tips=UNSTEADY, args="node-id")
declare_disabled("countkeysinslot", 3, READ, "3.0.0", "O(1)", "How many keys a slot has.", args="slot:integer")
declare_disabled("delslots", -3, CHANGES, "3.0.0", "O(N)", "Takes slots from their node.", args="slot:integer...")
declare_disabled("delslotsrange", -4, CHANGES, "7.0.0", "O(N)", "Takes ranges of slots from their node.",
                 args="(range: start-slot:integer end-slot:integer)...")
declare_disabled("failover", -2, CHANGES, "3.0.0", "O(1)", "Has a replica take its primary's place.",
                 args="[options: FORCE | TAKEOVER]")
declare_disabled("flushslots", 2, CHANGES, "3.0.0", "O(1)", "Takes all slots from the node.")
declare_disabled("forget", 3, CHANGES, "3.0.0", "O(1)", "Drops a node from the node's table.", args="node-id")
declare_disabled("getkeysinslot", 4, READ, "3.0.0", "O(N)", "Some keys of a slot.", tips=UNSTEADY,
                 args="slot:integer count:integer")
declare_disabled("help", 2, SHOWN, "5.0.0", "O(1)", "Lists the subcommands of CLUSTER.")
declare_disabled("info", 2, SHOWN, "3.0.0", "O(1)", "The state of the cluster, as the node sees it.", tips=UNSTEADY)
declare_disabled("keyslot", 3, READ, "3.0.0", "O(N)", "The slot of a key.", args="key:string")
declare_disabled("links", 2, READ, "7.0.0", "O(N)", "The connections to other nodes.", tips=UNSTEADY)
declare_disabled("meet", -4, CHANGES, "3.0.0", "O(1)", "Introduces a node.", history=["4.0.0 Takes cluster-bus-port."],
                 args="ip port:integer [cluster-bus-port:integer@4.0.0]")
declare_disabled("myid", 2, SHOWN, "3.0.0", "O(1)", "The node's id.")
declare_disabled("myshardid", 2, SHOWN, "7.2.0", "O(1)", "The id of the node's shard.", tips=UNSTEADY)
declare_disabled("nodes", 2, SHOWN, "3.0.0", "O(N)", "The nodes, in the form of the configuration file.", tips=UNSTEADY)
declare_disabled("replicas", 3, "admin stale", "5.0.0", "O(N)", "The replicas of a primary.", tips=UNSTEADY, args="node-id")
declare_disabled("replicate", 3, CHANGES, "3.0.0", "O(1)", "Makes the node a replica of a primary.", args="node-id")
declare_disabled("reset", -2, "admin noscript stale", "3.0.0", "O(N)", "Makes the node as if it were new.",
                 args="[reset-type: HARD | SOFT]")
declare_disabled("saveconfig", 2, CHANGES, "3.0.0", "O(1)", "Writes the node's configuration to its file.")
declare_disabled("set-config-epoch", 3, CHANGES, "3.0.0", "O(1)", "Sets the configuration epoch of a new node.",
                 args="config-epoch:integer")
declare_disabled("setslot", -4, CHANGES, "3.0.0", "O(1)", "Says which node a slot belongs to, or moves to.",
                 history=["8.0.0 Takes TIMEOUT."],
                 args="slot:integer (subcommand: IMPORTING importing<node-id> | MIGRATING migrating<node-id> | "
                      "NODE node<node-id> | STABLE) [TIMEOUT@8.0.0 timeout:integer]")
declare_disabled("shards", 2, SHOWN, "7.0.0", "O(N)", "The shards: their slots and nodes.", tips=UNSTEADY)
declare_disabled("slaves", 3, "admin stale", "3.0.0", "O(N)", "The replicas of a primary.", tips=UNSTEADY,
                 deprecated="5.0.0 `CLUSTER REPLICAS`", args="node-id")
declare_disabled("slot-stats", -4, SHOWN, "8.0.0", "O(N)", "Figures of slots.",
                 tips=f"{UNSTEADY} request_policy:all_shards",
                 args="(filter: (SLOTSRANGE start-slot:integer end-slot:integer) | "
                      "(ORDERBY metric [LIMIT limit:integer] [order: ASC | DESC]))")
declare_disabled("slots", 2, SHOWN, "3.0.0", "O(N)", "Which nodes have which slots.", tips=UNSTEADY,
                 history=["4.0.0 Shows the ids of nodes.", "7.0.0 Shows more of a node's addresses."])

CONNECTION = {"group": "cluster", "since": "3.0.0", "complexity": "O(1)", "acl": "connection"}


@command("asking", 1, "fast", summary="Lets the next command use a slot that is being imported.", **CONNECTION)
def asking(call: Call):
    raise ReplyError(DISABLED)


@command("readonly", 1, "loading stale fast", summary="Lets the connection read from a replica.", **CONNECTION)
def readonly(call: Call):
    caller(call).set_flag("readonly", True)
    return OK


@command("readwrite", 1, "loading stale fast", summary="Ends what READONLY began.", **CONNECTION)
def readwrite(call: Call):
    caller(call).set_flag("readonly", False)
    return OK
