"""What the flows of libraries have in common. Each flow is a program: `python with_rq.py redis://127.0.0.1:6379` ends with
status 0 when the library did all that it should with that server, and with a traceback when it did not. It needs the
databases 0 to 3 empty."""
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis

HERE = Path(__file__).parent
SECONDS = 60    # a deadline, not a time that anything takes: workers start slowly on a busy machine
URL = os.environ.get("FLOW_URL") or (sys.argv[1] if len(sys.argv) > 1 else "redis://127.0.0.1:6379")


def database(number: int) -> str:
    """The address of a database of the server."""
    return f"{URL.rstrip('/')}/{number}"


def connect(number: int = 0, **options: Any) -> redis.Redis:
    return redis.Redis.from_url(database(number), decode_responses=True, **options)


def until(holds: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    """Wait for a condition; what it answered."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"it did not come about: {what}"
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def process(*words: str) -> Iterator[subprocess.Popen]:
    """A program that runs meanwhile, in this folder and told of the server. It is asked to end, unless it was killed, and
    what it wrote is shown when something went wrong. It leads a group of processes, which ends with it."""
    with tempfile.TemporaryFile("w+") as output:
        running = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, cwd=HERE, start_new_session=True,
                                   env={**os.environ, "FLOW_URL": URL, "PYTHONPATH": str(HERE)})
        try:
            yield running
            running.terminate()
            running.wait(SECONDS)
        except BaseException:
            output.seek(0)
            print(" ".join(words), "wrote:\n" + output.read(), file=sys.stderr)
            raise
        finally:
            kill(running)


def kill(running: subprocess.Popen) -> None:
    """Kill a process of process() and those that it has started, as when the machine is lost."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def module(name: str, *words: str) -> contextlib.AbstractContextManager[subprocess.Popen]:
    """`python -m name words`, as a process that runs meanwhile."""
    return process(sys.executable, "-m", name, *words)
