"""Random calls of every data command, made from the argument trees that COMMAND DOCS gives.

A call is an expansion of its command's tree: options there or not, in any order, repeated what may repeat, counts (numkeys)
that fit. Some of the calls are then damaged: an option doubled, two that exclude each other, a word missing, one too
many, or a number that is none. Words are drawn by the name of the argument, from few keys and members, so that calls meet
data. An argument that is newer than the peer (`since`) is not generated.
"""
from __future__ import annotations

import random
from collections.abc import Callable, Collection
from typing import Any

GROUPS = {"string", "bitmap", "generic", "list", "hash", "set", "sorted-set", "stream", "hyperloglog", "geo", "pubsub",
          "transactions"}
LEFT_OUT = {
    "dump": "its bytes say which version wrote them", "migrate": "asks another server",
    "randomkey": "draws at random", "pfselftest": "takes seconds", "pfdebug": "its texts are for people",
    "subscribe": "changes what the connection may do", "psubscribe": "the same", "ssubscribe": "the same",
    "unsubscribe": "has as many replies as words", "punsubscribe": "the same", "sunsubscribe": "the same"}
FAMILIES = {
    "string": ["s0", "s1", "s2"], "bitmap": ["b0", "b1", "s0"], "list": ["l0", "l1", "l2"], "hash": ["h0", "h1", "h2"],
    "set": ["e0", "e1", "e2"], "sorted-set": ["z0", "z1", "z2", "g0"], "stream": ["x0", "x1"], "hyperloglog": ["p0", "p1", "p2"],
    "geo": ["g0", "g1"], "lex": ["zl"]}
KEYS = sorted({key for keys in FAMILIES.values() for key in keys} | {"none"})
WRITERS = {"rpush", "lpush", "hset", "sadd", "zadd", "geoadd", "pfadd", "xadd", "xreadgroup", "setbit", "append", "hincrby", "set"}
REMOVERS = {"del", "unlink", "getdel", "rename", "renamenx", "move", "ltrim", "spop", "exec", "discard", "flushdb"}
ALL = 10**9      # more than there is
BY_NAME = {"zlexcount", "zrangebylex", "zrevrangebylex", "zremrangebylex"}
BY_RANK = {"zrevrange", "zremrangebyrank"}
BY_ANY = {"zrange", "zrangestore"}
HOSTILE: list[Any] = [
    "", " 1", "1 ", "01", "+1", "-0", "1.0", "1e3", "0x10", "x", "-1", "0", "-", "+", "(", "[", "nan", "inf", "-inf", "1e400", "5-",
    "1_000", "\x00", b"1\x00", b"\xff\xfe", 2**31, 2**32, 2**53, 2**63 - 1, 2**63, -2**63, -2**63 - 1, 2**64 - 1, 2**64,
    "9" * 40, "x" * 300, "%s", "\r\n", "*", "$", ">", "=", "~"]
FAR = 10**6      # seconds: what expires, expires after the test
CHOICES: dict[str, tuple[list[Any], list[Any]]] = {        # an argument's words, by its name: usual ones, rare ones
    "group": (["ga", "ga", "ga", "gb"], ["no"]), "consumer": (["ca", "cb", "cc"], []), "channel": (["c1", "c2"], []),
    "entries-added": ([0, 50, 100], [-1]), "entriesread": ([0, 3, 10, -1], []), "min-idle-time": ([0, 0, FAR * 10], [-1]),
    "ms": ([0, FAR * 100], [-1]), "timeout": ([0.001], [-1, 0]), "bit": ([0, 1], [2, -1]), "cursor": ([0], [1, -1]),
    "encoding": (["u8", "i5", "u4", "u63", "i64", "i1", "u1", "i16"], ["u64", "i65", "u0", "8", "u"]),
    "type": (["string", "list", "SET", "hash", "zset", "stream"], ["x"]), "db": ([1, 1, 2], [0, 15, 16]),
    "destination-db": ([1, 1, 0], [16]), "seconds": ([FAR, 2 * FAR], [0, -1]), "duration-ms": ([FAR * 1000, FAR * 2000], [0, -1]),
    "unix-time-seconds": ([10**10, 10**10 + 1], [5, 0, -1]), "unix-time-milliseconds": ([10**13, 10**13 + 1], [5, 0, -1]),
    "radius": ([10, 200, 1e6, 300.5], [0]), "width": ([100, 400, 1e7], [0]), "height": ([100, 400, 1e7], [0])}
LIMITS = [      # of small encodings
    ("hash-max-listpack-entries", (3, 8, 512)), ("hash-max-listpack-value", (4, 64)), ("set-max-intset-entries", (0, 5, 512)),
    ("set-max-listpack-entries", (0, 6, 128)), ("set-max-listpack-value", (5, 64)), ("zset-max-listpack-entries", (0, 5, 128)),
    ("zset-max-listpack-value", (3, 64)), ("list-max-listpack-size", (3, -2, 128)), ("list-compress-depth", (0, 1, 2)),
    ("stream-node-max-entries", (3, 10, 100)), ("hll-sparse-max-bytes", (0, 60, 3000))]
FILL = [("set", 3), ("setbit", 4), ("rpush", 8), ("hset", 8), ("sadd", 8), ("zadd", 12), ("xadd", 12), ("geoadd", 8), ("pfadd", 6),
        ("xreadgroup", 8)]


class Grammar:
    """`call()` is a random call as a list of words; the same for the same seed."""

    def __init__(self, docs: dict[bytes, Any], seed: int, version: tuple[int, ...],
                 without: Collection[str] = ()):
        self.random = random.Random(seed)
        self.harm = self.any(0.05, 0.2, 0.2, 0.5)       # share of calls that are damaged
        self.drift = self.any(0.02, 0.07, 0.2)          # share of keys of no matter what type
        self.version = version
        self.commands: list[tuple[list[str], str, list[Any]]] = []
        self.weights: list[float] = []
        for name, entry in sorted(docs.items()):
            if entry[b"group"].decode() in GROUPS and name.decode() not in {*LEFT_OUT, *without}:
                self.collect(entry, name.decode())
        self.top = 10           # about the highest ms of a stream's id
        self.group = ""
        self.name = ""
        self.count: int | None = None       # keys of this call, which its weights and ids go with
        self.by = ""                        # what ZRANGE goes by

    def collect(self, entry: dict[bytes, Any], name: str) -> None:
        if not self.known(entry):
            return
        subs = entry.get(b"subcommands", {})
        for sub, its in sorted(subs.items()):
            self.collect({b"group": entry[b"group"], **its}, sub.decode())
        self.commands.append((name.upper().split("|"), entry[b"group"].decode(), entry.get(b"arguments", [])))
        base = name.split("|")[0]
        self.weights.append(4 if base in WRITERS else 0.2 if subs or base in REMOVERS or name.endswith("|help") else 1)

    def known(self, entry: dict[bytes, Any]) -> bool:
        since = entry.get(b"since")
        return since is None or tuple(map(int, since.split(b"."))) <= self.version

    # -- words ------------------------------------------------------------------------------------------------------

    def any(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def key(self) -> str:
        if self.chance(self.drift):
            return self.random.choice(KEYS)
        lexical = self.name in BY_NAME
        return self.random.choice(FAMILIES["lex" if lexical else self.group] if self.group in FAMILIES else KEYS)

    def member(self) -> Any:
        r = self.random
        few = self.any(f"m{r.randint(0, 5)}", f"m{r.randint(0, 5)}", r.randint(0, 5))
        odd = self.rarely("", "x" * 70, b"\x00\xff\r\n", 2**40, "01", "m" * 2000, -2**63)
        return few if self.chance(0.8) else self.any(f"m{r.randint(0, 60)}", r.randint(-300, 70_000), *odd)

    def rarely(self, *words: Any) -> list[Any]:
        return list(words) if self.chance(0.1) else []

    def number(self) -> Any:
        return self.random.choices([self.random.randint(-4, 12), self.random.randint(-100, 300)], [8, 1])[0]

    def real(self) -> Any:
        return self.any(self.number(), self.number(), round(self.random.uniform(-20, 20), 3), "inf", "-inf", "1e3", 0.1, -0.0, 1e17)

    def limit(self) -> str:
        return self.any("", "", "(") + str(self.real())

    def named(self) -> str:
        return self.any("-", "+", "[m1", "(m1", "[m2", "(m5", "[m8", "[", "(")

    def id(self) -> str:
        r = self.random
        return r.choices([f"{r.randint(max(0, self.top - 12), self.top)}-{self.any(0, 0, 0, 1)}", str(r.randint(0, self.top)), "0",
                          "0-0", "18446744073709551615-18446744073709551615"], [20, 6, 4, 1, 0.3])[0]

    def new_id(self) -> str:
        self.top += self.any(0, 1, 1, 1)
        return self.any(f"{self.top}-*", f"{self.top}-*", f"{self.top}-{self.any(0, 0, 1)}", str(self.top), *self.rarely(self.id()))

    def border(self) -> Any:
        """One end of a range, of whatever kind the command takes."""
        if self.group == "stream":
            return self.any("-", "+", self.id(), self.id(), "(" + self.id())
        if self.name in BY_RANK or self.name in BY_ANY and self.by == "":
            return self.number()
        by_name = self.name in BY_NAME or self.name in BY_ANY and self.by == "BYLEX"
        return self.named() if by_name else self.limit()

    def pattern(self) -> str:
        return self.any("*", "m*", "h*", "?1", "[a-c]*", "h0->*", "h1->m1", "s*", "#", "nosort", "*->m1", "e[^0]", "\\*", "h*->",
                        "s0*")

    def value(self) -> Any:
        return self.any(self.member(), self.number(), self.number(), self.real(), "m1m2m3", "abc" * 20)

    def words_of(self) -> dict[str, Callable[[], Any]]:
        """How to draw a word for an argument of this name, where CHOICES does not tell."""
        upto = self.random.randint
        degrees = self.degrees
        return {
            "id": self.new_id if self.name == "xadd" else self.id_or_sign, "last-id": self.id, "lastid": self.id,
            "max-deleted-id": self.id, "threshold": lambda: self.any(self.number(), self.id()), "offset": self.offset,
            "milliseconds": lambda: 1 if self.group == "stream" else self.of(CHOICES["duration-ms"]),
            "longitude": degrees, "latitude": degrees,
            "value": lambda: self.of(CHOICES["bit"]) if self.group == "bitmap" else self.value(),
            "start": self.border if self.group in ("stream", "sorted-set") else self.number,
            "end": self.border if self.group == "stream" else self.number,
            "stop": self.border if self.group == "sorted-set" else self.number, "min": self.border, "max": self.border,
            "num-matches": lambda: upto(0, 3), "limit": lambda: upto(0, 5),
            "count": lambda: self.any(0, ALL) if self.name == "spop" else self.any(upto(0, 6), upto(0, 6), 100, *self.rarely(-2))}

    def of(self, choices: tuple[list[Any], list[Any]]) -> Any:
        usual, rare = choices
        return self.random.choice(rare if rare and self.chance(0.06) else usual)

    def degrees(self) -> Any:
        return self.any(round(self.random.uniform(-5, 5), 4), 13.361389, 38.115556)

    def offset(self) -> Any:
        if self.group != "bitmap":
            return self.number()
        if self.name.startswith("bitfield") and self.chance(0.4):
            return f"#{self.random.randint(0, 12)}"
        return self.any(self.random.randint(0, 90), self.random.randint(0, 2000), *self.rarely(-1, "#-1"))

    def id_or_sign(self) -> str:
        return self.any(">", ">", self.id(), *self.rarely("$", "+")) if self.name == "xreadgroup" else self.any(
            self.id(), self.id(), *self.rarely("$", ">", "-"))

    def word(self, kind: str, name: str) -> Any:
        if self.chance(0.015):
            return self.random.choice(HOSTILE)
        if kind == "key":
            return self.key()
        if kind == "pattern":
            return self.pattern()
        if name == "timeout" and self.name in ("wait", "waitaof"):      # in milliseconds
            return self.any(1, 2, *self.rarely(-1))
        if name in CHOICES:
            return self.of(CHOICES[name])
        draw = self.words_of().get(name)
        if draw is not None:
            return draw()
        return {"integer": self.number, "double": self.real}.get(kind, self.member)()

    # -- trees ------------------------------------------------------------------------------------------------------

    def repeats(self, kind: str, name: str) -> int:
        """How many of what may repeat: as many weights and ids as there are keys."""
        if self.count is None or kind == "block" or self.name == "mset":
            count = self.random.choices([1, 2, 3, 8, 40], [5, 3, 1, 1, 0.1])[0]
        else:
            count = self.count
        if kind == "key":
            self.count = count
        return max(0, count + self.any(-1, 1)) if self.chance(0.02) else count

    def argument(self, arg: dict[bytes, Any]) -> list[Any]:
        """The words of an argument that is there."""
        kind, name = arg[b"type"].decode(), arg[b"name"].decode()
        flags = [str(flag) for flag in arg.get(b"flags", [])]
        token = [arg[b"token"].decode()] if b"token" in arg else []
        if kind == "pure-token":
            return token
        if name == "numkeys":
            self.count = self.random.choices([1, 2, 3], [2, 3, 1])[0]
            return [self.count if not self.chance(0.03) else self.any(0, -1, 4, *HOSTILE)]
        words: list[Any] = []
        for number in range(self.repeats(kind, name) if "multiple" in flags else 1):
            words += token if number == 0 or "multiple_token" in flags else []
            if kind == "block":
                words += [word for part in self.parts(arg[b"arguments"]) for word in part]
            elif kind == "oneof":
                words += self.argument(self.random.choice([one for one in arg[b"arguments"] if self.known(one)]))
            else:
                words.append(self.word(kind, name))
        return words

    def parts(self, args: list[Any], share: float = 0.35) -> list[list[Any]]:
        """The words of each argument of a level; options next to each other in any order."""
        parts: list[list[Any]] = []
        options: list[list[Any]] = []
        for arg in args:
            if not self.known(arg):
                continue
            if "optional" not in [str(flag) for flag in arg.get(b"flags", [])]:
                parts += self.shuffled(options)
                options = []
                parts.append(self.argument(arg))
            elif arg[b"name"] == b"sortby":
                options += [[self.by]] if self.by else []
            elif self.chance(share):
                options.append(self.argument(arg))
        return parts + self.shuffled(options)

    def shuffled(self, parts: list[list[Any]]) -> list[list[Any]]:
        if self.chance(0.3):
            self.random.shuffle(parts)
        return parts

    def damaged(self, parts: list[list[Any]], args: list[Any]) -> list[Any]:
        """The words of a call that is probably wrong in one place."""
        r = self.random
        options = [arg for arg in args if "optional" in [str(flag) for flag in arg.get(b"flags", [])] and self.known(arg)]
        if options and self.chance(0.5):        # doubled, or two that exclude each other
            for _ in range(self.any(1, 1, 2)):
                parts.insert(r.randint(min(1, len(parts)), len(parts)), self.argument(r.choice(options)))
        words = [word for part in parts for word in part]
        kind = r.randint(0, 5)
        if kind == 0 and words:
            words.pop(r.randrange(len(words)))
        elif kind == 1 and words:
            words.pop()
        elif kind == 2:
            again = [word for word in words if isinstance(word, str)]
            words.insert(r.randint(0, len(words)), self.any(self.member(), *HOSTILE[:10], *again))
        elif kind == 3 and words:
            words[r.randrange(len(words))] = r.choice(HOSTILE)
        elif kind == 4 and len(words) > 1:
            first, second = r.sample(range(len(words)), 2)
            words[first], words[second] = words[second], words[first]
        return words

    def call(self) -> list[Any]:
        """A random call."""
        names, self.group, args = self.random.choices(self.commands, self.weights)[0]
        return self.call_of(names, args)

    def call_of(self, names: list[str], args: list[Any]) -> list[Any]:
        self.name = names[0].lower()
        self.count = None
        self.by = self.any("", "", "BYSCORE", "BYLEX")
        parts = self.parts(args)
        words = self.damaged(parts, args) if self.chance(self.harm) else [word for part in parts for word in part]
        if self.chance(0.1):
            words = [word.lower() if isinstance(word, str) else word for word in words]
            names = [name.lower() for name in names]
        return [*names, *words]

    def settings(self) -> list[Any]:
        """A change of the limits of small encodings, so that a key meets both."""
        name, values = self.random.choice(LIMITS)
        return ["CONFIG", "SET", name, self.random.choice(values)]

    def fill(self, share: float = 1) -> list[list[Any]]:
        """Calls that give the keys of each family something to hold; a share of them, to give some back what they lost."""
        calls = [["XGROUP", "CREATE", key, group, 0, "MKSTREAM"] for key in ("x0", "x1") for group in ("ga", "gb")]
        for name, count in FILL:
            for names, group, args in [entry for entry in self.commands if entry[0] == [name.upper()]]:
                self.group = group
                calls += [self.call_of(names, args) for _ in range(round(count * share))]
        return calls + [["ZADD", "zl", 0, f"m{n}"] for n in range(8)]
