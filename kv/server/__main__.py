"""kv-server: reads the configuration, then runs the server until it is told to stop."""
from __future__ import annotations

import sys


def main() -> int:
    from kv.server.config import Config, FatalConfigError, Request

    try:
        config = Config.from_command_line(sys.argv, sys.stdin.buffer)
    except FatalConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if isinstance(config, Request):
        from kv.server.about import answer

        return answer(config)
    if config.sentinel_mode:
        sys.stderr.write("kv-server: Sentinel mode is not part of this release\n")
        return 1
    from kv.server.server import run

    return run(config)


if __name__ == "__main__":
    sys.exit(main())
