"""kv-check-aof: whether append-only files can be read, and cutting one off where that ends.

    kv-check-aof appendonlydir/appendonly.aof.manifest      all files that a manifest names, in the order in which they are read
    kv-check-aof appendonly.aof                             one file, with an RDB preamble or without
    kv-check-aof --fix ...                                  cut off what can't be read; asks first
    kv-check-aof --truncate-to-timestamp 1700000000 ...     cut off what was written later, where the file has annotations of time

Words, output and exit statuses are valkey-check-aof's: 0 for files that are valid (or cut now), 1 for all else. Files are read in
stretches, and no more than a value of a preamble is kept, so their size does not matter. What valkey-check-aof has not: a file that
is not to be cut is opened for reading only; a preamble may be of a newer version; a file that a process has open for writing is not
cut, since it would write on behind a gap; a cut never leaves the beginning of a transaction behind, also where an annotation stands
inside one; and a file counts as the last one where those behind it are empty, as it does for the server.
"""
from __future__ import annotations

import os
import sys
import time

from kv._core.persist.aofscan import AofScan
from kv._core.persist.rdbscan import RdbScan, ScanFault
from kv.about import version_line
from kv.cli import check_rdb
from kv.server.aof.foreign import RDB_SIGNATURES
from kv.server.aof.manifest import ManifestError, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from kv.server.aof.manifest import File, Manifest

READ_BYTES = 1 << 20
SIGNATURE_BYTES = 8         # a shorter file is no RDB
PATH_MOST = 4096
BAD_STAMP = "Invalid timestamp annotation"
VALID, EMPTY, CUT, CUT_AT_TIME = "valid", "empty", "cut", "cut at a time"
CUT_BY_HAND = ("If you insist, please delete all files after this file according to the manifest file and delete the corresponding "
               "records in manifest file manually. Then re-run kv-check-aof.")
USAGE = "Usage: {} [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>"


class Stop(Exception):
    """Print this and end with status 1."""


def main() -> int:
    """Run the program; the exit status."""
    try:
        run(sys.argv)
    except Stop as stop:
        print(stop)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def run(argv: list[str]) -> None:
    words = argv[1:]
    usage = USAGE.format(argv[0])
    if words in (["-v"], ["--version"]):
        print(version_line("kv-check-aof"))
    elif words in (["-h"], ["--help"]):
        print(usage)
    elif len(words) == 1:
        Check().run(words[0])
    elif len(words) == 2 and words[0] == "--fix":
        Check(fix=True).run(words[1])
    elif len(words) == 3 and words[0] == "--truncate-to-timestamp":
        Check(until=unix_time(words[1])).run(words[2])
    else:
        raise Stop(usage)


def unix_time(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise Stop("Invalid timestamp, aborting...") from None


class Check:
    """One run. `until`: the unix time to cut at, 0 for none."""

    def __init__(self, fix: bool = False, until: int = 0) -> None:
        self.fix = fix
        self.until = until

    def run(self, path: str) -> None:
        """Look at what there is below a path. Raises Stop."""
        if len(os.fsencode(path)) > PATH_MOST:
            raise Stop("Error: filepath is too long (exceeds PATH_MAX)")
        if is_manifest(path):
            self.check_parts(path)
        else:
            print("Start checking Old-Style AOF")
            self.check_file("AOF", path, path, True)

    def check_parts(self, path: str) -> None:
        """The files that a manifest names."""
        print("Start checking Multi Part AOF")
        folder, manifest = os.path.dirname(path) or ".", read_manifest(path)
        paths = {file: os.path.join(folder, file.name) for file in manifest.live()}
        last = last_with_content(manifest, paths)
        if manifest.base is not None:
            base = paths[manifest.base]
            print(f"Start to check BASE AOF ({'RDB' if is_rdb(base) else 'RESP'} format).")
            self.check_file("BASE AOF", manifest.base.name, base, manifest.base is last)
        if manifest.increments:
            print("Start to check INCR files.")
        for file in manifest.increments:
            self.check_file("INCR AOF", file.name, paths[file], file is last)
        print("All AOF files and manifest are valid")

    def check_file(self, kind: str, name: str, path: str, last: bool) -> None:
        """One file; `last`: nothing is read behind it. Raises Stop."""
        try:
            file = open(path, "r+b" if self.fix or self.until else "rb", buffering=0)     # noqa: SIM115
        except OSError as error:
            raise Stop(f"Cannot open file {path}: {error.strerror}, aborting...") from None
        with file:
            try:
                outcome = FileCheck(self, file, name, path, last).run()
            except OSError as error:
                raise Stop(f"Failed to read from AOF {name}: {error.strerror}, aborting...") from None
        if outcome in (VALID, EMPTY):
            print(f"{kind} {name} is {outcome}")
        else:
            print(f"Successfully truncated AOF {name}" + (f" to timestamp {self.until}" if outcome == CUT_AT_TIME else ""))


class FileCheck:
    """One file that is being looked at."""

    def __init__(self, check: Check, file: BinaryIO, name: str, path: str, last: bool) -> None:
        self.check = check
        self.file = file
        self.name = name
        self.path = path
        self.last = last
        self.size = os.fstat(file.fileno()).st_size

    def run(self) -> str:
        """Look at all of it, and cut it where that is wanted. Raises Stop, OSError."""
        if not self.size:
            return EMPTY
        until = self.check.until
        scan = self.read_over(self.behind_preamble())
        if scan.past:
            return self.cut_at_time(scan)
        if scan.unmarked:
            print(f"AOF {self.name} format error")
        elif scan.fault == BAD_STAMP:
            raise Stop(BAD_STAMP)       # where to cut can't be told then
        elif scan.fault:
            print(f"0x{scan.began:16x}: {scan.fault}" + (f" in AOF {self.path}" if scan.fault.startswith("Unexpected") else ""))
        if scan.whole == self.size and until:
            print(f"Truncate nothing in AOF {self.name} to timestamp {until}")
            return VALID
        print(f"AOF analyzed: filename={self.name}, size={self.size}, ok_up_to={scan.whole}, ok_up_to_line={scan.lines}, "
              f"diff={self.size - scan.whole}")
        return VALID if scan.whole == self.size else self.cut_broken_end(scan.whole)

    def behind_preamble(self) -> int:
        """Where the commands begin."""
        if not is_rdb(self.path):
            return 0
        check = check_rdb.Check(self.path, check_rdb.parser("kv-check-aof").parse_args(["--", self.path]), sys.stdout)
        check.note(f"Checking RDB file {self.path}", 0)
        scan = RdbScan(self.file.fileno(), now_ms=int(time.time() * 1000), size=self.size)
        try:
            check.read(scan)
        except (ScanFault, OSError) as error:
            check.tell_fault(scan, error)
            raise Stop("RDB preamble of AOF file is not sane, aborting.") from None
        check.note("\\o/ RDB looks OK! \\o/", scan.offset)
        check.say_totals(scan)
        print("RDB preamble is OK, proceeding with AOF tail...")
        return scan.offset

    def read_over(self, start: int) -> AofScan:
        scan = AofScan(start, self.check.until)
        self.file.seek(start)
        while not scan.stopped and (part := self.file.read(READ_BYTES)):
            scan.feed(part)
        scan.end()
        return scan

    def cut_at_time(self, scan: AofScan) -> str:
        until = self.check.until
        if not scan.whole:
            raise Stop(f"AOF {self.path} has nothing before timestamp {until}, aborting...")
        if not self.last:
            raise Stop(f"Failed to truncate AOF {self.path} to timestamp {until} to offset {scan.whole} because it is not the last "
                       f"file.\n{CUT_BY_HAND}")
        self.cut(scan.whole, f"Failed to truncate AOF {self.path} to timestamp {until}")
        return CUT_AT_TIME

    def cut_broken_end(self, end: int) -> str:
        if not self.check.fix:
            raise Stop(f"AOF {self.name} is not valid. Use the --fix option to try fixing it.")
        if not self.last:
            raise Stop(f"Failed to truncate AOF {self.name} because it is not the last file")
        print(f"This will shrink the AOF {self.name} from {self.size} bytes, with {self.size - end} bytes, to {end} bytes")
        print("Continue? [y/N]: ", end="", flush=True)
        if not sys.stdin.readline().lower().startswith("y"):
            raise Stop("Aborting...")
        self.cut(end, f"Failed to truncate AOF {self.name}")
        return CUT

    def cut(self, end: int, failure: str) -> None:
        """Raises Stop."""
        if holder := writer_of(self.file.fileno()):
            raise Stop(f"{failure}: process {holder} has it open and would write on behind the gap. Stop the server first.")
        try:
            os.ftruncate(self.file.fileno(), end)
            os.fsync(self.file.fileno())
        except OSError as error:
            raise Stop(f"{failure}: {error.strerror}") from None


# -- what a file is ---------------------------------------------------------------------------------------------------

def beginning(path: str, length: int) -> bytes:
    """The first bytes of a file. Raises Stop."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(length)
    except IsADirectoryError:
        raise Stop(f"Cannot read file: {path}") from None
    except OSError as error:
        raise Stop(f"Cannot open file {path}: {error.strerror}") from None


def is_rdb(path: str) -> bool:
    """Whether a file begins with a snapshot. Raises Stop."""
    first = beginning(path, SIGNATURE_BYTES)
    return len(first) == SIGNATURE_BYTES and first.startswith(RDB_SIGNATURES)


def is_manifest(path: str) -> bool:
    """By its first line that is no comment. Raises Stop."""
    lines = beginning(path, READ_BYTES).splitlines()
    return next((line.startswith(b"file") for line in lines if not line.startswith(b"#")), False)


def read_manifest(path: str) -> Manifest:
    """Raises Stop."""
    try:
        with open(path, "rb") as file:
            return parse(os.path.basename(path), file.read())
    except OSError as error:
        raise Stop(f"Fatal error: can't open the AOF manifest file {path} for reading: {error.strerror}") from None
    except ManifestError as error:
        print("\n*** FATAL AOF MANIFEST FILE ERROR ***\n")
        if error.line:
            print(f"Reading the manifest file, at line {error.number}\n\n>>> '{error.line}'\n")
        raise Stop(error.reason) from None


def last_with_content(manifest: Manifest, paths: dict[File, str]) -> File | None:
    """The file behind which nothing is read: of all that are there the last one that is not empty."""
    last = None
    for file in manifest.live():
        try:
            empty = not os.path.getsize(paths[file])
        except OSError:
            empty = False       # of what is in it nobody knows anything
        if last is None or not empty:
            last = file
    return last


# -- who else has it --------------------------------------------------------------------------------------------------

def writer_of(fd: int) -> int:
    """The number of another process that has a file open for writing, 0 for none that can be seen."""
    wanted = os.fstat(fd)
    for pid in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if pid.isdecimal() and int(pid) != os.getpid() and writes(pid, wanted):
            return int(pid)
    return 0


def writes(pid: str, wanted: os.stat_result) -> bool:
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False        # it is gone, or another user's
    return any(is_written(f"/proc/{pid}", number, wanted) for number in numbers)


def is_written(process: str, number: str, wanted: os.stat_result) -> bool:
    """Whether a process's descriptor is of a file, and for writing."""
    try:
        if not os.path.samestat(os.stat(f"{process}/fd/{number}"), wanted):
            return False
        with open(f"{process}/fdinfo/{number}") as file:
            flags = next((int(line.split()[1], 8) for line in file if line.startswith("flags:")), 0)
    except OSError:
        return False
    return flags & os.O_ACCMODE != os.O_RDONLY


if __name__ == "__main__":
    sys.exit(main())
