"""Reading the files back: base, then increments, into an empty dataset.

A file is read in blocks, which are run whole; what a block's end cuts off is moved to the front of the next.
Several times a second clients are served, so that they are told LOADING and INFO shows how far it is, and signals
are obeyed: between blocks, between commands, and between the parts of a value that is long in coming. The last file
may end in the middle of a command or a transaction, since that is what a crash leaves: with aof-load-truncated it is cut behind
the last whole one and loading goes well; what was cut off is kept beside it. Empty files behind it don't count: a crash of the
system can leave the last increment empty and the one before it torn. Everything else that is wrong ends the start.

A file may begin with a snapshot (RDB), with commands behind it or without: a base of aof-use-rdb-preamble, whatever its name, and
the single file of an older server. A snapshot is whole or refused: nothing of it is cut.
"""
from __future__ import annotations

import os
import time

from kv._core.engine.aofreplay import AofFault, AofReplay
from kv._core.engine.rdbload import RdbFault

from ..disk import write_all
from ..loading import LoadError, Loading
from ..log import log
from ..trouble import reason, troubles
from .foreign import RDB_SIGNATURES
from .manifest import Folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kv._core.engine.engine import Engine

    from ..config import Config
    from ..rdb import RdbLoader
    from .manifest import Manifest

BLOCK_LEAST, BLOCK_MOST = 1 << 20, 16 << 20     # bytes read at once
READ_MOST = 4 << 20         # ... without a look at clients
SERVE_SECONDS = 0.1         # time between two looks at clients where key-load-delay slows loading down
SLICE_US = 50_000           # ... and where commands are slow
SIGNATURE_BYTES = 6


def is_snapshot(beginning: bytes) -> bool:
    """Whether a file that begins so is RDB, or was before all but its first bytes were lost."""
    return any(beginning.startswith(signature) or (beginning and signature.startswith(beginning)) for signature in RDB_SIGNATURES)


class Loader:
    """One reading of all files. `serve` is called between blocks; it may raise LoadStopped."""

    def __init__(self, engine: Engine, config: Config, folder: Folder, rdb: RdbLoader, serve: Callable[[], object]) -> None:
        self.engine = engine
        self.config = config
        self.folder = folder
        self.rdb = rdb      # reads the snapshot that a file begins with
        self.serve = serve
        self.progress: Loading | None = None
        self.commands = 0
        self.unexpected_errors = 0      # commands of the files that answered with an error

    def load(self, manifest: Manifest) -> int:
        """Run all files; the bytes they have. Raises LoadError, LoadStopped."""
        files = [(file, self.size(file.name)) for file in manifest.live()]
        total = left = sum([size for _, size in files])
        if not total:
            return 0
        self.progress = Loading(total)
        self.rdb.forget_figures()
        self.engine.loading = True
        try:
            for file, size in files:
                left -= size
                total -= self.load_file(file.name, "base" if file is manifest.base else "incr", last=left == 0)
        finally:
            self.engine.loading = False
            self.progress = None
        return total

    def size(self, name: str) -> int:
        try:
            return self.folder.size(name)
        except OSError as error:
            raise LoadError(f"Unable to obtain the AOF file {name} length. stat: {reason(error)}") from None

    def load_file(self, name: str, kind: str, last: bool) -> int:
        """Run one file; how many bytes were cut off its end."""
        started = time.monotonic()
        trouble = f"Fatal error: can't open the append log file {name} for reading"
        try:
            with open(self.folder.path(name), "rb", buffering=0) as file:
                trouble = f"Unrecoverable error reading the append only file {name}"
                lost = FileReplay(self, file, name, last).run()
        except OSError as error:
            raise LoadError(f"{trouble}: {reason(error)}") from None
        log("notice", f"DB loaded from {kind} file {name}: {time.monotonic() - started:.3f} seconds")
        return lost


class FileReplay:
    """One file that is being run."""

    def __init__(self, loader: Loader, file, name: str, last: bool) -> None:
        self.loader = loader
        self.file = file
        self.name = name
        self.last = last    # no other file with content follows: it may end in the middle of a command
        self.size = os.fstat(file.fileno()).st_size
        interval = loader.config.loading_process_events_interval_bytes
        self.block = bytearray(max(1, min(self.size, max(BLOCK_LEAST, min(BLOCK_MOST, interval)))))
        self.filled = 0     # bytes of the block that are there
        self.offset = 0     # where in the file the block begins
        self.needed = 0     # bytes of the block that must be there for the next command to be whole
        self.shown = 0      # bytes of the file that INFO was told of
        self.replay = AofReplay(loader.engine)

    def run(self) -> int:
        """Run the whole file; how many bytes were cut off its end. Raises LoadError, LoadStopped, OSError."""
        if is_snapshot(os.pread(self.file.fileno(), SIGNATURE_BYTES, 0)):
            self.load_snapshot()
        while self.fill_block():
            self.run_block()
            if not self.make_room():
                break
        self.loader.commands += self.replay.commands
        self.warn_of_errors()
        return self.cut_off() if self.offset < self.size else 0

    def load_snapshot(self) -> None:
        """Load the RDB that the file begins with. Keys whose time has come are kept, since the commands behind it were run while
        they were there. Raises LoadError, LoadStopped, OSError."""
        loader, single = self.loader, self.name == self.loader.folder.stem
        log("notice", "Reading RDB preamble from AOF file..." if single else "Reading RDB base file on AOF loading...")
        assert loader.progress is not None
        try:
            self.offset = self.shown = loader.rdb.read(self.file.fileno(), loader.progress, loader.serve, keep_expired=True)
        except RdbFault as fault:
            raise loader.rdb.refusal(fault, f"Error reading the {'RDB preamble of the AOF file' if single else 'RDB base file'} "
                                            f"{self.name}, AOF loading aborted") from None
        self.file.seek(self.offset)
        if single:
            log("notice", "Reading the remaining AOF tail...")

    def fill_block(self) -> int:
        """Read until the block is full or the file ends; the bytes read."""
        before = self.filled
        while got := self.file.readinto(memoryview(self.block)[self.filled:self.filled + READ_MOST]):
            self.filled += got
            if self.filled < len(self.block):
                self.loader.serve()
        return self.filled - before

    def run_block(self) -> None:
        """Run the whole commands of the block and move the rest to its front."""
        view = memoryview(self.block)[:self.filled]
        at = 0
        try:
            delay = self.delay_us()
            most = max(1, int(SERVE_SECONDS * 1e6 / delay)) if delay else 1 << 62
            while True:
                before = self.replay.commands
                at = self.replay.feed(view, at, most, SLICE_US)
                self.show_progress(self.offset + at)
                if not self.replay.paused:
                    break
                self.rest((self.replay.commands - before) * delay / 1e6)
        except AofFault as fault:
            self.refuse(fault)
        view.release()
        left = self.filled - at
        self.block[:left] = self.block[at:self.filled]
        self.filled = left
        self.offset += at
        self.needed = self.replay.needed - at

    def rest(self, seconds: float) -> None:
        while seconds > 0:
            time.sleep(min(seconds, SERVE_SECONDS))
            seconds -= SERVE_SECONDS
            if seconds > 0:
                self.loader.serve()

    def delay_us(self) -> float:
        """key-load-delay: microseconds a command, or, negative, commands a microsecond."""
        delay = self.loader.config.key_load_delay
        return delay if delay >= 0 else -1 / delay

    def show_progress(self, offset: int) -> None:
        """The file is read up to an offset."""
        loader = self.loader
        if loader.progress is not None:
            loader.progress.loading_loaded_bytes += offset - self.shown
            self.shown = offset
        loader.serve()

    def make_room(self) -> bool:
        """Have room for the command that was cut off. False where the file ends before it does."""
        needed = max(self.needed, self.filled + 1)
        if needed > self.size - self.offset:
            return False
        if needed > len(self.block):
            larger = bytearray(min(max(needed, 2 * len(self.block)), self.size - self.offset))
            larger[:self.filled] = self.block[:self.filled]
            self.block = larger
        return True

    # -- what goes wrong -------------------------------------------------------------------------------------

    def refuse(self, fault: AofFault) -> None:
        if fault.refusal:
            raise LoadError(f"Error reading the append only file {self.name}, error: "
                            f"{fault.refusal}") from None
        raise LoadError(f"Bad file format reading the append only file {self.name} at offset {self.offset + fault.offset}: "
                        f"{self.way_out(self.offset + fault.whole)}") from None

    def way_out(self, offset: int) -> str:
        """What an operator can do about a file that is whole up to an offset."""
        return (f"nothing was changed. Everything before offset {offset} is whole, the {self.size - offset} bytes behind it can't "
                f"be read. Make a backup of your AOF files, then cut the file there ({self.how_to_cut(offset)}) and start again; "
                "what the file holds behind the offset is lost then.")

    def how_to_cut(self, offset: int) -> str:
        folder = self.loader.folder
        command = f"truncate -s {offset} '{os.path.abspath(folder.path(self.name))}'"
        tool = f"kv-check-aof --fix '{os.path.abspath(folder.path(folder.manifest_name))}', or "
        return tool + command if self.last else command

    def warn_of_errors(self) -> None:
        replay = self.replay
        if replay.errors:
            log("warning", "== CRITICAL == This server is sending an error to its AOF-loading-client: "
                           f"'{replay.error.decode('utf-8', 'replace')}' after processing the command "
                           f"'{replay.error_command}' ({replay.errors} such errors in {self.name})")
            self.loader.unexpected_errors += replay.errors
            if self.loader.config.propagation_error_behavior == "panic":
                raise LoadError("This server panicked sending an error to its AOF-loading-client after processing the command "
                                f"'{replay.error_command}'")

    def cut_off(self) -> int:
        """The file ends in the middle of a command or a transaction: cut it, where that is allowed."""
        if self.replay.in_transaction:
            log("warning", f"Revert incomplete MULTI/EXEC transaction in AOF file {self.name}")
        if not self.loader.config.aof_load_truncated:
            raise LoadError(
                f"Unexpected end of file reading the append only file {self.name} at offset {self.offset}. You can: 1) Make a "
                f"backup of your AOF files, then cut the file there ({self.how_to_cut(self.offset)}). 2) Alternatively you can set "
                "the 'aof-load-truncated' configuration option to yes and restart the server.")
        log("warning", f"!!! Warning: short read while loading the AOF file {self.name}!!!")
        if not self.last:
            raise LoadError(f"Fatal error: the truncated file is not the last file. {self.name} ends in the middle of a command "
                            f"that begins at offset {self.offset}: {self.way_out(self.offset)}")
        log("warning", f"!!! Truncating the AOF {self.name} at offset {self.offset} !!!")
        self.keep_end()
        try:
            self.loader.folder.cut(self.name, self.offset)
        except OSError as error:
            raise LoadError(f"Error truncating the AOF file {self.name}: {reason(error)}") from None
        log("warning", f"AOF {self.name} loaded anyway because aof-load-truncated is enabled")
        return self.size - self.offset

    def keep_end(self) -> None:
        """Copy what is about to be cut off to a file of its own."""
        folder = self.loader.folder
        try:
            name = folder.free_name(f"{self.name}.cut-{self.offset}")
            self.file.seek(self.offset)
            with open(folder.path(name), "xb", buffering=0) as kept:
                while part := self.file.read(READ_MOST):
                    write_all(kept.fileno(), part)
            log("warning", f"!!! The {self.size - self.offset} bytes cut off are kept in {folder.path(name)} !!!")
        except OSError as error:
            troubles.report(f"The {self.size - self.offset} bytes cut off could not be kept", error)
