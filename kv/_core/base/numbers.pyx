"""Numbers to text and back.

An integer is accepted in its canonical form only: the text that format_i64 would print, nothing else. That
is what lets a string be stored as a machine integer and still be given back byte for byte, so "+1", "01",
"-0" and " 1" are strings.

A double is accepted as strtod accepts it (decimal, exponent, hexadecimal, inf, infinity), without leading
space and without NaN, and refused when it overflows or vanishes to zero. Almost every score a client sends
is a short decimal, and those need no strtod: an integer below 2^53 and a power of ten up to 10^22 are both
exact doubles, so their product or quotient is rounded once and is the right one (Clinger, 1990). The rest
goes to the C library, in whose "C" numeric locale this assumes to run: nothing in the project sets another.

A double is printed by Valkey's rules: an integral value up to 2^62 as an integer, else the shortest digits
(see grisu), laid out plainly or with an exponent (see format_magnitude). INCRBYFLOAT works with long doubles
and prints them with 17 decimals, cut after the last one that is not zero.

printf's %g of up to 14 digits, which JSON is written with, is the shortest digits rounded: where there are no more of them, no
other decimal of so many digits is as near to the value.
"""
cimport libc.errno
from libc.errno cimport ERANGE
from libc.math cimport fabs, isinf, signbit
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport free, malloc, strtod
from libc.string cimport memcpy, memset

from kv._core.base.grisu cimport GRISU_DIGITS, grisu_digits
from kv._core.base.machine cimport leading_zeros_u64


cdef extern from "<stdlib.h>" nogil:
    long double strtold(const char *text, char **end)

cdef enum:
    I64_DIGITS = 19      # of the largest one; any number of 19 digits fits an unsigned 64 bit integer
    SHORT_TEXT = 256     # a longer double is copied to the heap to be terminated
    EXACT_POWER = 22     # the largest power of ten that is exact in a double
    EXPONENT_LIMIT = 10000
    DOUBT = 20           # see round_digits
    PLAIN_ZEROS = 7      # zeros written out to avoid an exponent: up to 7 behind, 6 in front

cdef uint64_t EXACT_INTEGER = <uint64_t>1 << 53
cdef uint64_t MANTISSA_LIMIT = 10 ** 18  # one more digit cannot overflow
cdef double LEAST_NORMAL = 2.0 ** -1022  # smaller ones have fewer digits than their text
cdef double LARGEST = (2.0 - 2.0 ** -52) * 2.0 ** 1023
cdef double WHOLE_LIMIT = 2.0 ** 62      # Valkey prints whole numbers as integers up to here
cdef long double LONG_WHOLE_LIMIT = 2.0 ** 62

cdef char[200] PAIRS          # "00" to "99"
cdef uint64_t[20] TENS        # 10^i
cdef double[EXACT_POWER + 1] EXACT_TENS


def _fill_tables():
    for i in range(100):
        PAIRS[2 * i] = 48 + i // 10
        PAIRS[2 * i + 1] = 48 + i % 10
    for i in range(20):
        TENS[i] = 10 ** i
    for i in range(EXACT_POWER + 1):
        EXACT_TENS[i] = 10 ** i


_fill_tables()


# Integers

cdef bint parse_i64(const char *text, size_t length, int64_t *value) noexcept nogil:
    cdef bint negative = length > 1 and text[0] == c"-"
    cdef uint64_t magnitude = 0
    cdef unsigned int digit
    cdef size_t i
    text += negative
    length -= negative
    if length == 0 or length > I64_DIGITS:
        return False
    if text[0] == c"0":
        if length > 1 or negative:
            return False
        value[0] = 0
        return True
    for i in range(length):
        digit = <unsigned char>text[i] - <unsigned int>48
        if digit > 9:
            return False
        magnitude = magnitude * 10 + digit
    if magnitude > <uint64_t>0x7FFFFFFFFFFFFFFF + negative:
        return False
    value[0] = <int64_t>(0 - magnitude if negative else magnitude)
    return True


cdef int format_u64(char *out, uint64_t value) noexcept nogil:
    cdef int length = decimal_length(value)
    cdef char *end = out + length
    while value >= 100:
        end -= 2
        memcpy(end, PAIRS + 2 * (value % 100), 2)
        value //= 100
    if value >= 10:
        memcpy(out, PAIRS + 2 * value, 2)
    else:
        out[0] = <char>(48 + value)
    return length


cdef int format_i64(char *out, int64_t value) noexcept nogil:
    if value >= 0:
        return format_u64(out, <uint64_t>value)
    out[0] = c"-"
    return 1 + format_u64(out + 1, 0 - <uint64_t>value)


cdef inline int decimal_length(uint64_t value) noexcept nogil:
    # bits * log10(2), in fixed point, is the number of digits or one less; 0 is counted as 1
    cdef int length = ((64 - leading_zeros_u64(value | 1)) * 1233) >> 12
    return length + ((value | 1) >= TENS[length])


# Doubles

cdef struct Decimal:
    uint64_t mantissa  # the digits as an integer, at most MANTISSA_LIMIT * 10
    int exponent       # the value is mantissa * 10^exponent
    bint negative


cdef bint parse_double(const char *text, size_t length, double *value) noexcept nogil:
    cdef Decimal decimal
    if scan_decimal(&decimal, text, text + length) != text + length or not exact_double(&decimal, value):
        return parse_double_slowly(text, length, value)
    return True


cdef const char *scan_double(const char *text, const char *end, double *value) noexcept nogil:
    cdef Decimal decimal
    cdef const char *stop = scan_decimal(&decimal, text, end)
    cdef char *after
    # What goes on may be more digits than a mantissa has room for, or hexadecimal.
    if stop != NULL and not is_digit(stop[0]) and (stop[0] | 0x20) != c"x" and exact_double(&decimal, value):
        return stop
    value[0] = strtod(text, &after)
    return after if after != text else NULL


cdef inline bint exact_double(Decimal *decimal, double *value) noexcept nogil:
    """Whether one multiplication or division gives the right double."""
    cdef double result = <double>decimal.mantissa
    if decimal.mantissa > EXACT_INTEGER:
        return False
    if 0 <= decimal.exponent <= EXACT_POWER:
        result *= EXACT_TENS[decimal.exponent]
    elif -EXACT_POWER <= decimal.exponent < 0:
        result /= EXACT_TENS[-decimal.exponent]
    elif decimal.mantissa:
        return False
    value[0] = -result if decimal.negative else result
    return True


cdef const char *scan_decimal(Decimal *decimal, const char *text, const char *end) noexcept nogil:
    """Where a plain decimal of at most 19 digits ends; NULL: none begins here, or another form that strtod may know."""
    cdef const char *start
    cdef bint any_digit
    decimal.mantissa = 0
    decimal.exponent = 0
    decimal.negative = text < end and text[0] == c"-"
    if text < end and (text[0] == c"-" or text[0] == c"+"):
        text += 1
    start = text
    text = scan_digits(&decimal.mantissa, text, end)
    any_digit = text > start
    if text < end and text[0] == c".":
        start = text + 1
        text = scan_digits(&decimal.mantissa, start, end)
        if text - start > EXPONENT_LIMIT:
            return NULL
        decimal.exponent = -<int>(text - start)
        any_digit = any_digit or text > start
    if not any_digit:
        return NULL
    if text < end and (text[0] | 0x20) == c"e":
        return scan_exponent(&decimal.exponent, text, end)
    return text


cdef inline const char *scan_digits(uint64_t *number, const char *text, const char *end) noexcept nogil:
    """Read digits while they fit; the first byte not read is returned."""
    cdef uint64_t value = number[0]
    cdef unsigned int digit
    while text < end and value < MANTISSA_LIMIT:
        digit = <unsigned char>text[0] - <unsigned int>48
        if digit > 9:
            break
        value = value * 10 + digit
        text += 1
    number[0] = value
    return text


cdef const char *scan_exponent(int *exponent, const char *text, const char *end) noexcept nogil:
    """Where it ends; NULL: it has no digits, or too many. The text begins with its letter."""
    cdef uint64_t digits = 0
    cdef const char *start
    cdef bint negative
    text += 1
    negative = text < end and text[0] == c"-"
    if text < end and (text[0] == c"-" or text[0] == c"+"):
        text += 1
    start = text
    text = scan_digits(&digits, text, end)
    if text == start or digits > EXPONENT_LIMIT:
        return NULL
    exponent[0] += -<int>digits if negative else <int>digits
    return text


cdef bint parse_double_slowly(const char *text, size_t length, double *value) noexcept nogil:
    """strtod on a terminated copy."""
    cdef char[SHORT_TEXT] short_copy
    cdef char *copy = short_copy
    cdef bint accepted
    if length >= SHORT_TEXT:
        copy = <char *>malloc(length + 1)
        if copy == NULL:
            return False
    memcpy(copy, text, length)
    copy[length] = 0
    accepted = parse_terminated_double(copy, length, value)
    if copy != short_copy:
        free(copy)
    return accepted


cdef bint parse_terminated_double(const char *text, size_t length, double *value) noexcept nogil:
    cdef char *end
    cdef double result
    if length == 0 or is_space(text[0]):
        return False
    libc.errno.errno = 0
    result = strtod(text, &end)
    if end != text + length or result != result:
        return False
    if libc.errno.errno == ERANGE and (result == 0 or isinf(result)):
        return False
    value[0] = result
    return True


cdef inline bint is_space(char byte) noexcept nogil:
    return byte == c" " or 9 <= byte <= 13


cdef inline bint is_digit(char byte) noexcept nogil:
    return c"0" <= byte <= c"9"


cdef int format_double(char *out, double value) noexcept nogil:
    cdef int64_t whole
    if -WHOLE_LIMIT <= value <= WHOLE_LIMIT:
        whole = <int64_t>value
        if <double>whole == value and (whole or not signbit(value)):
            return format_i64(out, whole)
    return format_shortest(out, value)


cdef int format_shortest(char *out, double value) noexcept nogil:
    if value != value:
        memcpy(out, b"nan", 3)
        return 3
    if signbit(value):
        out[0] = c"-"
        return 1 + format_magnitude(out + 1, -value)
    return format_magnitude(out, value)


cdef int format_magnitude(char *out, double value) noexcept nogil:
    cdef char[GRISU_DIGITS] digits
    cdef int count, point
    if value == 0:
        out[0] = c"0"
        return 1
    if isinf(value):
        memcpy(out, b"inf", 3)
        return 3
    count = grisu_digits(value, digits, &point)
    if count <= point <= count + PLAIN_ZEROS:
        memcpy(out, digits, count)
        memset(out + count, c"0", point - count)
        return point
    if point < count and (point > count - PLAIN_ZEROS or -3 < point <= 4):
        return layout_point(out, digits, count, point)
    return layout_exponent(out, digits, count, point - 1, 1)


cdef int layout_point(char *out, const char *digits, int count, int point) noexcept nogil:
    """1.25, or 0.00125 when no digit stands before the point."""
    if point > 0:
        memcpy(out, digits, point)
        out[point] = c"."
        memcpy(out + point + 1, digits + point, count - point)
        return count + 1
    memcpy(out, b"0.", 2)
    memset(out + 2, c"0", -point)
    memcpy(out + 2 - point, digits, count)
    return 2 - point + count


cdef int layout_exponent(char *out, const char *digits, int count, int exponent, int least) noexcept nogil:
    """1.25e-10: always a sign, at least so many digits in the exponent, no point behind a lone digit."""
    cdef int length = 1
    out[0] = digits[0]
    if count > 1:
        out[1] = c"."
        memcpy(out + 2, digits + 1, count - 1)
        length = count + 1
    out[length] = c"e"
    out[length + 1] = c"-" if exponent < 0 else c"+"
    length += 2
    if least > 1 and -10 < exponent < 10:
        out[length] = c"0"
        length += 1
    return length + format_u64(out + length, <uint64_t>(-exponent if exponent < 0 else exponent))


cdef int format_general(char *out, double value, int precision) noexcept nogil:
    cdef char[GRISU_DIGITS] digits
    cdef double magnitude = fabs(value)
    cdef int count, point
    cdef int sign = signbit(value) != 0
    if magnitude < <double>EXACT_INTEGER and <double><int64_t>value == value and <uint64_t>magnitude < TENS[precision] and (
            magnitude != 0 or not sign):
        return format_i64(out, <int64_t>value)
    if not LEAST_NORMAL <= magnitude <= LARGEST:
        return snprintf(out, FORMAT_DOUBLE_SIZE, "%.*g", precision, value)
    count = grisu_digits(magnitude, digits, &point)
    if count > precision:
        count = round_digits(digits, count, &point, precision)
        if count == 0:
            return snprintf(out, FORMAT_DOUBLE_SIZE, "%.*g", precision, value)
    out[0] = c"-"       # goes where there is no sign
    out += sign
    if point <= -4 or point > precision:
        return sign + layout_exponent(out, digits, count, point - 1, 2)
    if count > point:
        return sign + layout_point(out, digits, count, point)
    memcpy(out, digits, count)
    memset(out + count, c"0", point - count)
    return sign + point


cdef int round_digits(char *digits, int count, int *point, int precision) noexcept nogil:
    """Shortest digits cut to the precision: how many are left, without zeros at the end. 0 where they can't tell: they stand for
    the value to within 12 units of a 17th digit, so nothing is known of one that is so near to the middle."""
    cdef uint64_t tail = 0
    cdef uint64_t half = 5 * TENS[GRISU_DIGITS - 1 - precision]
    cdef int i
    for i in range(precision, GRISU_DIGITS):
        tail = tail * 10 + (digits[i] - c"0" if i < count else 0)
    if half - DOUBT <= tail <= half + DOUBT:
        return 0
    count = precision
    if tail > half:
        while count and digits[count - 1] == c"9":
            count -= 1
        if count == 0:
            digits[0] = c"1"
            point[0] += 1
            return 1
        digits[count - 1] += 1
    while digits[count - 1] == c"0":
        count -= 1
    return count


# Long doubles

cdef bint parse_long_double(const char *text, size_t length, long double *value) noexcept nogil:
    cdef char[FORMAT_LONG_DOUBLE_SIZE] copy
    cdef char *end
    cdef int64_t whole
    cdef long double result
    if parse_i64(text, length, &whole):
        value[0] = <long double>whole
        return True
    if length == 0 or length >= FORMAT_LONG_DOUBLE_SIZE or is_space(text[0]):
        return False
    memcpy(copy, text, length)
    copy[length] = 0
    libc.errno.errno = 0
    result = strtold(copy, &end)
    if end != copy + length or result != result:
        return False
    if libc.errno.errno == ERANGE and (result == 0 or isinf(result)):
        return False
    value[0] = result
    return True


cdef int format_long_double(char *out, long double value) noexcept nogil:
    if value != value:
        memcpy(out, b"nan", 3)
        return 3
    if isinf(value):
        return format_double(out, <double>value)
    if -LONG_WHOLE_LIMIT <= value <= LONG_WHOLE_LIMIT and <long double><int64_t>value == value:
        return format_i64(out, <int64_t>value)
    return trim_zeros(out, snprintf(out, FORMAT_LONG_DOUBLE_SIZE, "%.17Lf", value))


cdef int trim_zeros(char *out, int length) noexcept nogil:
    """Cut the zeros behind the point, the point itself if nothing is left, and the sign of a zero."""
    while out[length - 1] == c"0":
        length -= 1
    if out[length - 1] == c".":
        length -= 1
    if length == 2 and out[0] == c"-" and out[1] == c"0":
        out[0] = c"0"
        return 1
    return length
