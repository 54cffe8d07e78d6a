"""The corpus, and some cases of the fuzzer of scripts."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fuzz.luamaker import FUNCTIONS
from tests.fuzz.luatarget import Target
from tests.fuzz.scripts import run, shrunk_list

CORPUS = (Path(__file__).parent / "scripts-corpus.jsonl").read_text().splitlines()
GONE = {"redis.register_function", "string.gfind"}      # of libraries only; of Lua 5.0, which says so


@pytest.mark.parametrize("line", CORPUS)
def test_corpus(line: str) -> None:
    Target().run(json.loads(line))


@pytest.mark.parametrize("seed", range(6))
def test_some_cases(tmp_path: Path, seed: int) -> None:
    cases, steps, values = run(0, seed, tmp_path / "last", cases=12)
    assert cases == 12 and steps >= cases and 0 < values < steps


def test_every_function_is_in_the_grammar() -> None:
    """And nothing else, so that one that is added is tried at once."""
    target = Target()
    found = target.look.decode()     # type: ignore[union-attr]
    names = {word.rsplit("=", 1)[0].rsplit("=", 1)[-1] for word in found.split() if word.endswith("=function")}
    known = {name.rpartition(".")[2] for name in FUNCTIONS}
    assert names - {"upper"} <= known | {"upper"}, sorted(names - known)
    assert known - names <= {name.rpartition(".")[2] for name in GONE}, sorted(known - names)


def test_findings_are_shrunk() -> None:
    assert shrunk_list(list("abcdefgh"), lambda items: "c" in items and "g" in items) == ["c", "g"]
    assert shrunk_list(["x"], lambda items: True) == []
