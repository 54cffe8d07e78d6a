"""A source that reads from a file descriptor."""
from libc.stdint cimport int64_t

from kv._core.rdb.source cimport Source

cdef struct FileSource:
    Source source               # first: decoders are given its address
    int fd                      # not the source's: who opened it closes it
    char *buffer
    size_t capacity             # bytes of it
    int64_t serve_us            # clock_us() from which on `serve` is called again
    void *owner                 # of `serve`
    bint (*serve)(FileSource *file) noexcept nogil      # lets others be served; false: stop. NULL: nobody is

cdef void filesource_init(FileSource *file, int fd, bint checksummed) noexcept nogil
cdef void filesource_free(FileSource *file) noexcept nogil
