"""One run of the server: the names and times by which it is told from other servers, and from its own runs before."""
from __future__ import annotations

import os
import time

ID_BYTES = 20


def random_id() -> str:
    """40 hexadecimal digits."""
    return os.urandom(ID_BYTES).hex()


class Instance:
    """What the start found out; INFO shows it."""

    def __init__(self, supervisor: str) -> None:
        self.supervisor = supervisor    # who sees to this process: systemd, upstart or no
        self.run_id = random_id()
        self.replication_id = random_id()
        self.started = time.time()      # unix time
        self.startup_memory = 0         # bytes in use before the data were loaded
