"""The manifest: which files make up the append-only file, in the order in which they are read.

    file appendonly.aof.2.base.rdb seq 2 type b
    file appendonly.aof.1.incr.aof seq 1 type h
    file appendonly.aof.2.incr.aof seq 2 type i

A base (b) is the dataset as it was when it was last rewritten; increments (i) are what came after it; history
(h) is what a newer base has replaced and what waits to be deleted. Keys that are not known here (a later
version's) are skipped. The manifest is the one place that decides: it is changed as a copy, written beside
the old one, synced, renamed over it, and only then does the copy become the one in use. So after a crash at
any moment the old state or the new one is there, whole.
"""
from __future__ import annotations

import errno
import io
import os
from collections import namedtuple

from kv.quoting import Unbalanced, decode, encode, quote_if_needed, split_text

from ..config.option import leading_integer
from ..disk import sync_folder, write_all
from ..log import log
from ..trouble import troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BASE, INCREMENT, HISTORY = "b", "i", "h"
RDB, COMMANDS = "rdb", "aof"    # forms of a base: how its name ends
LINE_MAX = 1024     # bytes of a line with its end


class ManifestError(Exception):
    """What is wrong with a manifest, and at which line (0: with all of it)."""

    def __init__(self, reason: str, number: int = 0, line: str = "") -> None:
        super().__init__(reason)
        self.reason, self.number, self.line = reason, number, line


class File(namedtuple("File", "name sequence kind")):
    """One line. Its kind is BASE, INCREMENT or HISTORY."""

    __slots__ = ()

    def line(self) -> str:
        return f"file {quote_if_needed(self.name)} seq {self.sequence} type {self.kind}\n"


def never(name: str) -> bool:
    """No name is taken."""
    return False


class Manifest:
    """The files by kind. Sequence numbers only grow: `last_base` and `last_increment` were the latest
    given."""

    def __init__(self, stem: str, base: File | None = None, last_base: int = 0) -> None:
        self.stem = stem    # appendfilename
        self.base = base
        self.history: list[File] = []
        self.increments: list[File] = []    # oldest first
        self.last_base = last_base
        self.last_increment = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Manifest) and vars(self) == vars(other)

    def copy(self) -> Manifest:
        copy = Manifest(self.stem, self.base, self.last_base)
        copy.history, copy.increments = list(self.history), list(self.increments)
        copy.last_increment = self.last_increment
        return copy

    def render(self) -> str:
        files = [*([self.base] if self.base else []), *self.history, *self.increments]
        return "".join([file.line() for file in files])

    def live(self) -> list[File]:
        """What is read at the start, in order."""
        return [*([self.base] if self.base else []), *self.increments]

    def add(self, file: File) -> None:
        """Take over a line that was read. Raises ManifestError."""
        if file.kind == BASE:
            if self.base is not None:
                raise ManifestError("Found duplicate base file information")
            self.base, self.last_base = file, file.sequence
        elif file.kind == HISTORY:
            self.history.append(file)
        elif file.kind == INCREMENT:
            if file.sequence <= self.last_increment:
                raise ManifestError("Found a non-monotonic sequence number")
            self.increments.append(file)
            self.last_increment = file.sequence
        else:
            raise ManifestError("Unknown AOF file type")

    def new_base(self, form: str, taken: Callable[[str], bool] = never) -> File:
        """The next base, in RDB or as COMMANDS; the one before it becomes history. Names that are `taken` are passed over."""
        if self.base is not None:
            self.history.insert(0, self.base._replace(kind=HISTORY))
        self.last_base += 1
        while taken(name := f"{self.stem}.{self.last_base}.base.{form}"):
            self.last_base += 1
        self.base = File(name, self.last_base, BASE)
        return self.base

    def new_increment(self, taken: Callable[[str], bool] = never) -> File:
        """The next increment. Names that are `taken` are passed over."""
        self.last_increment += 1
        while taken(name := f"{self.stem}.{self.last_increment}.incr.aof"):
            self.last_increment += 1
        self.increments.append(File(name, self.last_increment, INCREMENT))
        return self.increments[-1]

    def retire_increments(self, keep_last: bool) -> None:
        """A new base holds what the increments held: they become history, save the last where it is being
        written."""
        kept = self.increments[-1:] if keep_last else []
        for file in reversed(self.increments[:len(self.increments) - len(kept)]):
            self.history.insert(0, file._replace(kind=HISTORY))
        self.increments = kept


# -- reading -------------------------------------------------------------------------------------------------

def parse(stem: str, text: bytes) -> Manifest:
    """The manifest of these lines. Raises ManifestError."""
    manifest = Manifest(stem)
    if not text:
        raise ManifestError("Found an empty AOF manifest")
    for number, raw in enumerate(io.BytesIO(text), 1):
        if raw.startswith(b"#"):
            continue
        if not raw.endswith(b"\n") or len(raw) > LINE_MAX:
            raise ManifestError("The AOF manifest file contains too long line", number)
        line = decode(raw.strip(b" \t\r\n"))
        try:
            manifest.add(parse_line(line))
        except ManifestError as error:
            raise ManifestError(error.reason, number, line) from None
    return manifest


def parse_line(line: str) -> File:
    """One line's file. Raises ManifestError."""
    try:
        words = split_text(line)
    except Unbalanced:
        raise ManifestError("Invalid AOF manifest file format") from None
    if len(words) < 6 or len(words) % 2:
        raise ManifestError("Invalid AOF manifest file format")
    found = {key.lower(): value for key, value in zip(words[::2], words[1::2], strict=True)}
    name, kind = found.get("file", ""), found.get("type", "")[:1]
    if "/" in name or "\\" in name:
        raise ManifestError("File can't be a path, just a filename")
    sequence = leading_integer(found.get("seq", ""))
    if not name or not sequence or not kind:
        raise ManifestError("Invalid AOF manifest file format")
    return File(name, sequence, kind)


# -- the folder ----------------------------------------------------------------------------------------------

class Folder:
    """appenddirname: where the files and their manifest are."""

    def __init__(self, name: str, stem: str) -> None:
        self.name = name
        self.stem = stem
        self.unsynced = False   # the manifest is in its place, but a crash of the system might bring the old one back
        self.made = False       # ... or take the folder away, which this run has made

    def path(self, name: str) -> str:
        return os.path.join(self.name, name)

    @property
    def manifest_name(self) -> str:
        return f"{self.stem}.manifest"

    @property
    def temporary_increment(self) -> str:
        """Where writes go while the first base is being made."""
        return f"temp-{self.stem}.incr"

    def make(self) -> None:
        """Create the folder where it is missing. Raises OSError."""
        try:
            os.mkdir(self.name, 0o755)
            self.made = True
        except FileExistsError:
            if not os.path.isdir(self.name):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
        except OSError:
            if not os.path.isdir(self.name):
                raise

    def has_content(self, name: str) -> bool:
        """Whether there is something under a name that is not an empty file. Raises OSError."""
        try:
            return os.lstat(self.path(name)).st_size > 0
        except FileNotFoundError:
            return False

    def taken(self, name: str) -> bool:
        """Whether a file must not be made under a name, since there is one that no manifest knows. Raises OSError."""
        taken = self.has_content(name)
        if taken:
            log("notice", f"The file {self.path(name)} is in no manifest: it stays as it is, and the next number is taken")
        return taken

    def set_aside(self, name: str) -> None:
        """Give a file that is there, and not empty, another name. Raises OSError."""
        if self.has_content(name):
            kept = self.free_name(f"{name}.kept")
            os.rename(self.path(name), self.path(kept))
            log("warning", f"The file {self.path(name)} was there before this server: it is kept as {kept}")

    def free_name(self, name: str) -> str:
        """A name that no file has yet, beginning with this one. Raises OSError."""
        found, number = name, 1
        while os.path.lexists(self.path(found)):
            found, number = f"{name}-{number}", number + 1
        return found

    def cut(self, name: str, length: int) -> None:
        """Leave only so many bytes of a file, for good: what is appended to another one must not come to lie behind the rest again.
        A file that can only be read is replaced by a copy. Raises OSError."""
        path = self.path(name)
        try:
            with open(path, "r+b", buffering=0) as file:
                file.truncate(length)
                os.fsync(file.fileno())
        except PermissionError:
            copy = f"{path}.cut"
            with open(path, "rb", buffering=0) as file, open(copy, "wb", buffering=0) as shorter:
                copy_bytes(file.fileno(), shorter.fileno(), length)
                os.fsync(shorter.fileno())
            os.rename(copy, path)
            sync_folder(self.name)

    def size(self, name: str) -> int:
        """Bytes of a file. Raises OSError."""
        return os.stat(self.path(name)).st_size

    def read(self) -> Manifest:
        """The manifest as it stands on disk, an empty one where there is none. Raises ManifestError,
        OSError."""
        try:
            with open(self.path(self.manifest_name), "rb") as file:
                return parse(self.stem, file.read())
        except FileNotFoundError:
            return Manifest(self.stem)

    @property
    def temporary_manifest(self) -> str:
        return f"temp-{self.manifest_name}"

    def write(self, manifest: Manifest) -> bool:
        """Put a manifest on disk in place of the last one; False, and logged, where that fails. Once it is in its place
        it counts; that a crash of the system may still undo it is `unsynced`. The three parts can be done one by one."""
        if not (self.prepare(manifest) and self.install()):
            return False
        self.settle()
        return True

    def prepare(self, manifest: Manifest) -> bool:
        """Write a manifest beside the last one, and sync it; False, and logged, where that fails. Any thread may."""
        temporary = self.temporary_manifest
        step = f"Can't open the AOF manifest file {temporary}"
        try:
            with open(self.path(temporary), "wb", buffering=0) as file:
                step = f"Error trying to write the temporary AOF manifest file {temporary}"
                write_all(file.fileno(), encode(manifest.render()))
                step = f"Fail to fsync the temp AOF file {temporary}"
                os.fsync(file.fileno())
        except OSError as error:
            troubles.report(step, error)
            return False
        return True

    def install(self) -> bool:
        """Put the prepared manifest in the place of the last one; False, and logged, where that fails."""
        try:
            os.rename(self.path(self.temporary_manifest), self.path(self.manifest_name))
        except OSError as error:
            troubles.report(f"Error trying to rename the temporary AOF manifest file {self.temporary_manifest} into "
                            f"{self.manifest_name}", error)
            return False
        self.unsynced = True
        return True

    def settle(self) -> bool:
        """Whether no crash of the system can bring an older manifest back; where one could it is tried to make it so. Any
        thread may."""
        if self.unsynced:
            try:
                sync_folder(self.name)
                if self.made:
                    sync_folder(os.path.dirname(self.name) or ".")
                self.unsynced = self.made = False
            except OSError as error:
                troubles.report(f"Fail to fsync AOF directory {self.name}", error)
        return not self.unsynced


def copy_bytes(source: int, target: int, length: int) -> None:
    """Copy the next bytes of a file to another. Raises OSError."""
    while length:
        copied = os.sendfile(target, source, None, length)
        if not copied:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        length -= copied
