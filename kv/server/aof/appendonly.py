"""The append-only file of a running server.

Three states. OFF. ON: every effect goes to the last increment. WAITING, after CONFIG SET appendonly yes: the
files on disk don't hold the dataset, so nothing there counts until a first base is written; effects meanwhile
go to a temporary increment, which takes its place in the manifest together with that base. If the rewrite
fails they are dropped, and the next one begins anew.

manifest.py says which files there are, loader.py reads them, writer.py appends, rewrite.py makes a new base,
foreign.py knows what is not ours.
"""
from __future__ import annotations

import os
import time
from types import SimpleNamespace

from kv._core.engine.aofreplay import empty_dataset

from ..config import ConfigError
from ..loading import LoadError
from ..log import log
from ..saving import remove_leftovers
from ..trouble import reason, troubles
from ..worker import Worker, close_file, unlink_in_background
from . import foreign
from .loader import Loader
from .manifest import BASE, File, Folder, Manifest, ManifestError
from .rewrite import Rewrite, base_form, write_dataset
from .steps import Steps
from .writer import ALWAYS, EVERYSEC, Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kv._core.engine.engine import Engine
    from kv._core.runtime.call import Later

    from ..children import Children
    from ..config import Config
    from ..latencymonitor import LatencyMonitor
    from ..loading import Loading
    from ..loop import Loop
    from ..rdb import RdbLoader

OFF, ON, WAITING = "off", "on", "waiting for the first rewrite"
LEFTOVERS = ("temp-rewriteaof-", "temp-rewriteaof-bg-")     # then the number of the process, .aof


class AppendOnly:
    """What the loop, the cron and commands use."""

    def __init__(self, engine: Engine, config: Config, loop: Loop, children: Children, latency: LatencyMonitor,
                 rdb: RdbLoader) -> None:
        self.engine = engine
        self.config = config
        self.loop = loop
        self.rdb = rdb
        self.children = children
        self.latency = latency
        self.state = OFF
        self.folder = Folder(config.path(config.appenddirname), config.appendfilename)
        self.manifest = Manifest(config.appendfilename)
        self.writer = Writer(self.engine.appender_of_log(), self.engine.set_write_error, config.appendfsync, latency.note)
        self.steps = Steps(self.writer.syncs, loop.wake)    # of a rewrite
        loop.each_wake(self.steps.poll)
        self.removals = Worker("kv-aof-remove")
        self.loader: Loader | None = None   # while the files are read
        self.unexpected_errors = 0          # commands of the files that answered with an error
        self.rewriting = Rewrite(self, engine, config, children, latency)
        self.base_size = 0      # bytes of all files after the last rewrite
        self.other_size = 0     # bytes of all files but the one that is written
        self.known = False      # the manifest was read or written by this run, with its files
        self.imports = False    # aof-import-rdb: this start takes its data from the snapshot
        self.gathering = False  # this run made the temporary increment

    @property
    def current_size(self) -> int:
        """Bytes of the base and all increments."""
        return self.other_size + self.writer.size

    @property
    def buffered(self) -> int:
        """Bytes that could not be written yet."""
        return self.writer.pending

    # -- at the start ----------------------------------------------------------------------------------------

    def load_at_start(self) -> None:
        """Read the dataset and open the file that is appended to. Raises LoadError, LoadStopped."""
        self.set_policy()
        self.set_timestamps()
        self.read_manifest()
        try:
            self.look_for_foreign_data()
        except OSError as error:
            raise LoadError(f"Can't look into the folder {os.path.abspath(self.config.folder)}: {reason(error)}") from None
        if self.config.appendonly:
            started = time.monotonic()
            for prefix in LEFTOVERS:
                remove_leftovers(self.config.folder or ".", prefix, ".aof")
            self.upgrade()
            if self.imports:
                self.rdb.load(self.config.path(self.config.dbfilename), self.loop.serve_or_stop)
                log("notice", f"DB loaded from disk: {time.monotonic() - started:.3f} seconds. An append-only file with these data "
                              "is begun.")
            elif self.manifest.live():
                self.load_files(self.loop.serve_or_stop)
                log("notice", f"DB loaded from append only file: {time.monotonic() - started:.3f} seconds")
            self.open_at_start()
            self.delete_history()
            self.steps.finish()

    def look_for_foreign_data(self) -> None:
        """Raises LoadError where data would be left unread that are meant to be read; OSError."""
        config, folder, single = self.config, self.folder, self.config.path(self.folder.stem)
        names = [] if self.manifest.render() else foreign.strays(folder)
        if names and config.appendonly:
            raise LoadError(foreign.refuse_strays(folder, names))
        held = (foreign.live_bytes(folder, self.manifest) or foreign.was_rewritten(self.manifest) or names
                or (os.path.isfile(single) and os.path.getsize(single)))
        snapshot = foreign.unread_snapshot(config)
        self.imports = bool(snapshot and config.appendonly and not held and config.aof_import_rdb)
        if snapshot and config.appendonly and not held and not self.imports:
            raise LoadError(foreign.refuse_snapshot(config, snapshot))
        if snapshot and config.appendonly and not self.imports:
            log("notice", f"The snapshot {snapshot} is not read: the append-only file holds the data.")
        if held and not config.appendonly:
            log("warning", f"WARNING There is an append-only file in {os.path.abspath(folder.name)}, and appendonly is no: it is "
                           "not read, and not touched. Set appendonly to yes to have its data.")
        others = foreign.others(folder)
        if others and config.appendonly and not self.manifest.render():
            log("warning", f"WARNING The folder {os.path.abspath(folder.name)} holds {others[0]}, which is of another "
                           "appendfilename: those data are not read, and not touched. Set appendfilename to "
                           f"{others[0].removesuffix('.manifest')} to have them.")

    def read_manifest(self) -> None:
        """Raises LoadError."""
        self.manifest = self.folder_manifest()

    def folder_manifest(self) -> Manifest:
        """What the manifest says now. Raises LoadError."""
        try:
            return self.folder.read()
        except ManifestError as error:
            log("warning", "\n*** FATAL AOF MANIFEST FILE ERROR ***\n")
            if error.line:
                log("warning", f"Reading the manifest file, at line {error.number}\n")
                log("warning", f">>> '{error.line}'\n")
            raise LoadError(error.reason) from None
        except OSError as error:
            raise LoadError("Fatal error: can't open the AOF manifest file "
                            f"{self.folder.path(self.folder.manifest_name)} for reading: "
                            f"{reason(error)}") from None

    def upgrade(self) -> None:
        """A single file of an older server, beside the folder, becomes the first base. Raises LoadError."""
        name, manifest = self.folder.stem, self.manifest
        old = self.config.path(name)
        interrupted = (manifest.base is not None and not manifest.increments and manifest.base.name == name
                       and not os.path.exists(self.folder.path(name)))
        if not os.path.exists(old) or (manifest.live() and not interrupted):
            return
        self.make_folder()
        manifest.base, manifest.last_base = File(name, 1, BASE), 1
        if not self.folder.write(manifest):
            raise LoadError("The AOF manifest file can't be written")
        try:
            os.rename(old, self.folder.path(name))
        except OSError as error:
            raise LoadError(f"Error trying to move the old AOF file {name} into dir {self.folder.name}: "
                            f"{error.strerror}") from None
        log("notice", f"Successfully migrated an old-style AOF file ({name}) into the AOF directory "
                      f"({self.folder.name}).")

    def make_folder(self) -> None:
        try:
            self.folder.make()
        except OSError as error:
            raise LoadError(f"Can't open or create append-only dir {self.folder.name}: "
                            f"{error.strerror}") from None

    def load_files(self, serve) -> None:
        """Run the files of the manifest. Raises LoadError, LoadStopped."""
        self.loader = Loader(self.engine, self.config, self.folder, self.rdb, serve)
        try:
            total = self.loader.load(self.manifest)
        finally:
            self.unexpected_errors += self.loader.unexpected_errors
            self.loader = None
        self.writer.note_size()
        base = self.manifest.base
        self.base_size = self.folder.size(base.name) if base else 0
        self.other_size = total - self.writer.size

    def open_at_start(self) -> None:
        """Open the last increment; a folder without files begins with a base and an empty increment. Raises
        LoadError."""
        self.make_folder()
        before, manifest = self.manifest, self.manifest.copy()
        base = ""
        step = "Can't use the append-only dir"
        try:
            if self.imports:
                manifest.retire_increments(keep_last=False)
            if self.imports or not manifest.live():
                base = self.write_first_base(manifest)
            step = "Can't open the append-only file"
            fd = self.open_increment(manifest)
            size = os.fstat(fd).st_size
        except OSError as error:
            name = manifest.increments[-1].name if manifest.increments else self.folder.name
            raise LoadError(f"{step} {name}: {reason(error)}") from None
        if manifest != before and not self.enter_manifest(manifest, base):
            raise LoadError("The AOF manifest file can't be written")
        opened = manifest.increments == before.increments
        self.manifest, self.known = manifest, True
        self.writer.append_to(fd, size)
        self.other_size = max(0, self.other_size - size)
        log("notice", f"{'Opening' if opened else 'Creating'} AOF incr file {manifest.increments[-1].name} on server start")
        self.state = ON
        self.tell_synced()

    def open_increment(self, manifest: Manifest) -> int:
        """Open the last increment. Where there is none, or where it is another user's and can only be read, a new one follows: a
        volume that another image wrote may be its group's alone. Raises OSError."""
        if manifest.increments:
            path = self.folder.path(manifest.increments[-1].name)
            try:
                return open_to_append(path)
            except PermissionError:
                log("notice", f"The file {path} can only be read: it stays as it is, and a new one is begun")
        return open_to_append(self.folder.path(manifest.new_increment(self.folder.taken).name))

    def write_first_base(self, manifest: Manifest) -> str:
        """A folder without files: write the dataset as it is at the start. The path, which is another than the manifest's: a start
        that is killed meanwhile leaves nothing that the next one would take for data. Raises LoadError, OSError."""
        form, path = base_form(self.engine, self.config), self.config.path(f"{LEFTOVERS[0]}{os.getpid()}.aof")
        base = manifest.new_base(form, self.folder.taken)
        log("notice", f"Creating AOF base file {base.name} on server start")
        try:
            write_dataset(self.engine, path, form, self.config)
        except OSError as error:
            raise LoadError(f"Can't write the AOF base file {base.name}: {reason(error)}") from None
        return path

    def enter_manifest(self, manifest: Manifest, base: str) -> bool:
        """At the start: have a manifest count, and before that give its base, where it was written to another path, its name.
        Raises LoadError."""
        if not self.folder.prepare(manifest):
            return False
        if base and manifest.base is not None:
            try:
                os.rename(base, self.folder.path(manifest.base.name))
            except OSError as error:
                raise LoadError(f"Error trying to rename the temporary AOF base file {base} into {manifest.base.name}: "
                                f"{reason(error)}") from None
            self.base_size = self.other_size = self.measure(manifest.base.name)
        installed = self.folder.install()
        self.folder.settle()
        return installed

    # -- on and off ------------------------------------------------------------------------------------------

    def switch(self, on: bool) -> None:
        """CONFIG SET appendonly. Raises ConfigError where it can't be done."""
        self.steps.finish()
        if on == (self.state != OFF):
            return
        if on:
            self.turn_on()
        else:
            self.turn_off()

    def turn_on(self) -> None:
        if not self.may_begin():
            raise ConfigError("Unable to turn on AOF. Check server logs.")
        self.state = WAITING
        if self.rewriting.running:
            log("notice", "AOF was enabled but there is already an AOF rewriting in background. Stopping "
                          "background AOF and starting a rewrite now.")
            self.rewriting.kill()
        if self.children.child is not None:
            self.rewriting.scheduled = True
            log("notice", "AOF was enabled but there is already another background operation. An AOF "
                          "background was scheduled to start when possible.")
        elif self.engine.in_transaction:
            self.rewriting.scheduled = True
            log("notice", "AOF was enabled during a transaction. An AOF background was scheduled to start when "
                          "possible.")
        elif not self.rewriting.start():
            self.abandon_first_rewrite()
            self.state = OFF
            log("warning", "The server needs to enable the AOF but can't trigger a background AOF rewrite "
                           "operation. Check the above logs for more info about the error.")
            raise ConfigError("Unable to turn on AOF. Check server logs.")
        self.writer.forget_trouble()
        self.tell_synced()

    def may_begin(self) -> bool:
        """Whether what the folder holds is this run's, so that other files may take its place. False, and logged, where it
        is not."""
        try:
            what = foreign.data_in(self.folder, self.manifest.render() if self.known else "")
            if what:
                log("warning", foreign.refuse_replacement(self.folder, what))
                return False
            if not self.known:
                self.manifest = self.folder.read()
        except OSError as error:
            troubles.report(f"Can't open or create append-only dir {self.folder.name}", error)
            return False
        return True

    def turn_off(self) -> None:
        self.flush(force=True)
        self.writer.close()
        self.state = OFF
        if self.rewriting.scheduled:
            self.rewriting.scheduled = False
            log("notice", "AOF was disabled but there is a scheduled AOF background, cancel it.")
        self.rewriting.kill()
        self.tell_synced()

    def set_policy(self) -> None:
        """CONFIG SET appendfsync."""
        if self.config.appendfsync == ALWAYS:
            self.folder.settle()
        self.writer.set_policy(self.config.appendfsync)

    # -- in the loop -----------------------------------------------------------------------------------------

    def flush(self, force: bool = False) -> None:
        """Write what waits in the log, where the core does not (see writer.py). Forced: even while a sync is under way."""
        self.writer.flush(force)
        self.tell_synced()

    def cron(self) -> None:
        """fsync that is due, retries after errors, automatic rewrites."""
        writer = self.writer
        self.steps.poll()
        self.note_child()
        if writer.fd >= 0:
            self.flush()
            if writer.note_sync_outcome():
                log("notice", "The AOF file can be synced again. A rewrite is scheduled: what the system could not write before, "
                              "it may have dropped.")
                self.rewriting.scheduled = True
        self.rewriting.cron(automatic=self.state == ON)
        self.tell_synced()

    def tell_synced(self) -> None:
        """Have the engine know how far the AOF is on disk, for those who wait for that (WAITAOF). As long as it has no
        base nothing is."""
        self.engine.set_aof_synced(self.state != OFF, self.writer.synced_position if self.state == ON else -1)

    def set_timestamps(self) -> None:
        """CONFIG SET aof-timestamp-enabled."""
        self.writer.appender.stamped = self.config.aof_timestamp_enabled

    def note_child(self) -> None:
        """no-appendfsync-on-rewrite: a child lives, or does so no longer."""
        child_writes = self.children.child is not None
        self.writer.appender.child_writes = child_writes
        self.writer.sync_paused = self.config.no_appendfsync_on_rewrite and child_writes

    # -- rewriting -------------------------------------------------------------------------------------------

    def rewrite(self, later: Callable[[], Later | None]) -> str | None:
        """BGREWRITEAOF: start one or schedule it; the status line to answer, None where who asked is told later. Raises
        RewriteError."""
        return self.rewriting.request(later)

    def begin_increment(self, go_on: Callable[[bool], bool]) -> bool:
        """A rewrite begins: once effects go to a new file go_on(True) is called, and go_on(False) where that failed later.
        False, and logged, where it fails at once, or where go_on did."""
        try:
            self.folder.make()
        except OSError as error:
            troubles.report(f"Can't open or create append-only dir {self.folder.name}", error)
            return False
        if self.state == ON:
            return self.prepare_increment(go_on)
        return (self.may_begin() if self.state == OFF else self.gather()) and go_on(True)

    def prepare_increment(self, go_on: Callable[[bool], bool]) -> bool:
        """Make the next increment, and have a manifest that names it synced."""
        manifest = self.manifest.copy()
        name = "increment"
        try:
            name = manifest.new_increment(self.folder.taken).name
            fd = open_to_append(self.folder.path(name))
        except OSError as error:
            troubles.report(f"Can't open the append-only file {name}", error)
            return False
        self.steps.run(lambda: self.folder.prepare(manifest), lambda prepared: self.enter_increment(manifest, fd, prepared, go_on))
        return True

    def enter_increment(self, manifest: Manifest, fd: int, prepared: bool, go_on: Callable[[bool], bool],
                        waited: bool = False) -> None:
        """The manifest lies ready: have it count, and write to the increment from here on."""
        writer = self.writer
        if prepared and not waited and writer.syncing and writer.pending:
            # What is pending belongs into the file that is being synced, and writing to it would wait for that.
            self.steps.run(lambda: True, lambda _: self.enter_increment(manifest, fd, prepared, go_on, True))
            return
        if prepared and self.engine.in_transaction:
            prepared = False        # half of it would be in the snapshot; see request()
            self.rewriting.scheduled = True
        if prepared:
            self.flush(force=True)
            if writer.pending:
                troubles.report_line("Can't rewrite append only file in background: what was changed before can't be written")
                prepared = False
        if not prepared or not self.folder.install():
            close_file(fd)
            go_on(False)
            return
        self.enter_file(manifest, manifest.increments[-1].name, fd)
        # The thread does this before it syncs the increment; with always the replies of this turn depend on it.
        if writer.policy == EVERYSEC:
            writer.syncs.submit(self.folder.settle)
        else:
            self.folder.settle()
        go_on(True)

    def gather(self) -> bool:
        """Write effects to the temporary increment of a first rewrite. False, and logged, where that can't be made."""
        self.flush(force=True)
        if self.writer.pending:
            troubles.report_line("Can't rewrite append only file in background: what was changed before can't be written")
            return False
        name = self.folder.temporary_increment
        try:
            if not self.gathering:
                self.folder.set_aside(name)
            fd = open_to_append(self.folder.path(name), truncate=True)
        except OSError as error:
            troubles.report(f"Can't open the append-only file {name}", error)
            return False
        self.gathering = True
        self.enter_file(self.manifest, name, fd)
        return True

    def enter_file(self, manifest: Manifest, name: str, fd: int) -> None:
        """From here on effects go to this file, which is empty."""
        log("notice", f"Creating AOF incr file {name} on background rewrite")
        self.other_size += self.writer.size
        self.writer.append_to(fd, 0)
        self.manifest = manifest

    def adopt_base(self, manifest: Manifest, path: str, then: Callable[[bool], object]) -> None:
        """Put a manifest in use that begins with the base that a rewrite has written to this path, then tell whether that went
        well."""
        try:
            if self.state == WAITING:
                manifest.new_increment(self.folder.taken)
        except OSError as error:
            troubles.report("Looking for a name for the AOF incr file", error)
            then(False)
            return
        manifest.retire_increments(keep_last=self.state != OFF)
        self.steps.run(lambda: self.folder.prepare(manifest), lambda prepared: self.use_base(manifest, path, prepared, then))

    def use_base(self, manifest: Manifest, path: str, prepared: bool, then: Callable[[bool], object]) -> None:
        """The manifest lies ready: give the files the names that stand in it, and have it count."""
        if not prepared or not self.name_files(manifest, path):
            then(False)
            return
        self.manifest, self.known = manifest, True
        if self.state != OFF:
            assert manifest.base is not None
            self.other_size = self.measure(manifest.base.name)
            self.base_size = self.current_size
        self.steps.run(self.folder.settle, lambda _: self.base_is_used(then))

    def name_files(self, manifest: Manifest, path: str) -> bool:
        """False, and logged, where that fails: no file has a new name then."""
        assert manifest.base is not None
        temporary = self.folder.temporary_increment
        moves = [("base", path, self.folder.path(manifest.base.name))]
        if self.state == WAITING:
            moves.append(("incr", self.folder.path(temporary), self.folder.path(manifest.increments[-1].name)))
        for number, (kind, source, target) in enumerate(moves):
            try:
                with self.latency.watch("aof-rename"):
                    os.rename(source, target)
            except OSError as error:
                troubles.report(f"Error trying to rename the temporary AOF {kind} file {source} into {target}", error)
                self.remove_all([name for _, _, name in moves[:number]])
                return False
            log("notice", f"Successfully renamed the temporary AOF {kind} file {source} into {os.path.basename(target)}")
        self.gathering = False
        if self.folder.install():
            return True
        self.remove_all([name for _, _, name in moves])
        return False

    def remove_all(self, paths: list[str]) -> None:
        for path in paths:
            unlink_in_background(path, self.removals)

    def base_is_used(self, then: Callable[[bool], object]) -> None:
        """No crash of the system brings the manifest before back, as far as the thread could see to that."""
        if self.state == WAITING:
            self.state = ON
        then(True)
        self.delete_history()

    def measure(self, name: str) -> int:
        """Bytes of a file, for the figures; 0 where nobody can tell."""
        try:
            with self.latency.watch("aof-fstat"):
                return self.folder.size(name)
        except OSError as error:
            troubles.report(f"Unable to obtain the AOF file {name} length. stat", error)
            return 0

    def rewrite_ended(self, killed: bool) -> None:
        """Whether it went well or not. A first rewrite that failed is tried again."""
        self.note_child()
        if self.state == WAITING and not killed:
            self.abandon_first_rewrite()
            self.rewriting.scheduled = True

    def abandon_first_rewrite(self) -> None:
        """What was gathered for a first base that did not come about is of no use."""
        self.writer.abandon()
        name = self.folder.temporary_increment
        if self.gathering:
            log("notice", f"Removing the temp incr aof file {name} in the background")
            unlink_in_background(self.folder.path(name), self.removals)

    def delete_history(self) -> None:
        """Delete what a newer base has replaced. What can't be deleted stays in the manifest, and is tried again after the
        next rewrite; so does everything while a crash of the system might bring the manifest before back. The manifest that
        says so is synced in the thread."""
        if self.config.aof_disable_auto_gc or not self.manifest.history or not self.known or self.steps.busy:
            return
        if not self.folder.settle():
            return
        manifest = self.manifest.copy()
        manifest.history.clear()
        for file in self.manifest.history:
            log("notice", f"Removing the history file {file.name} in the background")
            if not unlink_in_background(self.folder.path(file.name), self.removals):
                manifest.history.append(file)
        self.steps.run(lambda: self.folder.prepare(manifest), lambda prepared: self.forget_history(manifest, prepared))

    def delete_history_now(self) -> None:
        """The same, done when this returns: for commands of an operator, who looks at the files next."""
        self.steps.finish()
        self.delete_history()
        self.steps.finish()

    def forget_history(self, manifest: Manifest, prepared: bool) -> None:
        """The manifest without history lies ready: have it count."""
        if prepared and self.folder.install():
            self.manifest = manifest
            self.steps.run(self.folder.settle, do_nothing)

    # -- figures ---------------------------------------------------------------------------------------------

    def figures(self) -> dict:
        """The fields of INFO persistence that are the file's (see info.py)."""
        rewriting = self.rewriting
        return {"aof_enabled": self.state != OFF, "aof_rewrite_in_progress": rewriting.running,
                "aof_rewrite_scheduled": rewriting.scheduled,
                "aof_last_rewrite_time_sec": rewriting.last_seconds,
                "aof_current_rewrite_time_sec": rewriting.current_seconds,
                "aof_last_bgrewrite_status": rewriting.status, "aof_rewrites": rewriting.count,
                "aof_rewrites_consecutive_failures": rewriting.failures,
                "aof_last_write_status": "err" if self.writer.failing else "ok",
                "aof_last_cow_size": rewriting.cow_size,
                "append_only": self.file_figures() if self.state != OFF else None}

    @property
    def loading(self) -> Loading | None:
        """How far the files are read, None where they are not."""
        return self.loader.progress if self.loader else None

    def file_figures(self) -> SimpleNamespace:
        return SimpleNamespace(
            aof_current_size=self.current_size, aof_base_size=self.base_size, aof_pending_rewrite=self.rewriting.scheduled,
            aof_buffer_length=self.buffered, aof_pending_bio_fsync=self.writer.syncs.pending,
            aof_delayed_fsync=self.writer.delayed)

    def reset_statistics(self) -> None:
        """CONFIG RESETSTAT."""
        self.writer.delayed = 0
        self.rewriting.count = 0

    # -- DEBUG -----------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """DEBUG LOADAOF: replace the dataset by what is in the files; where there are none it stays. Raises
        LoadError."""
        self.refuse_while_loading()
        self.steps.finish()
        if self.state != OFF:
            self.flush(force=True)
        before, self.manifest = self.manifest, self.folder_manifest()
        if not self.manifest.live():
            self.manifest = before
            raise LoadError(f"There is no append-only file in {os.path.abspath(self.folder.name)}")
        self.known = self.state != OFF      # files that can't be read to their end are not ours to replace
        empty_dataset(self.engine)
        self.load_files(do_nothing)
        self.known = True
        self.delete_history_now()
        self.engine.dirty = 0
        log("notice", "Append Only File loaded by DEBUG LOADAOF")

    def refuse_while_loading(self) -> None:
        if self.engine.loading:
            raise LoadError("The dataset is being loaded already")

    # -- the end ---------------------------------------------------------------------------------------------

    def close(self, force: bool) -> bool:
        """Before the process ends: write and fsync. False where the dataset would be lost, unless forced."""
        self.steps.finish()
        if self.rewriting.running:
            if self.state == WAITING:
                log("warning", "Writing initial AOF. Exit "
                               "anyway." if force else "Writing initial AOF, can't exit.")
                if not force:
                    return False
            log("warning", "There is a child rewriting the AOF. Killing it!")
            self.rewriting.kill()
        if self.state != OFF and self.writer.fd >= 0:
            log("notice", "Calling fsync() on the AOF file.")
            self.flush(force=True)
            self.folder.settle()
            self.writer.sync_now()
            if self.writer.pending:
                log("warning", "Error trying to write the AOF file, " + ("Exit anyway." if force else "can't exit."))
                return force
        return True


def do_nothing(*_) -> None:
    """Inside a command nobody else is served; after a last step nothing follows."""


def open_to_append(path: str, truncate: bool = False) -> int:
    """A descriptor of a file that is made where it is missing. Raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if truncate else 0)
    return os.open(path, flags, 0o644)
