"""What command bodies are written with.

A body parses its options, looks up and checks the type, acts, marks the change and replies, in this order; it
validates all before it touches anything. Functions that end in `_or_reply` (and check_type) have answered the
client already where they return false.
"""
from libc.stdint cimport INT64_MAX, int64_t
from libc.stdio cimport snprintf
from libc.string cimport strlen

from kv._core.base.blob cimport Blob
from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free
from kv._core.base.numbers cimport parse_i64
from kv._core.base.platform cimport likely
from kv._core.base.slice cimport Slice
from kv._core.keyspace.database cimport database_prefetch_bucket, database_prefetch_entry
from kv._core.keyspace.keyspace cimport (
    EVENT_GENERIC, LOOKUP_WRITE, Key, key_of, keyspace_changed, keyspace_lookup,
    keyspace_remove)
from kv._core.objects.entry cimport Entry, entry_type
from kv._core.resp.parser cimport Big
from kv._core.resp.reply cimport reply_bulk, reply_error, reply_header, reply_raw
from kv._core.runtime.session cimport session_splice
from kv._core.runtime.state cimport SESSION_REPLY_OFF, SESSION_REPLY_SKIP, Command, Context, Session

cdef extern from "<ctype.h>" nogil:
    int toupper(int letter)

cdef extern from "<string.h>" nogil:
    size_t strnlen(const char *text, size_t most)


cdef Key context_key(Context *c, int index) noexcept nogil:
    """An argument as a key, with the hash that was made ahead where it is the command's first key."""
    cdef Key key
    if likely(c.hashed == index):
        key.name = c.argv[index]
        key.hash = c.key_hash
        return key
    return key_of(c.argv[index])


cdef Entry *read_key(Context *c, int index) noexcept nogil:
    """The live entry of the key at an argument, for reading: counted as hit or miss; NULL where there is none."""
    return keyspace_lookup(c.keyspace, c.database, context_key(c, index), touch_flag(c))


cdef Entry *write_key(Context *c, int index) noexcept nogil:
    """The live entry of the key at an argument, for changing."""
    return keyspace_lookup(c.keyspace, c.database, context_key(c, index), LOOKUP_WRITE | touch_flag(c))


cdef int keys_ahead(Context *c, int first, int step, Key *keys) noexcept nogil:
    """Hash up to KEYS_AHEAD keys from argv[first] on and fetch their entries into the cache, so that the waits for
    memory overlap; how many there were."""
    cdef int count = 0
    cdef int i
    while count < KEYS_AHEAD and first + count * step < c.argc:
        keys[count] = context_key(c, first + count * step)
        database_prefetch_bucket(c.database, keys[count].hash)
        count += 1
    if count > 1:
        for i in range(count):
            database_prefetch_entry(c.database, keys[i].hash)
    return count


cdef Blob *take_blob(Context *c, int index) noexcept nogil:
    """The block of its own that an argument was received into, now the caller's; NULL where it has none. The
    argument's bytes stay readable as long as the caller keeps the block."""
    cdef int i
    cdef Big *big
    cdef Blob *blob
    for i in range(c.session.parser.big_count):
        big = c.session.parser.bigs + i
        if big.blob != NULL and <const char *> big.blob.data == c.argv[index].data:
            blob = big.blob
            big.blob = NULL
            return blob
    return NULL


cdef void reply_blob(Context *c, Blob *blob, Slice part) noexcept nogil:
    """A bulk string of bytes that stand in a blob, BLOB_HELD_LEAST of them or more. Who is connected is sent them from
    there, so they are not copied; a reply that goes elsewhere, or that CLIENT REPLY takes back, has a copy."""
    cdef Session *session = c.session
    if (c.reply.out != &c.runtime.arena or c.runtime.arena_owner != session or session.transport == NULL
            or session.flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP)):
        reply_bulk(&c.reply, part.data, part.length)
        return
    reply_header(&c.reply, c'$', part.length)
    session_splice(session, blob, part)
    c.elsewhere += part.length
    reply_raw(&c.reply, b"\r\n", 2)


cdef void error(Context *c, const char *text) noexcept nogil:
    """An error reply, its code first."""
    reply_error(&c.reply, text, strlen(text))


cdef void error_about(Context *c, const char *before, Slice word, const char *after) noexcept nogil:
    """An error reply that names one of the client's words."""
    cdef Buffer text
    text.data = NULL
    text.length = text.capacity = 0
    buffer_append(&text, before, strlen(before))
    buffer_append(&text, word.data, strnlen(word.data, word.length))
    buffer_append(&text, after, strlen(after))
    reply_error(&c.reply, text.data, text.length)
    buffer_free(&text)


cdef void subcommand_error(Context *c) noexcept nogil:
    """A subcommand with words that it does not know."""
    error_about_subcommand(c, b"unknown subcommand or wrong number of arguments for", c.command.parent)


cdef void error_about_subcommand(Context *c, const char *complaint, const Command *parent) noexcept nogil:
    cdef char text[320]
    cdef char upper[64]
    cdef int length, i
    for i in range(<int> parent.name_length):
        upper[i] = <char> toupper(parent.name[i])
    length = snprintf(text, sizeof(text), b"ERR %s '%.*s'. Try %.*s HELP.", complaint, shown_length(c.argv[1]), c.argv[1].data,
                      <int> parent.name_length, upper)
    reply_error(&c.reply, text, length)


cdef void syntax_error(Context *c) noexcept nogil:
    error(c, b"ERR syntax error")


cdef bint check_type(Context *c, const Entry *entry, int type) noexcept nogil:
    """Whether the entry, if there is one, is of the type; else the client is told."""
    if likely(entry == NULL or entry_type(entry) == type):
        return True
    error(c, b"WRONGTYPE Operation against a key holding the wrong kind of value")
    return False


cdef bint arg_i64_or_reply(Context *c, int index, int64_t *value) noexcept nogil:
    if likely(parse_i64(c.argv[index].data, c.argv[index].length, value)):
        return True
    error(c, b"ERR value is not an integer or out of range")
    return False


cdef bint arg_range_or_reply(Context *c, int index, int64_t least, int64_t most, int64_t *value,
                             const char *error_text) noexcept nogil:
    """An integer within limits; `error_text` (NULL: the usual one) where it is outside."""
    if not parse_i64(c.argv[index].data, c.argv[index].length, value):
        error(c, b"ERR value is not an integer or out of range")
        return False
    if least <= value[0] <= most:
        return True
    if error_text != NULL:
        error(c, error_text)
    elif least == 0 and most == INT64_MAX:
        error(c, b"ERR value is out of range, must be positive")
    else:
        error(c, b"ERR value is out of range")
    return False


cdef bint arg_least_or_reply(Context *c, int index, int64_t least, int64_t *value,
                             const char *error_text) noexcept nogil:
    """An integer of at least so much; one error for whatever is none."""
    if parse_i64(c.argv[index].data, c.argv[index].length, value) and value[0] >= least:
        return True
    error(c, error_text)
    return False


cdef void changed(Context *c, int index, int event_class, const char *event) noexcept nogil:
    """The key at an argument was changed."""
    keyspace_changed(c.keyspace, c.database, c.argv[index], event_class, event)


cdef void delete_found(Context *c, Key key) noexcept nogil:
    """Delete the entry that was just looked up, as a side effect of the command (lazyfree-lazy-server-del)."""
    keyspace_remove(c.keyspace, c.database, key, c.keyspace.lazy_server_del)


cdef void removed(Context *c, int index, uint64_t count, bint emptied, int event_class,
                  const char *event) noexcept nogil:
    """So many elements of the value that was just looked up are gone; where they were the last ones, it goes too."""
    if emptied:
        delete_found(c, context_key(c, index))
    changed(c, index, event_class, event)
    c.keyspace.dirty += count - 1
    if emptied:
        notify(c, index, EVENT_GENERIC, b"del")
