"""The kinds that one or two options have to themselves: dir, save, bind, replicaof and the like."""
from __future__ import annotations

import errno
import os

from kv.quoting import quote_if_needed, quote_text

from .option import (
    INT_MAX,
    LONG_MAX,
    Bool,
    ConfigError,
    Option,
    format_float,
    format_memory,
    parse_c_integer,
    parse_memory,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .option import Line

    Limits = dict[str, tuple[int, int, int]]  # class of client -> (hard limit, soft limit, seconds)
    Schedule = list[tuple[int, int]]  # (seconds, changes)

ADDRESSES_MAX = 16
EVENT_TYPES = "g$lshzxetd"  # those that A stands for, in the order they are printed
EVENT_OTHERS = "nKEm"
CLIENT_CLASSES = {"normal": "normal", "replica": "replica", "slave": "replica", "pubsub": "pubsub"}
OLD_CLASSES = {"replica": "slave"}  # CONFIG GET keeps the older name, which clients know


class Several(Option):
    """An option whose value is a list."""

    __slots__ = ()
    multiple = True

    def initial(self) -> Any:
        return list(self.default)


class Directory(Option):
    """The working directory, as an absolute path.

    A relative one is taken from the directory so far, so that two lines add up as two `cd` would. The process
    is not moved from here: whoever owns it does that, at start-up and when this changes.
    """

    __slots__ = ()

    def initial(self) -> str:
        try:
            return os.getcwd()
        except OSError:  # it was removed under our feet
            return ""

    def parse(self, arguments: Sequence[str], current: str) -> str:
        if not arguments[0]:
            raise ConfigError("dir can't be empty")
        path = os.path.join(current, arguments[0])
        try:
            os.stat(os.path.join(path, "."))
        except (OSError, ValueError) as error:
            raise ConfigError(getattr(error, "strerror", None) or os.strerror(errno.ENOENT)) from None
        if not os.access(path, os.X_OK):
            raise ConfigError(os.strerror(errno.EACCES))
        return os.path.realpath(path)

    def lines(self, value: str) -> list[Line]:
        return [(f"{self.name} {quote_text(value)}", True)] if value else []


class Save(Several):
    """When to save: (seconds, changes) pairs, any of which is enough. One empty argument is never."""

    __slots__ = ()

    def parse(self, arguments: Sequence[str], current: Schedule) -> Schedule:
        if list(arguments) == [""]:
            return []
        numbers = [parse_c_integer(argument) for argument in arguments]
        pairs = list(zip(numbers[::2], numbers[1::2], strict=False))
        if len(numbers) % 2 or not all(is_save_point(seconds, changes) for seconds, changes in pairs):
            raise ConfigError("Invalid save parameters")
        return pairs  # type: ignore[return-value]  # no None is left

    def parse_line(self, arguments: Sequence[str], current: Schedule, first: bool) -> Schedule:
        """The first line replaces the default, further ones add to it, an empty one starts anew."""
        added = self.parse(arguments, current)
        return added if first or list(arguments) == [""] else current + added

    def format(self, value: Schedule) -> str:
        return " ".join([f"{seconds} {changes}" for seconds, changes in value])

    def lines(self, value: Schedule) -> list[Line]:
        return [(f"{self.name} {self.format(value) or quote_text('')}", True)]


def is_save_point(seconds: int | None, changes: int | None) -> bool:
    if seconds is None or changes is None:
        return False
    return 1 <= seconds <= LONG_MAX and 0 <= changes <= INT_MAX


class Addresses(Several):
    """Addresses to listen on; one that begins with a dash may be missing. One empty argument is none."""

    __slots__ = ()

    def parse(self, arguments: Sequence[str], current: Any) -> list[str]:
        if len(arguments) > ADDRESSES_MAX:
            raise ConfigError("Too many bind addresses specified.")
        return [] if list(arguments) == [""] else list(arguments)

    def format(self, value: list[str]) -> str:
        return " ".join(value)

    def lines(self, value: list[str]) -> list[Line]:
        """None for the default: a file that says nothing means it."""
        if value == self.default:
            return []
        words = " ".join([quote_if_needed(address) for address in value or [""]])
        if len(value) == 1:
            words = quote_if_needed(words)  # one argument is split once more when it is read
        return [(f"{self.name} {words}", True)]


class Defragmentation(Bool):
    """activedefrag: not to be switched on, and yet no reason not to start with a file that does."""

    __slots__ = ()

    def parse_line(self, arguments: Sequence[str], current: bool, first: bool) -> bool:
        return self.convert(arguments[0])


class OutputLimits(Option):
    """How much output a client of each class may leave unread: class, hard limit, soft limit, its seconds."""

    __slots__ = ()
    multiple = True

    def initial(self) -> Limits:
        return dict(self.default)

    def parse(self, arguments: Sequence[str], current: Limits) -> Limits:
        """The limits so far with those of the classes named replaced."""
        if len(arguments) % 4:
            raise ConfigError("Wrong number of arguments in buffer limit configuration.")
        limits = dict(current)
        for at in range(0, len(arguments), 4):
            name, *texts = arguments[at:at + 4]
            if name.lower() not in CLIENT_CLASSES:
                raise ConfigError("Invalid client class specified in buffer limit configuration.")
            hard, soft, seconds = parse_memory(texts[0]), parse_memory(texts[1]), parse_c_integer(texts[2])
            if hard is None or soft is None or seconds is None or not 0 <= seconds <= INT_MAX:
                raise ConfigError("Error in hard, soft or soft_seconds setting in "
                                  "buffer limit configuration.")
            limits[CLIENT_CLASSES[name.lower()]] = (hard, soft, seconds)
        return limits

    def format(self, value: Limits) -> str:
        return " ".join([f"{OLD_CLASSES.get(name, name)} {hard} {soft} {seconds}"
                         for name, (hard, soft, seconds) in value.items()])

    def part(self, arguments: Sequence[str]) -> str:
        """The class that comes first."""
        return CLIENT_CLASSES.get(arguments[0].lower(), "") if arguments else ""

    def lines(self, value: Limits) -> list[Line]:
        return [(f"{self.name} {name} {format_memory(hard)} {format_memory(soft)} {seconds}",
                 (hard, soft, seconds) != self.default[name])
                for name, (hard, soft, seconds) in value.items()]


class OomScores(Several):
    """What to add to the kernel's oom score: of a primary, of a replica, of a child that saves."""

    __slots__ = ()

    def parse(self, arguments: Sequence[str], current: Any) -> list[int]:
        if len(arguments) != len(self.default):
            raise ConfigError("wrong number of arguments")
        scores = []
        for argument in arguments:
            score = parse_c_integer(argument)
            if score is None or not -2000 <= score <= 2000:
                raise ConfigError("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
            scores.append(score)
        return scores

    def format(self, value: list[int]) -> str:
        return " ".join([str(score) for score in value])

    def warning(self, value: list[int]) -> str:
        if value == sorted(value):
            return ""
        return ("The oom-score-adj-values configuration may not work for non-privileged processes! "
                "Please consult the documentation.")


class Events(Option):
    """Which keyspace events to publish, as letters in a fixed order, A for every type."""

    __slots__ = ()

    def convert(self, text: str) -> str:
        letters = set(text)
        if not letters.issubset("A" + EVENT_TYPES + EVENT_OTHERS):
            raise ConfigError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        if "A" in letters or letters.issuperset(EVENT_TYPES):
            types = "A"
        else:
            types = "".join([letter for letter in EVENT_TYPES if letter in letters])
        return types + "".join([letter for letter in EVENT_OTHERS if letter in letters])

    def format(self, value: str) -> str:
        """Valkey does not show n behind A, though such events are published. A file does."""
        return value.replace("An", "A", 1)

    def file_form(self, value: str) -> str:
        return quote_text(value)


class ReplicaOf(Option):
    """The primary as (host, port), or None. `no one` is none."""

    __slots__ = ()
    multiple = True

    def parse(self, arguments: Sequence[str], current: Any) -> tuple[str, int] | None:
        if len(arguments) != 2:
            raise ConfigError("wrong number of arguments")
        host, text = arguments
        if (host.lower(), text.lower()) == ("no", "one"):
            return None
        port = parse_c_integer(text)
        if port is None or not 0 <= port <= 65535:
            raise ConfigError("Invalid primary port")
        return host, port

    def format(self, value: tuple[str, int] | None) -> str:
        return f"{value[0]} {value[1]}" if value else ""

    def lines(self, value: tuple[str, int] | None) -> list[Line]:
        return [(f"{self.name} {quote_if_needed(value[0])} {value[1]}", True)] if value else []


class Percentiles(Several):
    """The percentiles that INFO latencystats prints. One empty argument is none."""

    __slots__ = ()

    def parse(self, arguments: Sequence[str], current: Any) -> list[float]:
        return [parse_percentile(argument) for argument in arguments] if list(arguments) != [""] else []

    def format(self, value: list[float]) -> str:
        return " ".join([format_float(percentile) for percentile in value])

    def lines(self, value: list[float]) -> list[Line]:
        return [(f"{self.name} {self.format(value) or quote_text('')}", True)]


def parse_percentile(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if number != number or "_" in text or not text.isascii() or text != text.strip():
        raise ConfigError("Invalid latency-tracking-info-percentiles parameters")
    if not 0.0 <= number <= 100.0:
        raise ConfigError("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
    return number
