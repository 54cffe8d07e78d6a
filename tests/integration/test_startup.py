"""What a start pays: which modules are loaded before clients are told to come."""
import os
import subprocess
import sys
from pathlib import Path

from tests.program import ROOT

# Each takes as long to load as a good part of the server does.
SLOW = {"argparse", "ast", "asyncio", "ctypes", "dataclasses", "inspect", "json", "logging", "re", "subprocess", "tokenize",
        "traceback", "typing"}
PROGRAM = """
import sys
bare = set(sys.modules)
from kv.server.server import Server

def settle(server):
    print(*set(sys.modules) - bare, file=sys.stderr)
    server.loop.stop()

Server.settle = settle
from kv.server.__main__ import main
sys.exit(main())
"""


def test_a_start_loads_little(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--port", "0", "--unixsocket", "socket", "--dir", str(tmp_path), "--appendonly", "yes"],
        capture_output=True, text=True, timeout=30, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert ran.returncode == 0, ran.stdout + ran.stderr
    loaded = set(ran.stderr.split())
    assert "kv.server.aof.writer" in loaded
    assert not loaded & SLOW
