"""What DEBUG asks of the dataset: filling it, looking at one key, and a digest of everything.

The digest is Valkey's: the same data, in whatever order they were written, give the same 40 digits there and here,
so that two servers, or a server before and after a restart, can be compared.
"""
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset

from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.base.memory cimport memory_size
from kv._core.base.numbers cimport FORMAT_DOUBLE_SIZE, format_shortest
from kv._core.base.sink cimport Sink, sink_free, sink_init
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.hashtable cimport (
    Half, Hashtable, hashtable_chain_lengths, hashtable_rehashing)
from kv._core.containers.listpack cimport (
    LISTPACK_NUMBER_SIZE, Listpack, listpack_bytes, listpack_count, listpack_first, listpack_next, listpack_size_at,
    listpack_slice)
from kv._core.containers.quicklist cimport Quicklist, QuicklistStats, quicklist_set_packed_threshold, quicklist_stats
from kv._core.containers.quicknode cimport (
    QUICKLIST_PLAIN, QuicklistNode, quicklist_node_bytes, quicklist_node_raw_length)
from kv._core.containers.streamid cimport stream_id
from kv._core.containers.streamlog cimport StreamCursor, streamlog_from, streamlog_next
from kv._core.containers.streamnode cimport StreamFields, stream_fields, stream_fields_next
from kv._core.engine.engine cimport Engine
from kv._core.keyspace.database cimport database_count, database_expect, database_scan, database_table
from kv._core.keyspace.keyspace cimport (
    Database, Key, Keyspace, key_of, keyspace_add, keyspace_changed, keyspace_find, keyspace_idle_seconds,
    keyspace_lfu)
from kv._core.objects.entry cimport (
    ENCODING_HASHTABLE, ENCODING_INT, ENCODING_LISTPACK, ENCODING_QUICKLIST, ENCODING_RAW, ENCODING_SKIPLIST,
    TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STREAM,
    TYPE_STRING, Entry, Item, entry_access, entry_encoding, entry_encoding_name, entry_expiry,
    entry_key, entry_type, entry_word)
from kv._core.objects.hash cimport hash_table
from kv._core.objects.set cimport set_table
from kv._core.objects.stream cimport stream_of
from kv._core.objects.string cimport string_new, string_slice
from kv._core.objects.zset cimport zset_table
from kv._core.objects.value cimport value_walk
from kv._core.persist.types cimport saved_type
from kv._core.rdb.format cimport RDB_VERSION
from kv._core.rdb.writer cimport RdbWriter, rdb_writer_free, rdb_writer_init

from hashlib import sha1

DIGEST_BYTES = 20
cdef enum:
    MEASURED_AT_ONCE = 1 << 20      # bytes of a value that are held while its length is found

MOST_SHOWN = 40         # bytes of an element that DEBUG LISTPACK and QUICKLIST print


def populate(Engine engine not None, int database, uint64_t count, bytes prefix not None, uint64_t size):
    """DEBUG POPULATE: keys "<prefix>:<n>" with values "value:<n>", cut or filled with zeros to `size` bytes where
    that is not 0. Keys that exist are left alone, and nothing of it counts as a change."""
    engine.enter()
    cdef Keyspace *keyspace = &engine.runtime.keyspace
    cdef Database *db = keyspace.databases + database
    cdef uint64_t i
    cdef uint64_t dirty = keyspace.dirty
    cdef bytes name, value
    cdef Key key
    database_expect(db, count)
    for i in range(count):
        name = b"%b:%d" % (prefix, i)
        key = key_of(slice_of(name, len(name)))
        if keyspace_find(keyspace, db, key) != NULL:
            continue
        value = b"value:%d" % i
        if size:
            value = value[:size].ljust(size, b"\0")
        keyspace_add(keyspace, db, key, string_new(key.name, slice_of(value, len(value)), -1, NULL))
        keyspace_changed(keyspace, db, key.name, 0, NULL)
    keyspace.dirty = dirty


cdef list figures_of(const Hashtable *table):
    """[(buckets, children, elements, chains by their number of elements)] of a table's arrays, the main one first."""
    cdef uint64_t counts[32]
    cdef const Half *half
    figures = []
    for target in range(2 if hashtable_rehashing(table) else 1):
        half = &table.target if target else &table.main
        memset(counts, 0, sizeof(counts))
        hashtable_chain_lengths(table, half, counts, 32)
        chains = [counts[i] for i in range(32)]
        figures.append((half.buckets, half.children, sum([length * count for length, count in enumerate(chains)]), chains))
    return figures


def table_figures(Engine engine not None, int database):
    """What DEBUG HTSTATS shows of a database's table."""
    engine.enter()
    return figures_of(database_table(engine.runtime.keyspace.databases + database))


def value_table_figures(Engine engine not None, int database, bytes name not None):
    """The same of the table that a value is; None: no such key; False: it is none."""
    engine.enter()
    cdef Entry *entry = entry_of(engine, database, name)
    if entry == NULL:
        return None
    if entry_encoding(entry) == ENCODING_SKIPLIST:
        return figures_of(zset_table(entry))
    if entry_encoding(entry) != ENCODING_HASHTABLE:
        return False
    return figures_of(set_table(entry) if entry_type(entry) == TYPE_SET else hash_table(entry))


cdef Entry *entry_of(Engine engine, int database, bytes name) except? NULL:
    cdef Keyspace *keyspace = &engine.runtime.keyspace
    return keyspace_find(keyspace, keyspace.databases + database, key_of(slice_of(name, len(name))))


cdef bytes bytes_of_string(const Entry *entry):
    cdef char text[24]
    cdef Slice value = string_slice(entry, text)
    return value.data[:value.length]


cdef struct CountingSink:
    Sink sink
    uint64_t length             # bytes that went through it


cdef void count_and_forget(Sink *sink) noexcept nogil:
    (<CountingSink *> sink).length += sink.buffer.length
    sink.buffer.length = 0


cdef uint64_t saved_length(const Entry *entry, bint compress) noexcept nogil:
    """Bytes of the value in an RDB file, without type and key; strings compressed where `compress`."""
    cdef RdbWriter writer
    cdef CountingSink counted
    counted.length = 0
    sink_init(&counted.sink, MEASURED_AT_ONCE, count_and_forget)
    rdb_writer_init(&writer, &counted.sink, RDB_VERSION, compress)
    saved_type(entry).put_rdb(&writer, entry)
    count_and_forget(&counted.sink)
    rdb_writer_free(&writer)
    sink_free(&counted.sink)
    return counted.length


def object_line(Engine engine not None, int database, bytes name not None, bint compress=True, bint fast=False):
    """The line of DEBUG OBJECT, None where there is no such key; `compress` is the option rdbcompression."""
    engine.enter()
    cdef Keyspace *keyspace = &engine.runtime.keyspace
    cdef Entry *entry = entry_of(engine, database, name)
    if entry == NULL:
        return None
    line = f"Value at:{<uint64_t> entry:#x} refcount:1 encoding:{entry_encoding_name(entry).decode()}"
    if not fast:
        line += f" serializedlength:{saved_length(entry, compress)}"
    line += (f" lru:{entry_access(entry)} lru_seconds_idle:{keyspace_idle_seconds(keyspace, entry)} "
             f"lfu_freq:{keyspace_lfu(keyspace, entry)} lfu_access_time_minutes:{entry_access(entry) >> 8}")
    if entry_encoding(entry) == ENCODING_QUICKLIST:
        line += quicklist_figures(<Quicklist *> entry_word(entry)[0], fast)
    return line


cdef str quicklist_figures(const Quicklist *list, bint fast):
    cdef QuicklistStats stats
    line = (f" ql_nodes:{list.nodes} ql_avg_node:{list.count / <double> list.nodes:.2f} ql_listpack_max:{list.fill} "
            f"ql_compressed:{int(list.compress != 0)}")
    if not fast:
        quicklist_stats(list, &stats)
        line += f" ql_uncompressed_size:{stats.raw_bytes}"
    return line


# -- the structure of one value -----------------------------------------------------------------------------------

cdef str elements_text(const Listpack *pack):
    """A line an element of a pack: its index, offset, size and content."""
    cdef const uint8_t *at = listpack_first(pack)
    cdef char number[LISTPACK_NUMBER_SIZE]
    cdef Slice text
    cdef str lines = ""
    cdef int index = 0
    while at != NULL:
        text = listpack_slice(at, number)
        lines += (f"{{{index}}} offset {at - <const uint8_t *> pack}, size {listpack_size_at(at)}: "
                  f"{repr(text.data[:min(text.length, MOST_SHOWN)])[1:]}\n")
        at = listpack_next(pack, at)
        index += 1
    return lines


cdef str pack_text(const Listpack *pack):
    return f"{{total bytes {listpack_bytes(pack)}}} {{num entries {listpack_count(pack)}}}\n{elements_text(pack)}"


def listpack_text(Engine engine not None, int database, bytes name not None):
    """What DEBUG LISTPACK prints; None: no such key; False: no listpack."""
    engine.enter()
    cdef Entry *entry = entry_of(engine, database, name)
    if entry == NULL:
        return None
    if entry_encoding(entry) != ENCODING_LISTPACK:
        return False
    return pack_text(<Listpack *> entry_word(entry)[0])


cdef str node_text(const QuicklistNode *node, bint full):
    cdef Buffer scratch
    cdef Slice raw
    cdef str text = (f"{{kind {'plain' if node.kind == QUICKLIST_PLAIN else 'packed'}}} {{num entries {node.count}}} "
                     f"{{bytes {quicklist_node_raw_length(node)}}} {{compressed to {node.compressed}}}\n")
    if not full:
        return text
    scratch.data = NULL
    scratch.length = scratch.capacity = 0
    raw = quicklist_node_bytes(node, &scratch)
    if node.kind == QUICKLIST_PLAIN:
        text += f"{repr(raw.data[:min(raw.length, MOST_SHOWN)])[1:]}\n"
    else:
        text += elements_text(<const Listpack *> raw.data)
    buffer_free(&scratch)
    return text


def quicklist_text(Engine engine not None, int database, bytes name not None, bint full=False):
    """What DEBUG QUICKLIST prints, all elements if `full`; None: no such key; False: no quicklist."""
    engine.enter()
    cdef Entry *entry = entry_of(engine, database, name)
    cdef const Quicklist *list
    cdef const QuicklistNode *node
    if entry == NULL:
        return None
    if entry_encoding(entry) != ENCODING_QUICKLIST:
        return False
    list = <const Quicklist *> entry_word(entry)[0]
    text = f"{{count {list.count}}} {{nodes {list.nodes}}} {{fill {list.fill}}} {{compress {list.compress}}}\n"
    node = list.first
    while node != NULL:
        text += node_text(node, full)
        node = node.next
    return text


def set_packed_threshold(size_t size):
    """DEBUG QUICKLIST-PACKED-THRESHOLD: elements of so many bytes get a node of their own; 0: by the limits."""
    quicklist_set_packed_threshold(size)


def string_sizes(Engine engine not None, int database, bytes name not None):
    """(key bytes, value bytes, bytes of the entry, bytes of the value's own block); None: no such key; False: not a
    string that is kept as bytes."""
    engine.enter()
    cdef Entry *entry = entry_of(engine, database, name)
    if entry == NULL:
        return None
    if entry_type(entry) != TYPE_STRING or entry_encoding(entry) == ENCODING_INT:
        return False
    own = memory_size(entry_word(entry)[0]) if entry_encoding(entry) == ENCODING_RAW else 0
    return entry_key(entry).length, len(bytes_of_string(entry)), memory_size(entry), own


# -- the digest ---------------------------------------------------------------------------------------------------

def xor_in(digest, data):
    """The digest with the hash of some bytes xored in: for parts without an order."""
    return bytes([a ^ b for a, b in zip(digest, sha1(data).digest())])


def mix_in(digest, data):
    """The digest after some bytes: for parts whose order counts."""
    return sha1(xor_in(digest, data)).digest()


cdef bint gather_item(void *argument, const Item *item) noexcept nogil:
    with gil:
        (<list> argument).append((item.first.data[:item.first.length], item.second.data[:item.second.length],
                                  item.score))
    return True


cdef bytes score_text(double score):
    cdef char text[FORMAT_DOUBLE_SIZE]
    cdef int length = format_shortest(text, score)
    return text[:length]


cdef object collection_digest(const Entry *entry, object digest):
    """A list in order; the elements of the other types whatever their order."""
    cdef list items = []
    cdef int type = entry_type(entry)
    value_walk(entry, gather_item, <void *> items)
    for first, second, score in items:
        if type == TYPE_LIST:
            digest = mix_in(digest, first)
        elif type == TYPE_SET:
            digest = xor_in(digest, first)
        else:
            part = mix_in(mix_in(bytes(DIGEST_BYTES), first), second if type == TYPE_HASH else score_text(score))
            digest = xor_in(digest, part)
    return digest


cdef object stream_digest(const Entry *entry, object digest):
    """Entries in order: id, names and values. Groups are no part of it."""
    cdef StreamCursor cursor
    cdef StreamFields fields
    cdef bint more = streamlog_from(&stream_of(entry).log, stream_id(0, 0), &cursor)
    while more:
        digest = mix_in(digest, b"%d.%d" % (cursor.entry.id.ms, cursor.entry.id.seq))
        stream_fields(&cursor.entry, &fields)
        while stream_fields_next(&fields):
            digest = mix_in(digest, fields.name.data[:fields.name.length])
            digest = mix_in(digest, fields.value.data[:fields.value.length])
        more = streamlog_next(&cursor)
    return digest


cdef object value_digest(const Entry *entry, object digest):
    digest = mix_in(digest, int(entry_type(entry)).to_bytes(4, "big"))
    if entry_type(entry) == TYPE_STRING:
        digest = mix_in(digest, bytes_of_string(entry))
    elif entry_type(entry) == TYPE_STREAM:
        digest = stream_digest(entry, digest)
    else:
        digest = collection_digest(entry, digest)
    if entry_expiry(entry) != -1:
        digest = xor_in(digest, b"!!expire!!")
    return digest


cdef void collect(void *argument, void *element, bint marked) noexcept nogil:
    with gil:
        collect_entry(<list> argument, <Entry *> element)


cdef void collect_entry(list digests, Entry *entry) noexcept:
    cdef Slice key = entry_key(entry)
    digests.append(value_digest(entry, mix_in(bytes(20), key.data[:key.length])))


def digest(Engine engine not None):
    """DEBUG DIGEST: 40 hexadecimal digits, all zeros for an empty dataset."""
    engine.enter()
    cdef Keyspace *keyspace = &engine.runtime.keyspace
    cdef uint64_t cursor
    cdef int number
    cdef list digests
    total = bytes(DIGEST_BYTES)
    for number in range(keyspace.count):
        if database_count(keyspace.databases + number) == 0:
            continue
        total = mix_in(total, int(number).to_bytes(4, "big"))
        cursor = 0
        while True:
            digests = []
            cursor = database_scan(keyspace.databases + number, cursor, collect, <void *> digests)
            for part in digests:
                total = xor_in(total, part)
            if cursor == 0:
                break
    return total.hex()


def digest_value(Engine engine not None, int database, bytes name not None):
    """DEBUG DIGEST-VALUE of a key: 40 digits, zeros where there is none."""
    engine.enter()
    cdef Entry *entry = entry_of(engine, database, name)
    return bytes(DIGEST_BYTES).hex() if entry == NULL else value_digest(entry, bytes(DIGEST_BYTES)).hex()
