"""The file of a snapshot: written beside the one before, which it replaces once it is whole and on disk.

    temp-<pid>.rdb written, synced, renamed to dbfilename; the folder synced

A step that fails is logged in Valkey's words, and leaves the file of the snapshot before as it was.
"""
from __future__ import annotations

import contextlib
import os

from kv._core.engine.snapshot import Snapshot

from ..disk import sync_folder
from ..log import log
from ..saving import SYNC_BYTES, forget_pages, write_snapshot
from ..trouble import reason, troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kv._core.engine.engine import Engine

    from ..config import Config
    from ..progress import Progress

PREFIX, SUFFIX = "temp-", ".rdb"        # of what is being written


def temporary_name(pid: int) -> str:
    return f"{PREFIX}{pid}{SUFFIX}"


def save_file(engine: Engine, config: Config, progress: Progress | None = None, keep_pages: bool = False) -> bool:
    """Write the dataset to dbfilename, from this process. `keep_pages`: the file is read again soon. False, and logged, where
    that fails."""
    name = config.path(temporary_name(os.getpid()))
    if not write_file(engine, config, name, progress, keep_pages):
        return False
    try:
        os.rename(name, config.path(config.dbfilename))
    except OSError as error:
        troubles.report_line(f"Error moving temp DB file {name} on the final destination {config.dbfilename} "
                             f"(in server root dir {folder(config)}): {reason(error)}")
        remove(name)
        return False
    try:
        sync_folder(config.folder or ".")
    except OSError as error:
        troubles.report("Failed to fsync directory while saving DB", error)
        return False
    log("notice", "DB saved on disk")
    return True


def write_file(engine: Engine, config: Config, name: str, progress: Progress | None, keep_pages: bool) -> bool:
    """Write the dataset to a new file, and sync it. False, and logged, where that fails; there is no file then."""
    try:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError as error:
        troubles.report(f"Failed opening the temp RDB file {name} (in server root dir {folder(config)}) for saving", error)
        return False
    step = "rdbSaveRio"
    try:
        snapshot = Snapshot(engine, fd, SYNC_BYTES if config.rdb_save_incremental_fsync else 0,
                            rdb_version=config.rdb_write_version, compress=config.rdbcompression, checksum=config.rdbchecksum)
        write_snapshot(snapshot, config, progress)
        step = "fsync"
        os.fsync(fd)
        if not keep_pages:
            forget_pages(fd, "the RDB file")
        step, closing, fd = "fclose", fd, -1
        os.close(closing)
    except OSError as error:
        troubles.report(f"Write error while saving DB to the disk({step})", error)
        with contextlib.suppress(OSError):
            if fd >= 0:
                os.close(fd)
        remove(name)
        return False
    return True


def folder(config: Config) -> str:
    """For the log."""
    try:
        return os.path.abspath(config.folder)
    except OSError:
        return "unknown"


def remove(name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name)

