"""Random calls of every data command (grammar.py) to a real server and to ours: replies must be equal byte for byte, errors
included, and so must all data, their encodings and what XINFO tells.

A trace is made of rounds: both servers emptied, filled alike, asked some hundred times. Where they differ the round is cut
down to the calls that it takes, and printed. What is random or has no order is compared as far as it is defined (SETTLE);
calls that nobody can compare are not made (incomparable).

Debian's server is 7.0. What is newer is not generated (`since` in the argument trees); OLDER lists what it does otherwise,
and scores are compared as numbers. Beside Valkey 8.1 (KV_TEST_PEER=/path/valkey-server) only what better_not() tells is left out.
"""
from __future__ import annotations

import itertools
import random
import re
from typing import Any

import pytest

from tests.commands.client import Client, request
from tests.commands.grammar import KEYS, Grammar
from tests.commands.traces import SEEDS, two_sides, unordered
from tests.program import Program

ROUNDS = 2
CALLS = 300
STATE = ["the state"]        # compared like a reply
LIMITS = {"hash-max-listpack-entries": 512, "hash-max-listpack-value": 64, "set-max-intset-entries": 512,
          "set-max-listpack-entries": 128, "set-max-listpack-value": 64, "zset-max-listpack-entries": 128,
          "zset-max-listpack-value": 64, "list-max-listpack-size": -2, "list-compress-depth": 0, "stream-node-max-entries": 100,
          "stream-node-max-bytes": 0, "hll-sparse-max-bytes": 3000}
OWN = {b"idle", b"inactive", b"seen-time", b"active-time", b"radix-tree-keys", b"radix-tree-nodes"}
SETTLE = {"KEYS": 1, "SMEMBERS": 1, "SUNION": 1, "SINTER": 1, "SDIFF": 1, "SPOP": 1, "HKEYS": 1, "HVALS": 1,
          "HGETALL": 2}                                     # tables have no order: sorted, by units of so many words
DRAWS = {"SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER"}        # by their kind and number; a type's own trace checks the members
SCANS = {"SCAN": 1, "HSCAN": 2, "SSCAN": 1, "ZSCAN": 2}     # where everything was asked for, sorted
CLOCKS = {"TTL": 2, "PTTL": 2000, "EXPIRETIME": 2, "PEXPIRETIME": 2000}      # two clocks: how far the replies may differ
OLDER = {       # left out beside 7.0
    "xreadgroup": "makes a consumer only where it is given something, other texts", "xclaim": "the same", "xautoclaim": "the same",
    "xinfo": "counts entries-read and lag by older rules", "xsetid": "checks the id against the last entry first",
    "xread": "other texts", "zrank": "no WITHSCORE", "zrevrank": "no WITHSCORE", "hscan": "no NOVALUES", "zscan": "no NOSCORES",
    "bitcount": "no start alone", "bitpos": "reads the range last", "sscan": "takes a negative cursor",
    "scan": "checks the type's name last", "object": "other encodings, and no shared numbers",
    "lrem": "takes the lowest count", "multi": "other texts for what a transaction may not hold", "watch": "the same"}


def number(word: Any) -> float | None:
    """What a server might read as a number."""
    text = word.decode("latin-1") if isinstance(word, bytes) else str(word)
    for read in (float, lambda text: int(text, 0)):
        try:
            return float(read(text))
        except (ValueError, OverflowError):
            pass
    return None


class Judge:
    """Asks one server and gives its answers a form that two servers must agree on."""

    def __init__(self, client: Client, modern: bool = True):
        self.client = client
        self.modern = modern
        self.queued: list[list[Any]] | None = None      # commands in MULTI
        self.refused = False                            # the last call's reply was an error

    def ask(self, words: list[Any]) -> Any:
        if words == STATE:
            return self.state()
        name = str(words[0]).upper()
        if name == "EXEC" and len(words) == 1 and self.queued:
            return self.execute()
        raw = self.client.raw(*words)
        self.refused = raw.startswith(b"-")
        if name == "MULTI" and raw == b"+OK\r\n":
            self.queued = []
        elif self.queued is not None and raw == b"+QUEUED\r\n":
            self.queued.append(words)
            return raw
        elif name in ("EXEC", "DISCARD") and raw.startswith((b"+OK", b"-EXECABORT", b"*", b"_")):
            self.queued = None
        return settled(raw, words)

    def execute(self) -> Any:
        """EXEC's reply: each of its parts as what was queued there."""
        queued, self.queued = self.queued or [], None
        self.client.send("EXEC")
        head = self.client.file.readline()
        if head != b"*%d\r\n" % len(queued):
            return head
        return [settled(self.client.raw_reply(), words) for words in queued]

    def state(self) -> Any:
        """Everything; of an older server not the encodings, whose rules have changed, nor what hangs on
        a score's digits or counts keys whose time is over."""
        client = self.client
        if self.queued is not None:
            return None
        found: list[Any] = [client("DBSIZE"), client("DEBUG", "DIGEST")] if self.modern else []
        for key in sorted(client("KEYS", "*")):
            kind = client("TYPE", key)
            more: Any = None
            if not self.modern and kind == "zset":
                more = [float(score) for score in flat(client("ZRANGE", key, 0, -1, "WITHSCORES"))[1::2]]
            elif self.modern and kind == "stream":
                more = plain(client("XINFO", "STREAM", key, "FULL"))
            digest = client("DEBUG", "DIGEST-VALUE", key) if self.modern or kind != "zset" else None
            found.append([key, kind, client("PTTL", key) > 0, self.modern and client("OBJECT", "ENCODING", key), digest, more])
        return found


def flat(reply: list[Any]) -> list[Any]:
    return [word for part in reply for word in (part if isinstance(part, list) else [part])]


def plain(value: Any, pending: bool = False) -> Any:
    """A reply without times and without what each server counts for itself."""
    if isinstance(value, dict):
        return {key: plain(inner, key in (b"pel", b"pending")) for key, inner in value.items() if key not in OWN}
    if not isinstance(value, list):
        return value
    if value and isinstance(value[0], bytes) and value[0] in (b"name", b"length"):
        return plain(dict(zip(value[::2], value[1::2], strict=True)))
    if pending:     # id, [consumer,] time of delivery, count
        return [[part for part in one if not (isinstance(part, int) and part > 10**9)] for one in value]
    return [plain(inner) for inner in value]


def settled(raw: bytes, words: list[Any]) -> Any:
    """A reply as far as it is defined."""
    name = str(words[0]).upper()
    if raw[:1] in b"-_+" or raw[1:3] == b"-1":
        return raw
    if len(words) > 1 and str(words[1]).upper() == "HELP":
        return raw[:1]          # each server's own words
    if name in SETTLE and raw[:1] in b"*~%":
        return unordered(raw, SETTLE[name])
    if name in DRAWS:
        return raw.split(b"\r\n")[0] if raw[:1] in b"*~" else raw[:1]
    if name in SCANS:
        return scanned(raw, words)
    if name in CLOCKS or name == "OBJECT" and str(words[1]).upper() == "IDLETIME":
        return Near(raw, CLOCKS.get(name, 2))
    if name in ("XPENDING", "XINFO"):
        return re.sub(rb"(idle|inactive|seen-time|active-time|radix-tree-keys|radix-tree-nodes)\r\n:-?\d+", rb"\1\r\n:0",
                      re.sub(rb":\d{11,13}\r\n", b":T\r\n", pending_times(raw, name)))
    return raw


def pending_times(raw: bytes, name: str) -> bytes:
    """The idle times of an extended XPENDING, which stand between the consumer and the number of deliveries, as nothing."""
    return re.sub(rb"(\r\n:)\d+(\r\n:-?\d+\r\n)", rb"\1T\2", raw) if name == "XPENDING" else raw


class Near:
    """An integer reply that the clock has a part in."""

    def __init__(self, raw: bytes, within: int):
        self.raw = raw
        self.value = int(raw[1:-2])
        self.within = within

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Near) and (self.value == other.value or min(self.value, other.value) >= 0
                                            and abs(self.value - other.value) <= self.within)

    def __repr__(self) -> str:
        return repr(self.raw)


def scanned(raw: bytes, words: list[Any]) -> Any:
    """A scan that was asked for everything at once, sorted; of another only that it is one."""
    name = str(words[0]).upper()
    at = 1 if name == "SCAN" else 2
    if not raw.startswith(b"*2\r\n$1\r\n0\r\n") or str(words[at]) != "0":
        return raw[:4]
    pairs = SCANS[name] if b"NOSCORES" not in upper(words) and b"NOVALUES" not in upper(words) else 1
    counts = [number(value) or 0 for word, value in itertools.pairwise(words) if str(word).upper() == "COUNT"]
    return unordered(raw[raw.index(b"0\r\n") + 3:], pairs) if counts and counts[-1] >= 1000 else raw[:4]


def upper(words: list[Any]) -> list[bytes]:
    return [word.upper() if isinstance(word, bytes) else str(word).upper().encode() for word in words]


# -- calls that cannot be compared -------------------------------------------------------------------------------------


def incomparable(words: list[Any], inside: bool, ours: Client) -> bool:
    """Whether a call is better not made, inside a transaction or not."""
    big = upper(words)
    name, numbers = big[0].decode("latin-1"), [number(word) for word in words[1:]]
    return bool(lasts(name, big, numbers, inside) or takes_memory(name, big, numbers) or depends_on_clock(name, big, numbers)
                or has_no_order(name, big, inside, ours) or better_not(name, big, numbers, inside, ours))


def lasts(name: str, big: list[bytes], numbers: list[float | None], inside: bool) -> bool:
    """It would wait, for longer than a moment."""
    if inside:
        return False
    if name in ("BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BZPOPMIN", "BZPOPMAX"):
        return bool(numbers) and numbers[-1] is not None and not 0 < numbers[-1] <= 0.01 and numbers[-1] >= 0
    if name in ("BLMPOP", "BZMPOP"):
        return bool(numbers) and numbers[0] is not None and not 0 < numbers[0] <= 0.01 and numbers[0] >= 0
    if name in ("WAIT", "WAITAOF"):
        return bool(numbers) and numbers[-1] is not None and not 0 < numbers[-1] <= 10 and numbers[-1] >= 0
    waits = [number(value) for word, value in itertools.pairwise(big) if word == b"BLOCK"]
    return name in ("XREAD", "XREADGROUP") and any(wait is not None and wait != 1 and wait >= 0 for wait in waits)


def takes_memory(name: str, big: list[bytes], numbers: list[float | None]) -> bool:
    """A string of hundreds of megabytes, or a draw of millions."""
    if name in ("SETRANGE", "SETBIT", "BITFIELD"):
        offsets = [number(word.lstrip(b"#")) for word in big[2:]]
        return any(offset is not None and 10**6 < offset < 2**32 for offset in offsets)
    return name in DRAWS and any(count is not None and -2.0**63 < count < -1000 for count in numbers)


def depends_on_clock(name: str, big: list[bytes], numbers: list[float | None]) -> bool:
    """An expiry or an idle time within reach of the test, an id from the clock."""
    def soon(value: float | None, most: float) -> bool:
        return value is not None and 0 < value < most

    if name in ("EXPIRE", "PEXPIRE", "SETEX", "PSETEX"):
        return len(numbers) > 1 and soon(numbers[1], 10**5)
    if name in ("SET", "GETEX"):
        return any(word in (b"EX", b"PX") and soon(number(value), 10**5) for word, value in itertools.pairwise(big))
    if name in ("XCLAIM", "XAUTOCLAIM"):
        return any(soon(value, 10**6) for value in numbers[3:4]) or name == "XCLAIM" and any(
            word in (b"IDLE", b"TIME") and soon(number(value), 10**8) for word, value in itertools.pairwise(big))
    if name == "XPENDING":
        return any(word == b"IDLE" and soon(number(value), 10**6) for word, value in itertools.pairwise(big))
    return name == "XADD" and b"*" in big


def has_no_order(name: str, big: list[bytes], inside: bool, ours: Client) -> bool:
    """What is left to a server: what SPOP takes, how SORT orders a set's equals, which of equally distant places come
    first, ranges by name among different scores."""
    if name == "SPOP":
        return inside or len(big) > 1 and ours("TYPE", big[1].lower()) == "set" and big[2:] not in ([b"0"], [b"1000000000"])
    if name in ("SORT", "SORT_RO") and b"BY" in big and b"ALPHA" in big:       # equals in the order of an unstable sort
        return True
    if name in ("SORT", "SORT_RO") and (b"BY" in big or b"GET" in big):
        return inside or len(big) > 1 and ours("TYPE", big[1].lower()) == "set"
    if name.startswith(("GEORADIUS", "GEOSEARCH")) and not {b"COUNT", b"ASC", b"DESC"}.isdisjoint(big):
        places = [place for key in big[1:3] for place in scores_of(ours, key, inside)]
        return inside or len({int(place) for place in places}) < len(places) or any(place != int(place) for place in places)
    lexical = name in ("ZLEXCOUNT", "ZRANGEBYLEX", "ZREVRANGEBYLEX", "ZREMRANGEBYLEX") or b"BYLEX" in big
    if not lexical or len(big) < 3:
        return False
    return inside or any(len(set(scores_of(ours, key, inside))) > 1 for key in big[1:3])


def scores_of(ours: Client, key: bytes, inside: bool) -> list[float]:
    """The scores of a sorted set; none of anything else, or of infinity."""
    reply = [] if inside else ours("ZRANGE", key.lower(), 0, -1, "WITHSCORES")
    if not isinstance(reply, list):
        return []
    scores = [float(score) for score in ([pair[1] for pair in reply] if ours.resp == 3 else reply[1::2])]
    return [max(-1e300, min(1e300, score)) for score in scores]


def better_not(name: str, big: list[bytes], numbers: list[float | None], inside: bool, ours: Client) -> bool:
    """What Valkey does and we do not, on purpose."""
    if name == "LSET":      # it cuts the index to 32 bits, and writes another element
        return len(numbers) > 1 and numbers[1] is not None and abs(numbers[1]) >= 2**31
    if name in ("SORT", "SORT_RO") and len(big) > 1:    # it makes a small sorted set a large one, to read it
        return inside or ours("OBJECT", "ENCODING", big[1].lower()) == b"listpack" and ours("TYPE", big[1].lower()) == "zset"
    return False


def skips_back(words: list[Any]) -> bool:
    """A sorted set's range from an offset below 0: 7.0 finds nothing, 8.1 goes back from the range's end in a large one."""
    big = upper(words)
    return big[0].startswith(b"Z") and any(
        word == b"LIMIT" and (number(value) or 0) < 0 for word, value in itertools.pairwise(big))


# -- rounds ------------------------------------------------------------------------------------------------------------


def empty(client: Client) -> None:
    client("DISCARD")
    client("UNWATCH")
    for name, value in LIMITS.items():
        client("CONFIG", "SET", name, value)
    client("FLUSHALL")


def replay(client: Client, calls: list[list[Any]], modern: bool) -> Any:
    """The answer to the last of some calls, after all others."""
    empty(client)
    judge = Judge(client, modern)
    client.socket.sendall(b"".join(request(*words) for words in calls[:-1] if words != STATE))
    for words in calls[:-1]:
        if words != STATE:
            client.raw_reply()
    return judge.ask(calls[-1])


def shrunk(sides: tuple[Client, Client], calls: list[list[Any]], modern: bool) -> list[list[Any]]:
    """The calls that it takes to make the last one differ; all of them, where a replay does not differ."""
    def differs(some: list[list[Any]]) -> bool:
        return not same(replay(sides[0], some, modern), replay(sides[1], some, modern), modern)

    calls = [words for words in calls[:-1] if words != STATE] + calls[-1:]
    size = len(calls) // 2 if differs(calls) else 0
    while size:
        at = 0
        while at < len(calls) - 1:
            fewer = calls[:at] + calls[min(at + size, len(calls) - 1):]
            if differs(fewer):
                calls = fewer
            else:
                at += size
        size //= 2
    return calls


def compare(judges: tuple[Judge, Judge], calls: list[list[Any]]) -> None:
    """Send the last call to both; where they differ, fail with the shortest round that shows it."""
    got, expected = (judge.ask(calls[-1]) for judge in judges)
    if not same(got, expected, judges[0].modern):
        compare_fail(judges, calls, got, expected)


def compare_fail(judges: tuple[Judge, Judge], calls: list[list[Any]], got: Any, expected: Any) -> None:
    """Fail with the shortest round that shows the difference."""
    modern = judges[0].modern
    few = shrunk((judges[0].client, judges[1].client), calls, modern)
    got_few, expected_few = (replay(judge.client, few, modern) for judge in judges)
    if calls[-1] == STATE:
        got, expected = apart(got, expected)
        got_few, expected_few = apart(got_few, expected_few)
    shown = "\n".join(" ".join(map(readable, words)) for words in few[-30:])
    pytest.fail(f"after {len(calls)} calls:\n{shown}\nours:   {got!r:.1500}\ntheirs: {expected!r:.1500}\n"
                + (f"replayed, ours:   {got_few!r:.1500}\nreplayed, theirs: {expected_few!r:.1500}"
                   if got_few != expected_few else "(a replay does not differ)"), pytrace=False)


def readable(word: Any) -> str:
    return word if isinstance(word, str) and word.isprintable() and word and " " not in word else repr(word)


def apart(one: Any, other: Any) -> tuple[Any, Any]:
    """The parts of two states in which they differ."""
    if not isinstance(one, list) or not isinstance(other, list) or one == other:
        return one, other
    return [part for part in one if part not in other], [part for part in other if part not in one]


def same(got: Any, expected: Any, modern: bool) -> bool:
    """Whether two answers agree. 7.0 writes a score with seventeen digits, needed or not: beside it, numbers count by value."""
    if got == expected or modern:
        return bool(got == expected)
    if isinstance(got, list) and isinstance(expected, list) and len(got) == len(expected):
        return all(map(same, got, expected, [modern] * len(got)))
    if not isinstance(got, bytes) or not isinstance(expected, bytes):
        return False
    ours, theirs = ([line.lstrip(b",") for line in raw.split(b"\r\n") if not line.startswith(b"$")] for raw in (got, expected))
    return len(ours) == len(theirs) and all(
        one == other or number(one) is not None and number(one) == number(other) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_trace(server: Program, peer: Program, seed: int, resp: int) -> None:
    with two_sides(server, peer, resp) as (ours, theirs, modern):
        docs = Client(server.port, 3)
        grammar = Grammar(docs("COMMAND", "DOCS"), seed, *((8, 1, 999), {}) if modern else ((7, 0, 15), OLDER))
        docs.close()
        choose = random.Random(seed)
        for _ in range(ROUNDS):
            for side in ours, theirs:
                empty(side)
            judges = Judge(ours, modern), Judge(theirs, modern)
            calls: list[list[Any]] = []
            for words in round_of(grammar, choose, ours, judges[0]):
                calls.append(words)
                compare(judges, calls)
        for side in ours, theirs:
            empty(side)


def round_of(grammar: Grammar, choose: random.Random, ours: Client, judge: Judge) -> Any:
    """The calls of a round, each made when the one before was answered."""
    yield from (words for words in grammar.fill() if not incomparable(words, False, ours))
    for count in range(CALLS):
        if judge.modern and judge.queued is None and choose.random() < 0.1:
            yield from watched(grammar, ours)
        if choose.random() < 0.02 and (judge.modern or judge.queued is None):
            words = grammar.settings()
            if judge.modern or not str(words[2]).startswith("set-max-listpack"):
                yield words
        words = grammar.call()
        inside = judge.queued is not None
        if inside and choose.random() < 0.15:
            words = ["EXEC"] if choose.random() < 0.8 else ["DISCARD"]
        if not incomparable(words, inside, ours) and (judge.modern or not skips_back(words)):
            yield words
            if judge.modern and not judge.refused and choose.random() < 0.05:      # of a malformed call Valkey guesses the keys
                yield ["COMMAND", choose.choice(["GETKEYS", "GETKEYSANDFLAGS"]), *words]
        if count % 40 == 0:
            yield STATE
        if count % 80 == 79 and judge.queued is None:
            yield from (words for words in grammar.fill(0.3) if not incomparable(words, False, ours))
    yield STATE


def watched(grammar: Grammar, ours: Client) -> Any:
    """A call whose keys are watched: EXEC tells whether it counts as a change."""
    words = grammar.call()
    keys = [word for word in words[1:] if word in KEYS]
    if keys and words[0].upper() not in ("MULTI", "WATCH", "EXEC", "DISCARD") and not incomparable(words, False, ours):
        yield from (["WATCH", *keys], words, ["MULTI"], ["EXEC"])
