"""What is kept in the home folder: the preferences file, whose lines may also be typed at the prompt, and
the names of both it and the history file.

    :set hints     show the arguments that are still to come behind the cursor
    :set nohints   do not
    :get pubsub    print 1 while subscribed to anything, else 0
"""

import os

from kv.cli.session import Session
from kv.quoting import Unbalanced, split

RC_VARIABLES = ("KVCLI_RCFILE", "VALKEYCLI_RCFILE", "REDISCLI_RCFILE")
HISTORY_VARIABLES = ("KVCLI_HISTFILE", "VALKEYCLI_HISTFILE", "REDISCLI_HISTFILE")

show_hints = True


def dotfile(variables: tuple[str, ...], name: str) -> str | None:
    """The first of the variables that is set, or the file in the home folder; None for /dev/null."""
    for variable in variables:
        path = os.environ.get(variable)
        if path:
            return None if path == "/dev/null" else path
    home = os.environ.get("HOME")
    return os.path.join(home, name) if home else None


def history_file() -> str | None:
    return dotfile(HISTORY_VARIABLES, ".kvcli_history")


def load() -> None:
    path = dotfile(RC_VARIABLES, ".kvclirc")
    try:
        with open(path or os.devnull, "rb") as stream:
            lines = stream.readlines()
    except OSError:
        return
    for line in lines:
        try:
            words = split(line)
        except Unbalanced:
            continue
        if words:
            apply(words)


def apply(words: list[bytes], session: Session | None = None) -> None:
    """Carry out one line; without a session it came from the file, and complaints say so."""
    global show_hints
    origin = ".kvclirc: " if session is None else ""
    command, name = words[0].lower(), words[1].lower() if len(words) > 1 else b""
    if command == b":set" and name:
        if name in (b"hints", b"nohints"):
            show_hints = name == b"hints"
        else:
            print(f"{origin}unknown kv-cli preference '{shown(words[1])}'", flush=True)
    elif command == b":get" and name:
        if name == b"pubsub":
            print(int(session is not None and session.subscribed), flush=True)
        else:
            print(f"{origin}unknown kv-cli get option '{shown(words[1])}'", flush=True)
    else:
        print(f"{origin}unknown kv-cli internal command '{shown(words[0])}'", flush=True)


def shown(word: bytes) -> str:
    return word.decode("utf-8", "replace")
