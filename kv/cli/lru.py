"""--lru-test: how many reads hit when a cache of N keys is used with an 80-20 distribution."""

import random
import time

from kv.cli.errors import Disconnected, Fatal
from kv.cli.options import Options
from kv.cli.resp import NIL, Connection
from kv.cli.session import Session, complain

CYCLE_S = 1.0
BATCH = 250
# With this exponent a fifth of the numbers drawn gets four fifths of the draws.
EXPONENT = 6.2
VALUE_BYTES = range(ord("A"), ord("z"))


def skewed(highest: int) -> int:
    """A number from 1 to `highest`, the low ones more often."""
    power = EXPONENT + 1
    low, high = 1.0, float(highest + 1) ** power
    return highest + 1 - int((low + random.random() * (high - low)) ** (1 / power))


def simulate(session: Session, options: Options) -> int:
    connection = session.require()
    keys = max(options.lru_keys, 1)
    while True:
        hits = misses = 0
        end = time.monotonic() + CYCLE_S
        try:
            while time.monotonic() < end:
                found, missing = _batch(connection, keys)
                hits += found
                misses += missing
        except Disconnected:
            raise Fatal("I/O error during LRU test") from None
        gets = max(hits + misses, 1)
        print(
            f"{hits + misses} Gets/sec | Hits: {hits} ({hits / gets:.2%}) | "
            f"Misses: {misses} ({misses / gets:.2%})",
            flush=True,
        )


def _batch(connection: Connection, keys: int) -> tuple[int, int]:
    """As many writes as reads; returns how many of the reads hit and missed."""
    values = [bytes(random.choices(VALUE_BYTES, k=5)) for _ in range(BATCH)]
    connection.call_many([(b"SET", _key(keys), value) for value in values])
    replies = connection.call_many([(b"GET", _key(keys)) for _ in range(BATCH)])
    for reply in replies:
        if reply.is_error:
            complain(reply.text)
    found = sum(reply.kind != NIL and not reply.is_error for reply in replies)
    return found, sum(reply.kind == NIL for reply in replies)


def _key(keys: int) -> bytes:
    return b"lru:%d" % skewed(keys)
