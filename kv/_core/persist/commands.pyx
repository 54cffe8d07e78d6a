"""Values as the commands that make them anew: what the base of an AOF holds.

    string SET, list RPUSH, set SADD, hash HMSET, sorted set ZADD; streams: persist/streamcommands; libraries FUNCTION LOAD

A command has ITEMS_A_COMMAND elements at most, and behind each one the sink may drain: so a value of millions of elements needs
no more memory here than a small one.
"""
from libc.stdint cimport uint64_t

from kv._core.base.buffer cimport Buffer
from kv._core.base.numbers cimport FORMAT_DOUBLE_SIZE, format_double
from kv._core.base.sink cimport sink_drain_if_full
from kv._core.base.slice cimport Slice, slice_of
from kv._core.objects.entry cimport Item, entry_key, item_visitor
from kv._core.objects.string cimport NUMBER_TEXT, string_slice
from kv._core.objects.value cimport value_length, value_walk
from kv._core.resp.words cimport resp_header, resp_slice, resp_word

cdef enum:
    ITEMS_A_COMMAND = 64        # elements of one RPUSH, SADD, HMSET or ZADD


cdef void put_string_commands(Sink *sink, const Entry *entry) noexcept nogil:
    cdef Buffer *out = &sink.buffer
    cdef char text[NUMBER_TEXT]
    resp_header(out, c'*', 3)
    resp_word(out, b"SET", 3)
    resp_slice(out, entry_key(entry))
    resp_slice(out, string_slice(entry, text))


# -- collections ------------------------------------------------------------------------------------------------------

cdef struct Collection:         # a walk through a value
    Sink *sink
    Slice key
    Slice command               # that adds elements
    int words                   # ... words for each
    uint64_t left               # elements still to come
    int batch                   # ... in the command that is being written


cdef void put_collection(Sink *sink, const Entry *entry, Slice command, int words, item_visitor put) noexcept nogil:
    cdef Collection collection
    collection.sink, collection.key, collection.command, collection.words = sink, entry_key(entry), command, words
    collection.left, collection.batch = value_length(entry), 0
    value_walk(entry, put, &collection)


cdef inline Buffer *begin_item(Collection *collection) noexcept nogil:
    """Where the next element goes, behind the head of a new command where the last one is full."""
    if collection.batch == 0:
        begin_command(collection)
    collection.batch -= 1
    return &collection.sink.buffer


cdef void begin_command(Collection *collection) noexcept nogil:
    cdef Buffer *out = &collection.sink.buffer
    sink_drain_if_full(collection.sink)
    collection.batch = ITEMS_A_COMMAND if collection.left > ITEMS_A_COMMAND else <int> collection.left
    collection.left -= collection.batch
    resp_header(out, c'*', 2 + collection.batch * collection.words)
    resp_slice(out, collection.command)
    resp_slice(out, collection.key)


cdef bint put_element(void *argument, const Item *item) noexcept nogil:
    resp_slice(begin_item(<Collection *> argument), item.first)
    return True


cdef bint put_field(void *argument, const Item *item) noexcept nogil:
    cdef Buffer *out = begin_item(<Collection *> argument)
    resp_slice(out, item.first)
    resp_slice(out, item.second)
    return True


cdef bint put_member(void *argument, const Item *item) noexcept nogil:
    cdef Buffer *out = begin_item(<Collection *> argument)
    cdef char score[FORMAT_DOUBLE_SIZE]
    resp_word(out, score, format_double(score, item.score))
    resp_slice(out, item.first)
    return True


cdef void put_list_commands(Sink *sink, const Entry *entry) noexcept nogil:
    put_collection(sink, entry, slice_of(b"RPUSH", 5), 1, put_element)


cdef void put_set_commands(Sink *sink, const Entry *entry) noexcept nogil:
    put_collection(sink, entry, slice_of(b"SADD", 4), 1, put_element)


cdef void put_hash_commands(Sink *sink, const Entry *entry) noexcept nogil:
    put_collection(sink, entry, slice_of(b"HMSET", 5), 2, put_field)


cdef void put_zset_commands(Sink *sink, const Entry *entry) noexcept nogil:
    put_collection(sink, entry, slice_of(b"ZADD", 4), 2, put_member)


cdef void put_library_commands(Sink *sink, Slice code) noexcept nogil:
    sink_drain_if_full(sink)
    resp_header(&sink.buffer, c'*', 3)
    resp_word(&sink.buffer, b"FUNCTION", 8)
    resp_word(&sink.buffer, b"LOAD", 4)
    resp_slice(&sink.buffer, code)
