"""The listpack: how small hashes, sets and sorted sets, and the nodes of lists, are stored.

    byte  0             4          6                                            bytes - 1
          +-------------+----------+-----------+-----------+-- ... --+-----------+------+
          | bytes (32)  | count 16 | element 0 | element 1 |         |           | 0xff |
          +-------------+----------+-----------+-----------+-- ... --+-----------+------+

    element   +------------------------+------------------------+
              | data: see below        | length of data, 1 to 5 |
              +------------------------+------------------------+

    0xxxxxxx                            the number 0 to 127
    10llllll  text                      up to 63 bytes of text
    110xxxxx  xxxxxxxx                  a number of 13 bits
    1110llll  llllllll  text            up to 4095 bytes of text, the length's high bits first
    11110000  l (32)    text            longer text
    11110001  11110010  11110011  11110100: a number of 16, 24, 32, 64 bits follows

All multi-byte fields but those of the 13-bit number and the 12-bit length are little-endian; numbers are two's
complement. The length behind the data is read backwards, seven bits a byte, the low ones last, bit 7 set in each byte
but the first: that is how a pack is walked from its end. A count of 65535 says that the elements must be counted.
(antirez/listpack, listpack.md; what Redis 7 and Valkey write into RDB files of version 10 and up.) The format is kept
to the byte, because files and DUMP payloads carry packs as they are.

Text that is a number in canonical form is stored as the number, so "12" takes two bytes, and comes back as the same
text.
Packs from elsewhere may hold such text as text: comparing looks at the value and not at the bytes.

Is one block not slow to change? Below a few KiB, moving the bytes behind a change costs less than the cache misses of
anything linked. A pack above 4 KiB that grows leaves an eighth of room, or each append would move it.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memmove

from kv._core.base.memory cimport memory_alloc, memory_free, memory_realloc, memory_size
from kv._core.base.numbers cimport format_i64, parse_i64
from kv._core.base.platform cimport likely, panic, unlikely
from kv._core.base.random cimport Random, random_below
from kv._core.base.slice cimport Slice

cdef enum:
    END = 0xff
    TEXT_6 = 0x80
    NUMBER_13 = 0xc0
    TEXT_12 = 0xe0
    TEXT_32 = 0xf0
    NUMBER_16 = 0xf1
    NUMBER_24 = 0xf2
    NUMBER_32 = 0xf3
    NUMBER_64 = 0xf4
    LONGEST_BACKLEN = 5
    LONGEST_NUMBER = 20         # bytes of the longest text that is a number
    GROWING = 4096              # bytes from which growth leaves room


# -- the header -------------------------------------------------------------------------------------------------------

cdef inline void set_bytes(Listpack *pack, size_t length) noexcept nogil:
    pack.raw[0] = length & 0xff
    pack.raw[1] = (length >> 8) & 0xff
    pack.raw[2] = (length >> 16) & 0xff
    pack.raw[3] = (length >> 24) & 0xff


cdef inline uint32_t stated_count(const Listpack *pack) noexcept nogil:
    return <uint32_t> pack.raw[4] | <uint32_t> pack.raw[5] << 8


cdef inline void add_count(Listpack *pack, int64_t change) noexcept nogil:
    cdef int64_t count = stated_count(pack)
    if unlikely(count == LISTPACK_MANY):
        return
    count += change
    if count > LISTPACK_MANY:
        count = LISTPACK_MANY
    pack.raw[4] = count & 0xff
    pack.raw[5] = (count >> 8) & 0xff


cdef inline uint8_t *end_of(const Listpack *pack) noexcept nogil:
    """The end mark."""
    return <uint8_t *> pack + listpack_bytes(pack) - 1


# -- one element ------------------------------------------------------------------------------------------------------

cdef inline uint32_t text_length_32(const uint8_t *at) noexcept nogil:
    return <uint32_t> at[1] | <uint32_t> at[2] << 8 | <uint32_t> at[3] << 16 | <uint32_t> at[4] << 24


cdef inline size_t data_length(const uint8_t *at) noexcept nogil:
    """Bytes of an element without the length behind it."""
    cdef uint32_t lead = at[0]
    if lead < TEXT_6:
        return 1
    if lead < NUMBER_13:
        return 1 + (lead & 0x3f)
    if lead < TEXT_12:
        return 2
    if lead < TEXT_32:
        return 2 + ((lead & 0x0f) << 8 | at[1])
    if lead == TEXT_32:
        return 5 + <size_t> text_length_32(at)
    return lead - NUMBER_16 + 3 if lead != NUMBER_64 else 9


cdef inline size_t backlen_size(size_t length) noexcept nogil:
    """Bytes of the length behind. The limits are one less than they could be, and part of the format."""
    if likely(length <= 127):
        return 1
    if length < 16383:
        return 2
    if length < 2097151:
        return 3
    return 4 if length < 268435455 else 5


cdef inline void write_backlen(uint8_t *at, size_t length) noexcept nogil:
    cdef size_t size = backlen_size(length)
    while size > 1:
        size -= 1
        at[size] = (length & 127) | 128
        length >>= 7
    at[0] = <uint8_t> length


cdef inline size_t element_size(const uint8_t *at) noexcept nogil:
    cdef size_t length = data_length(at)
    return length + backlen_size(length)


cdef inline const uint8_t *element_before(const uint8_t *at) noexcept nogil:
    """The element that ends where another one (or the end mark) begins."""
    cdef const uint8_t *last = at - 1
    cdef size_t length = last[0] & 127
    cdef int shift = 7
    while last[0] & 128:
        last -= 1
        length |= <size_t> (last[0] & 127) << shift
        shift += 7
    return last - length


cdef inline bint is_text(const uint8_t *at, Slice *text) noexcept nogil:
    cdef uint32_t lead = at[0]
    if lead < TEXT_6:
        return False
    if lead < NUMBER_13:
        text.data, text.length = <const char *> at + 1, lead & 0x3f
        return True
    if lead < TEXT_12:
        return False
    if lead < TEXT_32:
        text.data, text.length = <const char *> at + 2, (lead & 0x0f) << 8 | at[1]
        return True
    if lead == TEXT_32:
        text.data, text.length = <const char *> at + 5, text_length_32(at)
        return True
    return False


cdef int64_t number_at(const uint8_t *at) noexcept nogil:
    """The number that an element is which is no text."""
    cdef uint32_t lead = at[0]
    cdef int length
    cdef uint64_t number = 0
    cdef int i
    if lead < TEXT_6:
        return lead
    if lead < TEXT_12:
        number = (lead & 0x1f) << 8 | at[1]
        return <int64_t> (number << 51) >> 51
    length = <int> data_length(at) - 1
    for i in range(length):
        number |= <uint64_t> at[1 + i] << (8 * i)
    return <int64_t> (number << (64 - 8 * length)) >> (64 - 8 * length)


cdef ListpackElement listpack_encode_number(int64_t number) noexcept nogil:
    cdef ListpackElement element
    cdef int length, i
    element.text.data, element.text.length = NULL, 0
    if 0 <= number <= 127:
        element.head[0] = <uint8_t> number
        element.head_length = 1
    elif -4096 <= number <= 4095:
        element.head[0] = NUMBER_13 | ((number >> 8) & 0x1f)
        element.head[1] = number & 0xff
        element.head_length = 2
    else:
        length = 8
        if -32768 <= number <= 32767:
            element.head[0], length = NUMBER_16, 2
        elif -8388608 <= number <= 8388607:
            element.head[0], length = NUMBER_24, 3
        elif <int32_t> number == number:
            element.head[0], length = NUMBER_32, 4
        else:
            element.head[0] = NUMBER_64
        for i in range(length):
            element.head[1 + i] = (number >> (8 * i)) & 0xff
        element.head_length = 1 + length
    element.size = element.head_length + 1
    return element


cdef ListpackElement listpack_encode(Slice value) noexcept nogil:
    """An element of this value, to be written before the value's bytes are gone."""
    cdef ListpackElement element
    cdef int64_t number
    cdef size_t length = value.length
    if length <= LONGEST_NUMBER and parse_i64(value.data, length, &number):
        return listpack_encode_number(number)
    element.text = value
    if length < 64:
        element.head[0] = TEXT_6 | <uint8_t> length
        element.head_length = 1
    elif length < 4096:
        element.head[0] = TEXT_12 | <uint8_t> (length >> 8)
        element.head[1] = length & 0xff
        element.head_length = 2
    else:
        element.head[0] = TEXT_32
        element.head[1] = length & 0xff
        element.head[2] = (length >> 8) & 0xff
        element.head[3] = (length >> 16) & 0xff
        element.head[4] = (length >> 24) & 0xff
        element.head_length = 5
    length += element.head_length
    element.size = length + backlen_size(length)
    return element


cdef inline void write_element(uint8_t *at, const ListpackElement *element) noexcept nogil:
    memcpy(at, element.head, element.head_length)
    if element.text.length:
        memcpy(at + element.head_length, element.text.data, element.text.length)
    write_backlen(at + element.head_length + element.text.length, element.head_length + element.text.length)


cdef size_t listpack_element_size(Slice value) noexcept nogil:
    return listpack_encode(value).size


# -- the block --------------------------------------------------------------------------------------------------------

cdef void listpack_init(Listpack *pack) noexcept nogil:
    set_bytes(pack, LISTPACK_EMPTY)
    pack.raw[4] = pack.raw[5] = 0
    pack.raw[6] = END


cdef Listpack *listpack_new(size_t capacity) noexcept nogil:
    cdef Listpack *pack = <Listpack *> memory_alloc(capacity if capacity > LISTPACK_EMPTY else LISTPACK_EMPTY)
    listpack_init(pack)
    return pack


cdef Listpack *listpack_copy(const void *bytes, size_t length) noexcept nogil:
    cdef Listpack *pack = <Listpack *> memory_alloc(length)
    memcpy(pack, bytes, length)
    return pack


cdef void listpack_free(Listpack *pack) noexcept nogil:
    memory_free(pack)


cdef Listpack *listpack_fit(Listpack *pack) noexcept nogil:
    if memory_size(pack) == listpack_bytes(pack):
        return pack
    return <Listpack *> memory_realloc(pack, listpack_bytes(pack))


cdef Listpack *with_room(Listpack *pack, size_t length) noexcept nogil:
    if likely(length <= memory_size(pack)):
        return pack
    if unlikely(length > <size_t> 0xffffffff):
        panic("a listpack of more than 4 GiB")
    if length > GROWING:
        length += length // 8
    return <Listpack *> memory_realloc(pack, length)


cdef inline Listpack *without_waste(Listpack *pack) noexcept nogil:
    """Give back what deletions left when it is a quarter."""
    cdef size_t held = memory_size(pack)
    cdef size_t length = listpack_bytes(pack)
    if held > 32 and held - length > held // 4:
        return <Listpack *> memory_realloc(pack, length)
    return pack


cdef inline void splice_within(Listpack *pack, size_t offset, size_t removed,
                               const ListpackElement *element) noexcept nogil:
    """Put an element (NULL: nothing) in the place of `removed` bytes; there is room."""
    cdef size_t length = listpack_bytes(pack)
    cdef size_t added = element.size if element != NULL else 0
    cdef uint8_t *at = <uint8_t *> pack + offset
    if added != removed:
        memmove(at + added, at + removed, length - offset - removed)
        set_bytes(pack, length + added - removed)
    if element != NULL:
        write_element(at, element)


cdef Listpack *splice(Listpack *pack, size_t offset, size_t removed, const ListpackElement *element) noexcept nogil:
    pack = with_room(pack, listpack_bytes(pack) + element.size - removed)
    splice_within(pack, offset, removed, element)
    if element.size < removed:
        return without_waste(pack)
    return pack


# -- change -----------------------------------------------------------------------------------------------------------

cdef Listpack *insert_at(Listpack *pack, size_t offset, const ListpackElement *element) noexcept nogil:
    pack = splice(pack, offset, 0, element)
    add_count(pack, 1)
    return pack


cdef Listpack *listpack_append(Listpack *pack, Slice value) noexcept nogil:
    cdef ListpackElement element = listpack_encode(value)
    return insert_at(pack, listpack_bytes(pack) - 1, &element)


cdef Listpack *listpack_append_number(Listpack *pack, int64_t number) noexcept nogil:
    cdef ListpackElement element = listpack_encode_number(number)
    return insert_at(pack, listpack_bytes(pack) - 1, &element)


cdef Listpack *listpack_prepend(Listpack *pack, Slice value) noexcept nogil:
    cdef ListpackElement element = listpack_encode(value)
    return insert_at(pack, LISTPACK_HEADER, &element)


cdef Listpack *insert_before(Listpack *pack, uint8_t **at, const ListpackElement *element) noexcept nogil:
    cdef size_t offset = (at[0] if at[0] != NULL else end_of(pack)) - <uint8_t *> pack
    pack = insert_at(pack, offset, element)
    at[0] = <uint8_t *> pack + offset
    return pack


cdef Listpack *listpack_insert(Listpack *pack, uint8_t **at, Slice value) noexcept nogil:
    """Before the element at[0], or at the end where that is NULL."""
    cdef ListpackElement element = listpack_encode(value)
    return insert_before(pack, at, &element)


cdef Listpack *listpack_insert_number(Listpack *pack, uint8_t **at, int64_t number) noexcept nogil:
    cdef ListpackElement element = listpack_encode_number(number)
    return insert_before(pack, at, &element)


cdef Listpack *listpack_insert_after(Listpack *pack, uint8_t **at, Slice value) noexcept nogil:
    cdef ListpackElement element = listpack_encode(value)
    at[0] += element_size(at[0])
    return insert_before(pack, at, &element)


cdef Listpack *replace(Listpack *pack, uint8_t **at, const ListpackElement *element) noexcept nogil:
    cdef size_t offset = at[0] - <uint8_t *> pack
    pack = splice(pack, offset, element_size(at[0]), element)
    at[0] = <uint8_t *> pack + offset
    return pack


cdef Listpack *listpack_replace(Listpack *pack, uint8_t **at, Slice value) noexcept nogil:
    cdef ListpackElement element = listpack_encode(value)
    return replace(pack, at, &element)


cdef Listpack *listpack_replace_number(Listpack *pack, uint8_t **at, int64_t number) noexcept nogil:
    cdef ListpackElement element = listpack_encode_number(number)
    return replace(pack, at, &element)


cdef Listpack *listpack_delete(Listpack *pack, uint8_t **at, uint64_t count) noexcept nogil:
    """The element and those behind it, `count` in all or as many as there are."""
    cdef size_t offset = at[0] - <uint8_t *> pack
    cdef uint8_t *stop = at[0]
    cdef uint64_t deleted = 0
    while deleted < count and stop[0] != END:
        stop += element_size(stop)
        deleted += 1
    splice_within(pack, offset, stop - at[0], NULL)
    add_count(pack, -<int64_t> deleted)
    pack = without_waste(pack)
    at[0] = <uint8_t *> pack + offset
    if at[0][0] == END:
        at[0] = NULL
    return pack


cdef Listpack *listpack_truncate(Listpack *pack, uint8_t *at) noexcept nogil:
    return listpack_delete(pack, &at, ~<uint64_t> 0)


cdef Listpack *listpack_split(Listpack *pack, uint8_t *at, Listpack **rest) noexcept nogil:
    """The elements before this one; it and those behind it are in the new pack *rest."""
    cdef size_t length = end_of(pack) - at
    cdef uint64_t count = 0
    cdef uint8_t *behind
    rest[0] = listpack_new(LISTPACK_EMPTY + length)
    behind = rest[0].raw + LISTPACK_HEADER
    memcpy(behind, at, length + 1)
    set_bytes(rest[0], LISTPACK_EMPTY + length)
    while behind[0] != END:
        behind += element_size(behind)
        count += 1
    add_count(rest[0], count)
    return listpack_truncate(pack, at)


cdef Listpack *listpack_delete_index(Listpack *pack, int64_t index, uint64_t count) noexcept nogil:
    """From the element with this index on; nothing where there is none."""
    cdef uint8_t *at = listpack_seek(pack, index)
    return pack if at == NULL or count == 0 else listpack_delete(pack, &at, count)


cdef Listpack *listpack_delete_many(Listpack *pack, uint8_t **elements, uint64_t count, int stride) noexcept nogil:
    """Units of `stride` elements, given by their first ones in the pack's order, in one pass."""
    cdef uint8_t *target
    cdef uint8_t *kept
    cdef uint8_t *stop
    cdef uint64_t i
    cdef uint64_t _unit
    if count == 0:
        return pack
    target = elements[0]
    for i in range(count):
        kept = elements[i]
        for _unit in range(stride):
            kept += element_size(kept)
        stop = elements[i + 1] if i + 1 < count else end_of(pack) + 1
        memmove(target, kept, stop - kept)
        target += stop - kept
    set_bytes(pack, target - <uint8_t *> pack)
    add_count(pack, -<int64_t> count * stride)
    return without_waste(pack)


cdef Listpack *listpack_merge(Listpack *first, Listpack *second) noexcept nogil:
    """The elements of both in one pack."""
    cdef size_t length = listpack_bytes(first)
    cdef size_t added = listpack_bytes(second) - LISTPACK_EMPTY
    cdef uint64_t count = listpack_count(second)
    first = with_room(first, length + added)
    memcpy(<uint8_t *> first + length - 1, second.raw + LISTPACK_HEADER, added + 1)
    set_bytes(first, length + added)
    add_count(first, count)
    memory_free(second)
    return first


# -- change at the ends, without allocating ---------------------------------------------------------------------------

cdef void listpack_append_within(Listpack *pack, const ListpackElement *element) noexcept nogil:
    cdef size_t length = listpack_bytes(pack)
    cdef uint8_t *at = <uint8_t *> pack + length - 1
    write_element(at, element)
    at[element.size] = END
    set_bytes(pack, length + element.size)
    add_count(pack, 1)


cdef Listpack *listpack_prepend_within(Listpack *pack, const ListpackElement *element) noexcept nogil:
    """The pack begins `element.size` bytes earlier in its block."""
    cdef Listpack *moved = <Listpack *> (<uint8_t *> pack - element.size)
    memmove(moved, pack, LISTPACK_HEADER)
    write_element(moved.raw + LISTPACK_HEADER, element)
    set_bytes(moved, listpack_bytes(moved) + element.size)
    add_count(moved, 1)
    return moved


cdef void listpack_drop_last_within(Listpack *pack) noexcept nogil:
    cdef uint8_t *at = <uint8_t *> element_before(end_of(pack))
    at[0] = END
    set_bytes(pack, at + 1 - <uint8_t *> pack)
    add_count(pack, -1)


cdef Listpack *listpack_drop_first_within(Listpack *pack) noexcept nogil:
    """The pack begins the element's size later in its block."""
    cdef size_t size = element_size(pack.raw + LISTPACK_HEADER)
    cdef Listpack *moved = <Listpack *> (<uint8_t *> pack + size)
    memmove(moved, pack, LISTPACK_HEADER)
    set_bytes(moved, listpack_bytes(moved) - size)
    add_count(moved, -1)
    return moved


# -- walk -------------------------------------------------------------------------------------------------------------

cdef uint8_t *listpack_first(const Listpack *pack) noexcept nogil:
    cdef uint8_t *at = <uint8_t *> pack.raw + LISTPACK_HEADER
    return at if at[0] != END else NULL


cdef uint8_t *listpack_last(const Listpack *pack) noexcept nogil:
    if listpack_bytes(pack) == LISTPACK_EMPTY:
        return NULL
    return <uint8_t *> element_before(end_of(pack))


cdef uint8_t *listpack_next(const Listpack *pack, const uint8_t *at) noexcept nogil:
    at += element_size(at)
    return <uint8_t *> at if at[0] != END else NULL


cdef uint8_t *listpack_previous(const Listpack *pack, const uint8_t *at) noexcept nogil:
    if at == pack.raw + LISTPACK_HEADER:
        return NULL
    return <uint8_t *> element_before(at)


cdef uint8_t *listpack_seek(const Listpack *pack, int64_t index) noexcept nogil:
    """The element with this index, walked to from the nearer end; -1 is the last."""
    cdef const uint8_t *start = pack.raw + LISTPACK_HEADER
    cdef const uint8_t *at
    cdef int64_t count = stated_count(pack)
    if count != LISTPACK_MANY:
        if index < -count or index >= count:
            return NULL
        if index >= 0 and index > count // 2:
            index -= count
        elif index < -count // 2:
            index += count
    if index >= 0:
        at = start
        while index and at[0] != END:
            at += element_size(at)
            index -= 1
        return <uint8_t *> at if at[0] != END else NULL
    at = end_of(pack)
    while index and at != start:
        at = element_before(at)
        index += 1
    return <uint8_t *> at if index == 0 else NULL


cdef uint8_t *listpack_find(const Listpack *pack, uint8_t *start, Slice value, uint32_t skip) noexcept nogil:
    """The first element of this value from `start` (NULL: none) on; `skip` ones are left out after each compared."""
    cdef const uint8_t *at = start
    cdef int64_t number = 0
    cdef bint numeric = value.length <= LONGEST_NUMBER and parse_i64(value.data, value.length, &number)
    cdef Slice text
    cdef uint32_t left
    while at != NULL and at[0] != END:
        if is_text(at, &text):
            if text.length == value.length and memcmp(text.data, value.data, text.length) == 0:
                return <uint8_t *> at
        elif numeric and number_at(at) == number:
            return <uint8_t *> at
        at += element_size(at)
        left = skip
        while left and at[0] != END:
            at += element_size(at)
            left -= 1
    return NULL


# -- read -------------------------------------------------------------------------------------------------------------

cdef ListpackValue listpack_get(const uint8_t *at) noexcept nogil:
    cdef ListpackValue value
    cdef Slice text
    if is_text(at, &text):
        value.text, value.length, value.number = text.data, text.length, 0
    else:
        value.text, value.length, value.number = NULL, 0, number_at(at)
    return value


cdef int listpack_run(uint8_t **at, ListpackValue *values, int most) noexcept nogil:
    """Several elements at once, at least one: the element at[0] and those behind it. How many; at: the last one."""
    cdef const uint8_t *element = at[0]
    cdef int count = 0
    cdef Slice text
    while True:
        if likely(is_text(element, &text)):
            values[count].text, values[count].length = text.data, text.length
        else:
            values[count].text, values[count].number = NULL, number_at(element)
        count += 1
        at[0] = <uint8_t *> element
        element += element_size(element)
        if count == most or element[0] == END:
            return count


cdef Slice listpack_slice(const uint8_t *at, char *number) noexcept nogil:
    """The element's text; a number's is written to `number`."""
    cdef Slice text
    if not is_text(at, &text):
        text.data = number
        text.length = format_i64(number, number_at(at))
    return text


cdef bint listpack_is(const uint8_t *at, Slice value) noexcept nogil:
    cdef Slice text
    cdef int64_t number
    if is_text(at, &text):
        return text.length == value.length and memcmp(text.data, value.data, text.length) == 0
    return (value.length <= LONGEST_NUMBER and parse_i64(value.data, value.length, &number)
            and number == number_at(at))


cdef size_t listpack_size_at(const uint8_t *at) noexcept nogil:
    return element_size(at)


cdef uint64_t listpack_count(const Listpack *pack) noexcept nogil:
    """How many elements; above 65534 they are counted."""
    cdef uint64_t count = stated_count(pack)
    cdef const uint8_t *at
    if likely(count != LISTPACK_MANY):
        return count
    count = 0
    at = pack.raw + LISTPACK_HEADER
    while at[0] != END:
        at += element_size(at)
        count += 1
    return count


# -- draw -------------------------------------------------------------------------------------------------------------

cdef uint8_t *listpack_random(const Listpack *pack, Random *random, int stride) noexcept nogil:
    """NULL from an empty pack."""
    cdef uint64_t units = listpack_count(pack) // stride
    if units == 0:
        return NULL
    return listpack_seek(pack, random_below(random, units) * stride)


cdef uint64_t listpack_sample(const Listpack *pack, Random *random, int stride, uint64_t want,
                              uint8_t **elements) noexcept nogil:
    """`want` different units or all there are, every choice as likely as any other; how many."""
    cdef uint64_t left = listpack_count(pack) // stride
    cdef uint64_t found = 0
    cdef const uint8_t *at = pack.raw + LISTPACK_HEADER
    cdef uint64_t _i
    while left and found < want:
        if random_below(random, left) < want - found:
            elements[found] = <uint8_t *> at
            found += 1
        for _i in range(stride):
            at += element_size(at)
        left -= 1
    return found


# -- trust ------------------------------------------------------------------------------------------------------------

cdef bint is_element(const uint8_t *at, size_t room, size_t *size) noexcept nogil:
    """Whether a whole element stands in the `room` bytes there, which is not zero; nothing beyond them is read."""
    cdef uint8_t backlen[LONGEST_BACKLEN]
    cdef uint32_t lead = at[0]
    cdef size_t length
    if lead > NUMBER_64 or (TEXT_12 <= lead < TEXT_32 and room < 2) or (lead == TEXT_32 and room < 5):
        return False
    length = data_length(at)
    size[0] = length + backlen_size(length)
    if size[0] > room:
        return False
    write_backlen(backlen, length)
    return memcmp(backlen, at + length, size[0] - length) == 0


cdef bint listpack_validate(const void *bytes, size_t length, uint64_t *count) noexcept nogil:
    """Whether bytes from a stranger are a pack through and through; then *count is the number of its elements."""
    cdef const Listpack *pack = <const Listpack *> bytes
    cdef const uint8_t *at = <const uint8_t *> bytes + LISTPACK_HEADER
    cdef size_t left, size
    cdef uint64_t found = 0
    if length < LISTPACK_EMPTY or listpack_bytes(pack) != length or pack.raw[length - 1] != END:
        return False
    left = length - LISTPACK_EMPTY
    while left:
        if not is_element(at, left, &size):
            return False
        at += size
        left -= size
        found += 1
    count[0] = found
    return stated_count(pack) == LISTPACK_MANY or stated_count(pack) == found


cdef const char *listpack_check(const Listpack *pack) noexcept nogil:
    """NULL, or which invariant does not hold."""
    cdef uint64_t count
    if listpack_bytes(pack) > memory_size(pack):
        return b"a listpack that is longer than its block"
    if not listpack_validate(pack, listpack_bytes(pack), &count):
        return b"a listpack that is not well formed"
    return NULL
