#!/usr/bin/env python3
"""Processor time a request of this server beside another one, in one run, taking turns.

    .venv/bin/python benchmarks/compare.py [--peer redis-server] [--tests set get incr] [--pipeline 1 16 64]

The servers are pinned to the first processor, the load generator to the second. Ratios below 1 are better than the peer;
absolute times say little on a machine that is not idle.
"""
from __future__ import annotations

import argparse
import statistics
import subprocess

from programs import BIN, Server, ours


def load(server: Server, test: str, pipeline: int, requests: int) -> float:
    """Microseconds of processor time a request."""
    before = server.seconds()
    subprocess.run(["taskset", "-c", "1", str(BIN / "kv-benchmark"), "-p", str(server.port), "-t", test, "-P", str(pipeline),
                    "-n", str(requests), "-r", "100000", "-d", "16", "-q"], stdout=subprocess.DEVNULL, check=True)
    return (server.seconds() - before) * 1e6 / requests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default="redis-server")
    parser.add_argument("--tests", nargs="+", default=["ping_mbulk", "set", "get", "incr", "mset"])
    parser.add_argument("--pipeline", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    servers = [Server(ours()), Server([options.peer])]
    try:
        for pipeline in options.pipeline:
            for test in options.tests:
                rounds = [[load(server, test, pipeline, options.requests) for server in servers]
                          for _ in range(options.rounds)]
                mine, peer = (statistics.median(column) for column in zip(*rounds, strict=True))
                print(f"pipeline {pipeline:3d}  {test:12s} {mine:7.3f} us  {peer:7.3f} us  ratio {mine / peer:.2f}", flush=True)
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    main()
