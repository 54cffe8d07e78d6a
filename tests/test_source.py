"""Rules of the source that matter, as tests: levels, circles, sizes, stated forms."""
from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LEVELS = ["base", "lua", "containers", "resp", "objects", "keyspace", "rdb", "persist", "runtime", "scripts", "commands", "engine",
          "testing"]
# What stands above the core, a line a level: a package's modules, or the package (.) whole. A module imports from its own
# level and lower ones, and no two files import each other, not even by a detour, for types alone, or inside a function.
PYTHON_LEVELS = {
    "": ["__init__", "about quoting", "passwords"],
    "server": [
        "__init__",
        "disk container",
        "config.",
        "log trouble progress loading systemd",
        "system user passwordfile absent affinity instance process rename title crash saving worker link folderlock",
        "loop tcp latencymonitor commandlog acllog clientlog metrics selfcheck children listeners",
        "debugsessions",
        "aof. rdb.",
        "shutdown",
        "parts",
        "info figures",
        "admin.",
        "settings serversettings",
        "call",
        "commands.",
        "server",
        "about __main__",
    ],
    "cli": [
        "__init__",
        "errors interrupts secrets usage",
        "uri options resp",
        "arguments format tls",
        "session",
        "debugger docs lru pipe preferences replica scan stat latency check_rdb",
        "hints help terminal check_aof",
        "repl",
        "script",
        "modes",
        "client",
        "check_rdb",
    ],
    "benchmark": ["__init__", "histogram replies", "load options", "link", "report suite", "program"],
    "host": ["__init__", "files"],
    "embedded": ["errors", "host", "database redispy", "__init__"],
    "fake": ["server tcp", "clients", "valkeys", "__init__"],
}
BELOW = {"server": {"", "_core"}, "cli": {"", "server", "_core"}, "benchmark": {""},  # what one may import from
         "host": {"", "server", "cli", "benchmark"}, "": {"_core"}, "embedded": {"", "server", "_core"}, "fake": {"embedded"}}
LONGEST_FUNCTION = 70
LONGEST_FILE = 800
IMPORT = re.compile(r"^\s*(?:from|import|cimport)\s+kv\._core\.(\w+)|^\s*from\s+kv\._core\.(\w+)", re.M)
SERVER_IMPORT = re.compile(r"^\s*(?:from|import|cimport)\s+kv\.(server|cli|benchmark|sentinel)\b", re.M)
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
def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Groups of names that import each other: those that can't be put in an order (Kahn), less those that only lead there."""
    left = {one: {other for other in others if other in imports and other != one} for one, others in imports.items()}
    while free := [one for one, others in left.items() if not others & left.keys()]:
        for one in free:
            del left[one]
    while free := [one for one in left if not any(one in others for others in left.values())]:
        for one in free:
            del left[one]
    return [sorted(left)] if left else []


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": set(), "d": {"a"}}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == [["b", "c"]]


def python_modules() -> dict[str, Path]:
    """Dotted name -> file, of all that is above the core; of a compiled module its .pyx."""
    paths = [path for path in [*ROOT.glob("kv/**/*.py"), *ROOT.glob("kv/**/*.pyx")] if "_core" not in path.parts]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}


def imported_by(module: str, path: Path, modules: dict[str, Path]) -> set[str]:
    """The modules above the core that one names in an import of any kind; and "kv._core" for what is in it."""
    if path.suffix == ".pyx":
        texts = [path.read_text(), path.with_suffix(".pxd").read_text() if path.with_suffix(".pxd").exists() else ""]
        found = {match.group(1) for text in texts
                 for match in re.finditer(r"^\s*(?:from|import|cimport)\s+(kv\.[\w.]+)", text, re.M)}
    else:
        found = set()
        package = module.split(".")[:-1]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = ".".join([*package[:len(package) - node.level + 1], *([node.module] if node.module else [])]
                                if node.level else [node.module or ""])
                found.update(f"{base}.{alias.name}" for alias in node.names)
    result = set()
    for one in found:
        if one.startswith("kv._core"):
            result.add("kv._core")
        for candidate in (one, one.rpartition(".")[0], one + ".__init__", one.rpartition(".")[0] + ".__init__"):
            if candidate in modules:
                result.add(candidate)
                break
    return result - {module}


def level_of(module: str) -> tuple[str, int]:
    """(package, number of its level)."""
    words = module.split(".")[1:]
    package = words[0] if len(words) > 1 else ""
    inner = words[1:] if len(words) > 1 else words
    for number, line in enumerate(PYTHON_LEVELS.get(package, [])):
        if inner[0] in line.split() or (len(inner) > 1 and inner[0] + "." in line.split()):
            return package, number
    raise AssertionError(f"{module} stands in no level of PYTHON_LEVELS")


@pytest.mark.parametrize("module", sorted(python_modules()))
def test_python_levels_import_only_lower_ones(module: str) -> None:
    modules = python_modules()
    package, own = level_of(module)
    for other in imported_by(module, modules[module], modules):
        if other == "kv._core":
            assert "_core" in BELOW[package], f"{module} imports from the core"
            continue
        theirs, level = level_of(other)
        if theirs == package:
            assert level <= own, f"{module} imports {other}, which stands above it"
        else:
            assert theirs in BELOW[package], f"{module} imports {other}"


def test_no_two_python_files_import_each_other() -> None:
    modules = python_modules()
    assert circles({module: imported_by(module, path, modules) for module, path in modules.items()}) == []


def test_no_two_compiled_files_import_each_other() -> None:
    """A .pyx and its .pxd are two files: a body may call what is declared beside what calls it."""
    imports: dict[str, set[str]] = {}
    for path in compiled_sources():
        text = path.read_text()
        found = {str(Path(match.group(1).replace(".", "/"))) + ".pxd"
                 for match in re.finditer(r"^\s*from\s+(kv\._core[\w.]*)\s+cimport", text, re.M)}
        found |= {str(Path((match.group(1) or match.group(2)).replace(".", "/"))) + ".pyx"
                  for match in re.finditer(r"^\s*(?:from\s+(kv\._core[\w.]*)\s+import|import\s+(kv\._core[\w.]*))", text, re.M)}
        imports[name(path)] = found | ({name(path.with_suffix(".pxd"))} if path.suffix == ".pyx" else set())
    assert circles(imports) == []


@pytest.mark.parametrize("path", compiled_sources(), ids=name)
def test_compiled_files_hold_one_noun(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


def functions_of(text: str) -> list[tuple[str, int]]:
    """(name, lines) of each function of a Cython file, by indentation."""
    lines = text.splitlines()
    found = []
    head = re.compile(r"^(\s*)(?:async )?(?:cdef|cpdef|def)\s+(?!class\b)(?:inline\s+)?[^=]*?(\w+)\(")
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
