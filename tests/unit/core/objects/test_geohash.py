"""Geohashes against the definition: halvings, one at a time, and areas that must hold every place in their shape."""
import math
import random

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kv._core.testing import sketches

LATITUDE = 85.05112878
PLACES = st.tuples(st.floats(-180, 180), st.floats(-LATITUDE, LATITUDE))
SIZES = st.floats(1, 3e6)


@given(st.floats(-180, 180) | st.integers(-180 * 2**20, 180 * 2**20).map(lambda n: n / 2**20) | st.floats(-1e-15, 1e-15))
@example(180.0)
@example(-180.0)
@example(0.0)
@example(-0.0)
@example(2.0**-18)
@example(3 * 2.0**-18)
@example(-(2.0**-57))
@example(2.0**-1074)
@example(0.1)
def test_degrees(value):
    """As Python prints them, which is exact and rounds halves to even as well."""
    expected = f"{value:.17f}".rstrip("0").rstrip(".")
    assert sketches.degrees(value).decode() == ("0" if expected == "-0" else expected)


def halved(value, limit, times):
    """The bits of a value's position, by halving."""
    low, high, bits = -limit, limit, 0
    for _ in range(times):
        middle = (low + high) / 2
        bits <<= 1
        if value >= middle:
            bits, low = bits | 1, middle
        else:
            high = middle
    return bits


def woven(longitude, latitude):
    return sum((longitude >> i & 1) << 2 * i + 1 | (latitude >> i & 1) << 2 * i for i in range(27))


@given(PLACES)
def test_score(place):
    """As by halving, or a neighbouring cell's where rounding decides; a limit itself goes beyond the last cell."""
    assume(place[0] < 180 and place[1] < LATITUDE)
    longitude, latitude = place
    east, north = halved(longitude, 180, 26), halved(latitude, LATITUDE, 26)
    near = [(east + i, north + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    assert sketches.score(place) in {woven(*cell) for cell in near if min(cell) >= 0}


def test_known_scores():
    """From the documentation of GEOADD and GEOHASH."""
    palermo, catania = (13.361389, 38.115556), (15.087269, 37.502669)
    assert [sketches.score(palermo), sketches.score(catania)] == [3479099956230698, 3479447370796909]
    assert sketches.text(sketches.place(3479099956230698)) == b"sqc8b49rny0"
    assert sketches.text(sketches.place(3479447370796909)) == b"sqdtr74hyu0"
    assert round(sketches.distance(sketches.place(3479099956230698), sketches.place(3479447370796909)), 4) == 166274.1516


@given(PLACES)
def test_place_of_score(place):
    """In its cell, of which there is none at the limits."""
    assume(abs(place[0]) < 179.999 and abs(place[1]) < LATITUDE - 0.001)
    found = sketches.place(sketches.score(place))
    assert abs(found[0] - place[0]) <= 360 / 2**26
    assert abs(found[1] - place[1]) <= 2 * LATITUDE / 2**26
    assert sketches.score(found) == sketches.score(place)


@pytest.mark.parametrize("score", [-1.0, 1e300, -1e300, math.inf, -math.inf, 2.0**63, 2.0**52, 0.5, 0.0])
def test_scores_that_no_place_has(score):
    longitude, latitude = sketches.place(score)
    assert -180 <= longitude <= 180
    assert -LATITUDE <= latitude <= LATITUDE


@given(PLACES, PLACES)
def test_distance(a, b):
    """The angle between two vectors says the same, as far as its arc cosine does."""
    def vector(place):
        longitude, latitude = map(math.radians, place)
        return math.cos(latitude) * math.cos(longitude), math.cos(latitude) * math.sin(longitude), math.sin(latitude)
    angle = math.acos(max(-1, min(1, sum(x * y for x, y in zip(vector(a), vector(b), strict=True)))))
    found = sketches.distance(a, b)
    assert found == pytest.approx(6372797.560856 * angle, abs=1)
    assert found == pytest.approx(sketches.distance(b, a), abs=0.01)


def test_distance_of_antipodes():
    for longitude in range(-180, 1, 7):
        for latitude in range(-85, 86, 3):
            assert sketches.distance((longitude, latitude), (longitude + 180, -latitude)) == pytest.approx(2.00207e7, rel=1e-4)


def holds(areas, place):
    return any(low <= sketches.score(place) < high for low, high in areas)


@pytest.mark.parametrize("boxed", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_areas_hold_what_is_within(boxed, seed):
    """Away from the poles and the date line, where the areas are known not to reach round the world."""
    draw = random.Random(seed)
    for _ in range(60):
        center = draw.uniform(-120, 120), draw.uniform(-60, 60)
        reach = 10 ** draw.uniform(1, 6)
        size = (reach, reach * draw.uniform(0.2, 2)) if boxed else (reach,)
        areas = sketches.cover(center, size)
        assert 1 <= len(areas) <= 9
        for _ in range(60):
            degrees = reach / 111_000
            place = center[0] + draw.uniform(-1, 1) * degrees * 2, center[1] + draw.uniform(-1, 1) * degrees
            place = sketches.place(sketches.score((place[0], max(-85.0, min(85.0, place[1])))))
            if sketches.within(center, size, place) is not None:
                assert holds(areas, place), (center, size, place)


@given(PLACES, SIZES, PLACES)
def test_within_a_circle(center, radius, place):
    away = sketches.distance(center, place)
    assert sketches.within(center, (radius,), place) == (away if away <= radius else None)


@given(PLACES, st.tuples(SIZES, SIZES), PLACES)
def test_within_a_box(center, size, place):
    aside = sketches.distance(place, (center[0], place[1]))
    along = sketches.distance((center[0], place[1]), center)
    assume(abs(aside - size[0] / 2) > 1 and abs(along - size[1] / 2) > 1)
    inside = aside <= size[0] / 2 and along <= size[1] / 2
    assert sketches.within(center, size, place) == (sketches.distance(center, place) if inside else None)


def test_areas_are_taken_once():
    """Around a circle of half the world the cells' neighbours are one another."""
    areas = sketches.cover((10.0, 10.0), (9e6,))
    assert len(areas) == len(set(areas)) == 4
