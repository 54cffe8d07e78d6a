"""A server with an append-only file, and such files made by hand."""
from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.commands.client import Client, request
from tests.program import KV_SERVER, START_SECONDS, Program


class Server(Program):
    """`with Server(folder, appendonly="yes") as server: server("SET", "k", "v")`; options with _ for -."""

    def __init__(self, folder: Path, file_size_limit: int | None = None, wait: bool = True,
                 environment: dict[str, str] | None = None, prepare: Callable[[], object] | None = None,
                 command: Sequence[str] = KV_SERVER, **options: Any) -> None:
        options = {"enable_debug_command": "yes", "appendonly": "yes", **options}
        words = [word for name, value in options.items() for word in ("--" + name.replace("_", "-"), str(value))]
        super().__init__(folder, *words, command=command, wait=False, file_size_limit=file_size_limit,
                         environment=environment, prepare=prepare)
        self.connection: Client | None = None
        if wait:
            self.wait_loaded()

    def wait_loaded(self) -> None:
        """Wait until it serves, the dataset read."""
        self.wait_ready()
        self.connection = self.connect()
        self.until(lambda: not str(self("PING")).startswith("LOADING"), START_SECONDS)

    def __call__(self, *words: Any) -> Any:
        assert self.connection is not None
        return self.connection(*words)

    def pipe(self, commands: list[tuple]) -> list[Any]:
        assert self.connection is not None
        self.connection.socket.sendall(b"".join([request(*words) for words in commands]))
        return [self.connection.reply() for _ in commands]

    def info(self, section: str = "persistence") -> dict[str, str]:
        lines = self("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def rewritten(self, count: int = 1) -> None:
        """Wait for so many rewrites to be over."""
        def over() -> bool:
            figures = self.info()
            return figures["aof_rewrites"] == str(count) and figures["aof_rewrite_in_progress"] == "0"

        self.until(over)

    def crash(self) -> None:
        """Kill it, once its log is in the file: while a sync of each second is slow, the log waits up to two seconds."""
        self.until(lambda: self.info().get("aof_buffer_length", "0") == "0")
        self.kill()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.connection is not None:
            with contextlib.suppress(OSError):
                self.connection.close()
        self.kill()


def commands(*lines: str) -> bytes:
    """The bytes of commands, a line each, words apart by blanks."""
    return b"".join([request(*line.split()) for line in lines])


def make_files(folder: Path, stem: str = "appendonly.aof", base: bytes | None = None,
               *increments: bytes) -> Path:
    """Files of an append-only file, and the manifest that names them; its folder."""
    inside = folder / "appendonlydir"
    inside.mkdir(exist_ok=True)
    lines = []
    if base is not None:
        (inside / f"{stem}.1.base.aof").write_bytes(base)
        lines.append(f"file {stem}.1.base.aof seq 1 type b\n")
    for number, data in enumerate(increments, 1):
        (inside / f"{stem}.{number}.incr.aof").write_bytes(data)
        lines.append(f"file {stem}.{number}.incr.aof seq {number} type i\n")
    (inside / f"{stem}.manifest").write_text("".join(lines))
    return inside
