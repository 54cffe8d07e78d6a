"""System calls that fail on demand: faults.c, compiled for the test, and its rules in memory that both share.

    faults = Faults(library, folder)
    server = Server(folder, environment=faults.environment)
    faults.fail("write", errno.ENOSPC, path="incr.aof")
    faults.lift()
"""
from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("faults.c")
RULE = struct.Struct("32s92siiii")      # call, path, error, skip, most, hits: struct rule of faults.c
RULES = 4
COUNTED_MOST = 1 << 30


def compiled(folder: Path) -> Path:
    """The library. Skips the test where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    library = folder / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


class Faults:
    """The rules of one server."""

    def __init__(self, library: Path, folder: Path) -> None:
        path = folder / "faults"
        path.write_bytes(bytes(RULE.size * RULES))
        with path.open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)
        before = os.environ.get("LD_PRELOAD", "")      # a sanitizer's library comes first
        self.environment = {"LD_PRELOAD": f"{before} {library}".strip(), "KV_FAULTS": str(path)}

    def fail(self, call: str, error: int, path: str = "", skip: int = 0, most: int = -1, rule: int = 0) -> None:
        """Have a call fail from now on (see faults.c). An error of 0 is a short write."""
        RULE.pack_into(self.memory, rule * RULE.size, b"", path.encode(), error, skip, most, 0)
        name = call.encode()
        self.memory[rule * RULE.size:rule * RULE.size + len(name)] = name

    def count(self, call: str, path: str = "") -> None:
        """Count a call, which works, until counted()."""
        self.fail(call, 0, path, skip=COUNTED_MOST)

    def counted(self) -> int:
        """How many calls there were since count()."""
        calls = COUNTED_MOST - RULE.unpack_from(self.memory, 0)[3]
        self.lift()
        return calls

    def hold(self, call: str, path: str = "") -> None:
        """Have a call wait until lift()."""
        self.fail(call, -1, path)

    def lift(self) -> int:
        """Let everything work again; how many calls failed."""
        hits = 0
        for number in range(RULES):
            hits += RULE.unpack_from(self.memory, number * RULE.size)[5]
            RULE.pack_into(self.memory, number * RULE.size, b"", b"", 0, 0, 0, 0)
        return hits

    @property
    def hits(self) -> int:
        return RULE.unpack_from(self.memory, 0)[5]
