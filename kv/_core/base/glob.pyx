"""Patterns with * ? [a-c] [^x] and \\escapes, with the meaning that Valkey gives them in every odd case.

Between two stars every part of a pattern takes exactly one byte of text. So when the part behind the last
star does not fit, only that star can be asked to take more: if it cannot save the match, an earlier one
that took more would leave even less text for the same part. One place to return to is therefore enough,
and the time is at most pattern times text, where trying every star is exponential for "a*a*a*a*b".

The odd cases, which users can see and existing patterns may rely on:
- an empty text matches the empty pattern only, so "*" does not match it;
- a class without its "]" ends with the pattern, and "[^" takes any byte;
- "[]" takes nothing, since the first "]" closes: there is no way to put one in but "\\]";
- in a class an escaped byte is compared as it is, even when case is ignored;
- a range compares signed bytes: "[a-\\xff]" is "[\\xff-a]", which holds NUL; and "[z-a]" is "[a-z]";
- more than 1000 stars match nothing, unless the last of them ends the pattern.
"""
from libc.string cimport memchr


cdef enum:
    STAR_LIMIT = 1000


cdef bint glob_match(const char *pattern, size_t pattern_length,
                     const char *text, size_t length, bint nocase) noexcept nogil:
    cdef const char *pattern_end = pattern + pattern_length
    cdef const char *text_end = text + length
    cdef const char *after_star = NULL
    cdef const char *retry = NULL
    cdef const char *rest
    cdef int stars = 0
    if length == 0:
        return pattern_length == 0
    while text < text_end:
        if pattern < pattern_end and pattern[0] == c"*":
            pattern = skip_stars(pattern, pattern_end)
            if pattern == pattern_end:
                return True
            stars += 1
            if stars > STAR_LIMIT:
                return False
            after_star = pattern
            retry = text
        else:
            rest = match_byte(pattern, pattern_end, text[0], nocase) if pattern < pattern_end else NULL
            if rest != NULL:
                pattern = rest
                text += 1
                continue
            if after_star == NULL:
                return False
            retry += 1
        pattern = after_star
        text = retry = next_candidate(pattern, retry, text_end, nocase)
    return skip_stars(pattern, pattern_end) == pattern_end


cdef inline const char *skip_stars(const char *pattern, const char *end) noexcept nogil:
    while pattern < end and pattern[0] == c"*":
        pattern += 1
    return pattern


cdef inline const char *next_candidate(const char *pattern, const char *text, const char *end,
                                       bint nocase) noexcept nogil:
    """The next place where what follows the star can begin: for a plain byte, where that byte is."""
    cdef const char *found
    if nocase or pattern[0] == c"?" or pattern[0] == c"[" or pattern[0] == c"\\":
        return text
    found = <const char *>memchr(text, pattern[0], end - text)
    return end if found == NULL else found


cdef inline const char *match_byte(const char *pattern, const char *end, char byte,
                                   bint nocase) noexcept nogil:
    """Match one byte of text; the rest of the pattern, or NULL. pattern is not empty and not at a star."""
    if pattern[0] == c"?":
        return pattern + 1
    if pattern[0] == c"[":
        return match_class(pattern + 1, end, byte, nocase)
    if pattern[0] == c"\\" and end - pattern >= 2:
        pattern += 1
    return pattern + 1 if same(pattern[0], byte, nocase) else NULL


cdef const char *match_class(const char *pattern, const char *end, char byte, bint nocase) noexcept nogil:
    cdef bint inverted = pattern < end and pattern[0] == c"^"
    cdef bint found = False
    pattern += inverted
    while pattern < end and pattern[0] != c"]":
        if pattern[0] == c"\\" and end - pattern >= 2:
            found |= pattern[1] == byte
            pattern += 2
        elif end - pattern >= 3 and pattern[1] == c"-":
            found |= in_range(<signed char>pattern[0], <signed char>pattern[2], <signed char>byte, nocase)
            pattern += 3
        else:
            found |= same(pattern[0], byte, nocase)
            pattern += 1
    if found == inverted:
        return NULL
    return pattern + 1 if pattern < end else end


cdef inline bint in_range(int low, int high, int byte, bint nocase) noexcept nogil:
    if low > high:
        low, high = high, low
    if nocase:
        low, high, byte = lower(low), lower(high), lower(byte)
    return low <= byte <= high


cdef inline bint same(char first, char second, bint nocase) noexcept nogil:
    return first == second or (nocase and lower(first) == lower(second))


cdef inline int lower(int byte) noexcept nogil:
    """tolower of the C library on a signed char: A-Z, and all above 0x7f but 0xff comes out unsigned."""
    if byte < -1:
        return byte + 256
    return byte + 32 if 65 <= byte <= 90 else byte
