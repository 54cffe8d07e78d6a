"""The configuration of a server: one value for each option of the table, as plain attributes.

    config = Config.from_command_line(sys.argv, sys.stdin.buffer)
    config.maxmemory, config.bind, config.appendonly         values for Python, as their kind makes them
    config.match(["maxmemory*"])                              CONFIG GET
    config.set_many([("maxmemory", "1gb"), ("hz", "50")])     CONFIG SET
    config.rewrite()                                          CONFIG REWRITE

Reading an option is reading an attribute, nothing more, so it may be done anywhere. Changing one is done here
alone: all values of a CONFIG SET are checked before any takes effect, and the parts of the server that must
act on a change say so with on_change. A part that cannot act raises ConfigError, and then everybody is called
again with the old values: a CONFIG SET happens as a whole or not at all.

What about an option the server itself changes, such as replicaof after REPLICAOF? It calls force, which asks
nobody."""
from __future__ import annotations

from . import file, glob, table
from .directive import Request
from .option import DEBUG, DENY_LOADING, HIDDEN, IMMUTABLE, PROTECTED, SENSITIVE, VOLATILE, ConfigError
from .source import Reader, absolute_path, parse_command_line
from .values import Values, parse_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import IO, Any

    from .option import Line, Option

    Hook = Callable[["Config"], object]
    Pair = tuple[str, str]  # an option's name and the text to set it to

class Config(Values):
    """The configuration of a running server, and who wants to know of changes."""

    def __init__(self, *, sentinel: bool = False) -> None:
        super().__init__(sentinel=sentinel)
        self.restoring = False  # hooks are called because a CONFIG SET failed, with the old values
        self._hooks: list[tuple[frozenset[Option], Hook]] = []

    @classmethod
    def from_command_line(cls, argv: Sequence[str], stdin: IO) -> Config | Request:
        """The configuration argv asks for, or the Request it makes instead. Raises FatalConfigError.

        stdin is read only if argv says so with a `-`.
        """
        line = parse_command_line(argv)
        if isinstance(line, Request):
            return line
        config = cls(sentinel=line.sentinel)
        config.file = line.path
        config.words = line.words
        config.executable = absolute_path(argv[0])
        config.started_in = config.dir
        reader = Reader(config)
        reader.read_defaults()
        if len(line.words) > 1:
            reader.read_all(line.path, stdin if line.from_stdin else None, line.options)
        reader.read_password()
        config.first_dir = config.dir
        return config

    def match(self, patterns: Iterable[str]) -> dict[str, str]:
        """CONFIG GET: every name that one of the patterns matches, older names too, and its value.

        A plain name is looked up and answered as it was spelled; only so can a hidden option be seen.
        """
        found: dict[str, Option] = {}
        seen: set[str] = set()
        for pattern in patterns:
            if not glob.has_wildcard(pattern):
                names = [pattern] if table.find(pattern) else []
            else:
                names = [name for name, option in table.BY_NAME.items()
                         if not option.flags & HIDDEN and glob.matches(pattern, name)]
            for name in names:
                if name.lower() not in seen:
                    seen.add(name.lower())
                    found[name] = table.BY_NAME[name.lower()]
        return {name: option.format(self.value(option)) for name, option in found.items()}

    def is_sensitive(self, name: str) -> bool:
        """Whether the value given for this name must not appear in logs."""
        option = table.find(name)
        return option is not None and bool(option.flags & SENSITIVE)

    def on_change(self, names: Iterable[str], hook: Hook) -> None:
        """Call hook(config) after CONFIG SET changed any of these options; once, however many it changed.

        The hook applies the values to the running server. It may refuse with ConfigError, whose text is the
        reason alone, and must then leave things so that a call with the old values puts them right.
        """
        self._hooks.append((frozenset([table.BY_NAME[name] for name in names]), hook))

    def set_many(self, pairs: Iterable[Pair], *, loading: bool = False, local: bool = True) -> None:
        """CONFIG SET: every pair or none. Raises ConfigError with the whole error reply.

        loading: whether the dataset is being loaded; local: whether the client is on this machine.
        """
        changes = self._resolve(pairs, loading, local)
        before = {option: self.value(option) for _, option, _ in changes}
        changed: list[tuple[str, Option]] = []
        for label, option, text in changes:
            try:
                value = parse_text(option, text, before[option])
            except ConfigError as error:
                self._restore(before)
                raise refusal(label, str(error)) from None
            if not option.equal(value, before[option]) or option.flags & VOLATILE:
                self.store(option, value)
                changed.append((label, option))
        self._apply(changed, before)

    def _resolve(self, pairs: Iterable[Pair], loading: bool, local: bool) -> list[tuple[str, Option, str]]:
        """(name, option, text) of each pair, all of which may be set by this client now."""
        changes: list[tuple[str, Option, str]] = []
        allowed = self.enable_protected_configs in (("yes", "local") if local else ("yes",))
        for name, text in pairs:
            option = table.find(name)
            if option is None:
                raise ConfigError(f"ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            if option.flags & IMMUTABLE:
                raise refusal(name, "can't set immutable config")
            if option.flags & PROTECTED and not allowed:
                raise refusal(name, "can't set protected config")
            if option.flags & DENY_LOADING and loading:
                title = "Redis" if self.extended_redis_compatibility else "Valkey"
                raise ConfigError(f"LOADING {title} is loading the dataset in memory")
            if any(name.lower() == other for other, _, _ in changes):    # its other name counts as another option
                raise refusal(name, "duplicate parameter")
            changes.append((name.lower(), option, text))
        return changes

    def _apply(self, changed: list[tuple[str, Option]], before: dict[Option, Any]) -> None:
        """Call the hooks of what changed, in the order in which it was set."""
        called: list[Hook] = []
        for label, option in changed:
            for options, hook in self._hooks:
                if option not in options or hook in called:
                    continue
                called.append(hook)
                try:
                    hook(self)
                except BaseException as error:
                    self.log("warning", "Failed applying new configuration. Possibly related to new "
                                        f"{label} setting. Restoring previous settings.")
                    self._restore(before, called)
                    if isinstance(error, ConfigError):
                        raise refusal(label, str(error)) from None
                    raise

    def _restore(self, before: dict[Option, Any], hooks: Iterable[Hook] = ()) -> None:
        """Put the old values back and have those act on them who acted on the new ones."""
        for option, value in before.items():
            self.__dict__[option.attribute] = value
        self.restoring = True
        for hook in hooks:
            try:
                hook(self)
            except (ConfigError, OSError) as error:
                self.log("warning", f"Failed applying restored failed CONFIG SET command: {error}")
        self.restoring = False

    def rewrite(self, *, users: Iterable[Line] | None = None, modules: Iterable[str] | None = None,
                sentinel: Iterable[str] | None = None, everything: bool = False) -> None:
        """CONFIG REWRITE. Raises ConfigError with the whole error reply.

        users, modules, sentinel: the lines of these directives as they are to be now (None: as the file has
        them); a user's with whether the file must get it where it has none. everything: write options at their
        default as well.
        """
        if not self.file:
            raise ConfigError("ERR The server is running without a config file")
        try:
            old = file.read_or_empty(self.file)
            new = file.rewritten(old, self, users, modules, sentinel, everything)
            file.replace_file(self.file, new)
        except OSError as error:
            self.log("warning", f"CONFIG REWRITE failed: {error.strerror}")
            raise ConfigError(f"ERR Rewriting config file: {error.strerror}") from None
        self.log("notice", "CONFIG REWRITE executed with success.")

    def debug_lines(self) -> list[str]:
        """The options that a crash report should show, as lines of a file."""
        return [line for option in table.OPTIONS if option.flags & DEBUG
                for line, _ in option.lines(self.value(option))]


def refusal(label: str, reason: str) -> ConfigError:
    message = f"ERR CONFIG SET failed (possibly related to argument '{label}')"
    return ConfigError(f"{message} - {reason}" if reason else message)
