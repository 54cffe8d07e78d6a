"""Effects: the commands that the AOF and replicas are to see, gathered while commands run and taken once a turn.

They are kept as the bytes of requests, with a SELECT before the first one of another database. A command that came
in as one stretch of bytes and is to be repeated as it came costs one copy. Whatever one command caused (its own
effect, and the DEL of a key that it found expired) is one unit, and a unit of several is wrapped in MULTI and EXEC,
so that a reader applies all or none. Commands that run inside another one (EXEC) join its unit.

What if somebody takes the effects while a unit is open, since a command in a transaction turns the AOF off or reads it
anew? effects_split() ends the unit there: what was done before is logged before, as a whole, and the unit goes on empty.
"""
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memmove

from kv._core.base.buffer cimport buffer_append, buffer_free, buffer_reserve
from kv._core.base.numbers cimport format_i64
from kv._core.base.platform cimport likely
from kv._core.base.slice cimport Slice, slice_is
from kv._core.runtime.state cimport ARENA_KEEP, Context, Runtime


cdef void header(Runtime *runtime, char kind, int64_t number) noexcept nogil:
    cdef char *out = buffer_reserve(&runtime.effects, 32)
    cdef int length = format_i64(out + 1, number)
    out[0] = kind
    out[length + 1] = c'\r'
    out[length + 2] = c'\n'
    runtime.effects.length += length + 3


cdef void select_database(Runtime *runtime, int database) noexcept nogil:
    if likely(runtime.effects_database == database):
        return
    runtime.effects_database = database
    buffer_append(&runtime.effects, b"*2\r\n", 4)
    effects_word(runtime, b"SELECT", 6)
    effects_number(runtime, database)


cdef void effects_begin(Runtime *runtime, int database, int words) noexcept nogil:
    """A command of so many words follows, each by one of the functions below."""
    select_database(runtime, database)
    header(runtime, c'*', words)
    runtime.unit_count += 1


cdef void effects_word(Runtime *runtime, const char *data, size_t length) noexcept nogil:
    header(runtime, c'$', <int64_t> length)
    buffer_append(&runtime.effects, data, length)
    buffer_append(&runtime.effects, b"\r\n", 2)


cdef void effects_slice(Runtime *runtime, Slice word) noexcept nogil:
    effects_word(runtime, word.data, word.length)


cdef void effects_number(Runtime *runtime, int64_t number) noexcept nogil:
    cdef char text[24]
    effects_word(runtime, text, format_i64(text, number))


cdef void effects_raw(Runtime *runtime, int database, const char *raw, size_t length) noexcept nogil:
    """A whole command as it was received."""
    select_database(runtime, database)
    buffer_append(&runtime.effects, raw, length)
    runtime.unit_count += 1


cdef void effects_command(Runtime *runtime, int database, Slice *argv, int argc) noexcept nogil:
    cdef int i
    effects_begin(runtime, database, argc)
    for i in range(argc):
        effects_slice(runtime, argv[i])


cdef void propagate_as_came(Context *c) noexcept nogil:
    """The running command goes to the AOF and replicas in its own words (its real name, if it was renamed)."""
    cdef int i
    if not effects_wanted(c.runtime):
        return
    if c.raw != NULL:
        effects_raw(c.runtime, c.database.id, c.raw, c.raw_length)
        return
    effects_begin(c.runtime, c.database.id, c.argc)
    if c.command.parent != NULL or slice_is(c.argv[0], c.command.name, c.command.name_length):
        effects_slice(c.runtime, c.argv[0])
    else:
        effects_word(c.runtime, c.command.name, c.command.name_length)
    for i in range(1, c.argc):
        effects_slice(c.runtime, c.argv[i])


# -- units ------------------------------------------------------------------------------------------------------------

cdef void effects_wrap(Runtime *runtime) noexcept nogil:
    """The outermost unit ends: put MULTI and EXEC around its commands, unless they need none."""
    cdef const char *multi = b"*1\r\n$5\r\nMULTI\r\n"
    cdef const char *exec_ = b"*1\r\n$4\r\nEXEC\r\n"
    cdef char *start
    if runtime.unit_loose or runtime.unit_count < 2:
        return
    buffer_reserve(&runtime.effects, 15 + 14)
    start = runtime.effects.data + runtime.unit_start
    memmove(start + 15, start, runtime.effects.length - runtime.unit_start)
    memcpy(start, multi, 15)
    runtime.effects.length += 15
    buffer_append(&runtime.effects, exec_, 14)


cdef void effects_split(Runtime *runtime) noexcept nogil:
    """Somebody takes the effects now, be a unit open or not: what there is of it becomes a unit of its own, and what follows
    another one."""
    if runtime.unit_depth:
        effects_wrap(runtime)
        runtime.unit_start = runtime.effects.length
        runtime.unit_count = 0


cdef void effects_take(Runtime *runtime) noexcept nogil:
    """They are with whoever wanted them: forget them."""
    runtime.effects_base += runtime.effects.length
    runtime.effects.length = 0
    runtime.unit_start = 0
    runtime.unit_count = 0
    if runtime.effects.capacity > ARENA_KEEP:
        buffer_free(&runtime.effects)
