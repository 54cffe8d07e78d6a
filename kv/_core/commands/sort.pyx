"""SORT: the elements of a list, set or sorted set in order, or what other keys hold for them.

What is sorted is copied first: the value may go while the keys that BY and GET name are looked up (its time may
have come), and comparing wants all texts at hand. So a sort has three steps: gather the elements, weigh and sort
them, and write down what was asked for, as the reply or as a list.

What if BY names no key at all (it has no star)? Then nothing is sorted, and elements are taken as they stand: from
a list or sorted set only those of LIMIT. A set has no order to stand in; so that what STORE or a script makes of it is
the same on every server, it is sorted by its elements then.

Equal elements stay in the order in which they stood. Texts are compared by the locale's rules, as in Valkey,
but bytewise for STORE.
"""
from libc.errno cimport ERANGE, errno
from libc.math cimport isnan
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport strtod
from libc.string cimport memchr, memcmp, memset

from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free, buffer_reserve
from kv._core.base.clibrary cimport kv_sort
from kv._core.base.memory cimport memory_alloc, memory_free
from kv._core.base.slice cimport Slice, slice_of
from kv._core.keyspace.keyspace cimport (
    EVENT_GENERIC, EVENT_LIST, Key, key_of, keyspace_add, keyspace_lookup, keyspace_overwrite)
from kv._core.objects.entry cimport (
    TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_STRING, TYPE_ZSET, Entry, Item, entry_type)
from kv._core.objects.hash cimport hash_get
from kv._core.objects.list cimport list_fit, list_new_long, list_push
from kv._core.objects.string cimport NUMBER_TEXT, string_slice
from kv._core.objects.value cimport value_length, value_walk
from kv._core.resp.reply cimport reply_array, reply_bulk, reply_i64, reply_null
from kv._core.runtime.context cimport (
    arg_i64_or_reply, arg_is, changed, check_type, context_key, delete_found, error, read_key, syntax_error, touch_flag,
    write_key)
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport CALLER_SCRIPT, Context

cdef extern from "<string.h>" nogil:
    int strcoll(const char *a, const char *b)
    void *memmem(const void *data, size_t length, const void *wanted, size_t wanted_length)

cdef enum:
    NO_WEIGHT = -1          # length of the weight of an element for which BY found nothing

cdef struct SortItem:
    Slice text              # the element, a zero behind it
    Slice weight            # what BY found for it, a zero behind it; data NULL: nothing
    double score            # what it is sorted by, unless ALPHA is given
    size_t place            # where it stood

cdef struct Sort:
    Context *c
    bint alpha              # by text
    bint descending
    bint unsorted           # BY a name without a star
    int by                  # index of BY's pattern, 0: the elements themselves
    int store               # index of STORE's key, 0: reply
    int *gets               # indices of GET's patterns
    int get_count
    int64_t offset          # LIMIT
    int64_t limit           # negative: all
    uint64_t skip           # elements that the walk is still to pass over
    uint64_t wanted         # ... to take
    SortItem *items
    size_t count            # of them
    Buffer texts            # what items.text points into
    Buffer weights          # ... items.weight
    Buffer name             # of the key that is looked up


# -- options --------------------------------------------------------------------------------------------------

cdef int option_or_reply(Sort *sort, int i, bint may_store) noexcept nogil:
    """Take the option at argv[i]; the index of the next one, 0 after an error."""
    cdef Context *c = sort.c
    cdef int left = c.argc - i - 1
    if arg_is(c, i, b"asc", 3):
        sort.descending = False
    elif arg_is(c, i, b"desc", 4):
        sort.descending = True
    elif arg_is(c, i, b"alpha", 5):
        sort.alpha = True
    elif left >= 2 and arg_is(c, i, b"limit", 5):
        if not arg_i64_or_reply(c, i + 1, &sort.offset) or not arg_i64_or_reply(c, i + 2, &sort.limit):
            return 0
        return i + 3
    elif left >= 1 and may_store and arg_is(c, i, b"store", 5):
        sort.store = i + 1
        return i + 2
    elif left >= 1 and arg_is(c, i, b"by", 2):
        sort.by = i + 1
        if memchr(c.argv[sort.by].data, c'*', c.argv[sort.by].length) == NULL:
            sort.unsorted = True
        return i + 2
    elif left >= 1 and arg_is(c, i, b"get", 3):
        sort.gets[sort.get_count] = i + 1
        sort.get_count += 1
        return i + 2
    else:
        syntax_error(c)
        return 0
    return i + 1


cdef bint options_or_reply(Sort *sort, bint may_store) noexcept nogil:
    cdef int i = 2
    while 0 < i < sort.c.argc:
        i = option_or_reply(sort, i, may_store)
    return i != 0


# -- the elements ---------------------------------------------------------------------------------------------

cdef bint gather(void *argument, const Item *item) noexcept nogil:
    """Keep an element; its text's place is known when all are there."""
    cdef Sort *sort = <Sort *> argument
    cdef SortItem *kept
    if sort.skip:
        sort.skip -= 1
        return True
    if sort.count == sort.wanted:
        return False
    kept = sort.items + sort.count
    kept.text.data, kept.text.length = NULL, item.first.length
    kept.weight.data, kept.weight.length = NULL, 0
    kept.score = 0
    kept.place = sort.count
    buffer_append(&sort.texts, item.first.data, item.first.length)
    buffer_append(&sort.texts, b"\0", 1)
    sort.count += 1
    return True


cdef void place_texts(Sort *sort) noexcept nogil:
    cdef const char *at = sort.texts.data
    cdef size_t i
    for i in range(sort.count):
        sort.items[i].text.data = at
        at += sort.items[i].text.length + 1


cdef void reverse(Sort *sort) noexcept nogil:
    cdef size_t i
    cdef SortItem held
    for i in range(sort.count // 2):
        held = sort.items[i]
        sort.items[i] = sort.items[sort.count - 1 - i]
        sort.items[sort.count - 1 - i] = held


cdef void load(Sort *sort, const Entry *entry) noexcept nogil:
    """Gather the elements, and make `offset` and `limit` the part of them that is wanted."""
    cdef int64_t length = <int64_t> value_length(entry)
    sort.offset = min(max(sort.offset, 0), length)
    sort.limit = min(sort.limit, length - sort.offset) if sort.limit >= 0 else length - sort.offset
    sort.wanted = length
    if sort.unsorted and entry_type(entry) != TYPE_SET:
        sort.skip = length - sort.offset - sort.limit if sort.descending else sort.offset
        sort.wanted = sort.limit
        sort.offset = 0
    sort.items = <SortItem *> memory_alloc(sizeof(SortItem) * (sort.wanted + 1))
    value_walk(entry, gather, sort)
    place_texts(sort)
    if sort.unsorted and sort.descending and entry_type(entry) != TYPE_SET:
        reverse(sort)


# -- what patterns name ---------------------------------------------------------------------------------------

cdef bint divide(Slice pattern, Slice *before, Slice *behind, Slice *field) noexcept nogil:
    """The parts of "before*behind->field"; false where there is no star. The field is empty where there is none:
    then an arrow belongs to the name."""
    cdef const char *end = pattern.data + pattern.length
    cdef const char *star = <const char *> memchr(pattern.data, c'*', pattern.length)
    cdef const char *arrow
    if star == NULL:
        return False
    arrow = <const char *> memmem(star + 1, end - star - 1, b"->", 2)
    field[0] = slice_of(end, 0)
    if arrow != NULL and arrow + 2 < end:
        field[0] = slice_of(arrow + 2, end - arrow - 2)
        end = arrow
    before[0] = slice_of(pattern.data, star - pattern.data)
    behind[0] = slice_of(star + 1, end - star - 1)
    return True


cdef bint substitute(Sort *sort, Slice pattern, Slice text, char *number, Slice *found) noexcept nogil:
    """What a pattern of BY or GET names for an element; good until the next lookup. False: nothing."""
    cdef Slice before, behind, field
    cdef Entry *entry
    if pattern.length == 1 and pattern.data[0] == c'#':
        found[0] = text
        return True
    if not divide(pattern, &before, &behind, &field):
        return False
    sort.name.length = 0
    buffer_reserve(&sort.name, 1)               # the name may be empty, but it stands somewhere
    buffer_append(&sort.name, before.data, before.length)
    buffer_append(&sort.name, text.data, text.length)
    buffer_append(&sort.name, behind.data, behind.length)
    entry = keyspace_lookup(sort.c.keyspace, sort.c.database, key_of(slice_of(sort.name.data, sort.name.length)),
                            touch_flag(sort.c))
    if entry == NULL:
        return False
    if field.length:
        return entry_type(entry) == TYPE_HASH and hash_get(entry, field, number, found)
    if entry_type(entry) != TYPE_STRING:
        return False
    found[0] = string_slice(entry, number)
    return True


# -- sorting --------------------------------------------------------------------------------------------------

cdef void weigh(Sort *sort) noexcept nogil:
    """Look up what BY names for each element."""
    cdef char number[NUMBER_TEXT]
    cdef const char *at
    cdef Slice found
    cdef SortItem *item
    cdef size_t i
    for i in range(sort.count):
        item = sort.items + i
        item.weight.length = <size_t> NO_WEIGHT
        if substitute(sort, sort.c.argv[sort.by], item.text, number, &found):
            item.weight.length = found.length
            buffer_append(&sort.weights, found.data, found.length)
            buffer_append(&sort.weights, b"\0", 1)
    at = sort.weights.data
    for i in range(sort.count):
        item = sort.items + i
        if item.weight.length != <size_t> NO_WEIGHT:
            item.weight.data = at
            at += item.weight.length + 1


cdef bint score(Sort *sort) noexcept nogil:
    """Read the numbers to sort by, 0 where BY found nothing; false where one is none."""
    cdef SortItem *item
    cdef const char *text
    cdef char *end
    cdef size_t i
    for i in range(sort.count):
        item = sort.items + i
        text = item.weight.data if sort.by else item.text.data
        if text == NULL:
            continue
        (&errno)[0] = 0
        item.score = strtod(text, &end)
        if end[0] != 0 or errno == ERANGE or isnan(item.score):
            return False
    return True


cdef inline int compare_bytes(Slice a, Slice b) noexcept nogil:
    cdef int order = memcmp(a.data, b.data, min(a.length, b.length))
    if order == 0:
        return (a.length > b.length) - (a.length < b.length)
    return order


cdef inline int compare_texts(const Sort *sort, Slice a, Slice b) noexcept nogil:
    if a.data == NULL or b.data == NULL:
        return (a.data != NULL) - (b.data != NULL)
    return compare_bytes(a, b) if sort.store else strcoll(a.data, b.data)


cdef int compare(const void *first, const void *second, void *argument) noexcept nogil:
    cdef const SortItem *a = <const SortItem *> first
    cdef const SortItem *b = <const SortItem *> second
    cdef const Sort *sort = <const Sort *> argument
    cdef int order
    if not sort.alpha:
        order = (a.score > b.score) - (a.score < b.score)
        if order == 0:
            order = compare_bytes(a.text, b.text)
    elif sort.by:
        order = compare_texts(sort, a.weight, b.weight)
    else:
        order = compare_texts(sort, a.text, b.text)
    if order == 0:
        return 1 if a.place > b.place else -1
    return -order if sort.descending else order


cdef bint arrange_or_reply(Sort *sort) noexcept nogil:
    """Put the elements into order."""
    if sort.by:
        weigh(sort)
    if not sort.alpha and not score(sort):
        error(sort.c, b"ERR One or more scores can't be converted into double")
        return False
    kv_sort(sort.items, sort.count, sizeof(SortItem), compare, sort)
    return True


# -- what comes out -------------------------------------------------------------------------------------------

cdef void reply_sorted(Sort *sort) noexcept nogil:
    cdef Context *c = sort.c
    cdef char number[NUMBER_TEXT]
    cdef Slice found, text
    cdef int64_t i
    cdef int get
    reply_array(&c.reply, sort.limit * (sort.get_count if sort.get_count else 1))
    for i in range(sort.offset, sort.offset + sort.limit):
        text = sort.items[i].text
        if sort.get_count == 0:
            reply_bulk(&c.reply, text.data, text.length)
        for get in range(sort.get_count):
            if substitute(sort, c.argv[sort.gets[get]], text, number, &found):
                reply_bulk(&c.reply, found.data, found.length)
            else:
                reply_null(&c.reply)


cdef Entry *sorted_list(Sort *sort) noexcept nogil:
    """A list for STORE; where GET finds nothing it has an empty element."""
    cdef Entry *made = list_new_long(sort.c.argv[sort.store])
    cdef char number[NUMBER_TEXT]
    cdef Slice found
    cdef int64_t i
    cdef int get
    for i in range(sort.offset, sort.offset + sort.limit):
        if sort.get_count == 0:
            list_push(made, sort.items[i].text, False)
        for get in range(sort.get_count):
            if not substitute(sort, sort.c.argv[sort.gets[get]], sort.items[i].text, number, &found):
                found = slice_of(b"", 0)
            list_push(made, found, False)
    list_fit(made)
    return made


cdef void store_sorted(Sort *sort) noexcept nogil:
    cdef Context *c = sort.c
    cdef int64_t count = sort.limit * (sort.get_count if sort.get_count else 1)
    cdef Key key = context_key(c, sort.store)
    cdef Entry *made = sorted_list(sort) if count else NULL
    cdef Entry *entry = write_key(c, sort.store)
    if made != NULL:
        if entry != NULL:
            keyspace_overwrite(c.keyspace, c.database, entry, made, c.keyspace.lazy_server_del)
        else:
            keyspace_add(c.keyspace, c.database, key, made)
        changed(c, sort.store, EVENT_LIST, b"sortstore")
        c.keyspace.dirty += count - 1
    elif entry != NULL:
        delete_found(c, key)
        changed(c, sort.store, EVENT_GENERIC, b"del")
    reply_i64(&c.reply, count)


# -- SORT, SORT_RO --------------------------------------------------------------------------------------------

cdef bint check_sortable(Context *c, const Entry *entry) noexcept nogil:
    if entry == NULL or entry_type(entry) == TYPE_SET or entry_type(entry) == TYPE_ZSET:
        return True
    return check_type(c, entry, TYPE_LIST)


cdef void sort_entry(Sort *sort, const Entry *entry) noexcept nogil:
    if entry != NULL:
        if sort.unsorted and (sort.store or sort.c.session.caller == CALLER_SCRIPT) and entry_type(entry) == TYPE_SET:
            sort.unsorted, sort.alpha, sort.by = False, True, 0
        load(sort, entry)
        if not sort.unsorted and not arrange_or_reply(sort):
            return
    else:
        sort.offset = sort.limit = 0
    if sort.store:
        store_sorted(sort)
    else:
        reply_sorted(sort)


cdef void sort_free(Sort *sort) noexcept nogil:
    memory_free(sort.gets)
    memory_free(sort.items)
    buffer_free(&sort.texts)
    buffer_free(&sort.weights)
    buffer_free(&sort.name)


cdef void sort_command(Context *c, bint may_store) noexcept nogil:
    cdef Sort sort
    cdef Entry *entry
    memset(&sort, 0, sizeof(Sort))
    sort.c = c
    sort.limit = -1
    sort.gets = <int *> memory_alloc(sizeof(int) * c.argc)
    if options_or_reply(&sort, may_store):
        entry = read_key(c, 1)
        if check_sortable(c, entry):
            sort_entry(&sort, entry)
    sort_free(&sort)


cdef void cmd_sort(Context *c) noexcept nogil:
    sort_command(c, True)


declare(native(cmd_sort), "sort", -2, "write denyoom",
        keys="1 RO access; ? RO access (BY and GET make names of the elements); ? OW update (STORE may stand "
             "anywhere)",
        group="generic", since="1.0.0", complexity="O(N+M*log(M))",
        acl="set sortedset list dangerous -keyspace",
        summary="Returns or stores the elements of a list, set or sorted set in order.",
        args="key [BY by-pattern<pattern>:pattern#1] [LIMIT offset:integer count:integer] [GET "
             "get-pattern<pattern>:pattern#1]... [order: ASC | DESC] [sorting=ALPHA] [STORE destination:key]")


cdef void cmd_sort_ro(Context *c) noexcept nogil:
    sort_command(c, False)


declare(native(cmd_sort_ro), "sort_ro", -2, "readonly",
        keys="1 RO access; ? RO access (BY and GET make names of the elements)", group="generic",
        since="7.0.0", complexity="O(N+M*log(M))", acl="set sortedset list dangerous -keyspace",
        summary="Returns the elements of a list, set or sorted set in order.",
        args="key [BY by-pattern<pattern>:pattern#1] [LIMIT offset:integer count:integer] [GET "
             "get-pattern<pattern>:pattern#1]... [order: ASC | DESC] [sorting=ALPHA]")
