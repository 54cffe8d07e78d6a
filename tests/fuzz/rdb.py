"""RESTORE and the RDB reader, given what nobody would write.

    python -m tests.fuzz.rdb --seconds 3600 --seed 7        best under KV_BUILD=asan, see CONTRIBUTING.md

The input that is being tried stands in `--last` (fuzz-last.bin): after a crash it is the one that did it. Its line for the corpus
is printed by `python -m tests.fuzz.rdb --show fuzz-last.bin`.
"""
from __future__ import annotations

import argparse
import time
from pathlib import Path

from tests.fuzz.rdbmaker import Maker
from tests.fuzz.rdbtarget import Target


def run(seconds: float, seed: int, last: Path, rounds: int = 0) -> tuple[int, int]:
    """Try for so long (or so many rounds); (inputs, those that were taken)."""
    target, maker = Target(), Maker(seed)
    end, tried = time.monotonic() + seconds, 0
    with last.open("wb", buffering=0) as file:
        while (tried < rounds) if rounds else time.monotonic() < end:
            maker.wrong = maker.random.choice([0, 0.003, 0.03])
            target.sanitize(maker.random.random() < 0.7)
            restoring = maker.random.random() < 0.8
            data = maker.payload() if restoring else maker.file()
            file.seek(0)
            file.truncate()
            file.write((b"payload " if restoring else b"file ") + data)
            (target.restore if restoring else target.load)(data)
            tried += 1
    return tried, target.restored + target.loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--last", type=Path, default=Path("fuzz-last.bin"))
    parser.add_argument("--show", type=Path)
    options = parser.parse_args()
    if options.show:
        kind, _, data = options.show.read_bytes().partition(b" ")
        print(kind.decode(), data.hex())
        return
    print(f"seed {options.seed}", flush=True)
    tried, taken = run(options.seconds, options.seed, options.last)
    print(f"{tried} inputs, {taken} of them taken")


if __name__ == "__main__":
    main()
