"""Places as scores of sorted sets.

The world is halved by turns, longitude first, and each half is a bit: 26 times both ways make a score of 52 bits, which
a double holds exactly. Cells of any size, 2 * step bits, are ranges of scores. Latitudes end at 85.05112878 degrees
(EPSG:3857, where the map is a square); the geohash text that others know goes to the poles, so it is made anew.

A search covers its shape with nine cells: the one of the centre and its neighbours, so large that they reach over the
shape's edges; those that lie beyond them are left out. Which cells, in which order, and each formula below are as
Valkey and Redis have them, operation by operation: scores must be equal bit for bit, distances in each digit shown, and
what is not asked to be sorted comes in the order of the cells.
"""
from libc.math cimport M_PI, asin, cos, fabs, sin, sqrt
from libc.stdint cimport uint32_t, uint64_t

from kv._core.base.machine cimport double_to_bits, multiply_u64
from kv._core.base.numbers cimport format_u64

cdef enum:
    STEPS = 26                  # halvings each way
    LONGITUDE = 1               # of Cell.bits: the odd ones
    LATITUDE = 0
    DECIMALS = 17               # of degrees as text

cdef double LONGITUDE_LIMIT = 180.0                 # degrees to both sides
cdef double LATITUDE_LIMIT = 85.05112878
cdef double EARTH_RADIUS = 6372797.560856           # metres
cdef double MERCATOR_LIMIT = 20037726.37            # metres: half of the equator as the map has it
cdef double SURELY = 1 + 1e-9                       # what is longer by so much is no matter of rounding
cdef double RADIANS = M_PI / 180.0                  # of a degree
cdef uint64_t EVEN = 0x5555555555555555ULL
cdef uint64_t ODD = 0xaaaaaaaaaaaaaaaaULL
cdef const char *ALPHABET = b"0123456789bcdefghjkmnpqrstuvwxyz"

cdef struct Cell:
    uint64_t bits               # 2 * step of them
    int step                    # halvings each way, 0: no cell

cdef struct Bounds:             # degrees
    double west
    double south
    double east
    double north


# -- interleaving -----------------------------------------------------------------------------------------------------

cdef inline uint64_t spread(uint64_t word) noexcept nogil:
    """The low 32 bits, each to twice its place."""
    word = (word | word << 16) & 0x0000ffff0000ffffULL
    word = (word | word << 8) & 0x00ff00ff00ff00ffULL
    word = (word | word << 4) & 0x0f0f0f0f0f0f0f0fULL
    word = (word | word << 2) & 0x3333333333333333ULL
    return (word | word << 1) & EVEN


cdef inline uint32_t gather(uint64_t word) noexcept nogil:
    """The even bits, each to half its place."""
    word &= EVEN
    word = (word | word >> 1) & 0x3333333333333333ULL
    word = (word | word >> 2) & 0x0f0f0f0f0f0f0f0fULL
    word = (word | word >> 4) & 0x00ff00ff00ff00ffULL
    word = (word | word >> 8) & 0x0000ffff0000ffffULL
    return <uint32_t> (word | word >> 16)


cdef Cell cell_at(GeoPoint point, double latitude_limit, int step) noexcept nogil:
    cdef Cell cell
    cdef double latitude = (point.latitude - -latitude_limit) / (latitude_limit - -latitude_limit)
    cdef double longitude = (point.longitude - -LONGITUDE_LIMIT) / (LONGITUDE_LIMIT - -LONGITUDE_LIMIT)
    latitude *= <double> (1ULL << step)
    longitude *= <double> (1ULL << step)
    cell.bits = spread(<uint32_t> latitude) | spread(<uint32_t> longitude) << 1
    cell.step = step
    return cell


cdef inline double edge(uint32_t index, int step, double limit) noexcept nogil:
    """Where the index-th of 2^step parts of -limit to limit begins."""
    return -limit + (index * 1.0 / <double> (1ULL << step)) * (limit - -limit)


cdef Bounds bounds_of(Cell cell) noexcept nogil:
    cdef Bounds bounds
    cdef uint32_t latitude = gather(cell.bits)
    cdef uint32_t longitude = gather(cell.bits >> 1)
    bounds.south = edge(latitude, cell.step, LATITUDE_LIMIT)
    bounds.north = edge(latitude + 1, cell.step, LATITUDE_LIMIT)
    bounds.west = edge(longitude, cell.step, LONGITUDE_LIMIT)
    bounds.east = edge(longitude + 1, cell.step, LONGITUDE_LIMIT)
    return bounds


cdef inline double clamp(double value, double limit) noexcept nogil:
    return -limit if value < -limit else limit if value > limit else value


cdef bint geo_is_valid(GeoPoint point) noexcept nogil:
    return (-LONGITUDE_LIMIT <= point.longitude <= LONGITUDE_LIMIT
            and -LATITUDE_LIMIT <= point.latitude <= LATITUDE_LIMIT)


cdef uint64_t geo_score(GeoPoint point) noexcept nogil:
    """Of a point within the limits."""
    return cell_at(point, LATITUDE_LIMIT, STEPS).bits


cdef GeoPoint geo_point(double score) noexcept nogil:
    """The middle of a score's cell; some point for a score that no point has."""
    cdef Cell cell
    cdef Bounds bounds
    cdef GeoPoint point
    cell.bits, cell.step = <uint64_t> score, STEPS
    bounds = bounds_of(cell)
    point.longitude = clamp((bounds.west + bounds.east) / 2, LONGITUDE_LIMIT)
    point.latitude = clamp((bounds.south + bounds.north) / 2, LATITUDE_LIMIT)
    return point


cdef void geo_text(GeoPoint point, char *out) noexcept nogil:
    """The standard geohash. Eleven characters need 55 bits; the last one, of which there are two, is always 0."""
    cdef uint64_t bits = cell_at(point, 90.0, STEPS).bits
    cdef int i
    for i in range(GEO_TEXT_SIZE - 1):
        out[i] = ALPHABET[bits >> (2 * STEPS - 5 * (i + 1)) & 31]
    out[GEO_TEXT_SIZE - 1] = ALPHABET[0]


cdef inline uint64_t shifted(uint64_t high, uint64_t low, int shift) noexcept nogil:
    """128 bits, divided by 2^shift and rounded, halves to even; the quotient has 64 bits, and shift is above 0."""
    cdef uint64_t half = 1ULL << 63
    cdef uint64_t quotient, rest
    if shift >= 128:
        return 0
    if shift > 64:
        quotient, rest = high >> (shift - 64), high << (128 - shift) | (low != 0)
    elif shift == 64:
        quotient, rest = high, low
    else:
        quotient, rest = high << (64 - shift) | low >> shift, low << (64 - shift)
    if rest > half or (rest == half and quotient & 1):
        quotient += 1
    return quotient


cdef int geo_print_degrees(char *out, double degrees) noexcept nogil:
    """As %.17f prints them, without the zeros at the end. 180 * 10^17 still fits into 64 bits, so this is exact."""
    cdef uint64_t bits = double_to_bits(degrees)
    cdef uint64_t scale = 100000000000000000ULL
    cdef uint64_t low = 0
    cdef uint64_t high = multiply_u64((bits & 0x000fffffffffffffULL) | 1ULL << 52, scale, &low)
    cdef uint64_t value = shifted(high, low, 1075 - <int> (bits >> 52 & 2047))
    cdef uint64_t part = value % scale
    cdef int length = 0
    cdef int i
    if bits >> 63 and value:
        out[0] = c'-'
        length = 1
    length += format_u64(out + length, value // scale)
    if part == 0:
        return length
    out[length] = c'.'
    for i in range(DECIMALS, 0, -1):
        out[length + i] = <char> (c'0' + part % 10)
        part //= 10
    length += DECIMALS
    while out[length] == c'0':
        length -= 1
    return length + 1


# -- distances --------------------------------------------------------------------------------------------------------

cdef inline double latitude_distance(double a, double b) noexcept nogil:
    return EARTH_RADIUS * fabs(b * RADIANS - a * RADIANS)


cdef double geo_distance(GeoPoint a, GeoPoint b) noexcept nogil:
    """Along the great circle, by the haversine formula."""
    cdef double v = sin((b.longitude * RADIANS - a.longitude * RADIANS) / 2)
    cdef double latitude_a, latitude_b, u, h
    if v == 0:
        return latitude_distance(a.latitude, b.latitude)
    latitude_a, latitude_b = a.latitude * RADIANS, b.latitude * RADIANS
    u = sin((latitude_b - latitude_a) / 2)
    h = u * u + cos(latitude_a) * cos(latitude_b) * v * v
    return 2.0 * EARTH_RADIUS * asin(sqrt(h if h < 1 else 1))      # rounding takes antipodes beyond 1


cdef bint geo_within(const GeoShape *shape, GeoPoint point, double *distance) noexcept nogil:
    """Whether the point is in the shape; its distance from the centre. The sides of a box are measured at the point's
    own latitude and along its meridian."""
    cdef GeoPoint beside
    cdef double radius = shape.radius * shape.unit
    if not shape.is_box:
        if latitude_distance(point.latitude, shape.center.latitude) > radius * SURELY:
            return False                                # it is no nearer than its latitude: no trigonometry
        distance[0] = geo_distance(shape.center, point)
        return distance[0] <= radius
    if latitude_distance(point.latitude, shape.center.latitude) > shape.height * shape.unit / 2:
        return False
    beside.longitude, beside.latitude = shape.center.longitude, point.latitude
    if geo_distance(point, beside) > shape.width * shape.unit / 2:
        return False
    distance[0] = geo_distance(shape.center, point)
    return True


# -- areas ------------------------------------------------------------------------------------------------------------

cdef int step_for(double radius, double latitude) noexcept nogil:
    """How fine the cells may be that nine of them cover a radius in metres; coarser near the poles, where meridians
    are close to each other."""
    cdef int step = 1
    if radius == 0:
        return STEPS
    while radius < MERCATOR_LIMIT:
        radius *= 2
        step += 1
    step -= 2
    if latitude > 66 or latitude < -66:
        step -= 1
        if latitude > 80 or latitude < -80:
            step -= 1
    return 1 if step < 1 else STEPS if step > STEPS else step


cdef Bounds bounds_of_shape(const GeoShape *shape) noexcept nogil:
    """As a box of degrees; the side nearer to a pole spans more of them."""
    cdef Bounds bounds
    cdef double height = shape.unit * (shape.height / 2 if shape.is_box else shape.radius)
    cdef double width = shape.unit * (shape.width / 2 if shape.is_box else shape.radius)
    cdef double latitude = shape.center.latitude
    cdef double up = height / EARTH_RADIUS / RADIANS
    cdef double polar = latitude - up if latitude < 0 else latitude + up
    cdef double aside = width / EARTH_RADIUS / cos(polar * RADIANS) / RADIANS
    bounds.west, bounds.east = shape.center.longitude - aside, shape.center.longitude + aside
    bounds.south, bounds.north = latitude - up, latitude + up
    return bounds


cdef inline uint64_t moved(uint64_t bits, int axis, int by, int step) noexcept nogil:
    """One part on (1) or back (-1) along an axis, round the world: the bits of the other axis carry."""
    cdef uint64_t own = ODD if axis == LONGITUDE else EVEN
    cdef uint64_t other = bits & ~own
    cdef uint64_t part = bits & own
    cdef uint64_t carry = ~own >> (64 - 2 * step)
    if by > 0:
        part = (part | carry) + 1
    elif by < 0:
        part -= 1
    else:
        return bits
    return part & own >> (64 - 2 * step) | other


cdef inline Cell neighbour(Cell cell, int east, int north) noexcept nogil:
    cell.bits = moved(moved(cell.bits, LONGITUDE, east, cell.step), LATITUDE, north, cell.step)
    return cell


cdef bint is_covered(const Bounds *wanted, Cell cell) noexcept nogil:
    """Whether the cells to the four sides of this one reach over the edges."""
    return not (bounds_of(neighbour(cell, 0, 1)).north < wanted.north
                or bounds_of(neighbour(cell, 0, -1)).south > wanted.south
                or bounds_of(neighbour(cell, 1, 0)).east < wanted.east
                or bounds_of(neighbour(cell, -1, 0)).west > wanted.west)


cdef inline bint is_useless(const Bounds *wanted, const Bounds *held, int east, int north) noexcept nogil:
    """Whether the middle cell reaches over the edge to that side already."""
    return ((north < 0 and held.south < wanted.south) or (north > 0 and held.north > wanted.north)
            or (east < 0 and held.west < wanted.west) or (east > 0 and held.east > wanted.east))


cdef GeoRange scores_of(Cell cell) noexcept nogil:
    cdef GeoRange scores
    cdef int shift = 2 * (STEPS - cell.step)
    scores.min, scores.max = cell.bits << shift, (cell.bits + 1) << shift
    return scores


cdef int geo_cover(const GeoShape *shape, GeoRange *areas) noexcept nogil:
    """The areas whose scores hold all of the shape. Of large cells neighbours may be one and the same; those stand
    next to each other in this order, and are taken once."""
    cdef int[GEO_AREAS] east = [0, 0, 0, 1, -1, 1, -1, 1, -1]
    cdef int[GEO_AREAS] north = [0, 1, -1, 0, 0, 1, 1, -1, -1]
    cdef Bounds wanted = bounds_of_shape(shape)
    cdef Bounds held
    cdef double radius = shape.radius
    cdef Cell middle, cell
    cdef uint64_t last = 0
    cdef int count = 0
    cdef int step, i
    if shape.is_box:
        radius = sqrt((shape.width / 2) * (shape.width / 2) + (shape.height / 2) * (shape.height / 2))
    step = step_for(radius * shape.unit, shape.center.latitude)
    middle = cell_at(shape.center, LATITUDE_LIMIT, step)
    if step > 1 and not is_covered(&wanted, middle):
        step -= 1
        middle = cell_at(shape.center, LATITUDE_LIMIT, step)
    held = bounds_of(middle)
    for i in range(GEO_AREAS):
        cell = neighbour(middle, east[i], north[i])
        if (i > 1 and count > 1 and cell.bits == last) or (step > 1 and is_useless(&wanted, &held, east[i], north[i])):
            continue
        areas[count] = scores_of(cell)
        count += 1
        last = cell.bits
    return count
