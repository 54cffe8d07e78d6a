"""Bitmap commands: strings seen as bits, the highest of the first byte being bit 0.

The work on bits is objects/bits; here are ranges, limits and replies. BITFIELD reads its operations twice,
first to find every mistake and how long the string must be, then to run them, so it needs no memory for them.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t

from kv._core.base.blob cimport Blob, blob_free, blob_new
from kv._core.base.memory cimport memory_alloc, memory_free
from kv._core.base.numbers cimport parse_i64
from kv._core.base.slice cimport Slice, slice_of
from kv._core.keyspace.keyspace cimport (
    EVENT_GENERIC, EVENT_STRING, keyspace_add, keyspace_overwrite, keyspace_put)
from kv._core.objects.bits cimport (
    BITS_AND, BITS_FAIL, BITS_NOT, BITS_OR, BITS_SAT, BITS_WRAP, BITS_XOR, BitOperation, BitOverflow,
    bits_add_signed, bits_add_unsigned, bits_combine, bits_count, bits_find, bits_get_signed,
    bits_get_unsigned, bits_set)
from kv._core.objects.entry cimport ENCODING_RAW, ENTRY_MODIFIED, TYPE_STRING, Entry, entry_encoding
from kv._core.objects.string cimport (
    NUMBER_TEXT, string_length, string_new_text, string_slice, string_writable)
from kv._core.resp.reply cimport reply_array, reply_i64, reply_null
from kv._core.runtime.context cimport (
    arg_i64_or_reply, arg_is, changed, check_type, context_key, delete_found, error, must_obey, read_key,
    syntax_error, write_key)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef enum FieldKind:
    FIELD_GET
    FIELD_SET
    FIELD_INCRBY

cdef struct Field:          # one operation of BITFIELD
    int kind                # FieldKind
    bint is_signed          # i8 rather than u8
    int width               # bits
    uint64_t offset         # of its first bit
    int64_t operand         # of SET and INCRBY
    int overflow            # BitOverflow

cdef struct Source:         # a string that BITOP reads
    const uint8_t *data
    size_t length
    char text[NUMBER_TEXT]  # where data points, if the string is a number

cdef struct Sources:        # all of them, in the form of bits_combine
    Source *items           # one a key; the block that all else here is in, too
    const uint8_t **data
    size_t *lengths
    size_t count
    size_t longest          # bytes

cdef struct BitRange:       # of BITCOUNT and BITPOS, as it was given
    int64_t start           # may count from the end
    int64_t end             # the last one, included
    bint in_bits            # BIT, not BYTE
    bint open_end           # no end was given


cdef bint bit_offset_or_reply(Context *c, int index, int width, uint64_t *offset) noexcept nogil:
    """The bit that an argument names; "#3" is the third integer after the first, where they have a width."""
    cdef Slice text = c.argv[index]
    cdef bint counted = width > 0 and text.length > 0 and text.data[0] == c'#'
    cdef int64_t value
    if parse_i64(text.data + counted, text.length - counted, &value):
        if counted:
            value = <int64_t> (<uint64_t> value * width)
        if value >= 0 and (value >> 3 < c.runtime.bulk_limit or must_obey(c)):
            offset[0] = value
            return True
    error(c, b"ERR bit offset is not an integer or out of range")
    return False


cdef uint8_t *open_bits(Context *c, Entry *entry, uint64_t last_bit, bint *grown) noexcept nogil:
    """The bytes of the key that was just looked up, grown with zeros until they have that bit."""
    cdef char *data
    cdef Entry *made
    cdef size_t length = (last_bit >> 3) + 1
    cdef size_t held
    if entry == NULL:
        made = string_writable(string_new_text(c.argv[1], slice_of(b"", 0), -1, NULL), length, False, &data)
        keyspace_add(c.keyspace, c.database, context_key(c, 1), made)
        grown[0] = True
        return <uint8_t *> data
    held = string_length(entry)
    grown[0] = held < length
    made = string_writable(entry, held if held > length else length, True, &data)
    if made != entry:
        keyspace_put(c.keyspace, c.database, made)
    return <uint8_t *> data


cdef inline Slice value_of(const Entry *entry, char *text) noexcept nogil:
    return string_slice(entry, text) if entry != NULL else slice_of(b"", 0)


# -- single bits --------------------------------------------------------------------------------------------

cdef void cmd_getbit(Context *c) noexcept nogil:
    cdef char text[NUMBER_TEXT]
    cdef uint64_t offset
    cdef Slice value
    cdef Entry *entry
    if not bit_offset_or_reply(c, 2, 0, &offset):
        return
    entry = read_key(c, 1)
    if check_type(c, entry, TYPE_STRING):
        value = value_of(entry, text)
        reply_i64(&c.reply, bits_get_unsigned(<const uint8_t *> value.data, value.length, offset, 1))


declare(native(cmd_getbit), "getbit", 3, "readonly fast", keys="1 RO access", group="bitmap", since="2.2.0",
        complexity="O(1)", summary="Returns a bit of a string.")


cdef void cmd_setbit(Context *c) noexcept nogil:
    cdef uint64_t offset, held
    cdef int64_t bit
    cdef bint grown
    cdef uint8_t *data
    cdef Entry *entry
    if not bit_offset_or_reply(c, 2, 0, &offset):
        return
    if not parse_i64(c.argv[3].data, c.argv[3].length, &bit) or not 0 <= bit <= 1:
        error(c, b"ERR bit is not an integer or out of range")
        return
    entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_STRING):
        return
    data = open_bits(c, entry, offset, &grown)
    held = data[offset >> 3] >> (7 - (offset & 7)) & 1
    if grown or held != <uint64_t> bit:
        bits_set(data, offset, 1, bit)
        changed(c, 1, EVENT_STRING, b"setbit")
    reply_i64(&c.reply, held)


declare(native(cmd_setbit), "setbit", 4, "write denyoom", keys="1 RW access update", group="bitmap",
        since="2.2.0", complexity="O(1)", summary="Sets or clears a bit of a string and returns what it was.")


# -- ranges of bits -----------------------------------------------------------------------------------------

cdef bint parse_range_or_reply(Context *c, int first, BitRange *span) noexcept nogil:
    """[start [end [BIT | BYTE]]] from argv[first] on."""
    cdef int given = c.argc - first
    span.start, span.end, span.in_bits, span.open_end = 0, -1, False, given < 2
    if given > 3:
        syntax_error(c)
        return False
    if given >= 1 and not arg_i64_or_reply(c, first, &span.start):
        return False
    if given == 3:
        span.in_bits = arg_is(c, first + 2, b"bit", 3)
        if not span.in_bits and not arg_is(c, first + 2, b"byte", 4):
            syntax_error(c)
            return False
    return given < 2 or arg_i64_or_reply(c, first + 1, &span.end)


cdef bint resolve_range(const BitRange *span, size_t length, uint64_t *start, uint64_t *end) noexcept nogil:
    """The range in bits of a string, its end behind the last one; false where it is empty."""
    cdef int64_t total = <int64_t> length << (3 if span.in_bits else 0)
    cdef int64_t first = from_end(span.start, total)
    cdef int64_t last = from_end(span.end, total)
    if last >= total:
        last = total - 1
    if first > last:
        return False
    start[0] = first if span.in_bits else first << 3
    end[0] = last + 1 if span.in_bits else (last + 1) << 3
    return True


cdef inline int64_t from_end(int64_t index, int64_t length) noexcept nogil:
    """An index that may count from the end, as one from the beginning."""
    if index < 0:
        index += length
    return index if index > 0 else 0


cdef void cmd_bitcount(Context *c) noexcept nogil:
    cdef char text[NUMBER_TEXT]
    cdef uint64_t start, end
    cdef int64_t count = 0
    cdef bint backward
    cdef BitRange span
    cdef Slice value
    cdef Entry *entry
    if not parse_range_or_reply(c, 2, &span):
        return
    entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_STRING):
        return
    value = value_of(entry, text)
    backward = span.start < 0 and span.end < 0 and span.start > span.end
    if not backward and resolve_range(&span, value.length, &start, &end):
        count = bits_count(<const uint8_t *> value.data, start, end)
    reply_i64(&c.reply, count)


declare(native(cmd_bitcount), "bitcount", -2, "readonly", keys="1 RO access", group="bitmap", since="2.6.0",
        complexity="O(N)", summary="Counts the bits of a string that are one.")


cdef int64_t find_bit(const Entry *entry, const BitRange *span, bint bit) noexcept nogil:
    """The first such bit, or -1. Without an end the string goes on with zeros for ever, and so does a missing
    one."""
    cdef char text[NUMBER_TEXT]
    cdef uint64_t start, end
    cdef int64_t found
    cdef Slice value
    if entry == NULL:
        return -1 if bit else 0
    value = string_slice(entry, text)
    if not resolve_range(span, value.length, &start, &end):
        return -1
    found = bits_find(<const uint8_t *> value.data, value.length, bit, start, end)
    return <int64_t> end if found < 0 and not bit and span.open_end else found


cdef void cmd_bitpos(Context *c) noexcept nogil:
    cdef int64_t bit
    cdef BitRange span
    cdef Entry *entry
    if not arg_i64_or_reply(c, 2, &bit):
        return
    if bit != 0 and bit != 1:
        error(c, b"ERR The bit argument must be 1 or 0.")
        return
    if not parse_range_or_reply(c, 3, &span):
        return
    entry = read_key(c, 1)
    if check_type(c, entry, TYPE_STRING):
        reply_i64(&c.reply, find_bit(entry, &span, bit))


declare(native(cmd_bitpos), "bitpos", -3, "readonly", keys="1 RO access", group="bitmap", since="2.8.7",
        complexity="O(N)", summary="Finds the first bit of a string that is one, or zero.")


# -- BITOP --------------------------------------------------------------------------------------------------

cdef bint parse_operation_or_reply(Context *c, BitOperation *operation) noexcept nogil:
    if arg_is(c, 1, b"and", 3):
        operation[0] = BITS_AND
    elif arg_is(c, 1, b"or", 2):
        operation[0] = BITS_OR
    elif arg_is(c, 1, b"xor", 3):
        operation[0] = BITS_XOR
    elif arg_is(c, 1, b"not", 3):
        operation[0] = BITS_NOT
    else:
        syntax_error(c)
        return False
    if operation[0] == BITS_NOT and c.argc != 4:
        error(c, b"ERR BITOP NOT must be called with a single source key.")
        return False
    return True


cdef bint open_sources_or_reply(Context *c, Sources *sources) noexcept nogil:
    """Look up argv[3:]; the caller frees sources.items."""
    cdef size_t i
    cdef Source *source
    cdef Slice value
    cdef Entry *entry
    sources.count, sources.longest = c.argc - 3, 0
    sources.items = <Source *> memory_alloc(
        sources.count * (sizeof(Source) + sizeof(uint8_t *) + sizeof(size_t)))
    sources.data = <const uint8_t **> (sources.items + sources.count)
    sources.lengths = <size_t *> (sources.data + sources.count)
    for i in range(sources.count):
        source = sources.items + i
        entry = read_key(c, <int> i + 3)
        if not check_type(c, entry, TYPE_STRING):
            memory_free(sources.items)
            return False
        value = value_of(entry, source.text)
        sources.data[i], sources.lengths[i] = <const uint8_t *> value.data, value.length
        if value.length > sources.longest:
            sources.longest = value.length
    return True


cdef void store_bits(Context *c, Blob *blob) noexcept nogil:
    """Set the key at argv[2] to these bytes, and take or free the block."""
    cdef Entry *entry = write_key(c, 2)
    cdef Entry *made = string_new_text(c.argv[2], slice_of(blob.data, blob.length), -1, blob)
    made.flags |= ENTRY_MODIFIED
    if entry_encoding(made) != ENCODING_RAW:
        blob_free(blob)
    if entry == NULL:
        keyspace_add(c.keyspace, c.database, context_key(c, 2), made)
    else:
        keyspace_overwrite(c.keyspace, c.database, entry, made, c.keyspace.lazy_server_del)
    changed(c, 2, EVENT_STRING, b"set")


cdef void cmd_bitop(Context *c) noexcept nogil:
    cdef BitOperation operation
    cdef Sources sources
    cdef Blob *result
    if not parse_operation_or_reply(c, &operation) or not open_sources_or_reply(c, &sources):
        return
    if sources.longest:
        result = blob_new(sources.longest)
        bits_combine(operation, <uint8_t *> result.data, result.length, sources.data, sources.lengths,
                     sources.count)
        store_bits(c, result)
    elif write_key(c, 2) != NULL:
        delete_found(c, context_key(c, 2))
        changed(c, 2, EVENT_GENERIC, b"del")
    reply_i64(&c.reply, sources.longest)
    memory_free(sources.items)


declare(native(cmd_bitop), "bitop", -4, "write denyoom", keys="2 OW update; 3..-1 RO access", group="bitmap",
        since="2.6.0", complexity="O(N)", summary="Combines strings bit by bit and stores the result.")


# -- BITFIELD -----------------------------------------------------------------------------------------------

cdef bint parse_overflow_or_reply(Context *c, int index, int *overflow) noexcept nogil:
    if arg_is(c, index, b"wrap", 4):
        overflow[0] = BITS_WRAP
    elif arg_is(c, index, b"sat", 3):
        overflow[0] = BITS_SAT
    elif arg_is(c, index, b"fail", 4):
        overflow[0] = BITS_FAIL
    else:
        error(c, b"ERR Invalid OVERFLOW type specified")
        return False
    return True


cdef bint parse_width_or_reply(Context *c, int index, Field *field) noexcept nogil:
    """i1 to i64, u1 to u63."""
    cdef Slice text = c.argv[index]
    cdef int64_t width
    if text.length > 1 and (text.data[0] == c'i' or text.data[0] == c'u'):
        field.is_signed = text.data[0] == c'i'
        if parse_i64(text.data + 1, text.length - 1, &width) and 1 <= width <= 63 + field.is_signed:
            field.width = <int> width
            return True
    error(c, b"ERR Invalid bitfield type. "
             b"Use something like i16 u8. Note that u64 is not supported but i64 is.")
    return False


cdef int kind_at(Context *c, int at) noexcept nogil:
    """The FieldKind of the operation at argv[at], -1 for none, or one without all its arguments."""
    cdef int left = c.argc - at - 1
    if left >= 2 and arg_is(c, at, b"get", 3):
        return FIELD_GET
    if left >= 3 and arg_is(c, at, b"set", 3):
        return FIELD_SET
    if left >= 3 and arg_is(c, at, b"incrby", 6):
        return FIELD_INCRBY
    return -1


cdef int next_field(Context *c, int *at, Field *field) noexcept nogil:
    """The operation at argv[at], under field.overflow or what an OVERFLOW before it says; `at` moves behind
    it. 1 for one, 0 for the end, -1 for a mistake, of which the client is told."""
    while at[0] + 1 < c.argc and arg_is(c, at[0], b"overflow", 8):
        if not parse_overflow_or_reply(c, at[0] + 1, &field.overflow):
            return -1
        at[0] += 2
    if at[0] >= c.argc:
        return 0
    field.kind = kind_at(c, at[0])
    if field.kind < 0:
        syntax_error(c)
        return -1
    if not parse_width_or_reply(c, at[0] + 1, field):
        return -1
    if not bit_offset_or_reply(c, at[0] + 2, field.width, &field.offset):
        return -1
    if field.kind != FIELD_GET and not arg_i64_or_reply(c, at[0] + 3, &field.operand):
        return -1
    at[0] += 3 if field.kind == FIELD_GET else 4
    return 1


cdef int read_fields_or_reply(Context *c, bint *writes, uint64_t *last_bit) noexcept nogil:
    """How many operations there are, -1 for a mistake; whether any writes, and the last bit that is
    written."""
    cdef Field field
    cdef int at = 2
    cdef int count = 0
    cdef int outcome
    writes[0], last_bit[0], field.overflow = False, 0, BITS_WRAP
    while True:
        outcome = next_field(c, &at, &field)
        if outcome <= 0:
            return count if outcome == 0 else -1
        count += 1
        if field.kind != FIELD_GET:
            writes[0] = True
            if last_bit[0] < field.offset + field.width - 1:
                last_bit[0] = field.offset + field.width - 1


cdef void reply_field(Context *c, Slice value, const Field *field) noexcept nogil:
    cdef const uint8_t *data = <const uint8_t *> value.data
    if field.is_signed:
        reply_i64(&c.reply, bits_get_signed(data, value.length, field.offset, field.width))
    else:
        reply_i64(&c.reply, bits_get_unsigned(data, value.length, field.offset, field.width))


cdef bint write_signed(Context *c, uint8_t *data, size_t length, const Field *field) noexcept nogil:
    """Run SET or INCRBY of a signed integer and reply; whether it changed."""
    cdef int64_t old = bits_get_signed(data, length, field.offset, field.width)
    cdef bint adds = field.kind == FIELD_INCRBY
    cdef int64_t value
    if not bits_add_signed(old if adds else field.operand, field.operand if adds else 0, field.width,
                           <BitOverflow> field.overflow, &value):
        reply_null(&c.reply)
        return False
    bits_set(data, field.offset, field.width, <uint64_t> value)
    reply_i64(&c.reply, value if adds else old)
    return value != old


cdef bint write_unsigned(Context *c, uint8_t *data, size_t length, const Field *field) noexcept nogil:
    """The same of an unsigned one."""
    cdef uint64_t old = bits_get_unsigned(data, length, field.offset, field.width)
    cdef bint adds = field.kind == FIELD_INCRBY
    cdef uint64_t value
    if not bits_add_unsigned(old if adds else <uint64_t> field.operand, field.operand if adds else 0,
                             field.width, <BitOverflow> field.overflow, &value):
        reply_null(&c.reply)
        return False
    bits_set(data, field.offset, field.width, value)
    reply_i64(&c.reply, <int64_t> (value if adds else old))
    return value != old


cdef int run_fields(Context *c, uint8_t *data, size_t length) noexcept nogil:
    """Run the operations, of which there is no mistake, and reply to each; how many changed something."""
    cdef Field field
    cdef int at = 2
    cdef int changes = 0
    field.overflow = BITS_WRAP
    while next_field(c, &at, &field) > 0:
        if field.kind == FIELD_GET:
            reply_field(c, slice_of(<const char *> data, length), &field)
        elif field.is_signed:
            changes += write_signed(c, data, length, &field)
        else:
            changes += write_unsigned(c, data, length, &field)
    return changes


cdef void read_bits(Context *c, int count) noexcept nogil:
    """BITFIELD that only has GETs."""
    cdef char text[NUMBER_TEXT]
    cdef Slice value
    cdef Entry *entry = read_key(c, 1)
    if check_type(c, entry, TYPE_STRING):
        value = value_of(entry, text)
        reply_array(&c.reply, count)
        run_fields(c, <uint8_t *> value.data, value.length)


cdef void write_bits(Context *c, int count, uint64_t last_bit) noexcept nogil:
    cdef bint grown
    cdef uint8_t *data
    cdef size_t length
    cdef int changes
    cdef Entry *entry = write_key(c, 1)
    if not check_type(c, entry, TYPE_STRING):
        return
    length = string_length(entry) if entry != NULL else 0
    data = open_bits(c, entry, last_bit, &grown)
    if grown:
        length = (last_bit >> 3) + 1
    reply_array(&c.reply, count)
    changes = run_fields(c, data, length)
    if changes or grown:
        changed(c, 1, EVENT_STRING, b"setbit")
        c.keyspace.dirty += changes - 1 if changes else 0


cdef void cmd_bitfield(Context *c) noexcept nogil:
    cdef bint writes
    cdef uint64_t last_bit
    cdef int count = read_fields_or_reply(c, &writes, &last_bit)
    if count < 0:
        return
    if writes:
        write_bits(c, count, last_bit)
    else:
        read_bits(c, count)


declare(native(cmd_bitfield), "bitfield", -2, "write denyoom", keys="1 RW access update variable_flags",
        group="bitmap", since="3.2.0", complexity="O(1)",
        summary="Reads, sets and adds to integers of any width in a string.")


cdef void cmd_bitfield_ro(Context *c) noexcept nogil:
    cdef bint writes
    cdef uint64_t last_bit
    cdef int count = read_fields_or_reply(c, &writes, &last_bit)
    if count < 0:
        return
    if writes:
        error(c, b"ERR BITFIELD_RO only supports the GET subcommand")
    else:
        read_bits(c, count)


declare(native(cmd_bitfield_ro), "bitfield_ro", -2, "readonly fast", keys="1 RO access", group="bitmap",
        since="6.0.0", complexity="O(1)", summary="Reads integers of any width in a string.")
