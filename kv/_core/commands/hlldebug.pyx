"""PFDEBUG and PFSELFTEST: the inside of HyperLogLogs, for tests."""
from libc.math cimport ceil, sqrt
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memset

from kv._core.base.buffer cimport Buffer, buffer_free, buffer_reserve
from kv._core.base.random cimport random_below, random_u64
from kv._core.base.slice cimport slice_of
from kv._core.commands.hyperloglog cimport check_hll, corrupt_error
from kv._core.keyspace.keyspace cimport EVENT_STRING, keyspace_put
from kv._core.objects.entry cimport ENTRY_MODIFIED, Entry, entry_free
from kv._core.objects.hllregisters cimport (
    HLL_PACKED_SIZE, HLL_REGISTERS, HLL_VALUES, hll_use_simd, packed_get, packed_merge, packed_raise,
    registers_pack)
from kv._core.objects.hyperloglog cimport (
    hll_add, hll_collect, hll_estimate, hll_is_dense, hll_limits, hll_new, hll_print, hll_to_dense)
from kv._core.resp.reply cimport reply_array, reply_bulk, reply_i64, reply_ok, reply_status
from kv._core.runtime.context cimport arg_is, changed, error, error_about, write_key
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef enum:
    REGISTER_ROUNDS = 1000
    ELEMENTS = 10000000
    MESSAGE_SIZE = 128


# -- PFDEBUG ----------------------------------------------------------------------------------------------------------

cdef bint make_dense_or_reply(Context *c, Entry *entry, bint *was_sparse) noexcept nogil:
    cdef Entry *made = entry
    was_sparse[0] = not hll_is_dense(entry)
    if not hll_to_dense(&made):
        corrupt_error(c)
        return False
    if made != entry:
        keyspace_put(c.keyspace, c.database, made)
    if was_sparse[0]:
        changed(c, 2, EVENT_STRING, NULL)
    return True


cdef void reply_registers(Context *c, const uint8_t *registers) noexcept nogil:
    cdef int i
    reply_array(&c.reply, HLL_REGISTERS)
    for i in range(HLL_REGISTERS):
        reply_i64(&c.reply, registers[i])


cdef void debug_getreg(Context *c, Entry *entry) noexcept nogil:
    """The registers. Makes the value dense, as it always did."""
    cdef uint8_t registers[HLL_REGISTERS]
    cdef bint was_sparse
    memset(registers, 0, HLL_REGISTERS)
    hll_collect(entry, registers)
    if make_dense_or_reply(c, entry, &was_sparse):
        reply_registers(c, registers)


cdef void debug_decode(Context *c, const Entry *entry) noexcept nogil:
    cdef Buffer text
    if hll_is_dense(entry):
        error(c, b"ERR HLL encoding is not sparse")
        return
    text.data = NULL
    text.length = text.capacity = 0
    buffer_reserve(&text, 1)            # of no opcodes there is no text, but a place for it
    hll_print(entry, &text)
    reply_bulk(&c.reply, text.data, text.length)
    buffer_free(&text)


cdef void debug_todense(Context *c, Entry *entry) noexcept nogil:
    cdef bint was_sparse
    if make_dense_or_reply(c, entry, &was_sparse):
        reply_i64(&c.reply, was_sparse)


cdef void debug_simd(Context *c) noexcept nogil:
    """Switch AVX2 on or off; whether it is used."""
    cdef bint on = arg_is(c, 2, b"on", 2)
    if not on and not arg_is(c, 2, b"off", 3):
        error(c, b"ERR Argument must be ON or OFF")
    elif hll_use_simd(on):
        reply_status(&c.reply, b"enabled", 7)
    else:
        reply_status(&c.reply, b"disabled", 8)


cdef void cmd_pfdebug(Context *c) noexcept nogil:
    cdef Entry *entry
    if arg_is(c, 1, b"simd", 4):
        debug_simd(c)
        return
    entry = write_key(c, 2)
    if entry == NULL:
        error(c, b"ERR The specified key does not exist")
        return
    if not check_hll(c, entry):
        return
    entry.flags |= ENTRY_MODIFIED
    if arg_is(c, 1, b"getreg", 6):
        debug_getreg(c, entry)
    elif arg_is(c, 1, b"decode", 6):
        debug_decode(c, entry)
    elif arg_is(c, 1, b"encoding", 8):
        if hll_is_dense(entry):
            reply_status(&c.reply, b"dense", 5)
        else:
            reply_status(&c.reply, b"sparse", 6)
    elif arg_is(c, 1, b"todense", 7):
        debug_todense(c, entry)
    else:
        error_about(c, b"ERR Unknown PFDEBUG subcommand '", c.argv[1], b"'")


declare(native(cmd_pfdebug), "pfdebug", 3, "write denyoom admin syscmd", keys="2 RW access",
        group="hyperloglog", since="2.8.9", summary="Shows the inside of a HyperLogLog, for tests.",
        args="subcommand key")


# -- PFSELFTEST -------------------------------------------------------------------------------------------------------

cdef bint test_registers_or_reply(Context *c) noexcept nogil:
    """Packed registers keep what they are set to, one by one and all at once, and leave their neighbours alone."""
    cdef uint8_t packed[HLL_PACKED_SIZE]
    cdef uint8_t wanted[HLL_REGISTERS]
    cdef uint8_t all_at_once[HLL_REGISTERS]
    cdef char message[MESSAGE_SIZE]
    cdef int i, _round, found
    for _round in range(REGISTER_ROUNDS):
        memset(packed, 0, HLL_PACKED_SIZE)
        memset(all_at_once, 0, HLL_REGISTERS)
        for i in range(HLL_REGISTERS):
            wanted[i] = <uint8_t> random_below(&c.keyspace.random, HLL_VALUES)
            packed_raise(packed, i, wanted[i])
        packed_merge(packed, all_at_once)
        registers_pack(all_at_once, packed)
        for i in range(HLL_REGISTERS):
            found = packed_get(packed, i)
            if found != wanted[i] or all_at_once[i] != wanted[i]:
                snprintf(message, MESSAGE_SIZE, b"ERR TESTFAILED Register %d should be %d but is %d", i,
                         <int> wanted[i], found if found != wanted[i] else <int> all_at_once[i])
                error(c, message)
                return False
    return True


cdef bint test_checkpoint_or_reply(Context *c, const Entry *dense, const Entry *grown,
                                   int64_t added) noexcept nogil:
    """Both forms give one estimate, which is near what was added: within six times the standard error."""
    cdef uint64_t estimate = 0
    cdef uint64_t other = 0
    cdef char message[MESSAGE_SIZE]
    cdef int64_t off, allowed
    hll_estimate(dense, &estimate)
    hll_estimate(grown, &other)
    off = added - <int64_t> estimate
    off = -off if off < 0 else off
    allowed = 1 if added == 10 else <int64_t> ceil(1.04 / sqrt(HLL_REGISTERS) * 6 * added)
    if <uint64_t> added < hll_limits.sparse_bytes // 2 and hll_is_dense(grown):
        error(c, b"ERR TESTFAILED sparse encoding not used")
    elif estimate != other:
        error(c, b"ERR TESTFAILED dense/sparse disagree")
    elif off > allowed:
        snprintf(message, MESSAGE_SIZE, b"ERR TESTFAILED Too big error. card:%lld abserr:%lld", <long long> added,
                 <long long> off)
        error(c, message)
    else:
        return True
    return False


cdef bint test_estimates_or_reply(Context *c, Entry **dense, Entry **grown) noexcept nogil:
    cdef uint64_t seed = random_u64(&c.keyspace.random)
    cdef uint64_t element
    cdef int64_t checkpoint = 1
    cdef int64_t i
    for i in range(1, ELEMENTS + 1):
        element = <uint64_t> i ^ seed
        hll_add(dense, slice_of(<const char *> &element, sizeof(element)))
        hll_add(grown, slice_of(<const char *> &element, sizeof(element)))
        if i == checkpoint:
            if not test_checkpoint_or_reply(c, dense[0], grown[0], i):
                return False
            checkpoint *= 10
    return True


cdef void cmd_pfselftest(Context *c) noexcept nogil:
    cdef Entry *dense = hll_new(slice_of(b"", 0))
    cdef Entry *grown = hll_new(slice_of(b"", 0))
    hll_to_dense(&dense)
    if test_registers_or_reply(c) and test_estimates_or_reply(c, &dense, &grown):
        reply_ok(&c.reply)
    entry_free(dense)
    entry_free(grown)


declare(native(cmd_pfselftest), "pfselftest", 1, "admin syscmd", group="hyperloglog", since="2.8.9",
        summary="Tests the HyperLogLog code.")
