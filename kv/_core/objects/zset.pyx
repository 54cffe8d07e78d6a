"""Sorted sets over their two encodings.

Small ones are a listpack of member, score, member, score, in order of score and then of bytes; a score that is a whole
number is stored as one, any other as its shortest text, as Valkey does, because packs go into RDB files as they are.
(So a listpack forgets the sign of a zero.) The entry's word points straight at the pack: there is nothing between. All
else is a skiplist (containers/skiplist), which finds members by its own table.

Ranges of scores and of names are turned into ranks first (ZsetRanks): what is read, counted, stored or removed is then
one and the same, whatever it was asked by. On a skiplist that costs a descent more, along nodes that the one before has
fetched.

A listpack becomes a skiplist when it would get more than zset_limits.entries members or one that is longer than
zset_limits.value, or when a command announces so much (zset_expect). Back it goes only where a new value is made of a
skiplist (zset_of_skiplist): removing members never does it, or sets on the limit would be converted to and fro.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_size
from kv._core.base.numbers cimport FORMAT_DOUBLE_SIZE, format_double, parse_double
from kv._core.base.platform cimport unlikely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.hashtable cimport Hashtable, hashtable_reserve
from kv._core.containers.listpack cimport (
    LISTPACK_EMPTY, LISTPACK_NUMBER_SIZE, Listpack, ListpackValue, listpack_append,
    listpack_bytes, listpack_check, listpack_copy, listpack_count, listpack_delete, listpack_delete_index,
    listpack_find, listpack_first, listpack_fit, listpack_free, listpack_get, listpack_insert,
    listpack_insert_number, listpack_last, listpack_new, listpack_next, listpack_previous, listpack_replace,
    listpack_replace_number, listpack_seek, listpack_slice)
from kv._core.containers.skiplist cimport (
    LexRange, ScoreRange, Skiplist, SkiplistNode, lex_above_min, lex_below_max, score_above_min, score_below_max,
    skiplist_at, skiplist_check, skiplist_count, skiplist_count_lex, skiplist_count_scores, skiplist_delete,
    skiplist_delete_ranks, skiplist_find, skiplist_first, skiplist_free, skiplist_insert, skiplist_member,
    skiplist_memory, skiplist_new, skiplist_overhead, skiplist_previous, skiplist_rank, skiplist_update, slice_compare)
from kv._core.objects.entry cimport (
    ENCODING_LISTPACK, ENCODING_SKIPLIST, TYPE_ZSET, Entry, Item, TypeOperations, entry_encoding, entry_free, entry_new,
    entry_set_encoding, entry_word, item_visitor, type_register)

cdef enum:
    PACK_LIMIT = 1 << 30            # bytes that a listpack never exceeds

cdef double WHOLE_LIMIT = 2.0 ** 62     # whole scores up to here are stored as numbers
zset_limits.entries = 128
zset_limits.value = 64


cdef inline bint is_small(const Entry *entry) noexcept nogil:
    return entry_encoding(entry) == ENCODING_LISTPACK


cdef inline Listpack *pack_of(const Entry *entry) noexcept nogil:
    return <Listpack *> entry_word(<Entry *> entry)[0]


cdef inline Skiplist *list_of(const Entry *entry) noexcept nogil:
    return <Skiplist *> entry_word(<Entry *> entry)[0]


cdef inline void set_pack(Entry *entry, Listpack *pack) noexcept nogil:
    entry_word(entry)[0] = pack


cdef inline uint64_t hash_of(Slice member) noexcept nogil:
    return hash_bytes(member.data, member.length)


# -- scores in a listpack ---------------------------------------------------------------------------------------------

cdef double score_at(const uint8_t *at) noexcept nogil:
    cdef ListpackValue value = listpack_get(at)
    cdef double score = 0
    if value.text == NULL:
        return <double> value.number
    parse_double(value.text, value.length, &score)
    return score


cdef inline bint is_whole(double score, int64_t *number) noexcept nogil:
    if not -WHOLE_LIMIT <= score <= WHOLE_LIMIT:
        return False
    number[0] = <int64_t> score
    return <double> number[0] == score


cdef Listpack *insert_score(Listpack *pack, uint8_t *at, double score) noexcept nogil:
    """Before the element, or at the end where that is NULL."""
    cdef int64_t number
    cdef char text[FORMAT_DOUBLE_SIZE]
    if is_whole(score, &number):
        return listpack_insert_number(pack, &at, number)
    return listpack_insert(pack, &at, slice_of(text, format_double(text, score)))


cdef Listpack *replace_score(Listpack *pack, uint8_t *at, double score) noexcept nogil:
    cdef int64_t number
    cdef char text[FORMAT_DOUBLE_SIZE]
    if is_whole(score, &number):
        return listpack_replace_number(pack, &at, number)
    return listpack_replace(pack, &at, slice_of(text, format_double(text, score)))


# -- members in a listpack --------------------------------------------------------------------------------------------

cdef inline uint8_t *find_in_pack(Listpack *pack, Slice member) noexcept nogil:
    return listpack_find(pack, listpack_first(pack), member, 1)


cdef int compare_in_pack(const Listpack *pack, const uint8_t *at, double score, Slice member) noexcept nogil:
    """Where the member whose score element is `at` stands to another: below, at or above zero."""
    cdef double found = score_at(at)
    cdef char digits[LISTPACK_NUMBER_SIZE]
    if found != score:
        return -1 if found < score else 1
    return slice_compare(listpack_slice(listpack_previous(pack, at), digits), member)


cdef uint8_t *place_in_pack(Listpack *pack, double score, Slice member) noexcept nogil:
    """The member before which a new one belongs; NULL: the end. New scores are often the greatest: look there first."""
    cdef uint8_t *at = listpack_last(pack)
    cdef uint8_t *value
    if at == NULL or compare_in_pack(pack, at, score, member) < 0:
        return NULL
    at = listpack_first(pack)
    while at != NULL:
        value = listpack_next(pack, at)
        if compare_in_pack(pack, value, score, member) > 0:
            return at
        at = listpack_next(pack, value)
    return NULL


cdef Listpack *insert_in_pack(Listpack *pack, double score, Slice member) noexcept nogil:
    cdef uint8_t *at = place_in_pack(pack, score, member)
    pack = listpack_insert(pack, &at, member)
    return insert_score(pack, listpack_next(pack, at), score)


cdef Listpack *move_in_pack(Listpack *pack, uint8_t *at, double score, Slice member) noexcept nogil:
    """Give the member at `at` another score. Where it stays between its neighbours only the score is written."""
    cdef uint8_t *value = listpack_next(pack, at)
    cdef uint8_t *before = listpack_previous(pack, at)
    cdef uint8_t *after = listpack_next(pack, value)
    if ((before == NULL or compare_in_pack(pack, before, score, member) < 0)
            and (after == NULL or compare_in_pack(pack, listpack_next(pack, after), score, member) > 0)):
        return replace_score(pack, value, score)
    pack = listpack_delete(pack, &at, 2)
    return insert_in_pack(pack, score, member)


# -- making and converting --------------------------------------------------------------------------------------------

cdef Entry *zset_new(Slice key, uint64_t count, size_t longest, size_t room) noexcept nogil:
    """An empty sorted set that is about to get so many members, the longest of so many bytes, `room` bytes in all (0:
    not known; zset_fit gives back what was too much)."""
    cdef Entry *entry
    cdef Skiplist *list
    if count <= zset_limits.entries and longest <= zset_limits.value:
        entry = entry_new(key, TYPE_ZSET, ENCODING_LISTPACK, -1, 0)
        entry_word(entry)[0] = listpack_new(LISTPACK_EMPTY + room if room else 0)
        return entry
    list = skiplist_new()
    hashtable_reserve(&list.members, count)
    entry = entry_new(key, TYPE_ZSET, ENCODING_SKIPLIST, -1, 0)
    entry_word(entry)[0] = list
    return entry


cdef Entry *zset_of_skiplist(Slice key, Skiplist *list) noexcept nogil:
    """A sorted set that takes over the members, as a listpack where they are few and short."""
    cdef Entry *entry = entry_new(key, TYPE_ZSET, ENCODING_SKIPLIST, -1, 0)
    cdef SkiplistNode *node = skiplist_first(list)
    cdef Slice member
    entry_word(entry)[0] = list
    if skiplist_count(list) > zset_limits.entries:
        return entry
    while node != NULL:
        member = skiplist_member(node)
        if member.length > zset_limits.value:
            return entry
        node = node.next
    to_listpack(entry)
    return entry


cdef void to_listpack(Entry *entry) noexcept nogil:
    cdef Skiplist *list = list_of(entry)
    cdef SkiplistNode *node = skiplist_first(list)
    cdef Listpack *pack = listpack_new(0)
    while node != NULL:
        pack = listpack_append(pack, skiplist_member(node))
        pack = insert_score(pack, NULL, node.score)
        node = node.next
    skiplist_free(list)
    entry_set_encoding(entry, ENCODING_LISTPACK)
    set_pack(entry, pack)


cdef void to_skiplist(Entry *entry, uint64_t count) noexcept nogil:
    """`count` members are to be there soon."""
    cdef Skiplist *list = skiplist_new()
    cdef ZsetCursor cursor
    cdef bint more = zset_seek(entry, 0, &cursor)
    hashtable_reserve(&list.members, count)
    while more:
        skiplist_insert(list, cursor.score, cursor.member, hash_of(cursor.member))
        more = zset_next(&cursor)
    listpack_free(pack_of(entry))
    entry_set_encoding(entry, ENCODING_SKIPLIST)
    entry_word(entry)[0] = list


cdef Entry *zset_of_pack(Slice key, Listpack *pack) noexcept nogil:
    cdef Entry *entry = entry_new(key, TYPE_ZSET, ENCODING_LISTPACK, -1, 0)
    cdef Skiplist *list
    cdef ZsetCursor cursor
    cdef bint more
    set_pack(entry, pack)
    if listpack_count(pack) // 2 <= zset_limits.entries:
        return entry
    list = skiplist_new()
    hashtable_reserve(&list.members, listpack_count(pack) // 2)
    more = zset_seek(entry, 0, &cursor)
    while more:
        if skiplist_find(list, cursor.member, hash_of(cursor.member)) != NULL:
            skiplist_free(list)
            entry_free(entry)
            return NULL
        skiplist_insert(list, cursor.score, cursor.member, hash_of(cursor.member))
        more = zset_next(&cursor)
    listpack_free(pack)
    entry_set_encoding(entry, ENCODING_SKIPLIST)
    entry_word(entry)[0] = list
    return entry


cdef void zset_expect(Entry *entry, uint64_t count, size_t longest) noexcept nogil:
    """A command is about to add so many members, the longest of so many bytes."""
    if is_small(entry) and (count > zset_limits.entries or longest > zset_limits.value):
        to_skiplist(entry, count)


cdef void zset_fit(Entry *entry) noexcept nogil:
    """Give back room that nothing was put into."""
    if is_small(entry):
        set_pack(entry, listpack_fit(pack_of(entry)))


cdef uint64_t length_of(const void *value, int encoding) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        return listpack_count(<const Listpack *> value) // 2
    return skiplist_count(<const Skiplist *> value)


cdef uint64_t zset_length(const Entry *entry) noexcept nogil:
    return length_of(entry_word(<Entry *> entry)[0], entry_encoding(entry))


cdef Hashtable *zset_table(const Entry *entry) noexcept nogil:
    """The table of a skiplist's nodes; NULL where the sorted set is a listpack."""
    return NULL if is_small(entry) else &list_of(entry).members


# -- change -----------------------------------------------------------------------------------------------------------

cdef inline ZsetOutcome settle(double *score, double current, int conditions) noexcept nogil:
    """What is to become of a member that has a score; *score is what it gets."""
    if conditions & ZSET_NX:
        return ZSET_REFUSED
    if conditions & ZSET_INCR:
        score[0] += current
        if unlikely(score[0] != score[0]):
            return ZSET_NAN
    if conditions & ZSET_LT and score[0] >= current or conditions & ZSET_GT and score[0] <= current:
        return ZSET_REFUSED
    return ZSET_SAME if score[0] == current else ZSET_UPDATED


cdef ZsetOutcome add_to_pack(Entry *entry, Slice member, double score, int conditions, double *result) noexcept nogil:
    cdef Listpack *pack = pack_of(entry)
    cdef uint8_t *at = find_in_pack(pack, member)
    cdef ZsetOutcome outcome
    if at != NULL:
        outcome = settle(&score, score_at(listpack_next(pack, at)), conditions)
        if outcome == ZSET_UPDATED:
            set_pack(entry, move_in_pack(pack, at, score, member))
        result[0] = score
        return outcome
    if conditions & ZSET_XX:
        return ZSET_REFUSED
    result[0] = score
    if unlikely(listpack_count(pack) // 2 + 1 > zset_limits.entries or member.length > zset_limits.value
                or listpack_bytes(pack) + member.length > PACK_LIMIT):
        to_skiplist(entry, listpack_count(pack) // 2 + 1)
        skiplist_insert(list_of(entry), score, member, hash_of(member))
    else:
        set_pack(entry, insert_in_pack(pack, score, member))
    return ZSET_ADDED


cdef ZsetOutcome zset_add(Entry *entry, Slice member, double score, int conditions, double *result) noexcept nogil:
    """Set or raise a member's score under conditions (ZsetCondition). *result is the score it has then; not set where
    the conditions refused a member that is not there. The score is a number."""
    cdef Skiplist *list
    cdef SkiplistNode *node
    cdef uint64_t hash
    cdef ZsetOutcome outcome
    if is_small(entry):
        return add_to_pack(entry, member, score, conditions, result)
    list = list_of(entry)
    hash = hash_of(member)
    node = skiplist_find(list, member, hash)
    if node != NULL:
        outcome = settle(&score, node.score, conditions)
        if outcome == ZSET_UPDATED:
            skiplist_update(list, node, score)
        result[0] = score
        return outcome
    if conditions & ZSET_XX:
        return ZSET_REFUSED
    result[0] = score
    skiplist_insert(list, score, member, hash)
    return ZSET_ADDED


cdef bint zset_remove(Entry *entry, Slice member) noexcept nogil:
    """Whether the member was there."""
    cdef uint8_t *at
    cdef SkiplistNode *node
    cdef uint64_t hash
    if is_small(entry):
        at = find_in_pack(pack_of(entry), member)
        if at == NULL:
            return False
        set_pack(entry, listpack_delete(pack_of(entry), &at, 2))
        return True
    hash = hash_of(member)
    node = skiplist_find(list_of(entry), member, hash)
    if node == NULL:
        return False
    skiplist_delete(list_of(entry), node, hash)
    return True


cdef void zset_remove_ranks(Entry *entry, ZsetRanks ranks) noexcept nogil:
    if ranks.count == 0:
        return
    if is_small(entry):
        set_pack(entry, listpack_delete_index(pack_of(entry), 2 * <int64_t> ranks.start, 2 * ranks.count))
    else:
        skiplist_delete_ranks(list_of(entry), ranks.start, ranks.count, NULL, NULL)


# -- find -------------------------------------------------------------------------------------------------------------

cdef bint find(const void *value, int encoding, Slice member, double *score) noexcept nogil:
    cdef uint8_t *at
    cdef SkiplistNode *node
    if encoding == ENCODING_LISTPACK:
        at = find_in_pack(<Listpack *> value, member)
        if at != NULL:
            score[0] = score_at(listpack_next(<Listpack *> value, at))
        return at != NULL
    node = skiplist_find(<Skiplist *> value, member, hash_of(member))
    if node != NULL:
        score[0] = node.score
    return node != NULL


cdef bint zset_score(const Entry *entry, Slice member, double *score) noexcept nogil:
    """Whether the member is there."""
    return find(entry_word(<Entry *> entry)[0], entry_encoding(entry), member, score)


cdef bint zset_rank(const Entry *entry, Slice member, uint64_t *rank, double *score) noexcept nogil:
    """Whether the member is there; ranks begin with 0, lowest score first."""
    cdef Listpack *pack
    cdef uint8_t *at
    cdef uint8_t *found
    cdef SkiplistNode *node
    if not is_small(entry):
        node = skiplist_find(list_of(entry), member, hash_of(member))
        if node == NULL:
            return False
        rank[0], score[0] = skiplist_rank(list_of(entry), node), node.score
        return True
    pack = pack_of(entry)
    found = find_in_pack(pack, member)
    if found == NULL:
        return False
    score[0] = score_at(listpack_next(pack, found))
    rank[0] = 0
    at = listpack_first(pack)
    while at != found:
        at = listpack_next(pack, listpack_next(pack, at))
        rank[0] += 1
    return True


cdef ZsetRanks zset_ranks_of_scores(const Entry *entry, const ScoreRange *limits) noexcept nogil:
    cdef ZsetRanks ranks
    cdef ZsetCursor cursor
    cdef bint more
    ranks.start = ranks.count = 0
    if not is_small(entry):
        ranks.count = skiplist_count_scores(list_of(entry), limits, &ranks.start)
        return ranks
    more = zset_seek(entry, 0, &cursor)
    while more and not score_above_min(cursor.score, limits):
        ranks.start += 1
        more = zset_next(&cursor)
    while more and score_below_max(cursor.score, limits):
        ranks.count += 1
        more = zset_next(&cursor)
    return ranks


cdef ZsetRanks zset_ranks_of_lex(const Entry *entry, const LexRange *limits) noexcept nogil:
    cdef ZsetRanks ranks
    cdef ZsetCursor cursor
    cdef bint more
    ranks.start = ranks.count = 0
    if not is_small(entry):
        ranks.count = skiplist_count_lex(list_of(entry), limits, &ranks.start)
        return ranks
    more = zset_seek(entry, 0, &cursor)
    while more and not lex_above_min(cursor.member, limits):
        ranks.start += 1
        more = zset_next(&cursor)
    while more and lex_below_max(cursor.member, limits):
        ranks.count += 1
        more = zset_next(&cursor)
    return ranks


# -- walk -------------------------------------------------------------------------------------------------------------

cdef bint at_element(ZsetCursor *cursor, uint8_t *at) noexcept nogil:
    cursor.at = at
    if at == NULL:
        return False
    cursor.member = listpack_slice(at, cursor.digits)
    cursor.score = score_at(listpack_next(cursor.pack, at))
    return True


cdef bint at_node(ZsetCursor *cursor, SkiplistNode *node) noexcept nogil:
    cursor.node = node
    if node == NULL:
        return False
    cursor.member = skiplist_member(node)
    cursor.score = node.score
    return True


cdef bint seek(const void *value, int encoding, uint64_t rank, ZsetCursor *cursor) noexcept nogil:
    cdef Skiplist *list = <Skiplist *> value
    if encoding == ENCODING_LISTPACK:
        cursor.pack = <Listpack *> value
        return at_element(cursor, listpack_seek(cursor.pack, 2 * <int64_t> rank))
    cursor.pack = NULL
    if rank == 0:
        return at_node(cursor, skiplist_first(list))
    if rank == skiplist_count(list) - 1:
        return at_node(cursor, list.last)
    return at_node(cursor, skiplist_at(list, rank))


cdef bint zset_seek(const Entry *entry, uint64_t rank, ZsetCursor *cursor) noexcept nogil:
    """The member of a rank."""
    return seek(entry_word(<Entry *> entry)[0], entry_encoding(entry), rank, cursor)


cdef bint zset_next(ZsetCursor *cursor) noexcept nogil:
    if cursor.pack == NULL:
        return at_node(cursor, cursor.node.next)
    return at_element(cursor, listpack_next(cursor.pack, listpack_next(cursor.pack, cursor.at)))


cdef bint zset_previous(ZsetCursor *cursor) noexcept nogil:
    cdef uint8_t *value
    if cursor.pack == NULL:
        return at_node(cursor, skiplist_previous(cursor.node))
    value = listpack_previous(cursor.pack, cursor.at)
    return at_element(cursor, listpack_previous(cursor.pack, value) if value != NULL else NULL)


# -- what values of any type are asked --------------------------------------------------------------------------------

cdef void free_value(void *value, int encoding) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        listpack_free(<Listpack *> value)
    else:
        skiplist_free(<Skiplist *> value)


cdef void *copy(const void *value, int encoding) noexcept nogil:
    cdef SkiplistNode *node
    cdef Skiplist *made
    cdef Slice member
    if encoding == ENCODING_LISTPACK:
        return listpack_copy(value, listpack_bytes(<const Listpack *> value))
    made = skiplist_new()
    hashtable_reserve(&made.members, skiplist_count(<const Skiplist *> value))
    node = skiplist_first(<const Skiplist *> value)
    while node != NULL:
        member = skiplist_member(node)
        skiplist_insert(made, node.score, member, hash_of(member))
        node = node.next
    return made


cdef size_t memory(const void *value, int encoding, int64_t samples) noexcept nogil:
    cdef Skiplist *list = <Skiplist *> value
    cdef SkiplistNode *node
    cdef size_t sampled = 0
    cdef int64_t count = 0
    if encoding == ENCODING_LISTPACK:
        return memory_size(value)
    if samples == 0:
        return skiplist_memory(list)
    node = skiplist_first(list)
    while node != NULL and count < samples:
        sampled += memory_size(node)
        count += 1
        node = node.next
    return skiplist_overhead(list) + (sampled * skiplist_count(list) // count if count else 0)


cdef size_t effort(const void *value, int encoding) noexcept nogil:
    return 1 if encoding == ENCODING_LISTPACK else skiplist_count(<const Skiplist *> value)


cdef bint walk(const void *value, int encoding, item_visitor visit, void *argument) noexcept nogil:
    cdef ZsetCursor cursor
    cdef Item item
    cdef bint more = seek(value, encoding, 0, &cursor)
    item.second = slice_of(NULL, 0)
    while more:
        item.first, item.score = cursor.member, cursor.score
        if not visit(argument, &item):
            return False
        more = zset_next(&cursor)
    return True


cdef bint get_score(const uint8_t *at, double *score) noexcept nogil:
    """A score of a pack from elsewhere; false: it is no number."""
    cdef ListpackValue value = listpack_get(at)
    if value.text != NULL:
        return parse_double(value.text, value.length, score) and score[0] == score[0]
    score[0] = <double> value.number
    return True


cdef bint zset_pack_in_order(const Listpack *pack) noexcept nogil:
    cdef uint8_t *at = listpack_first(pack)
    cdef uint8_t *before = NULL
    cdef uint8_t *value
    cdef double score = 0, lower = 0
    cdef char digits[LISTPACK_NUMBER_SIZE]
    cdef char lower_digits[LISTPACK_NUMBER_SIZE]
    while at != NULL:
        value = listpack_next(pack, at)
        if value == NULL or not get_score(value, &score):
            return False
        if before != NULL and not score > lower and (
                score < lower or slice_compare(listpack_slice(before, lower_digits), listpack_slice(at, digits)) >= 0):
            return False
        before, lower = at, score
        at = listpack_next(pack, value)
    return True


cdef const char *check_pack(const Listpack *pack) noexcept nogil:
    cdef const char *fault = listpack_check(pack)
    if fault != NULL:
        return fault
    if listpack_count(pack) == 0 or listpack_count(pack) % 2:
        return b"a sorted set of unpaired members, or of none"
    if not zset_pack_in_order(pack):
        return b"a sorted set out of order"
    return NULL


cdef const char *check(const void *value, int encoding) noexcept nogil:
    if encoding == ENCODING_LISTPACK:
        return check_pack(<const Listpack *> value)
    if skiplist_count(<const Skiplist *> value) == 0:
        return b"a sorted set without members"
    return skiplist_check(<Skiplist *> value)


cdef TypeOperations OPERATIONS
OPERATIONS.free = free_value
OPERATIONS.copy = copy
OPERATIONS.memory = memory
OPERATIONS.effort = effort
OPERATIONS.length = length_of
OPERATIONS.walk = walk
OPERATIONS.check = check
OPERATIONS.find = find
type_register(TYPE_ZSET, &OPERATIONS)
