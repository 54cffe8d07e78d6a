"""Commands on places, case by case, per encoding of the sorted set and per RESP version; what they tell the AOF."""
from __future__ import annotations

import random
from typing import Any

import pytest

from tests.commands.client import Client, Failure
from tests.commands.embedded import Embedded

SYNTAX = Failure("ERR syntax error")
WRONG_TYPE = Failure("WRONGTYPE Operation against a key holding the wrong kind of value")
NO_FLOAT = Failure("ERR value is not a valid float")
BAD_UNIT = Failure("ERR unsupported unit provided. please use M, KM, FT, MI")
NO_MEMBER = Failure("ERR could not decode requested zset member")
PALERMO, CATANIA = (13.361389, 38.115556, "Palermo"), (15.087269, 37.502669, "Catania")
CENTER = ["FROMLONLAT", 15, 37]


@pytest.fixture(params=["listpack", "skiplist"])
def sicily(client: Client, request: pytest.FixtureRequest) -> Client:
    """A client of a server with two places, and a third one far away, under `s`."""
    client("CONFIG", "SET", "zset-max-listpack-entries", 128 if request.param == "listpack" else 0)
    client("GEOADD", "s", *PALERMO, *CATANIA, -70, -30, "7")
    client("CONFIG", "SET", "zset-max-listpack-entries", 128)
    assert client("OBJECT", "ENCODING", "s") == request.param.encode()
    return client


def numbers(client: Client, *texts: str) -> list[Any]:
    """Coordinates as a client of this version has them."""
    return [text.encode() if client.resp == 2 else float(text) for text in texts]


class TestAdd:
    def test_scores(self, sicily: Client) -> None:
        assert float(sicily("ZSCORE", "s", "Palermo")) == 3479099956230698
        assert float(sicily("ZSCORE", "s", "Catania")) == 3479447370796909
        assert sicily("TYPE", "s") == "zset"

    def test_options(self, client: Client) -> None:
        assert client("GEOADD", "s", "XX", *PALERMO) == 0
        assert client("EXISTS", "s") == 0
        assert client("GEOADD", "s", "CH", *PALERMO, *CATANIA) == 2
        assert client("GEOADD", "s", "NX", 1, 1, "Palermo", 1, 1, "Roma") == 1
        assert client("GEOADD", "s", "XX", "CH", 1, 1, "Palermo", 1, 1, "Enna") == 1
        assert client("GEOADD", "s", 2, 2, "Palermo") == 0
        assert client("ZCARD", "s") == 3

    def test_many_at_once(self, client: Client) -> None:
        draw = random.Random(1)
        places = {f"m{i}": (draw.uniform(-180, 180), draw.uniform(-85, 85)) for i in range(300)}
        assert client("GEOADD", "s", *[word for name, place in places.items() for word in (*place, name)]) == 300
        for name, reply in zip(places, client("GEOPOS", "s", *places), strict=True):
            assert [float(text) for text in reply] == pytest.approx(places[name], abs=1e-5)

    @pytest.mark.parametrize("words", [["NX", "XX", 1, 1, "m"], [1, 1, "m", 1], ["INCR", 1, 1, "m"], ["NX", "CH", "CH"],
                                       [1, 1, "m", 1, 1]])
    def test_bad_syntax(self, client: Client, words: list[Any]) -> None:
        assert client("GEOADD", "s", *words) in (SYNTAX, NO_FLOAT)
        assert client("EXISTS", "s") == 0

    @pytest.mark.parametrize("place", [(181, 1), (-180.1, 1), (1, 85.06), (1, -86), ("inf", 1)])
    def test_bad_place(self, client: Client, place: tuple[Any, Any]) -> None:
        wrong = Failure("ERR invalid longitude,latitude pair {:f},{:f}".format(*map(float, place)))
        assert client("GEOADD", "s", 1, 1, "good", *place, "bad") == wrong
        assert client("GEORADIUS", "s", *place, 1, "m") == wrong
        assert client("EXISTS", "s") == 0

    def test_a_long_error(self, client: Client) -> None:
        wrong = Failure(f"ERR invalid longitude,latitude pair {1e300:f},{-1e300:f}")
        assert client("GEOADD", "s", 1e300, -1e300, "m") == wrong

    def test_other_types(self, client: Client) -> None:
        client("SET", "k", "x")
        for words in (["GEOADD", "k", 1, 1, "m"], ["GEOPOS", "k", "m"], ["GEOHASH", "k", "m"], ["GEODIST", "k", "a", "b"],
                      ["GEOSEARCH", "k", *CENTER, "BYRADIUS", 1, "no"], ["GEORADIUS", "k", "x", 1, 1, "m"],
                      ["GEORADIUSBYMEMBER", "k", "m", 1, "m"], ["GEOSEARCHSTORE", "to", "k", *CENTER, "BYRADIUS", 1, "m"]):
            assert client(*words) == WRONG_TYPE


class TestQuestions:
    def test_geopos(self, sicily: Client) -> None:
        palermo = numbers(sicily, "13.36138933897018433", "38.11555639549629859")
        assert sicily("GEOPOS", "s", "Palermo", "none") == [palermo, None]
        assert sicily("GEOPOS", "none", "a", "b") == [None, None]
        assert sicily.raw("GEOPOS", "s", "none") == b"*1\r\n*-1\r\n" if sicily.resp == 2 else b"*1\r\n_\r\n"
        assert sicily("GEOPOS", "s") == []

    def test_geohash(self, sicily: Client) -> None:
        assert sicily("GEOHASH", "s", "Palermo", "none", "Catania") == [b"sqc8b49rny0", None, b"sqdtr74hyu0"]
        assert sicily("GEOHASH", "none", "a") == [None]

    @pytest.mark.parametrize(("unit", "distance"), [([], "166274.1516"), (["m"], "166274.1516"), (["KM"], "166.2742"),
                                                    (["ft"], "545518.8700"), (["mi"], "103.3182")])
    def test_geodist(self, sicily: Client, unit: list[str], distance: str) -> None:
        assert sicily("GEODIST", "s", "Palermo", "Catania", *unit) == distance.encode()
        assert sicily("GEODIST", "s", "Palermo", "Palermo", *unit) == b"0.0000"
        assert sicily("GEODIST", "s", "Palermo", "none", *unit) is None
        assert sicily("GEODIST", "none", "Palermo", "Catania", *unit) is None

    def test_geodist_errors(self, sicily: Client) -> None:
        assert sicily("GEODIST", "s", "Palermo", "Catania", "x") == BAD_UNIT
        assert sicily("GEODIST", "s", "Palermo", "Catania", "m", "m") == SYNTAX

    def test_scores_that_no_place_has(self, client: Client) -> None:
        client("ZADD", "s", "-inf", "a", "inf", "b", -1, "c", "1e300", "d", 2**53, "e", 0, "f")
        for position in client("GEOPOS", "s", *"abcdef"):
            assert -180 <= float(position[0]) <= 180
            assert -85.06 < float(position[1]) < 85.06
        assert len(client("GEOHASH", "s", *"abcdef")) == 6
        assert len(client("GEOSEARCH", "s", "FROMLONLAT", 0, 0, "BYRADIUS", 30000, "km", "WITHDIST", "ASC")) <= 6


class TestSearch:
    def test_extras(self, sicily: Client) -> None:
        """They come in one order, whatever order they are asked in."""
        palermo = [b"Palermo", b"190.4424", 3479099956230698,
                   numbers(sicily, "13.36138933897018433", "38.11555639549629859")]
        catania = [b"Catania", b"56.4413", 3479447370796909,
                   numbers(sicily, "15.08726745843887329", "37.50266842333162032")]
        shape = ["BYRADIUS", 200, "km"]
        assert sicily("GEOSEARCH", "s", *CENTER, *shape, "WITHCOORD", "WITHHASH", "WITHDIST") == [palermo, catania]
        assert sicily("GEOSEARCH", "s", "WITHDIST", "DESC", *shape, *CENTER) == [palermo[:2], catania[:2]]
        assert sicily("GEOSEARCH", "s", *shape, "ASC", *CENTER) == [b"Catania", b"Palermo"]
        assert sicily("GEORADIUS", "s", 15, 37, 200, "km", "WITHCOORD", "ASC") == [
            [catania[0], catania[3]], [palermo[0], palermo[3]]]
        assert sicily("GEOSEARCH", "s", "FROMMEMBER", "Palermo", "BYBOX", 400, 400, "km", "WITHHASH", "DESC") == [
            [catania[0], catania[2]], [palermo[0], palermo[2]]]

    def test_a_member_that_is_a_number(self, sicily: Client) -> None:
        assert sicily("GEOSEARCH", "s", "FROMMEMBER", 7, "BYRADIUS", 1, "m", "WITHDIST") == [[b"7", b"0.0000"]]
        assert sicily("GEOSEARCHSTORE", "to", "s", "FROMMEMBER", 7, "BYRADIUS", 1, "m") == 1
        assert sicily("ZRANGE", "to", 0, -1) == [b"7"]

    @pytest.mark.parametrize("boxed", [False, True])
    @pytest.mark.parametrize("seed", range(3))
    def test_against_all_distances(self, client: Client, seed: int, boxed: bool) -> None:
        """A search returns who GEODIST says is near; COUNT the first of those."""
        draw = random.Random(seed)
        client("GEOADD", "s", 10, 50, "center",
               *[word for i in range(600) for word in (draw.uniform(9, 11), draw.uniform(49, 51), f"m{i}")])
        reach = draw.randint(20, 70)
        away = {name: float(client("GEODIST", "s", "center", name, "km")) for name in client("ZRANGE", "s", 0, -1)}
        if boxed:
            beside = dict(zip(away, client("GEOPOS", "s", *away), strict=True))
            client("GEOADD", "beside", *[word for name, place in beside.items() for word in (10, place[1], name)])
            nearest = {name for name, place in beside.items() if abs(float(place[1]) - 50) * 111.2268 <= reach and
                       distance_aside(client, place) <= reach}
            found = client("GEOSEARCH", "s", "FROMMEMBER", "center", "BYBOX", reach * 2, reach * 2, "km", "ASC")
            assert {name for name in set(found) ^ nearest if min_margin(client, beside[name], reach) > 0.01} == set()
        else:
            nearest = {name for name, distance in away.items() if distance <= reach}
            found = client("GEOSEARCH", "s", "FROMMEMBER", "center", "BYRADIUS", reach, "km", "ASC")
            assert set(found) == nearest
        assert [away[name] for name in found] == sorted(away[name] for name in found)
        shape = ["BYBOX", reach * 2, reach * 2, "km"] if boxed else ["BYRADIUS", reach, "km"]
        for count in (1, 2, 7, 50, 100, 1000):
            assert client("GEOSEARCH", "s", "FROMMEMBER", "center", *shape, "COUNT", count) == found[:count]
            assert client("GEOSEARCH", "s", "FROMMEMBER", "center", *shape, "COUNT", count, "DESC") == found[::-1][:count]
            some = client("GEOSEARCH", "s", "FROMMEMBER", "center", *shape, "COUNT", count, "ANY")
            assert len(some) == min(count, len(found))
            assert set(some) <= set(found)

    def test_across_the_date_line(self, client: Client) -> None:
        client("GEOADD", "s", 179.99, 0, "east", -179.99, 0, "west", 0, 0, "far")
        assert client("GEOSEARCH", "s", "FROMMEMBER", "east", "BYRADIUS", 3, "km", "ASC") == [b"east", b"west"]

    def test_all_the_world_once(self, client: Client) -> None:
        client("GEOADD", "s", *[word for i in range(-170, 171, 10) for word in (i, i / 3, i)])
        assert len(client("GEOSEARCH", "s", "FROMLONLAT", 0, 0, "BYRADIUS", 30000, "km")) == 35
        assert client("GEOSEARCHSTORE", "to", "s", "FROMLONLAT", 0, 0, "BYRADIUS", 30000, "km", "STOREDIST") == 35


def distance_aside(client: Client, place: list[Any]) -> float:
    client("GEOADD", "pair", 10, place[1], "a", *place, "b")
    return float(client("GEODIST", "pair", "a", "b", "km"))


def min_margin(client: Client, place: list[Any], reach: float) -> float:
    """How far a place is from the edges of the box, in kilometres."""
    return min(abs(abs(float(place[1]) - 50) * 111.2268 - reach), abs(distance_aside(client, place) - reach))


class TestStore:
    def test_scores_and_distances(self, sicily: Client) -> None:
        assert sicily("GEOSEARCHSTORE", "to", "s", *CENTER, "BYRADIUS", 200, "km", "ASC") == 2
        assert sicily("GEOHASH", "to", "Palermo", "Catania", "7") == [b"sqc8b49rny0", b"sqdtr74hyu0", None]
        assert sicily("GEOSEARCHSTORE", "to", "s", *CENTER, "BYRADIUS", 200, "km", "STOREDIST") == 2
        assert float(sicily("ZSCORE", "to", "Catania")) == pytest.approx(56.4413, abs=1e-4)
        assert sicily("GEORADIUS", "s", 15, 37, 200, "km", "COUNT", 1, "STORE", "to") == 1
        assert sicily("GEORADIUSBYMEMBER", "s", "Palermo", 200, "km", "STOREDIST", "to") == 2
        assert float(sicily("ZSCORE", "to", "Palermo")) == 0

    def test_nothing_deletes(self, sicily: Client) -> None:
        sicily("SET", "to", "x")
        assert sicily("GEOSEARCHSTORE", "to", "s", "FROMLONLAT", 100, 1, "BYRADIUS", 1, "m") == 0
        assert sicily("EXISTS", "to") == 0
        sicily("SET", "to", "x")
        assert sicily("GEORADIUSBYMEMBER", "none", "m", 1, "m", "STORE", "to") == 0
        assert sicily("EXISTS", "to") == 0

    def test_into_itself(self, sicily: Client) -> None:
        assert sicily("GEOSEARCHSTORE", "s", "s", *CENTER, "BYRADIUS", 100, "km") == 1
        assert sicily("ZRANGE", "s", 0, -1) == [b"Catania"]

    def test_many(self, client: Client) -> None:
        client("GEOADD", "s", *[word for i in range(500) for word in (i / 1000, 0, f"m{i}")])
        assert client("GEOSEARCHSTORE", "to", "s", "FROMLONLAT", 0, 0, "BYRADIUS", 1000, "km") == 500
        assert client("ZRANGE", "to", 0, -1, "WITHSCORES") == client("ZRANGE", "s", 0, -1, "WITHSCORES")
        assert client("OBJECT", "ENCODING", "to") == b"skiplist"
        assert client("GEOSEARCHSTORE", "to", "s", "FROMLONLAT", 0, 0, "BYRADIUS", 1, "km") == 9
        assert client("OBJECT", "ENCODING", "to") == b"listpack"


ONE_CENTER = "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for "
ONE_SHAPE = "ERR exactly one of BYRADIUS and BYBOX can be specified for "
NOT_WITH = " is not compatible with WITHDIST, WITHHASH and WITHCOORD options"


@pytest.mark.parametrize(("words", "expected"), [
    (["GEOSEARCH", "s", "BYRADIUS", 1, "m", "ASC", "DESC"], ONE_CENTER + "GEOSEARCH"),
    (["geoSearch", "s", *CENTER, "ASC", "DESC"], ONE_SHAPE + "geoSearch"),
    (["GEOSEARCH", "s", *CENTER, "FROMMEMBER", "Palermo", "BYRADIUS", 1, "m"], SYNTAX),
    (["GEOSEARCH", "s", *CENTER, "BYBOX", 1, 1, "m", "BYRADIUS", 1, "m"], SYNTAX),
    (["GEOSEARCH", "s", *CENTER, "BYRADIUS", 1, "m", "STOREDIST"], SYNTAX),
    (["GEOSEARCH", "s", *CENTER, "BYRADIUS", 1, "m", "STORE", "to"], SYNTAX),
    (["GEOSEARCH", "s", *CENTER, "BYRADIUS", 1, "m", "COUNT"], SYNTAX),
    (["GEOSEARCH", "s", *CENTER, "BYRADIUS", 1, "m", "COUNT", "x"], "ERR value is not an integer or out of range"),
    (["GEOSEARCH", "s", *CENTER, "BYRADIUS", 1, "m", "COUNT", 0], "ERR COUNT must be > 0"),
    (["GEOSEARCH", "s", *CENTER, "BYRADIUS", 1, "m", "ANY"], "ERR the ANY argument requires COUNT argument"),
    (["GEOSEARCH", "s", *CENTER, "BYRADIUS", "x", "m"], "ERR need numeric radius"),
    (["GEOSEARCH", "s", *CENTER, "BYRADIUS", -1, "m"], "ERR radius cannot be negative"),
    (["GEOSEARCH", "s", *CENTER, "BYRADIUS", 1, "x"], BAD_UNIT),
    (["GEOSEARCH", "s", *CENTER, "BYBOX", "x", 1, "m"], "ERR need numeric width"),
    (["GEOSEARCH", "s", *CENTER, "BYBOX", 1, "x", "m"], "ERR need numeric height"),
    (["GEOSEARCH", "s", *CENTER, "BYBOX", 1, -1, "m"], "ERR height or width cannot be negative"),
    (["GEOSEARCH", "s", "FROMMEMBER", "none", "BYRADIUS", 1, "m"], NO_MEMBER),
    (["GEORADIUSBYMEMBER", "s", "none", 1, "m"], NO_MEMBER),
    (["GEORADIUS", "s", "x", 1, 1, "m"], NO_FLOAT),
    (["GEORADIUS", "s", 1, 1, "x", "m"], "ERR need numeric radius"),
    (["GEORADIUS_RO", "s", 1, 1, 1, "m", "STORE", "to"], SYNTAX),
    (["GEORADIUSBYMEMBER_RO", "s", "Palermo", 1, "m", "STOREDIST", "to"], SYNTAX),
    (["GEORADIUS", "s", 1, 1, 1, "m", "STORE", "to", "WITHDIST"], "ERR STORE option in GEORADIUS" + NOT_WITH),
    (["GEOSEARCHSTORE", "to", "s", *CENTER, "BYRADIUS", 1, "m", "WITHHASH"], "ERR GEOSEARCHSTORE" + NOT_WITH),
])
def test_errors(sicily: Client, words: list[Any], expected: str) -> None:
    assert sicily(*words) == Failure(expected)
    assert sicily("EXISTS", "to") == 0


def test_options_of_a_missing_key_are_checked(client: Client) -> None:
    assert client("GEOSEARCH", "none", "FROMMEMBER", "m", "BYRADIUS", 1, "m") == []
    assert client("GEOSEARCH", "none", "FROMMEMBER", "m", "BYRADIUS", 1, "x") == BAD_UNIT
    assert client("GEORADIUSBYMEMBER", "none", "m", "x", "x") == []
    assert client("GEORADIUSBYMEMBER", "none", "m", 1, "m", "no") == SYNTAX
    assert client("GEODIST", "none", "a", "b", "x") == BAD_UNIT


class TestEffects:
    def test_geoadd_is_told_as_zadd(self, kv: Embedded) -> None:
        kv("GEOADD", "s", "ch", *PALERMO, *CATANIA)
        kv("GEOADD", "s", *PALERMO)
        assert kv.effects() == [["ZADD", "s", "ch", "3479099956230698", "Palermo", "3479447370796909", "Catania"]]

    def test_stores_are_told_as_they_came(self, kv: Embedded) -> None:
        kv("GEOADD", "s", *PALERMO, *CATANIA)
        kv.effects()
        kv("GEORADIUS", "s", 15, 37, 200, "km")
        kv("GEORADIUS", "s", 15, 37, 200, "km", "STORE", "to")
        kv("GEOSEARCHSTORE", "to", "s", "FROMLONLAT", 1, 1, "BYRADIUS", 1, "m")
        kv("GEOSEARCHSTORE", "to", "s", "FROMLONLAT", 1, 1, "BYRADIUS", 1, "m")
        assert kv.effects() == [["GEORADIUS", "s", "15", "37", "200", "km", "STORE", "to"],
                                ["GEOSEARCHSTORE", "to", "s", "FROMLONLAT", "1", "1", "BYRADIUS", "1", "m"]]

    def test_changes_are_counted(self, kv: Embedded) -> None:
        before = kv.engine.dirty
        kv("GEOADD", "s", *PALERMO, *CATANIA)
        kv("GEOSEARCHSTORE", "to", "s", *CENTER, "BYRADIUS", 200, "km")
        assert kv.engine.dirty - before == 4

    def test_in_a_transaction(self, kv: Embedded) -> None:
        kv("MULTI")
        kv("GEOADD", "s", *PALERMO)
        kv("GEOSEARCHSTORE", "to", "s", *CENTER, "BYRADIUS", 200, "km")
        assert kv("EXEC") == [1, 1]
        told = [["MULTI"], ["ZADD", "s", "3479099956230698", "Palermo"],
                ["GEOSEARCHSTORE", "to", "s", "FROMLONLAT", "15", "37", "BYRADIUS", "200", "km"], ["EXEC"]]
        assert [[name.upper(), *words] for name, *words in kv.effects()] == told
