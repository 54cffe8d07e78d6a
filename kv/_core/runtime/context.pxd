"""What command bodies are written with: arguments, keys, errors, the mark of a change."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.blob cimport Blob
from kv._core.base.platform cimport unlikely
from kv._core.base.slice cimport Slice, slice_is
from kv._core.keyspace.keyspace cimport LOOKUP_NO_TOUCH, Key, keyspace_changed
from kv._core.objects.entry cimport Entry
from kv._core.base.buffer cimport Buffer
from kv._core.runtime.state cimport (
    EXEMPT_SIZES, FIRST_ATTEMPT, OUTPUT_BLOCK, SESSION_NO_TOUCH, Command, Context, Request, Session)

cdef enum:
    KEYS_AHEAD = 16     # keys that keys_ahead takes at once
    SHOWN_NAME = 128    # bytes of an unknown command's name, and of its arguments, that the error shows

cdef Key context_key(Context *c, int index) noexcept nogil
cdef Entry *read_key(Context *c, int index) noexcept nogil
cdef Entry *write_key(Context *c, int index) noexcept nogil
cdef bint check_type(Context *c, const Entry *entry, int type) noexcept nogil
cdef bint arg_i64_or_reply(Context *c, int index, int64_t *value) noexcept nogil
cdef bint arg_range_or_reply(Context *c, int index, int64_t least, int64_t most, int64_t *value,
                             const char *error) noexcept nogil
cdef bint arg_least_or_reply(Context *c, int index, int64_t least, int64_t *value, const char *error) noexcept nogil
cdef void error(Context *c, const char *text) noexcept nogil
cdef void error_about(Context *c, const char *before, Slice word, const char *after) noexcept nogil
cdef void subcommand_error(Context *c) noexcept nogil
cdef void error_about_subcommand(Context *c, const char *complaint, const Command *parent) noexcept nogil
cdef void syntax_error(Context *c) noexcept nogil
cdef void changed(Context *c, int index, int event_class, const char *event) noexcept nogil
cdef void delete_found(Context *c, Key key) noexcept nogil
cdef void removed(Context *c, int index, uint64_t count, bint emptied, int event_class,
                  const char *event) noexcept nogil
cdef int keys_ahead(Context *c, int first, int step, Key *keys) noexcept nogil
cdef Blob *take_blob(Context *c, int index) noexcept nogil
cdef void reply_blob(Context *c, Blob *blob, Slice part) noexcept nogil


cdef inline void context_init(Context *c, Session *session, Request *request, Buffer *out) noexcept nogil:
    """A context for a session's request, whose command was looked up and whose reply goes to `out`. There is no other way to
    make one."""
    c.runtime = session.runtime
    c.keyspace = &session.runtime.keyspace
    c.session = session
    c.database = session.database
    c.command = request.command
    c.argv = request.argv
    c.argc = request.argc
    c.reply.out = out
    c.reply.version = session.resp
    c.reply.errors = 0
    c.elsewhere = 0
    c.key_hash = request.key_hash
    c.hashed = 0
    if request.command != NULL and request.argc > request.command.first_key:
        c.hashed = request.command.first_key
    c.raw = request.raw
    c.raw_length = request.raw_length
    c.propagated = False
    c.block = False
    c.attempt = FIRST_ATTEMPT


cdef inline int shown_length(Slice word) noexcept nogil:
    """How much of a word an error shows."""
    return <int> word.length if word.length < SHOWN_NAME else SHOWN_NAME


cdef inline bint arg_is(Context *c, int index, const char *word, size_t length) noexcept nogil:
    """Whether an argument spells a lower-case word, in any case."""
    return slice_is(c.argv[index], word, length)


cdef inline void notify(Context *c, int index, int event_class, const char *event) noexcept nogil:
    """A second notification of a change that changed() has marked: SET with an expiry is "set" and "expire"."""
    if unlikely(c.keyspace.observed):
        c.keyspace.on_change(c.keyspace, c.database, c.argv[index], event_class, event)


cdef inline bint output_full(const Context *c) noexcept nogil:
    """Whether the reply is already longer than its client is allowed to have waiting: it will not be sent, so a body
    that can answer without end (a count by the client's choice) stops here."""
    cdef uint64_t hard = c.runtime.output_limits[c.session.class_].hard
    return (unlikely(hard != 0) and c.session.transport != NULL and c.runtime.arena_owner == c.session
            and c.reply.out.length - c.session.arena_start > (hard if hard > OUTPUT_BLOCK else OUTPUT_BLOCK))


cdef inline bint must_obey(const Context *c) noexcept nogil:
    """Whether limits on sizes do not hold: the command was accepted before, and comes from the AOF."""
    return c.session.exempt & EXEMPT_SIZES


cdef inline int touch_flag(const Context *c) noexcept nogil:
    """The lookup flag of CLIENT NO-TOUCH."""
    return LOOKUP_NO_TOUCH if c.session.flags & SESSION_NO_TOUCH else 0
