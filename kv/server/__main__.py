"""kv-server: reads the configuration, then runs the server until it is told to stop."""
from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)    # until the server catches it: no traceback of Python's
    if (tool := tool_named(os.path.basename(sys.argv[0]))) is not None:
        return tool()
    from kv.server.process import fill_standard_descriptors

    fill_standard_descriptors()
    from kv.server.config import Config, FatalConfigError, Request

    try:
        config = Config.from_command_line(sys.argv, sys.stdin.buffer)
    except FatalConfigError as error:
        return refuse(error)
    if isinstance(config, Request):
        from kv.server.about import answer

        return answer(config)
    from kv.server.server import run

    try:
        return run(config)
    except FatalConfigError as error:
        return refuse(error)


def tool_named(name: str) -> Callable[[], int] | None:
    """The program that the server is under another name: a link called redis-check-rdb checks files."""
    if "check-rdb" in name:
        from kv.cli.check_rdb import main as check_rdb

        return check_rdb
    if "check-aof" in name:
        from kv.cli.check_aof import main as check_aof

        return check_aof
    return None


def refuse(error: Exception) -> int:
    """Show what is wrong with the configuration, its lines as they are; the exit status."""
    sys.stderr.buffer.write(f"{error}\n".encode("utf-8", "surrogateescape"))
    return 1


if __name__ == "__main__":
    sys.exit(main())
