"""The server's Lua debugger, as the prompt shows it.

While debugging, every line of the prompt goes to the server, which answers with arrays of lines marked
<reply>, <error> and the like; `<endsession>` in one of them says that the script is over and its EVAL's own
reply comes next.
"""

import os

from kv.cli.format import formatter, raw
from kv.cli.options import RAW, STANDARD
from kv.cli.resp import AGGREGATES, STATUS, Reply
from kv.cli.session import Session
from kv.quoting import split

END = b"<endsession>"
BOLD, RED, GREEN, YELLOW, MAGENTA, CYAN, WHITE = "1;37", "0;31", "0;32", "0;33", "0;35", "0;36", "0;37"
MARKS = {
    b"<value>": MAGENTA,
    b"<retval>": MAGENTA,
    b"<hint>": BOLD,
    b"<error>": RED,
    b"<reply>": CYAN,
    b"<redis>": GREEN,
    b"<command>": GREEN,
    b"<debug>": BOLD,
}


def start_debugging(session: Session) -> None:
    session.debugging = True
    session.options.output = RAW
    session.render = lambda reply: _render(session, reply) + b"\n"


def stop_debugging(session: Session) -> None:
    session.debugging = False
    session.debug_next_eval = False
    session.options.output = STANDARD
    session.render = formatter(session.options)


def _render(session: Session, reply: Reply) -> bytes:
    if reply.kind in AGGREGATES:
        return session.item_delimiter.join(_render(session, item) for item in reply.items)
    if reply.kind != STATUS:
        return raw(reply, session.item_delimiter)
    if reply.data.startswith(END):
        stop_debugging(session)
        session.debug_ended = True
        return b""
    return coloured(reply.data)


def coloured(line: bytes) -> bytes:
    """Replies by their mark, source lines by whether they are the current one or a break point."""
    if "xterm" not in os.environ.get("TERM", ""):
        return line
    colour = next((colour for mark, colour in MARKS.items() if mark in line), WHITE)
    if line[3:4].isdigit():
        if line[1:2] == b">":
            colour = YELLOW
        elif line[2:3] == b"#":
            colour = BOLD
    return b"\033[%b;49m%b\033[0m" % (colour.encode(), line)


def show_final_reply(session: Session) -> None:
    """The reply of the EVAL, which the server sends when the debugger has ended."""
    session.debug_ended = False
    session.read_reply()
    undone = "" if session.debug_sync else " -- dataset changes rolled back"
    print(f"\n(Lua debugging session ended{undone})\n", flush=True)
    session.connect()  # the server closes the connection with the session


def split_debugger_line(line: bytes) -> list[bytes]:
    """`eval` and `e` take the rest of the line as it is: Lua code has quotes of its own. Raises
    Unbalanced."""
    command, blank, code = line.partition(b" ")
    if blank and command in (b"e", b"eval"):
        return [command, code]
    return split(line)
