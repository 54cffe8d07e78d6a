"""What a wheel has: all that runs, and nothing that only tests import."""
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.program import ROOT

TESTING = "kv/_core/testing"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files, without those that a compiler makes."""
    path = tmp_path_factory.mktemp("wheel")
    left = path / "lib" / "kv" / "server" / "commands" / "removed.py"       # by a build before
    left.parent.mkdir(parents=True)
    left.write_text("")
    commands = ["egg_info", "--egg-base", str(path), "build", "--build-lib", str(path / "lib")]
    subprocess.run([sys.executable, "setup.py", "-q", *commands], cwd=ROOT, check=True, capture_output=True,
                   env={**os.environ, "KV_BUILD": "none"})
    return path / "lib"


def extensions(testing: bool) -> set[str]:
    ran = subprocess.run([sys.executable, "-c", f"import setup\nfor one in setup.extensions({testing}): print(one.name)"],
                         cwd=ROOT, check=True, capture_output=True, text=True)
    return set(ran.stdout.split())


def test_modules_for_tests_are_built_in_place_alone() -> None:
    sources = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("kv/**/*.pyx")}
    tests_own = {name for name in sources if name.startswith(TESTING.replace("/", ".") + ".")}
    assert tests_own
    assert extensions(testing=True) == sources
    assert extensions(testing=False) == sources - tests_own


def test_the_wheel_has_every_other_file(folder: Path) -> None:
    kinds = ("*.py", "*.pyx", "*.pxd", "*.pyi", "*.h", "*.json", "py.typed")
    sources = {str(path.relative_to(ROOT)) for kind in kinds for path in ROOT.glob(f"kv/**/{kind}")}
    found = {str(path.relative_to(folder)) for path in folder.glob("kv/**/*") if path.is_file()}
    assert found == {name for name in sources if not name.startswith(TESTING)}


@pytest.mark.parametrize("kind", ["py", "pyx", "pxd", "pyi"])
def test_nothing_of_the_wheel_imports_what_is_not_in_it(kind: str) -> None:
    imports = re.compile(r"^\s*(?:from|c?import) kv\._core(?:\.testing| c?import .*\btesting)\b", re.M)
    for path in ROOT.glob(f"kv/**/*.{kind}"):
        if TESTING not in str(path):
            assert not imports.search(path.read_text()), path
