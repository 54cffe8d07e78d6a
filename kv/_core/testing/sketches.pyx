"""Python faces of HyperLogLogs' registers and opcodes and of geohashes, for the tests; see testing/base for why."""
from libc.stdint cimport uint8_t, uint32_t

from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.objects.geohash cimport (
    GEO_AREAS, GEO_DEGREES_SIZE, GEO_TEXT_SIZE, GeoPoint, GeoRange, GeoShape, geo_cover, geo_distance, geo_point,
    geo_print_degrees, geo_score, geo_text, geo_within)
from kv._core.objects.hllregisters cimport (
    HLL_PACKED_SIZE, HLL_REGISTERS, HllHistogram, histogram_estimate, hll_use_simd, packed_get, packed_histogram,
    packed_merge, packed_raise, registers_histogram, registers_pack)
from kv._core.objects.hllsparse cimport (
    SPARSE_LONGEST, SparseCursor, SparsePlace, sparse_find, sparse_histogram, sparse_join, sparse_merge,
    sparse_print, sparse_split)
from kv._core.testing.block cimport Block


# registers

def use_simd(bint wanted):
    return hll_use_simd(wanted)


def pack(bytes registers):
    cdef Block source = Block(registers), out = Block(bytes(HLL_PACKED_SIZE))
    registers_pack(source.data, out.data)
    return out.content()


def merge(bytes packed, bytes registers):
    """The registers, a byte each, raised to the packed ones."""
    cdef Block source = Block(packed), out = Block(registers)
    packed_merge(source.data, out.data)
    return out.content()


def get(bytes packed, uint32_t index):
    cdef Block block = Block(packed)
    return packed_get(block.data, index)


def raised(bytes packed, uint32_t index, int value):
    """Whether the register rose, and all of them then."""
    cdef Block block = Block(packed)
    return packed_raise(block.data, index, value), block.content()


def histograms(bytes packed, bytes registers):
    cdef HllHistogram first, second
    cdef Block packed_block = Block(packed), block = Block(registers)
    packed_histogram(packed_block.data, &first)
    registers_histogram(block.data, &second)
    return list(first.counts), list(second.counts)


def estimate(list counts):
    cdef HllHistogram histogram
    for i in range(64):
        histogram.counts[i] = counts[i]
    return histogram_estimate(&histogram)


# opcodes

def find(bytes codes, list indexes):
    """(at, previous, size, value, first, end) of the opcodes that cover rising indexes, looked for one after the other
    with one cursor; None for where there is none."""
    cdef Block block = Block(codes)
    cdef SparseCursor cursor
    cdef SparsePlace place
    cursor.at = cursor.first = 0
    found = []
    for index in indexes:
        if sparse_find(block.data, block.length, index, &cursor, &place):
            found.append((place.at, place.previous, place.size, place.value, place.first, place.end))
        else:
            found.append(None)
    return found


def split(bytes codes, uint32_t index, int value):
    """What is to replace the opcode that covers a register."""
    cdef Block block = Block(codes)
    cdef uint8_t out[SPARSE_LONGEST]
    cdef SparseCursor cursor
    cdef SparsePlace place
    cursor.at = cursor.first = 0
    if not sparse_find(block.data, block.length, index, &cursor, &place):
        return None
    return out[:sparse_split(&place, index, value, out)]


def join(bytes codes, size_t at):
    cdef Block block = Block(codes)
    length = sparse_join(block.data, block.length, at)
    return block.content()[:length]


def sparse_registers(bytes codes):
    """All registers, and their histogram; None where they are corrupt."""
    cdef Block block = Block(codes), out = Block(bytes(HLL_REGISTERS))
    cdef HllHistogram histogram
    cdef bint good = sparse_merge(block.data, block.length, out.data)
    assert good == sparse_histogram(block.data, block.length, &histogram)
    return (out.content(), list(histogram.counts)) if good else None


def show(bytes codes):
    cdef Block block = Block(codes)
    cdef Buffer text
    text.data = NULL
    text.length = text.capacity = 0
    sparse_print(block.data, block.length, &text)
    shown = text.data[:text.length] if text.length else b""
    buffer_free(&text)
    return shown


# places

cdef GeoPoint point_of(tuple pair):
    cdef GeoPoint point
    point.longitude, point.latitude = pair
    return point


cdef GeoShape shape_of(tuple center, tuple size):
    """`size` is (radius,) or (width, height), in metres."""
    cdef GeoShape shape
    shape.center, shape.unit, shape.is_box = point_of(center), 1, len(size) == 2
    shape.radius = shape.width = size[0]
    shape.height = size[1] if shape.is_box else 0
    return shape


def score(tuple place):
    return geo_score(point_of(place))


def place(double of_score):
    cdef GeoPoint point = geo_point(of_score)
    return point.longitude, point.latitude


def text(tuple place):
    cdef char out[GEO_TEXT_SIZE]
    geo_text(point_of(place), out)
    return out[:GEO_TEXT_SIZE]


def degrees(double value):
    cdef char out[GEO_DEGREES_SIZE]
    return out[:geo_print_degrees(out, value)]


def distance(tuple a, tuple b):
    return geo_distance(point_of(a), point_of(b))


def cover(tuple center, tuple size):
    """The ranges of scores to search."""
    cdef GeoRange areas[GEO_AREAS]
    cdef GeoShape shape = shape_of(center, size)
    return [(areas[i].min, areas[i].max) for i in range(geo_cover(&shape, areas))]


def within(tuple center, tuple size, tuple place):
    """The distance of a place in the shape; None for one outside."""
    cdef double found
    cdef GeoShape shape = shape_of(center, size)
    return found if geo_within(&shape, point_of(place), &found) else None
