"""COMMANDLOG and SLOWLOG: what was slow or large."""
from __future__ import annotations

from kv._core.engine.commandlog import KINDS
from kv._core.runtime.call import OK, ReplyError
from kv._core.runtime.registry import command, container

from .help import declare_help, subcommand_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call

FLAGS = "admin loading stale"
DEFAULT_COUNT = 10

container("commandlog", since="8.1.0", group="server", summary="Commands that were slow or large.")
container("slowlog", group="server", since="2.2.12", summary="Commands that were slow.",
          deprecated="8.1.0 `COMMANDLOG`")


def kind_at(call: Call, index: int) -> str:
    kind = call.word(index)
    if kind not in KINDS:
        raise ReplyError("ERR type should be one of the following: slow, large-request, large-reply")
    return kind


def count_at(call: Call, index: int) -> int:
    count = call.integer(index, "ERR count should be greater than or equal to -1")
    if count < -1:
        raise ReplyError("ERR count should be greater than or equal to -1")
    return count


@command("commandlog|get", 4, FLAGS, group="server", since="8.1.0", complexity="O(N)",
         tips="request_policy:all_nodes nondeterministic_output", summary="Entries of a log.",
         args="count:integer (type: slow | large-request | large-reply)")
def commandlog_get(call: Call):
    count = count_at(call, 0)
    return call.server.commandlog.get(kind_at(call, 1), count)


@command("commandlog|len", 3, FLAGS, group="server", since="8.1.0", complexity="O(1)",
         tips="request_policy:all_nodes response_policy:agg_sum nondeterministic_output",
         summary="The length of a log.", args="(type: slow | large-request | large-reply)")
def commandlog_len(call: Call):
    return len(call.server.commandlog.entries[kind_at(call, 0)])


@command("commandlog|reset", 3, FLAGS, group="server", since="8.1.0", complexity="O(N)",
         tips="request_policy:all_nodes response_policy:all_succeeded", summary="Empties a log.",
         args="(type: slow | large-request | large-reply)")
def commandlog_reset(call: Call):
    call.server.commandlog.entries[kind_at(call, 0)].clear()
    return OK


@command("slowlog|get", -2, FLAGS, group="server", since="2.2.12", complexity="O(N)",
         tips="request_policy:all_nodes nondeterministic_output", summary="Entries of the slow log.",
         history=["4.0.0 Shows the client's address and name."],
         deprecated="8.1.0 `COMMANDLOG GET <count> SLOW`", args="[count:integer]")
def slowlog_get(call: Call):
    if len(call.args) > 1:
        raise subcommand_error(call)
    count = count_at(call, 0) if call.args else DEFAULT_COUNT
    return call.server.commandlog.get("slow", count)


@command("slowlog|len", 2, FLAGS, group="server", since="2.2.12", complexity="O(1)",
         tips="request_policy:all_nodes response_policy:agg_sum nondeterministic_output",
         summary="The length of the slow log.", deprecated="8.1.0 `COMMANDLOG LEN SLOW`")
def slowlog_len(call: Call):
    return len(call.server.commandlog.entries["slow"])


@command("slowlog|reset", 2, FLAGS, group="server", since="2.2.12", complexity="O(N)",
         tips="request_policy:all_nodes response_policy:all_succeeded", summary="Empties the slow log.",
         deprecated="8.1.0 `COMMANDLOG RESET SLOW`")
def slowlog_reset(call: Call):
    call.server.commandlog.entries["slow"].clear()
    return OK


ENTRY_LINES = ["    An entry: id, unix time, microseconds or bytes, words, client's address, client's name."]
declare_help("commandlog", "server", "8.1.0", "loading stale", [
    "GET <count> <type>", "    The newest <count> entries (-1: all) of a log: slow, large-request or large-reply.", *ENTRY_LINES,
    "LEN <type>", "    The length of a log.", "RESET <type>", "    Empty a log."])
declare_help("slowlog", "server", "6.2.0", "loading stale", deprecated="8.1.0 `COMMANDLOG HELP`", lines=[
    "GET [<count>]", "    The newest <count> entries (10 unless told, -1: all).", *ENTRY_LINES,
    "LEN", "    The length of the log.", "RESET", "    Empty the log."])
