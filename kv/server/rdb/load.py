"""Reading an RDB file into the databases.

It is read in steps of some milliseconds. Between them, and inside a value that is long in coming, clients are served, so that
they are told LOADING and INFO shows how far it is, and signals are obeyed. What is wrong with a file is one line with the
file, the place and the key.
"""
from __future__ import annotations

import os
import time

from kv._core.engine.rdbload import BYTES, CHECKSUM, CUT_OFF, HEAD, RdbFault, RdbLoad

from ..loading import LoadError, Loading, internal_error
from ..log import log
from ..trouble import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kv._core.engine.engine import Engine

    from ..config import Config

STEP_MS = 50            # between two looks at clients
SLOW_STEP_MS = 1        # ... where key-load-delay slows loading down
REST_SECONDS = 0.1      # of such a delay, without a look at clients
SHOWN_KEY = 128         # characters of the key at which a file is wrong
KNOWN_REMARKS = (b"redis-bits", b"used-mem", b"ctime", b"aof-preamble", b"aof-base", b"lua", b"slot-info",
                 b"repl-stream-db", b"repl-id", b"repl-offset")
# the last line of a server that exits since it can't read a file
ENDING = "Terminating server after rdb file reading failure."
HEAD_ENDING = "Fatal error loading the DB, check server logs. Exiting."


class RdbLoader:
    """Reads RDB files, one at a time, and has the figures of the last."""

    def __init__(self, engine: Engine, config: Config) -> None:
        self.engine = engine
        self.config = config
        self.progress: Loading | None = None    # while a file is read
        self.keys_loaded = 0        # of the last file, or up to now of the one that is read
        self.keys_expired = 0       # ... that were left out: their time had come

    def load(self, path: str, serve: Callable[[], object], merge: bool = False) -> bool:
        """Read a file; False where there is none. `merge`: a key that is there already is replaced, else it is a fault. Raises
        LoadError, and what `serve` raises: the databases hold a part of the file then."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise LoadError(f"Fatal error: can't open the RDB file {path} for reading: {reason(error)}", HEAD_ENDING) from None
        try:
            self.progress = Loading(os.fstat(fd).st_size)
            self.engine.loading = True
            self.read(fd, self.progress, serve, merge=merge)
        except RdbFault as fault:
            raise self.refusal(fault, f"Fatal error loading the DB from {os.path.abspath(path)}") from None
        except OSError as error:
            raise LoadError(f"Fatal error loading the DB: can't read the RDB file {path}: {reason(error)}", ENDING) from None
        finally:
            self.engine.loading = False
            self.progress = None
            os.close(fd)
        return True

    def read(self, fd: int, progress: Loading, serve: Callable[[], object], merge: bool = False, keep_expired: bool = False) -> int:
        """Read from a descriptor's position on; the bytes of the RDB. `keep_expired`: keys whose time has come are loaded, too.
        Raises RdbFault, OSError, and what `serve` raises."""
        config = self.config
        remarks = Remarks()
        self.forget_figures()

        def look() -> None:
            progress.loading_loaded_bytes = load.offset
            progress.loading_rdb_used_mem = remarks.note(load)
            self.keys_loaded, self.keys_expired = load.keys, load.expired
            serve()

        load = RdbLoad(self.engine, fd, serve=look, merge=merge, keep_expired=keep_expired,
                       relaxed=config.rdb_version_check == "relaxed", checksum=config.rdbchecksum,
                       deep=config.sanitize_dump_payload == "yes")
        try:
            self.read_steps(load, look)
        finally:
            remarks.note(load)
        if load.unchecked:
            log("notice", "RDB file was saved with checksum disabled: no check performed.")
        log("notice", f"Done loading RDB, keys loaded: {load.keys}, keys expired: {load.expired}"
            + (f", empty keys skipped: {load.empty}." if load.empty else "."))
        return load.offset

    def read_steps(self, load: RdbLoad, look: Callable[[], object]) -> None:
        more = True
        while more:
            keys, delay_us = load.keys, self.delay_us()
            more = load.step(SLOW_STEP_MS if delay_us else STEP_MS)
            look()
            self.rest((load.keys - keys) * delay_us / 1e6, look)

    def forget_figures(self) -> None:
        """Something is loaded from here on: what INFO shows of the last file is over."""
        self.keys_loaded = self.keys_expired = 0

    def delay_us(self) -> float:
        """key-load-delay: microseconds a key, or, negative, keys a microsecond."""
        delay = self.config.key_load_delay
        return delay if delay >= 0 else -1 / delay

    def rest(self, seconds: float, look: Callable[[], object]) -> None:
        while seconds > 0:
            time.sleep(min(seconds, REST_SECONDS))
            seconds -= REST_SECONDS
            look()

    @staticmethod
    def refusal(fault: RdbFault, what: str) -> LoadError:
        """Log what Valkey says of a file that can't be read, in its order, and make the error whose line says for which file that
        is (`what` begins it), where, at which key, and why. It names the key whatever hide-user-data-from-log says, as an operator
        can do nothing about the file without."""
        why = str(fault)
        if fault.kind == CHECKSUM:
            log("warning", why)
            why = "RDB CRC error"
        elif fault.kind == CUT_OFF:
            log("warning", "Short read or OOM loading DB. Unrecoverable error, aborting now.")
        if fault.kind in (BYTES, CUT_OFF, CHECKSUM):
            log("warning", internal_error(fault.offset, why))
        key = text_of(fault.key)[:SHOWN_KEY]
        place = f"at offset {fault.offset}" + (f", key '{key}'" if key else "")
        return LoadError(f"{what} {place}: {why.rstrip('.')}. The file was not changed.",
                         HEAD_ENDING if fault.kind == HEAD else ENDING)


class Remarks:
    """What is to be said of a file while it is read, once each: what it says of itself, and which keys are left out as empty."""

    def __init__(self) -> None:
        self.known: set[bytes] = set()
        self.empty_keys = 0
        self.used_memory = 0

    def note(self, load: RdbLoad) -> int:
        """Log what is new; bytes of memory that the server took which wrote the file, 0 as long as it does not say."""
        for name, value in load.aux.items():
            if name not in self.known:
                self.known.add(name)
                log_remark(name, value)
                if name == b"used-mem":
                    self.used_memory = number_of(value)
        for key in load.empty_keys[self.empty_keys:]:
            log("notice", f"rdbLoadObject skipping empty key: {text_of(key)}")
        self.empty_keys = len(load.empty_keys)
        return self.used_memory


def log_remark(name: bytes, value: bytes) -> None:
    """What a file says of itself, where an operator may want to know."""
    text = text_of(value)
    if name.startswith(b"%"):
        log("notice", f"RDB '{text_of(name)}': {text}")
    elif name in (b"valkey-ver", b"redis-ver"):
        log("notice", f"Loading RDB produced by {'Valkey' if name == b'valkey-ver' else 'Redis'} version {text}")
    elif name == b"ctime":
        log("notice", f"RDB age {max(0, int(time.time()) - number_of(value))} seconds")
    elif name == b"used-mem":
        log("notice", f"RDB memory usage when created {number_of(value) / (1 << 20):.2f} Mb")
    elif name == b"aof-preamble" and number_of(value):
        log("notice", "RDB has an AOF tail")
    elif name == b"aof-base" and number_of(value):
        log("notice", "RDB is base AOF")
    elif name not in KNOWN_REMARKS:
        log("debug", f"Unrecognized RDB AUX field: '{text_of(name)}'")


def text_of(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def number_of(value: bytes) -> int:
    """A number that a file says of itself; 0 where it is none."""
    return int(value) if value.removeprefix(b"-").isdigit() else 0
