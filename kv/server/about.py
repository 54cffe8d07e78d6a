"""What kv-server answers to --version, --help and its kin, without a server."""
from __future__ import annotations

import os
import signal
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


def run_program(words: list[str]) -> int:
    """Become another program; an exit status where that fails."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):     # Python ignores them, and a program that it runs would, too
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(words[0], words)
    except OSError as error:
        print(f"kv-server: can't run {words[0]}: {error.strerror}", file=sys.stderr)
        return 126


def answer(request: Request) -> int:
    """Do what was asked for; the exit status."""
    if request.name == "version":
        print(version_line())
        return 0
    if request.name == "run":
        return run_program(request.arguments)
    if request.name == "check-system":
        from .system import check_system

        return check_system()
    if request.name == "test-memory":
        print("kv-server: --test-memory is not supported; use memtester")
        return 1
    print(HELP, end="")
    return 0
