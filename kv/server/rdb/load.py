"""Reading an RDB file into the databases.

It is read in steps of some milliseconds. Between them, and inside a value that is long in coming, clients are served, so that
they are told LOADING and INFO shows how far it is, and signals are obeyed. What is wrong with a file is one line with the
file, the place and the key.
"""
from __future__ import annotations

import os
import time

from kv._core.engine.rdbload import RdbFault, RdbLoad

from ..loading import LoadError, Loading
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


class RdbLoader:
    """Reads RDB files, one at a time, and has the figures of the last."""

    def __init__(self, engine: Engine, config: Config) -> None:
        self.engine = engine
        self.config = config
        self.progress: Loading | None = None    # while a file is read
        self.keys_loaded = 0        # of the last file
        self.keys_expired = 0       # ... that were left out: their time had come

    def load(self, path: str, serve: Callable[[], object], merge: bool = False) -> bool:
        """Read a file; False where there is none. `merge`: a key that is there already is replaced, else it is a fault. Raises
        LoadError, and what `serve` raises: the databases hold a part of the file then."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise LoadError(f"Fatal error loading the DB: can't open the RDB file {path} for reading: {reason(error)}") from None
        try:
            self.progress = Loading(os.fstat(fd).st_size)
            self.engine.loading = True
            self.read(fd, self.progress, serve, merge=merge)
        except RdbFault as fault:
            raise LoadError(f"Fatal error loading the DB from {os.path.abspath(path)} {self.complaint(fault)}. The file was not "
                            "changed.") from None
        except OSError as error:
            raise LoadError(f"Fatal error loading the DB: can't read the RDB file {path}: {reason(error)}") from None
        finally:
            self.engine.loading = False
            self.progress = None
            os.close(fd)
        return True

    def read(self, fd: int, progress: Loading, serve: Callable[[], object], merge: bool = False, keep_expired: bool = False) -> int:
        """Read from a descriptor's position on; the bytes of the RDB. `keep_expired`: keys whose time has come are loaded, too.
        Raises RdbFault, OSError, and what `serve` raises."""
        config = self.config
        known: set[bytes] = set()

        def look() -> None:
            note(load, progress, known)
            serve()

        load = RdbLoad(self.engine, fd, serve=look, merge=merge, keep_expired=keep_expired,
                       relaxed=config.rdb_version_check == "relaxed", checksum=config.rdbchecksum,
                       deep=config.sanitize_dump_payload == "yes")
        more = True
        while more:
            keys, delay_us = load.keys, self.delay_us()
            more = load.step(SLOW_STEP_MS if delay_us else STEP_MS)
            look()
            self.rest((load.keys - keys) * delay_us / 1e6, look)
        self.keys_loaded, self.keys_expired = load.keys, load.expired
        log("notice", f"Done loading RDB, keys loaded: {load.keys}, keys expired: {load.expired}"
            + (f", empty keys skipped: {load.empty}." if load.empty else "."))
        return load.offset

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
    def complaint(fault: RdbFault) -> str:
        """Where and why a file is wrong. It names the key whatever hide-user-data-from-log says, as an operator can do nothing
        about the file without."""
        key = fault.key.decode("utf-8", "backslashreplace")[:SHOWN_KEY]
        return f"at offset {fault.offset}" + (f", key '{key}'" if key else "") + f": {fault}"


def note(load: RdbLoad, progress: Loading, known: set[bytes]) -> None:
    """Show how far it is, and log what the file says of itself that is not `known` yet."""
    progress.loading_loaded_bytes = load.offset
    for name, value in load.aux.items():
        if name not in known:
            known.add(name)
            log_remark(name, value)
            if name == b"used-mem":
                progress.loading_rdb_used_mem = number_of(value)


def log_remark(name: bytes, value: bytes) -> None:
    """What a file says of itself, where an operator may want to know."""
    text = value.decode("utf-8", "backslashreplace")
    if name in (b"valkey-ver", b"redis-ver"):
        log("notice", f"Loading RDB produced by {'Valkey' if name == b'valkey-ver' else 'Redis'} version {text}")
    elif name == b"ctime":
        log("notice", f"RDB age {max(0, int(time.time()) - number_of(value))} seconds")
    elif name == b"used-mem":
        log("notice", f"RDB memory usage when created {number_of(value) / (1 << 20):.2f} Mb")
    elif name == b"aof-preamble" and number_of(value):
        log("notice", "RDB has an AOF tail")
    elif name == b"aof-base" and number_of(value):
        log("notice", "RDB is base AOF")


def number_of(value: bytes) -> int:
    """A number that a file says of itself; 0 where it is none."""
    return int(value) if value.removeprefix(b"-").isdigit() else 0
