"""The memory test of crash reports, on memory that works and on memory that does not."""
import ctypes
import mmap
import os

import pytest

from kv._core.testing.memtest import block
from tests.sanitizer import unsanitized

WORDS = 512


def address_of(memory) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


@pytest.mark.parametrize("words", [0, 1, 7, WORDS])
def test_memory_that_works_keeps_what_is_in_it(words: int) -> None:
    content = os.urandom(8 * WORDS)
    memory = bytearray(content)
    assert block(address_of(memory), words) == 0
    assert bytes(memory) == content


@unsanitized
def test_a_line_of_the_address_that_is_stuck_is_found() -> None:
    """Two pages that are one: what is written to the second is read from the first."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    page = mmap.PAGESIZE
    fixed = 16      # MAP_FIXED
    fd = os.memfd_create("page")
    os.ftruncate(fd, page)
    start = libc.mmap(None, 2 * page, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    for at in (start, start + page):
        assert libc.mmap(at, page, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | fixed, fd, 0) == at
    os.close(fd)
    shared = WORDS // 2
    assert block(start + page - 8 * WORDS, WORDS) == 0
    # the address and its complement differ between the two pages, the other patterns do not
    assert block(start + page - 8 * shared, shared + page // 8) == 2 * shared
    libc.munmap(ctypes.c_void_p(start), 2 * page)
