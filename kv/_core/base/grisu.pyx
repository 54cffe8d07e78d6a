"""Grisu2: the digits of a double, by integer arithmetic alone (Florian Loitsch, "Printing Floating-Point
Numbers Quickly and Accurately with Integers", PLDI 2010).

A double stands for every real number between the midpoints to its two neighbours. Any decimal strictly
inside that interval reads back as the same double, so the task is to find the shortest one. Multiplying
the interval by a power of ten chosen so that its binary exponent lands between -60 and -32 leaves a number
whose integer part fits 32 bits and whose digits fall out by division and multiplication by ten.

Why not a newer algorithm? About one double in a thousand has a shorter or a closer form than the one Grisu2
finds, because the interval is narrowed by the error of the product. Ryu and its successors find
them all, and for exactly that reason would print another text than Valkey for the same score. Clients compare
replies as text, and a replica's AOF should not depend on who wrote it, so the choices that are
visible in the digits (which power of ten, how the product rounds, how the last digit moves) are those of
Valkey's printer.
"""
from libc.stdint cimport uint32_t, uint64_t

from kv._core.base.machine cimport double_to_bits, leading_zeros_u64, multiply_u64

cdef enum:
    FRACTION_BITS = 52
    EXPONENT_MASK = 0x7FF
    EXPONENT_BIAS = 1023 + FRACTION_BITS
    FIRST_POWER = -348  # decimal exponent of POWERS[0]
    POWER_STEP = 8
    POWER_COUNT = 87
    EXPONENT_LOW = -60  # binary exponent of a scaled number: at least 32 bits of fraction,
    EXPONENT_HIGH = -32  # at most 32 of integer part

cdef uint64_t HIDDEN_BIT = <uint64_t>1 << FRACTION_BITS


cdef struct Binary:
    uint64_t fraction  # the value is fraction * 2^exponent
    int exponent

cdef struct Interval:
    Binary value  # the double itself; the three share one exponent
    uint64_t upper  # fraction of the midpoint to the next double
    uint64_t lower  # fraction of the midpoint to the one before


cdef Binary[POWER_COUNT] POWERS  # 10^(FIRST_POWER + i * POWER_STEP), rounded to 64 bits
cdef uint64_t[20] TENS  # 10^i


def _fill_tables():
    """Compute both tables from their definition: a table nobody typed has no typing errors."""
    for i in range(20):
        TENS[i] = 10 ** i
    for i in range(POWER_COUNT):
        power = FIRST_POWER + i * POWER_STEP
        numerator, denominator = 10 ** max(power, 0), 10 ** max(-power, 0)
        exponent = numerator.bit_length() - denominator.bit_length() - 64
        if numerator << max(-exponent, 0) >= denominator << (64 + max(exponent, 0)):
            exponent += 1
        scaled = (numerator << (max(-exponent, 0) + 1)) // (denominator << max(exponent, 0))
        POWERS[i].fraction = (scaled + 1) >> 1
        POWERS[i].exponent = exponent


_fill_tables()


cdef int grisu_digits(double value, char *digits, int *point) noexcept nogil:
    cdef Interval interval
    cdef int power, count, last_power
    interval_of(&interval, value)
    power = scale(&interval)
    count = generate(&interval, digits, &last_power)
    point[0] = count + last_power - power
    return count


cdef void interval_of(Interval *interval, double value) noexcept nogil:
    """Both midpoints, normalised so that the upper one uses all 64 bits."""
    cdef uint64_t bits = double_to_bits(value)
    cdef uint64_t fraction = bits & (HIDDEN_BIT - 1)
    cdef int biased = <int>(bits >> FRACTION_BITS) & EXPONENT_MASK
    cdef int shift
    if biased:
        fraction |= HIDDEN_BIT
    else:
        biased = 1
    shift = leading_zeros_u64(fraction)
    interval.value.fraction = fraction << shift
    interval.value.exponent = biased - EXPONENT_BIAS - shift
    interval.upper = (2 * fraction + 1) << (shift - 1)
    # The doubles below a power of two lie twice as dense.
    if fraction == HIDDEN_BIT:
        interval.lower = (4 * fraction - 1) << (shift - 2)
    else:
        interval.lower = (2 * fraction - 1) << (shift - 1)


cdef int scale(Interval *interval) noexcept nogil:
    """Multiply by the power of ten that brings the exponent into range; return that power."""
    cdef int exponent = interval.value.exponent
    cdef int index = (<int>(-(exponent + POWER_COUNT) * 0.30102999566398114) - FIRST_POWER) // POWER_STEP
    cdef Binary *power
    while exponent + POWERS[index].exponent + 64 < EXPONENT_LOW:
        index += 1
    while exponent + POWERS[index].exponent + 64 > EXPONENT_HIGH:
        index -= 1
    power = &POWERS[index]
    interval.value.fraction = multiply_rounded(interval.value.fraction, power.fraction)
    interval.value.exponent = exponent + power.exponent + 64
    # Each product may be off by one in its last place: narrow the interval by as much.
    interval.upper = multiply_rounded(interval.upper, power.fraction) - 1
    interval.lower = multiply_rounded(interval.lower, power.fraction) + 1
    return FIRST_POWER + index * POWER_STEP


cdef inline uint64_t multiply_rounded(uint64_t a, uint64_t b) noexcept nogil:
    cdef uint64_t low
    cdef uint64_t high = multiply_u64(a, b, &low)
    return high + (low >> 63)


cdef int generate(Interval *interval, char *digits, int *last_power) noexcept nogil:
    """Digits of the upper midpoint until the rest fits in the interval, then closer to the value."""
    cdef int shift = -interval.value.exponent
    cdef uint64_t width = interval.upper - interval.lower
    cdef uint64_t target = interval.upper - interval.value.fraction
    cdef uint64_t fraction = interval.upper & ((<uint64_t>1 << shift) - 1)
    cdef uint32_t whole = <uint32_t>(interval.upper >> shift)
    cdef int count = 0
    cdef int left = whole_digits(whole)
    cdef uint32_t unit
    cdef uint64_t rest
    while left > 0:
        left -= 1
        unit = <uint32_t>TENS[left]
        digits[count] = 48 + <char>(whole // unit)
        count += 1
        whole %= unit
        rest = (<uint64_t>whole << shift) + fraction
        if rest <= width:
            last_power[0] = left
            approach(&digits[count - 1], width, rest, <uint64_t>unit << shift, target)
            return count
    return generate_fraction(digits, count, shift, fraction, width, target, last_power)


cdef int generate_fraction(char *digits, int count, int shift, uint64_t fraction, uint64_t width,
                           uint64_t target, int *last_power) noexcept nogil:
    cdef uint64_t one = <uint64_t>1 << shift
    cdef int power = 0
    while True:
        fraction *= 10
        width *= 10
        power += 1
        digits[count] = 48 + <char>(fraction >> shift)
        count += 1
        fraction &= one - 1
        if fraction < width:
            last_power[0] = -power
            approach(&digits[count - 1], width, fraction, one, target * TENS[power])
            return count


cdef inline int whole_digits(uint32_t whole) noexcept nogil:
    cdef int count = 1
    while count < 10 and whole >= TENS[count]:
        count += 1
    return count


cdef inline void approach(char *digit, uint64_t width, uint64_t rest, uint64_t unit,
                          uint64_t target) noexcept nogil:
    """Lower the last digit while that brings the number nearer to the value and keeps it inside."""
    while rest < target and width - rest >= unit and (
            rest + unit < target or target - rest > rest + unit - target):
        digit[0] -= 1
        rest += unit
