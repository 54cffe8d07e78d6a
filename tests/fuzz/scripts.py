"""Scripts and functions, given what nobody would write.

    python -m tests.fuzz.scripts --seconds 3600 --seed 7    best under KV_BUILD=asan, see CONTRIBUTING.md

Cases are made from the seed (tests/fuzz/luamaker, luatarget). The one that is being tried stands in `--last` (fuzz-scripts.json):
after a crash it is the one that did it. --replay runs it again, and --shrink takes out what it does as well without, and prints a
line for the corpus.
"""
from __future__ import annotations

import argparse
import faulthandler
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.luatarget import CaseMaker, Step, Target

HANGS_S = 300               # a case that takes longer is a finding


def run(seconds: float, seed: int, last: Path, cases: int = 0) -> tuple[int, int, int]:
    """Try for so long (or so many cases); (cases, steps, those of them that did not end with an error)."""
    target, maker = Target(), CaseMaker(seed)
    end, tried = time.monotonic() + seconds, 0
    try:
        while (tried < cases) if cases else time.monotonic() < end:
            case = maker.case()
            last.write_text(json.dumps(case))
            faulthandler.dump_traceback_later(HANGS_S, exit=True)
            target.run(case)
            tried += 1
    finally:
        faulthandler.cancel_dump_traceback_later()
    return tried, target.steps, target.values


# -- a finding ------------------------------------------------------------------------------------------------------------

def fails(case: Step, timeout: float = 60) -> bool:
    """Whether the case does harm, in a process of its own."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(case))
        file.flush()
        try:
            return subprocess.run([sys.executable, "-m", "tests.fuzz.scripts", "--replay", file.name], timeout=timeout,
                                  capture_output=True).returncode != 0
        except subprocess.TimeoutExpired:
            return True


def without(items: list[str], start: int, count: int) -> list[str]:
    return items[:start] + items[start + count:]


def shrunk_list(items: list, holds: object) -> list:
    """The list without what `holds(list)` is true without: halves first, then less."""
    count = max(len(items) // 2, 1)
    while items:
        start = 0
        while start < len(items):
            shorter = without(items, start, count)
            if holds(shorter):      # type: ignore[operator]
                items = shorter
            else:
                start += count
        if count == 1:
            return items
        count //= 2
    return items


def shrunk(case: Step) -> Step:
    """The case with fewer steps and shorter programs, as long as it does harm."""
    case["steps"] = shrunk_list(case["steps"], lambda steps: fails({**case, "steps": steps}))
    for step in case["steps"]:
        for name in ("limit", "fail", "on", "read_only"):
            if name in step and name != "on":
                kept = step.pop(name)
                if not fails(case):
                    step[name] = kept
        if isinstance(step["text"], str):
            def holds(lines: list[str], step: Step = step) -> bool:
                kept = step["text"]
                step["text"] = "\n".join(lines)
                if fails(case):
                    return True
                step["text"] = kept
                return False
            step["text"] = "\n".join(shrunk_list(step["text"].split("\n"), holds))
    return case


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--last", type=Path, default=Path("fuzz-scripts.json"))
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--shrink", type=Path)
    options = parser.parse_args()
    faulthandler.enable()
    if options.replay:
        Target().run(json.loads(options.replay.read_text()))
    elif options.shrink:
        print(json.dumps(shrunk(json.loads(options.shrink.read_text()))))
    else:
        print(f"seed {options.seed}", flush=True)
        tried, steps, values = run(options.seconds, options.seed, options.last)
        print(f"{tried} cases, {steps} steps, {values} of them without an error")


if __name__ == "__main__":
    main()
