"""What the commands share that pop from the first of several keys, or wait for one: BLPOP, LMPOP, BZPOPMIN, ZMPOP and
their kin."""
from libc.stdint cimport int64_t
from libc.string cimport strlen

from kv._core.base.numbers cimport parse_i64
from kv._core.objects.entry cimport Entry
from kv._core.resp.reply cimport reply_null_array
from kv._core.runtime.blocking cimport block_on_keys, context_may_block
from kv._core.runtime.context cimport arg_is, check_type, error, syntax_error, write_key
from kv._core.runtime.state cimport Context


cdef bint least_one(Context *c, int index, int64_t *value, const char *text) noexcept nogil:
    if parse_i64(c.argv[index].data, c.argv[index].length, value) and value[0] > 0:
        return True
    error(c, text)
    return False


cdef bint multi_pop_or_reply(Context *c, int index, const char *first, const char *last, MultiPop *wanted) noexcept nogil:
    """numkeys key... (first | last) [COUNT count], from argv[index] to the end."""
    cdef int64_t keys
    cdef int where
    wanted.count = 1
    if not least_one(c, index, &keys, b"ERR numkeys should be greater than 0"):
        return False
    if keys >= c.argc - index - 1:
        syntax_error(c)
        return False
    wanted.keys = <int> keys
    where = index + 1 + wanted.keys
    wanted.first = arg_is(c, where, first, strlen(first))
    if not wanted.first and not arg_is(c, where, last, strlen(last)):
        syntax_error(c)
        return False
    if c.argc == where + 1:
        return True
    if c.argc == where + 2 or not arg_is(c, where + 1, b"count", 5):
        syntax_error(c)
        return False
    if not least_one(c, where + 2, &wanted.count, b"ERR count should be greater than 0"):
        return False
    if c.argc > where + 3:
        syntax_error(c)
        return False
    return True


cdef Entry *first_of_type(Context *c, int type, int first, int count, int *index) noexcept nogil:
    """The first of the keys at argv[first:first + count] that exists; NULL for none, or where the client was told of a
    key of another type: *index is then negative."""
    cdef Entry *entry
    for index[0] in range(first, first + count):
        entry = write_key(c, index[0])
        if entry == NULL:
            continue
        if check_type(c, entry, type):
            return entry
        index[0] = -1
        return NULL
    return NULL


cdef void wait_or_null(Context *c, int type, int first, int count, int64_t until_ms) noexcept nogil:
    """Wait for one of these keys; null where waiting is not allowed."""
    if context_may_block(c):
        block_on_keys(c, type, first, count, until_ms, False)
    else:
        reply_null_array(&c.reply)
