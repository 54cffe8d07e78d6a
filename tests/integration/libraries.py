"""Other people's libraries for tests: those of npm in node/node_modules, those of PyPI in an environment of their own.

They are installed when a test first asks, and again when the file that names them has changed. Where that can't be done
the test is skipped, and fails in CI. `python -m tests.integration.libraries` installs both and says where they are."""
from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.program import ROOT

NODE = Path(__file__).parent / "node"
FLOWS = Path(__file__).parent / "flows"
ENVIRONMENT = ROOT / "build" / "flows"
FLOWS_PYTHON = ENVIRONMENT / "bin" / "python"
INSTALL_SECONDS = 600
NPM_RETRIES = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000")    # without a network that is soon known


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """One test process at a time."""
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class NotInstalled(Exception):
    """What an installation wrote when it failed."""


def step(folder: Path, *words: str | Path) -> None:
    """One step of an installation. Raises NotInstalled."""
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(str(error)) from None
    if done.returncode:
        raise NotInstalled(f"{words[0]} {words[1]}: {(done.stdout + done.stderr)[-2000:]}")


def install(name: str, stamp: Path, wanted: str, steps: Callable[[], None]) -> str:
    """Install what is wanted unless it is there; why it could not be done, or nothing."""
    with alone(name):
        if stamp.exists() and stamp.read_text() == wanted:
            return ""
        try:
            steps()
        except NotInstalled as error:
            return str(error)
        stamp.write_text(wanted)
        return ""


@functools.cache
def node_trouble() -> str:
    def steps() -> None:
        step(NODE, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", *NPM_RETRIES)

    wanted = hashlib.sha256((NODE / "package-lock.json").read_bytes()).hexdigest()
    return install("node", NODE / "node_modules" / ".kv-installed", wanted, steps)


@functools.cache
def flows_trouble() -> str:
    requirements = FLOWS / "requirements.txt"

    def steps() -> None:
        step(ROOT, sys.executable, "-m", "venv", "--clear", ENVIRONMENT)
        step(ROOT, FLOWS_PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1",
             "-r", requirements)

    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest() + sys.version
    return install("flows", ENVIRONMENT / ".kv-installed", wanted, steps)


def unavailable(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(" ".join(why.split())[:300])


def node_folder() -> Path:
    """The folder with what npm has installed from its lock file; skips the test where there is none."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    if node_trouble():
        unavailable(node_trouble())
    return NODE


def flows_python() -> Path:
    """The interpreter that has the libraries of flows/requirements.txt; skips the test where there is none."""
    if flows_trouble():
        unavailable(flows_trouble())
    return FLOWS_PYTHON


if __name__ == "__main__":
    print(node_trouble() or NODE, flows_trouble() or FLOWS_PYTHON, sep="\n")
