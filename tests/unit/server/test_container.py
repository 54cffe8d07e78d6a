"""The memory that a control group allows, read from trees as kernels and container engines make them."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from kv.server.container import machine_memory, memory_limit, usable_memory

GB = 1 << 30
MACHINE = 64 * GB


def tree(root: Path, cgroup: str, files: dict[str, str]) -> str:
    """proc/self/cgroup with these lines, and files below sys/fs/cgroup."""
    for name, text in {"proc/self/cgroup": cgroup, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


@pytest.mark.parametrize("cgroup, files, limit", [
    # version 2, in a container: the group is the mount's own
    ("0::/\n", {"memory.max": "2147483648\n"}, 2 * GB),
    ("0::/\n", {"memory.max": "max\n"}, None),
    # ... on a host, where the lowest of the group and all that it is within holds
    ("0::/system.slice/kv.service\n", {"system.slice/kv.service/memory.max": "3221225472\n", "system.slice/memory.max": "max\n"},
     3 * GB),
    ("0::/kubepods/pod/kv\n", {"kubepods/pod/kv/memory.max": "max\n", "kubepods/pod/memory.max": f"{2 * GB}\n",
                               "kubepods/memory.max": f"{40 * GB}\n"}, 2 * GB),
    ("0::/a/b\n", {"a/b/memory.max": f"{5 * GB}\n", "a/memory.max": f"{4 * GB}\n", "memory.max": f"{9 * GB}\n"}, 4 * GB),
    # a path of the host's, which is not mounted here
    ("0::/kubepods/pod/kv\n", {"memory.max": f"{2 * GB}\n"}, 2 * GB),
    ("0::/../other\n", {"memory.max": f"{2 * GB}\n", "other/memory.max": f"{GB}\n"}, 2 * GB),
    # version 1
    ("9:name=systemd:/\n4:memory:/docker/abc\n1:cpu:/\n", {"memory/docker/abc/memory.limit_in_bytes": f"{GB}\n"}, GB),
    ("4:cpu,memory:/docker/abc\n", {"memory/memory.limit_in_bytes": f"{GB}\n"}, GB),
    ("4:memory:/a\n", {"memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, None),
    # both, as systemd mounts them side by side
    ("4:memory:/a\n0::/a\n", {"memory/a/memory.limit_in_bytes": f"{6 * GB}\n", "unified/a/memory.max": "max\n"}, 6 * GB),
    # as much as the machine has, or more, is no limit
    ("0::/\n", {"memory.max": f"{MACHINE}\n"}, None),
    ("0::/\n", {"memory.max": f"{MACHINE - 1}\n"}, MACHINE - 1),
    # what makes no sense
    ("0::/\n", {"memory.max": ""}, None), ("0::/\n", {"memory.max": "0\n"}, None), ("0::/\n", {"memory.max": "-1\n"}, None),
    ("", {"memory.max": f"{GB}\n"}, None), ("garbage\n:\n0:\n", {}, None),
    ("4:memory:/a\n", {"a/memory.max": f"{GB}\n"}, None)])
def test_the_limit_of_a_control_group(tmp_path: Path, cgroup: str, files: dict[str, str], limit: int | None) -> None:
    assert memory_limit(tree(tmp_path, cgroup, files), MACHINE) == limit


def test_there_is_none_where_nothing_is_mounted(tmp_path: Path) -> None:
    assert memory_limit(str(tmp_path), MACHINE) is None


def test_what_may_be_used_is_of_this_machine() -> None:
    assert machine_memory() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < usable_memory() <= machine_memory()
    assert usable_memory() == (memory_limit() or machine_memory())
