"""The dataset as commands: what a base file holds.

Commands are made bucket by bucket into a buffer, which whoever writes the file empties between calls; so memory stays
bounded however large the dataset is. The dataset must not change meanwhile: a forked child does this, or the loop while
it does nothing else. Keys whose time has come are written with their expiry, and go when they are read back.
"""
from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int64_t, uint32_t, uint64_t

from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.base.numbers cimport FORMAT_DOUBLE_SIZE, FORMAT_I64_SIZE, format_double, format_u64
from kv._core.base.slice cimport Slice
from kv._core.containers.hashtable cimport hashtable_scan
from kv._core.containers.idtree cimport IdPosition, idtree_at, idtree_first, idtree_next
from kv._core.containers.streamid cimport StreamId, stream_id
from kv._core.containers.streamlog cimport StreamCursor, streamlog_from, streamlog_next
from kv._core.containers.streamnode cimport StreamFields, stream_fields, stream_fields_next
from kv._core.engine.engine cimport Engine
from kv._core.keyspace.keyspace cimport Database
from kv._core.objects.entry cimport (
    ENTRY_EXPIRES, TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM, TYPE_STRING, TYPE_ZSET, Entry, Item, TypeOperations,
    entry_encoding, entry_expiry, entry_key, entry_type, entry_word, type_operations)
from kv._core.objects.stream cimport Stream, stream_of
from kv._core.objects.streamgroup cimport Consumer, Group, PendingEntry, consumer_at, group_at, name_of
from kv._core.objects.string cimport NUMBER_TEXT, string_slice
from kv._core.resp.format cimport resp_bulk, resp_bulk_i64, resp_header


cdef enum:
    ITEMS_A_COMMAND = 64        # elements of one RPUSH, SADD, HMSET or ZADD

cdef struct Output:             # what the visitor of buckets writes to
    Buffer buffer               # commands not yet taken
    uint64_t keys               # how many keys were written


cdef class DatasetCommands:
    """Commands that make the dataset anew, chunk by chunk."""
    cdef Engine engine
    cdef Output output
    cdef int database           # that is being walked
    cdef uint64_t cursor        # where in it the walk goes on
    cdef bint selected          # its SELECT is written

    def __cinit__(self, Engine engine not None):
        self.engine = engine

    def __dealloc__(self):
        buffer_free(&self.output.buffer)

    @property
    def keys(self):
        """Keys written so far."""
        return self.output.keys

    def fill(self, size_t least):
        """The next commands, about `least` bytes of them, as a view good until the next call; None at the end."""
        self.output.buffer.length = 0
        with nogil:
            while self.output.buffer.length < least and self.database < self.engine.runtime.keyspace.count:
                self.write_bucket()
        if self.output.buffer.length == 0:
            return None
        return PyMemoryView_FromMemory(self.output.buffer.data, self.output.buffer.length, PyBUF_READ)

    cdef void write_bucket(self) noexcept nogil:
        """The keys of one bucket; behind the last one of a database, the next database."""
        cdef Database *database = self.engine.runtime.keyspace.databases + self.database
        if database.keys.count and not self.selected:
            self.selected = True
            write_count(&self.output.buffer, 2)
            resp_bulk(&self.output.buffer, b"SELECT", 6)
            resp_bulk_i64(&self.output.buffer, database.id)
        if database.keys.count:
            self.cursor = hashtable_scan(&database.keys, self.cursor, visit, &self.output)
        if self.cursor == 0:
            self.database += 1
            self.selected = False


cdef void visit(void *argument, void *element, bint marked) noexcept nogil:
    cdef Output *output = <Output *> argument
    write_entry(&output.buffer, <Entry *> element)
    output.keys += 1


cdef void write_entry(Buffer *out, const Entry *entry) noexcept nogil:
    """The commands that make one key: its value by its type, then its expiry."""
    if entry_type(entry) == TYPE_STRING:
        write_string(out, entry)
    elif entry_type(entry) == TYPE_STREAM:
        write_stream(out, entry_key(entry), stream_of(entry))
    else:
        write_collection(out, entry)
    if entry.flags & ENTRY_EXPIRES:
        write_count(out, 3)
        resp_bulk(out, b"PEXPIREAT", 9)
        write_slice(out, entry_key(entry))
        resp_bulk_i64(out, entry_expiry(entry))


cdef void write_string(Buffer *out, const Entry *entry) noexcept nogil:
    cdef char text[NUMBER_TEXT]
    write_count(out, 3)
    resp_bulk(out, b"SET", 3)
    write_slice(out, entry_key(entry))
    write_slice(out, string_slice(entry, text))


cdef struct Collection:         # what a walk through a value writes
    Buffer *out
    Slice key
    int type                    # Type
    uint64_t left               # elements still to come
    int batch                   # of them in the command that is being written


cdef inline int words_an_item(int type) noexcept nogil:
    return 2 if type == TYPE_HASH or type == TYPE_ZSET else 1


cdef void write_batch_head(Collection *collection) noexcept nogil:
    """The beginning of a command for the next elements, ITEMS_A_COMMAND at most."""
    cdef Buffer *out = collection.out
    collection.batch = ITEMS_A_COMMAND if collection.left > ITEMS_A_COMMAND else <int> collection.left
    write_count(out, 2 + collection.batch * words_an_item(collection.type))
    if collection.type == TYPE_LIST:
        resp_bulk(out, b"RPUSH", 5)
    elif collection.type == TYPE_SET:
        resp_bulk(out, b"SADD", 4)
    elif collection.type == TYPE_HASH:
        resp_bulk(out, b"HMSET", 5)
    else:
        resp_bulk(out, b"ZADD", 4)
    write_slice(out, collection.key)


cdef bint write_item(void *argument, const Item *item) noexcept nogil:
    cdef Collection *collection = <Collection *> argument
    cdef char score[FORMAT_DOUBLE_SIZE]
    if collection.batch == 0:
        write_batch_head(collection)
    if collection.type == TYPE_ZSET:
        resp_bulk(collection.out, score, format_double(score, item.score))
    write_slice(collection.out, item.first)
    if collection.type == TYPE_HASH:
        write_slice(collection.out, item.second)
    collection.batch -= 1
    collection.left -= 1
    return True


cdef void write_collection(Buffer *out, const Entry *entry) noexcept nogil:
    cdef Collection collection
    cdef void *value = entry_word(<Entry *> entry)[0]
    cdef int encoding = entry_encoding(entry)
    cdef const TypeOperations *operations = type_operations(entry_type(entry))
    collection.out, collection.key, collection.type, collection.batch = out, entry_key(entry), entry_type(entry), 0
    collection.left = operations.length(value, encoding)
    operations.walk(value, encoding, write_item, &collection)


# -- streams ----------------------------------------------------------------------------------------------------------

cdef void write_stream(Buffer *out, Slice key, const Stream *stream) noexcept nogil:
    """Its entries, what was ever added and deleted, its groups. An empty one is made by an entry that goes at once."""
    cdef StreamCursor cursor
    cdef bint more = streamlog_from(&stream.log, stream_id(0, 0), &cursor)
    cdef uint32_t i
    if not more:
        write_count(out, 7)
        resp_bulk(out, b"XADD", 4)
        write_slice(out, key)
        resp_bulk(out, b"MAXLEN", 6)
        resp_bulk(out, b"0", 1)
        resp_bulk(out, b"0-1", 3)
        resp_bulk(out, b"x", 1)
        resp_bulk(out, b"y", 1)
    while more:
        write_stream_entry(out, key, &cursor)
        more = streamlog_next(&cursor)
    write_count(out, 7)
    resp_bulk(out, b"XSETID", 6)
    write_slice(out, key)
    write_id(out, stream.last)
    resp_bulk(out, b"ENTRIESADDED", 12)
    resp_bulk_i64(out, <int64_t> stream.added)
    resp_bulk(out, b"MAXDELETEDID", 12)
    write_id(out, stream.max_deleted)
    for i in range(stream.groups.count):
        write_group(out, key, group_at(&stream.groups, i))


cdef void write_stream_entry(Buffer *out, Slice key, const StreamCursor *cursor) noexcept nogil:
    cdef StreamFields fields
    write_count(out, 3 + 2 * <int> cursor.entry.fields)
    resp_bulk(out, b"XADD", 4)
    write_slice(out, key)
    write_id(out, cursor.entry.id)
    stream_fields(&cursor.entry, &fields)
    while stream_fields_next(&fields):
        write_slice(out, fields.name)
        write_slice(out, fields.value)


cdef void write_group(Buffer *out, Slice key, const Group *group) noexcept nogil:
    cdef uint32_t i
    write_count(out, 7)
    resp_bulk(out, b"XGROUP", 6)
    resp_bulk(out, b"CREATE", 6)
    write_slice(out, key)
    write_slice(out, name_of(&group.named))
    write_id(out, group.last)
    resp_bulk(out, b"ENTRIESREAD", 11)
    resp_bulk_i64(out, group.entries_read)
    for i in range(group.consumers.count):
        write_consumer(out, key, group, consumer_at(group, i))


cdef void write_consumer(Buffer *out, Slice key, const Group *group, const Consumer *consumer) noexcept nogil:
    """A consumer of nothing has to be made; any other comes into being by its first claim."""
    cdef IdPosition place = idtree_first(&consumer.pending)
    if place.leaf == NULL:
        write_count(out, 5)
        resp_bulk(out, b"XGROUP", 6)
        resp_bulk(out, b"CREATECONSUMER", 14)
        write_slice(out, key)
        write_slice(out, name_of(&group.named))
        write_slice(out, name_of(&consumer.named))
    while place.leaf != NULL:
        write_claim(out, key, group, <PendingEntry *> idtree_at(place))
        idtree_next(&place)


cdef void write_claim(Buffer *out, Slice key, const Group *group, const PendingEntry *pending) noexcept nogil:
    write_count(out, 12)
    resp_bulk(out, b"XCLAIM", 6)
    write_slice(out, key)
    write_slice(out, name_of(&group.named))
    write_slice(out, name_of(&pending.consumer.named))
    resp_bulk(out, b"0", 1)
    write_id(out, pending.id)
    resp_bulk(out, b"TIME", 4)
    resp_bulk_i64(out, pending.delivered_ms)
    resp_bulk(out, b"RETRYCOUNT", 10)
    resp_bulk_i64(out, <int64_t> pending.deliveries)
    resp_bulk(out, b"JUSTID", 6)
    resp_bulk(out, b"FORCE", 5)


# -- the form of requests ----------------------------------------------------------------------------------------------

cdef void write_count(Buffer *out, int words) noexcept nogil:
    resp_header(out, c'*', words)


cdef void write_slice(Buffer *out, Slice word) noexcept nogil:
    resp_bulk(out, word.data, word.length)


cdef void write_id(Buffer *out, StreamId id) noexcept nogil:
    cdef char text[2 * FORMAT_I64_SIZE]
    cdef int length = format_u64(text, id.ms)
    text[length] = c'-'
    resp_bulk(out, text, length + 1 + format_u64(text + length + 1, id.seq))
