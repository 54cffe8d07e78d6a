"""CONFIG: reading and changing the configuration of the running server."""
from __future__ import annotations

from kv._core.engine.inspect import reset_statistics
from kv._core.runtime.call import OK, SYNTAX_ERROR, ReplyError
from kv._core.runtime.registry import command, container

from ..config import ConfigError
from .help import declare_help

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call

FLAGS = "admin noscript loading stale"
container("config", since="2.0.0", group="server", summary="The configuration of the server.")


def text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")


@command("config|get", -3, FLAGS, group="server", since="2.0.0", complexity="O(N)",
         summary="Options and their values.", history=["7.0.0 Takes several patterns."], args="parameter...")
def config_get(call: Call):
    return call.server.config.match([text(word) for word in call.args])


@command("config|set", -4, FLAGS, group="server", since="2.0.0", complexity="O(N)",
         tips="request_policy:all_nodes response_policy:all_succeeded",
         summary="Changes options, all or none.", history=["7.0.0 Takes several options."],
         args="(data: parameter value)...")
def config_set(call: Call):
    words = [text(word) for word in call.args]
    if len(words) % 2:
        raise ReplyError(SYNTAX_ERROR)
    pairs = list(zip(words[::2], words[1::2], strict=True))
    call.redact(*[2 * index + 1 for index, (name, _) in enumerate(pairs) if call.server.config.is_sensitive(name)])
    try:
        call.server.config.set_many(pairs, loading=call.engine.loading, local=call.peer_is_local)
    except ConfigError as error:
        raise ReplyError(str(error)) from None
    return OK


@command("config|rewrite", 2, FLAGS, group="server", since="2.8.0", complexity="O(1)",
         tips="request_policy:all_nodes response_policy:all_succeeded",
         summary="Writes the configuration back to its file.")
def config_rewrite(call: Call):
    user, config = call.server.default_user, call.server.config
    try:
        config.rewrite(users=[(user.line(), not user.is_as_required(config.requirepass))])
    except ConfigError as error:
        raise ReplyError(str(error)) from None
    return OK


@command("config|resetstat", 2, FLAGS, group="server", since="2.0.0", complexity="O(1)",
         tips="request_policy:all_nodes response_policy:all_succeeded", summary="Sets the statistics back.")
def config_resetstat(call: Call):
    reset_statistics(call.engine)
    call.server.metrics.reset()
    call.server.loop.reset_statistics()
    call.server.aof.reset_statistics()
    call.server.snapshots.reset_statistics()
    return OK


declare_help("config", "server", "5.0.0", "loading stale", [
    "GET <pattern> [<pattern> ...]", "    Options whose names match, and their values.",
    "SET <option> <value> [<option> <value> ...]", "    Change options, all or none.",
    "RESETSTAT", "    Set the statistics of INFO back.",
    "REWRITE", "    Write the configuration back to its file."])
