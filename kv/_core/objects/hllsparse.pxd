"""The sparse form of a HyperLogLog: opcodes for runs of equal registers."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from kv._core.base.buffer cimport Buffer
from kv._core.objects.hllregisters cimport HllHistogram

cdef enum:
    SPARSE_HIGHEST = 32         # largest value that an opcode can give to a register
    SPARSE_LONGEST = 5          # bytes of what replaces an opcode

cdef struct SparseCursor:       # an opcode before which nothing will change: where a search may begin
    size_t at                   # where it stands
    int64_t first               # its first register

cdef struct SparsePlace:        # the opcode that covers a register
    size_t at                   # where it stands
    size_t previous             # where the one before it does; `at` itself where there is none
    int size                    # its bytes
    int value                   # of its registers
    int64_t first               # its first register
    int64_t end                 # the one behind its last

# `length` bytes of opcodes; no byte behind them is read, whatever they are. False: they are corrupt
cdef bint sparse_find(const uint8_t *codes, size_t length, uint32_t index, SparseCursor *cursor,
                      SparsePlace *place) noexcept nogil
cdef bint sparse_merge(const uint8_t *codes, size_t length, uint8_t *registers) noexcept nogil
cdef bint sparse_histogram(const uint8_t *codes, size_t length, HllHistogram *histogram) noexcept nogil
# what is to stand in the place of an opcode when one of its registers gets a value; its length
cdef int sparse_split(const SparsePlace *place, uint32_t index, int value, uint8_t *out) noexcept nogil
# join equal neighbours from an opcode on; the new length
cdef size_t sparse_join(uint8_t *codes, size_t length, size_t at) noexcept nogil
cdef void sparse_print(const uint8_t *codes, size_t length, Buffer *out) noexcept nogil
