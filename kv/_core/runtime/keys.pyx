"""The keys of a request: which of its words are keys, and what becomes of them.

A declaration's key specifications (runtime/syntax) tell it for nearly every command. A few commands are beyond
them: where SORT stores depends on a word that may stand anywhere, MIGRATE has two forms, and whether SET and
BITFIELD read depends on options. For these there is a finder each, asked where the specifications say of
themselves that they do not suffice (unknown, incomplete, variable_flags) or do not fit the request.

Specifications are compiled once, when a command is declared; each Command carries them for whoever must know keys
before it runs (prefetching, COMMAND GETKEYS).
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, strlen

from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_alloc, memory_calloc, memory_free, memory_realloc
from kv._core.base.slice cimport Slice, slice_is, slice_of
from kv._core.keyspace.database cimport Database, database_count, database_prefetch_bucket, database_prefetch_entry

from kv._core.runtime.syntax import KEY_FLAGS

cdef enum:
    READ = KEY_RO | KEY_ACCESS
    READ_WRITE = KEY_RW | KEY_ACCESS | KEY_UPDATE
    OVERWRITE = KEY_OW | KEY_UPDATE
    MOVED = KEY_RW | KEY_ACCESS | KEY_DELETE


# -- the list -------------------------------------------------------------------------------------------------

cdef void keys_free(RequestKeys *found) noexcept nogil:
    if found.items != &found.inline_[0]:
        memory_free(found.items)
    keys_init(found)


cdef void add(RequestKeys *found, int index, uint32_t flags) noexcept nogil:
    if found.count == found.most:
        return
    if found.count == found.capacity:
        found.capacity *= 2
        if found.items == &found.inline_[0]:
            found.items = <RequestKey *> memory_alloc(found.capacity * sizeof(RequestKey))
            memcpy(found.items, found.inline_, sizeof(found.inline_))
        else:
            found.items = <RequestKey *> memory_realloc(found.items, found.capacity * sizeof(RequestKey))
    found.items[found.count].index = index
    found.items[found.count].flags = flags
    found.count += 1


# -- specifications -------------------------------------------------------------------------------------------

cdef void keys_find(const KeySpecs *specs, const Slice *argv, int argc, RequestKeys *found) noexcept nogil:
    """The keys of a request, whose words begin with its name. None where it is malformed, or has none. `found` was
    given keys_init, and is to be given keys_free."""
    cdef int i
    found.count = 0
    if not specs.variable:
        for i in range(specs.count):
            if not add_keys_of(specs.items + i, argv, argc, found):
                break
        else:
            return
    found.count = 0
    if specs.finder != NULL and not specs.finder(argv, argc, found):
        found.count = 0


cdef bint add_keys_of(const KeySpec *spec, const Slice *argv, int argc, RequestKeys *found) noexcept nogil:
    """False where the specification does not fit the request, or can't tell."""
    cdef int64_t first, last, index
    if spec.begin == BEGIN_UNKNOWN:
        return False
    first = spec.index if spec.begin == BEGIN_INDEX else behind_keyword(spec, argv, argc)
    if first == 0:
        return True
    if spec.flags & KEY_INCOMPLETE or not span_of(spec, argv, argc, &first, &last):
        return False
    if not first <= last < argc:
        return False
    index = first
    while index <= last and found.count < found.most:
        add(found, <int> index, spec.flags)
        index += spec.step
    return True


cdef int behind_keyword(const KeySpec *spec, const Slice *argv, int argc) noexcept nogil:
    """Index of the word behind the keyword; 0 where that is not there."""
    cdef size_t length = strlen(spec.keyword)
    cdef int index = spec.start if spec.start > 0 else argc + spec.start
    cdef int step = 1 if spec.start > 0 else -1
    while (index < argc - 1) if step > 0 else (index > 1):
        if index < argc and slice_is(argv[index], spec.keyword, length):
            return index + 1
        index += step
    return 0


cdef bint span_of(const KeySpec *spec, const Slice *argv, int argc, int64_t *first, int64_t *last) noexcept nogil:
    """Where the keys begin and end, from where they were said to begin. False where there is no number of them."""
    cdef int64_t count
    if spec.span == SPAN_COUNT:
        if first[0] + spec.count_index >= argc or not count_of(argv[first[0] + spec.count_index], &count):
            return False
        first[0] += spec.first
        last[0] = first[0] + (count - 1) * spec.step if count <= argc else argc
    elif spec.last >= 0:
        last[0] = first[0] + spec.last
    elif spec.limit:
        last[0] = first[0] + (argc - first[0]) // spec.limit - 1
    else:
        last[0] = argc + spec.last
    return True


cdef bint count_of(Slice word, int64_t *count) noexcept nogil:
    """A number of keys: digits, of any count of leading zeros that a number may have."""
    cdef size_t i
    if word.length == 0 or word.length > 18:
        return False
    count[0] = 0
    for i in range(word.length):
        if not c'0' <= word.data[i] <= c'9':
            return False
        count[0] = count[0] * 10 + (word.data[i] - c'0')
    return True


# -- prefetching ----------------------------------------------------------------------------------------------

cdef int keys_prefetch(const KeySpecs *specs, const Slice *argv, int argc, Database *database) noexcept nogil:
    """Start to fetch what looking up the keys of a request will read. First the buckets of all keys are asked for, then
    the entries that these point to, so that the waits for memory overlap. For requests of several keys: the first
    PREFETCH_MOST are fetched, more would push each other out of the cache before the command reads them. Returns for
    how many keys it was done."""
    cdef RequestKeys found
    cdef uint64_t hashes[PREFETCH_MOST]
    cdef const Slice *key
    cdef int i
    if database_count(database) == 0:
        return 0
    keys_init(&found)
    found.most = PREFETCH_MOST      # within inline_: there is nothing to free
    keys_find(specs, argv, argc, &found)
    for i in range(found.count):
        key = argv + found.items[i].index
        hashes[i] = hash_bytes(key.data, key.length)
        database_prefetch_bucket(database, hashes[i])
    for i in range(found.count):
        database_prefetch_entry(database, hashes[i])
    return found.count


# -- finders --------------------------------------------------------------------------------------------------

cdef bint find_sort(const Slice *argv, int argc, RequestKeys *found) noexcept nogil:
    """The key to sort, and the last STORE."""
    cdef int index = 2, stored = 0
    add(found, 1, READ)
    while index < argc:
        if slice_is(argv[index], b"store", 5) and index + 1 < argc:
            stored = index + 1
        elif slice_is(argv[index], b"limit", 5):
            index += 2
        elif slice_is(argv[index], b"get", 3) or slice_is(argv[index], b"by", 2):
            index += 1
        index += 1
    if stored:
        add(found, stored, OVERWRITE)
    return True


cdef bint find_sort_ro(const Slice *argv, int argc, RequestKeys *found) noexcept nogil:
    add(found, 1, READ)
    return True


cdef bint find_migrate(const Slice *argv, int argc, RequestKeys *found) noexcept nogil:
    """The third word, or, where that is empty, those after KEYS."""
    cdef int index = 6
    while index < argc:
        if slice_is(argv[index], b"keys", 4):
            if argv[3].length:
                return False
            for index in range(index + 1, argc):
                add(found, index, MOVED)
            return True
        if slice_is(argv[index], b"auth", 4):
            index += 1
        elif slice_is(argv[index], b"auth2", 5):
            index += 2
        index += 1
    add(found, 3, MOVED)
    return True


cdef bint find_set(const Slice *argv, int argc, RequestKeys *found) noexcept nogil:
    """It reads only with GET."""
    cdef int index
    for index in range(3, argc):
        if slice_is(argv[index], b"get", 3):
            add(found, 1, READ_WRITE)
            return True
    add(found, 1, OVERWRITE)
    return True


cdef bint find_bitfield(const Slice *argv, int argc, RequestKeys *found) noexcept nogil:
    """Read only where every subcommand is."""
    cdef int index = 2, more
    cdef uint32_t flags = READ
    while index < argc and flags == READ:
        if slice_is(argv[index], b"get", 3):
            more = 2
        elif slice_is(argv[index], b"overflow", 8):
            more = 1
        else:
            more = argc
        if index + more >= argc:
            flags = READ_WRITE
        index += 1 + more
    add(found, 1, flags)
    return True


cdef key_finder finder_of(str name):
    if name == "sort":
        return find_sort
    if name == "sort_ro":
        return find_sort_ro
    if name == "migrate":
        return find_migrate
    if name == "set":
        return find_set
    if name == "bitfield":
        return find_bitfield
    return NULL


# -- from a declaration ---------------------------------------------------------------------------------------

cdef KeySpecs *keys_compile(str name, specs) except NULL:
    """The specifications of a declaration (syntax.parse_keys) as keys_find reads them. They are kept for ever, as
    commands are."""
    cdef KeySpecs *compiled = <KeySpecs *> memory_calloc(sizeof(KeySpecs))
    compiled.items = <KeySpec *> memory_calloc((len(specs) + 1) * sizeof(KeySpec))
    for spec in specs:
        if "not_key" not in spec["flags"]:
            compile_spec(compiled.items + compiled.count, spec)
            compiled.variable |= compiled.items[compiled.count].flags & KEY_VARIABLE_FLAGS != 0
            compiled.count += 1
    compiled.finder = finder_of(name)
    return compiled


cdef int compile_spec(KeySpec *compiled, dict spec) except -1:
    cdef bytes keyword
    begin, find = spec["begin_search"], spec["find_keys"]
    compiled.flags = flags_of(spec["flags"])
    compiled.step = 1
    if begin["type"] == "unknown":
        compiled.begin = BEGIN_UNKNOWN
        return 0
    if begin["type"] == "index":
        compiled.begin, compiled.index = BEGIN_INDEX, begin["spec"]["index"]
    else:
        keyword = begin["spec"]["keyword"].lower().encode()
        if len(keyword) >= KEYWORD_MOST:
            raise ValueError(f"a keyword of more than {KEYWORD_MOST - 1} bytes: {keyword}")
        compiled.begin, compiled.start = BEGIN_KEYWORD, begin["spec"]["startfrom"]
        memcpy(compiled.keyword, <const char *> keyword, len(keyword) + 1)
    if find["type"] == "keynum":
        compiled.span = SPAN_COUNT
        compiled.count_index, compiled.first = find["spec"]["keynumidx"], find["spec"]["firstkey"]
    else:
        compiled.span = SPAN_RANGE
        compiled.last, compiled.limit = find["spec"]["lastkey"], find["spec"]["limit"]
    compiled.step = find["spec"]["keystep"]
    return 0


cdef uint32_t flags_of(names) except? 0:
    cdef uint32_t flags = 0
    for name in names:
        flags |= <uint32_t> 1 << <int> KEY_FLAGS.index(name)
    return flags


# -- for Python -----------------------------------------------------------------------------------------------

cdef list keys_listed(const KeySpecs *specs, words):
    """[(index of a word that is a key, its flags as in the specification)] of a request, whose words (bytes) begin with
    its name. Empty where it is malformed, or has none."""
    cdef RequestKeys found
    cdef Slice *argv = <Slice *> memory_alloc((len(words) + 1) * sizeof(Slice))
    cdef int i
    keys_init(&found)
    try:
        for i in range(len(words)):
            argv[i] = slice_of(<const char *> <bytes> words[i], len(words[i]))
        keys_find(specs, argv, <int> len(words), &found)
        return [(found.items[i].index, names_of(found.items[i].flags)) for i in range(found.count)]
    finally:
        keys_free(&found)
        memory_free(argv)


cdef list names_of(uint32_t flags):
    return [name for bit, name in enumerate(KEY_FLAGS) if flags >> <int> bit & 1]
