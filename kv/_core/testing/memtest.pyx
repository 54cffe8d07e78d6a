"""The face of a crash report's memory test, for the tests; see testing/base for why."""
from libc.stdint cimport uint64_t, uintptr_t

from kv._core.engine.memtest cimport memtest_block


def block(uintptr_t address, size_t words):
    """How many of the words at an address fail."""
    return memtest_block(<uint64_t *> address, words)
