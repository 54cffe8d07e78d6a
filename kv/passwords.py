"""The password that a container's environment brings: kv-server requires it, kv-cli sends it to that server.

KV_REQUIREPASS_FROM has names of variables, apart by blanks; the image sets it to KV_PASSWORD, VALKEY_PASSWORD and REDIS_PASSWORD.
The first of them that says something counts. NAME has the password itself, NAME_FILE the path of a file whose first line it is; the
file counts more, and may be changed while the server runs (requirepass-file). Where it can't be read, NAME counts after
all, as in Bitnami's images. An empty variable says nothing; an empty file is refused, since whoever names a file wants a password.

Without KV_REQUIREPASS_FROM none of this happens: on a host REDIS_PASSWORD is for the programs that connect to some server.
"""
from __future__ import annotations

import os

from kv.quoting import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = "KV_REQUIREPASS_FROM"
LONGEST = 64 * 1024     # bytes of a file that are read


class EnvironmentPassword:
    """`path` of a file, or else `password`; both are "" where the environment brings none. `skipped` is the path of a file that
    can't be read, where there is a password in its place."""

    __slots__ = ("password", "path", "skipped")

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.password = self.path = self.skipped = ""
        for name in environment.get(NAMES, "").split():
            self.password = environment.get(name, "")
            self.path = environment.get(f"{name}_FILE", "")
            if self.path and self.password and not os.access(self.path, os.R_OK):
                self.skipped, self.path = self.path, ""
            if self.path:
                self.path, self.password = os.path.abspath(self.path), ""
            if self.path or self.password:
                return

    def read(self) -> str:
        """The password itself, "" for none. Raises OSError, and ValueError where the file has none."""
        return read_password(self.path) if self.path else self.password


def read_password(path: str) -> str:
    """The first line. Raises OSError, and ValueError where there is none."""
    with open(path, "rb") as file:
        line = file.read(LONGEST).split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise ValueError("the file has no password in its first line")
    return decode(line)
