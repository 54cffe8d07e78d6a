"""Writing the dataset to a file, whoever does it: a child or the loop, in RDB or as commands."""
from __future__ import annotations

import os
import time

from kv._core.engine.inspect import database_figures

from .log import log
from .progress import Progress, private_bytes
from .trouble import troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kv._core.engine.engine import Engine
    from kv._core.engine.snapshot import Snapshot

    from .config import Config

NOTED_MS = 20               # between two notes of how far a child is
SYNC_BYTES = 4 << 20        # rdb-save-incremental-fsync, aof-rewrite-incremental-fsync: bytes between two syncs


def write_snapshot(snapshot: Snapshot, config: Config, progress: Progress | None = None) -> None:
    """Have a snapshot write everything, as slowly as rdb-key-save-delay wants. Raises OSError."""
    delay = config.rdb_key_save_delay
    delay_us = delay if delay >= 0 else -1 / delay  # negative: so many keys a microsecond
    keys, more = 0, True
    while more:
        more = snapshot.step(keys=1 if delay_us >= 1 else 0, ms=NOTED_MS)
        if progress is not None:
            progress.note(snapshot.keys)
        if delay_us:
            time.sleep((snapshot.keys - keys) * delay_us / 1e6)
            keys = snapshot.keys


def forget_pages(fd: int, what: str) -> None:
    """A hint to the system: the file is not read soon. `what` it is, for the log."""
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError as error:
        troubles.report(f"Advising the system about {what}", error)


def count_keys(engine: Engine) -> int:
    return sum([keys for keys, _, _ in database_figures(engine)])


def report_copied(pipe: int, what: str) -> None:
    """In a child that did its work: log what it cost by copying pages, and tell the server."""
    size = private_bytes()
    log("notice", f"Fork CoW for {what}: current {size >> 20} MB, peak {size >> 20} MB, average {size >> 20} MB")
    os.write(pipe, b"%d" % size)


def remove_leftovers(folder: str, prefix: str, suffix: str) -> None:
    """Delete what processes that are gone left in the folder of the data under a name of prefix, process number, suffix. At the
    start: our own number is that of another process then, too."""
    try:
        for name in os.listdir(folder):
            if not (name.startswith(prefix) and name.endswith(suffix)):
                continue
            pid = name[len(prefix):len(name) - len(suffix)]
            if pid.isdecimal() and (int(pid) == os.getpid() or not os.path.exists(f"/proc/{pid}")):
                log("notice", f"Removing the unfinished file {name}")
                os.unlink(os.path.join(folder, name))
    except OSError as error:
        troubles.report("Removing unfinished files", error)
