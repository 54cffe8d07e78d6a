"""Whether an installed kv works: `python smoke.py`, with nothing but Python and the package.

It runs the programs that stand beside the interpreter (or in the PATH) in a folder of its own, prints a line a step, and ends with
status 1 at the first one that fails. Wheels are tested with it where they are built, in containers that have no bash and no
GNU tools.
"""
from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

SECONDS = 30        # for whatever is waited for


def program(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        sys.exit(f"FAILED: no {name} beside {sys.executable} or in the PATH")
    return found


def step(name: str, good: bool, seen: object) -> None:
    print(f"{'ok' if good else 'FAILED'}: {name}: {seen}", flush=True)
    if not good:
        sys.exit(1)


def run(name: str, *arguments: str) -> str:
    """What it printed; it must end with status 0."""
    ran = subprocess.run([program(name), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=SECONDS)
    if ran.returncode != 0:
        step(f"{name} {' '.join(arguments)}", False, f"status {ran.returncode}: {ran.stdout}")
    return ran.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def connected(port: int, server: subprocess.Popen[bytes], log: Path) -> socket.socket:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        except ConnectionRefusedError:
            time.sleep(0.01)
    sys.exit(f"FAILED: kv-server does not serve, its status is {server.poll()}:\n{log.read_text()}")


def ask(stream: IO[bytes], *words: str) -> bytes:
    """The reply to a command, without its line ends."""
    stream.write(f"*{len(words)}\r\n".encode() + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words))
    stream.flush()
    line = stream.readline()
    if line[:1] != b"$" or line == b"$-1\r\n":
        return line[:-2]
    return stream.read(int(line[1:]) + 2)[:-2]


def versions() -> None:
    import kv

    where = Path(kv.__file__).parent
    for name in ("kv-server", "kv-cli", "kv-benchmark", "kv-check-aof", "kv-check-rdb"):
        told = run(name, "--version").strip()
        step(f"{name} --version", kv.__version__ in told, told)
    step("a package with types", (where / "py.typed").exists() and (where / "_core/engine/engine.pyi").exists(), where)
    step("no modules for tests", not (where / "_core/testing").exists() or where.parent == Path(__file__).parents[1], where)


def embedded() -> None:
    from kv import Engine

    engine = Engine()
    engine.execute("RPUSH", "list", "a", "b")
    step("Engine", engine.execute("LRANGE", "list", 0, -1) == [b"a", b"b"], engine)


def serve(folder: Path) -> None:
    port, log = free_port(), folder / "log"
    with log.open("wb") as output:
        began = time.monotonic()
        server = subprocess.Popen(
            [program("kv-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes"],
            stdout=output, stderr=output)
    try:
        with connected(port, server, log) as sock, sock.makefile("rwb") as stream:
            step("kv-server serves", ask(stream, "PING") == b"+PONG", f"after {(time.monotonic() - began) * 1000:.0f} ms")
            requests(stream, port)
        server.send_signal(signal.SIGTERM)
        step("SIGTERM", server.wait(SECONDS) == 0, f"status {server.returncode}")
    finally:
        server.kill()
        server.wait()
    files(folder)


def requests(stream: IO[bytes], port: int) -> None:
    step("SET", ask(stream, "SET", "key", "value") == b"+OK", "OK")
    step("GET", (value := ask(stream, "GET", "key")) == b"value", value)
    value = ask(stream, "EVAL", "return redis.call('get', KEYS[1]) .. ARGV[1]", "1", "key", "s")
    step("EVAL", value == b"values", value)
    step("kv-cli ping", (told := run("kv-cli", "-p", str(port), "ping").strip()) == "PONG", told)
    told = run("kv-benchmark", "-p", str(port), "-q", "-n", "1000", "-t", "set,get")
    step("kv-benchmark -q -n 1000", told.count("requests per second") == 2, " ".join(told.replace("\r", "\n").split("\n")[-3:]))
    step("SAVE", (value := ask(stream, "SAVE")) == b"+OK", value)
    step("INFO", b"\r\nprocess_id:" in ask(stream, "INFO"), "process_id")


def files(folder: Path) -> None:
    told = run("kv-check-aof", str(folder / "appendonlydir" / "appendonly.aof.manifest"))
    step("kv-check-aof", "are valid" in told, told.strip().split("\n")[-1])
    told = run("kv-check-rdb", str(folder / "dump.rdb"))
    step("kv-check-rdb", "RDB looks OK" in told, told.strip().split("\n")[-1])


def main() -> None:
    print(f"Python {sys.version.split()[0]} on {os.uname().sysname} {os.uname().machine}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        versions()
        embedded()
        serve(Path(folder))
    print("all is well")


if __name__ == "__main__":
    main()
