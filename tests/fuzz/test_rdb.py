"""The corpus, and some rounds of the fuzzer."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.rdb import run
from tests.fuzz.rdbtarget import Target

CORPUS = [line.split() for line in (Path(__file__).parent / "corpus.txt").read_text().splitlines() if line and line[0] != "#"]


@pytest.mark.parametrize(("kind", "data"), CORPUS)
def test_corpus(kind: str, data: str) -> None:
    target = Target()
    (target.restore if kind == "payload" else target.load)(bytes.fromhex(data))


@pytest.mark.parametrize("seed", range(8))
def test_some_rounds(tmp_path: Path, seed: int) -> None:
    tried, taken = run(0, seed, tmp_path / "last", rounds=250)
    assert tried == 250 and 50 < taken < 250
