"""--stat: one line of INFO's most telling figures, again and again."""

import time
from collections.abc import Iterator

from kv.cli.errors import Disconnected, Fatal
from kv.cli.options import Options
from kv.cli.resp import Connection, Reply
from kv.cli.session import Session

HEADER = (
    "------- data ------ --------------------- load -------------------- - child -\n"
    "keys       mem      clients blocked requests            connections          "
)
HEADER_EVERY = 20  # lines
CHILDREN = {1: "SAVE", 2: "AOF", 3: "SAVE+AOF", 4: "LOAD"}


class Reconnecting:
    """Calls that survive a server's restart: tried once a second until one gets through."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.connection: Connection | None = session.require()

    def call(self, *words: bytes) -> Reply:
        tries = 0
        while True:
            try:
                if self.connection is None:
                    tries += 1
                    print(f"\r\x1b[0KReconnecting... {tries}\r", end="", flush=True)
                    time.sleep(1)
                    self.connection = self.session.connection if self.session.connect(quiet=True) else None
                    continue
                reply = self.connection.call(*words)
            except Disconnected:
                self.connection = None
                continue
            if tries:
                print("\r\x1b[0K", end="", flush=True)
            return reply


def watch(session: Session, options: Options) -> int:
    server = Reconnecting(session)
    interval = options.interval or 1.0
    commands = 0
    for header in _header_turns():
        reply = server.call(b"INFO")
        if reply.is_error:
            raise Fatal(f"ERROR: {reply.text}")
        info = parse_info(reply.text)
        if header:
            print(HEADER)
        before, commands = commands, _number(info, "total_commands_processed")
        print(line(info, commands - before if before else 0), flush=True)
        time.sleep(interval)
    return 0


def _header_turns() -> Iterator[bool]:
    while True:
        yield True
        for _ in range(HEADER_EVERY - 1):
            yield False


def parse_info(text: str) -> dict[str, str]:
    lines = (entry.partition(":") for entry in text.splitlines())
    return {name: value for name, colon, value in lines if colon}


def _number(info: dict[str, str], field: str) -> int:
    value = info.get(field, "")
    return int(value) if value.isdigit() else 0


def line(info: dict[str, str], new_commands: int) -> str:
    keys = sum(_keys_of(value) for name, value in info.items() if name[:2] == "db" and name[2:].isdigit())
    requests = f"{_number(info, 'total_commands_processed')} (+{new_commands})"
    child = _number(info, "rdb_bgsave_in_progress")
    child |= _number(info, "aof_rewrite_in_progress") << 1
    child |= _number(info, "loading") << 2
    return (
        f"{keys:<11}{human_bytes(_number(info, 'used_memory')):<8}"
        f" {_number(info, 'connected_clients'):<8}{_number(info, 'blocked_clients'):<8}{requests:<19}"
        f" {_number(info, 'total_connections_received'):<12}{CHILDREN.get(child, '')}"
    )


def _keys_of(value: str) -> int:
    """`keys=10,expires=0,...`"""
    return int(value.partition(",")[0].removeprefix("keys="))


def human_bytes(count: int) -> str:
    if count < 1024:
        return f"{count}B"
    size = float(count)
    for unit in "KMGT":
        size /= 1024
        if size < 1024 or unit == "T":
            break
    return f"{size:.2f}{unit}"
