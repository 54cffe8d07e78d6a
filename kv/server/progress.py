"""How far a forked child is and what it has cost so far: INFO persistence's current_* fields.

The child writes its figures into a page of memory that it shares with the server, so the server sees them whenever it is
asked and reads no message. The pages that the child has copied are counted by the system in a walk over all of its
memory: that is done for at most a hundredth of the child's time.
"""
from __future__ import annotations

import mmap
import struct
import time

FIGURES = struct.Struct("=QQQd")    # keys written, bytes copied, the most so far, when these were counted (monotonic)
COUNTING_SHARE = 100                # a count that took t is followed by another after t times this


def private_bytes() -> int:
    """Memory of this process that it shares with nobody: what a child cost by copying pages."""
    try:
        with open("/proc/self/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Private_Dirty:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class Progress:
    """Made before the fork. The child calls note(); the server reads the figures."""

    def __init__(self, keys_total: int) -> None:
        self.keys_total = keys_total
        self.shared = mmap.mmap(-1, FIGURES.size)
        self.next_count = 0.0       # the child's: when it counts pages again

    # -- the child's --------------------------------------------------------------------------------------------------

    def note(self, keys: int) -> None:
        """So many keys are written."""
        _, copied, most, counted = FIGURES.unpack_from(self.shared)
        now = time.monotonic()
        if now >= self.next_count:
            copied, counted = private_bytes(), time.monotonic()
            most = max(most, copied)
            self.next_count = counted + (counted - now) * COUNTING_SHARE
        FIGURES.pack_into(self.shared, 0, keys, copied, most, counted)

    # -- the server's -------------------------------------------------------------------------------------------------

    def figures(self) -> dict[str, int]:
        """The fields of INFO persistence while the child lives."""
        keys, copied, most, counted = FIGURES.unpack_from(self.shared)
        return {"current_cow_peak": most, "current_cow_size": copied,
                "current_cow_size_age": int(time.monotonic() - counted) if counted else 0,
                "current_save_keys_processed": keys, "current_save_keys_total": self.keys_total}


IDLE = {"current_cow_peak": 0, "current_cow_size": 0, "current_cow_size_age": 0, "current_save_keys_processed": 0,
        "current_save_keys_total": 0}      # while there is no child
