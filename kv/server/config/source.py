"""Where a configuration comes from: the command line, its file, standard input, and what they include.

The command line is turned into text of the same language as the file and appended to it, so there is one
reader and the last setting wins: file, then standard input, then options. That is also why a mistake on the
command line is reported with a line number: it is a line of the whole.

    kv-server /etc/kv.conf --port 6380 --save 900 1 --loglevel verbose -

A word that begins with `--` opens a new option, but only once the one before it has a value: `--logfile --x`
names a file. `--save` and `--sentinel` may stand without a value all the same.

Whatever is wrong is fatal, and the message is complete as it is: print it on stderr and exit with status 1.
"""
from __future__ import annotations

import os

from kv.passwords import EnvironmentPassword
from kv.quoting import Unbalanced, decode, quote_text, split_text

from . import table
from .directive import Directive, FatalConfigError, Request, fatal
from .entrypoint import DEFAULT_FLAGS, SENTINELS, other_program, server_words
from .option import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

    from .option import Option
    from .values import Values

REQUESTS = {"-v": "version", "--version": "version", "-h": "help", "--help": "help",
            "--test-memory": "test-memory", "--check-system": "check-system"}
INCLUDES_MAX = 64  # files within files; deeper than that is a file that includes itself


class CommandLine:
    """The command line, sorted out but not yet read."""

    __slots__ = ("path", "from_stdin", "options", "sentinel", "words")

    def __init__(self, argv: Sequence[str]) -> None:
        self.sentinel = is_sentinel(argv)
        self.path = ""  # of the configuration file, absolute; "" if there is none
        self.words = list(argv)  # argv with that path, to start the same server again from anywhere
        if len(argv) > 1 and not argv[1].startswith("-"):
            self.path = self.words[1] = absolute_path(argv[1])
        words = self.words[2 if self.path else 1:]
        self.from_stdin = words[-1:] == ["-"] or (not self.path and words[:1] == ["-"])
        if words[-1:] == ["-"]:
            words.pop()
        if not self.path and words[:1] == ["-"]:
            del words[0]
        self.options = options_text(words)  # as lines of a file


def parse_command_line(argv: Sequence[str]) -> CommandLine | Request:
    """argv as the system hands it over, the program's name first."""
    program = other_program(argv)
    if program is not None:
        return Request("run", program)
    words = server_words(argv, os.environ)
    if len(words) > 1 and words[1] in REQUESTS:
        return Request(REQUESTS[words[1]], words[2:])
    return CommandLine(words)


def is_sentinel(argv: Sequence[str]) -> bool:
    program = os.path.basename(argv[0]) if argv else ""
    return any(name in program for name in SENTINELS) or "--sentinel" in argv[1:]


def absolute_path(path: str) -> str:
    path = path.strip(" \r\n\t")
    return path if os.path.isabs(path) else os.path.abspath(path)


def options_text(words: Sequence[str]) -> str:
    """The options as lines of a configuration file."""
    text = ""
    complete = True  # whether the last option has its value, so that `--` may open another
    for at, word in enumerate(words):
        if not (complete and word.startswith("--")):
            text += quote_text(word) + " "
            complete = True
            continue
        text += ("\n" if text else "") + word[2:] + " "
        complete = not is_one_argument(word)
        if at + 1 == len(words) or words[at + 1].startswith("--"):
            if word.lower() == "--save":
                text += '""'
                complete = True
            elif word.lower() == "--sentinel":
                complete = True
    return text


def is_one_argument(word: str) -> bool:
    """Whether this is an option's name alone and not `--port 6380` in one word."""
    try:
        return len(split_text(word)) == 1
    except Unbalanced:
        return False


class Reader:
    """Reads text into the values of a configuration."""

    def __init__(self, config: Values) -> None:
        self.config = config
        self.seen: set[str] = set()  # attributes set by a line so far
        self.depth = 0  # of the file being read: how many includes led to it

    def read_defaults(self) -> None:
        """What the image adds to the defaults: before all else, so that every setting counts more."""
        flags = os.environ.get(DEFAULT_FLAGS, "")
        if flags:
            self.read_text(options_text(flags.split()))
            self.seen.clear()

    def read_password(self) -> None:
        """What the environment brings, where nothing that was read says whether there is a password, or which."""
        config = self.config
        stated = not self.seen.isdisjoint(("requirepass", "requirepass_file", "aclfile"))
        if stated or config.users or config.requirepass or config.requirepass_file or config.sentinel_mode:
            return
        found = EnvironmentPassword(os.environ)
        config.store(table.BY_NAME["requirepass"], found.password)
        config.store(table.BY_NAME["requirepass-file"], found.path)
        if found.skipped:
            config.log("warning", f"The file with the password, '{found.skipped}', can't be read: "
                                  "what the environment has in its place is the password.")

    def read_all(self, path: str, stdin: IO | None, options: str) -> None:
        """The file if there is one, then standard input if given, then the options."""
        text = read_file(path) if path else ""
        if stdin is not None:
            self.config.log("notice", "Reading config from stdin")
            content = stdin.read()
            text += decode(content) if isinstance(content, bytes) else content
        self.read_text(f"{text}\n{options}")

    def read_text(self, text: str) -> None:
        for number, line in enumerate(text.split("\n"), 1):
            line = line.strip(" \t\r\n")
            if line and not line.startswith("#"):
                self.read_directive(Directive(number, line))
        check_log_file(self.config)
        check_cluster(self.config)

    def read_directive(self, directive: Directive) -> None:
        arguments = directive.arguments
        if not arguments:
            return
        option = table.find(arguments[0])
        if option:
            try:
                self.set_option(option, arguments[1:])
            except ConfigError as error:
                raise directive.error(str(error)) from None
        elif not (arguments[0] in table.IGNORED and len(arguments) == 2) and not self.collect(directive):
            raise directive.error("Bad directive or wrong number of arguments")

    def set_option(self, option: Option, values: list[str]) -> None:
        """Several values may also come as one argument with blanks in it."""
        if not option.multiple and len(values) != 1:
            raise ConfigError("wrong number of arguments")
        if option.multiple and len(values) == 1 and values[0]:
            try:
                values = split_text(values[0])
            except Unbalanced:
                raise ConfigError("Unbalanced quotes in configuration line") from None
        first = option.attribute not in self.seen
        self.seen.add(option.attribute)
        self.config.store(option, option.parse_line(values, self.config.value(option), first))

    def collect(self, directive: Directive) -> bool:
        """The directives that are not options. False if this is none of them."""
        name, count = directive.arguments[0], len(directive.arguments) - 1
        config = self.config
        if name == "include" and count == 1:
            self.include(directive)
        elif name == "rename-command" and count == 2:
            config.renamed_commands.append(directive)
        elif name == "user" and count:
            config.users.append(directive)
        elif name == "loadmodule" and count:
            config.modules.append(directive)
        elif "." in name:
            if not count:
                raise directive.error("Module config specified without value")
            config.module_options[name] = " ".join(directive.arguments[1:])
        elif name == "sentinel":
            if count and not config.sentinel_mode:
                raise directive.error("sentinel directive while not in sentinel mode")
            if count:
                config.sentinel_lines.append(directive)
        else:
            return False
        return True

    def include(self, directive: Directive) -> None:
        if self.depth == INCLUDES_MAX:
            raise directive.error("Too many nested includes")
        self.depth += 1
        paths = included(directive.arguments[1], self.config.dir)
        self.read_text("\n".join([read_file(path) for path in paths]))
        self.depth -= 1


def included(pattern: str, directory: str) -> list[str]:
    """The files an include means: one that must be there, or however many match."""
    if not any(mark in pattern for mark in "*?["):
        return [os.path.join(directory, pattern)]
    import glob  # only those who use wildcards pay for loading it

    return [os.path.join(directory, path) for path in sorted(glob.glob(pattern, root_dir=directory))]


def read_file(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return decode(file.read())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FatalConfigError(f"Fatal error, can't open config file '{path}': {reason}") from None


def check_log_file(config: Values) -> None:
    """A log that cannot be written is better noticed now than by whoever looks for it."""
    if not config.logfile:
        return
    try:
        path = os.path.join(config.dir, config.logfile)
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666))
    except OSError as error:
        raise fatal(f"Can't open the log file: {error.strerror}") from None


def check_cluster(config: Values) -> None:
    if not config.cluster_enabled:
        return
    if config.replicaof:
        raise fatal("replicaof directive not allowed in cluster mode")
    if config.databases > 1:
        config.log("warning", f"WARNING: Changing databases number from {config.databases} to 1 "
                              "since we are in cluster mode")
        config.force("databases", "1")
