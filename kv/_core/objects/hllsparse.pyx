"""The sparse form of a HyperLogLog: opcodes for runs of equal registers, all 16384 of them in order.

    00nnnnnn             ZERO    n + 1 registers are 0
    01nnnnnn nnnnnnnn    XZERO   n + 1 registers are 0, high bits first
    1vvvvvnn             VAL     n + 1 registers are v + 1

A HyperLogLog without elements is one XZERO of 16384. Raising a register splits its opcode into up to three; then VALs
around it that have one value are joined, but only among the five opcodes from the one before it. That limit, and the
order of the elements, make the bytes what they are, and they must be the same as Redis makes, since values are compared
and replicated as bytes.

Finding a register means adding up runs from the start. Eight opcodes that are all of one byte are added up at once
(`skip_eights`); XZEROs get rare where there are many opcodes.

Opcodes come from clients (SET, SETRANGE, RESTORE) and may be anything: sums are of 64 bits, every opcode's second byte
is looked for before it is read, and whoever needs all registers demands that the runs make exactly 16384.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memmove, memset

from kv._core.base.buffer cimport Buffer, buffer_reserve
from kv._core.base.machine cimport load_u64_le
from kv._core.base.numbers cimport format_i64
from kv._core.objects.hllregisters cimport HLL_REGISTERS, HllHistogram

cdef enum:
    XZERO = 0x40
    VAL = 0x80
    ZERO_LONGEST = 64
    VAL_LONGEST = 4
    JOIN_REACH = 5              # opcodes that sparse_join looks at
    PRINTED = 32                # bytes that an opcode takes at most as text

cdef struct Opcode:
    int size                    # bytes, 0: its second byte is missing
    int run                     # registers
    int value                   # of each


cdef inline Opcode opcode_at(const uint8_t *codes, size_t length, size_t at) noexcept nogil:
    cdef Opcode code
    cdef uint8_t byte = codes[at]
    code.size, code.value = 1, 0
    if byte & VAL:
        code.run = (byte & 3) + 1
        code.value = (byte >> 2 & 31) + 1
    elif not byte & XZERO:
        code.run = byte + 1
    elif at + 1 < length:
        code.size = 2
        code.run = ((byte & 63) << 8 | codes[at + 1]) + 1
    else:
        code.size = code.run = 0
    return code


# -- finding ----------------------------------------------------------------------------------------------------------

cdef inline int run_of_eight(uint64_t codes) noexcept nogil:
    """The registers of eight opcodes of one byte; 0 where one of them is an XZERO."""
    cdef uint64_t high = codes & 0x8080808080808080ULL
    cdef uint64_t runs
    if codes & 0x4040404040404040ULL & ~(high >> 1):
        return 0
    runs = codes & (0x3f3f3f3f3f3f3f3fULL ^ (high >> 2 | high >> 3 | high >> 4 | high >> 5))
    runs = (runs & 0x00ff00ff00ff00ffULL) + (runs >> 8 & 0x00ff00ff00ff00ffULL)
    return <int> (runs * 0x0001000100010001ULL >> 48) + 8


cdef inline bint skip_eights(const uint8_t *codes, size_t length, uint32_t index, size_t *at,
                             int64_t *first) noexcept nogil:
    """Move on by eight opcodes of one byte as long as they end before the register; whether there were any."""
    cdef size_t start = at[0]
    cdef int run
    while at[0] + 8 <= length:
        run = run_of_eight(load_u64_le(codes + at[0]))
        if run == 0 or first[0] + run > index:
            break
        at[0] += 8
        first[0] += run
    return at[0] != start


cdef bint sparse_find(const uint8_t *codes, size_t length, uint32_t index, SparseCursor *cursor,
                      SparsePlace *place) noexcept nogil:
    """The opcode that covers a register, searched from the cursor on, which must not be behind it. The cursor moves to
    the last but one before it: joining begins with the one before it, so that one may yet change."""
    cdef size_t at = cursor.at
    cdef size_t previous = at
    cdef size_t earlier = at
    cdef int64_t first = cursor.first
    cdef int64_t earlier_first = first
    cdef int64_t previous_first = first
    cdef Opcode code
    while at < length:
        if skip_eights(codes, length, index, &at, &first):
            previous, earlier = at - 1, at - 2
            previous_first = first - opcode_at(codes, length, previous).run
            earlier_first = previous_first - opcode_at(codes, length, earlier).run
            if at == length:
                return False
        code = opcode_at(codes, length, at)
        if code.size == 0:
            return False
        if first + code.run > index:
            cursor.at, cursor.first = earlier, earlier_first
            place.at, place.previous, place.first, place.end = at, previous, first, first + code.run
            place.size, place.value = code.size, code.value
            return True
        earlier, earlier_first = previous, previous_first
        previous, previous_first = at, first
        at, first = at + code.size, first + code.run
    return False


# -- changing ---------------------------------------------------------------------------------------------------------

cdef inline int put_zeros(uint8_t *out, int64_t run) noexcept nogil:
    """An opcode for so many zeros; its bytes."""
    if run == 0:
        return 0
    if run <= ZERO_LONGEST:
        out[0] = <uint8_t> (run - 1)
        return 1
    out[0] = <uint8_t> (XZERO | (run - 1) >> 8)
    out[1] = <uint8_t> (run - 1)
    return 2


cdef inline int put_values(uint8_t *out, int value, int64_t run) noexcept nogil:
    """An opcode for so many registers of a value, up to VAL_LONGEST; its bytes."""
    if run == 0:
        return 0
    out[0] = <uint8_t> (VAL | (value - 1) << 2 | (run - 1))
    return 1


cdef int sparse_split(const SparsePlace *place, uint32_t index, int value, uint8_t *out) noexcept nogil:
    cdef int64_t before = index - place.first
    cdef int64_t after = place.end - index - 1
    cdef int length
    if place.value:
        length = put_values(out, place.value, before)
        length += put_values(out + length, value, 1)
        return length + put_values(out + length, place.value, after)
    length = put_zeros(out, before)
    length += put_values(out + length, value, 1)
    return length + put_zeros(out + length, after)


cdef size_t sparse_join(uint8_t *codes, size_t length, size_t at) noexcept nogil:
    cdef int left = JOIN_REACH
    cdef int run
    while at < length and left > 0:
        left -= 1
        if not codes[at] & VAL:
            at += 2 if codes[at] & XZERO else 1
            continue
        if at + 1 < length and (codes[at] ^ codes[at + 1]) & ~3 == 0:
            run = (codes[at] & 3) + (codes[at + 1] & 3) + 2
            if run <= VAL_LONGEST:
                codes[at + 1] = <uint8_t> ((codes[at] & ~3) | (run - 1))
                memmove(codes + at, codes + at + 1, length - at - 1)
                length -= 1
                continue
        at += 1
    return length


# -- reading all ------------------------------------------------------------------------------------------------------

cdef bint sparse_merge(const uint8_t *codes, size_t length, uint8_t *registers) noexcept nogil:
    """Raise each register, a byte each, to what it is here; false, with some of them raised, where it is corrupt."""
    cdef size_t at = 0
    cdef int64_t first = 0
    cdef Opcode code
    cdef int i
    while at < length:
        code = opcode_at(codes, length, at)
        if code.size == 0 or first + code.run > HLL_REGISTERS:
            return False
        if code.value:
            for i in range(code.run):
                if registers[first + i] < code.value:
                    registers[first + i] = <uint8_t> code.value
        first += code.run
        at += code.size
    return first == HLL_REGISTERS


cdef bint sparse_histogram(const uint8_t *codes, size_t length, HllHistogram *histogram) noexcept nogil:
    cdef size_t at = 0
    cdef int64_t total = 0
    cdef Opcode code
    memset(histogram, 0, sizeof(HllHistogram))
    while at < length:
        code = opcode_at(codes, length, at)
        if code.size == 0 or total + code.run > HLL_REGISTERS:
            return False
        histogram.counts[code.value] += code.run
        total += code.run
        at += code.size
    return total == HLL_REGISTERS


cdef void sparse_print(const uint8_t *codes, size_t length, Buffer *out) noexcept nogil:
    """As PFDEBUG DECODE shows them: z:run, Z:run, v:value,run. Ends where an opcode lacks its second byte."""
    cdef size_t at = 0
    cdef char *text
    cdef Opcode code
    while at < length:
        code = opcode_at(codes, length, at)
        if code.size == 0:
            return
        text = buffer_reserve(out, PRINTED)
        if at:
            text[0] = c' '
            text += 1
        text[0] = c'v' if code.value else c'Z' if code.size == 2 else c'z'
        text[1] = c':'
        text += 2
        if code.value:
            text += format_i64(text, code.value)
            text[0] = c','
            text += 1
        text += format_i64(text, code.run)
        out.length = text - out.data
        at += code.size
