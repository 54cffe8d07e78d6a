"""What cjson and cmsgpack take for 10 KB, beside redis-server.

    python benchmarks/lua_codecs.py [REDIS-SERVER]

The same loop runs in a Lua state here and in an EVAL there; printed are microseconds of processor time a call, the best of some
runs, and what ours are of redis-server's.
"""
from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kv._core.testing.lua import State  # noqa: E402

SIZE = 10_000           # bytes of JSON
CALLS = 100             # of a loop
RUNS = 20               # of each loop, ours and theirs in turn: the best counts
LOOP = b"local text = %s; local value = cjson.decode(text); local packed = cmsgpack.pack(value); for i = 1, %d do %s end"
FUNCTIONS = {
    "cjson.decode": b"cjson.decode(text)", "cjson.encode": b"cjson.encode(value)",
    "cmsgpack.unpack": b"cmsgpack.unpack(packed)", "cmsgpack.pack": b"cmsgpack.pack(value)"}


def elements(seed: int) -> dict[str, list[object]]:
    """More than 10 KB of each kind."""
    draw = random.Random(seed)

    def word() -> str:
        return "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 12)))

    records = [{"id": i, "name": word(), "email": f"{word()}@example.com", "score": round(draw.uniform(0, 100), 2), "on": i % 3 > 0,
                "tags": [word() for _ in range(i % 4)], "address": {"city": word(), "zip": None}} for i in range(120)]
    return {
        "records": list(records), "whole numbers": [draw.randint(-10**6, 10**6) for _ in range(2000)],
        "decimals": [round(draw.uniform(-1000, 1000), draw.randint(1, 4)) for _ in range(2000)],
        "doubles": [draw.random() for _ in range(1000)],
        "words": [word() for _ in range(2000)], "long strings": [word() * 30 for _ in range(80)],
        "escapes": ['a "quoted" line\n\tof /text/' for _ in range(600)]}


def texts() -> dict[str, bytes]:
    """JSON of about 10 KB of each kind."""
    made = {}
    for name, kind in elements(1).items():
        while len(text := json.dumps(kind, separators=(",", ":")).encode()) > SIZE:
            kind.pop()
        made[name] = text
    return made


class Redis:
    """A redis-server that runs scripts."""

    def __init__(self, program: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.socket = f"{self.folder.name}/socket"
        self.process = subprocess.Popen([program, "--port", "0", "--unixsocket", self.socket, "--save", ""],
                                        stdout=subprocess.DEVNULL, cwd=self.folder.name)
        while not Path(self.socket).exists():
            time.sleep(0.01)

    def cli(self, *words: str, given: bytes = b"") -> str:
        command = ["redis-cli", "-s", self.socket, *words]
        return subprocess.run(command, input=given, capture_output=True, check=True).stdout.decode()

    def seconds(self) -> float:
        figures = dict(line.split(":") for line in self.cli("info", "cpu").splitlines() if ":" in line)
        return float(figures["used_cpu_user_main_thread"]) + float(figures["used_cpu_sys_main_thread"])

    def time(self, script: bytes) -> float:
        before = self.seconds()
        digest = self.cli("-x", "script", "load", given=script).strip()
        self.cli("evalsha", digest, "0")
        return self.seconds() - before

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


def time_ours(state: State, script: bytes) -> float:
    before = time.process_time()
    state.run(script)
    return time.process_time() - before


def compare(state: State, redis: Redis, text: bytes, code: bytes) -> tuple[float, float]:
    """Seconds a call, ours and theirs: what a loop takes more than one that does nothing."""
    quoted = b'"%s"' % b"".join(b"\\%03d" % byte for byte in text)
    full, empty = LOOP % (quoted, CALLS, code), LOOP % (quoted, 0, code)
    rounds = [(time_ours(state, full), redis.time(full), time_ours(state, empty), redis.time(empty)) for _ in range(RUNS)]
    best = [min(column) for column in zip(*rounds, strict=True)]
    return (best[0] - best[2]) / CALLS, (best[1] - best[3]) / CALLS


def main() -> None:
    program = sys.argv[1] if len(sys.argv) > 1 else shutil.which("redis-server")
    if program is None:
        sys.exit("there is no redis-server")
    redis = Redis(program)
    state = State()
    made = texts()
    print(f"{'':16} {'':14} {'ours':>7} {'redis':>7} {'ratio':>6}")
    try:
        for name, code in FUNCTIONS.items():
            for kind, text in made.items():
                ours, theirs = compare(state, redis, text, code)
                print(f"{name:16} {kind:14} {ours * 1e6:7.1f} {theirs * 1e6:7.1f} {ours / theirs:6.2f}", flush=True)
    finally:
        redis.close()


if __name__ == "__main__":
    main()
