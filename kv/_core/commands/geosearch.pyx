"""Searching places: those within a circle or a box, returned or stored.

Six commands are one search. GEORADIUS and GEORADIUSBYMEMBER say where and how far by position, GEOSEARCH by options;
`Search` holds what either has said. A search takes the cells that cover the shape (objects/geohash) one after the other
and keeps the places in it. Unless asked to sort, they come in that order.

The members found are views of the sorted set, which nothing changes until the reply is written, or the result is made;
numbers in a listpack have no bytes to view, and are kept as numbers.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memset

from kv._core.base.memory cimport memory_free, memory_realloc
from kv._core.base.numbers cimport FORMAT_I64_SIZE, format_i64, parse_double, parse_i64
from kv._core.base.slice cimport Slice, slice_of
from kv._core.commands.geo cimport point_or_reply, reply_distance, reply_point, unit_or_reply
from kv._core.commands.zsets cimport store_or_delete
from kv._core.containers.skiplist cimport ScoreRange
from kv._core.objects.entry cimport TYPE_ZSET, Entry
from kv._core.objects.geohash cimport (
    GEO_AREAS, GeoRange, GeoShape, geo_cover, geo_point, geo_within)
from kv._core.objects.zset cimport (
    ZsetCursor, ZsetRanks, zset_add, zset_fit, zset_new, zset_next, zset_ranks_of_scores, zset_score, zset_seek)
from kv._core.resp.reply cimport reply_array, reply_bulk, reply_i64
from kv._core.runtime.context cimport arg_i64_or_reply, arg_is, check_type, error, error_about, read_key, syntax_error
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef enum Form:                 # of the command
    FORM_RADIUS                 # GEORADIUS
    FORM_BY_MEMBER              # GEORADIUSBYMEMBER
    FORM_SEARCH                 # GEOSEARCH
    FORM_SEARCH_STORE           # GEOSEARCHSTORE

cdef enum Order:
    ORDER_NONE
    ORDER_ASC                   # nearest first
    ORDER_DESC

cdef struct Search:
    Form form
    bint may_store              # GEORADIUS takes STORE and STOREDIST; its _RO form does not
    const Entry *entry          # the sorted set, NULL: no such key
    GeoShape shape
    bint from_member            # FROMMEMBER was given
    bint from_point             # FROMLONLAT
    bint has_shape              # BYRADIUS or BYBOX
    bint with_distance
    bint with_hash
    bint with_point
    Order order
    int64_t count               # places to return, 0: all
    bint any                    # the first that are found, not the nearest
    int store                   # argument that names the key for the result, 0: none
    bint store_distance         # its scores are distances

cdef struct Match:              # a place found
    Slice member                # data NULL: length is the number that the member is
    double distance             # metres
    double score

cdef struct Matches:
    Match *items                # memory_alloc'ed, NULL for none
    uint64_t count
    uint64_t capacity


# -- options ----------------------------------------------------------------------------------------------------------

cdef bint arg_length_or_reply(Context *c, int index, double *value, const char *error_text) noexcept nogil:
    if parse_double(c.argv[index].data, c.argv[index].length, value):
        return True
    error(c, error_text)
    return False


cdef bint circle_or_reply(Context *c, int index, GeoShape *shape) noexcept nogil:
    """A radius and its unit."""
    shape.is_box = False
    if not arg_length_or_reply(c, index, &shape.radius, b"ERR need numeric radius"):
        return False
    if shape.radius < 0:
        error(c, b"ERR radius cannot be negative")
        return False
    return unit_or_reply(c, index + 1, &shape.unit)


cdef bint box_or_reply(Context *c, int index, GeoShape *shape) noexcept nogil:
    """A width, a height and their unit."""
    shape.is_box = True
    if (not arg_length_or_reply(c, index, &shape.width, b"ERR need numeric width")
            or not arg_length_or_reply(c, index + 1, &shape.height, b"ERR need numeric height")):
        return False
    if shape.width < 0 or shape.height < 0:
        error(c, b"ERR height or width cannot be negative")
        return False
    return unit_or_reply(c, index + 2, &shape.unit)


cdef bint center_of_or_reply(Context *c, int index, Search *search) noexcept nogil:
    """The place that an argument names. Without a key there is none, and no need for one."""
    cdef double score
    if search.entry == NULL:
        return True
    if not zset_score(search.entry, c.argv[index], &score):
        error(c, b"ERR could not decode requested zset member")
        return False
    search.shape.center = geo_point(score)
    return True


cdef bint count_or_reply(Context *c, int index, int64_t *count) noexcept nogil:
    if not arg_i64_or_reply(c, index, count):
        return False
    if count[0] <= 0:
        error(c, b"ERR COUNT must be > 0")
        return False
    return True


cdef bint parse_flag(Context *c, int i, Search *search) noexcept nogil:
    """An option of one word; whether it is one."""
    if arg_is(c, i, b"withdist", 8):
        search.with_distance = True
    elif arg_is(c, i, b"withhash", 8):
        search.with_hash = True
    elif arg_is(c, i, b"withcoord", 9):
        search.with_point = True
    elif arg_is(c, i, b"any", 3):
        search.any = True
    elif arg_is(c, i, b"asc", 3):
        search.order = ORDER_ASC
    elif arg_is(c, i, b"desc", 4):
        search.order = ORDER_DESC
    elif search.form == FORM_SEARCH_STORE and arg_is(c, i, b"storedist", 9):
        search.store_distance = True
    else:
        return False
    return True


cdef int parse_shape(Context *c, int i, Search *search) noexcept nogil:
    """An option of GEOSEARCH: how many arguments it takes beside its name, 0 for none, -1 if it was refused. One place
    and one shape may be given, the same kind of them again."""
    cdef int left = c.argc - i - 1
    if left > 0 and not search.from_point and arg_is(c, i, b"frommember", 10):
        search.from_member = True
        return 1 if center_of_or_reply(c, i + 1, search) else -1
    if left > 1 and not search.from_member and arg_is(c, i, b"fromlonlat", 10):
        search.from_point = True
        return 2 if point_or_reply(c, i + 1, &search.shape.center) else -1
    if left > 1 and not (search.has_shape and search.shape.is_box) and arg_is(c, i, b"byradius", 8):
        search.has_shape = True
        return 2 if circle_or_reply(c, i + 1, &search.shape) else -1
    if left > 2 and (not search.has_shape or search.shape.is_box) and arg_is(c, i, b"bybox", 5):
        search.has_shape = True
        return 3 if box_or_reply(c, i + 1, &search.shape) else -1
    return 0


cdef int parse_store(Context *c, int i, Search *search) noexcept nogil:
    """An option of GEORADIUS: 1 for the argument that it takes, 0 for none."""
    if i + 1 == c.argc or not search.may_store:
        return 0
    if not arg_is(c, i, b"store", 5) and not arg_is(c, i, b"storedist", 9):
        return 0
    search.store = i + 1
    search.store_distance = c.argv[i].length == 9
    return 1


cdef bint options_or_reply(Context *c, int first, Search *search) noexcept nogil:
    cdef int i = first
    cdef int taken
    while i < c.argc:
        if parse_flag(c, i, search):
            taken = 0
        elif i + 1 < c.argc and arg_is(c, i, b"count", 5):
            taken = 1 if count_or_reply(c, i + 1, &search.count) else -1
        else:
            taken = parse_shape(c, i, search) if search.form >= FORM_SEARCH else parse_store(c, i, search)
            if taken == 0:
                syntax_error(c)
                return False
        if taken < 0:
            return False
        i += taken + 1
    return True


cdef bint is_whole_or_reply(Context *c, const Search *search) noexcept nogil:
    """Whether the options go together, and none is missing."""
    if search.store and (search.with_distance or search.with_hash or search.with_point):
        if search.form == FORM_SEARCH_STORE:
            error(c, b"ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
        else:
            error(c, b"ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
    elif search.form >= FORM_SEARCH and not (search.from_member or search.from_point):
        error_about(c, b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ", c.argv[0], b"")
    elif search.form >= FORM_SEARCH and not search.has_shape:
        error_about(c, b"ERR exactly one of BYRADIUS and BYBOX can be specified for ", c.argv[0], b"")
    elif search.any and not search.count:
        error(c, b"ERR the ANY argument requires COUNT argument")
    else:
        return True
    return False


cdef bint parse_or_reply(Context *c, Search *search) noexcept nogil:
    cdef int first = 6
    if search.form == FORM_RADIUS:
        if not point_or_reply(c, 2, &search.shape.center) or not circle_or_reply(c, 4, &search.shape):
            return False
    elif search.form == FORM_BY_MEMBER:
        first = 5
        if search.entry != NULL and not (center_of_or_reply(c, 2, search) and circle_or_reply(c, 3, &search.shape)):
            return False
    elif search.form == FORM_SEARCH:
        first = 2
    else:
        first = 3
        search.store = 1
    return options_or_reply(c, first, search) and is_whole_or_reply(c, search)


# -- searching --------------------------------------------------------------------------------------------------------

cdef void keep(Matches *matches, const ZsetCursor *cursor, double distance) noexcept nogil:
    cdef Match *match
    cdef int64_t number
    if matches.count == matches.capacity:
        matches.capacity = matches.capacity * 2 if matches.capacity else 16
        matches.items = <Match *> memory_realloc(matches.items, matches.capacity * sizeof(Match))
    match = matches.items + matches.count
    matches.count += 1
    match.distance, match.score, match.member = distance, cursor.score, cursor.member
    if cursor.member.data == cursor.digits:
        parse_i64(cursor.member.data, cursor.member.length, &number)
        match.member = slice_of(NULL, <size_t> number)


cdef inline Slice member_of(const Match *match, char *digits) noexcept nogil:
    """`digits` has FORMAT_I64_SIZE bytes."""
    if match.member.data != NULL:
        return match.member
    return slice_of(digits, format_i64(digits, <int64_t> match.member.length))


cdef void search_area(const Search *search, GeoRange area, uint64_t limit, Matches *matches) noexcept nogil:
    """Keep the places of an area that are in the shape, up to `limit` in all (0: no limit)."""
    cdef ScoreRange scores
    cdef ZsetRanks ranks
    cdef ZsetCursor cursor
    cdef double distance
    cdef uint64_t _i
    scores.min, scores.max, scores.min_open, scores.max_open = <double> area.min, <double> area.max, False, True
    ranks = zset_ranks_of_scores(search.entry, &scores)
    if ranks.count == 0:
        return
    zset_seek(search.entry, ranks.start, &cursor)
    for _i in range(ranks.count):
        if geo_within(&search.shape, geo_point(cursor.score), &distance):
            keep(matches, &cursor, distance)
            if matches.count == limit:
                return
        zset_next(&cursor)


cdef void find(const Search *search, Matches *matches) noexcept nogil:
    cdef GeoRange areas[GEO_AREAS]
    cdef uint64_t limit = search.count if search.any else 0
    cdef int count = geo_cover(&search.shape, areas)
    cdef int i
    for i in range(count):
        search_area(search, areas[i], limit, matches)
        if limit and matches.count == limit:
            return


# -- sorting ----------------------------------------------------------------------------------------------------------

cdef int compare_ascending(const void *a, const void *b) noexcept nogil:
    cdef double first = (<const Match *> a).distance
    cdef double second = (<const Match *> b).distance
    return (first > second) - (first < second)


cdef int compare_descending(const void *a, const void *b) noexcept nogil:
    return compare_ascending(b, a)


ctypedef int (*comparison)(const void *a, const void *b) noexcept nogil


cdef void sift_down(Match *items, uint64_t count, uint64_t at, comparison compare) noexcept nogil:
    """Put an item of a heap, whose top comes last in the order, where it belongs."""
    cdef Match item = items[at]
    cdef uint64_t child = 2 * at + 1
    while child < count:
        if child + 1 < count and compare(items + child + 1, items + child) > 0:
            child += 1
        if compare(items + child, &item) <= 0:
            break
        items[at] = items[child]
        at, child = child, 2 * child + 1
    items[at] = item


cdef void select_first(Match *items, uint64_t count, uint64_t wanted, comparison compare) noexcept nogil:
    """Bring those that come first in the order to the front: a heap of them gives up its last for each better one."""
    cdef uint64_t i
    for i in range(wanted // 2, 0, -1):
        sift_down(items, wanted, i - 1, compare)
    for i in range(wanted, count):
        if compare(items + i, items) < 0:
            items[0] = items[i]
            sift_down(items, wanted, 0, compare)


cdef void arrange(const Search *search, Matches *matches) noexcept nogil:
    """In the order that was asked for, and no more than were: the nearest, where COUNT comes without an order."""
    cdef comparison compare = compare_descending if search.order == ORDER_DESC else compare_ascending
    cdef uint64_t wanted = search.count
    cdef bint sorted = search.order != ORDER_NONE or (search.count and not search.any)
    if sorted and wanted and wanted < matches.count:
        select_first(matches.items, matches.count, wanted, compare)
    if wanted and wanted < matches.count:
        matches.count = wanted
    if sorted and matches.count > 1:
        qsort(matches.items, matches.count, sizeof(Match), compare)


# -- results ----------------------------------------------------------------------------------------------------------

cdef void reply_match(Context *c, const Search *search, const Match *match, int extras) noexcept nogil:
    cdef char digits[FORMAT_I64_SIZE]
    cdef Slice member = member_of(match, digits)
    if extras:
        reply_array(&c.reply, extras + 1)
    reply_bulk(&c.reply, member.data, member.length)
    if search.with_distance:
        reply_distance(&c.reply, match.distance / search.shape.unit)
    if search.with_hash:
        reply_i64(&c.reply, <int64_t> match.score)
    if search.with_point:
        reply_point(&c.reply, geo_point(match.score))


cdef void reply_matches(Context *c, const Search *search, const Matches *matches) noexcept nogil:
    cdef int extras = search.with_distance + search.with_hash + search.with_point
    cdef uint64_t i
    reply_array(&c.reply, matches.count)
    for i in range(matches.count):
        reply_match(c, search, matches.items + i, extras)


cdef Entry *zset_of_matches(Context *c, const Search *search, const Matches *matches) noexcept nogil:
    """As a sorted set; NULL for none."""
    cdef char digits[FORMAT_I64_SIZE]
    cdef Match *match
    cdef Entry *made
    cdef double score, result
    cdef uint64_t i
    if matches.count == 0:
        return NULL
    made = zset_new(c.argv[search.store], matches.count, 0, 0)
    for i in range(matches.count):
        match = matches.items + i
        score = match.distance / search.shape.unit if search.store_distance else match.score
        zset_add(made, member_of(match, digits), score, 0, &result)
    zset_fit(made)
    return made


cdef void store_matches(Context *c, const Search *search, const Matches *matches) noexcept nogil:
    store_or_delete(c, search.store, zset_of_matches(c, search, matches),
                    b"geosearchstore" if search.form >= FORM_SEARCH else b"georadiusstore")
    if matches.count > 1:
        c.keyspace.dirty += matches.count - 1


cdef void search_by(Context *c, Form form, bint may_store) noexcept nogil:
    cdef Search search
    cdef Matches matches
    memset(&search, 0, sizeof(Search))
    memset(&matches, 0, sizeof(Matches))
    search.form, search.may_store = form, may_store
    search.entry = read_key(c, 2 if form == FORM_SEARCH_STORE else 1)
    if not check_type(c, search.entry, TYPE_ZSET) or not parse_or_reply(c, &search):
        return
    if search.entry != NULL:
        find(&search, &matches)
        arrange(&search, &matches)
    if search.store:
        store_matches(c, &search, &matches)
    else:
        reply_matches(c, &search, &matches)
    memory_free(matches.items)


# -- the commands -----------------------------------------------------------------------------------------------------

cdef void cmd_georadius(Context *c) noexcept nogil:
    search_by(c, FORM_RADIUS, True)


declare(native(cmd_georadius), "georadius", -6, "write denyoom",
        keys="1 RO access; STORE@6 OW update; STOREDIST@6 OW update", group="geo", since="3.2.0",
        complexity="O(N+log(M))", summary="Returns or stores the places within a distance of a point.",
        history=["6.2.0 COUNT takes ANY.", "7.0.0 Takes units in capitals."],
        deprecated="6.2.0 `GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
        args="key longitude:double latitude:double radius:double (unit: M | KM | FT | MI) [WITHCOORD] "
             "[WITHDIST] [WITHHASH] [count-block: COUNT count:integer [ANY@6.2.0]] [order: ASC | DESC] "
             "[store: STORE storekey<key>:key | STOREDIST storedistkey<key>:key]")


cdef void cmd_georadius_ro(Context *c) noexcept nogil:
    search_by(c, FORM_RADIUS, False)


declare(native(cmd_georadius_ro), "georadius_ro", -6, "readonly", keys="1 RO access", group="geo",
        since="3.2.10", complexity="O(N+log(M))", summary="Returns the places within a distance of a point.",
        history=["6.2.0 COUNT takes ANY.", "7.0.0 Takes units in capitals."],
        deprecated="6.2.0 `GEOSEARCH` with the `BYRADIUS` argument",
        args="key longitude:double latitude:double radius:double (unit: M | KM | FT | MI) [WITHCOORD] "
             "[WITHDIST] [WITHHASH] [count-block: COUNT count:integer [ANY@6.2.0]] [order: ASC | DESC]")


cdef void cmd_georadiusbymember(Context *c) noexcept nogil:
    search_by(c, FORM_BY_MEMBER, True)


declare(native(cmd_georadiusbymember), "georadiusbymember", -5, "write denyoom",
        keys="1 RO access; STORE@5 OW update; STOREDIST@5 OW update", group="geo", since="3.2.0",
        complexity="O(N+log(M))", summary="Returns or stores the places within a distance of a place.",
        history=["6.2.0 COUNT takes ANY.", "7.0.0 Takes units in capitals."],
        deprecated="6.2.0 `GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        args="key member radius:double (unit: M | KM | FT | MI) [WITHCOORD] [WITHDIST] [WITHHASH] "
             "[count-block: COUNT count:integer [ANY]] [order: ASC | DESC] [store: STORE storekey<key>:key | "
             "STOREDIST storedistkey<key>:key]")


cdef void cmd_georadiusbymember_ro(Context *c) noexcept nogil:
    search_by(c, FORM_BY_MEMBER, False)


declare(native(cmd_georadiusbymember_ro), "georadiusbymember_ro", -5, "readonly", keys="1 RO access",
        group="geo", since="3.2.10", complexity="O(N+log(M))",
        summary="Returns the places within a distance of a place.",
        history=["6.2.0 COUNT takes ANY.", "7.0.0 Takes units in capitals."],
        deprecated="6.2.0 `GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
        args="key member radius:double (unit: M | KM | FT | MI) [WITHCOORD] [WITHDIST] [WITHHASH] "
             "[count-block: COUNT count:integer [ANY]] [order: ASC | DESC]")


cdef void cmd_geosearch(Context *c) noexcept nogil:
    search_by(c, FORM_SEARCH, False)


declare(native(cmd_geosearch), "geosearch", -7, "readonly", keys="1 RO access", group="geo", since="6.2.0",
        complexity="O(N+log(M))", summary="Returns the places within a circle or a box.",
        history=["7.0.0 Takes units in capitals."],
        args="key (from: FROMMEMBER member | (FROMLONLAT longitude:double latitude:double)) (by: (circle: "
             "BYRADIUS radius:double (unit: M | KM | FT | MI)) | (box: BYBOX width:double height:double "
             "(unit: M | KM | FT | MI))) [order: ASC | DESC] [count-block: COUNT count:integer [ANY]] "
             "[WITHCOORD] [WITHDIST] [WITHHASH]")


cdef void cmd_geosearchstore(Context *c) noexcept nogil:
    search_by(c, FORM_SEARCH_STORE, False)


declare(native(cmd_geosearchstore), "geosearchstore", -8, "write denyoom", keys="1 OW update; 2 RO access",
        group="geo", since="6.2.0", complexity="O(N+log(M))",
        summary="Stores the places within a circle or a box.", history=["7.0.0 Takes units in capitals."],
        args="destination:key source:key (from: FROMMEMBER member | (FROMLONLAT longitude:double "
             "latitude:double)) (by: (circle: BYRADIUS radius:double (unit: M | KM | FT | MI)) | (box: BYBOX "
             "width:double height:double (unit: M | KM | FT | MI))) [order: ASC | DESC] [count-block: COUNT "
             "count:integer [ANY]] [STOREDIST]")
