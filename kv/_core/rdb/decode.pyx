"""A value out of RDB: the mirror of rdb/encode.

A listpack or intset is read straight into its own block, walked once, and becomes the value as it is; it is taken apart only where
it has more elements than this server's limits allow. Everything else is added element by element, by the functions of the type.

What does a hostile payload gain? A pack is not believed before the walk, no count before there are bytes for it, no score that is
no number, no order of a sorted set's pack. A table never has an element twice. A listpack may, unless `deep` asks for the search:
then its elements are found by their first one, which harms nobody but whoever sent it.
"""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.blob cimport Blob, blob_free
from kv._core.base.buffer cimport buffer_append, buffer_reserve
from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_free
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.distinct cimport listpack_is_distinct
from kv._core.containers.hashtable cimport hashtable_reserve
from kv._core.containers.intset cimport Intset, intset_validate
from kv._core.containers.listpack cimport Listpack, listpack_free, listpack_validate
from kv._core.containers.quicklist cimport (
    Quicklist, quicklist_append_pack, quicklist_append_plain, quicklist_is_large)
from kv._core.containers.quicknode cimport QUICKLIST_PACKED, QUICKLIST_PLAIN
from kv._core.containers.skiplist cimport Skiplist, skiplist_find, skiplist_free, skiplist_insert, skiplist_new
from kv._core.objects.entry cimport (
    ENCODING_LISTPACK, ENCODING_RAW, TYPE_STRING, Entry, entry_encoding, entry_free, entry_free_header, entry_type,
    entry_with_expiry, entry_word)
from kv._core.objects.hash cimport hash_append, hash_new_for, hash_of_pack
from kv._core.objects.list cimport list_fit, list_length, list_new_long, list_of_pack, list_push
from kv._core.objects.set cimport set_add, set_new, set_of_intset, set_of_pack
from kv._core.objects.string cimport string_new
from kv._core.objects.zset cimport zset_of_pack, zset_of_skiplist, zset_pack_in_order
from kv._core.rdb.decode_old cimport (
    rdb_get_hash_zipmap, rdb_get_hash_ziplist, rdb_get_list_ziplist, rdb_get_list_ziplists, rdb_get_score_text,
    rdb_get_zset_ziplist, rdb_skip_score_text)
from kv._core.rdb.decode_stream cimport rdb_get_stream, rdb_get_stream_2, rdb_get_stream_3, rdb_skip_stream
from kv._core.rdb.format cimport (
    RDB_HASH, RDB_HASH_2, RDB_HASH_LISTPACK, RDB_HASH_ZIPLIST, RDB_HASH_ZIPMAP, RDB_LIST, RDB_LIST_QUICKLIST,
    RDB_LIST_QUICKLIST_2, RDB_LIST_ZIPLIST, RDB_MODULE, RDB_MODULE_PRE, RDB_SET, RDB_SET_INTSET, RDB_SET_LISTPACK,
    RDB_STREAM, RDB_STREAM_2, RDB_STREAM_3, RDB_STRING, RDB_VALKEY, RDB_ZSET, RDB_ZSET_2, RDB_ZSET_LISTPACK,
    RDB_ZSET_ZIPLIST)
from kv._core.rdb.reader cimport (
    RdbReader, rdb_complain, rdb_complain_cut_off, rdb_complain_number, rdb_complain_text, rdb_get_blob, rdb_get_block,
    rdb_get_count, rdb_get_double, rdb_get_element, rdb_get_length, rdb_get_milliseconds, rdb_get_pair, rdb_get_string,
    rdb_read_or_complain, rdb_room, rdb_skip_string, rdb_string_is_long)
from kv._core.rdb.source cimport source_skip

cdef enum:
    TYPES = RDB_HASH_2 + 1
    SCORE_AHEAD = 256           # bytes that a score may take
    MODULE_NAME = 9             # characters of a module type's name

ctypedef Entry *(*value_reader)(RdbReader *reader, Slice key) noexcept nogil

cdef value_reader READERS[TYPES]


cdef inline Entry *wrong(RdbReader *reader, const char *complaint) noexcept nogil:
    rdb_complain(reader, complaint)
    return NULL


cdef inline Entry *wrong_after(RdbReader *reader, Entry *entry, const char *complaint) noexcept nogil:
    """Where part of a value was read."""
    entry_free(entry)
    return wrong(reader, complaint)


cdef inline Entry *cut_off(Entry *entry) noexcept nogil:
    """Where part of a value was read, and the reader has complained."""
    entry_free(entry)
    return NULL


cdef inline bint get_members(RdbReader *reader, uint64_t least, uint64_t *count) noexcept nogil:
    """How many elements follow, of so many bytes at least; false where there are none, too."""
    if not rdb_get_count(reader, least, count):
        return False
    reader.empty = count[0] == 0
    return count[0] != 0


# -- strings ----------------------------------------------------------------------------------------------------------

cdef Entry *get_string(RdbReader *reader, Slice key) noexcept nogil:
    cdef Entry *entry
    cdef Slice text
    cdef Blob *blob
    if likely(not rdb_string_is_long(reader)):
        return string_new(key, text, reader.expiry, NULL) if rdb_get_string(reader, &text) else NULL
    blob = rdb_get_blob(reader)
    if blob == NULL:
        return NULL
    entry = string_new(key, slice_of(blob.data, blob.length), reader.expiry, blob)
    if entry_encoding(entry) != ENCODING_RAW:
        blob_free(blob)
    return entry


# -- packs ------------------------------------------------------------------------------------------------------------

cdef Listpack *get_pack(RdbReader *reader, int stride, bint distinct, const char *complaint) noexcept nogil:
    """A listpack of units of so many elements; NULL: it is none, or it is empty (reader.empty). `distinct`: units differ."""
    cdef size_t length = 0
    cdef uint64_t count = 0
    cdef void *block = rdb_get_block(reader, &length)
    if block == NULL:
        return NULL
    if (not listpack_validate(block, length, &count) or count % stride
            or (reader.deep and distinct and not listpack_is_distinct(<Listpack *> block, stride))):
        memory_free(block)
        rdb_complain(reader, complaint)
        return NULL
    if unlikely(count == 0):
        memory_free(block)
        reader.empty = True
        return NULL
    return <Listpack *> block


cdef Entry *get_hash_pack(RdbReader *reader, Slice key) noexcept nogil:
    cdef Listpack *pack = get_pack(reader, 2, True, b"Hash listpack integrity check failed.")
    cdef Entry *entry
    if pack == NULL:
        return NULL
    entry = hash_of_pack(key, pack)
    return entry if entry != NULL else wrong(reader, b"Hash listpack with dup elements")


cdef Entry *get_set_pack(RdbReader *reader, Slice key) noexcept nogil:
    cdef Listpack *pack = get_pack(reader, 1, True, b"Set listpack integrity check failed.")
    cdef Entry *entry
    if pack == NULL:
        return NULL
    entry = set_of_pack(key, pack)
    return entry if entry != NULL else wrong(reader, b"Duplicate set members detected")


cdef Entry *get_zset_pack(RdbReader *reader, Slice key) noexcept nogil:
    cdef Listpack *pack = get_pack(reader, 2, True, b"Zset listpack integrity check failed.")
    cdef Entry *entry
    if pack == NULL:
        return NULL
    if not zset_pack_in_order(pack):
        listpack_free(pack)
        return wrong(reader, b"Zset listpack integrity check failed.")
    entry = zset_of_pack(key, pack)
    return entry if entry != NULL else wrong(reader, b"Duplicate zset fields detected")


cdef Entry *get_intset(RdbReader *reader, Slice key) noexcept nogil:
    cdef size_t length = 0
    cdef void *block = rdb_get_block(reader, &length)
    if block == NULL:
        return NULL
    if not intset_validate(block, length):
        memory_free(block)
        return wrong(reader, b"Intset integrity check failed.")
    return set_of_intset(key, <Intset *> block)


# -- lists ------------------------------------------------------------------------------------------------------------

cdef Entry *get_list(RdbReader *reader, Slice key) noexcept nogil:
    cdef Entry *entry
    cdef uint64_t count = 0, _i
    cdef Slice text
    if not get_members(reader, 1, &count):
        return NULL
    entry = list_new_long(key)
    for _i in range(count):
        if not rdb_get_element(reader, &text):
            return cut_off(entry)
        list_push(entry, text, False)
    list_fit(entry)
    return entry


cdef bint get_plain(RdbReader *reader, Entry *entry) noexcept nogil:
    """A node that is one element. It stays one where this server's limits would give it a node of its own, too."""
    cdef Quicklist *list = <Quicklist *> entry_word(entry)[0]
    cdef Blob *blob = rdb_get_blob(reader)
    if blob == NULL:
        return False
    if blob.length == 0:
        blob_free(blob)
        return rdb_complain(reader, b"Quicklist integrity check failed.")
    if quicklist_is_large(list.fill, blob.length):
        quicklist_append_plain(list, blob)
        return True
    list_push(entry, slice_of(blob.data, blob.length), False)
    blob_free(blob)
    return True


cdef bint get_packed(RdbReader *reader, Entry *entry) noexcept nogil:
    """A node that is a listpack; an empty one is left out."""
    cdef Listpack *pack
    reader.empty = False
    pack = get_pack(reader, 1, False, b"Listpack integrity check failed.")
    if pack != NULL:
        quicklist_append_pack(<Quicklist *> entry_word(entry)[0], pack)
    return pack != NULL or reader.empty


cdef Entry *get_quicklist(RdbReader *reader, Slice key) noexcept nogil:
    cdef Entry *entry
    cdef Listpack *pack
    cdef uint64_t nodes = 0, kind = 0, _i
    if not get_members(reader, 2, &nodes) or not rdb_get_length(reader, &kind):
        return NULL
    if nodes == 1 and kind == QUICKLIST_PACKED:
        pack = get_pack(reader, 1, False, b"Listpack integrity check failed.")
        return list_of_pack(key, pack) if pack != NULL else NULL
    entry = list_new_long(key)
    for _i in range(nodes):
        if _i and not rdb_get_length(reader, &kind):
            return cut_off(entry)
        if kind != QUICKLIST_PLAIN and kind != QUICKLIST_PACKED:
            return wrong_after(reader, entry, b"Quicklist integrity check failed.")
        if not (get_plain(reader, entry) if kind == QUICKLIST_PLAIN else get_packed(reader, entry)):
            return cut_off(entry)
    reader.empty = list_length(entry) == 0
    if reader.empty:
        return cut_off(entry)
    list_fit(entry)
    return entry


# -- elements ---------------------------------------------------------------------------------------------------------

cdef Entry *get_set(RdbReader *reader, Slice key) noexcept nogil:
    cdef Entry *entry
    cdef uint64_t count = 0, _i
    cdef Slice text
    if not get_members(reader, 1, &count) or not rdb_get_element(reader, &text):
        return NULL
    entry = set_new(key, text, rdb_room(count))
    set_add(entry, text)
    for _i in range(1, count):
        if not rdb_get_element(reader, &text):
            return cut_off(entry)
        if not set_add(entry, text):
            return wrong_after(reader, entry, b"Duplicate set members detected")
    return entry


cdef Entry *get_hash(RdbReader *reader, Slice key) noexcept nogil:
    cdef Entry *entry
    cdef uint64_t count = 0, _i
    cdef Slice name, value
    if not get_members(reader, 2, &count):
        return NULL
    entry = hash_new_for(key, rdb_room(count))
    for _i in range(count):
        if not rdb_get_pair(reader, &name, &value):
            return cut_off(entry)
        if not hash_append(entry, name, value):
            return wrong_after(reader, entry, b"Duplicate hash fields detected")
    return distinct_hash(reader, entry)


cdef Entry *distinct_hash(RdbReader *reader, Entry *entry) noexcept nogil:
    """A hash that was filled name by name, unless it became a listpack that has a name twice and somebody wants to know."""
    if (reader.deep and entry_encoding(entry) == ENCODING_LISTPACK
            and not listpack_is_distinct(<Listpack *> entry_word(entry)[0], 2)):
        return wrong_after(reader, entry, b"Hash with dup elements")
    return entry


cdef Entry *get_hash_2(RdbReader *reader, Slice key) noexcept nogil:
    """A hash of Valkey 9, whose fields may have expiries. None may have one here."""
    cdef Entry *entry
    cdef uint64_t count = 0, _i
    cdef int64_t expiry = 0
    cdef Slice name, value
    if not get_members(reader, 10, &count):
        return NULL
    entry = hash_new_for(key, rdb_room(count))
    for _i in range(count):
        if not rdb_get_pair(reader, &name, &value):
            return cut_off(entry)
        if not hash_append(entry, name, value):
            return wrong_after(reader, entry, b"Duplicate hash fields detected")
        if not rdb_get_milliseconds(reader, &expiry):
            return cut_off(entry)
        if expiry != -1:
            return wrong_after(reader, entry, b"A field of a hash has an expiry, which this server does not know")
    return distinct_hash(reader, entry)


cdef bint add_member(RdbReader *reader, Skiplist *list, bint as_text) noexcept nogil:
    cdef Slice member
    cdef double score = 0
    cdef uint64_t hash
    if not rdb_get_element(reader, &member):
        return False
    if unlikely(reader.source.end - reader.source.at < SCORE_AHEAD):    # reading the score may move what stands in the source
        reader.first.length = 0
        buffer_reserve(&reader.first, member.length + 1)        # an empty member has an address, too
        buffer_append(&reader.first, member.data, member.length)
        member.data = reader.first.data
    if not (rdb_get_score_text(reader, &score) if as_text else rdb_get_double(reader, &score)):
        return False
    if unlikely(score != score):
        return rdb_complain(reader, b"Zset with NAN score detected")
    hash = hash_bytes(member.data, member.length)
    if unlikely(skiplist_find(list, member, hash) != NULL):
        return rdb_complain(reader, b"Duplicate zset fields detected")
    skiplist_insert(list, score, member, hash)
    return True


cdef Entry *get_members_with_scores(RdbReader *reader, Slice key, bint as_text) noexcept nogil:
    cdef Skiplist *list
    cdef uint64_t count = 0, _i
    if not get_members(reader, 2 if as_text else 9, &count):
        return NULL
    list = skiplist_new()
    hashtable_reserve(&list.members, rdb_room(count))
    for _i in range(count):
        if not add_member(reader, list, as_text):
            skiplist_free(list)
            return NULL
    return zset_of_skiplist(key, list)


cdef Entry *get_zset(RdbReader *reader, Slice key) noexcept nogil:
    return get_members_with_scores(reader, key, True)


cdef Entry *get_zset_2(RdbReader *reader, Slice key) noexcept nogil:
    return get_members_with_scores(reader, key, False)


# -- by type ----------------------------------------------------------------------------------------------------------

READERS[<int> RDB_STRING], READERS[<int> RDB_LIST], READERS[<int> RDB_SET] = get_string, get_list, get_set
READERS[<int> RDB_ZSET], READERS[<int> RDB_HASH], READERS[<int> RDB_ZSET_2] = get_zset, get_hash, get_zset_2
READERS[<int> RDB_HASH_ZIPMAP], READERS[<int> RDB_LIST_ZIPLIST] = rdb_get_hash_zipmap, rdb_get_list_ziplist
READERS[<int> RDB_SET_INTSET], READERS[<int> RDB_ZSET_ZIPLIST] = get_intset, rdb_get_zset_ziplist
READERS[<int> RDB_HASH_ZIPLIST], READERS[<int> RDB_LIST_QUICKLIST] = rdb_get_hash_ziplist, rdb_get_list_ziplists
READERS[<int> RDB_STREAM], READERS[<int> RDB_HASH_LISTPACK] = rdb_get_stream, get_hash_pack
READERS[<int> RDB_ZSET_LISTPACK], READERS[<int> RDB_LIST_QUICKLIST_2] = get_zset_pack, get_quicklist
READERS[<int> RDB_STREAM_2], READERS[<int> RDB_SET_LISTPACK] = rdb_get_stream_2, get_set_pack
READERS[<int> RDB_STREAM_3], READERS[<int> RDB_HASH_2] = rdb_get_stream_3, get_hash_2


cdef bint rdb_type_known(int type, int version) noexcept nogil:
    """Whether values of a type can be read, in a file of a version. From 22 on, Redis and Valkey mean different things."""
    return 0 <= type < TYPES and READERS[type] != NULL and (type < RDB_HASH_2 or version >= RDB_VALKEY)


cdef bint rdb_refuse_module(RdbReader *reader, const char *form) noexcept nogil:
    """The name of a module's type stands in the upper 54 bits of its id, six bits a character."""
    cdef const char *letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    cdef char name[MODULE_NAME]
    cdef uint64_t id = 0
    cdef int i
    if not rdb_read_or_complain(reader, rdb_get_length(reader, &id), b"Short read module id"):
        return False
    for i in range(MODULE_NAME):
        name[i] = letters[(id >> (58 - 6 * i)) & 63]
    return rdb_complain_text(reader, form, slice_of(name, MODULE_NAME))


cdef bint refuse_type(RdbReader *reader, int type) noexcept nogil:
    if type == RDB_MODULE_PRE:
        return rdb_complain(reader, b"Pre-release module format not supported")
    if type == RDB_MODULE:
        return rdb_refuse_module(reader, b"The RDB file contains module data I can't load: no matching module type '%.*s'")
    return rdb_complain_number(reader, b"Unknown RDB encoding type %lld", type)


cdef Entry *rdb_get_value(RdbReader *reader, int type, Slice key) noexcept nogil:
    cdef Entry *entry
    cdef Entry *made
    reader.empty = False
    if unlikely(not rdb_type_known(type, reader.version)):
        refuse_type(reader, type)
        return NULL
    entry = READERS[type](reader, key)
    if entry == NULL or reader.expiry == -1 or entry_type(entry) == TYPE_STRING:
        return entry
    made = entry_with_expiry(entry, reader.expiry)
    if made != entry:
        entry_free_header(entry)
    return made


# -- read over --------------------------------------------------------------------------------------------------------

cdef bint skip_bytes(RdbReader *reader, uint64_t length) noexcept nogil:
    return source_skip(reader.source, length) or rdb_complain_cut_off(reader)


cdef bint skip_elements(RdbReader *reader, int type) noexcept nogil:
    """What has a count before it. Behind the strings of an element may stand bytes of a known number."""
    cdef int strings = 2 if type == RDB_HASH or type == RDB_HASH_2 else 1
    cdef int beside = 8 if type == RDB_ZSET_2 or type == RDB_HASH_2 else 0
    cdef uint64_t count = 0, kind = 0, _i
    cdef int _j
    if not rdb_get_count(reader, 1, &count):
        return False
    for _i in range(count):
        if type == RDB_LIST_QUICKLIST_2 and not rdb_get_length(reader, &kind):
            return False
        for _j in range(strings):
            if not rdb_skip_string(reader):
                return False
        if beside and not skip_bytes(reader, beside):
            return False
        if type == RDB_ZSET and not rdb_skip_score_text(reader):
            return False
    return True


cdef bint rdb_skip_value(RdbReader *reader, int type) noexcept nogil:
    if not rdb_type_known(type, reader.version):
        return refuse_type(reader, type)
    if type in (RDB_STREAM, RDB_STREAM_2, RDB_STREAM_3):
        return rdb_skip_stream(reader, type)
    if type in (RDB_LIST, RDB_SET, RDB_ZSET, RDB_HASH, RDB_ZSET_2, RDB_LIST_QUICKLIST, RDB_LIST_QUICKLIST_2, RDB_HASH_2):
        return skip_elements(reader, type)
    return rdb_skip_string(reader)
