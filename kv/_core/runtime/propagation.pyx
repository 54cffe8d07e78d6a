"""Propagation: a log of the commands that the AOF, replicas and an embedding program are to see.

The log is bytes of requests, with a SELECT before the first one of another database. Its position only grows: the bytes ever
appended. A command that came in as one stretch of bytes and is to be repeated as it came costs one copy. These commands are
called effects.

A *unit* is what takes effect as a whole: what one command caused (its own effect, and the DEL of a key that it found expired),
a transaction, a script. Units nest; the outermost one is wrapped in MULTI and EXEC where it holds several commands.

Any number of *readers* follow the log, each with a position of its own, and the log keeps the bytes that one of them has not
taken. What if a reader takes them while a unit is open, since a command in a transaction turns the AOF off or reads it anew? The
unit is ended there: what was done before is logged before, as a whole, and the unit goes on empty. So every reader finds whole
units only, and all find the same bytes. A reader that may be behind by so many bytes only, and is further behind, is lost: the
log does not wait for it.
"""
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.string cimport memcpy, memmove

from kv._core.base.buffer cimport buffer_append, buffer_free, buffer_reserve
from kv._core.base.numbers cimport format_i64
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice, slice_is, slice_of
from kv._core.resp.words cimport resp_header, resp_word
from kv._core.runtime.state cimport ARENA_KEEP, Context, LogReader, Propagation, Runtime, Unit

cdef const char *MULTI = b"*1\r\n$5\r\nMULTI\r\n"
cdef const char *EXEC = b"*1\r\n$4\r\nEXEC\r\n"
cdef enum:
    MULTI_BYTES = 15
    EXEC_BYTES = 14


cdef void propagation_init(Propagation *log) noexcept nogil:
    """An empty log that nobody follows."""
    log.database = -1
    log.safe = UINT64_MAX


cdef void propagation_free(Propagation *log) noexcept nogil:
    buffer_free(&log.bytes)


cdef void propagation_reselect(Propagation *log) noexcept nogil:
    """The next effect is preceded by its SELECT: what follows is read for itself, as a new file is."""
    log.database = -1


# -- appending --------------------------------------------------------------------------------------------------------

cdef void select_database(Propagation *log, int database) noexcept nogil:
    cdef char text[24]
    if likely(log.database == database):
        return
    log.database = database
    resp_header(&log.bytes, c'*', 2)
    resp_word(&log.bytes, b"SELECT", 6)
    resp_word(&log.bytes, text, format_i64(text, database))


cdef inline void count_effect(Propagation *log) noexcept nogil:
    if log.unit != NULL:
        log.unit.count += 1


cdef void effects_begin(Runtime *runtime, int database, int words) noexcept nogil:
    """A command of so many words follows, each by one of the functions below."""
    select_database(&runtime.propagation, database)
    resp_header(&runtime.propagation.bytes, c'*', words)
    count_effect(&runtime.propagation)


cdef void effects_word(Runtime *runtime, const char *data, size_t length) noexcept nogil:
    resp_word(&runtime.propagation.bytes, data, length)


cdef void effects_slice(Runtime *runtime, Slice word) noexcept nogil:
    resp_word(&runtime.propagation.bytes, word.data, word.length)


cdef void effects_number(Runtime *runtime, int64_t number) noexcept nogil:
    cdef char text[24]
    resp_word(&runtime.propagation.bytes, text, format_i64(text, number))


cdef void effects_raw(Runtime *runtime, int database, const char *raw, size_t length) noexcept nogil:
    """A whole command as it was received."""
    select_database(&runtime.propagation, database)
    buffer_append(&runtime.propagation.bytes, raw, length)
    count_effect(&runtime.propagation)


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

cdef void unit_end(Propagation *log, Unit *unit) noexcept nogil:
    """The outermost unit ends, with several commands: put MULTI and EXEC around them, unless they need none."""
    cdef char *start
    if unit.loose:
        return
    buffer_reserve(&log.bytes, MULTI_BYTES + EXEC_BYTES)
    start = log.bytes.data + (unit.start - log.base)
    memmove(start + MULTI_BYTES, start, log.bytes.data + log.bytes.length - start)
    memcpy(start, MULTI, MULTI_BYTES)
    log.bytes.length += MULTI_BYTES
    buffer_append(&log.bytes, EXEC, EXEC_BYTES)


cdef void split_unit(Propagation *log) noexcept nogil:
    """Somebody takes the effects now, be a unit open or not: what there is of it becomes a unit of its own, and what follows
    another one."""
    cdef Unit *unit = log.unit
    cdef Unit *outermost = NULL
    cdef uint64_t count = 0
    while unit != NULL:
        count += unit.count
        unit.count = 0
        outermost = unit
        unit = unit.outer
    if outermost == NULL:
        return
    if count > 1:
        unit_end(log, outermost)
    outermost.start = propagation_position(log)


# -- readers ----------------------------------------------------------------------------------------------------------

cdef void reader_open(Propagation *log, LogReader *reader, uint64_t limit) noexcept nogil:
    """Follow the log from here on. The reader may be behind by `limit` bytes at most (0: by any number)."""
    split_unit(log)
    reader.position = propagation_position(log)
    reader.limit = limit
    reader.lost = False
    reader.next = log.readers
    log.readers = reader
    propagation_reselect(log)


cdef void reader_close(Propagation *log, LogReader *reader) noexcept nogil:
    """It follows the log no longer; nothing where it does not."""
    cdef LogReader **link = &log.readers
    while link[0] != NULL:
        if link[0] == reader:
            split_unit(log)
            link[0] = reader.next
            trim(log)
            return
        link = &link[0].next


cdef Slice reader_view(Propagation *log, LogReader *reader) noexcept nogil:
    """What the reader did not take yet: whole units, good until something is appended or a reader takes something."""
    split_unit(log)
    if reader.lost:
        return slice_of(NULL, 0)
    return slice_of(log.bytes.data + (reader.position - log.base), propagation_position(log) - reader.position)


cdef void reader_advance(Propagation *log, LogReader *reader, uint64_t position) noexcept nogil:
    """The reader has taken what stands before a position."""
    reader.position = position
    trim(log)


cdef void trim(Propagation *log) noexcept nogil:
    """Forget what all readers have taken."""
    cdef uint64_t end = propagation_position(log)
    cdef uint64_t lowest = end
    cdef LogReader *reader = log.readers
    while reader != NULL:
        if unlikely(reader.limit and end - reader.position > reader.limit):
            reader.lost = True
        if not reader.lost and reader.position < lowest:
            lowest = reader.position
        reader = reader.next
    if likely(lowest == end):
        log.base = end
        log.bytes.length = 0
        if unlikely(log.bytes.capacity > ARENA_KEEP):
            buffer_free(&log.bytes)
    elif lowest - log.base > log.bytes.length // 2:
        log.bytes.length -= lowest - log.base
        memmove(log.bytes.data, log.bytes.data + (lowest - log.base), log.bytes.length)
        log.base = lowest
