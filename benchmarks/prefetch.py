"""What it gains to fetch all keys of a request before its command looks the first one up (runtime/keys.keys_prefetch).

    python benchmarks/prefetch.py [KEYS OF THE TABLE]

A table of strings, larger than the processor's caches, is asked for random keys; printed are nanoseconds a key without
and with the prefetch, the best of five runs each. Making the random names is part of both.
"""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kv._core.testing.keys import KeyTable, Specs  # noqa: E402

SIZES = (1, 2, 4, 8, 16, 32, 64, 128)   # keys of a request
LOOKUPS = 400_000                       # of a run
RUNS = 5


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000_000
    table, specs = KeyTable(count), Specs("mget", "1..-1 RO access")
    print(f"{count} keys\n{'keys':>4} {'plain':>7} {'ahead':>7} {'ratio':>6}")
    for keys in SIZES:
        best = []
        for ahead in (False, True):
            times = [table.lookups(specs, LOOKUPS // keys, keys, ahead, seed)[1] for seed in range(RUNS)]
            best.append(min(times) * 1000 / (LOOKUPS // keys * keys))
        print(f"{keys:4} {best[0]:7.1f} {best[1]:7.1f} {best[1] / best[0]:6.2f}")


if __name__ == "__main__":
    main()
