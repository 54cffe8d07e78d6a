#!/usr/bin/env python3
"""Processor time a request of this server beside another one, in one run, taking turns.

    .venv/bin/python benchmarks/compare.py [--peer redis-server] [--tests set get incr] [--pipeline 1 16 64]

The servers are pinned to the first processor, the load generator to the second. Ratios below 1 are better than the peer;
absolute times say little on a machine that is not idle.
"""
from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BIN = Path(sys.executable).parent


class Server:
    """One of the two, on a port and in a folder of its own."""

    def __init__(self, command: list[str]):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = tempfile.mkdtemp(prefix="compare-")
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", *command, "--port", str(self.port), "--dir", self.folder, "--save", ""],
            stdout=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)
        sys.exit(f"compare: {command[0]} does not listen")

    def seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, test: str, pipeline: int, requests: int) -> float:
        """Microseconds of processor time a request."""
        before = self.seconds()
        subprocess.run(["taskset", "-c", "1", str(BIN / "kv-benchmark"), "-p", str(self.port), "-t", test, "-P", str(pipeline),
                        "-n", str(requests), "-r", "100000", "-d", "16", "-q"], stdout=subprocess.DEVNULL, check=True)
        return (self.seconds() - before) * 1e6 / requests

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default="redis-server")
    parser.add_argument("--tests", nargs="+", default=["ping_mbulk", "set", "get", "incr", "mset"])
    parser.add_argument("--pipeline", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    servers = [Server([str(BIN / "kv-server")]), Server([options.peer])]
    try:
        for pipeline in options.pipeline:
            for test in options.tests:
                rounds = [[server.load(test, pipeline, options.requests) for server in servers]
                          for _ in range(options.rounds)]
                ours, peer = (statistics.median(column) for column in zip(*rounds, strict=True))
                print(f"pipeline {pipeline:3d}  {test:12s} {ours:7.3f} us  {peer:7.3f} us  ratio {ours / peer:.2f}", flush=True)
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    main()
