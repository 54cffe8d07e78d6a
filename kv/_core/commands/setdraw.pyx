"""SPOP and SRANDMEMBER: members of a set drawn at random."""
from libc.stdint cimport INT64_MAX, int64_t, uint64_t

from kv._core.base.numbers cimport parse_i64
from kv._core.base.slice cimport Slice
from kv._core.keyspace.keyspace cimport EVENT_SET
from kv._core.objects.entry cimport TYPE_SET, Entry, Item
from kv._core.objects.set cimport (
    SET_NUMBER_SIZE, set_length, set_pick, set_pop, set_random, set_remove, set_sample, set_walk)
from kv._core.resp.reply cimport Reply, reply_array, reply_bulk, reply_null, reply_set
from kv._core.runtime.context cimport (
    arg_range_or_reply, changed, check_type, error, output_full, read_key, removed, syntax_error, write_key)
from kv._core.runtime.propagation cimport effects_begin, effects_slice, effects_wanted, effects_word
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef enum:
    MEMBERS_A_COMMAND = 1024    # of one SREM that SPOP propagates


cdef bint reply_member(void *argument, const Item *item) noexcept nogil:
    reply_bulk(<Reply *> argument, item.first.data, item.first.length)
    return True


# -- SPOP -----------------------------------------------------------------------------------------------------------

cdef void propagate_removal(Context *c, uint64_t members) noexcept nogil:
    """Begin the SREM of so many members, which the caller appends."""
    effects_begin(c.runtime, c.database.id, <int> members + 2)
    effects_word(c.runtime, b"SREM", 4)
    effects_slice(c.runtime, c.argv[1])


cdef void pop_one(Context *c) noexcept nogil:
    cdef char number[SET_NUMBER_SIZE]
    cdef Slice member
    cdef Entry *entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_SET):
        return
    if entry == NULL:
        reply_null(&c.reply)
        return
    member = set_random(entry, &c.keyspace.random, number)
    reply_bulk(&c.reply, member.data, member.length)
    c.propagated = True
    if effects_wanted(c.runtime):
        propagate_removal(c, 1)
        effects_slice(c.runtime, member)
    set_remove(entry, member)
    removed(c, 1, 1, set_length(entry) == 0, EVENT_SET, b"spop")


cdef void pop_all(Context *c, Entry *entry) noexcept nogil:
    cdef uint64_t members = set_length(entry)
    reply_set(&c.reply, members)
    set_walk(entry, reply_member, &c.reply)
    c.propagated = True
    if effects_wanted(c.runtime):
        effects_begin(c.runtime, c.database.id, 2)
        if c.keyspace.lazy_server_del:
            effects_word(c.runtime, b"UNLINK", 6)
        else:
            effects_word(c.runtime, b"DEL", 3)
        effects_slice(c.runtime, c.argv[1])
    removed(c, 1, members, True, EVENT_SET, b"spop")


cdef struct Popping:            # members on their way to the reply and the effects
    Context *c
    uint64_t left               # to come
    uint64_t batch              # of them in the SREM that is being written


cdef bint pop_member(void *argument, const Item *item) noexcept nogil:
    cdef Popping *popping = <Popping *> argument
    reply_bulk(&popping.c.reply, item.first.data, item.first.length)
    if effects_wanted(popping.c.runtime):
        if popping.batch == 0:
            popping.batch = MEMBERS_A_COMMAND if popping.left > MEMBERS_A_COMMAND else popping.left
            propagate_removal(popping.c, popping.batch)
        effects_slice(popping.c.runtime, item.first)
        popping.batch -= 1
        popping.left -= 1
    return True


cdef void pop_many(Context *c, int64_t count) noexcept nogil:
    cdef Popping popping
    cdef Entry *entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_SET):
        return
    if entry == NULL or count == 0:
        reply_set(&c.reply, 0)
        return
    if <uint64_t> count >= set_length(entry):
        pop_all(c, entry)
        return
    reply_set(&c.reply, count)
    c.propagated = True
    popping.c, popping.left, popping.batch = c, count, 0
    set_pop(entry, &c.keyspace.random, count, pop_member, &popping)
    changed(c, 1, EVENT_SET, b"spop")
    c.keyspace.dirty += count - 1


cdef void cmd_spop(Context *c) noexcept nogil:
    cdef int64_t count
    if c.argc == 2:
        pop_one(c)
    elif c.argc > 3:
        syntax_error(c)
    elif not parse_i64(c.argv[2].data, c.argv[2].length, &count) or count < 0:
        error(c, b"ERR value is out of range, must be positive")
    else:
        pop_many(c, count)


declare(native(cmd_spop), "spop", -2, "write fast", keys="1 RW access delete", group="set", since="1.0.0",
        complexity="O(1)", tips="nondeterministic_output",
        summary="Removes members from a set at random and returns them.", history=["3.2.0 Takes a count."],
        args="key [count:integer@3.2.0]")


# -- SRANDMEMBER ----------------------------------------------------------------------------------------------------

cdef void draw_one(Context *c) noexcept nogil:
    cdef char number[SET_NUMBER_SIZE]
    cdef Slice member
    cdef Entry *entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_SET):
        return
    if entry == NULL:
        reply_null(&c.reply)
        return
    member = set_random(entry, &c.keyspace.random, number)
    reply_bulk(&c.reply, member.data, member.length)


cdef bint reply_repeated(void *argument, const Item *item) noexcept nogil:
    cdef Context *c = <Context *> argument
    reply_bulk(&c.reply, item.first.data, item.first.length)
    return not output_full(c)


cdef void draw_many(Context *c, int64_t count) noexcept nogil:
    """A negative count draws with repetition, each from all members; a positive one draws different members."""
    cdef int64_t want = -count if count < 0 else count
    cdef Entry *entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_SET):
        return
    if entry == NULL:
        want = 0
    elif count > 0 and <uint64_t> want > set_length(entry):
        want = set_length(entry)
    reply_array(&c.reply, want)
    if want == 0:
        return
    if count < 0:
        set_pick(entry, &c.keyspace.random, want, reply_repeated, c)
    else:
        set_sample(entry, &c.keyspace.random, want, reply_member, &c.reply)


cdef void cmd_srandmember(Context *c) noexcept nogil:
    cdef int64_t count
    if c.argc == 2:
        draw_one(c)
    elif c.argc > 3:
        syntax_error(c)
    elif arg_range_or_reply(c, 2, -INT64_MAX, INT64_MAX, &count, b"ERR value is out of range, value must between "
                            b"-9223372036854775807 and 9223372036854775807"):
        draw_many(c, count)


declare(native(cmd_srandmember), "srandmember", -2, "readonly", keys="1 RO access", group="set",
        since="1.0.0", complexity="O(1)", tips="nondeterministic_output",
        summary="Returns members of a set at random.", history=["2.6.0 Takes a count."],
        args="key [count:integer@2.6.0]")
