"""Subcommands: HELP, in a form that people know from every server of this kind, and the error that leads there."""
from __future__ import annotations

from kv._core.runtime.call import ReplyError, Status
from kv._core.runtime.registry import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call


def declare_help(container: str, group: str, since: str, flags: str, lines: list[str], **docs: str) -> None:
    """Declare `container|help`. Lines: a subcommand with its arguments, or, indented, what it does. `docs`:
    what a declaration may have besides."""
    reply = [Status(f"{container.upper()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"),
             *[Status(line) for line in lines], Status("HELP"), Status("    Print this help.")]

    @command(f"{container}|help", 2, flags, group=group, since=since, complexity="O(1)",
             summary=f"Lists the subcommands of {container.upper()}.", **docs)
    def help_(call: Call):
        return reply


def subcommand_error(call: Call) -> ReplyError:
    """A subcommand that does not exist, or with words that it does not know."""
    parent = call.name.partition("|")[0].upper()
    return ReplyError(f"ERR unknown subcommand or wrong number of arguments for '{call.subcommand[:128]}'. Try {parent} HELP.")
