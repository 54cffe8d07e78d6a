"""What is left in the log when the server fails: of a crash, of an exception that nobody caught, of a loop that hangs.

The report of a crash is compiled (kv/_core/engine/crash), since it is written by a signal handler. Here are its settings, the
watchdog's timer, and the report of an exception.
"""
from __future__ import annotations

import atexit
import faulthandler
import signal
import sys
import threading
import time

from kv._core.engine import crash
from kv._core.engine.crash import observe  # noqa: F401  whose running command reports show
from kv._core.engine.rawlog import rawlog_configure, rawlog_refresh

from .log import log, log_bug
from .process import pidfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config

STDERR = 2


def install(config: Config) -> None:
    """Catch crashes from here on. In the server's process: the children that it forks are recognized by another pid."""
    import kv

    try:
        faulthandler.register(signal.SIGALRM, file=STDERR, all_threads=True, chain=False)
    except (ValueError, RuntimeError):
        pass  # stderr is closed: reports do without Python's half of the stack trace
    rawlog_configure(log.path.encode("utf-8", "surrogateescape"))
    refresh()
    crash.install(kv.VALKEY_VERSION, pidfile.path.encode("utf-8", "surrogateescape"))
    configure(config)
    atexit.register(crash.forget_python)
    sys.excepthook = lambda kind, error, stack: log_exception(error)
    sys.unraisablehook = log_unraisable
    threading.excepthook = log_in_thread


def configure(config: Config) -> None:
    """The options, at the start and after CONFIG SET."""
    crash.configure(crash_log=config.crash_log_enabled, hide=config.hide_user_data_from_log,
                    exit_status=config.use_exit_on_panic, test_memory=config.crash_memcheck_enabled,
                    shown_options="\n".join(config.debug_lines()).encode("utf-8", "surrogateescape"))


def refresh() -> None:
    """Have reports know the server's role and the offset to UTC, which a signal handler can't ask for."""
    rawlog_refresh(log.role, time.localtime().tm_gmtoff)


def trace(*exception) -> str:
    """An exception (or its type, itself and its traceback) with its stack, as Python prints it."""
    import traceback  # slow to load, see load_late()

    return "".join(traceback.format_exception(*exception))


def load_late() -> None:
    """Load what reports need. Not before the server is up, which it would delay; and not first where a report is written, since
    perhaps no file can be opened any longer."""
    import traceback  # noqa: F401


def log_unraisable(unraisable) -> None:
    """An exception where it can't be raised: in what the core calls back, or in a finalizer."""
    log_bug(f"{unraisable.err_msg or 'Exception ignored in'}: {unraisable.object!r}\n{trace(*unraisable[:3])}")


def log_in_thread(args) -> None:
    """An exception that ended a thread."""
    name = args.thread.name if args.thread is not None else "?"
    log_bug(f"Exception in thread {name}:\n{trace(*args[:3])}")


def log_exception(error: BaseException) -> None:
    """The report of an exception that ends the server."""
    log.write(crash.REPORT_START)
    log_bug(f"The server stops because of an exception that nobody caught:\n{trace(error)}")
    log.write(crash.REPORT_END)


class Watchdog:
    """watchdog-period: the log is told what the process is doing where the cron does not come round in so many ms. It is a
    timer that the cron keeps from running out."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def rewind(self) -> None:
        """The loop has come round."""
        period = self.config.watchdog_period
        if period:
            signal.setitimer(signal.ITIMER_REAL, period / 1000)

    def check_period(self) -> None:
        """A period shorter than two rounds of the cron is made as long. It begins with the first of them: loading may take
        its time."""
        least = 1000 // self.config.hz * 2
        if 0 < self.config.watchdog_period < least:
            self.config.force("watchdog-period", str(least))

    def change(self) -> None:
        """The period was changed, perhaps to 0."""
        self.check_period()
        signal.setitimer(signal.ITIMER_REAL, self.config.watchdog_period / 1000)

    def stop(self) -> None:
        """Nobody rewinds any longer."""
        signal.setitimer(signal.ITIMER_REAL, 0)
