"""LZF, the format of Marc Lehmann's liblzf: literal runs and references into the last 8 KiB.

    000LLLLL <L+1 bytes>            1 to 32 bytes as they are
    LLLooooo oooooooo               L + 2 bytes (L = 1 to 6) from o + 1 bytes back
    111ooooo LLLLLLLL oooooooo      L + 9 bytes from o + 1 bytes back

A reference may overlap what it produces: "a" then "7 bytes from 1 back" is eight times "a".

The compressor remembers in a small table where it last saw each three bytes (by hash, so it compares before
it believes; for the same reason a place never used may say position 0). The window is 8 KiB, so 2^14 places
are plenty, and a short string clears and uses as few as it has bytes: most values are short, and clearing
would cost more than compressing them. What it writes need not be, and is not, the bytes liblzf would write.

What does not compress is given up early: each 32 places without a match make the step to the next place larger by one,
up to STEP_MOST, and the next match makes it one again. So random bytes cost half at 100 bytes and a fiftieth at 8 KiB,
while JSON and prose, where something repeats every few words, come out as short as before.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from kv._core.base.machine cimport load_u32_le

cdef enum:
    WINDOW = 8192        # the farthest reference
    LITERAL_RUN = 32     # the longest run
    MATCH_MIN = 3        # the shortest reference
    LOADED = 4           # bytes that are read to compare three: a match that ends with the text is not looked for
    MATCH_MAX = 264      # the longest
    MATCH_SHORT = 8      # the longest whose length needs no byte of its own
    TABLE_BITS_MIN = 6
    TABLE_BITS_MAX = 14
    STEP_SHIFT = 5       # 32 places without a match make the step larger by one
    STEP_MOST = 16       # the largest step

cdef size_t LENGTH_LIMIT = 0xFFFFFFF0  # positions are kept in 32 bits


cdef struct Output:
    uint8_t *next  # where the next byte goes
    uint8_t *end   # end of the caller's target


cdef size_t lzf_compress(const void *source, size_t length, void *target, size_t capacity) noexcept nogil:
    cdef uint32_t[1 << TABLE_BITS_MAX] table  # where such three bytes were last seen; 0 also for never
    cdef const uint8_t *data = <const uint8_t *>source
    cdef Output output = Output(<uint8_t *>target, <uint8_t *>target + capacity)
    cdef size_t position = 0, literals = 0, missed = 0, match_at, match, step
    cdef uint32_t three, slot
    cdef int bits = table_bits(length)
    if length > LENGTH_LIMIT:
        return 0
    memset(table, 0, sizeof(uint32_t) << bits)
    while position + LOADED <= length:
        three = three_bytes(data + position)
        slot = hash_of(three, bits)
        match_at = table[slot]
        table[slot] = <uint32_t>position
        if three_bytes(data + match_at) != three or position - match_at - 1 >= WINDOW:
            step = 1 + (missed >> STEP_SHIFT)
            position += step if step < STEP_MOST else STEP_MOST
            missed += 1
            continue
        match = match_length(data, match_at, position, length)
        if not put_literals(&output, data + literals, position - literals):
            return 0
        if not put_reference(&output, position - match_at - 1, match):
            return 0
        remember(table, bits, data, position + 1, position + match, length)
        position += match
        literals = position
        missed = 0
    if not put_literals(&output, data + literals, length - literals):
        return 0
    return output.next - <uint8_t *>target


cdef inline int table_bits(size_t length) noexcept nogil:
    cdef int bits = TABLE_BITS_MIN
    while bits < TABLE_BITS_MAX and (<size_t>1 << bits) < length:
        bits += 1
    return bits


cdef inline uint32_t three_bytes(const uint8_t *at) noexcept nogil:
    """Three bytes as a number, by one load of LOADED bytes."""
    return load_u32_le(at) << 8


cdef inline uint32_t hash_of(uint32_t three, int bits) noexcept nogil:
    return (three * <uint32_t>2654435761) >> (32 - bits)


cdef inline size_t match_length(const uint8_t *data, size_t old, size_t new, size_t length) noexcept nogil:
    cdef size_t limit = length - new
    cdef size_t match = MATCH_MIN
    if limit > MATCH_MAX:
        limit = MATCH_MAX
    while match < limit and data[old + match] == data[new + match]:
        match += 1
    return match


cdef inline void remember(uint32_t *table, int bits, const uint8_t *data, size_t position, size_t end,
                          size_t length) noexcept nogil:
    """Enter the last two places inside a match: enough to find the next repeat, cheaper than all of them."""
    if end - position > 2:
        position = end - 2
    while position < end and position + LOADED <= length:
        table[hash_of(three_bytes(data + position), bits)] = <uint32_t>position
        position += 1


cdef bint put_literals(Output *output, const uint8_t *data, size_t count) noexcept nogil:
    cdef size_t run
    while count:
        run = LITERAL_RUN if count > LITERAL_RUN else count
        if <size_t>(output.end - output.next) < run + 1:
            return False
        output.next[0] = <uint8_t>(run - 1)
        memcpy(output.next + 1, data, run)
        output.next += run + 1
        data += run
        count -= run
    return True


cdef bint put_reference(Output *output, size_t offset, size_t match) noexcept nogil:
    cdef int size = 2 if match <= MATCH_SHORT else 3
    if output.end - output.next < size:
        return False
    if match <= MATCH_SHORT:
        output.next[0] = <uint8_t>((match - 2) << 5 | offset >> 8)
    else:
        output.next[0] = <uint8_t>(7 << 5 | offset >> 8)
        output.next[1] = <uint8_t>(match - 9)
    output.next[size - 1] = <uint8_t>offset
    output.next += size
    return True


cdef size_t lzf_decompress(const void *source, size_t length, void *target, size_t capacity) noexcept nogil:
    cdef const uint8_t *next = <const uint8_t *>source
    cdef const uint8_t *end = next + length
    cdef Output output = Output(<uint8_t *>target, <uint8_t *>target + capacity)
    cdef size_t control, offset, count
    while next < end:
        control = next[0]
        next += 1
        if control < LITERAL_RUN:
            count = control + 1
            if <size_t>(end - next) < count or <size_t>(output.end - output.next) < count:
                return 0
            memcpy(output.next, next, count)
            output.next += count
            next += count
            continue
        count = control >> 5
        if end - next < (2 if count == 7 else 1):
            return 0
        if count == 7:
            count += next[0]
            next += 1
        offset = ((control & 0x1F) << 8 | next[0]) + 1
        next += 1
        if not copy_back(&output, <uint8_t *>target, offset, count + 2):
            return 0
    return output.next - <uint8_t *>target


cdef inline bint copy_back(Output *output, const uint8_t *begin, size_t offset, size_t count) noexcept nogil:
    cdef const uint8_t *old
    if <size_t>(output.next - begin) < offset or <size_t>(output.end - output.next) < count:
        return False
    old = output.next - offset
    while count > offset:  # an overlap: what there is repeats, and each copy doubles it
        memcpy(output.next, old, offset)
        output.next += offset
        count -= offset
        offset *= 2
    memcpy(output.next, old, count)
    output.next += count
    return True
