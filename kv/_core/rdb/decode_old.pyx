"""Values in forms that servers before Redis 7.0 wrote.

A ziplist, up to Redis 6.2 the form of small collections and of the nodes of lists:

    bytes (32) | offset of the last entry (32) | entries (16) | entry ... | 0xff
    entry:  length of the entry before (1 byte, or 0xfe and 4) | head | text

    00llllll                            text of up to 63 bytes
    01llllll llllllll                   text of up to 16383 bytes, the length's high bits first
    10000000 l (32)                     longer text, the length's highest byte first
    11000000  11010000  11100000        a number of 16, 32, 64 bits, the lowest byte first
    11110000  11111110                  a number of 24, 8 bits
    11110001 to 11111101                the number 0 to 12

A zipmap, up to Redis 2.4 the form of small hashes:

    fields (1 byte, 254: more) | field ... | 0xff
    field:  length | name | length | free (1 byte) | value | free bytes
    length: 1 byte below 254, else 254 and 4 bytes, the lowest first; no zipmap is empty

Source: Valkey 8.1.7, ziplist.c and zipmap.c. Both are made into what this server has, element by element, so everything is looked
at: lengths forward and back, counts, and names that come twice.
"""
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t

from kv._core.base.machine cimport load_u32_le, load_u64_le
from kv._core.base.numbers cimport FORMAT_I64_SIZE, format_i64, parse_double
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.distinct cimport listpack_is_distinct
from kv._core.containers.listpack cimport (
    Listpack, listpack_append, listpack_count, listpack_fit, listpack_free, listpack_new)
from kv._core.objects.entry cimport Entry, entry_free
from kv._core.objects.hash cimport hash_new_for, hash_of_pack, hash_set
from kv._core.objects.list cimport list_fit, list_length, list_new_long, list_push
from kv._core.objects.zset cimport zset_of_pack, zset_pack_in_order
from kv._core.rdb.reader cimport (
    RdbReader, rdb_complain, rdb_complain_cut_off, rdb_complain_number, rdb_get_byte, rdb_get_bytes, rdb_get_count, rdb_get_string)
from kv._core.rdb.source cimport source_skip

cdef extern from "<math.h>" nogil:
    double INFINITY
    double NAN

cdef enum:
    ZIPLIST_HEADER = 10
    END = 0xff
    LONG_BEFORE = 0xfe          # the length of the entry before stands in the four bytes behind
    MANY = 65535                # entries that the header can't count
    LARGEST_PACK = 1 << 29      # bytes of a ziplist that a listpack is made of
    MANY_FIELDS = 254           # of a zipmap: they must be counted; as a length: it stands behind

cdef enum ScoreForm:
    SCORE_NAN = 253
    SCORE_INFINITE = 254
    SCORE_MINUS_INFINITE = 255

ctypedef bint (*element_visitor)(void *argument, Slice element) noexcept nogil     # false: it is refused


# -- scores as text ---------------------------------------------------------------------------------------------------

cdef bint rdb_get_score_text(RdbReader *reader, double *score) noexcept nogil:
    cdef char text[256]
    cdef int length = 0
    if not rdb_get_byte(reader, &length):
        return False
    if length >= SCORE_NAN:
        score[0] = NAN if length == SCORE_NAN else INFINITY if length == SCORE_INFINITE else -INFINITY
        return True
    return rdb_get_bytes(reader, text, length) and (
        parse_double(text, length, score) or rdb_complain(reader, b"A score is no number"))


cdef bint rdb_skip_score_text(RdbReader *reader) noexcept nogil:
    cdef int length = 0
    if not rdb_get_byte(reader, &length):
        return False
    return length >= SCORE_NAN or source_skip(reader.source, length) or rdb_complain_cut_off(reader)


# -- ziplists ---------------------------------------------------------------------------------------------------------

cdef size_t number_bytes(int head) noexcept nogil:
    """Bytes of a number behind its head."""
    return 2 if head == 0xc0 else 4 if head == 0xd0 else 8 if head == 0xe0 else 3 if head == 0xf0 else 1 if head == 0xfe else 0


cdef int64_t number_behind(const uint8_t *at, int head) noexcept nogil:
    """The number whose head stands at a place."""
    if head == 0xc0:
        return <int16_t> (at[1] | at[2] << 8)
    if head == 0xd0:
        return <int32_t> load_u32_le(at + 1)
    if head == 0xe0:
        return <int64_t> load_u64_le(at + 1)
    if head == 0xf0:
        return <int32_t> (<uint32_t> at[1] << 8 | <uint32_t> at[2] << 16 | <uint32_t> at[3] << 24) >> 8
    return <int8_t> at[1] if head == 0xfe else (head & 15) - 1


cdef size_t read_element(const uint8_t *at, size_t room, char *digits, Slice *element) noexcept nogil:
    """The element whose head stands at a place, with so many bytes of room; bytes of head and text, 0: it is none."""
    cdef int head
    cdef size_t before, length
    if room == 0:
        return 0
    head = at[0]
    if head >> 6 == 3:
        before = 1 + number_bytes(head)
        if before > room or (before == 1 and not 0xf1 <= head <= 0xfd):
            return 0
        element[0] = slice_of(digits, format_i64(digits, number_behind(at, head)))
        return before
    before = 1 if head >> 6 == 0 else 2 if head >> 6 == 1 else 5
    if before > room or (before == 5 and head != 0x80):
        return 0
    if before == 5:
        length = <size_t> at[1] << 24 | <size_t> at[2] << 16 | <size_t> at[3] << 8 | at[4]
    else:
        length = head & 63 if before == 1 else <size_t> (head & 63) << 8 | at[1]
    if length > room - before:
        return 0
    element[0] = slice_of(<const char *> at + before, length)
    return before + length


cdef bint walk_ziplist(Slice bytes, element_visitor visit, void *argument) noexcept nogil:
    """Visit every element; false: the bytes are no ziplist, or the visitor refused one."""
    cdef const uint8_t *start = <const uint8_t *> bytes.data
    cdef const uint8_t *at = start + ZIPLIST_HEADER
    cdef const uint8_t *last = at
    cdef const uint8_t *end = start + bytes.length - 1
    cdef char digits[FORMAT_I64_SIZE]
    cdef size_t before = 0, head, size
    cdef uint64_t count = 0
    cdef Slice element
    if bytes.length < ZIPLIST_HEADER + 1 or load_u32_le(start) != bytes.length or end[0] != END:
        return False
    while at < end:
        head = 5 if at[0] == LONG_BEFORE else 1
        if at[0] == END or <size_t> (end - at) <= head:
            return False
        if before != (load_u32_le(at + 1) if head == 5 else at[0]):
            return False
        size = read_element(at + head, end - at - head, digits, &element)
        if size == 0 or not visit(argument, element):
            return False
        last, before = at, head + size
        at += before
        count += 1
    return (load_u32_le(start + 4) == <uint32_t> (last - start)
            and (start[8] | start[9] << 8 == MANY or <uint64_t> (start[8] | start[9] << 8) == count))


cdef bint add_to_pack(void *argument, Slice element) noexcept nogil:
    cdef Listpack **pack = <Listpack **> argument
    pack[0] = listpack_append(pack[0], element)
    return True


cdef Listpack *get_pairs(RdbReader *reader, const char *complaint) noexcept nogil:
    """A listpack of a ziplist's pairs, whose first elements differ; NULL: it is none, or it is empty."""
    cdef Listpack *pack
    cdef Slice bytes
    if not rdb_get_string(reader, &bytes):
        return NULL
    pack = listpack_new(bytes.length if bytes.length < LARGEST_PACK else 0)
    if (bytes.length > LARGEST_PACK or not walk_ziplist(bytes, add_to_pack, &pack) or listpack_count(pack) % 2
            or not listpack_is_distinct(pack, 2)):
        listpack_free(pack)
        rdb_complain(reader, complaint)
        return NULL
    reader.empty = listpack_count(pack) == 0
    if reader.empty:
        listpack_free(pack)
        return NULL
    return listpack_fit(pack)


cdef Entry *rdb_get_hash_ziplist(RdbReader *reader, Slice key) noexcept nogil:
    cdef Listpack *pack = get_pairs(reader, b"Hash ziplist integrity check failed.")
    return hash_of_pack(key, pack) if pack != NULL else NULL


cdef Entry *rdb_get_zset_ziplist(RdbReader *reader, Slice key) noexcept nogil:
    cdef Listpack *pack = get_pairs(reader, b"Zset ziplist integrity check failed.")
    if pack == NULL:
        return NULL
    if not zset_pack_in_order(pack):
        listpack_free(pack)
        rdb_complain(reader, b"Zset ziplist integrity check failed.")
        return NULL
    return zset_of_pack(key, pack)


cdef bint add_to_list(void *argument, Slice element) noexcept nogil:
    list_push(<Entry *> argument, element, False)
    return True


cdef bint add_ziplist(RdbReader *reader, Entry *entry, const char *complaint) noexcept nogil:
    """Add the elements of the ziplist that comes next to a list."""
    cdef Slice bytes
    return rdb_get_string(reader, &bytes) and (walk_ziplist(bytes, add_to_list, entry) or rdb_complain(reader, complaint))


cdef Entry *finish_list(RdbReader *reader, Entry *entry, bint good) noexcept nogil:
    """A list that is complete, or NULL where it is wrong or empty."""
    reader.empty = good and list_length(entry) == 0
    if not good or reader.empty:
        entry_free(entry)
        return NULL
    list_fit(entry)
    return entry


cdef Entry *rdb_get_list_ziplist(RdbReader *reader, Slice key) noexcept nogil:
    cdef Entry *entry = list_new_long(key)
    return finish_list(reader, entry, add_ziplist(reader, entry, b"List ziplist integrity check failed."))


cdef Entry *rdb_get_list_ziplists(RdbReader *reader, Slice key) noexcept nogil:
    cdef Entry *entry
    cdef uint64_t nodes = 0, i = 0
    if not rdb_get_count(reader, 1, &nodes):
        return NULL
    entry = list_new_long(key)
    while i < nodes and add_ziplist(reader, entry, b"Ziplist integrity check failed."):
        i += 1
    return finish_list(reader, entry, i == nodes)


# -- zipmaps ----------------------------------------------------------------------------------------------------------

cdef bint take_text(const uint8_t **at, const uint8_t *end, bint has_free, Slice *text) noexcept nogil:
    """A length with its text; `at` moves behind them, and behind what is free after a value."""
    cdef const uint8_t *here = at[0]
    cdef size_t length, unused = 0
    if here >= end or here[0] == END or (here[0] == MANY_FIELDS and end - here < 5):
        return False
    length = load_u32_le(here + 1) if here[0] == MANY_FIELDS else here[0]
    if here[0] == MANY_FIELDS and length < MANY_FIELDS:
        return False
    here += 5 if here[0] == MANY_FIELDS else 1
    if has_free:
        if here >= end:
            return False
        unused = here[0]
        here += 1
    if <size_t> (end - here) < length or <size_t> (end - here) - length < unused:
        return False
    text[0] = slice_of(<const char *> here, length)
    at[0] = here + length + unused
    return True


cdef bint add_fields(RdbReader *reader, Entry *entry, Slice bytes) noexcept nogil:
    """The fields of a zipmap; false, with a complaint: it is none, or a name comes twice."""
    cdef const uint8_t *start = <const uint8_t *> bytes.data
    cdef const uint8_t *at = start + 1
    cdef const uint8_t *end = start + bytes.length - 1
    cdef uint64_t count = 0
    cdef int64_t twice = -1             # bytes of the first name that was there
    cdef Slice name, value
    cdef bint sound = bytes.length >= 2 and end[0] == END
    while sound and at < end:
        sound = take_text(&at, end, False, &name) and take_text(&at, end, True, &value)
        if sound and not hash_set(entry, name, value) and twice == -1:
            twice = <int64_t> name.length
        count += 1
    if not sound or count == 0 or (start[0] < MANY_FIELDS and start[0] != count):
        return rdb_complain(reader, b"Zipmap integrity check failed.")
    return twice == -1 or rdb_complain_number(reader, b"Hash zipmap with dup elements, or big length (%lld)", twice)


cdef Entry *rdb_get_hash_zipmap(RdbReader *reader, Slice key) noexcept nogil:
    cdef Entry *entry
    cdef Slice bytes
    if not rdb_get_string(reader, &bytes):
        return NULL
    entry = hash_new_for(key, 0)
    if add_fields(reader, entry, bytes):
        return entry
    entry_free(entry)
    return NULL
