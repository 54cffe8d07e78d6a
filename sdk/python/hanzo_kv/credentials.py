"""Passwords that change while the program runs.

A new connection asks a source for the password; a source keeps the answer until the server refuses it (WRONGPASS, NOAUTH), and only
then looks again. So a rotation needs no restart and the KMS is asked once a rotation, not once a connection.
"""
from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from redis.credentials import CredentialProvider

from .address import ConfigError
from .config import KMSConfig, KVConfig, read_secret
from .kms import KMS, CredentialsError
from .logs import log

LOOK_AGAIN_SECONDS = 1.0        # a password that the source still has although it was refused is not asked for more often


class RotatingCredentials(CredentialProvider):
    """`fetch` gives the password, and may take its time. Threads and event loops may share one."""

    def __init__(self, fetch: Callable[[], str], username: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        self.username = username
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._password = ""
        self._looked = float("-inf")        # when the source gave again what had been refused

    def __repr__(self) -> str:
        return f"{type(self).__name__}(username={self.username!r})"

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        with self._lock:
            if not self._password:
                self._password = self._fetch()
            return (self.username, self._password) if self.username else (self._password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return await asyncio.to_thread(self.get_credentials)

    def refused(self, password: str) -> bool:
        """The server did not take this password: look whether there is another one now. Raises what `fetch` does."""
        with self._lock:
            if password != self._password:
                return True                                 # another connection has looked already
            if self._clock() - self._looked < LOOK_AGAIN_SECONDS:
                return False
            self._password = self._fetch()
            changed = self._password != password
            self._looked = float("-inf") if changed else self._clock()
        log.warning("password refused", extra={"reason": "another one is known now" if changed else "no other one is known"})
        return changed


class KMSCredentials(RotatingCredentials):
    """The password from the KMS that the environment, or `config`, names. For redis.Redis(credential_provider=...), too."""

    def __init__(self, config: KMSConfig | None = None, username: str = "", *, kms: KMS | None = None) -> None:
        config = config or (kms.config if kms else KMSConfig.from_env())
        if config is None:
            raise ValueError("HANZO_KMS_TOKEN: not set, nor HANZO_KMS_CLIENT_ID and HANZO_KMS_CLIENT_SECRET")
        self.kms = kms or KMS(config)
        super().__init__(self.kms.password, username)


class FileCredentials(RotatingCredentials):
    """The password from a file that Kubernetes, or an operator, writes anew."""

    def __init__(self, path: str, username: str = "") -> None:
        self.path = path
        super().__init__(self._read, username)

    def _read(self) -> str:
        try:
            return read_secret(self.path, "password file")
        except ConfigError as error:
            raise CredentialsError(str(error)) from None


def credentials_of(config: KVConfig) -> RotatingCredentials | None:
    """None where the password is one that does not change, or there is none."""
    if config.kms is not None:
        return KMSCredentials(config.kms, config.address.username)
    if config.password_file:
        return FileCredentials(config.password_file, config.address.username)
    return None
