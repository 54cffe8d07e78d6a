"""The whole keyspace, a SCAN step at a time: listing it, and looking for big, heavy or hot keys.

Ctrl-C ends a search early with the summary of what was seen so far.
"""

import heapq
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from kv.cli.errors import Disconnected, Fatal
from kv.cli.options import STANDARD, Options
from kv.cli.resp import ARRAY, INTEGER, Connection, Reply
from kv.cli.session import Session, write
from kv.quoting import quote

PAUSE_EVERY = 100  # SCAN calls between two pauses of -i in a search
PROGRESS_EVERY = 1_000_000  # keys
HOT_KEYS = 16

INTRODUCTION = """
# Scanning the entire keyspace to find {what} keys as well as
# average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec
# per 100 SCAN commands (not usually needed).
"""

# For each type the command that measures a value, and what it counts. Types of modules have neither.
MEASURES = {
    "string": (b"STRLEN", "bytes"),
    "list": (b"LLEN", "items"),
    "set": (b"SCARD", "members"),
    "hash": (b"HLEN", "fields"),
    "zset": (b"ZCARD", "members"),
    "stream": (b"XLEN", "entries"),
}


class Interrupt:
    """Turns Ctrl-C into a request to stop after the present step."""

    def __init__(self) -> None:
        self.requested = False
        signal.signal(signal.SIGINT, self._request)

    def _request(self, *_: object) -> None:
        self.requested = True


def scan(connection: Connection, options: Options) -> Iterator[list[bytes]]:
    """The keys of each SCAN step; a step may be empty."""
    interrupt = Interrupt()
    cursor = b"%d" % options.scan_cursor
    arguments = [b"COUNT", b"%d" % options.scan_count]
    if options.pattern is not None:
        arguments = [b"MATCH", options.pattern, *arguments]
    if options.scan_type is not None:
        arguments += [b"TYPE", options.scan_type.encode()]
    while True:
        reply = _ask(connection, "SCAN", b"SCAN", cursor, *arguments)
        if reply.kind != ARRAY or len(reply.items) != 2:
            raise Fatal("Invalid reply to SCAN!")
        cursor = reply.items[0].data
        yield [key.data for key in reply.items[1].items]
        if cursor == b"0" or interrupt.requested:
            return


def _ask(connection: Connection, what: str, *words: bytes) -> Reply:
    try:
        reply = connection.call(*words)
    except Disconnected:
        raise Fatal("\nI/O error") from None
    if reply.is_error:
        raise Fatal(f"{what} error: {reply.text}")
    return reply


def list_keys(session: Session, options: Options) -> int:
    show = quote if options.output == STANDARD else bytes
    for keys in scan(session.require(), options):
        write(b"".join(show(key) + b"\n" for key in keys))
        time.sleep(options.interval)
    return 0


# ---- searches


class Search:
    """A pass over the keyspace with progress; `pairs()` ends at its end or soon after Ctrl-C."""

    def __init__(self, session: Session, options: Options, what: str) -> None:
        self.connection = session.require()
        self.options = options
        self.total = _ask(self.connection, "DBSIZE", b"DBSIZE").integer()
        self.sampled = 0
        self.percent = 0.0
        self.finished = False
        print(INTRODUCTION.format(what=what), flush=True)
        allow_replicas(self.connection)

    def steps(self) -> Iterator[list[bytes]]:
        for number, keys in enumerate(scan(self.connection, self.options), 1):
            self.percent = min(100 * self.sampled / self.total, 100.0) if self.total else 0.0
            yield keys
            sys.stdout.flush()
            if number % PAUSE_EVERY == 0:
                time.sleep(self.options.interval)

    def count(self) -> None:
        self.sampled += 1
        if self.sampled % PROGRESS_EVERY == 0:
            self.report(f"Sampled {self.sampled} keys so far")

    def report(self, text: str) -> None:
        print(f"[{self.percent:05.2f}%] {text}")

    def summarize(self) -> None:
        print("\n-------- summary -------\n")
        print(f"Sampled {self.sampled} keys in the keyspace!")

    def call_many(self, commands: Sequence[Sequence[bytes]]) -> list[Reply]:
        try:
            return self.connection.call_many(commands)
        except Disconnected as error:
            raise Fatal(f"Error: {error}") from None


def allow_replicas(connection: Connection) -> None:
    """A replica of a cluster answers reads only after READONLY; elsewhere, and where nobody knows it, the refusal means
    nothing."""
    reply = connection.call(b"READONLY")
    if reply.is_error and not reply.data.startswith((b"ERR This instance has cluster support disabled", b"ERR unknown command")):
        raise Fatal(f"Error: {reply.text}")


class TypeSizes:
    """What was seen of one type."""

    def __init__(self, name: str, unit: str) -> None:
        self.name = name
        self.unit = unit
        self.count = 0
        self.total = 0
        self.biggest = 0
        self.biggest_key = ""


def big_keys(session: Session, options: Options) -> int:
    """--bigkeys by number of elements, --memkeys by MEMORY USAGE."""
    by_memory = options.mode == "memkeys"
    search = Search(session, options, "biggest")
    types = {name: TypeSizes(name, "bytes" if by_memory else unit) for name, (_, unit) in MEASURES.items()}
    name_bytes = 0
    for keys in search.steps():
        for key, sizes, size in _measure(search, types, keys, by_memory):
            sizes.count += 1
            sizes.total += size
            name_bytes += len(key)
            search.count()
            if size > sizes.biggest:
                sizes.biggest = size
                sizes.biggest_key = shown(key)
                place = f"Biggest {sizes.name:<6} found so far"
                search.report(f"{place} '{sizes.biggest_key}' with {size} {sizes.unit}")
    _summarize_sizes(search, list(types.values()), name_bytes)
    return 0


def _measure(
    search: Search, types: dict[str, TypeSizes], keys: list[bytes], by_memory: bool
) -> Iterator[tuple[bytes, TypeSizes, int]]:
    """Each key with its type and size. Keys that vanished since SCAN are left out."""
    typed = []
    for key, reply in zip(keys, search.call_many([(b"TYPE", key) for key in keys]), strict=True):
        if reply.is_error:
            raise Fatal(f"TYPE returned an error: {reply.text}")
        if reply.text != "none":
            sizes = types.setdefault(reply.text, TypeSizes(reply.text, "bytes" if by_memory else "?"))
            typed.append((key, sizes))
    command = _memory_command(search.options) if by_memory else _length_command
    asked = [(key, sizes, command(key, sizes.name)) for key, sizes in typed]
    replies = iter(search.call_many([words for _, _, words in asked if words]))
    for key, sizes, words in asked:
        size = 0
        if words:
            reply = next(replies)
            if reply.kind == INTEGER:
                size = reply.integer()
            else:  # the key was replaced by one of another type, or deleted
                what = "MEMORY USAGE" if by_memory else words[0].decode()
                print(f"Warning:  {what} on '{shown(key)}' failed (may have changed type)", file=sys.stderr)
        yield key, sizes, size


def _length_command(key: bytes, type_name: str) -> list[bytes]:
    return [MEASURES[type_name][0], key] if type_name in MEASURES else []


def _memory_command(options: Options) -> Callable[[bytes, str], list[bytes]]:
    samples = [b"SAMPLES", b"%d" % options.memory_samples] if options.memory_samples else []
    return lambda key, _type: [b"MEMORY", b"USAGE", key, *samples]


def _summarize_sizes(search: Search, types: list[TypeSizes], name_bytes: int) -> None:
    search.summarize()
    sampled = search.sampled
    average = name_bytes / sampled if sampled else 0
    print(f"Total key length in bytes is {name_bytes} (avg len {average:.2f})\n")
    for sizes in types:
        if sizes.biggest_key:
            print(f"Biggest {sizes.name:>6} found '{sizes.biggest_key}' has {sizes.biggest} {sizes.unit}")
    print()
    for sizes in types:
        share = 100 * sizes.count / sampled if sampled else 0
        average = sizes.total / sizes.count if sizes.count else 0
        print(
            f"{sizes.count} {sizes.name}s with {sizes.total} {sizes.unit} "
            f"({share:05.2f}% of keys, avg size {average:.2f})"
        )


def hot_keys(session: Session, options: Options) -> int:
    """--hotkeys: the keys with the highest access counters, which only an LFU eviction policy keeps."""
    search = Search(session, options, "hot")
    hottest: list[tuple[int, str]] = []  # a heap, the coolest first
    for keys in search.steps():
        replies = search.call_many([(b"OBJECT", b"FREQ", key) for key in keys])
        for key, reply in zip(keys, replies, strict=True):
            if reply.is_error:
                raise Fatal(f"Error: {reply.text}")
            search.count()
            if reply.kind != INTEGER:  # nil: the key is gone
                continue
            frequency = reply.integer()
            if frequency > (hottest[0][0] if len(hottest) == HOT_KEYS else 0):
                keep = heapq.heappush if len(hottest) < HOT_KEYS else heapq.heapreplace
                keep(hottest, (frequency, shown(key)))
                search.report(f"Hot key '{shown(key)}' found so far with counter {frequency}")
    search.summarize()
    for frequency, name in sorted(hottest, reverse=True):
        print(f"hot key found with counter: {frequency}\tkeyname: {name}")
    return 0


def shown(key: bytes) -> str:
    return quote(key).decode()
