"""Data in the server's folder that it neither wrote nor read in this run.

    appendonly.aof.1.base.aof without a manifest    what `cp *.aof` leaves
    a manifest and its files, appendonly being no   what an older configuration wrote
    appendonly.aof beside the folder                what an older server wrote
    dump.rdb, appendonly being yes                  a snapshot, which is loaded where appendonly is no, or by aof-import-rdb

A server that starts without them looks empty, and what it writes then takes their place. So a start is refused where data
would be left unread that it was meant to read, and CONFIG SET appendonly yes and BGREWRITEAOF where data would be replaced.
The line says what is there, that nothing was touched, and both ways out: to have the data, and to go without.

Where it is not plain that the data are meant the server starts and says what it leaves alone: a snapshot beside an
append-only file (both are there where Redis had both; the append-only file is the newer one, and Redis takes it, too), an
append-only file while appendonly is no, and files of another appendfilename, since servers may share a folder.
"""
from __future__ import annotations

import os

from .manifest import ManifestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..config import Config
    from .manifest import Folder, Manifest

NAMES_SHOWN = 4
RDB_HEADER_BYTES = 9        # "REDIS0011", "VALKEY080"
RDB_SIGNATURES = (b"REDIS0", b"VALKEY")
RDB_READ_BYTES = 4096       # enough for what stands before the first key
RDB_AUX, RDB_EOF = 0xFA, 0xFF
RDB_END_BYTES = 9           # RDB_EOF and the checksum
RDB_INTEGER_BYTES = {0xC0: 1, 0xC1: 2, 0xC2: 4}     # of a string that is written as an integer


def unread_snapshot(config: Config) -> str:
    """The name of a snapshot in the server's folder that holds data, "" where there is none. Raises OSError."""
    name = config.dbfilename
    path = config.path(name)
    if not name or not os.path.isfile(path):
        return ""
    with open(path, "rb") as file:
        return name if snapshot_has_data(file.read(RDB_READ_BYTES)) else ""


def snapshot_has_data(beginning: bytes) -> bool:
    """Whether there is anything in a snapshot but remarks about the server that wrote it. What can't be understood counts as
    data, an empty file does not."""
    at = behind_remarks(beginning)
    return bool(beginning) and (at >= len(beginning) or beginning[at] != RDB_EOF)


def behind_remarks(beginning: bytes) -> int:
    """Where the first thing in a snapshot stands that is no remark."""
    at = RDB_HEADER_BYTES
    while at < len(beginning) and beginning[at] == RDB_AUX:
        at = behind_string(beginning, behind_string(beginning, at + 1))
    return at


def behind_string(data: bytes, at: int) -> int:
    """Where the string at an offset ends; behind everything where that can't be told."""
    first = data[at] if at < len(data) else 0xFF
    if first < 0x40:
        return at + 1 + first
    if first < 0x80 and at + 1 < len(data):
        return at + 2 + ((first & 0x3F) << 8 | data[at + 1])
    return at + 1 + RDB_INTEGER_BYTES.get(first, len(data))


def refuse_snapshot(config: Config, name: str) -> str:
    """The line that says why the server does not start beside a snapshot."""
    return (f"The folder {os.path.abspath(config.folder)} holds the snapshot {name} and no append-only file with its data, and "
            "appendonly is yes: the start would be an empty one. Nothing was touched. To have the data, start with aof-import-rdb "
            f"yes, which loads the snapshot and begins an append-only file in {config.appenddirname} with its data. To start "
            "without the data, move the file away or set dbfilename to another name.")


def refuse_strays(folder: Folder, names: list[str]) -> str:
    """... with files that no manifest names."""
    shown = ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
    return (f"The folder {os.path.abspath(folder.name)} holds append-only files ({shown}) and no {folder.manifest_name} that says "
            "how they belong together. Nothing was touched. To have the data, copy the manifest that was with them into the "
            "folder, or write one: a line 'file NAME seq NUMBER type b' for the base, if there is one, then a line 'file NAME "
            "seq NUMBER type i' for each increment, by ascending number. To start without the data, move the folder away.")


def refuse_replacement(folder: Folder, what: str) -> str:
    """The line that says why the append-only file is not begun anew at run time."""
    return (f"The folder {os.path.abspath(folder.name)} holds {what} that this server neither wrote nor read, so no other is "
            "begun there. Nothing was touched. To have the data, restart with appendonly yes. To go without them, move the "
            "folder away and try again.")


def strays(folder: Folder) -> list[str]:
    """Files with content that can only be parts of an append-only file, for a folder without a manifest. Raises OSError."""
    try:
        names = sorted(os.listdir(folder.name))
    except FileNotFoundError:
        return []
    return [name for name in names if (name == folder.stem or (name.startswith(folder.stem + ".")
                                                                     and name.endswith((".aof", ".rdb"))))
            and folder.has_content(name) and not is_empty_snapshot(folder.path(name))]


def is_empty_snapshot(path: str) -> bool:
    """Whether a file is the base of an empty dataset, and nothing else: what a first start leaves. Raises OSError."""
    with open(path, "rb") as file:
        beginning = file.read(RDB_READ_BYTES)
    return (beginning.startswith(RDB_SIGNATURES) and not snapshot_has_data(beginning)
            and len(beginning) <= behind_remarks(beginning) + RDB_END_BYTES)


def others(folder: Folder) -> list[str]:
    """Manifests of another appendfilename. Raises OSError."""
    try:
        names = sorted(os.listdir(folder.name))
    except FileNotFoundError:
        return []
    return [name for name in names if name.endswith(".manifest") and not name.startswith("temp-")
            and name != folder.manifest_name]


def live_bytes(folder: Folder, manifest: Manifest) -> int:
    """Of the files that a manifest names, as far as they are there and hold anything. Raises OSError."""
    total = 0
    for file in manifest.live():
        try:
            total += 0 if is_empty_snapshot(folder.path(file.name)) else folder.size(file.name)
        except FileNotFoundError:
            pass
    return total


def was_rewritten(manifest: Manifest) -> bool:
    """Whether these are not the first files of their folder. Where they are empty the dataset was, when it was rewritten."""
    return manifest.last_base > 1 or manifest.last_increment > 1


def data_in(folder: Folder, known: str = "") -> str:
    """What stands in the folder that would be lost if another append-only file were begun there, "" for nothing. `known` is
    the text of the manifest that this run wrote or read. Raises OSError."""
    try:
        manifest = folder.read()
    except ManifestError as error:
        return f"a manifest that can't be read ({error.reason})"
    if not manifest.render():
        names = strays(folder)
        return f"append-only files without a manifest ({', '.join(names[:NAMES_SHOWN])})" if names else ""
    if manifest.render() == known or not live_bytes(folder, manifest):
        return ""
    return "an append-only file"
