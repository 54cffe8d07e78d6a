"""`help` at the prompt: how to use it, one command, or all commands of a group."""

import os
from collections.abc import Sequence

from kv.about import version_line
from kv.cli.docs import Entry, Manual
from kv.cli.hints import syntax
from kv.cli.session import Session

BOLD, GREY, YELLOW, PLAIN = "\x1b[1m", "\x1b[90m", "\x1b[33m", "\x1b[0m"

GENERAL = f"""{version_line("kv-cli")}
To get help about KV commands type:
      "help @<group>" to get a list of commands in <group>
      "help <command>" for help on <command>
      "help <tab>" to get a list of possible help topics
      "quit" to exit

To set kv-cli preferences:
      ":set hints" enable online hints
      ":set nohints" disable online hints
Set your preferences in ~/.kvclirc"""


def print_help(session: Session, words: Sequence[bytes]) -> None:
    """`words` is what followed `help`: nothing, @group, or the beginning of a command's name."""
    if not words:
        print(GENERAL, flush=True)
        return
    topic = [os.fsdecode(word) for word in words]
    for entry in Manual(session).entries:
        if topic[0].startswith("@"):
            if entry.group.lower() == topic[0][1:].lower():
                _print_entry(entry, show_group=False)
        elif entry.words[: len(topic)] == [word.upper() for word in topic]:
            _print_entry(entry, show_group=True)
    print("\r", flush=True)


def _print_entry(entry: Entry, show_group: bool) -> None:
    print(f"\r\n  {BOLD}{entry.name}{PLAIN} {GREY}{syntax(entry.arguments)}{PLAIN}\r")
    facts = {"summary": entry.summary, "since": entry.since, "group": entry.group if show_group else ""}
    for name, value in facts.items():
        if value:
            print(f"  {YELLOW}{name}:{PLAIN} {value}\r")
