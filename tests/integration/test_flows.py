"""Libraries that lean on scripts, at their work: queues, limiters, locks, layers. A flow is a program, flows/with_NAME.py
or node/with_NAME.js, which can be run by hand against any server; here each has a server of its own, which is looked at
afterwards."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.libraries import FLOWS, NODE, flows_python, node_folder
from tests.program import Program

PYTHON = sorted(path.stem.removeprefix("with_") for path in FLOWS.glob("with_*.py"))
JAVASCRIPT = sorted(path.stem.removeprefix("with_") for path in NODE.glob("with_*.js"))
SECONDS = 240       # a flow takes ten at most where nothing else runs
LASTING_MS = 300_000


@pytest.fixture
def server(start_server) -> Program:
    return start_server("--appendonly", "yes", "--appendfsync", "no", "--enable-debug-command", "yes")


def run(folder: Path, *words: Any) -> str:
    done = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def lasting(server: Program) -> dict[tuple[int, bytes], bytes]:
    """The digest of every key that will be there in some minutes."""
    found = {}
    for number in range(4):
        with server.client(db=number) as client:
            for key in client.scan_iter(count=1000):
                left = client.pttl(key)     # -2: its time came since it was scanned
                if left == -1 or left >= LASTING_MS:
                    found[number, key] = client.execute_command("DEBUG", "DIGEST-VALUE", key)[0]
    return found


def looked_at(server: Program) -> None:
    """No command failed but for scripts that had to be sent first, and the append-only file has what they did."""
    plain = server.connect()    # redis-py itself tries a subcommand that there is not
    errors = plain("INFO", "errorstats").decode().splitlines()[1:]
    assert all(line.startswith("errorstat_NOSCRIPT:") for line in errors), errors
    plain.close()
    before = lasting(server)
    assert server.stop() == 0
    server.start()
    with server.client() as client:
        server.until(lambda: client.info("persistence")["loading"] == 0)
    assert lasting(server) == before


@pytest.mark.parametrize("name", PYTHON)
def test_python(server: Program, name: str) -> None:
    run(FLOWS, flows_python(), f"with_{name}.py", f"redis://127.0.0.1:{server.port}")
    looked_at(server)


@pytest.mark.parametrize("name", JAVASCRIPT)
def test_javascript(server: Program, name: str) -> None:
    run(node_folder(), "node", f"with_{name}.js", f"redis://127.0.0.1:{server.port}")
    looked_at(server)


def test_every_script_of_bullmq_is_loaded(server: Program) -> None:
    """Also those that no flow runs; their SHA-1 is the one that the library will ask for."""
    scripts = json.loads(run(node_folder(), "node", "bullmq_scripts.js"))
    assert len(scripts) >= 51
    with server.client() as client:
        for script in scripts:
            assert client.script_load(script["content"]) == script["sha1"], script["name"]
        assert client.script_exists(*[script["sha1"] for script in scripts]) == [True] * len(scripts)
        assert client.info("memory")["number_of_cached_scripts"] == len(scripts)
