"""The system's settings that hurt a server: what the log warns of at the start and --check-system reports.

A check returns what is wrong, "" where nothing is, and raises OSError where that can't be found out.
"""
from __future__ import annotations

import os

from kv._core.engine.system import disable_huge_pages, kernel_loses_pages

from .config.option import Share
from .container import memory_limit
from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import Config

OVERCOMMIT = "/proc/sys/vm/overcommit_memory"
HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"
CLOCK_SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
KERNEL_WARNING = "ARM64-COW-BUG"    # of ignore-warnings
ADVISED_PERCENT = 75    # of a container's limit for maxmemory: the rest is for buffers, and pages copied while a child saves


def content(path: str) -> str:
    with open(path) as file:
        return file.read().strip()


def overcommit() -> str:
    if content(OVERCOMMIT) != "0":
        return ""
    return ("Memory overcommit must be enabled! Without it, a background save or replication may fail under low memory "
            "condition. To fix this issue add 'vm.overcommit_memory = 1' to /etc/sysctl.conf and then reboot or run the command "
            "'sysctl vm.overcommit_memory=1' for this to take effect.")


def huge_pages() -> str:
    if "[always]" not in content(HUGE_PAGES):
        return ""
    return ("You have Transparent Huge Pages (THP) support enabled in your kernel. This will create latency and memory usage "
            "issues with KV. To fix this issue run the command 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled' as "
            "root, and add it to your /etc/rc.local in order to retain the setting after a reboot. KV must be restarted after "
            "THP is disabled (set to 'madvise' or 'never').")


def clock_source() -> str:
    if content(CLOCK_SOURCE) != "xen":
        return ""
    return ("Your system is configured to use the 'xen' clocksource which might lead to degraded performance. Another one is "
            "set by writing its name to " + CLOCK_SOURCE + ".")


def kernel_bug() -> str:
    lost = kernel_loses_pages(os.sysconf("SC_PAGE_SIZE"))
    if lost is None:
        raise OSError("no figures of the page")
    if not lost:
        return ""
    return ("Your kernel has a bug that could lead to data corruption during background save. Please upgrade to the latest "
            "stable kernel.")


def has_kernel_bug() -> bool:
    """Whether this is a processor whose kernels had the bug."""
    return os.uname().machine == "aarch64"


def checks() -> list[tuple[str, Callable[[], str]]]:
    """(name, check) of each that --check-system makes here."""
    found = [("xen-clocksource", clock_source), ("overcommit", overcommit), ("THP", huge_pages)]
    return found + ([("madvise-free-fork-bug", kernel_bug)] if has_kernel_bug() else [])


def check_system() -> int:
    """--check-system: a line for each check; the exit status."""
    status = 0
    for name, check in checks():
        try:
            wrong = check()
        except OSError:
            print(f"[{name}]...skipped")
            continue
        print(f"[{name}]...WARNING:\n{wrong}" if wrong else f"[{name}]...OK")
        status |= bool(wrong)
    return status


def warn(check: Callable[[], str]) -> bool:
    """Log what a check finds; whether it found anything."""
    try:
        wrong = check()
    except OSError:
        return False
    if wrong:
        log("warning", f"WARNING {wrong}")
    return bool(wrong)


def check_at_start(config: Config) -> bool:
    """Warn of what will hurt later, and do without huge pages, as disable-thp says. Whether the server may start."""
    warn(overcommit)
    if not (config.disable_thp and disable_huge_pages()):
        warn(huge_pages)
    warn(clock_source)
    return not has_kernel_bug() or check_kernel(config)


def tell_of_share(config: Config) -> None:
    """Log what maxmemory is where it is stated as a percentage."""
    share = config.maxmemory
    if isinstance(share, Share):
        whole = "the memory limit of this container" if memory_limit() == share.whole else "this machine's memory"
        log("notice", f"maxmemory is {share.percent}% of {whole} ({share.whole} bytes): {int(share)} bytes")


def warn_of_limit(config: Config, limit: int | None) -> None:
    """What does not go well with the limit of a container, in bytes."""
    if limit is None:
        return
    if not config.maxmemory:
        log("warning", f"WARNING maxmemory is not set, and this container has a memory limit of {limit} bytes: when the data grow "
                       f"beyond it, the kernel kills the server. Set 'maxmemory {ADVISED_PERCENT}%', which is "
                       f"{limit * ADVISED_PERCENT // 100} bytes here.")
    elif config.maxmemory > limit:
        log("warning", f"WARNING maxmemory ({int(config.maxmemory)}) is more than the memory limit of this container ({limit} "
                       "bytes): the kernel kills the server before it would evict a key or refuse a write. Set 'maxmemory "
                       f"{ADVISED_PERCENT}%', which is {limit * ADVISED_PERCENT // 100} bytes here.")


def check_kernel(config: Config) -> bool:
    """False where a fork may corrupt data and ignore-warnings does not say that this is known."""
    try:
        wrong = kernel_bug()
    except OSError:
        wrong = ("Failed to test the kernel for a bug that could lead to data corruption during background save. Your system "
                 "could be affected, please report this error.")
    if not wrong:
        return True
    log("warning", f"WARNING {wrong}")
    if KERNEL_WARNING in config.ignore_warnings.split():
        return True
    log("warning", "KV will now exit to prevent data corruption. Note that it is possible to suppress this warning by setting "
                   f"the following config: ignore-warnings {KERNEL_WARNING}")
    return False
