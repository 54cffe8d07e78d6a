"""Places: sorted sets whose scores are geohashes.

GEOADD is ZADD with scores made of coordinates, and it is as ZADD that the AOF and replicas see it: a score is what it
is, whoever computes geohashes. Searching is commands/geosearch.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy

from kv._core.base.buffer cimport buffer_reserve
from kv._core.base.numbers cimport FORMAT_I64_SIZE, format_i64
from kv._core.base.platform cimport likely
from kv._core.commands.zsets cimport (
    MEMBER_EXTRA, Addition, add_scored, arg_double_or_reply, entry_to_add_to, scores_free, scores_take)
from kv._core.objects.entry cimport TYPE_ZSET, Entry
from kv._core.objects.geohash cimport (
    GEO_DEGREES_SIZE, GEO_TEXT_SIZE, GeoPoint, geo_distance, geo_is_valid, geo_point, geo_print_degrees, geo_score,
    geo_text)
from kv._core.objects.zset cimport ZSET_NX, ZSET_XX, zset_score
from kv._core.resp.reply cimport Reply, reply_array, reply_bulk, reply_null, reply_null_array
from kv._core.runtime.context cimport arg_is, check_type, error, read_key, syntax_error
from kv._core.runtime.propagation cimport effects_begin, effects_number, effects_slice, effects_wanted, effects_word
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import declare
from kv._core.runtime.state cimport Context

cdef extern from "<math.h>" nogil:
    long long llrint(double value)

cdef enum:
    SCORE_DIGITS = 16           # of a geohash as a number
    MESSAGE_SIZE = 1024         # of an error with two doubles in full


# -- shared -----------------------------------------------------------------------------------------------------------

cdef bint point_or_reply(Context *c, int index, GeoPoint *point) noexcept nogil:
    """A longitude and a latitude, from an argument on."""
    cdef char message[MESSAGE_SIZE]
    if not arg_double_or_reply(c, index, &point.longitude) or not arg_double_or_reply(c, index + 1, &point.latitude):
        return False
    if likely(geo_is_valid(point[0])):
        return True
    snprintf(message, MESSAGE_SIZE, b"ERR invalid longitude,latitude pair %f,%f", point.longitude, point.latitude)
    error(c, message)
    return False


cdef bint unit_or_reply(Context *c, int index, double *unit) noexcept nogil:
    """A unit of length, in metres."""
    if arg_is(c, index, b"m", 1):
        unit[0] = 1
    elif arg_is(c, index, b"km", 2):
        unit[0] = 1000
    elif arg_is(c, index, b"ft", 2):
        unit[0] = 0.3048
    elif arg_is(c, index, b"mi", 2):
        unit[0] = 1609.34
    else:
        error(c, b"ERR unsupported unit provided. please use M, KM, FT, MI")
        return False
    return True


cdef void reply_distance(Reply *reply, double distance) noexcept nogil:
    """With four digits behind the point; text in either RESP version."""
    cdef char text[FORMAT_I64_SIZE + 2]
    cdef int64_t value = llrint(distance * 10000)
    cdef int length = format_i64(text, value // 10000)
    cdef int64_t part = value % 10000
    cdef int i
    text[length] = c'.'
    for i in range(4, 0, -1):
        text[length + i] = <char> (c'0' + part % 10)
        part //= 10
    reply_bulk(reply, text, length + 5)


cdef void reply_coordinate(Reply *reply, double degrees) noexcept nogil:
    cdef char text[GEO_DEGREES_SIZE]
    cdef int length = geo_print_degrees(text, degrees)
    cdef char *out
    if reply.version == 2:
        reply_bulk(reply, text, length)
        return
    out = buffer_reserve(reply.out, length + 3)
    out[0] = c','
    memcpy(out + 1, text, length)
    memcpy(out + 1 + length, b"\r\n", 2)
    reply.out.length += length + 3


cdef void reply_point(Reply *reply, GeoPoint point) noexcept nogil:
    reply_array(reply, 2)
    reply_coordinate(reply, point.longitude)
    reply_coordinate(reply, point.latitude)


# -- GEOADD -----------------------------------------------------------------------------------------------------------

cdef bint options_or_reply(Context *c, Addition *addition) noexcept nogil:
    cdef int i = 2
    addition.conditions, addition.count_updates = 0, False
    while i < c.argc:
        if arg_is(c, i, b"nx", 2):
            addition.conditions |= ZSET_NX
        elif arg_is(c, i, b"xx", 2):
            addition.conditions |= ZSET_XX
        elif arg_is(c, i, b"ch", 2):
            addition.count_updates = True
        else:
            break
        i += 1
    addition.first = i
    addition.member, addition.step = i + 2, 3
    addition.pairs = (c.argc - i) // 3
    if addition.pairs == 0 or (c.argc - i) % 3 or addition.conditions == (ZSET_NX | ZSET_XX):
        syntax_error(c)
        return False
    return True


cdef bint scores_or_reply(Context *c, Addition *addition) noexcept nogil:
    """Read all places, so that none is set where another is none."""
    cdef GeoPoint point
    cdef size_t length
    cdef int i
    addition.longest = addition.room = 0
    for i in range(addition.pairs):
        if not point_or_reply(c, addition.first + 3 * i, &point):
            return False
        addition.scores[i] = <double> geo_score(point)
        length = c.argv[addition.member + 3 * i].length
        if length > addition.longest:
            addition.longest = length
        addition.room += length + SCORE_DIGITS + MEMBER_EXTRA
    return True


cdef void propagate_as_zadd(Context *c, const Addition *addition) noexcept nogil:
    cdef int i
    c.propagated = True
    if not effects_wanted(c.runtime):
        return
    effects_begin(c.runtime, c.database.id, addition.first + 2 * addition.pairs)
    effects_word(c.runtime, b"ZADD", 4)
    for i in range(1, addition.first):
        effects_slice(c.runtime, c.argv[i])
    for i in range(addition.pairs):
        effects_number(c.runtime, <int64_t> addition.scores[i])
        effects_slice(c.runtime, c.argv[addition.member + 3 * i])


cdef void cmd_geoadd(Context *c) noexcept nogil:
    cdef Addition addition
    cdef Entry *entry
    cdef uint64_t dirty = c.keyspace.dirty
    if not options_or_reply(c, &addition):
        return
    scores_take(&addition)
    if likely(scores_or_reply(c, &addition)):
        entry = entry_to_add_to(c, &addition)
        if likely(entry != NULL):
            add_scored(c, entry, &addition)
        if c.keyspace.dirty != dirty:
            propagate_as_zadd(c, &addition)
    scores_free(&addition)


declare(native(cmd_geoadd), "geoadd", -5, "write denyoom", keys="1 RW update", group="geo", since="3.2.0",
        complexity="O(log(N))", summary="Adds places to a geospatial index, or moves them.",
        history=["6.2.0 Takes CH, NX and XX."],
        args="key [condition@6.2.0: NX | XX] [change=CH@6.2.0] (data: longitude:double latitude:double "
             "member)...")


# -- questions --------------------------------------------------------------------------------------------------------

cdef void cmd_geohash(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    cdef char text[GEO_TEXT_SIZE]
    cdef double score
    cdef int i
    if not check_type(c, entry, TYPE_ZSET):
        return
    reply_array(&c.reply, c.argc - 2)
    for i in range(2, c.argc):
        if entry != NULL and zset_score(entry, c.argv[i], &score):
            geo_text(geo_point(score), text)
            reply_bulk(&c.reply, text, GEO_TEXT_SIZE)
        else:
            reply_null(&c.reply)


declare(native(cmd_geohash), "geohash", -2, "readonly", keys="1 RO access", member=2, group="geo", since="3.2.0",
        complexity="O(1)", summary="Returns places as geohash text.", args="key [member...]")


cdef void cmd_geopos(Context *c) noexcept nogil:
    cdef Entry *entry = read_key(c, 1)
    cdef double score
    cdef int i
    if not check_type(c, entry, TYPE_ZSET):
        return
    reply_array(&c.reply, c.argc - 2)
    for i in range(2, c.argc):
        if entry != NULL and zset_score(entry, c.argv[i], &score):
            reply_point(&c.reply, geo_point(score))
        else:
            reply_null_array(&c.reply)


declare(native(cmd_geopos), "geopos", -2, "readonly", keys="1 RO access", member=2, group="geo", since="3.2.0",
        complexity="O(1)", summary="Returns the longitude and latitude of places.", args="key [member...]")


cdef void cmd_geodist(Context *c) noexcept nogil:
    cdef Entry *entry
    cdef double unit = 1
    cdef double a, b
    if c.argc > 5:
        syntax_error(c)
        return
    if c.argc == 5 and not unit_or_reply(c, 4, &unit):
        return
    entry = read_key(c, 1)
    if not check_type(c, entry, TYPE_ZSET):
        return
    if entry != NULL and zset_score(entry, c.argv[2], &a) and zset_score(entry, c.argv[3], &b):
        reply_distance(&c.reply, geo_distance(geo_point(a), geo_point(b)) / unit)
    else:
        reply_null(&c.reply)


declare(native(cmd_geodist), "geodist", -4, "readonly", keys="1 RO access", group="geo", since="3.2.0",
        complexity="O(1)", summary="Returns the distance between two places.",
        args="key member1 member2 [unit: M | KM | FT | MI]")
