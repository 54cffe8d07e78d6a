"""kv-cli, also installed as kv: the command line client.

A health probe starts this program every few seconds in a small container, so what `kv ping` pays for is
decided here: nothing is imported before it is needed, and the common case (one command in the arguments)
needs five small modules and `socket`. Everything else - the prompt, the scans, the help - hangs below the
branch that asks for it. tests/integration/cli/test_cli_startup.py holds the list of what may be loaded.
"""

import os
import sys

TYPE_CHECKING = False  # as in typing, which would have to be loaded for it
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kv.cli.session import Session


def main() -> int:
    """Run the program; the exit status is what valkey-cli's would be."""
    from kv.cli.errors import Disconnected, Fatal
    from kv.cli.interrupts import die_of_interrupts

    die_of_interrupts()
    try:
        return run(sys.argv[1:])
    except Fatal as stop:
        print(stop, file=sys.stderr)
        return 1
    except Disconnected as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # at the prompt, where it is not the end of a line or a command
        return 130
    except BrokenPipeError:
        # Our reader went away (`kv --scan | head`): leave as a C program does that dies of SIGPIPE, and
        # without the interpreter's last flush, which would complain.
        os._exit(141)


def run(argv: list[str]) -> int:
    from kv.cli.options import parse

    options = parse(argv)
    if options.mode:
        from kv.cli.modes import run_mode

        return run_mode(options)

    from kv.cli.session import Session

    session = Session(options, {"help": show_help, "follow": follow, "debug": debug})
    if options.eval_file:
        from kv.cli.script import run_script

        return run_script(session, options)
    if not options.command:
        from kv.cli.repl import run_repl

        return run_repl(session, options)
    return run_command(session)


def show_help(session: "Session", words: "Sequence[bytes]") -> None:
    from kv.cli.help import print_help

    print_help(session, words)


def follow(session: "Session") -> None:
    from kv.cli import replica

    replica.follow(session)


def debug(session: "Session") -> None:
    from kv.cli.debugger import start_debugging

    start_debugging(session)


def run_command(session: "Session") -> int:
    """One command from the arguments; a subscription then prints until the connection ends."""
    from kv.cli.arguments import command_words

    words = command_words(session.options)
    # Where AUTH or SELECT fails the command is still sent: it may be AUTH itself, and the server knows best.
    if words[0].lower() not in (b"help", b"?") and not session.connect() and session.connection is None:
        return 1
    if not session.run(words, session.options.repeat):
        return 1
    while session.subscribed:
        session.read_reply()
    return 0


if __name__ == "__main__":
    sys.exit(main())
