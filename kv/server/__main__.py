"""kv-server: reads the configuration, then runs the server until it is told to stop."""
from __future__ import annotations

import os
import signal
import sys


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)    # until the server catches it: no traceback of Python's
    become_tool(os.path.basename(sys.argv[0]))
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


def become_tool(name: str) -> None:
    """Under another name the server is another program: a link called redis-check-rdb checks files."""
    for tool in ("check-rdb", "check-aof"):
        if tool in name:
            os.execv(sys.executable, [sys.executable, "-m", "kv.cli." + tool.replace("-", "_"), *sys.argv[1:]])


def refuse(error: Exception) -> int:
    """Show what is wrong with the configuration, its lines as they are; the exit status."""
    sys.stderr.buffer.write(f"{error}\n".encode("utf-8", "surrogateescape"))
    return 1


if __name__ == "__main__":
    sys.exit(main())
