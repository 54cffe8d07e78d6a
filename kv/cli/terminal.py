"""Lines of a person at a terminal: editing, history, completion, and hints of the arguments to come.

The hint is drawn behind the cursor in grey and is no part of the line. Commands are completed with Tab.
Both come from the server's own COMMAND DOCS, fetched on a connection beside the session's when the first
key is pressed.
"""

import contextlib
import os
from collections.abc import Iterable

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.shortcuts import CompleteStyle

from kv.cli import preferences
from kv.cli.docs import Manual
from kv.cli.hints import hint_for
from kv.cli.secrets import is_secret
from kv.cli.session import Session
from kv.quoting import Unbalanced, split

HISTORY_LINES = 1000
HINT_STYLE = "fg:ansibrightblack"


class LineHistory(History):
    """A line of the file is a line that was typed, oldest first; the file is the user's alone."""

    def __init__(self, path: str | None) -> None:
        super().__init__()
        self.path = path

    def load_history_strings(self) -> Iterable[str]:
        if self.path is None:
            return
        try:
            with open(self.path, encoding="utf-8", errors="surrogateescape") as stream:
                lines = stream.read().splitlines()
        except OSError:
            return
        yield from reversed(lines[-HISTORY_LINES:])

    def store_string(self, string: str) -> None:
        """Called for every line; one that carries a secret stays in memory only."""
        if self.path is None or _keeps_secret(string):
            return
        with contextlib.suppress(OSError):
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with open(handle, "a", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(string + "\n")


def _keeps_secret(line: str) -> bool:
    """A line whose quotes do not match is never run; it is judged by what its words look like."""
    raw = line.encode("utf-8", "surrogateescape")
    try:
        words = split(raw)
    except Unbalanced:
        words = raw.split()
    if len(words) > 1 and words[0].isdigit():
        words = words[1:]
    return bool(words) and is_secret(words)


class CommandCompleter(Completer):
    def __init__(self, manual: Manual) -> None:
        self.manual = manual

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text = document.text_before_cursor
        wants_help = text.lower().startswith("help ")
        typed = text[5:].lstrip() if wants_help else text
        for name in self.manual.names(groups=wants_help):
            if name.lower().startswith(typed.lower()):
                yield Completion(name, start_position=-len(typed))


class HintProcessor(Processor):
    """Draws the hint behind the line while the cursor is at its end."""

    def __init__(self, session: Session, manual: Manual) -> None:
        self.session = session
        self.manual = manual

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        fragments = transformation_input.fragments
        hint = self._hint(transformation_input.document)
        if not hint:
            return Transformation(fragments)
        extended: StyleAndTextTuples = [*fragments, (HINT_STYLE, hint)]
        return Transformation(extended)

    def _hint(self, document: Document) -> str:
        text = document.text
        wanted = preferences.show_hints and not self.session.debugging
        if not wanted or not text or not document.is_cursor_at_the_end or get_app().is_done:
            return ""
        hint = hint_for(self.manual, text)
        return hint if not hint or text[-1].isspace() else " " + hint


class TerminalLines:
    def __init__(self, session: Session) -> None:
        manual = Manual(session)
        self.prompt_session: PromptSession[str] = PromptSession(
            history=LineHistory(preferences.history_file()),
            completer=CommandCompleter(manual),
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            reserve_space_for_menu=0,
            input_processors=[HintProcessor(session, manual)],
            enable_history_search=False,
        )

    def pending(self) -> bool:
        return False

    def read(self, prompt: str) -> bytes | None:
        """Ctrl-D on an empty line ends the input; Ctrl-C drops what was typed, or ends it too."""
        while True:
            try:
                line: str = self.prompt_session.prompt(prompt)
            except EOFError:
                return None
            except KeyboardInterrupt:
                if self.prompt_session.default_buffer.text:
                    continue
                return None
            return line.encode("utf-8", "surrogateescape")
