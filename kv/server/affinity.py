"""Which processors the server's threads and children may run on: server-cpulist, bio-cpulist, aof-rewrite-cpulist.

A list is taskset's: `0,2`, `0-3`, `0-7:2` for every second one. Threads begin where the one that makes them is allowed
to, so those in the background move as they begin: to bio-cpulist, or, where that is empty, back to where the process
itself had been allowed to run.
"""
from __future__ import annotations

import os

from kv._core.runtime.lazyfree import lazyfree_run_on

from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config

PROCESSORS_MAX = 1024       # of a CPU set of the C library; higher numbers mean nothing
background: set[int] = set()    # where threads in the background belong; empty: where they begin


def parse(cpulist: str) -> set[int]:
    """The processors of a list. Raises ValueError."""
    found: set[int] = set()
    for part in cpulist.split(","):
        bounds, colon, stride = part.partition(":")
        first, dash, last = bounds.partition("-")
        step = number(stride) if colon else 1
        low = number(first)
        high = number(last) if dash else low
        if step == 0 or low > high or (colon and not dash):
            raise ValueError(part)
        found.update(range(low, min(high, PROCESSORS_MAX - 1) + 1, step))
    return found


def number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def run_on(option: str, cpulist: str) -> set[int]:
    """Have this thread run on the processors of a list, and return them; on all it could before where there is no list, or one
    that makes no sense here, which is logged."""
    if not cpulist:
        return set()
    try:
        processors = parse(cpulist)
        os.sched_setaffinity(0, processors)
        return processors
    except ValueError:
        reason = "a list of processors is such as 0,2 or 0-3 or 0-7:2"
    except OSError as error:
        reason = error.strerror or str(error)
    log("warning", f"WARNING {option} {cpulist} has no effect: {reason}.")
    return set()


def settle(config: Config) -> None:
    """At the start, in the main thread: where it runs from now on, and where those in the background will."""
    if not config.server_cpulist and not config.bio_cpulist:
        return
    everywhere = os.sched_getaffinity(0)
    background.update(run_on("bio-cpulist", config.bio_cpulist) or everywhere)
    os.sched_setaffinity(0, everywhere)
    run_on("server-cpulist", config.server_cpulist)
    lazyfree_run_on(background)


def enter_background() -> None:
    """For a thread in the background, as it begins."""
    if background:
        os.sched_setaffinity(0, background)
