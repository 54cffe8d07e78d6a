"""Places as scores of sorted sets: 52 bits of interleaved latitude and longitude; distances; areas to search."""
from libc.stdint cimport uint64_t

cdef enum:
    GEO_TEXT_SIZE = 11          # characters of a standard geohash
    GEO_AREAS = 9               # a cell and its neighbours
    GEO_DEGREES_SIZE = 24       # bytes that `out` of geo_print_degrees must have

cdef struct GeoPoint:
    double longitude            # degrees
    double latitude

cdef struct GeoShape:           # what is searched
    GeoPoint center
    bint is_box                 # else a circle
    double radius               # of a circle, in units
    double width                # of a box, in units
    double height
    double unit                 # metres

cdef struct GeoRange:           # scores of a cell: min <= score < max
    uint64_t min
    uint64_t max

cdef bint geo_is_valid(GeoPoint point) noexcept nogil
cdef uint64_t geo_score(GeoPoint point) noexcept nogil
cdef GeoPoint geo_point(double score) noexcept nogil
cdef void geo_text(GeoPoint point, char *out) noexcept nogil            # GEO_TEXT_SIZE characters
cdef int geo_print_degrees(char *out, double degrees) noexcept nogil    # up to 180 to both sides; the length
cdef double geo_distance(GeoPoint a, GeoPoint b) noexcept nogil         # metres
cdef bint geo_within(const GeoShape *shape, GeoPoint point, double *distance) noexcept nogil     # metres
cdef int geo_cover(const GeoShape *shape, GeoRange *areas) noexcept nogil   # how many of GEO_AREAS
