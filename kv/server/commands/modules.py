"""MODULE, as a server answers it that has none and can load none."""
from __future__ import annotations

from kv._core.runtime.call import ReplyError
from kv._core.runtime.registry import command, container

from ..log import log
from .help import declare_help

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call

CHANGES = "admin noscript no_async_loading protected"
LOAD_FAILED = "ERR Error loading the extension. Please check the server logs."

container("module", since="4.0.0", group="server", summary="Looks after modules.")


@command("module|list", 2, "admin noscript", group="server", since="4.0.0", complexity="O(N)",
         tips="nondeterministic_output_order", summary="The modules that are loaded.")
def module_list(call: Call):
    return []


def refuse(path: bytes) -> ReplyError:
    log("warning", f"Module {path.decode('utf-8', 'surrogateescape')} failed to load: modules are not part of this release")
    return ReplyError(LOAD_FAILED)


@command("module|load", -3, CHANGES, group="server", since="4.0.0", complexity="O(1)", summary="Loads a module.",
         args="path [arg...]")
def module_load(call: Call):
    raise refuse(call.args[0])


@command("module|loadex", -3, CHANGES, group="server", since="7.0.0", complexity="O(1)",
         summary="Loads a module with a configuration.",
         args="path [CONFIG configs: name value]... [ARGS args...]")
def module_loadex(call: Call):
    raise refuse(call.args[0])


@command("module|unload", 3, CHANGES, group="server", since="4.0.0", complexity="O(1)", summary="Unloads a module.",
         args="name")
def module_unload(call: Call):
    log("warning", f"Error unloading module {call.args[0].decode('utf-8', 'surrogateescape')}: no such module with that name")
    raise ReplyError("ERR Error unloading module: no such module with that name")


declare_help("module", "server", "5.0.0", "loading stale", [
    "LIST", "    The modules that are loaded.",
    "LOAD <path> [<arg> ...]", "    Load a module from a file, with arguments.",
    "LOADEX <path> [CONFIG <name> <value> ...] [ARGS <arg> ...]", "    Load a module with a configuration and arguments.",
    "UNLOAD <name>", "    Unload a module."])
