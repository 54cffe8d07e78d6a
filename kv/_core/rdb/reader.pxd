"""What every value in RDB is made of, read from a source.

Each function returns false where the bytes end or are wrong, and has then set `complaint`; nothing is read after that.
"""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.blob cimport Blob
from kv._core.base.buffer cimport Buffer
from kv._core.base.slice cimport Slice
from kv._core.rdb.source cimport Source

cdef enum:
    MOST_RESERVED = 1 << 22     # elements that a table is made for in advance; it grows where there are more
    COMPLAINT_SIZE = 256        # bytes of a complaint that is made up

cdef struct RdbReader:
    Source *source              # not the reader's
    int version                 # of the file or payload; types are read as this version has them
    bint deep                   # sanitize-dump-payload: look for what the format can't rule out, as duplicates in a listpack
    Buffer text                 # the last string, where it does not stand in the source as it is
    Buffer first                # ... and the first one of a pair
    int64_t expiry              # entries are made with it; -1: none, as a new reader has it
    const char *complaint       # what is wrong with the bytes, in Valkey's words; NULL: nothing is
    char made_up[COMPLAINT_SIZE]    # a complaint that tells a number or a name
    bint empty                  # the value that was read last has no elements: there is no such key

cdef void rdb_reader_init(RdbReader *reader, Source *source, int version, bint deep) noexcept nogil
cdef void rdb_reader_free(RdbReader *reader) noexcept nogil
cdef bint rdb_complain(RdbReader *reader, const char *complaint) noexcept nogil             # sets it; false
cdef bint rdb_complain_number(RdbReader *reader, const char *form, int64_t number) noexcept nogil   # form: of printf, %lld
cdef bint rdb_complain_text(RdbReader *reader, const char *form, Slice text) noexcept nogil  # form: of printf, %.*s
cdef bint rdb_complain_cut_off(RdbReader *reader) noexcept nogil            # the bytes end too early; false
cdef bint rdb_is_cut_off(const RdbReader *reader) noexcept nogil            # ... was the complaint
# whether something was read; where the bytes ended instead, the complaint becomes these words for what was being read
cdef bint rdb_read_or_complain(RdbReader *reader, bint was_read, const char *complaint) noexcept nogil

cdef bint rdb_get_byte(RdbReader *reader, int *byte) noexcept nogil
cdef bint rdb_get_bytes(RdbReader *reader, void *into, size_t length) noexcept nogil        # as they are
cdef bint rdb_get_length(RdbReader *reader, uint64_t *length) noexcept nogil
# of things that take so many bytes each, at least: no more than there are bytes for, as far as that can be known
cdef bint rdb_get_count(RdbReader *reader, uint64_t least, uint64_t *count) noexcept nogil
cdef bint rdb_count_fits(RdbReader *reader, uint64_t least, uint64_t count) noexcept nogil  # ... of a count that was read
cdef bint rdb_get_milliseconds(RdbReader *reader, int64_t *ms) noexcept nogil               # 8 bytes, the lowest first
cdef bint rdb_get_double(RdbReader *reader, double *value) noexcept nogil                   # 8 bytes, the lowest first
cdef bint rdb_get_string(RdbReader *reader, Slice *text) noexcept nogil                     # good until the next read
cdef bint rdb_get_element(RdbReader *reader, Slice *text) noexcept nogil                    # ... of up to 4 GiB
# two strings in turn, the first of up to 4 GiB; good until the next read
cdef bint rdb_get_pair(RdbReader *reader, Slice *first, Slice *second) noexcept nogil
cdef bint rdb_string_is_long(RdbReader *reader) noexcept nogil      # the next string is worth a block of its own, or compressed
# a string in a block that is the caller's then, NULL for false: a Blob, or the bytes alone, which memory_free frees
cdef Blob *rdb_get_blob(RdbReader *reader) noexcept nogil
cdef void *rdb_get_block(RdbReader *reader, size_t *length) noexcept nogil
cdef bint rdb_skip_string(RdbReader *reader) noexcept nogil


cdef inline uint64_t rdb_room(uint64_t count) noexcept nogil:
    """Elements to make room for where so many are announced."""
    return count if count < MOST_RESERVED else MOST_RESERVED
