"""What every file needs that must be there after a crash: all bytes written, and its name in a folder that is synced."""
from __future__ import annotations

import os


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write everything. Raises OSError."""
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left):]


def sync_folder(path: str) -> None:
    """Make the names in a folder last, as a rename or a removal left them. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
