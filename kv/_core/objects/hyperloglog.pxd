"""HyperLogLog: a string that estimates how many different elements were added to it."""
from libc.stdint cimport uint8_t, uint64_t

from kv._core.base.buffer cimport Buffer
from kv._core.base.slice cimport Slice
from kv._core.objects.entry cimport Entry

cdef struct HllLimits:
    uint64_t sparse_bytes       # hll-sparse-max-bytes: bytes up to which a value stays sparse

cdef HllLimits hll_limits

cdef enum HllOutcome:           # of adding to a value
    HLL_CORRUPT = -1            # its opcodes make no sense; what was added before stays added
    HLL_SAME = 0
    HLL_RAISED = 1              # a register rose; the cached estimate is marked stale

cdef Entry *hll_new(Slice key) noexcept nogil
cdef bint hll_is_valid(const Entry *entry) noexcept nogil

# all below are for a string that hll_is_valid. Those that take Entry ** may remake the entry, as string_writable does
cdef bint hll_is_dense(const Entry *entry) noexcept nogil
cdef HllOutcome hll_add(Entry **entry, Slice element) noexcept nogil
cdef bint hll_to_dense(Entry **entry) noexcept nogil                               # false: it is corrupt
cdef bint hll_collect(const Entry *entry, uint8_t *registers) noexcept nogil       # false: it is corrupt
cdef HllOutcome hll_raise(Entry **entry, const uint8_t *registers) noexcept nogil  # as many registers as there are
cdef void hll_mark_stale(Entry *entry) noexcept nogil
cdef bint hll_cached(const Entry *entry, uint64_t *estimate) noexcept nogil        # false: it is stale
cdef void hll_set_cached(Entry *entry, uint64_t estimate) noexcept nogil
cdef bint hll_estimate(const Entry *entry, uint64_t *estimate) noexcept nogil      # false: it is corrupt
cdef void hll_print(const Entry *entry, Buffer *out) noexcept nogil                # of a sparse one
cdef uint64_t hll_estimate_registers(const uint8_t *registers) noexcept nogil
