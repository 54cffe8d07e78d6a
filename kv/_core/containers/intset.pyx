"""The intset: how a small set of integers is stored.

    byte  0            4            8          8 + width
          +------------+------------+----------+----------+-- ... --+
          | width (32) | count (32) | number 0 | number 1 |         |
          +------------+------------+----------+----------+-- ... --+

All fields are little-endian, the numbers two's complement, ascending, each as wide (2, 4 or 8 bytes) as the widest one
that was ever added needs: deleting does not narrow a set. (Redis's intset.h; RDB files carry it as it is.)

The one number that makes a set wider is either below or above all that are there, so widening needs no search.
"""
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t
from libc.string cimport memcpy, memmove

from kv._core.base.memory cimport memory_alloc, memory_free, memory_realloc, memory_size
from kv._core.base.random cimport Random, random_below


cdef inline uint32_t width_of(int64_t number) noexcept nogil:
    if <int16_t> number == number:
        return 2
    return 4 if <int32_t> number == number else 8


cdef inline int64_t number_at(const Intset *set, uint32_t width, uint32_t index) noexcept nogil:
    cdef int16_t narrow
    cdef int32_t middle
    cdef int64_t wide
    if width == 2:
        memcpy(&narrow, set.numbers + 2 * <size_t> index, 2)
        return narrow
    if width == 4:
        memcpy(&middle, set.numbers + 4 * <size_t> index, 4)
        return middle
    memcpy(&wide, set.numbers + 8 * <size_t> index, 8)
    return wide


cdef inline void number_set(Intset *set, uint32_t index, int64_t number) noexcept nogil:
    memcpy(set.numbers + <size_t> set.width * index, &number, set.width)


cdef inline bint search(const Intset *set, int64_t number, uint32_t *index) noexcept nogil:
    """Whether it is there; *index is where it is or belongs."""
    cdef uint32_t low = 0
    cdef uint32_t high = set.count
    cdef uint32_t middle
    cdef int64_t found
    if high and number > number_at(set, set.width, high - 1):      # numbers often come in order
        index[0] = high
        return False
    while low < high:
        middle = low + (high - low) // 2
        found = number_at(set, set.width, middle)
        if found == number:
            index[0] = middle
            return True
        if found < number:
            low = middle + 1
        else:
            high = middle
    index[0] = low
    return False


cdef Intset *intset_new() noexcept nogil:
    cdef Intset *set = <Intset *> memory_alloc(INTSET_HEADER)
    set.width = 2
    set.count = 0
    return set


cdef Intset *intset_copy(const void *bytes, size_t length) noexcept nogil:
    cdef Intset *set = <Intset *> memory_alloc(length)
    memcpy(set, bytes, length)
    return set


cdef void intset_free(Intset *set) noexcept nogil:
    memory_free(set)


cdef inline Intset *resized(Intset *set, size_t length) noexcept nogil:
    """Kept where it is while it fits and wastes less than a quarter."""
    cdef size_t held = memory_size(set)
    if length <= held and (held <= 32 or held - length <= held // 4):
        return set
    return <Intset *> memory_realloc(set, length)


cdef Intset *widened(Intset *set, int64_t number) noexcept nogil:
    """The set with a number that is too wide for it."""
    cdef uint32_t narrow = set.width
    cdef uint32_t index = set.count
    cdef uint32_t shift = number < 0
    set = resized(set, INTSET_HEADER + <size_t> width_of(number) * (set.count + 1))
    set.width = width_of(number)
    while index:
        index -= 1
        number_set(set, index + shift, number_at(set, narrow, index))
    number_set(set, 0 if shift else set.count, number)
    set.count += 1
    return set


cdef Intset *intset_add(Intset *set, int64_t number, bint *added) noexcept nogil:
    cdef uint32_t index
    added[0] = True
    if width_of(number) > set.width:
        return widened(set, number)
    if search(set, number, &index):
        added[0] = False
        return set
    set = resized(set, intset_bytes(set) + set.width)
    memmove(set.numbers + <size_t> set.width * (index + 1), set.numbers + <size_t> set.width * index,
            <size_t> set.width * (set.count - index))
    number_set(set, index, number)
    set.count += 1
    return set


cdef Intset *intset_remove(Intset *set, int64_t number, bint *removed) noexcept nogil:
    cdef uint32_t index
    removed[0] = width_of(number) <= set.width and search(set, number, &index)
    if not removed[0]:
        return set
    set.count -= 1
    memmove(set.numbers + <size_t> set.width * index, set.numbers + <size_t> set.width * (index + 1),
            <size_t> set.width * (set.count - index))
    return resized(set, intset_bytes(set))


cdef bint intset_has(const Intset *set, int64_t number) noexcept nogil:
    cdef uint32_t index
    return width_of(number) <= set.width and search(set, number, &index)


cdef int64_t intset_get(const Intset *set, uint32_t index) noexcept nogil:
    return number_at(set, set.width, index)


cdef int64_t intset_min(const Intset *set) noexcept nogil:
    return number_at(set, set.width, 0)


cdef int64_t intset_max(const Intset *set) noexcept nogil:
    return number_at(set, set.width, set.count - 1)


cdef int64_t intset_random(const Intset *set, Random *random) noexcept nogil:
    return number_at(set, set.width, <uint32_t> random_below(random, set.count))


cdef bint intset_validate(const void *bytes, size_t length) noexcept nogil:
    """Whether bytes from a stranger are a set that is not empty: as long as it says, ascending, without repetition."""
    cdef const Intset *set = <const Intset *> bytes
    cdef uint32_t index
    if length < INTSET_HEADER or (set.width != 2 and set.width != 4 and set.width != 8):
        return False
    if set.count == 0 or intset_bytes(set) != length:
        return False
    for index in range(1, set.count):
        if number_at(set, set.width, index - 1) >= number_at(set, set.width, index):
            return False
    return True


cdef const char *intset_check(const Intset *set) noexcept nogil:
    """NULL, or which invariant does not hold."""
    if intset_bytes(set) > memory_size(set):
        return b"an intset that is longer than its block"
    if set.count and not intset_validate(set, intset_bytes(set)):
        return b"an intset that is not well formed"
    return NULL
