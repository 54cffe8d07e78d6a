"""--eval: run a Lua script from a file, or step through it in the server's debugger (--ldb).

While debugging, every line of the prompt goes to the server, which answers with arrays of lines marked
<reply>, <error> and the like; `<endsession>` in one of them says that the script is over and its EVAL's own
reply comes next.
"""

import os

from kv.cli.arguments import split
from kv.cli.errors import Fatal
from kv.cli.format import formatter, raw
from kv.cli.options import RAW, STANDARD, Options
from kv.cli.resp import AGGREGATES, STATUS, Reply
from kv.cli.session import Session

INTRODUCTION = """Lua debugging session started, please use:
quit    -- End the session.
restart -- Restart the script in debug mode again.
help    -- Show Lua script debugging commands.
"""

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


def run_script(session: Session, options: Options) -> int:
    session.require()
    if options.debug_script:
        debug(session, options)
        return 0
    return 0 if session.run(eval_words(options), options.repeat) else 1


def eval_words(options: Options) -> list[bytes]:
    """EVAL of the file: words up to a lone comma are keys, those behind it arguments."""
    try:
        with open(options.eval_file or "", "rb") as stream:
            script = stream.read()
    except OSError as error:
        raise Fatal(f"Can't open file '{options.eval_file}': {error.strerror}") from None
    words = [os.fsencode(word) for word in options.command]
    comma = words.index(b",") if b"," in words else len(words)
    return [b"EVAL", script, b"%d" % comma, *words[:comma], *words[comma + 1 :]]


# ---- debugging


def debug(session: Session, options: Options) -> None:
    """Debugging sessions, one more for each `restart`; the file is read again every time."""
    from kv.cli.repl import Repl

    prompt = Repl(session, options)
    while True:
        print(INTRODUCTION, flush=True)
        if not _start_script(session, options):
            return
        prompt.restart = False
        prompt.run()
        if not prompt.restart:
            return
        session.connect()  # the old script must not go on
        print()


def _start_script(session: Session, options: Options) -> bool:
    words = eval_words(options)
    reply = session.require().call(b"SCRIPT", b"DEBUG", options.debug_script.encode())
    if reply.is_error:
        raise Fatal(reply.text)
    session.debug_sync = options.debug_script == "sync"
    start_debugging(session)
    session.run(words)
    if session.debugging:
        return True
    print("Eval debugging session can't start:", flush=True)  # the script did not compile
    session.read_reply()
    return False


def start_debugging(session: Session) -> None:
    session.debugging = True
    session.options.output = RAW
    session.render = lambda reply: _render(session, reply) + b"\n"


def _stop_debugging(session: Session) -> None:
    session.debugging = False
    session.debug_next_eval = False
    session.debug_ended = True
    session.options.output = STANDARD
    session.render = formatter(session.options)


def _render(session: Session, reply: Reply) -> bytes:
    if reply.kind in AGGREGATES:
        return session.item_delimiter.join(_render(session, item) for item in reply.items)
    if reply.kind != STATUS:
        return raw(reply, session.item_delimiter)
    if reply.data.startswith(END):
        _stop_debugging(session)
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
    if not session.debug_sync:
        session.connect()  # the connection was the debugged child's, which is gone


def split_debugger_line(line: bytes) -> list[bytes] | None:
    """`eval` and `e` take the rest of the line as it is: Lua code has quotes of its own."""
    command, blank, code = line.partition(b" ")
    if blank and command in (b"e", b"eval"):
        return [command, code]
    return split(line)
