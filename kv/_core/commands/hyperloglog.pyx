"""HyperLogLog commands.

PFCOUNT of one key reads, yet may change: it keeps the estimate in the value. It marks that as a change, so the AOF and
replicas hear of it as PFCOUNT, and their values stay equal to ours byte for byte.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset

from kv._core.base.platform cimport likely, unlikely
from kv._core.keyspace.keyspace cimport EVENT_STRING, keyspace_add, keyspace_put
from kv._core.objects.entry cimport TYPE_STRING, Entry
from kv._core.objects.hllregisters cimport HLL_REGISTERS
from kv._core.objects.hyperloglog cimport (
    HLL_CORRUPT, HLL_RAISED, HllOutcome, hll_add, hll_cached, hll_collect, hll_estimate, hll_estimate_registers,
    hll_is_dense, hll_is_valid, hll_mark_stale, hll_new, hll_raise, hll_set_cached, hll_to_dense)
from kv._core.resp.reply cimport reply_i64, reply_ok
from kv._core.runtime.context cimport changed, check_type, context_key, error, read_key, write_key
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context


cdef bint check_hll(Context *c, const Entry *entry) noexcept nogil:
    """Whether the entry, if there is one, is a HyperLogLog; else the client is told."""
    if not check_type(c, entry, TYPE_STRING):
        return False
    if likely(entry == NULL or hll_is_valid(entry)):
        return True
    error(c, b"WRONGTYPE Key is not a valid HyperLogLog string value.")
    return False


cdef void corrupt_error(Context *c) noexcept nogil:
    error(c, b"INVALIDOBJ Corrupted HLL object detected")


cdef void store(Context *c, Entry *found, Entry *made) noexcept nogil:
    """Put what became of the first key's entry, NULL if it had none, in its place."""
    if found == NULL:
        keyspace_add(c.keyspace, c.database, context_key(c, 1), made)
    elif made != found:
        keyspace_put(c.keyspace, c.database, made)


cdef void cmd_pfadd(Context *c) noexcept nogil:
    cdef Entry *found = write_key(c, 1)
    cdef Entry *entry = found
    cdef HllOutcome outcome
    cdef int64_t changes = 0
    cdef int i
    if not check_hll(c, found):
        return
    if found == NULL:
        entry = hll_new(c.argv[1])
        hll_mark_stale(entry)
        changes = 1
    for i in range(2, c.argc):
        outcome = hll_add(&entry, c.argv[i])
        if unlikely(outcome == HLL_CORRUPT):
            corrupt_error(c)
            break
        changes += outcome == HLL_RAISED
    else:
        reply_i64(&c.reply, changes > 0)
    store(c, found, entry)
    if changes:
        changed(c, 1, EVENT_STRING, b"pfadd")
        c.keyspace.dirty += changes - 1


declare(native(cmd_pfadd), "pfadd", -2, "write denyoom fast", keys="1 RW insert", group="hyperloglog",
        since="2.8.9", complexity="O(1)", summary="Adds elements to a HyperLogLog.", args="key [element...]")


cdef bint collect_or_reply(Context *c, uint8_t *registers, bint *dense) noexcept nogil:
    """The highest of each register over all keys that the command names; whether any of them is dense."""
    cdef Entry *entry
    cdef int i
    memset(registers, 0, HLL_REGISTERS)
    dense[0] = False
    for i in range(1, c.argc):
        entry = read_key(c, i)
        if entry == NULL:
            continue
        if not check_hll(c, entry):
            return False
        if not hll_collect(entry, registers):
            corrupt_error(c)
            return False
        if hll_is_dense(entry):
            dense[0] = True
    return True


cdef void count_all(Context *c) noexcept nogil:
    """PFCOUNT of several keys: of what they would be if merged."""
    cdef uint8_t registers[HLL_REGISTERS]
    cdef bint dense
    if collect_or_reply(c, registers, &dense):
        reply_i64(&c.reply, hll_estimate_registers(registers))


cdef void cmd_pfcount(Context *c) noexcept nogil:
    cdef uint64_t estimate = 0
    cdef Entry *entry
    if c.argc > 2:
        count_all(c)
        return
    entry = read_key(c, 1)
    if not check_hll(c, entry):
        return
    if entry != NULL and not hll_cached(entry, &estimate):
        if not hll_estimate(entry, &estimate):
            corrupt_error(c)
            return
        hll_set_cached(entry, estimate)
        changed(c, 1, EVENT_STRING, NULL)
    reply_i64(&c.reply, estimate)


declare(native(cmd_pfcount), "pfcount", -2, "readonly may_replicate",
        keys="1..-1 RW access (the estimate kept in the value may change)", group="hyperloglog",
        since="2.8.9", complexity="O(1)",
        summary="Estimates how many different elements were added to HyperLogLogs.", args="key...")


cdef void cmd_pfmerge(Context *c) noexcept nogil:
    cdef uint8_t registers[HLL_REGISTERS]
    cdef Entry *found
    cdef Entry *entry
    cdef bint dense
    if not collect_or_reply(c, registers, &dense):
        return
    found = write_key(c, 1)
    entry = found if found != NULL else hll_new(c.argv[1])
    if dense:
        hll_to_dense(&entry)
    hll_raise(&entry, registers)
    hll_mark_stale(entry)
    store(c, found, entry)
    changed(c, 1, EVENT_STRING, b"pfadd")
    reply_ok(&c.reply)


declare(native(cmd_pfmerge), "pfmerge", -2, "write denyoom", keys="1 RW access insert; 2..-1 RO access",
        group="hyperloglog", since="2.8.9", complexity="O(N)", summary="Merges HyperLogLogs into one.",
        args="destkey:key [sourcekey:key...]")
