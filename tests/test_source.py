"""Rules of the source that matter, as tests: levels, sizes, stated forms."""
from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LEVELS = ["base", "containers", "resp", "objects", "keyspace", "rdb", "persist", "runtime", "commands", "engine", "testing"]
LONGEST_FUNCTION = 70
LONGEST_FILE = 800
IMPORT = re.compile(r"^\s*(?:from|import|cimport)\s+kv\._core\.(\w+)|^\s*from\s+kv\._core\.(\w+)", re.M)
SERVER_IMPORT = re.compile(r"^\s*(?:from|import|cimport)\s+kv\.(server|cli|sentinel)\b", re.M)
C_FUNCTION = re.compile(r"^(?:    )?cdef (?!class|struct|enum|extern|cppclass|object |str |bytes |list |dict |tuple |\w+ \w+ *=)"
                        r"[^=\n]*?\w+\([^)]*\)([^:\n]*)(:|$)", re.M | re.S)


def compiled_sources() -> list[Path]:
    return sorted([*ROOT.glob("kv/_core/**/*.pyx"), *ROOT.glob("kv/_core/**/*.pxd")])


def python_sources() -> list[Path]:
    return sorted(path for path in ROOT.glob("kv/**/*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", compiled_sources(), ids=name)
def test_levels_import_only_lower_ones(path: Path) -> None:
    own = LEVELS.index(path.parent.name)
    text = path.read_text()
    for match in IMPORT.finditer(text):
        level = match.group(1) or match.group(2)
        if level in LEVELS:
            assert LEVELS.index(level) <= own, f"{name(path)} imports {level}"
    assert not SERVER_IMPORT.search(text), f"{name(path)} imports what is above the core"


@pytest.mark.parametrize("path", [p for p in compiled_sources() if p.parent.name != "keyspace"], ids=name)
def test_keys_are_reached_through_the_gate(path: Path) -> None:
    """Slot tables, and walks that are told of changes, will stand behind keyspace/database: so nobody passes it by."""
    assert "key_table" not in path.read_text(), f"{name(path)} touches the table of a database"


def test_the_gate_is_where_the_test_looks_for_it() -> None:
    assert "Hashtable key_table" in (ROOT / "kv/_core/keyspace/database.pxd").read_text()


@pytest.mark.parametrize("path", compiled_sources(), ids=name)
def test_compiled_files_hold_one_noun(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


def functions_of(text: str) -> list[tuple[str, int]]:
    """(name, lines) of each function of a Cython file, by indentation."""
    lines = text.splitlines()
    found = []
    head = re.compile(r"^(\s*)(?:async )?(?:cdef|cpdef|def)\s+(?:inline\s+)?[^=]*?(\w+)\(")
    for index, line in enumerate(lines):
        match = head.match(line)
        if match is None or " extern " in line or line.rstrip().endswith(("nogil", "-1", "NULL", "*")):
            continue
        indent = len(match.group(1))
        last = end = index
        for end in range(index + 1, len(lines)):
            stripped = lines[end].strip()
            if stripped and len(lines[end]) - len(lines[end].lstrip()) <= indent and not stripped.startswith(")"):
                break
            if stripped:
                last = end
        found.append((match.group(2), last - index + 1))
    return found


@pytest.mark.parametrize("path", [p for p in compiled_sources() if p.suffix == ".pyx"], ids=name)
def test_compiled_functions_are_short(path: Path) -> None:
    for function, lines in functions_of(path.read_text()):
        assert lines <= LONGEST_FUNCTION, f"{name(path)}: {function} has {lines} lines"


@pytest.mark.parametrize("path", python_sources(), ids=name)
def test_python_functions_are_short(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= LONGEST_FUNCTION, f"{name(path)}: {node.name} has {lines} lines"


@pytest.mark.parametrize("path", compiled_sources(), ids=name)
def test_c_functions_state_their_form(path: Path) -> None:
    """A bare `cdef void` checks for an exception, with the GIL, after each call."""
    for line in path.read_text().splitlines():
        match = re.match(r"^\s*cdef (?:inline )?(?:void|int|bint|size_t|u?int\d+_t|double|long|char|const char)[ *]+\w+\(.*\)"
                         r"(.*?):?\s*$", line)
        if match:
            form = match.group(1)
            assert "noexcept" in form or "except" in form, f"{name(path)}: {line.strip()}"


@pytest.mark.parametrize("path", [*compiled_sources(), *python_sources()], ids=name)
def test_every_file_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    if text.strip() and path.name != "__init__.py":
        assert text.lstrip("# \n").startswith('"""') or text.startswith("#!"), f"{name(path)} has no docstring"
