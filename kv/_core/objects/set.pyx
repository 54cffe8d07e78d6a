"""Sets.

Three encodings: integers are an Intset; few short members are a listpack; all others are a Hashtable of Members
(objects/member). A set of integers that gets another member becomes a listpack where that is allowed, and whatever
outgrows the limits becomes a table, and stays one, but for set_pop, which may leave little of it. The entry itself
stays where it is: only its word and encoding change.

Members that go in must not lie in the set, save to be looked up or removed. Slices that come out are good until the set
changes; numbers are written to the caller's `number`, or in a walk to the walk's own buffer.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free
from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_alloc, memory_free, memory_size
from kv._core.base.numbers cimport format_i64, parse_i64
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.random cimport Random, random_below
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.draw cimport hashtable_draw
from kv._core.containers.hashtable cimport (
    Hashtable, HashtableType, hashtable_check, hashtable_clear, hashtable_delete, hashtable_find,
    hashtable_fit, hashtable_init, hashtable_insert, hashtable_locate, hashtable_random,
    hashtable_remove, hashtable_reserve)
from kv._core.containers.intset cimport (
    Intset, intset_add, intset_bytes, intset_check, intset_copy, intset_free, intset_get, intset_has, intset_max,
    intset_min, intset_new, intset_random, intset_remove)
from kv._core.containers.listpack cimport (
    Listpack, listpack_append, listpack_bytes, listpack_check, listpack_copy, listpack_count, listpack_delete,
    listpack_delete_many, listpack_find, listpack_first, listpack_free, listpack_new, listpack_random,
    listpack_sample, listpack_slice)
from kv._core.objects.elements cimport (
    pack_pick, pack_sample, pack_show, pack_walk, table_memory, table_sample, table_walk)
from kv._core.objects.entry cimport (
    ENCODING_HASHTABLE, ENCODING_INTSET, ENCODING_LISTPACK, TYPE_SET, Entry, Item, TypeOperations, entry_encoding,
    entry_free, entry_new, entry_set_encoding, entry_word, item_visitor, type_register)
from kv._core.objects.member cimport Member, member_free, member_new, member_text, member_text_of

cdef enum:
    LARGEST_PACK = 1 << 30      # bytes above which nothing is added to a listpack, whatever the limits
    LARGEST_INTSET = 1 << 30    # numbers of an intset, whatever the limits
    FEW_STAY = 5                # where more than so many times what stays is popped, what stays is stored anew

cdef HashtableType MEMBER_TABLE
MEMBER_TABLE.key_of = member_text_of
MEMBER_TABLE.free_element = member_free

set_limits.intset_entries, set_limits.listpack_entries, set_limits.listpack_value = 512, 128, 64


cdef inline Intset *numbers_of(const Entry *entry) noexcept nogil:
    return <Intset *> entry_word(<Entry *> entry)[0]


cdef inline Listpack *pack_of(const Entry *entry) noexcept nogil:
    return <Listpack *> entry_word(<Entry *> entry)[0]


cdef inline Hashtable *table_of(const Entry *entry) noexcept nogil:
    return <Hashtable *> entry_word(<Entry *> entry)[0]


cdef inline uint64_t most_numbers() noexcept nogil:
    return set_limits.intset_entries if set_limits.intset_entries < LARGEST_INTSET else LARGEST_INTSET


cdef Hashtable *set_table(const Entry *entry) noexcept nogil:
    """The table of Members, for who scans it; NULL where the set is small."""
    return table_of(entry) if entry_encoding(entry) == ENCODING_HASHTABLE else NULL


# -- new ones, and from one encoding to another ---------------------------------------------------------------------

cdef Hashtable *table_new(uint64_t room) noexcept nogil:
    cdef Hashtable *table = <Hashtable *> memory_alloc(sizeof(Hashtable))
    hashtable_init(table, &MEMBER_TABLE)
    if room:
        hashtable_reserve(table, room)
    return table


cdef Entry *set_new_as(Slice key, int encoding) noexcept nogil:
    """An entry with an empty set of an encoding."""
    cdef Entry *entry = entry_new(key, TYPE_SET, encoding, -1, 0)
    if encoding == ENCODING_INTSET:
        entry_word(entry)[0] = intset_new()
    elif encoding == ENCODING_LISTPACK:
        entry_word(entry)[0] = listpack_new(0)
    else:
        entry_word(entry)[0] = table_new(0)
    return entry


cdef Entry *set_new(Slice key, Slice first, uint64_t hint) noexcept nogil:
    """An entry with an empty set for about so many members, of which this one is the first."""
    cdef int64_t number
    cdef Entry *entry
    if hint <= set_limits.intset_entries and parse_i64(first.data, first.length, &number):
        return set_new_as(key, ENCODING_INTSET)
    if hint <= set_limits.listpack_entries:
        return set_new_as(key, ENCODING_LISTPACK)
    entry = set_new_as(key, ENCODING_HASHTABLE)
    hashtable_reserve(table_of(entry), hint)
    return entry


cdef bint add_to_table(void *argument, const Item *item) noexcept nogil:
    hashtable_insert(<Hashtable *> argument, member_new(item.first), hash_bytes(item.first.data, item.first.length), False)
    return True


cdef bint add_to_pack(void *argument, const Item *item) noexcept nogil:
    cdef Listpack **pack = <Listpack **> argument
    pack[0] = listpack_append(pack[0], item.first)
    return True


cdef bint add_to_numbers(void *argument, const Item *item) noexcept nogil:
    """Ends the walk where a member is no number."""
    cdef Intset **numbers = <Intset **> argument
    cdef int64_t number
    cdef bint added
    if not parse_i64(item.first.data, item.first.length, &number):
        return False
    numbers[0] = intset_add(numbers[0], number, &added)
    return True


cdef void become(Entry *entry, int encoding, void *value) noexcept nogil:
    """The same members in another encoding."""
    free_value(entry_word(entry)[0], entry_encoding(entry))
    entry_word(entry)[0] = value
    entry_set_encoding(entry, encoding)


cdef void become_table(Entry *entry, uint64_t room) noexcept nogil:
    cdef Hashtable *table = table_new(room)
    set_walk(entry, add_to_table, table)
    become(entry, ENCODING_HASHTABLE, table)


cdef void become_pack(Entry *entry) noexcept nogil:
    cdef Listpack *pack = listpack_new(0)
    set_walk(entry, add_to_pack, &pack)
    become(entry, ENCODING_LISTPACK, pack)


cdef void set_expect(Entry *entry, uint64_t count) noexcept nogil:
    """So many members are about to be added: become a table at once where they will have it so."""
    cdef int encoding = entry_encoding(entry)
    if (encoding == ENCODING_LISTPACK and unlikely(count > set_limits.listpack_entries)
            or encoding == ENCODING_INTSET and unlikely(count > set_limits.intset_entries)):
        become_table(entry, count)


cdef void set_to_intset(Entry *entry) noexcept nogil:
    """Become an intset, where all members are numbers and not too many."""
    cdef Intset *numbers
    if entry_encoding(entry) == ENCODING_INTSET or set_length(entry) > most_numbers():
        return
    numbers = intset_new()
    if walk(entry_word(entry)[0], entry_encoding(entry), add_to_numbers, &numbers):
        become(entry, ENCODING_INTSET, numbers)
    else:
        intset_free(numbers)


cdef Entry *set_of_intset(Slice key, Intset *numbers) noexcept nogil:
    cdef Entry *entry = entry_new(key, TYPE_SET, ENCODING_INTSET, -1, 0)
    entry_word(entry)[0] = numbers
    if unlikely(numbers.count > most_numbers()):
        become_table(entry, numbers.count)
    return entry


cdef bint add_new_to_table(void *argument, const Item *item) noexcept nogil:
    return table_add(<Hashtable *> argument, item.first)


cdef Entry *set_of_pack(Slice key, Listpack *pack) noexcept nogil:
    cdef Entry *entry = entry_new(key, TYPE_SET, ENCODING_LISTPACK, -1, 0)
    cdef Hashtable *table
    entry_word(entry)[0] = pack
    if likely(listpack_count(pack) <= set_limits.listpack_entries):
        return entry
    table = table_new(listpack_count(pack))
    if pack_walk(pack, 1, add_new_to_table, table):
        become(entry, ENCODING_HASHTABLE, table)
        return entry
    free_value(table, ENCODING_HASHTABLE)
    entry_free(entry)
    return NULL


cdef bint is_short(void *argument, const Item *item) noexcept nogil:
    return item.first.length <= set_limits.listpack_value


cdef void shrink(Entry *entry) noexcept nogil:
    """A table becomes a listpack again, where its members may be one."""
    if (entry_encoding(entry) == ENCODING_HASHTABLE and table_of(entry).count <= set_limits.listpack_entries
            and table_walk(table_of(entry), set_open, is_short, NULL)):
        become_pack(entry)


# -- members --------------------------------------------------------------------------------------------------------

cdef uint64_t set_length(const Entry *entry) noexcept nogil:
    """How many members it has."""
    return length(entry_word(<Entry *> entry)[0], entry_encoding(entry))


cdef bint has(const void *value, int encoding, Slice member) noexcept nogil:
    cdef int64_t number
    if encoding == ENCODING_HASHTABLE:
        return hashtable_find(<Hashtable *> value, member.data, member.length,
                              hash_bytes(member.data, member.length)).bucket != NULL
    if encoding == ENCODING_INTSET:
        return parse_i64(member.data, member.length, &number) and intset_has(<Intset *> value, number)
    return listpack_find(<Listpack *> value, listpack_first(<Listpack *> value), member, 0) != NULL


cdef bint set_has(const Entry *entry, Slice member) noexcept nogil:
    return has(entry_word(<Entry *> entry)[0], entry_encoding(entry), member)


cdef bint set_add(Entry *entry, Slice member) noexcept nogil:
    """Whether the member is new."""
    cdef int encoding = entry_encoding(entry)
    if encoding == ENCODING_HASHTABLE:
        return table_add(table_of(entry), member)
    if encoding == ENCODING_LISTPACK:
        return pack_add(entry, member)
    return numbers_add(entry, member)


cdef bint table_add(Hashtable *table, Slice member) noexcept nogil:
    cdef uint64_t hash = hash_bytes(member.data, member.length)
    if hashtable_find(table, member.data, member.length, hash).bucket != NULL:
        return False
    hashtable_insert(table, member_new(member), hash, False)
    return True


cdef bint pack_add(Entry *entry, Slice member) noexcept nogil:
    cdef Listpack *pack = pack_of(entry)
    if listpack_find(pack, listpack_first(pack), member, 0) != NULL:
        return False
    if likely(listpack_count(pack) < set_limits.listpack_entries and member.length <= set_limits.listpack_value
              and listpack_bytes(pack) + member.length <= LARGEST_PACK):
        entry_word(entry)[0] = listpack_append(pack, member)
        return True
    become_table(entry, listpack_count(pack) + 1)
    return table_add(table_of(entry), member)


cdef bint numbers_add(Entry *entry, Slice member) noexcept nogil:
    cdef Intset *numbers = numbers_of(entry)
    cdef int64_t number
    cdef bint added
    if likely(parse_i64(member.data, member.length, &number)):
        numbers = intset_add(numbers, number, &added)
        entry_word(entry)[0] = numbers
        if unlikely(added and numbers.count > most_numbers()):
            become_table(entry, numbers.count)
        return added
    if fits_pack(numbers, member):
        become_pack(entry)
        entry_word(entry)[0] = listpack_append(pack_of(entry), member)
        return True
    become_table(entry, numbers.count + 1)
    return table_add(table_of(entry), member)


cdef bint fits_pack(const Intset *numbers, Slice member) noexcept nogil:
    """Whether the numbers and one more member may be a listpack."""
    cdef char text[SET_NUMBER_SIZE]
    cdef uint64_t longest = 0
    if numbers.count:
        longest = format_i64(text, intset_max(numbers))
        longest = max(longest, <uint64_t> format_i64(text, intset_min(numbers)))
    return (numbers.count < set_limits.listpack_entries and member.length <= set_limits.listpack_value
            and longest <= set_limits.listpack_value and 11 * <uint64_t> numbers.count + member.length <= LARGEST_PACK)


cdef bint set_remove(Entry *entry, Slice member) noexcept nogil:
    """Whether it was a member."""
    cdef int encoding = entry_encoding(entry)
    cdef uint8_t *at
    cdef int64_t number
    cdef bint removed
    if encoding == ENCODING_HASHTABLE:
        return hashtable_delete(table_of(entry), member.data, member.length)
    if encoding == ENCODING_INTSET:
        if not parse_i64(member.data, member.length, &number):
            return False
        entry_word(entry)[0] = intset_remove(numbers_of(entry), number, &removed)
        return removed
    at = listpack_find(pack_of(entry), listpack_first(pack_of(entry)), member, 0)
    if at == NULL:
        return False
    entry_word(entry)[0] = listpack_delete(pack_of(entry), &at, 1)
    return True


# -- all of them ----------------------------------------------------------------------------------------------------

cdef inline bint show(Slice member, item_visitor visit, void *argument) noexcept nogil:
    cdef Item item
    item.first, item.second, item.score = member, slice_of(NULL, 0), 0
    return visit(argument, &item)


cdef inline bint show_number(int64_t number, item_visitor visit, void *argument) noexcept nogil:
    cdef char text[SET_NUMBER_SIZE]
    return show(slice_of(text, format_i64(text, number)), visit, argument)


cdef bint numbers_walk(const Intset *numbers, item_visitor visit, void *argument) noexcept nogil:
    cdef uint32_t i
    for i in range(numbers.count):
        if not show_number(intset_get(numbers, i), visit, argument):
            return False
    return True


cdef void set_open(void *element, Item *item) noexcept nogil:
    """A member of a table as an item."""
    item.first, item.second, item.score = member_text(<Member *> element), slice_of(NULL, 0), 0


cdef void set_walk(const Entry *entry, item_visitor visit, void *argument) noexcept nogil:
    """Visit every member once, until the visitor has enough."""
    walk(entry_word(<Entry *> entry)[0], entry_encoding(entry), visit, argument)


# -- some of them ---------------------------------------------------------------------------------------------------

cdef Slice set_random(const Entry *entry, Random *random, char *number) noexcept nogil:
    """A member of a set that is not empty, each with the same chance."""
    cdef int encoding = entry_encoding(entry)
    if encoding == ENCODING_HASHTABLE:
        return member_text(<Member *> hashtable_random(table_of(entry), random))
    if encoding == ENCODING_INTSET:
        return slice_of(number, format_i64(number, intset_random(numbers_of(entry), random)))
    return listpack_slice(listpack_random(pack_of(entry), random, 1), number)


cdef void set_pick(const Entry *entry, Random *random, uint64_t count, item_visitor visit,
                   void *argument) noexcept nogil:
    """Visit so many members of a set that is not empty, each drawn from all of them, until the visitor has enough."""
    cdef char number[SET_NUMBER_SIZE]
    if entry_encoding(entry) == ENCODING_LISTPACK and count > 1:
        pack_pick(pack_of(entry), 1, random, count, visit, argument)
        return
    while count and show(set_random(entry, random, number), visit, argument):
        count -= 1


cdef void set_sample(const Entry *entry, Random *random, uint64_t want, item_visitor visit,
                     void *argument) noexcept nogil:
    """Visit so many different members, or all there are; every choice is as likely as any other."""
    cdef int encoding = entry_encoding(entry)
    if want >= set_length(entry):
        set_walk(entry, visit, argument)
    elif encoding == ENCODING_INTSET:
        numbers_sample(numbers_of(entry), random, want, NULL, visit, argument)
    elif encoding == ENCODING_LISTPACK:
        pack_sample(pack_of(entry), 1, random, want, visit, argument)
    else:
        table_sample(table_of(entry), set_open, random, want, visit, argument)


cdef void numbers_sample(const Intset *numbers, Random *random, uint64_t want, Intset **others, item_visitor visit,
                         void *argument) noexcept nogil:
    """Visit so many different numbers, fewer than there are; the others are added to a set, where one is given."""
    cdef uint32_t i
    cdef bint added
    for i in range(numbers.count):
        if random_below(random, numbers.count - i) < want:
            want -= 1
            show_number(intset_get(numbers, i), visit, argument)
        elif others != NULL:
            others[0] = intset_add(others[0], intset_get(numbers, i), &added)


cdef void set_pop(Entry *entry, Random *random, uint64_t count, item_visitor visit, void *argument) noexcept nogil:
    """Remove so many members, fewer than there are; each is visited before it goes."""
    cdef int encoding = entry_encoding(entry)
    cdef Intset *others
    if encoding == ENCODING_INTSET:
        others = intset_new()
        numbers_sample(numbers_of(entry), random, count, &others, visit, argument)
        become(entry, ENCODING_INTSET, others)
    elif encoding == ENCODING_LISTPACK:
        entry_word(entry)[0] = pack_pop(pack_of(entry), random, count, visit, argument)
    else:
        table_pop(table_of(entry), random, count, visit, argument)
        if table_of(entry).count * FEW_STAY <= count:
            shrink(entry)


cdef Listpack *pack_pop(Listpack *pack, Random *random, uint64_t count, item_visitor visit,
                        void *argument) noexcept nogil:
    cdef uint8_t **places = <uint8_t **> memory_alloc(count * sizeof(uint8_t *))
    cdef uint64_t i
    count = listpack_sample(pack, random, 1, count, places)
    for i in range(count):
        pack_show(pack, 1, places[i], visit, argument)
    pack = listpack_delete_many(pack, places, count, 1)
    memory_free(places)
    return pack


cdef void gather(void *argument, void *element, bint marked) noexcept nogil:
    buffer_append(<Buffer *> argument, <const char *> &element, sizeof(void *))


cdef void table_pop(Hashtable *table, Random *random, uint64_t count, item_visitor visit,
                    void *argument) noexcept nogil:
    """They are gathered first: a table must not change while it is drawn from."""
    cdef Buffer drawn
    cdef Member *member
    cdef Slice text
    cdef uint64_t hash, i
    drawn.data = NULL
    drawn.length = drawn.capacity = 0
    hashtable_draw(table, random, count, gather, &drawn)
    for i in range(drawn.length // sizeof(void *)):
        member = (<Member **> drawn.data)[i]
        text = member_text(member)
        hash = hash_bytes(text.data, text.length)
        show(text, visit, argument)
        hashtable_remove(table, hashtable_locate(table, member, hash), hash)
        member_free(member)
    buffer_free(&drawn)
    hashtable_fit(table)


# -- what every type is asked ---------------------------------------------------------------------------------------

cdef void free_value(void *value, int encoding) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        listpack_free(<Listpack *> value)
    elif encoding == ENCODING_INTSET:
        intset_free(<Intset *> value)
    else:
        hashtable_clear(<Hashtable *> value)
        memory_free(value)


cdef void *copy(const void *value, int encoding) noexcept nogil:
    cdef Hashtable *table
    if encoding == ENCODING_LISTPACK:
        return listpack_copy(value, listpack_bytes(<const Listpack *> value))
    if encoding == ENCODING_INTSET:
        return intset_copy(value, intset_bytes(<const Intset *> value))
    table = table_new((<Hashtable *> value).count)
    table_walk(<Hashtable *> value, set_open, add_to_table, table)
    return table


cdef size_t memory(const void *value, int encoding, int64_t samples) noexcept nogil:
    if encoding != ENCODING_HASHTABLE:
        return memory_size(value)
    return table_memory(<Hashtable *> value, samples, memory_size)


cdef size_t effort(const void *value, int encoding) noexcept nogil:
    return (<const Hashtable *> value).count if encoding == ENCODING_HASHTABLE else 1


cdef uint64_t length(const void *value, int encoding) noexcept nogil:
    if encoding == ENCODING_HASHTABLE:
        return (<const Hashtable *> value).count
    if encoding == ENCODING_INTSET:
        return (<const Intset *> value).count
    return listpack_count(<const Listpack *> value)


cdef bint walk(const void *value, int encoding, item_visitor visit, void *argument) noexcept nogil:
    if encoding == ENCODING_HASHTABLE:
        return table_walk(<Hashtable *> value, set_open, visit, argument)
    if encoding == ENCODING_INTSET:
        return numbers_walk(<const Intset *> value, visit, argument)
    return pack_walk(<const Listpack *> value, 1, visit, argument)


cdef const char *check(const void *value, int encoding) noexcept nogil:
    if encoding == ENCODING_HASHTABLE:
        return hashtable_check(<Hashtable *> value)
    if encoding == ENCODING_INTSET:
        return intset_check(<const Intset *> value)
    return listpack_check(<const Listpack *> value)


cdef bint find(const void *value, int encoding, Slice member, double *score) noexcept nogil:
    score[0] = 1
    return has(value, encoding, member)


cdef TypeOperations operations
operations.free, operations.copy, operations.memory, operations.effort = free_value, copy, memory, effort
operations.length, operations.walk, operations.check, operations.find = length, walk, check, find
type_register(TYPE_SET, &operations)
