"""What a container's entry point is given, and means.

The image's ENTRYPOINT is kv-server, so that arguments alone are options. Compose files and manifests made for the
images of Redis and Valkey, whose entry point is a script, begin with a program instead: that of the server, whose name
is passed over, or another one, which is run in the server's place.

    valkey-server --appendonly yes          --appendonly yes
    redis-server /etc/redis.conf --port 1   /etc/redis.conf --port 1
    sh -c 'redis-cli ping'                  the shell

Is a word a program or a configuration file? What is a file here is one, unless it is an executable that the kernel
would run; else what PATH finds is a program. Variables of the environment add options: KV_DEFAULT_FLAGS, of the image
itself, come before the file and all options, REDIS_EXTRA_FLAGS and VALKEY_EXTRA_FLAGS after them. The second is of
Valkey's image; Bitnami's have both, and put them before the options of the command line, which there has none by itself.
"""
from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVERS = ("kv-server", "valkey-server", "redis-server")
SENTINELS = ("kv-sentinel", "valkey-sentinel", "redis-sentinel")
DEFAULT_FLAGS = "KV_DEFAULT_FLAGS"
EXTRA_FLAGS = ("REDIS_EXTRA_FLAGS", "VALKEY_EXTRA_FLAGS")
SHEBANG_MAX = 256       # bytes of a script's first line that the kernel looks at


def server_words(argv: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The command line of the server that argv means: without a program's name before the options, with those of the
    environment behind them."""
    words = list(argv)
    name = os.path.basename(words[1]) if len(words) > 1 else ""
    if name in SENTINELS + SERVERS and (is_program(words[1]) or not os.path.isfile(words[1])):
        words.pop(0 if name in SENTINELS else 1)
    return words + [flag for name in EXTRA_FLAGS for flag in environment.get(name, "").split()]


def other_program(argv: Sequence[str]) -> list[str] | None:
    """The command line of another program that argv begins with, None where it is the server that is meant."""
    if len(argv) < 2 or argv[1].startswith("-") or os.path.basename(argv[1]) in SENTINELS + SERVERS:
        return None
    word = argv[1]
    if "/" in word or os.path.isfile(word):
        found = is_program(word) and "/" in word
    else:
        found = any(is_program(os.path.join(folder, word)) for folder in os.get_exec_path())
    return list(argv[1:]) if found else None


def is_program(path: str) -> bool:
    """Whether the kernel would run this file. Not one whose first line names a server to read it: that is a
    configuration, made executable."""
    if not os.access(path, os.X_OK):
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(SHEBANG_MAX)
    except OSError:
        return os.path.isfile(path)     # may be run, not read
    if head.startswith(b"#!"):
        words = os.fsdecode(head[2:].split(b"\n")[0]).split()
        return not any(os.path.basename(word) in SENTINELS + SERVERS for word in words)
    return head.startswith(b"\x7fELF")
