"""Hashes.

Two encodings: a small hash is a listpack of names and values in turn, to which the entry's word points straight; a
large one is a Hashtable of Fields (objects/field). A hash becomes large by its number of fields or by one long
name or value, and stays so. Either way the entry itself stays where it is: only its word and encoding change.

Names and values that go in must not lie in the hash; slices that come out are good until it changes, and a number of
a listpack is written to the caller's `number` (LISTPACK_NUMBER_SIZE bytes) or, in a walk, to the walk's own buffer.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t

from kv._core.base.blob cimport Blob, blob_around
from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_alloc, memory_free, memory_size
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.random cimport Random
from kv._core.base.slice cimport Slice
from kv._core.containers.hashtable cimport (
    Hashtable, HashtableType, Position, hashtable_check, hashtable_clear, hashtable_delete, hashtable_find,
    hashtable_init, hashtable_insert, hashtable_replace, hashtable_reserve, position_element)
from kv._core.containers.listpack cimport (
    Listpack, listpack_append, listpack_bytes, listpack_check, listpack_copy, listpack_count, listpack_delete,
    listpack_find, listpack_first, listpack_free, listpack_new, listpack_next, listpack_replace,
    listpack_slice)
from kv._core.objects.elements cimport pack_pick, pack_sample, pack_walk, table_memory, table_pick, table_sample, table_walk
from kv._core.objects.entry cimport (
    ENCODING_HASHTABLE, ENCODING_LISTPACK, TYPE_HASH, Entry, Item, TypeOperations, entry_encoding, entry_free, entry_new,
    entry_set_encoding, entry_word, item_visitor, type_register)
from kv._core.objects.field cimport (
    Field, field_assign, field_free, field_memory, field_name, field_name_of, field_new, field_value, is_long)

cdef enum:
    LARGEST_PACK = 1 << 30      # bytes above which nothing is added to a listpack, whatever the limits

cdef HashtableType FIELD_TABLE
FIELD_TABLE.key_of = field_name_of
FIELD_TABLE.free_element = field_free

hash_limits.entries, hash_limits.value = 512, 64


cdef inline Listpack *pack_of(const Entry *entry) noexcept nogil:
    return <Listpack *> entry_word(<Entry *> entry)[0]


cdef inline Hashtable *table_of(const Entry *entry) noexcept nogil:
    return <Hashtable *> entry_word(<Entry *> entry)[0]


cdef inline bint is_packed(const Entry *entry) noexcept nogil:
    return entry_encoding(entry) == ENCODING_LISTPACK


cdef Hashtable *hash_table(const Entry *entry) noexcept nogil:
    """The table of Fields, for who scans it; NULL where the hash is a listpack."""
    return NULL if is_packed(entry) else table_of(entry)


cdef Entry *hash_new(Slice key) noexcept nogil:
    """An entry with an empty hash."""
    cdef Entry *entry = entry_new(key, TYPE_HASH, ENCODING_LISTPACK, -1, 0)
    entry_word(entry)[0] = listpack_new(0)
    return entry


# -- from small to large --------------------------------------------------------------------------------------------

cdef Hashtable *table_new() noexcept nogil:
    cdef Hashtable *table = <Hashtable *> memory_alloc(sizeof(Hashtable))
    hashtable_init(table, &FIELD_TABLE)
    return table


cdef void table_add(Hashtable *table, Slice name, Slice value) noexcept nogil:
    """Add a field whose name the table does not have."""
    hashtable_insert(table, field_new(name, value), hash_bytes(name.data, name.length), False)


cdef bint add_item(void *argument, const Item *item) noexcept nogil:
    table_add(<Hashtable *> argument, item.first, item.second)
    return True


cdef void enlarge(Entry *entry, uint64_t room) noexcept nogil:
    """Make the hash a table with room for so many fields."""
    cdef Listpack *pack = pack_of(entry)
    cdef Hashtable *table = table_new()
    hashtable_reserve(table, room)
    pack_walk(pack, 2, add_item, table)
    listpack_free(pack)
    entry_word(entry)[0] = table
    entry_set_encoding(entry, ENCODING_HASHTABLE)


cdef void hash_expect(Entry *entry, const Slice *words, int count) noexcept nogil:
    """So many words, names and values in turn, are about to be set: become large at once where they will have it so."""
    cdef uint64_t sum = 0
    cdef int i
    if not is_packed(entry):
        return
    if unlikely(<uint64_t> count // 2 > hash_limits.entries):
        enlarge(entry, count // 2)
        return
    for i in range(count):
        if words[i].length > hash_limits.value:
            enlarge(entry, 0)
            return
        sum += words[i].length
    if unlikely(listpack_bytes(pack_of(entry)) + sum > LARGEST_PACK):
        enlarge(entry, 0)


# -- what comes from elsewhere ----------------------------------------------------------------------------------------

cdef bint table_add_new(Hashtable *table, Slice name, Slice value) noexcept nogil:
    """Whether the name is new; then the field was added."""
    cdef uint64_t hash = hash_bytes(name.data, name.length)
    if unlikely(hashtable_find(table, name.data, name.length, hash).bucket != NULL):
        return False
    hashtable_insert(table, field_new(name, value), hash, False)
    return True


cdef bint add_new_item(void *argument, const Item *item) noexcept nogil:
    return table_add_new(<Hashtable *> argument, item.first, item.second)


cdef bint enlarge_distinct(Entry *entry, uint64_t room) noexcept nogil:
    """As enlarge; false, and the hash stays as it is, where a name comes twice."""
    cdef Listpack *pack = pack_of(entry)
    cdef Hashtable *table = table_new()
    hashtable_reserve(table, room)
    if not pack_walk(pack, 2, add_new_item, table):
        free_value(table, ENCODING_HASHTABLE)
        return False
    listpack_free(pack)
    entry_word(entry)[0] = table
    entry_set_encoding(entry, ENCODING_HASHTABLE)
    return True


cdef Entry *hash_new_for(Slice key, uint64_t count) noexcept nogil:
    cdef Entry *entry
    if count <= hash_limits.entries:
        return hash_new(key)
    entry = entry_new(key, TYPE_HASH, ENCODING_HASHTABLE, -1, 0)
    entry_word(entry)[0] = table_new()
    hashtable_reserve(table_of(entry), count)
    return entry


cdef Entry *hash_of_pack(Slice key, Listpack *pack) noexcept nogil:
    cdef Entry *entry = entry_new(key, TYPE_HASH, ENCODING_LISTPACK, -1, 0)
    cdef uint64_t count = listpack_count(pack) // 2
    entry_word(entry)[0] = pack
    if unlikely(count > hash_limits.entries) and not enlarge_distinct(entry, count):
        entry_free(entry)
        return NULL
    return entry


cdef bint hash_append(Entry *entry, Slice name, Slice value) noexcept nogil:
    cdef Listpack *pack
    if is_packed(entry):
        pack = pack_of(entry)
        if (name.length <= hash_limits.value and value.length <= hash_limits.value
                and listpack_count(pack) // 2 < hash_limits.entries
                and listpack_bytes(pack) + name.length + value.length <= LARGEST_PACK):
            entry_word(entry)[0] = listpack_append(listpack_append(pack, name), value)
            return True
        if not enlarge_distinct(entry, 0):
            return False
    return table_add_new(table_of(entry), name, value)


# -- fields ---------------------------------------------------------------------------------------------------------

cdef uint64_t hash_length(const Entry *entry) noexcept nogil:
    """How many fields it has."""
    return length(entry_word(<Entry *> entry)[0], entry_encoding(entry))


cdef bint hash_get(const Entry *entry, Slice name, char *number, Slice *value) noexcept nogil:
    """Whether there is such a field; its value."""
    cdef Listpack *pack
    cdef uint8_t *at
    cdef Position position
    if is_packed(entry):
        pack = pack_of(entry)
        at = listpack_find(pack, listpack_first(pack), name, 1)
        if at == NULL:
            return False
        value[0] = listpack_slice(listpack_next(pack, at), number)
        return True
    position = hashtable_find(table_of(entry), name.data, name.length, hash_bytes(name.data, name.length))
    if position.bucket == NULL:
        return False
    value[0] = field_value(<Field *> position_element(position))
    return True


cdef Blob *hash_blob(const Entry *entry, Slice value) noexcept nogil:
    """The blob that a value stands in which hash_get found; NULL where it is in a listpack or in its field."""
    if is_packed(entry) or not is_long(value.length):
        return NULL
    return blob_around(value.data)


cdef bint hash_set(Entry *entry, Slice name, Slice value) noexcept nogil:
    """Set a field; whether it is new."""
    if is_packed(entry):
        if likely(name.length <= hash_limits.value and value.length <= hash_limits.value):
            return pack_set(entry, name, value)
        enlarge(entry, 0)
    return table_set(table_of(entry), name, value)


cdef bint pack_set(Entry *entry, Slice name, Slice value) noexcept nogil:
    cdef Listpack *pack = pack_of(entry)
    cdef uint8_t *at = listpack_find(pack, listpack_first(pack), name, 1)
    cdef bint new = at == NULL
    if new:
        pack = listpack_append(listpack_append(pack, name), value)
    else:
        at = listpack_next(pack, at)
        pack = listpack_replace(pack, &at, value)
    entry_word(entry)[0] = pack
    if unlikely(listpack_count(pack) // 2 > hash_limits.entries):   # of an old field too, since the limit can be lowered
        enlarge(entry, 0)
    return new


cdef bint table_set(Hashtable *table, Slice name, Slice value) noexcept nogil:
    cdef uint64_t hash = hash_bytes(name.data, name.length)
    cdef Position position = hashtable_find(table, name.data, name.length, hash)
    cdef Field *old
    cdef Field *field
    if position.bucket == NULL:
        hashtable_insert(table, field_new(name, value), hash, False)
        return True
    old = <Field *> position_element(position)
    field = field_assign(old, value)
    if field != old:
        hashtable_replace(table, position, field, False)
    return False


cdef bint hash_delete(Entry *entry, Slice name) noexcept nogil:
    """Whether there was such a field."""
    cdef Listpack *pack
    cdef uint8_t *at
    if not is_packed(entry):
        return hashtable_delete(table_of(entry), name.data, name.length)
    pack = pack_of(entry)
    at = listpack_find(pack, listpack_first(pack), name, 1)
    if at == NULL:
        return False
    entry_word(entry)[0] = listpack_delete(pack, &at, 2)
    return True


# -- all of them, or some -------------------------------------------------------------------------------------------

cdef void hash_open(void *element, Item *item) noexcept nogil:
    """A field of a table as an item."""
    item.first, item.second, item.score = field_name(<Field *> element), field_value(<Field *> element), 0


cdef void hash_walk(const Entry *entry, item_visitor visit, void *argument) noexcept nogil:
    """Visit every field once, until the visitor has enough."""
    walk(entry_word(<Entry *> entry)[0], entry_encoding(entry), visit, argument)


cdef void hash_pick(const Entry *entry, Random *random, uint64_t count, item_visitor visit,
                    void *argument) noexcept nogil:
    """Visit so many fields of a hash that is not empty, each drawn from all of them, until the visitor has enough."""
    if is_packed(entry):
        pack_pick(pack_of(entry), 2, random, count, visit, argument)
    else:
        table_pick(table_of(entry), hash_open, random, count, visit, argument)


cdef void hash_sample(const Entry *entry, Random *random, uint64_t want, item_visitor visit,
                      void *argument) noexcept nogil:
    """Visit so many different fields, or all there are; every choice is as likely as any other."""
    if want >= hash_length(entry):
        hash_walk(entry, visit, argument)
    elif is_packed(entry):
        pack_sample(pack_of(entry), 2, random, want, visit, argument)
    else:
        table_sample(table_of(entry), hash_open, random, want, visit, argument)


# -- what every type is asked ---------------------------------------------------------------------------------------

cdef void free_value(void *value, int encoding) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        listpack_free(<Listpack *> value)
        return
    hashtable_clear(<Hashtable *> value)
    memory_free(value)


cdef void *copy(const void *value, int encoding) noexcept nogil:
    cdef Hashtable *table
    if encoding == ENCODING_LISTPACK:
        return listpack_copy(value, listpack_bytes(<const Listpack *> value))
    table = table_new()
    hashtable_reserve(table, (<Hashtable *> value).count)
    table_walk(<Hashtable *> value, hash_open, add_item, table)
    return table


cdef size_t field_bytes(const void *element) noexcept nogil:
    return field_memory(<const Field *> element)


cdef size_t memory(const void *value, int encoding, int64_t samples) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        return memory_size(value)
    return table_memory(<Hashtable *> value, samples, field_bytes)


cdef size_t effort(const void *value, int encoding) noexcept nogil:
    return 1 if encoding == ENCODING_LISTPACK else (<const Hashtable *> value).count


cdef uint64_t length(const void *value, int encoding) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        return listpack_count(<const Listpack *> value) // 2
    return (<const Hashtable *> value).count


cdef bint walk(const void *value, int encoding, item_visitor visit, void *argument) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        return pack_walk(<const Listpack *> value, 2, visit, argument)
    return table_walk(<Hashtable *> value, hash_open, visit, argument)


cdef const char *check(const void *value, int encoding) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        if listpack_count(<const Listpack *> value) % 2:
            return b"a field has no value"
        return listpack_check(<const Listpack *> value)
    return hashtable_check(<Hashtable *> value)


cdef TypeOperations operations
operations.free, operations.copy, operations.memory, operations.effort = free_value, copy, memory, effort
operations.length, operations.walk, operations.check = length, walk, check
type_register(TYPE_HASH, &operations)
