"""Commands that move elements from one list to another, or take them from the first of several lists; and those of
them that wait where there is none.

A command that waits is propagated as its kin that does not: it came to a plain pop or move."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free
from kv._core.base.slice cimport Slice, slice_equal, slice_of
from kv._core.commands.lists cimport elements_removed, pop_one, pop_range
from kv._core.commands.multipop cimport MultiPop, first_of_type, multi_pop_or_reply, wait_or_null
from kv._core.containers.listpack cimport LISTPACK_NUMBER_SIZE
from kv._core.keyspace.keyspace cimport EVENT_LIST, keyspace_add, keyspace_find
from kv._core.objects.entry cimport TYPE_LIST, Entry
from kv._core.objects.list cimport list_drop, list_expect, list_length, list_new, list_peek, list_push
from kv._core.resp.reply cimport reply_array, reply_bulk, reply_null, reply_null_array
from kv._core.runtime.blocking cimport arg_timeout_or_reply, block_on_keys, context_may_block
from kv._core.runtime.context cimport (
    arg_is, changed, check_type, context_key, syntax_error, write_key)
from kv._core.runtime.propagation cimport (
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


# -- BLMOVE, BRPOPLPUSH ---------------------------------------------------------------------------------------

cdef bint move_or_wait(Context *c, bint from_head, bint to_head, int64_t until_ms) noexcept nogil:
    """Whether an element was moved."""
    cdef uint64_t dirty = c.keyspace.dirty
    cdef Entry *source = write_key(c, 1)
    if source == NULL and context_may_block(c):
        block_on_keys(c, TYPE_LIST, 1, 1, until_ms, False)
        return False
    move(c, from_head, to_head)
    return c.keyspace.dirty != dirty


cdef void propagate_without_timeout(Context *c, const char *name, size_t length) noexcept nogil:
    """The AOF and replicas are told of the plain command of the same words."""
    cdef int i
    c.propagated = True
    if not effects_wanted(c.runtime):
        return
    effects_begin(c.runtime, c.database.id, c.argc - 1)
    effects_word(c.runtime, name, length)
    for i in range(1, c.argc - 1):
        effects_slice(c.runtime, c.argv[i])


cdef void cmd_blmove(Context *c) noexcept nogil:
    cdef bint from_head, to_head
    cdef int64_t until_ms
    if (end_or_reply(c, 3, &from_head) and end_or_reply(c, 4, &to_head) and arg_timeout_or_reply(c, 5, True, &until_ms)
            and move_or_wait(c, from_head, to_head, until_ms)):
        propagate_without_timeout(c, b"LMOVE", 5)


declare(native(cmd_blmove), "blmove", 6, "write denyoom blocking", keys="1 RW access delete; 2 RW insert",
        group="list", since="6.2.0", complexity="O(1)",
        summary="Moves an element from one list to another; waits for one where there is none.",
        args="source:key destination:key (wherefrom: LEFT | RIGHT) (whereto: LEFT | RIGHT) timeout:double")


cdef void cmd_brpoplpush(Context *c) noexcept nogil:
    cdef int64_t until_ms
    if arg_timeout_or_reply(c, 3, True, &until_ms) and move_or_wait(c, False, True, until_ms):
        propagate_without_timeout(c, b"RPOPLPUSH", 9)


declare(native(cmd_brpoplpush), "brpoplpush", 4, "write denyoom blocking",
        keys="1 RW access delete; 2 RW insert", group="list", since="2.2.0", complexity="O(1)",
        summary="Moves the last element of a list to the head of another; waits for one where there is none.",
        history=["6.0.0 The timeout may have a fraction."],
        deprecated="6.2.0 `BLMOVE` with the `RIGHT` and `LEFT` arguments",
        args="source:key destination:key timeout:double")


# -- BLPOP, BRPOP ---------------------------------------------------------------------------------------------

cdef void pop_or_wait(Context *c, bint head) noexcept nogil:
    cdef int64_t until_ms
    cdef int index = 0
    cdef Entry *entry
    if not arg_timeout_or_reply(c, c.argc - 1, True, &until_ms):
        return
    entry = first_of_type(c, TYPE_LIST, 1, c.argc - 2, &index)
    if entry == NULL:
        if index >= 0:
            wait_or_null(c, TYPE_LIST, 1, c.argc - 2, until_ms)
        return
    reply_array(&c.reply, 2)
    reply_bulk(&c.reply, c.argv[index].data, c.argv[index].length)
    pop_one(c, index, entry, head)
    c.propagated = True
    if effects_wanted(c.runtime):
        effects_begin(c.runtime, c.database.id, 2)
        effects_word(c.runtime, b"LPOP" if head else b"RPOP", 4)
        effects_slice(c.runtime, c.argv[index])


cdef void cmd_blpop(Context *c) noexcept nogil:
    pop_or_wait(c, True)


declare(native(cmd_blpop), "blpop", -3, "write blocking", keys="1..-2 RW access delete", group="list",
        since="2.0.0", complexity="O(N)",
        summary="Pops the first element of the first list that has any; waits where none has.",
        history=["6.0.0 The timeout may have a fraction."], args="key... timeout:double")


cdef void cmd_brpop(Context *c) noexcept nogil:
    pop_or_wait(c, False)


declare(native(cmd_brpop), "brpop", -3, "write blocking", keys="1..-2 RW access delete", group="list",
        since="2.0.0", complexity="O(N)",
        summary="Pops the last element of the first list that has any; waits where none has.",
        history=["6.0.0 The timeout may have a fraction."], args="key... timeout:double")


# -- LMPOP, BLMPOP ----------------------------------------------------------------------------------------------------

cdef void propagate_pop(Context *c, int index, bint head, int64_t count) noexcept nogil:
    """The AOF and replicas are told of the one key that it came to."""
    c.propagated = True
    if not effects_wanted(c.runtime):
        return
    effects_begin(c.runtime, c.database.id, 3)
    effects_word(c.runtime, b"LPOP" if head else b"RPOP", 4)
    effects_slice(c.runtime, c.argv[index])
    effects_number(c.runtime, count)


cdef bint multi_pop(Context *c, int first, const MultiPop *pop) noexcept nogil:
    """Pop from the first list there is. False where there is none, and no reply was made."""
    cdef int index = 0
    cdef Entry *entry = first_of_type(c, TYPE_LIST, first, pop.keys, &index)
    cdef int64_t count
    if entry == NULL:
        return index < 0
    count = min(pop.count, <int64_t> list_length(entry))
    reply_array(&c.reply, 2)
    reply_bulk(&c.reply, c.argv[index].data, c.argv[index].length)
    pop_range(c, index, entry, count, pop.first)
    propagate_pop(c, index, pop.first, count)
    return True


cdef void cmd_lmpop(Context *c) noexcept nogil:
    cdef MultiPop pop
    if multi_pop_or_reply(c, 1, b"left", b"right", &pop) and not multi_pop(c, 2, &pop):
        reply_null_array(&c.reply)


declare(native(cmd_lmpop), "lmpop", -4, "write", keys="1# RW access delete", group="list", since="7.0.0",
        complexity="O(N+M)", summary="Pops elements from the first list that has any.",
        args="numkeys:integer key... (where: LEFT | RIGHT) [COUNT count:integer]")


cdef void cmd_blmpop(Context *c) noexcept nogil:
    cdef MultiPop pop
    cdef int64_t until_ms
    if (multi_pop_or_reply(c, 2, b"left", b"right", &pop) and arg_timeout_or_reply(c, 1, True, &until_ms)
            and not multi_pop(c, 3, &pop)):
        wait_or_null(c, TYPE_LIST, 3, pop.keys, until_ms)


declare(native(cmd_blmpop), "blmpop", -5, "write blocking", keys="2# RW access delete", group="list",
        since="7.0.0", complexity="O(N+M)",
        summary="Pops elements from the first list that has any; waits where none has.",
        args="timeout:double numkeys:integer key... (where: LEFT | RIGHT) [COUNT count:integer]")
