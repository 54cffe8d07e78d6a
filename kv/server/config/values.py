"""The values of all options, and the lines of a configuration that are not options."""
from __future__ import annotations

import os

from . import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .directive import Directive
    from .option import Option

SENTINEL_PORT = "26379"
ATTRIBUTES = {name.replace("-", "_"): option for name, option in table.BY_NAME.items()}


class Values:
    """Every option's value as an attribute, and the directives beside them.

    Reading an option is reading an attribute, nothing more, so it may be done anywhere.
    """

    def __init__(self, *, sentinel: bool = False) -> None:
        values = self.__dict__
        for option in table.OPTIONS:
            values[option.attribute] = option.initial()
        self.file = ""  # absolute path of the configuration file, "" if there is none
        self.executable = ""  # absolute path of the program
        self.started_in = "."  # the working directory of the command line, absolute
        self.folder = ""  # where the data files are, "" the working directory: that is what a server makes of `dir`
        self.first_dir = ""  # `dir` at the start; relative paths of things made then are below it
        self.words: list[str] = []  # the command line that starts the same server again
        self.sentinel_mode = sentinel
        self.renamed_commands: list[Directive] = []  # rename-command OLD NEW, in order; "" takes it away
        self.users: list[Directive] = []  # user NAME RULE...
        self.modules: list[Directive] = []  # loadmodule PATH ARGUMENT...
        self.module_options: dict[str, str] = {}  # module.option -> value, for modules to ask for
        self.sentinel_lines: list[Directive] = []  # sentinel OPTION...
        self.notices: list[tuple[str, str]] = []  # (level, text) logged before there was a log
        self.log: Callable[[str, str], object] = lambda level, text: self.notices.append((level, text))
        if sentinel:
            self.force("port", SENTINEL_PORT)
            self.force("protected-mode", "no")

    def __getattr__(self, name: str) -> Any:
        """Only asked for what is not there as such: the older names."""
        if name not in ATTRIBUTES:
            raise AttributeError(f"there is no option {name!r}")
        return self.__dict__[ATTRIBUTES[name].attribute]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ATTRIBUTES:
            raise AttributeError(f"{name} is an option: it is changed with set_many or force")
        super().__setattr__(name, value)

    def path(self, name: str) -> str:
        """The path of a data file."""
        return os.path.join(self.folder, name)

    def value(self, option: Option) -> Any:
        return self.__dict__[option.attribute]

    def store(self, option: Option, value: Any) -> None:
        """Give an option a value of its kind, without asking or telling anybody."""
        self.__dict__[option.attribute] = value
        warning = option.warning(value)
        if warning:
            self.log("warning", warning)

    def force(self, name: str, text: str) -> None:
        """Set an option to what the server has decided; it may be immutable, and no hook is called."""
        option = table.BY_NAME[name]
        self.store(option, parse_text(option, text, self.value(option)))

    def get(self, name: str) -> str:
        """An option's value as CONFIG GET prints it. Raises KeyError."""
        option = table.BY_NAME[name.lower()]
        return option.format(self.value(option))


def parse_text(option: Option, text: str, current: Any) -> Any:
    """The value that one text means; an option of several values takes them with a space between each."""
    if not option.multiple:
        return option.parse([text], current)
    return option.parse(text.split(" ") if text else [], current)
