"""The SDKs of sdk/, each with its own tests in its own language, against a server of this tree whose password they rotate. All read
sdk/cases.json and start sdk/fake_kms.py. Go's need go-redis where they reach the server, which is run where the module is there."""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.integration.libraries import node_folder
from tests.program import ROOT, Program

SDK = ROOT / "sdk"
PASSWORD = "op@n/ses ame:%"
SECONDS = 240           # each takes a few where nothing else runs
SECRETS = (PASSWORD, "rotated-", "client-secret", "token-1")


@pytest.fixture
def server(start_server) -> Program:
    return start_server("--requirepass", PASSWORD)


def run(server: Program | None, folder: Path, *command: str, **environment: str) -> str:
    """What it printed. It has passed, and a server has logged none of its secrets."""
    ours = {name: value for name, value in os.environ.items() if not re.match(r"(HANZO_)?(KV|KMS|REDIS)_|NODE_TEST_|PYTEST_", name)}
    if server is not None:
        environment |= {"KV_TEST_PORT": str(server.port), "KV_TEST_PASSWORD": PASSWORD}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL,
                          env={**ours, "PYTHON": sys.executable, **environment})
    assert done.returncode == 0, done.stdout + done.stderr
    assert server is None or not any(secret in server.text() for secret in SECRETS)
    return done.stdout


def test_python(server: Program) -> None:
    said = run(server, SDK / "python", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests",
               PYTHONPATH=str(SDK / "python"))
    assert re.search(r"^\d\d\d passed in ", said, re.M), said       # and none skipped


def test_node(server: Program) -> None:
    said = run(server, SDK / "node", "node", "--test", "--test-reporter=tap", "test/cases.test.js", "test/server.test.js",
               NODE_PATH=str(node_folder() / "node_modules"))
    assert re.search(r"^# skipped 0$", said, re.M) and re.search(r"^# pass \d\d\d$", said, re.M), said


def go() -> str:
    found = shutil.which("go")
    if found is None:
        pytest.skip("go is not installed")
    return found


def test_go_without_modules() -> None:
    """What needs the standard library alone: addresses, the environment, the KMS, the credentials."""
    assert subprocess.run([str(Path(go()).with_name("gofmt")), "-l", "."], cwd=SDK / "go", capture_output=True).stdout == b""
    packages = ["./config", "./kms", "./logs"]
    run(None, SDK / "go", go(), "vet", *packages, GOFLAGS="-mod=readonly", GOPROXY="off")
    run(None, SDK / "go", go(), "test", "-count=1", *packages, GOFLAGS="-mod=readonly", GOPROXY="off")


def test_go(server: Program) -> None:
    modules = subprocess.run([go(), "list", "-deps", "."], cwd=SDK / "go", capture_output=True, text=True, timeout=SECONDS,
                             env={**os.environ, "GOFLAGS": "-mod=readonly", "GOPROXY": "off"})
    if modules.returncode:
        pytest.skip("go-redis is not among this machine's Go modules")
    run(server, SDK / "go", go(), "vet", ".", GOFLAGS="-mod=readonly", GOPROXY="off")
    said = run(server, SDK / "go", go(), "test", "-count=1", "-v", ".", GOFLAGS="-mod=readonly", GOPROXY="off")
    assert "--- PASS: TestRotation" in said and "--- SKIP" not in said, said


def test_all_read_the_same_variables() -> None:
    """And the table has a case of each: what it does not know the three may read differently."""
    name = re.compile(r"[\"'.](?=KV_|KMS_|REDIS_|HANZO_|KUBERNETES_)([A-Z_]{4,}[A-Z])(?![A-Z_])")
    read = [set(name.findall((SDK / path).read_text()))
            for path in ("python/hanzo_kv/config.py", "node/lib/config.js", "go/config/config.go")]
    assert read[0] == read[1] == read[2] and len(read[0]) > 20
    assert read[0] <= {each for case in json.loads((SDK / "cases.json").read_text())["resolve"] for each in case["env"]}


def test_the_servers_packages_have_no_sdk(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(tmp_path), "sdist", "-d", str(tmp_path)],
                   cwd=ROOT, check=True, capture_output=True, env={**os.environ, "KV_BUILD": "none"})
    archive = next(tmp_path.glob("*.tar.gz"))
    with tarfile.open(archive) as files:
        names = [name.partition("/")[2] for name in files.getnames()]
    assert "kv/server/__main__.py" in names and not [name for name in names if name.startswith("sdk/")]


def test_versions_are_those_of_the_server() -> None:
    """One release, one number. Go's is its tag, whose first part is go-redis'."""
    told = subprocess.run([sys.executable, "setup.py", "-q", "--version"], cwd=ROOT, check=True, capture_output=True, text=True,
                          env={**os.environ, "KV_BUILD": "none"})
    version = told.stdout.split()[-1]
    assert json.loads((SDK / "node" / "package.json").read_text())["version"] == version
    assert f'__version__ = "{version}"' in (SDK / "python" / "hanzo_kv" / "__init__.py").read_text()
