"""Entries of a stream that follow each other, packed into one block.

    data  | name ... | entry | entry | ... | free
                     ^ start               ^ length

    entry | size | head | (ms) | (seq) | (count) | item ... | size |

The names are those of the first entry. An entry that has the same, as nearly all do, holds its values alone; any other
holds the count of its fields and its own names, each before its value.

`size`, at either end, is how many bytes the entry has from its head to its last item, so that a walk steps over entries
without looking inside, in both directions; the one behind is written to be read backwards. Both are numbers of seven bits
a byte, as are ms, seq and count.

The id is kept as the difference to the entry before: `head` says which form it has.

    NEXT_SEQ    nothing: the same ms, seq one higher         many entries in one millisecond
    NEXT_MS     ms; seq is the same, that is 0               one entry in each of them
    SAME_MS     seq                                          ids that clients made
    BOTH        ms, and seq as a signed number

So an entry that the server made the id of costs four bytes beside its values, or three. Differences can be taken
back as well as added, so a walk backwards needs nothing else.

An item is a text behind its length, or a number:

    0lllllll                    text of up to 127 bytes
    10nnnnnn                    0 to 63
    110nnnnn n                  -4096 to 4095
    1110 0bbb n ...             whole number of bbb + 1 bytes, the lowest first
    1111 0000, 1111 0001        text behind 2, or 4, bytes of length

What becomes of a deleted entry? It is marked. Once more entries are marked than not, the node is written anew without
them: each deletion pays for the step of one entry. The last one stays whatever it is, because trimming asks how far a
node reaches.

Why not Valkey's pack of one element a field, one an id's half, and so on? Every element there has a length behind it,
and an entry seven more of them than here; it would cost memory and time to be alike in a place that only a file sees,
where it can be converted.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove

from kv._core.base.memory cimport memory_alloc, memory_free, memory_realloc, memory_size
from kv._core.base.numbers cimport format_i64, parse_i64
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice, slice_equal, slice_of
from kv._core.containers.streamid cimport StreamId, stream_id_below, stream_id_equal

cdef enum Head:                 # bits of an entry's head
    FORM_MASK = 3
    NEXT_SEQ = 0                # the forms of the id
    NEXT_MS = 1
    SAME_MS = 2
    BOTH = 3
    OWN_NAMES = 4               # they differ from the node's
    DELETED = 8

cdef enum Item:
    SMALL_NUMBER = 0x80
    SHORT_NUMBER = 0xc0
    NUMBER = 0xe0
    TEXT_16 = 0xf0
    TEXT_32 = 0xf1

cdef enum:
    HEADER = 60                 # bytes of a node before its data
    MOST_VARINT = 10            # bytes of a 64-bit number in sevens
    MOST_ITEM_HEAD = 5          # bytes of an item beside its text
    MOST_ENTRY_HEAD = 5 + 1 + 3 * MOST_VARINT + 5   # ... of an entry beside its items
    FIRST_ROOM = 36             # bytes of data that a node begins with, where they suffice
    DOUBLED = 1 << 16           # bytes of data up to which a node doubles when it must grow
    LONGEST_NUMBER = 20         # characters of a text that may be a number

assert sizeof(StreamNode) == 64, "the header of a node is HEADER bytes and padding"


# -- numbers in sevens ------------------------------------------------------------------------------------------------

cdef inline uint8_t *put_varint(uint8_t *at, uint64_t number) noexcept nogil:
    while number >= 128:
        at[0] = <uint8_t> (number | 128)
        number >>= 7
        at += 1
    at[0] = <uint8_t> number
    return at + 1


cdef inline const uint8_t *get_varint(const uint8_t *at, uint64_t *number) noexcept nogil:
    cdef uint64_t value = at[0]
    cdef int shift = 7
    if likely(value < 128):
        number[0] = value
        return at + 1
    value &= 127
    while True:
        at += 1
        value |= <uint64_t> (at[0] & 127) << shift
        shift += 7
        if at[0] < 128:
            number[0] = value
            return at + 1


cdef inline int varint_size(uint64_t number) noexcept nogil:
    cdef int size = 1
    while number >= 128:
        number >>= 7
        size += 1
    return size


cdef inline uint8_t *put_varint_back(uint8_t *at, uint64_t number) noexcept nogil:
    """To be read from its end: as put_varint, its bytes in the other order."""
    cdef int size = varint_size(number)
    put_varint_reversed(at + size - 1, number)
    return at + size


cdef inline void put_varint_reversed(uint8_t *last, uint64_t number) noexcept nogil:
    while number >= 128:
        last[0] = <uint8_t> (number | 128)
        number >>= 7
        last -= 1
    last[0] = <uint8_t> number


cdef inline const uint8_t *get_varint_back(const uint8_t *end, uint64_t *number) noexcept nogil:
    """The number that ends before `end`; where it begins."""
    cdef uint64_t value = 0
    cdef int shift = 0
    while True:
        end -= 1
        value |= <uint64_t> (end[0] & 127) << shift
        shift += 7
        if end[0] < 128:
            number[0] = value
            return end


cdef inline uint64_t zigzag(uint64_t difference) noexcept nogil:
    """A signed number as one that is small where that is near zero."""
    return (difference << 1) ^ (0 - (difference >> 63))


cdef inline uint64_t unzigzag(uint64_t number) noexcept nogil:
    return (number >> 1) ^ (0 - (number & 1))


# -- items ------------------------------------------------------------------------------------------------------------

cdef inline bint looks_like_number(Slice text, int64_t *number) noexcept nogil:
    if text.length == 0 or text.length > LONGEST_NUMBER:
        return False
    if not c'0' <= text.data[text.length - 1] <= c'9':
        return False
    return parse_i64(text.data, text.length, number)


cdef uint8_t *put_number(uint8_t *at, int64_t number) noexcept nogil:
    cdef int size = 2
    cdef int i
    if 0 <= number < 64:
        at[0] = <uint8_t> (SMALL_NUMBER | number)
        return at + 1
    if -4096 <= number < 4096:
        at[0] = <uint8_t> (SHORT_NUMBER | ((<uint64_t> number >> 8) & 31))
        at[1] = <uint8_t> number
        return at + 2
    while size < 8 and (number >> (8 * size - 1)) not in (0, -1):
        size += 1
    at[0] = <uint8_t> (NUMBER | (size - 1))
    for i in range(size):
        at[1 + i] = <uint8_t> (<uint64_t> number >> (8 * i))
    return at + 1 + size


cdef uint8_t *put_item(uint8_t *at, Slice text) noexcept nogil:
    cdef int64_t number
    if looks_like_number(text, &number):
        return put_number(at, number)
    if likely(text.length < 128):
        at[0] = <uint8_t> text.length
        at += 1
    elif text.length < 1 << 16:
        at[0], at[1], at[2] = TEXT_16, <uint8_t> text.length, <uint8_t> (text.length >> 8)
        at += 3
    else:
        at[0], at[1], at[2] = TEXT_32, <uint8_t> text.length, <uint8_t> (text.length >> 8)
        at[3], at[4] = <uint8_t> (text.length >> 16), <uint8_t> (text.length >> 24)
        at += 5
    memcpy(at, text.data, text.length)
    return at + text.length


cdef const uint8_t *get_number(const uint8_t *at, int64_t *number) noexcept nogil:
    """The number at an item that is none of text."""
    cdef uint64_t value = 0
    cdef int i
    cdef int size = (at[0] & 7) + 1
    if at[0] < SHORT_NUMBER:
        number[0] = at[0] & 63
        return at + 1
    if at[0] < NUMBER:
        value = (<uint64_t> (at[0] & 31) << 8) | at[1]
        number[0] = <int64_t> (value << 51) >> 51
        return at + 2
    for i in range(size):
        value |= <uint64_t> at[1 + i] << (8 * i)
    number[0] = <int64_t> (value << (64 - 8 * size)) >> (64 - 8 * size)
    return at + 1 + size


cdef inline const uint8_t *get_item(const uint8_t *at, char *digits, Slice *text) noexcept nogil:
    """An item's text, in the node or in `digits`; what follows the item."""
    cdef int64_t number
    if likely(at[0] < SMALL_NUMBER):
        text[0] = slice_of(<const char *> at + 1, at[0])
        return at + 1 + at[0]
    if at[0] < TEXT_16:
        at = get_number(at, &number)
        text[0] = slice_of(digits, format_i64(digits, number))
        return at
    text.length = at[1] | <size_t> at[2] << 8
    if at[0] == TEXT_16:
        text.data = <const char *> at + 3
    else:
        text.length |= <size_t> at[3] << 16 | <size_t> at[4] << 24
        text.data = <const char *> at + 5
    return <const uint8_t *> text.data + text.length


# -- write ------------------------------------------------------------------------------------------------------------

cdef inline size_t words_room(const Slice *words, uint64_t count, uint64_t step) noexcept nogil:
    """Bytes that every step-th word may need as an item."""
    cdef size_t room = 0
    cdef uint64_t i = 0
    while i < count:
        room += words[i].length + MOST_ITEM_HEAD
        i += step
    return room


cdef inline uint8_t *put_items(uint8_t *at, const Slice *words, uint64_t count, uint64_t step) noexcept nogil:
    cdef uint64_t i = 0
    while i < count:
        at = put_item(at, words[i])
        i += step
    return at


cdef StreamNode *streamnode_new(StreamId id, const Slice *words, uint64_t fields) noexcept nogil:
    """An empty node that takes over the names of the entry that will be its first."""
    cdef size_t room = words_room(words, 2 * fields, 1) + MOST_ENTRY_HEAD
    cdef StreamNode *node
    room += words_room(words, 2 * fields, 2)
    node = <StreamNode *> memory_alloc(HEADER + (room if room > FIRST_ROOM else FIRST_ROOM))
    node.id = node.last = id
    node.live = node.deleted = node.tombstones = 0
    node.names = <uint32_t> fields
    node.capacity = <uint32_t> (memory_size(node) - HEADER)
    node.start = node.length = <uint32_t> (put_items(node.data, words, 2 * fields, 2) - node.data)
    return node


cdef bint has_names(const StreamNode *node, const Slice *words, uint64_t fields) noexcept nogil:
    cdef const uint8_t *at = &node.data[0]
    cdef Slice name
    cdef char digits[STREAM_NUMBER_SIZE]
    cdef uint64_t i
    if node.names != fields:
        return False
    for i in range(fields):
        at = get_item(at, digits, &name)
        if not slice_equal(name, words[2 * i]):
            return False
    return True


cdef StreamNode *reserve(StreamNode *node, size_t room) noexcept nogil:
    cdef size_t need = node.length + room
    if likely(need <= node.capacity):
        return node
    need += node.length if node.length < DOUBLED else node.length // 8
    node = <StreamNode *> memory_realloc(node, HEADER + need)
    node.capacity = <uint32_t> (memory_size(node) - HEADER)
    return node


cdef inline uint8_t *put_head(uint8_t *at, StreamId id, StreamId before, int bits) noexcept nogil:
    cdef uint64_t ms = id.ms - before.ms
    cdef uint64_t seq = id.seq - before.seq
    if ms == 0:
        if seq == 1:
            at[0] = <uint8_t> (NEXT_SEQ | bits)
            return at + 1
        at[0] = <uint8_t> (SAME_MS | bits)
        return put_varint(at + 1, seq)
    at[0] = <uint8_t> ((BOTH if seq else NEXT_MS) | bits)
    at = put_varint(at + 1, ms)
    return put_varint(at, zigzag(seq)) if seq else at


cdef inline uint8_t *close_entry(uint8_t *begin, uint8_t *head, uint8_t *end) noexcept nogil:
    """Write the size before and behind what was put between head and end, moved where it has another width."""
    cdef uint64_t size = end - head
    cdef uint8_t *at = begin + varint_size(size)
    if unlikely(at != head):
        memmove(at, head, size)
    put_varint(begin, size)
    return put_varint_back(at + size, size)


cdef StreamNode *streamnode_append(StreamNode *node, StreamId id, const Slice *words, uint64_t fields) noexcept nogil:
    cdef bint own = not has_names(node, words, fields)
    cdef size_t room = MOST_ENTRY_HEAD + (words_room(words, 2 * fields, 1) if own
                                          else words_room(words + 1, 2 * fields - 1, 2))
    cdef uint8_t *begin
    cdef uint8_t *head
    cdef uint8_t *at
    node = reserve(node, room)
    begin = node.data + node.length
    head = begin + (1 if likely(room < 256) else varint_size(room))
    at = put_head(head, id, node.last, OWN_NAMES if own else 0)
    if unlikely(own):
        at = put_items(put_varint(at, fields), words, 2 * fields, 1)
    else:
        at = put_items(at, words + 1, 2 * fields - 1, 2)
    node.length = <uint32_t> (close_entry(begin, head, at) - node.data)
    node.last = id
    node.live += 1
    return node


cdef StreamNode *streamnode_fit(StreamNode *node) noexcept nogil:
    if memory_size(node) > HEADER + node.length:
        node = <StreamNode *> memory_realloc(node, HEADER + node.length if node.length > 4 else sizeof(StreamNode))
        node.capacity = <uint32_t> (memory_size(node) - HEADER)
    return node


cdef StreamNode *streamnode_copy(const StreamNode *node) noexcept nogil:
    cdef StreamNode *made = <StreamNode *> memory_alloc(HEADER + node.length)
    memcpy(made, node, HEADER + node.length)
    made.capacity = <uint32_t> (memory_size(made) - HEADER)
    return made


# -- read -------------------------------------------------------------------------------------------------------------

cdef inline void read_head(StreamEntry *entry, const uint8_t *at, StreamId *difference) noexcept nogil:
    """All of an entry but its ids, from its head on."""
    cdef uint8_t head = at[0]
    cdef int form = head & FORM_MASK
    difference.ms, difference.seq = 0, 0
    at += 1
    if form == NEXT_SEQ:
        difference.seq = 1
    elif form == SAME_MS:
        at = get_varint(at, &difference.seq)
    else:
        at = get_varint(at, &difference.ms)
        if form == BOTH:
            at = get_varint(at, &difference.seq)
            difference.seq = unzigzag(difference.seq)
    entry.deleted = head & DELETED != 0
    entry.own_names = head & OWN_NAMES != 0
    entry.fields = entry.node.names
    if unlikely(entry.own_names):
        at = get_varint(at, &entry.fields)
    entry.items = at


cdef bint read_forward(StreamEntry *entry, const uint8_t *at, StreamId before) noexcept nogil:
    """The entry that begins at a place; false: the bytes end there."""
    cdef StreamId difference
    cdef uint64_t size
    if unlikely(at == entry.node.data + entry.node.length):
        return False
    entry.at = at
    at = get_varint(at, &size)
    entry.end = at + size + varint_size(size)
    read_head(entry, at, &difference)
    entry.previous = before
    entry.id.ms = before.ms + difference.ms
    entry.id.seq = before.seq + difference.seq
    return True


cdef bint read_back(StreamEntry *entry, const uint8_t *end, StreamId id) noexcept nogil:
    """The entry that ends at a place, whose id is known; false: the bytes begin there."""
    cdef StreamId difference
    cdef const uint8_t *at
    cdef uint64_t size
    if unlikely(end == entry.node.data + entry.node.start):
        return False
    entry.end = end
    at = get_varint_back(end, &size) - size
    entry.at = at - varint_size(size)
    read_head(entry, at, &difference)
    entry.id = id
    entry.previous.ms = id.ms - difference.ms
    entry.previous.seq = id.seq - difference.seq
    return True


cdef bint streamnode_first(StreamNode *node, StreamEntry *entry) noexcept nogil:
    entry.node = node
    return read_forward(entry, node.data + node.start, node.id)


cdef bint streamnode_last(StreamNode *node, StreamEntry *entry) noexcept nogil:
    entry.node = node
    return read_back(entry, node.data + node.length, node.last)


cdef bint streamnode_next(StreamEntry *entry) noexcept nogil:
    return read_forward(entry, entry.end, entry.id)


cdef bint streamnode_previous(StreamEntry *entry) noexcept nogil:
    return read_back(entry, entry.at, entry.previous)


cdef void stream_fields(const StreamEntry *entry, StreamFields *fields) noexcept nogil:
    fields.names = entry.node.data
    fields.items = entry.items
    fields.left = entry.fields
    fields.own_names = entry.own_names


cdef bint stream_fields_next(StreamFields *fields) noexcept nogil:
    if fields.left == 0:
        return False
    if unlikely(fields.own_names):
        fields.items = get_item(fields.items, fields.name_number, &fields.name)
    else:
        fields.names = get_item(fields.names, fields.name_number, &fields.name)
    fields.items = get_item(fields.items, fields.value_number, &fields.value)
    fields.left -= 1
    return True


cdef void stream_names(StreamNode *node, StreamFields *fields) noexcept nogil:
    fields.names = node.data
    fields.left = node.names


cdef bint stream_names_next(StreamFields *fields) noexcept nogil:
    if fields.left == 0:
        return False
    fields.names = get_item(fields.names, fields.name_number, &fields.name)
    fields.left -= 1
    return True


# -- delete -----------------------------------------------------------------------------------------------------------

cdef void streamnode_delete(StreamEntry *entry) noexcept nogil:
    """Mark a live entry."""
    cdef uint64_t size
    cdef uint8_t *head = <uint8_t *> get_varint(entry.at, &size)
    head[0] |= DELETED
    entry.deleted = True
    entry.node.live -= 1
    entry.node.deleted += 1
    entry.node.tombstones += 1


cdef uint8_t *put_again(uint8_t *at, const StreamEntry *entry, StreamId before) noexcept nogil:
    """An entry with its id as the difference to another one; where it ends."""
    cdef uint8_t *head = at + 5
    cdef const uint8_t *items = entry.items
    cdef size_t length
    cdef uint64_t size
    cdef uint8_t *put = put_head(head, entry.id, before, (OWN_NAMES if entry.own_names else 0)
                                 | (DELETED if entry.deleted else 0))
    if entry.own_names:
        put = put_varint(put, entry.fields)
    length = get_varint_back(entry.end, &size) - items
    memcpy(put, items, length)
    return close_entry(at, head, put + length)


cdef StreamNode *streamnode_compact(StreamNode *node) noexcept nogil:
    """Write the node anew without the bytes of deleted entries, save the last one's."""
    cdef StreamNode *made = <StreamNode *> memory_alloc(HEADER + node.length + MOST_ENTRY_HEAD)
    cdef StreamEntry entry
    cdef StreamId before = node.id
    cdef uint8_t *at = made.data + node.start
    cdef bint more = streamnode_first(node, &entry)
    memcpy(made, node, HEADER + node.start)
    made.tombstones = 0
    while more:
        if not entry.deleted or stream_id_equal(entry.id, node.last):
            at = put_again(at, &entry, before)
            before = entry.id
            made.tombstones += entry.deleted
        more = streamnode_next(&entry)
    made.length = <uint32_t> (at - made.data)
    memory_free(node)
    return streamnode_fit(made)


# -- invariants -------------------------------------------------------------------------------------------------------

cdef const char *check_back(StreamNode *node, uint64_t forward) noexcept nogil:
    cdef StreamEntry entry
    cdef bint more = streamnode_last(node, &entry)
    cdef StreamId first = node.id
    while more:
        forward -= 1
        first = entry.id
        more = streamnode_previous(&entry)
    if forward or stream_id_below(first, node.id):
        return b"a stream node that reads otherwise backwards"
    return NULL


cdef const char *streamnode_check(StreamNode *node) noexcept nogil:
    cdef StreamEntry entry
    cdef StreamFields fields
    cdef StreamId last = node.id
    cdef uint64_t live = 0
    cdef uint64_t tombstones = 0
    cdef uint64_t size
    cdef bint more = streamnode_first(node, &entry)
    if node.start > node.length or node.length > node.capacity or node.capacity + HEADER > memory_size(node):
        return b"a stream node that exceeds its block"
    while more:
        if live + tombstones and not stream_id_below(last, entry.id):
            return b"a stream node out of order"
        stream_fields(&entry, &fields)
        while stream_fields_next(&fields):
            pass
        if fields.items != get_varint_back(entry.end, &size):
            return b"a stream entry of another length than its items"
        last = entry.id
        live += not entry.deleted
        tombstones += entry.deleted
        more = streamnode_next(&entry)
    if live != node.live or tombstones != node.tombstones or tombstones > node.deleted:
        return b"a stream node that counts wrongly"
    if not stream_id_equal(last, node.last):
        return b"a stream node whose last entry is another one"
    return check_back(node, live + tombstones)
