"""--eval: run a Lua script from a file, or step through it in the server's debugger (--ldb).

What the debugger's replies look like, and its prompt's lines, are in debugger.py.
"""

import os

from kv.cli.debugger import start_debugging
from kv.cli.errors import Fatal
from kv.cli.options import Options
from kv.cli.repl import Repl
from kv.cli.session import Session

INTRODUCTION = """Lua debugging session started, please use:
quit    -- End the session.
restart -- Restart the script in debug mode again.
help    -- Show Lua script debugging commands.
"""

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
