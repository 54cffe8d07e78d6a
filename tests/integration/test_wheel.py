"""What a wheel has: all that runs, and nothing that only tests import."""
from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kv.host.files import files
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
    """But what the core is compiled from, which the sdist has."""
    kinds = ("*.py", "*.pyi", "*.json", "py.typed")
    sources = {str(path.relative_to(ROOT)) for kind in kinds for path in ROOT.glob(f"kv/**/{kind}")}
    found = {str(path.relative_to(folder)) for path in folder.glob("kv/**/*") if path.is_file()}
    assert found == {name for name in sources if not name.startswith(TESTING)}


@pytest.mark.parametrize("kind", ["py", "pyx", "pxd", "pyi"])
def test_nothing_of_the_wheel_imports_what_is_not_in_it(kind: str) -> None:
    imports = re.compile(r"^\s*(?:from|c?import) kv\._core(?:\.testing| c?import .*\btesting)\b", re.M)
    for path in ROOT.glob(f"kv/**/*.{kind}"):
        if TESTING not in str(path):
            assert not imports.search(path.read_text()), path


def test_completions_and_man_pages_are_installed(tmp_path: Path) -> None:
    """Below the prefix, where the shells and man look."""
    commands = ["egg_info", "--egg-base", str(tmp_path), "build", "--build-base", str(tmp_path / "build"),
                "bdist_wheel", "--bdist-dir", str(tmp_path / "bdist"), "--dist-dir", str(tmp_path)]
    subprocess.run([sys.executable, "setup.py", "-q", *commands], cwd=ROOT, check=True, capture_output=True,
                   env={**os.environ, "KV_BUILD": "none"})
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = {name.partition(".data/data/")[2] for name in archive.namelist()} - {""}
    assert found == {path for path, _ in files()}
    assert {"share/man/man1/kv-cli.1", "share/man/man5/kv.conf.5", "share/bash-completion/completions/kv-server",
            "share/zsh/site-functions/_kv-cli", "share/fish/vendor_completions.d/kv-benchmark.fish"} <= found
