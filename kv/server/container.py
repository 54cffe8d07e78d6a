"""How much memory this process may use: the limit of its control group, as a container has one, or the machine's memory.

The kernel kills what uses more than the limit, so it is what counts; the machine's memory says nothing inside a container.
Files of both versions of control groups are read, those of the group and of all that it is within: the lowest limit holds.

    /proc/self/cgroup       0::/kubepods/pod1/abc       version 2: memory.max below /sys/fs/cgroup
                            9:memory:/docker/abc        version 1: memory.limit_in_bytes below /sys/fs/cgroup/memory

Inside a container the path may be that of the host, of which only the last folder is there, as the mount itself: so files that
are missing are passed over, up to the mount's own.
"""
from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

UNIFIED = ("sys/fs/cgroup", "sys/fs/cgroup/unified")    # where version 2 is mounted, alone or beside version 1
MEMORY = ("sys/fs/cgroup/memory", "sys/fs/cgroup/cpu,memory")


def machine_memory() -> int:
    """Bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def memory_limit(root: str = "/", machine: int | None = None) -> int | None:
    """Bytes that the control group of this process allows, None where that is all the machine has. `root` is where proc and
    sys are, `machine` its memory."""
    limits = [limit for path in limit_files(root) if (limit := read_limit(path)) is not None]
    most = machine_memory() if machine is None else machine
    return min(limits) if limits and min(limits) < most else None


def usable_memory() -> int:
    """Bytes: of the control group's limit, or of the machine where there is none."""
    return memory_limit() or machine_memory()


def limit_files(root: str) -> Iterator[str]:
    """Files that may state a limit of this process."""
    try:
        with open(os.path.join(root, "proc/self/cgroup"), encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            mounts, name = UNIFIED, "memory.max"
        elif "memory" in controllers.split(","):
            mounts, name = MEMORY, "memory.limit_in_bytes"
        else:
            continue
        for mount in mounts:
            for folder in upwards(group):
                yield os.path.join(root, mount, folder, name)


def upwards(group: str) -> Iterator[str]:
    """A group's folder below the mount and those it is within, "" the last. A group outside of what is mounted, which the
    kernel shows with .., has none but that."""
    parts = [part for part in group.split("/") if part]
    if ".." in parts:
        parts = []
    for count in range(len(parts), -1, -1):
        yield "/".join(parts[:count])


def read_limit(path: str) -> int | None:
    """Bytes that a file states, None where it is not there or states none."""
    try:
        with open(path, "rb") as file:
            text = file.read(32).strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) else None
