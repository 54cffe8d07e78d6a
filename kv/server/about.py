"""What kv-server answers to --version, --help and its kin, without a server."""
from __future__ import annotations

import sys

import kv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Request

HELP = """\
Usage: kv-server [/path/to/kv.conf] [options] [-]
       kv-server - (read the configuration from standard input)
       kv-server -v or --version
       kv-server -h or --help
       kv-server --check-system

Examples:
       kv-server (run the server with the default configuration)
       echo 'maxmemory 128mb' | kv-server -
       kv-server /etc/kv/6379.conf
       kv-server --port 7777
       kv-server --port 7777 --replicaof 127.0.0.1 8888
       kv-server /etc/kv.conf --loglevel verbose -

Every option of kv.conf may be given on the command line, with -- before it.
"""


def version_line() -> str:
    """The one line of --version; its form is Valkey's, which scripts parse."""
    return (f"KV server v={kv.VALKEY_VERSION} sha=00000000:0 malloc=slab bits=64 build={kv.__version__} "
            f"python={sys.version.split()[0]}")


def check_system() -> int:
    """The system settings that hurt a server: one line each, and the exit status."""
    status = 0
    checks = (
        ("overcommit", "/proc/sys/vm/overcommit_memory", lambda text: text.strip() != "0",
         "vm.overcommit_memory is 0: a fork may fail when memory is short. Set it to 1."),
        ("THP", "/sys/kernel/mm/transparent_hugepage/enabled", lambda text: "[always]" not in text,
         "transparent huge pages are always on: a forked child copies far more. Use madvise."),
        ("clocksource", "/sys/devices/system/clocksource/clocksource0/current_clocksource",
         lambda text: text.strip() != "xen", "the clock source is slow."),
    )
    for name, path, good, advice in checks:
        try:
            with open(path) as file:
                fine = good(file.read())
        except OSError:
            print(f"[{name}]...skipped")
            continue
        print(f"[{name}]...{'OK' if fine else 'WARNING: ' + advice}")
        status |= not fine
    return status


def answer(request: Request) -> int:
    """Do what was asked for; the exit status."""
    if request.name == "version":
        print(version_line())
        return 0
    if request.name == "check-system":
        return check_system()
    if request.name == "test-memory":
        print("kv-server: --test-memory is not supported; use memtester")
        return 1
    print(HELP, end="")
    return 0
