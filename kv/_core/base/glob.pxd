"""Shell-like patterns over bytes: KEYS, SCAN MATCH, PSUBSCRIBE, CONFIG GET, ACL."""

# Whether the whole text matches. nocase folds A-Z only. Any bytes may stand in either, NUL too.
cdef bint glob_match(const char *pattern, size_t pattern_length,
                     const char *text, size_t length, bint nocase) noexcept nogil
