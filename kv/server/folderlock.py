"""A folder of data belongs to one program that embeds a database, or to servers.

Servers may share a folder, as Valkey's may: their file names are told apart by their options. A program that opens a database with
a path has the folder for itself. The lock is the system's (flock) on the folder, so it ends with the process, whatever ends it, and
leaves no file.
"""
from __future__ import annotations

import errno
import fcntl
import os

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF, errno.ENOSYS)    # file systems without flock


class FolderInUse(OSError):
    """Somebody else has the folder."""


class FolderLock:
    """The lock of one folder, until close()."""

    def __init__(self, path: str, alone: bool) -> None:
        """Raises FolderInUse; OSError where the folder can't be opened. A file system that knows no locks has none."""
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self.fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            who = "another process" if alone else "a program that embeds a database (kv.open)"
            raise FolderInUse(errno.EWOULDBLOCK, f"The folder {path} is in use by {who}") from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                self.close()
                raise

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
