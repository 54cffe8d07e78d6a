"""The title of the process: what ps and top show as its command line.

The kernel reads it from where it put the arguments, and beyond them the environment, when the program began. The title
takes that place over, once the environment has moved. It is written through /proc/self/mem: ctypes, which could write
there too, takes longer to load than all the rest of this file.
"""
from __future__ import annotations

import os

from .config.check import expand_process_title

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config

ARG_START, ARG_END, ENV_START, ENV_END = 45, 46, 47, 48  # of /proc/self/stat, behind the name


def expand(config: Config, executable: str) -> str:
    """proc-title-template with its variables."""
    bind = list(config.bind)
    port = config.port or config.tls_port
    return expand_process_title(config.proc_title_template, {
        "title": executable,
        "listen-addr": f"{bind[0] if bind else '*'}:{port}" if port else f"unixsocket:{config.unixsocket}",
        "server-mode": "[cluster]" if config.cluster_enabled else "",
        "config-file": config.file or "-", "port": str(config.port), "tls-port": str(config.tls_port),
        "unixsocket": config.unixsocket or "",
    })


class ProcessTitle:
    """Where the title stands. Nothing happens where the system does not tell."""

    def __init__(self) -> None:
        self.start = self.size = 0
        try:
            with open("/proc/self/stat") as file:
                fields = [int(word) for word in file.read().rpartition(") ")[2].split()[1:]]
            start, end, env_start, env_end = (fields[index - 1] for index in (ARG_START, ARG_END, ENV_START, ENV_END))
        except (OSError, ValueError, IndexError):
            return
        for name, value in os.environ.items():
            os.putenv(name, value)      # the C library's own copy, somewhere else
        if 0 < start < end:
            self.start, self.size = start, (env_end if env_start == end and env_end > end else end) - start

    def show(self, text: str) -> None:
        """The whole title to ps, the program's name (15 bytes) to top."""
        try:
            with open("/proc/self/comm", "w") as file:
                file.write("kv-server")
            if self.size:
                title = os.fsencode(text)[:self.size - 1]
                with open("/proc/self/mem", "r+b", buffering=0) as memory:
                    memory.seek(self.start)
                    memory.write(title.ljust(self.size, b"\0"))
        except OSError:
            pass
