"""Python faces of the allocator, for the tests; see testing/base for why. A block is handed out as its
address."""
from libc.stdint cimport uintptr_t
from libc.string cimport memset

from kv._core.base.heap cimport heap_look
from kv._core.base.memory cimport (
    MemoryFigures, memory_alloc, memory_begin_dismissing, memory_calloc, memory_check, memory_class_size, memory_dismiss,
    memory_enter_thread, memory_figures, memory_free, memory_purge, memory_realloc, memory_resident, memory_size, memory_slab_bytes,
    memory_spare, memory_spare_pages, memory_used)
from kv._core.base.platform cimport ASAN

SANITIZED = bool(ASAN)      # every block is malloc's own


def alloc(size_t size):
    return <uintptr_t> memory_alloc(size)


def calloc(size_t size):
    return <uintptr_t> memory_calloc(size)


def realloc(uintptr_t block, size_t size):
    return <uintptr_t> memory_realloc(<void *> block, size)


def free(uintptr_t block):
    memory_free(<void *> block)


def size(uintptr_t block):
    return memory_size(<void *> block)


def class_size(size_t size):
    return memory_class_size(size)


def used():
    return memory_used()


def slab_bytes():
    return memory_slab_bytes()


def figures():
    """(allocated, active, resident) of the allocator, and the resident set of the process."""
    cdef MemoryFigures found
    heap_look()
    found = memory_figures()
    return found.allocated, found.active, found.resident, memory_resident()


def purge():
    return memory_purge()


def spare():
    return memory_spare()


def check():
    """Raises AssertionError where the allocator's account is wrong."""
    cdef const char *fault = memory_check()
    if fault != NULL:
        raise AssertionError(fault.decode())


def spare_pages(bint spare):
    memory_spare_pages(spare)


def begin_dismissing():
    memory_begin_dismissing()


def dismiss(uintptr_t block):
    memory_dismiss(<void *> block)


def fill(uintptr_t block, int byte, size_t length):
    memset(<void *> block, byte, length)


def content(uintptr_t block, size_t length):
    return (<char *> block)[:length]


def enter_thread():
    """The calling thread may only free from now on."""
    memory_enter_thread()


def free_all(list blocks):
    """Free many blocks, without the GIL, so that the owner goes on meanwhile."""
    cdef uintptr_t[:] addresses = blocks_array(blocks)
    cdef Py_ssize_t i
    with nogil:
        for i in range(addresses.shape[0]):
            memory_free(<void *> addresses[i])


cdef object blocks_array(list blocks):
    from array import array
    return array("L", blocks)
