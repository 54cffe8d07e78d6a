"""The process around the server: daemonizing, the pid file, the supervisor, memory and scheduling settings of the
system."""
from __future__ import annotations

import os
import signal
import sys

from . import systemd
from .log import log
from .trouble import troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config

DEFAULT_PIDFILE = "/var/run/kv.pid"


def fill_standard_descriptors() -> None:
    """Whoever closed the standard descriptors before us did not mean that what is opened next, a client or the append-only
    file, gets the log written into it."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)      # takes the lowest number that is free
            os.set_inheritable(fd, True)
    sys.stdin, sys.stdout, sys.stderr = sys.stdin or open(0), sys.stdout or open(1, "w"), sys.stderr or open(2, "w")


def daemonize() -> None:
    """Go on in a child that has no terminal."""
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


def pidfile_of(config: Config) -> str:
    """Its path, which a later CONFIG SET dir does not move; "" for none."""
    path = config.pidfile or (DEFAULT_PIDFILE if config.daemonize else "")
    return os.path.join(config.first_dir, path) if path else ""


class PidFile:
    """The file that tells other programs the number of this process. A file that holds anything else than a number is
    somebody's, and one that names another process by now is its: neither is touched."""

    MOST_BYTES = 32     # of a file that can be one

    def __init__(self) -> None:
        self.path = ""      # of the file that is ours, "": there is none

    def write(self, path: str) -> None:
        """Write it; where that can't be done the server goes on without."""
        try:
            if not self.replaceable(path):
                log("warning", f"Failed to write PID file: {path} is there and holds something else than a process number")
                return
            with open(path, "w") as file:
                file.write(f"{os.getpid()}\n")
            self.path = os.path.abspath(path)
        except OSError as error:
            troubles.report("Failed to write PID file", error)

    def replaceable(self, path: str) -> bool:
        """Whether there is nothing at a path, or what another process left there. Raises OSError."""
        try:
            if os.stat(path).st_size > self.MOST_BYTES:
                return False
            with open(path, "rb") as file:
                content = file.read().strip()
        except FileNotFoundError:
            return True
        return not content or content.isdigit()

    def remove(self) -> None:
        path, self.path = self.path, ""
        if not path:
            return
        try:
            with open(path, "rb") as file:
                ours = file.read().strip() == b"%d" % os.getpid()
            if ours:
                log("notice", "Removing the pid file.")
                os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            troubles.report("Removing the pid file", error)


pidfile = PidFile()


def supervisor(config: Config) -> str:
    """Who sees to this process, as `supervised` says and the environment confirms: systemd, upstart or no. Such a process
    is not to become a daemon of its own. Upstart is told at once, by stopping until it goes on."""
    wanted = config.supervised
    if wanted == "auto":
        wanted = "upstart" if "UPSTART_JOB" in os.environ else "systemd"
    if wanted == "systemd" and os.environ.get("NOTIFY_SOCKET"):
        log("notice", "Supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and "
                      "TimeoutStopSec in your service unit.")
        systemd.tell("STATUS=Server is loading...")
        return wanted
    if wanted == "upstart":
        if "UPSTART_JOB" in os.environ:
            log("notice", "supervised by upstart, will stop to signal readiness.")
            del os.environ["UPSTART_JOB"]
            os.kill(os.getpid(), signal.SIGSTOP)
            return wanted
        log("warning", "upstart supervision requested, but UPSTART_JOB not found!")
    return "no"


class OomScore:
    """oom_score_adj of this process: ours while oom-score-adj is on, what it was before once it is off again."""

    PATH = "/proc/self/oom_score_adj"

    def __init__(self) -> None:
        self.before: int | None = None  # what it was when we took over, None: we have not

    def apply(self, config: Config, child: bool = False) -> None:
        """Write it as oom-score-adj says. Raises OSError."""
        if config.oom_score_adj == "no":
            if self.before is None:
                return
            value, self.before = self.before, None
        else:
            if self.before is None:
                with open(self.PATH) as file:
                    self.before = int(file.read())
            value = config.oom_score_adj_values[2 if child else 0]
            if config.oom_score_adj in ("yes", "relative"):
                value += self.before
        with open(self.PATH, "w") as file:
            file.write(str(max(-1000, min(1000, value))))


oom_score = OomScore()


def raise_file_limit(wanted: int) -> int:
    """Allow so many open files, or as many as there may be; what is allowed now."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return soft
    for limit in (wanted, hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(hard, limit)))
            return limit
        except (ValueError, OSError):
            continue
    return soft
