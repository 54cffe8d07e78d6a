"""What the commands on places share."""
from kv._core.objects.geohash cimport GeoPoint
from kv._core.resp.reply cimport Reply
from kv._core.runtime.state cimport Context

cdef bint point_or_reply(Context *c, int index, GeoPoint *point) noexcept nogil
cdef bint unit_or_reply(Context *c, int index, double *unit) noexcept nogil
cdef void reply_distance(Reply *reply, double distance) noexcept nogil
cdef void reply_point(Reply *reply, GeoPoint point) noexcept nogil
