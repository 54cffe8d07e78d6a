"""One line of a configuration, and what is wrong with one; and what a command line may ask for instead of a server."""
from __future__ import annotations

from kv import VALKEY_VERSION
from kv.quoting import Unbalanced, split_text


class FatalConfigError(Exception):
    """A configuration that a server cannot start with; str() of it is what to print."""


class Directive:
    """One line of a configuration, and where it stands: for messages about it, now or later."""

    __slots__ = ("number", "line", "arguments")

    def __init__(self, number: int, line: str) -> None:
        self.number = number
        self.line = line
        try:
            self.arguments = split_text(line)  # the first of them, the name, in lower case
        except Unbalanced:
            raise self.error("Unbalanced quotes in configuration line") from None
        if self.arguments:
            self.arguments[0] = self.arguments[0].lower()

    def error(self, complaint: str) -> FatalConfigError:
        return fatal(f"Reading the configuration file, at line {self.number}\n>>> '{self.line}'\n{complaint}")


def fatal(message: str) -> FatalConfigError:
    return FatalConfigError(f"\n*** FATAL CONFIG FILE ERROR (Version {VALKEY_VERSION}) ***\n{message}")


class Request:
    """What the command line asks for instead of a server."""

    __slots__ = ("name", "arguments")

    def __init__(self, name: str, arguments: list[str]) -> None:
        self.name = name  # version, help, test-memory, check-system, or run: another program
        self.arguments = arguments  # the words after it; of run the whole command line
