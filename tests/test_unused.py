"""Nothing of the compiled sources is there for nobody: every C function is named by another one, every cimport is used.

Functions are told apart by their names alone, so one that shares its name with a function in use is not found; what is
found is certain. Comments, docstrings and texts do not count as use.
"""
from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTING = ROOT / "kv" / "_core" / "testing"
SOURCES = sorted([*ROOT.glob("kv/**/*.pyx"), *ROOT.glob("kv/**/*.pxd"), *ROOT.glob("kv/**/*.h")])
HEAD = re.compile(r"^\s*(?:cdef|cpdef)\s+(?!class\b)(?:inline\s+)?[^=(\n:]*?\b(\w+)\(", re.M)
IMPORT = re.compile(r"^(?:from [\w.]+ )c?import (?:\(([^)]*)\)|([^\n(]+))$", re.M)
# What tests need of the core, or what is a whole only with it: the caller, or the release that will have one.
TESTS_ONLY = {
    "lua_state_allocate_by": "memory that tells what Lua does wrong",
    "memory_slab_bytes": "pages of the allocator, to hold its figures to", "quicklist_set_far": "walks that are far soon",
    "quicklist_limit": "a list of other limits", "quicklist_slice": "what a cursor is at", "lazyfree_wait": "until all is freed",
    "listpack_append_number": "the twin of listpack_append", "hashtable_pause": "elements stay where they are",
    "hashtable_resume": "the same",
    "memory_check": "the allocator's invariants", "crc64_fold": "both ways of CRC-64", "key_slot": "cluster"}
UNUSED: dict[str, str] = {}     # with why it stays


def code_of(path: Path) -> str:
    """A source without comments, docstrings, texts and imports; what f-strings hold stays."""
    text = re.sub(r'"""(?:.|\n)*?"""', "", path.read_text())
    text = re.sub(r'(?<![fF\w])b?"(?:\\.|[^"\\\n])*"', '""', text)
    text = re.sub(r"(?<!:)#.*", "", text)       # "{address:#x}" is no comment
    return IMPORT.sub("", text)


CODE = {path: code_of(path) for path in SOURCES}


def words(texts: list[str]) -> Counter[str]:
    return Counter(word for text in texts for word in re.findall(r"\w+", text))


def uses(paths: list[Path]) -> dict[str, int]:
    """How often each C function that these files define is named by anything but its heads."""
    named = words([CODE[path] for path in paths])
    heads = Counter(head for path in paths for head in HEAD.findall(CODE[path]))
    return {name: named[name] - count for name, count in heads.items() if not name.startswith("__")}


def test_every_c_function_is_used() -> None:
    unused = {name for name, count in uses(SOURCES).items() if count == 0}
    assert unused <= UNUSED.keys()


def test_every_c_function_is_used_by_more_than_tests() -> None:
    own = [path for path in SOURCES if TESTING not in path.parents]
    unused = {name for name, count in uses(own).items() if count == 0}
    assert unused <= UNUSED.keys() | TESTS_ONLY.keys()


@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix == ".pyx"], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_import_is_used(path: Path) -> None:
    used = words([CODE[path]])
    for listed, single in IMPORT.findall(path.read_text()):
        for part in re.sub(r"#.*", "", listed or single).split(","):
            name = part.split(" as ")[-1].strip()
            assert name in ("", "*") or used[name], f"{name} is imported for nobody"


def test_what_is_unused_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    path = TESTING / "none.pyx"
    text = 'cdef int lonely(int a) noexcept nogil:\n    """lonely()"""\n    return a  # lonely\n\n\n'
    monkeypatch.setitem(CODE, path, text)
    assert uses([path])["lonely"] > 0
    monkeypatch.setattr(Path, "read_text", lambda self: text)
    monkeypatch.setitem(CODE, path, code_of(path))
    assert uses([path]) == {"lonely": 0}
