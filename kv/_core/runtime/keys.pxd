"""The keys of a request: which of its words are keys, and what becomes of them."""
from libc.stdint cimport INT32_MAX, uint32_t

from kv._core.base.slice cimport Slice
from kv._core.keyspace.database cimport Database

cdef enum KeyFlag:              # of a key specification, in the order of syntax.KEY_FLAGS
    KEY_RO = 1 << 0
    KEY_RW = 1 << 1
    KEY_OW = 1 << 2
    KEY_RM = 1 << 3
    KEY_ACCESS = 1 << 4
    KEY_UPDATE = 1 << 5
    KEY_INSERT = 1 << 6
    KEY_DELETE = 1 << 7
    KEY_NOT_KEY = 1 << 8        # a channel of sharded pub/sub
    KEY_INCOMPLETE = 1 << 9     # the specification does not find all keys
    KEY_VARIABLE_FLAGS = 1 << 10  # what becomes of the key depends on the request

cdef enum Begin:
    BEGIN_INDEX                 # at a word
    BEGIN_KEYWORD               # behind a keyword
    BEGIN_UNKNOWN

cdef enum Span:
    SPAN_RANGE                  # from the first to a word
    SPAN_COUNT                  # as many as a word says

cdef enum:
    KEYS_INLINE = 64            # keys that need no block
    KEYWORD_MOST = 16           # bytes of a keyword with its end
    PREFETCH_MOST = 64          # keys of a request that keys_prefetch fetches, at most KEYS_INLINE

cdef struct KeySpec:            # a key specification; fields as COMMAND INFO names them
    uint32_t flags              # KeyFlag
    Begin begin
    int index                   # BEGIN_INDEX: of the first key
    char keyword[KEYWORD_MOST]  # BEGIN_KEYWORD: in lower case, terminated
    int start                   # ... where it is looked for from; negative: from there backwards
    Span span
    int last                    # SPAN_RANGE: of the last key, from the first one; negative: from the end
    int step
    int limit                   # 2: only the first half of the words, and so on; 0, 1: all
    int count_index             # SPAN_COUNT: of the number, from where the keys were said to begin
    int first                   # ... of the first key, from there

cdef struct RequestKey:
    int index                   # of the word
    uint32_t flags              # KeyFlag

cdef struct RequestKeys:
    RequestKey *items           # inline_, or a block
    int count
    int most                    # further keys are not collected
    int capacity
    RequestKey inline_[KEYS_INLINE]

# Finds what specifications can't; False where the request is malformed.
ctypedef bint (*key_finder)(const Slice *argv, int argc, RequestKeys *found) noexcept nogil

cdef struct KeySpecs:           # of a command
    KeySpec *items
    int count                   # those that are keys
    bint variable               # one of them has KEY_VARIABLE_FLAGS
    key_finder finder           # NULL: the specifications are enough

cdef KeySpecs *keys_compile(str name, specs) except NULL
cdef void keys_find(const KeySpecs *specs, const Slice *argv, int argc, RequestKeys *found) noexcept nogil
cdef void keys_free(RequestKeys *found) noexcept nogil
cdef int keys_prefetch(const KeySpecs *specs, const Slice *argv, int argc, Database *database) noexcept nogil
cdef list keys_listed(const KeySpecs *specs, words)


cdef inline void keys_init(RequestKeys *found) noexcept nogil:
    """For a request with any number of keys."""
    found.items, found.count, found.capacity, found.most = &found.inline_[0], 0, KEYS_INLINE, INT32_MAX
