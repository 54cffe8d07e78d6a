"""Commands that move elements from one list to another, or take them from the first of several lists."""
from libc.stdint cimport int64_t

from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free
from kv._core.base.slice cimport Slice, slice_equal, slice_of
from kv._core.commands.lists cimport count_or_reply, elements_removed, pop_range
from kv._core.containers.listpack cimport LISTPACK_NUMBER_SIZE
from kv._core.keyspace.keyspace cimport EVENT_LIST, keyspace_add, keyspace_find
from kv._core.objects.entry cimport TYPE_LIST, Entry
from kv._core.objects.list cimport list_drop, list_expect, list_length, list_new, list_peek, list_push
from kv._core.resp.reply cimport reply_array, reply_bulk, reply_null, reply_null_array
from kv._core.runtime.context cimport (
    arg_is, changed, check_type, context_key, syntax_error, write_key)
from kv._core.runtime.effects cimport (
    effects_begin, effects_number, effects_slice, effects_wanted, effects_word)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context


cdef bint end_or_reply(Context *c, int index, bint *head) noexcept nogil:
    """LEFT or RIGHT."""
    head[0] = arg_is(c, index, b"left", 4)
    if head[0] or arg_is(c, index, b"right", 5):
        return True
    syntax_error(c)
    return False


# -- LMOVE, RPOPLPUSH -----------------------------------------------------------------------------------------

cdef void push_moved(Context *c, Entry *target, Slice value, bint head) noexcept nogil:
    """Push an element that does not stand in the target, which is made where it is NULL."""
    cdef Entry *entry = target if target != NULL else list_new(c.argv[2])
    list_expect(entry, &value, 1)
    list_push(entry, value, head)
    if target == NULL:
        keyspace_add(c.keyspace, c.database, context_key(c, 2), entry)
    changed(c, 2, EVENT_LIST, b"lpush" if head else b"rpush")
    c.keyspace.dirty -= 1                       # two keys hear of it, but it is one change


cdef void move_between(Context *c, Entry *source, Entry *target, bint from_head, bint to_head) noexcept nogil:
    cdef char number[LISTPACK_NUMBER_SIZE]
    cdef Slice value = list_peek(source, from_head, number)
    reply_bulk(&c.reply, value.data, value.length)
    push_moved(c, target, value, to_head)
    list_drop(source, from_head)
    if list_length(source) == 0:
        keyspace_find(c.keyspace, c.database, context_key(c, 1))    # for its removal
    elements_removed(c, 1, source, 1, from_head)


cdef void move_within(Context *c, Entry *entry, bint from_head, bint to_head) noexcept nogil:
    """As between two lists, but the element must be out of the list before it is put in again."""
    cdef char number[LISTPACK_NUMBER_SIZE]
    cdef Slice value = list_peek(entry, from_head, number)
    cdef Buffer held
    held.data = NULL
    held.length = held.capacity = 0
    reply_bulk(&c.reply, value.data, value.length)
    buffer_append(&held, value.data, value.length)
    list_drop(entry, from_head)
    push_moved(c, entry, slice_of(held.data, held.length), to_head)
    elements_removed(c, 1, entry, 1, from_head)
    buffer_free(&held)


cdef void move(Context *c, bint from_head, bint to_head) noexcept nogil:
    cdef Entry *source = write_key(c, 1)
    cdef Entry *target
    if not check_type(c, source, TYPE_LIST):
        return
    if source == NULL:
        reply_null(&c.reply)
        return
    if slice_equal(c.argv[1], c.argv[2]):
        move_within(c, source, from_head, to_head)
        return
    target = write_key(c, 2)
    if check_type(c, target, TYPE_LIST):
        move_between(c, source, target, from_head, to_head)


cdef void cmd_lmove(Context *c) noexcept nogil:
    cdef bint from_head, to_head
    if end_or_reply(c, 3, &from_head) and end_or_reply(c, 4, &to_head):
        move(c, from_head, to_head)


declare(native(cmd_lmove), "lmove", 5, "write denyoom", keys="1 RW access delete; 2 RW insert", group="list",
        since="6.2.0", complexity="O(1)", summary="Moves an element from one list to another.",
        args="source:key destination:key (wherefrom: LEFT | RIGHT) (whereto: LEFT | RIGHT)")


cdef void cmd_rpoplpush(Context *c) noexcept nogil:
    move(c, False, True)


declare(native(cmd_rpoplpush), "rpoplpush", 3, "write denyoom", keys="1 RW access delete; 2 RW insert",
        group="list", since="1.2.0", complexity="O(1)",
        summary="Moves the last element of a list to the head of another.",
        deprecated="6.2.0 `LMOVE` with the `RIGHT` and `LEFT` arguments", args="source:key destination:key")


# -- LMPOP ----------------------------------------------------------------------------------------------------

cdef struct MultiPop:
    int keys            # how many
    bint head
    int64_t count       # elements wanted


cdef bint multi_pop_or_reply(Context *c, int index, MultiPop *pop) noexcept nogil:
    """What stands from the number of keys on."""
    cdef int64_t keys
    cdef int i
    cdef bint counted = False
    if not count_or_reply(c, index, 1, &keys, b"ERR numkeys should be greater than 0"):
        return False
    if keys >= c.argc - index - 1:
        syntax_error(c)
        return False
    pop.keys = <int> keys
    pop.count = 1
    i = index + pop.keys + 1
    if not end_or_reply(c, i, &pop.head):
        return False
    i += 1
    while i < c.argc:
        if counted or i + 1 == c.argc or not arg_is(c, i, b"count", 5):
            syntax_error(c)
            return False
        if not count_or_reply(c, i + 1, 1, &pop.count, b"ERR count should be greater than 0"):
            return False
        counted = True
        i += 2
    return True


cdef void propagate_pop(Context *c, int index, bint head, int64_t count) noexcept nogil:
    """The AOF and replicas are told of the one key that it came to."""
    c.propagated = True
    if not effects_wanted(c.runtime):
        return
    effects_begin(c.runtime, c.database.id, 3)
    effects_word(c.runtime, b"LPOP" if head else b"RPOP", 4)
    effects_slice(c.runtime, c.argv[index])
    effects_number(c.runtime, count)


cdef void cmd_lmpop(Context *c) noexcept nogil:
    cdef MultiPop pop
    cdef Entry *entry
    cdef int i
    cdef int64_t count
    if not multi_pop_or_reply(c, 1, &pop):
        return
    for i in range(2, 2 + pop.keys):
        entry = write_key(c, i)
        if entry == NULL:
            continue
        if not check_type(c, entry, TYPE_LIST):
            return
        count = min(pop.count, <int64_t> list_length(entry))
        reply_array(&c.reply, 2)
        reply_bulk(&c.reply, c.argv[i].data, c.argv[i].length)
        pop_range(c, i, entry, count, pop.head)
        propagate_pop(c, i, pop.head, count)
        return
    reply_null_array(&c.reply)


declare(native(cmd_lmpop), "lmpop", -4, "write", keys="1# RW access delete", group="list", since="7.0.0",
        complexity="O(N+M)", summary="Pops elements from the first list that has any.",
        args="numkeys:integer key... (where: LEFT | RIGHT) [COUNT count:integer]")
