"""The kinds of option: how a value is written, checked, printed and put into a file.

An Option is a declaration and holds no value: values live in a Config, under the option's attribute. A kind
has four faces, each the inverse or the echo of another:

    parse       the arguments of a line or of CONFIG SET -> the value Python code sees, or ConfigError
    format      a value -> what CONFIG GET prints; parse takes it back
    lines       a value -> the lines CONFIG REWRITE puts into the file; read again they give the value
    initial     the value before anything was read

The complaints are those of Valkey, word for word: clients and its test suite compare them. Values are treated
as immutable; a change makes a new one, which is what lets a failed CONFIG SET put the old one back.

Kinds of one option each (save, bind, dir ...) are in special.py.
"""
from __future__ import annotations

from kv.quoting import quote_text

from ..container import usable_memory

TYPE_CHECKING = False  # typing's own costs 3 ms of start-up
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Check = Callable[[Any], str]
    Line = tuple[str, bool]  # a line of the file, and whether it must be there even if the file has none yet

IMMUTABLE = 1  # set at start-up only
SENSITIVE = 2  # its value is never shown in logs or MONITOR
DEBUG = 4  # printed in a crash report
HIDDEN = 8  # CONFIG GET shows it by its exact name only
PROTECTED = 16  # CONFIG SET needs enable-protected-configs
DENY_LOADING = 32  # cannot be set while the dataset is loading
VOLATILE = 64  # names a file whose content may have changed: setting the same value again still applies it

INT_MIN, INT_MAX, UINT_MAX = -(2**31), 2**31 - 1, 2**32 - 1
LONG_MIN, LONG_MAX, ULONG_MAX = -(2**63), 2**63 - 1, 2**64 - 1

UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1 << 10, "m": 1000**2, "mb": 1 << 20, "g": 1000**3, "gb": 1 << 30}


class ConfigError(Exception):
    """A value, a line or a change that is refused; its text is for the user."""


def accept(value: Any) -> str:
    """The check of an option that has no rule of its own."""
    return ""


class Option:
    """One option. Subclasses are its kinds."""

    __slots__ = ("name", "alias", "attribute", "default", "flags", "check")
    multiple = False  # whether a line may hold several arguments

    def __init__(self, name: str, default: Any, flags: int = 0, *, alias: str = "",
                 check: Check = accept) -> None:
        self.name = name  # as CONFIG GET and files spell it
        self.alias = alias  # an older name that works everywhere as well, or ""
        self.attribute = name.replace("-", "_")  # of Config
        self.default = default
        self.flags = flags
        self.check = check  # value -> complaint, or "" if it will do

    def initial(self) -> Any:
        return self.default

    def parse(self, arguments: Sequence[str], current: Any) -> Any:
        """The value that the arguments mean. `current` is the value so far, for kinds that change a part."""
        value = self.convert(arguments[0])
        complaint = self.check(value)
        if complaint:
            raise ConfigError(complaint)
        return value

    def parse_line(self, arguments: Sequence[str], current: Any, first: bool) -> Any:
        """Like parse, for a line of a file; `first` is false where an earlier line set the same option."""
        return self.parse(arguments, current)

    def convert(self, text: str) -> Any:
        raise NotImplementedError(type(self).__name__)

    def format(self, value: Any) -> str:
        return str(value)

    def lines(self, value: Any) -> list[Line]:
        return [(f"{self.name} {self.file_form(value)}", value != self.default)]

    def part(self, arguments: Sequence[str]) -> str:
        """Which part of the value a line with these arguments states, where it has a line for each part."""
        return ""

    def file_form(self, value: Any) -> str:
        return self.format(value)

    def equal(self, value: Any, other: Any) -> bool:
        """Whether two values state the same."""
        return bool(value == other)

    def warning(self, value: Any) -> str:
        """What to log about a value that is accepted but dubious."""
        return ""


class Bool(Option):
    """yes or no, whatever the case."""

    __slots__ = ()

    def convert(self, text: str) -> bool:
        word = text.lower()
        if word not in ("yes", "no"):
            raise ConfigError("argument must be 'yes' or 'no'")
        return word == "yes"

    def format(self, value: bool) -> str:
        return "yes" if value else "no"


class Integer(Option):
    """A whole number from low to high, in plain decimal: no sign but a minus, no leading zero."""

    __slots__ = ("low", "high")

    def __init__(self, name: str, default: int, low: int, high: int, flags: int = 0, *, alias: str = "",
                 check: Check = accept) -> None:
        super().__init__(name, default, flags, alias=alias, check=check)
        self.low = low
        self.high = high

    def convert(self, text: str) -> int:
        number = parse_integer(text)
        if number is None:
            raise ConfigError("argument couldn't be parsed into an integer")
        return self.bounded(number)

    def bounded(self, number: int) -> int:
        if not self.low <= number <= self.high:
            low, high = self.format(self.low), self.format(self.high)
            raise ConfigError(f"argument must be between {low} and {high} inclusive")
        return number


class Clamped(Integer):
    """An Integer that is a wish: what the server cannot do is taken as the nearest it can."""

    __slots__ = ("least", "most")

    def __init__(self, name: str, default: int, low: int, high: int, least: int, most: int) -> None:
        super().__init__(name, default, low, high)
        self.least = least
        self.most = most

    def convert(self, text: str) -> int:
        return min(max(super().convert(text), self.least), self.most)


class Octal(Integer):
    """A number in base 8: a file's permissions."""

    __slots__ = ()

    def convert(self, text: str) -> int:
        number = parse_c_integer(text, "01234567")
        if number is None or not LONG_MIN <= number <= LONG_MAX:
            raise ConfigError("argument couldn't be parsed as an octal number")
        return self.bounded(number)

    def format(self, value: int) -> str:
        return f"{value:o}"


class Memory(Integer):
    """Bytes, with a unit if wanted: 1k is 1000, 1kb is 1024, and so for m and g.

    What is allowed but of no use to the server is taken as the least that is.
    """

    __slots__ = ("least",)

    def __init__(self, name: str, default: int, low: int, high: int, flags: int = 0, *, alias: str = "",
                 least: int = 0) -> None:
        super().__init__(name, default, low, high, flags, alias=alias)
        self.least = least

    def convert(self, text: str) -> int:
        number = parse_memory(text)
        if number is None:
            raise ConfigError("argument must be a memory value")
        return max(self.bounded(number), self.least)

    def file_form(self, value: int) -> str:
        return format_memory(value)


class MemoryOrPercent(Memory):
    """Memory, or a percentage of maxmemory, which is kept as a negative number: 5% is -5."""

    __slots__ = ()

    def convert(self, text: str) -> int:
        number = parse_memory(text)
        return -parse_percent(text, -self.low) if number is None else self.bounded(number)

    def bounded(self, number: int) -> int:
        if number > self.high:
            raise ConfigError(f"argument must be between {self.low} and {self.high} inclusive")
        return number

    def format(self, value: int) -> str:
        return f"{-value}%" if value < 0 else str(value)

    def file_form(self, value: int) -> str:
        return self.format(value) if value < 0 else format_memory(value)


class Share(int):
    """Bytes that are a share of the memory that this process may use."""

    percent: int
    whole: int      # bytes of it

    def __new__(cls, percent: int, whole: int) -> Share:
        share = super().__new__(cls, whole * percent // 100)
        share.percent = percent
        share.whole = whole
        return share


class MemoryOrShare(Memory):
    """Memory, or a percentage of the memory that this process may use: bytes for whoever asks, and a percentage again in a
    file. A share is worked out when it is set."""

    __slots__ = ()

    def convert(self, text: str) -> int:
        if not text.endswith("%"):
            return super().convert(text)
        percent = parse_percent(text, 100)
        return Share(percent, usable_memory()) if percent else 0

    def equal(self, value: int, other: int) -> bool:
        return value == other and self.file_form(value) == self.file_form(other)

    def file_form(self, value: int) -> str:
        return f"{value.percent}%" if isinstance(value, Share) else format_memory(value)


class String(Option):
    """Any text. Where it is optional, the empty text means that there is none, and gets no line."""

    __slots__ = ("optional",)

    def __init__(self, name: str, default: str = "", flags: int = 0, *, alias: str = "",
                 check: Check = accept, optional: bool = False) -> None:
        super().__init__(name, default, flags, alias=alias, check=check)
        self.optional = optional

    def convert(self, text: str) -> str:
        return text

    def lines(self, value: str) -> list[Line]:
        return [] if self.optional and not value else super().lines(value)

    def file_form(self, value: str) -> str:
        return quote_text(value)


class Optional(String):
    """A String that is absent when empty."""

    __slots__ = ()

    def __init__(self, name: str, flags: int = 0, *, alias: str = "", check: Check = accept) -> None:
        super().__init__(name, "", flags, alias=alias, check=check, optional=True)


class Choice(Option):
    """One of several words; `same` maps a word to the one that it is another name for."""

    __slots__ = ("words", "same")

    def __init__(self, name: str, default: str, words: tuple[str, ...], flags: int = 0, *,
                 same: Mapping[str, str] | None = None) -> None:
        super().__init__(name, default, flags)
        self.words = words
        self.same = same or {}

    def convert(self, text: str) -> str:
        word = text.lower()
        if word not in self.words:
            raise unknown_word(self.words)
        return self.same.get(word, word)


class Choices(Option):
    """Any number of several words. The first word means none of the others."""

    __slots__ = ("words",)
    multiple = True

    def __init__(self, name: str, words: tuple[str, ...], *, check: Check = accept) -> None:
        super().__init__(name, [words[0]], check=check)
        self.words = words

    def initial(self) -> list[str]:
        return list(self.default)

    def parse(self, arguments: Sequence[str], current: Any) -> list[str]:
        given = {argument.lower() for argument in arguments}
        if not given or not given.issubset(self.words):
            raise unknown_word(self.words)
        complaint = self.check(given)
        if complaint:
            raise ConfigError(complaint)
        return [word for word in self.words[1:] if word in given] or [self.words[0]]

    def format(self, value: list[str]) -> str:
        return " ".join(value)


def unknown_word(words: tuple[str, ...]) -> ConfigError:
    return ConfigError(f"argument(s) must be one of the following: {', '.join(words)}")


def parse_integer(text: str) -> int | None:
    """A 64 bit integer written the one way it can be printed, or None."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 19 or (digits[0] == "0" and text != "0"):
        return None
    number = int(text)
    return number if LONG_MIN <= number <= LONG_MAX else None


def leading_integer(text: str) -> int:
    """The digits that a text begins with, 0 for none."""
    digits = text.strip()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    end = 0
    while end < len(digits) and digits[end] in "0123456789":
        end += 1
    return sign * min(int(digits[:end]), LONG_MAX) if end else 0


def parse_c_integer(text: str, digits: str = "0123456789") -> int | None:
    """An integer as strtoll takes it, if that is all of the text: blanks and a sign before it, empty is 0."""
    if not text:
        return 0
    number = text.lstrip(" \t\n\v\f\r")
    unsigned = number[1:] if number[:1] in ("+", "-") else number
    if not unsigned or len(unsigned) > 64 or unsigned.strip(digits):
        return None
    return int(number, len(digits))


def parse_memory(text: str) -> int | None:
    """A number of bytes with its unit, or None. No digits are 0; more than 64 bits hold is all they hold."""
    digits = text.rstrip("bBkKmMgG")
    unit = UNITS.get(text[len(digits):].lower())
    if unit is None or (digits and not (digits.isascii() and digits.isdigit())) or len(digits) > 64:
        return None
    return min(int(digits or "0") * unit, ULONG_MAX)


def parse_percent(text: str, most: int) -> int:
    """The number of a percentage. Raises ConfigError."""
    percent = parse_integer(text[:-1]) if text.endswith("%") else None
    if percent is None or percent < 0:
        raise ConfigError("argument must be a memory or percent value")
    if percent > most:
        raise ConfigError(f"percentage argument must be less or equal to {most}")
    return percent


def format_memory(count: int) -> str:
    """A number of bytes in the largest unit that holds it exactly, as files spell it."""
    for unit in ("gb", "mb", "kb"):
        if count and count % UNITS[unit] == 0:
            return f"{count // UNITS[unit]}{unit}"
    return str(count)


def format_float(number: float) -> str:
    """At most six decimals, and no zero at the end of them."""
    return f"{number:f}".rstrip("0").rstrip(".")
