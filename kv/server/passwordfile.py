"""requirepass-file: the default user's password in a file, which whoever deploys the server may change while it runs.

A Secret of Kubernetes that is mounted as a folder is such a file: it is replaced as a whole, seconds after the Secret has changed,
and at another moment in each pod. So the password that the file held before is accepted for requirepass-grace seconds more: clients
that still have it can go over to the new one. Clients that are authenticated stay so.

The password is the first line of the file. A file that can't be read, or is empty, changes nothing: that is told in the log, and
the password stays as it was.
"""
from __future__ import annotations

import os

from kv.passwords import read_password

from .config import ConfigError
from .config.directive import fatal
from .log import log
from .trouble import reason, troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config
    from .user import DefaultUser


class PasswordFile:
    """What the file held when it was read last. `path` is that of the option, relative to `dir`; "" where there is none."""

    def __init__(self, config: Config, user: DefaultUser) -> None:
        """Read it, where there is one. Raises FatalConfigError."""
        self.config = config
        self.user = user
        self.path = ""
        self.password = ""
        self.state: tuple[int, ...] = ()    # of the file, as far as the system tells whether it changed
        if config.requirepass_file:
            try:
                self.follow(config.requirepass_file)
            except (OSError, ValueError) as error:
                raise fatal(f"requirepass-file '{config.requirepass_file}': {reason(error)}") from None

    def follow(self, path: str) -> None:
        """From now on this is the file; the password is what it holds. Raises OSError, ValueError."""
        full = os.path.join(self.config.dir, path)
        state = state_of(full)
        password = read_password(full)
        self.path, self.state, self.password = path, state, password
        self.user.of_file = True
        self.user.set_password(password)

    def change(self) -> None:
        """After CONFIG SET requirepass-file. Raises ConfigError."""
        path = self.config.requirepass_file
        if path == self.path:
            return
        if not path:
            self.path, self.password, self.state = "", "", ()
            self.user.of_file = False
            self.user.set_password(self.config.requirepass)
            return
        try:
            self.follow(path)
        except (OSError, ValueError) as error:
            raise ConfigError(reason(error)) from None

    def look(self) -> None:
        """Take over what the file holds by now."""
        if not self.path:
            return
        full = os.path.join(self.config.dir, self.path)
        try:
            state = state_of(full)
            if state == self.state:
                return
            password = read_password(full)
        except OSError as error:
            troubles.report(f"Reading requirepass-file '{self.path}', the password stays", error)
            return
        except ValueError as error:
            troubles.report_line(f"requirepass-file '{self.path}': {error}, the password stays")
            return
        self.state = state
        if password == self.password:
            return
        self.password = password
        grace = self.config.requirepass_grace
        self.user.replace_password(password, grace)
        log("notice", f"The password in requirepass-file has changed; the one before it is accepted for {grace} more seconds.")
        self.user.warn_of_placeholder()


def state_of(path: str) -> tuple[int, ...]:
    """What differs once the file, or what a link at its place leads to, is another. Raises OSError."""
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

