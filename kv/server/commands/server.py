"""INFO, TIME, SAVE, BGSAVE, LASTSAVE, MONITOR, SHUTDOWN, BGREWRITEAOF: the server as a whole."""
from __future__ import annotations

from kv import VALKEY_VERSION
from kv._core.runtime.call import NO_REPLY, OK, SYNTAX_ERROR, ReplyError, Status, Verbatim
from kv._core.runtime.registry import command

from ..aof import RewriteError
from ..call import caller
from ..info import Info
from ..log import log
from ..rdb import SaveError
from .clients import describe_briefly
from .help import declare_help

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call

declare_help("pubsub", "pubsub", "6.2.0", "loading stale", [
    "CHANNELS [<pattern>]", "    Channels that have subscribers.", "NUMPAT", "    How many patterns are subscribed to.",
    "NUMSUB [<channel> ...]", "    How many subscribers each channel has.",
    "SHARDCHANNELS [<pattern>]", "    Shard channels that have subscribers.",
    "SHARDNUMSUB [<shardchannel> ...]", "    How many subscribers each shard channel has."], acl="-pubsub")


@command("info", -1, "loading stale", group="server", since="1.0.0", complexity="O(1)", acl="dangerous",
         tips="nondeterministic_output request_policy:all_shards response_policy:special",
         summary="Figures of the server, by section.", history=["7.0.0 Takes several sections."],
         args="[section...]")
def info(call: Call):
    return Verbatim(Info(call.server.figures).render([word.decode("latin-1") for word in call.args]))


@command("time", 1, "loading stale fast", group="server", since="2.6.0", complexity="O(1)",
         tips="nondeterministic_output", summary="The unix time of the server, in seconds and microseconds.")
def time_(call: Call):
    seconds, us = divmod(call.engine.now_us, 1000000)
    return [str(seconds), str(us)]


@command("lastsave", 1, "loading stale fast", group="server", since="1.0.0", complexity="O(1)",
         acl="admin dangerous", tips="nondeterministic_output",
         summary="The unix time of the last save to disk.")
def lastsave(call: Call):
    return call.server.snapshots.last_save


@command("save", 1, "admin noscript no_async_loading no_multi", group="server", since="1.0.0", complexity="O(N)",
         summary="Saves the dataset to disk; nobody else is served meanwhile.")
def save(call: Call):
    try:
        call.server.snapshots.save()
    except SaveError as error:
        raise ReplyError(str(error)) from None
    return OK


@command("bgsave", -1, "admin noscript no_async_loading", group="server", since="1.0.0", complexity="O(1)",
         summary="Saves the dataset to disk in the background.",
         history=["3.2.2 Takes SCHEDULE.", "8.1.0 Takes CANCEL."], args="[operation: SCHEDULE@3.2.2 | CANCEL@8.1.0]")
def bgsave(call: Call):
    word = call.word(0) if call.args else ""
    if len(call.args) > 1 or word not in ("", "schedule", "cancel"):
        raise ReplyError(SYNTAX_ERROR)
    snapshots = call.server.snapshots
    try:
        return Status(snapshots.cancel() if word == "cancel" else snapshots.request(schedule=word == "schedule"))
    except SaveError as error:
        raise ReplyError(str(error)) from None


@command("monitor", 1, "admin noscript loading stale", group="server", since="1.0.0", complexity="O(1)",
         summary="Shows every command that the server runs.")
def monitor(call: Call):
    if call.engine.in_transaction:
        raise ReplyError("ERR MONITOR isn't allowed for DENY BLOCKING client")
    return OK if caller(call).monitor() else NO_REPLY


@command("lolwut", -1, "readonly fast", group="server", since="5.0.0", complexity="O(1)", summary="The version, for fun.",
         args="[VERSION version:integer]")
def lolwut(call: Call):
    """Clients look for these words; the drawings of other servers' versions are theirs."""
    if len(call.args) > 1 and call.word(0) == "version":
        for index in range(1, len(call.args)):
            call.integer(index)
    return Verbatim(f"Redis ver. {VALKEY_VERSION}\n")


@command("bgrewriteaof", 1, "admin noscript no_async_loading", group="server", since="1.0.0", complexity="O(1)",
         summary="Rewrites the append-only file in the background.")
def bgrewriteaof(call: Call):
    try:
        status = call.server.aof.rewrite(call.later)
        return NO_REPLY if status is None else Status(status)
    except RewriteError as error:
        raise ReplyError(str(error)) from None


@command("shutdown", -1, "admin noscript loading stale no_multi allow_busy", group="server", since="1.0.0",
         complexity="O(N)", summary="Puts the data on disk and ends the server.",
         history=["7.0.0 Takes NOW, FORCE and ABORT."],
         args="[abort-selector: (save-selector-block: [save-selector: NOSAVE | SAVE] [NOW@7.0.0] "
              "[FORCE@7.0.0]) | ABORT@7.0.0]")
def shutdown(call: Call):
    words = [word.lower() for word in call.args]
    if any(word not in (b"save", b"nosave", b"now", b"force", b"abort") for word in words) or (
            b"save" in words and b"nosave" in words) or (b"abort" in words and len(words) > 1):
        raise ReplyError(SYNTAX_ERROR)
    if b"abort" in words and call.server.shutdown.abort():
        return OK
    if b"abort" in words:
        raise ReplyError("ERR No shutdown in progress.")
    if b"nosave" not in words and call.engine.busy_error:
        raise ReplyError(call.engine.busy_error)
    client = caller(call)
    who = describe_briefly(client, call.server.config.hide_user_data_from_log)
    log("notice", f"User requested shutdown... (user request from '{who}')")
    if not call.server.shutdown.stop(b"save" in words, b"nosave" in words, b"force" in words):
        raise ReplyError("ERR Errors trying to SHUTDOWN. Check logs.")
    return NO_REPLY
