"""System calls fail, one after the other, while the server works: it lives, says so in one line, and loses nothing that it
acknowledged. What each failure means is in kv/server/trouble.py."""
from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.commands.client import request
from tests.integration.faults import Faults, compiled
from tests.integration.program import Server, commands, make_files
from tests.program import free_port


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    return compiled(tmp_path_factory.mktemp("faults"))


class Scene:
    """A server whose system calls are in the test's hands, and what it acknowledged."""

    def __init__(self, folder: Path, library: Path, **options) -> None:
        self.folder = folder
        self.faults = Faults(library, folder)
        self.server = Server(folder, environment=self.faults.environment, **options)
        self.acknowledged = 0
        self.seen = 0       # bytes of the log before the fault

    def write(self, seconds: float = 0.0) -> None:
        """Count up, at least ten times; what is refused was not counted."""
        deadline = time.monotonic() + seconds
        for number in range(1_000_000):
            reply = self.server("INCR", "counter")
            if isinstance(reply, int):
                self.acknowledged = reply
            if number >= 10 and time.monotonic() > deadline:
                return

    def fail(self, *arguments, **options) -> None:
        self.seen = len(self.server.text())
        self.faults.fail(*arguments, **options)

    def news(self) -> str:
        """What was logged since the fault began."""
        return self.server.text()[self.seen:]

    def rewrite(self) -> None:
        """A rewrite, however it ends."""
        count = int(self.server.info()["aof_rewrites"])
        reply = self.server("BGREWRITEAOF")
        if str(reply).endswith("started"):
            self.server.rewritten(count + 1)

    def save(self) -> None:
        """A snapshot, however it ends."""
        if self.server("BGSAVE") == "Background saving started":
            self.server.until(lambda: self.server.info()["rdb_bgsave_in_progress"] == "0")

    def connect(self) -> None:
        """Strangers come by; none of them matters."""
        for _ in range(3):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.server.port), 0.2) as stranger:
                stranger.sendall(b"PING\r\n")
                stranger.recv(10)

    def change_port(self) -> None:
        port = free_port()
        if self.server("CONFIG", "SET", "port", port) == "OK":
            self.server.port = port

    def rebind(self) -> None:
        """Another address on the same port, which is free for a moment."""
        self.server("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2")

    def idle(self) -> None:
        time.sleep(1.3)
        self.write()

    def switch(self) -> None:
        self.server("CONFIG", "SET", "appendonly", "no")
        self.server("CONFIG", "SET", "appendonly", "yes")

    def crash_and_compare(self) -> None:
        """What was acknowledged is there after a crash."""
        self.write()
        self.server.crash()
        with Server(self.folder) as server:
            assert server("GET", "counter") == b"%d" % self.acknowledged


@pytest.fixture
def scene(tmp_path: Path, library: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path, library)
    with scene.server:
        yield scene


def case(call: str, error: int, provoke: Callable[[Scene], object], line: str, path: str = "", **rest):
    name = f"{call}-{errno.errorcode[error]}-{provoke.__name__}" + (f"-{path}" if path else "")
    return pytest.param(call, error, path, provoke, line, rest, id=name)


INCREMENT, TEMPORARY, MANIFEST = "incr.aof", "temp-rewriteaof", ".manifest"
CASES = [
    case("write", errno.ENOSPC, Scene.write, "Error writing to the AOF file", INCREMENT),
    case("write", errno.EIO, Scene.write, "Error writing to the AOF file", INCREMENT),
    case("write", errno.ENOSPC, Scene.rewrite, "Write error writing append only file on disk", TEMPORARY),
    case("write", errno.ENOSPC, Scene.rewrite, "Error trying to write the temporary AOF manifest file", MANIFEST),
    case("write", errno.EIO, Scene.rewrite, "Background child failed", "pipe:"),
    case("fdatasync", errno.EIO, Scene.idle, "Fail to fsync the AOF file", INCREMENT),
    case("fsync", errno.EIO, Scene.rewrite, "Write error writing append only file on disk", TEMPORARY),
    case("fsync", errno.EIO, Scene.rewrite, "Fail to fsync the temp AOF file", MANIFEST),
    case("fsync", errno.EIO, Scene.rewrite, "Fail to fsync AOF directory", "appendonlydir$"),
    case("open", errno.EMFILE, Scene.rewrite, "Can't open the append-only file", INCREMENT),
    case("open", errno.EROFS, Scene.rewrite, "Can't open the AOF manifest file", MANIFEST),
    case("open", errno.ENOSPC, Scene.rewrite, "Write error writing append only file on disk", TEMPORARY),
    case("open", errno.EMFILE, Scene.rewrite, "Fail to fsync AOF directory", "appendonlydir$"),
    case("rename", errno.EROFS, Scene.rewrite, "Error trying to rename the temporary AOF base file", "base.rdb"),
    case("rename", errno.EIO, Scene.rewrite, "Error trying to rename the temporary AOF manifest file", MANIFEST),
    case("unlink", errno.EROFS, Scene.rewrite, "Removing the file appendonlydir/appendonly.aof.1.incr.aof", INCREMENT),
    case("unlink", errno.EIO, Scene.rewrite, "Removing the file appendonlydir/appendonly.aof.1.base.rdb", "base.rdb"),
    case("stat", errno.EIO, Scene.rewrite, "Can't open the append-only file", INCREMENT),
    case("stat", errno.EIO, Scene.rewrite, "Looking for a name for the AOF base file", "base.rdb"),
    case("stat", errno.ENOMEM, Scene.rewrite, "Unable to obtain the AOF file appendonly.aof.2.base.rdb length",
         "2.base.rdb", skip=1),
    case("close", errno.EIO, Scene.rewrite, "Closing a file", INCREMENT),
    case("close", errno.EIO, Scene.rewrite, "Closing the pipe of a child", "pipe:", most=2),
    case("posix_fadvise", errno.EIO, Scene.rewrite, "Advising the system about the AOF base file"),
    case("read", errno.EIO, Scene.rewrite, "Reading what the child", "pipe:"),
    case("fork", errno.ENOMEM, Scene.rewrite, "Can't rewrite append only file in background: fork"),
    case("fork", errno.EAGAIN, Scene.rewrite, "Can't rewrite append only file in background: fork"),
    case("pipe2", errno.EMFILE, Scene.rewrite, "Can't rewrite append only file in background: fork"),
    case("waitpid", errno.ECHILD, Scene.rewrite, "Waiting for the child"),
    case("open", errno.EROFS, Scene.save, "Failed opening the temp RDB file temp-", ".rdb"),
    case("write", errno.ENOSPC, Scene.save, "Write error while saving DB to the disk(rdbSaveRio)", ".rdb"),
    case("write", errno.EIO, Scene.save, "Write error while saving DB to the disk(rdbSaveRio)", ".rdb"),
    case("write", errno.EIO, Scene.save, "Background child failed", "pipe:"),
    case("fsync", errno.EIO, Scene.save, "Write error while saving DB to the disk(fsync)", ".rdb"),
    case("close", errno.EIO, Scene.save, "Write error while saving DB to the disk(fclose)", ".rdb"),
    case("rename", errno.EROFS, Scene.save, "Error moving temp DB file temp-", ".rdb"),
    case("posix_fadvise", errno.EIO, Scene.save, "Advising the system about the RDB file"),
    case("fork", errno.ENOMEM, Scene.save, "Can't save in background: fork"),
    case("pipe2", errno.EMFILE, Scene.save, "Can't save in background: fork"),
    case("waitpid", errno.ECHILD, Scene.save, "Waiting for the child"),
    case("accept4", errno.EMFILE, Scene.connect, "Accepting client connection: accept"),
    case("accept4", errno.ENFILE, Scene.connect, "Accepting client connection: accept"),
    case("accept4", errno.ENOMEM, Scene.connect, "Accepting client connection: accept"),
    case("setsockopt", errno.ENOMEM, Scene.connect, "Setting options of a client's connection"),
    case("getsockname", errno.EIO, Scene.connect, "Asking for the address that a client connected to"),
    case("epoll_add", errno.ENOSPC, Scene.connect, "Error registering fd event for the new client"),
    case("epoll_add", errno.ENOMEM, Scene.change_port, "Could not watch a listening socket"),
    case("epoll_wait", errno.ENOMEM, Scene.write, "Waiting for events", most=20),
    case("socket", errno.EMFILE, Scene.change_port, "Could not create server TCP listening socket"),
    case("bind", errno.EACCES, Scene.rebind, "Could not create server TCP listening socket"),
    case("bind", errno.EACCES, Scene.change_port, "Could not create server TCP listening socket"),
    case("listen", errno.EACCES, Scene.change_port, "Could not create server TCP listening socket"),
    case("pthread_create", errno.EAGAIN, Scene.rewrite, "Starting a thread, whose work is done in the loop meanwhile"),
    case("fdatasync", errno.EIO, Scene.switch, "Fail to fsync the AOF file", INCREMENT),
    case("close", errno.EIO, Scene.switch, "Closing a file", INCREMENT),
    case("open", errno.EROFS, Scene.switch, "Can't open the append-only file temp-appendonly.aof.incr", "temp-appendonly"),
]
# threads and files have words of their own for it
SAID_OTHERWISE = {"pthread_create": "can't start new thread"}


@pytest.mark.parametrize("call, error, path, provoke, line, rest", CASES)
def test_a_call_that_fails(scene: Scene, call: str, error: int, path: str, provoke, line: str, rest: dict) -> None:
    scene.write()
    if provoke is Scene.switch:
        scene.server("BGREWRITEAOF")
        scene.server.rewritten()
    scene.fail(call, error, path=path, **rest)
    provoke(scene)
    if provoke is not Scene.switch:
        scene.write(0.15)
    news = scene.news()
    assert scene.faults.lift() > 0, "nothing failed"
    said = [text for text in news.splitlines() if SAID_OTHERWISE.get(call, os.strerror(error)) in text]
    assert len(said) == 1 and line in said[0], news
    assert "BUG REPORT" not in news and "Traceback" not in news and len(news.splitlines()) < 40, news
    figures = scene.server.info("stats")
    if ":C " not in said[0]:     # a child's figures go with it
        assert int(figures["system_errors"]) >= 1 and figures["last_system_error"]
    scene.server.until(lambda: scene.server("SET", "again", "1") == "OK")
    scene.server.wait_ready()
    assert scene.server.connect()("PING") == "PONG"
    if provoke is Scene.switch and "temp-appendonly" in path:
        assert scene.server("CONFIG", "SET", "appendonly", "yes") == "OK"
    scene.server.until(lambda: scene.server.info()["aof_rewrite_in_progress"] == "0")
    scene.rewrite()
    scene.server.until(lambda: scene.server.info()["aof_last_bgrewrite_status"] == "ok")
    scene.crash_and_compare()


# -- more than one call, or more than one moment -------------------------------------------------------------

def test_a_short_write_that_cant_be_taken_back(scene: Scene) -> None:
    """The rest of the command is written behind what stayed, once there is room."""
    scene.write()
    scene.fail("write", 0, path=INCREMENT, most=1)
    scene.faults.fail("write", errno.ENOSPC, path=INCREMENT, rule=1)
    scene.faults.fail("ftruncate", errno.EIO, path=INCREMENT, rule=2)
    scene.write(0.2)
    assert "Could not remove short write from the append-only file" in scene.news()
    assert scene.news().count("Short write while writing to the AOF file") == 1
    scene.faults.lift()
    scene.server.until(lambda: scene.server("SET", "again", "1") == "OK")
    scene.crash_and_compare()
    assert "Truncating" not in scene.server.text()


def test_no_time_is_noted_in_the_middle_of_a_command(scene: Scene) -> None:
    """A part of a command stayed in the file: its rest follows, and only then the annotation of the next second."""
    scene.server("CONFIG", "SET", "aof-timestamp-enabled", "yes")
    scene.server.until(lambda: time.time() % 1 < 0.2)
    scene.write()
    scene.fail("write", 0, path=INCREMENT, most=1)
    scene.faults.fail("write", errno.ENOSPC, path=INCREMENT, rule=1)
    scene.faults.fail("ftruncate", errno.EIO, path=INCREMENT, rule=2)
    scene.write(0.1)
    assert "Could not remove short write from the append-only file" in scene.news()
    time.sleep(1.1)
    scene.faults.lift()
    scene.server.until(lambda: scene.server("SET", "again", "1") == "OK")
    scene.crash_and_compare()
    assert "Truncating" not in scene.server.text()
    increment = next((scene.folder / "appendonlydir").glob("*.incr.aof")).read_bytes()
    assert increment.count(b"#TS:") == increment.count(b"\r\n#TS:") + increment.startswith(b"#TS:") >= 2


@pytest.mark.parametrize("call, error", [("write", errno.ENOSPC), ("write", errno.EROFS)])
def test_a_stop_that_would_lose_what_was_acknowledged_is_refused(scene: Scene, call: str, error: int) -> None:
    scene.write()
    scene.fail(call, error, path=INCREMENT)
    scene.write(0.2)
    assert scene.server("SHUTDOWN") == "ERR Errors trying to SHUTDOWN. Check logs."
    scene.server.process.send_signal(signal.SIGTERM)
    scene.server.until(lambda: "SIGTERM received but errors trying to shut down" in scene.news())
    assert "Error trying to write the AOF file, can't exit." in scene.news()
    scene.faults.lift()
    assert scene.server.stop() == 0
    with Server(scene.folder) as server:
        assert server("GET", "counter") == b"%d" % scene.acknowledged


def test_a_forced_stop_is_not_refused(scene: Scene) -> None:
    scene.write()
    scene.fail("write", errno.ENOSPC, path=INCREMENT)
    scene.write()
    scene.server.connection.send("SHUTDOWN", "FORCE")
    assert scene.server.ends() == 0
    assert "Error trying to write the AOF file, Exit anyway." in scene.news()


def test_always_ends_the_process_and_loses_nothing(tmp_path: Path, library: Path) -> None:
    scene = Scene(tmp_path, library, appendfsync="always")
    with scene.server:
        scene.write()
        scene.fail("fdatasync", errno.EIO, path=INCREMENT)
        with pytest.raises(ConnectionError):
            scene.write()
        assert scene.server.ends() == 1
        assert ("Can't persist AOF for fsync error when the AOF fsync policy is 'always': Input/output error. "
                "Exiting...") in scene.news()
    with Server(tmp_path) as server:
        assert int(server("GET", "counter")) >= scene.acknowledged


def test_always_answers_when_it_is_on_disk(tmp_path: Path, library: Path) -> None:
    """Which a kill of the process alone can't show: the kernel keeps what was only written."""
    scene = Scene(tmp_path, library, appendfsync="always")
    with scene.server, scene.server.raw() as writer, scene.server.raw() as reader:
        scene.write()
        scene.faults.hold("fdatasync", path=INCREMENT)
        writer.sendall(request("SET", "k", "v"))
        scene.server.until(lambda: scene.faults.hits == 1)
        reader.sendall(request("GET", "k"))
        files = [*(tmp_path / "appendonlydir").glob("*.incr.aof")]
        assert any(request("SET", "k", "v") in file.read_bytes() for file in files)
        assert select.select([writer, reader], [], [], 0.2)[0] == []
        scene.faults.lift()
        assert (writer.recv(100), reader.recv(100)) == (b"+OK\r\n", b"$1\r\nv\r\n")


def test_everysec_answers_before(tmp_path: Path, library: Path) -> None:
    scene = Scene(tmp_path, library, appendfsync="everysec")
    with scene.server:
        scene.write()
        scene.faults.hold("fdatasync", path=INCREMENT)
        scene.server.until(lambda: scene.server("INCR", "n") and scene.faults.hits == 1)
        for _ in range(100):
            assert scene.server("SET", "k", "v") == "OK"
        scene.faults.lift()


def test_a_rewrite_is_answered_when_its_child_is_forked(scene: Scene) -> None:
    """Its first step waits for the disk in a thread. Who asked waits for that; everybody else is served."""
    server = scene.server
    asking, leaving = server.connect(), server.connect()
    asking_id = asking("CLIENT", "ID")
    scene.faults.hold("fsync", path="manifest")
    asking.socket.sendall(request("BGREWRITEAOF") + request("PING"))
    server.until(lambda: scene.faults.hits == 1)
    assert server("BGREWRITEAOF") == "ERR Background append only file rewriting already in progress"
    assert server("CLIENT", "UNBLOCK", asking_id) == 0
    assert server.info("clients")["blocked_clients"] == "1"
    assert select.select([asking.socket], [], [], 0.1)[0] == []
    scene.faults.lift()
    assert (asking.reply(), asking.reply()) == ("Background append only file rewriting started", "PONG")
    assert "rewriting started by pid" in server.text()
    server.rewritten()
    assert server.info("clients")["blocked_clients"] == "0"
    assert server.info("commandstats")["cmdstat_bgrewriteaof"].startswith("calls=2,")

    scene.faults.hold("fsync", path="manifest")
    leaving.socket.sendall(request("BGREWRITEAOF"))
    server.until(lambda: scene.faults.hits == 1)
    leaving.close()                     # nobody is there to be told
    server.until(lambda: server.info("clients")["blocked_clients"] == "0")
    scene.faults.lift()
    server.rewritten(2)


def test_a_rewrite_that_cant_fork_says_so(scene: Scene) -> None:
    scene.faults.fail("fork", errno.EAGAIN)
    assert scene.server("BGREWRITEAOF") == ("ERR Can't execute an AOF background rewriting. Please check the server logs for more "
                                            "information.")
    assert scene.server.info("errorstats")["errorstat_ERR"] == "count=1"


def test_a_sync_that_failed_is_followed_by_a_rewrite(scene: Scene) -> None:
    scene.write()
    scene.fail("fdatasync", errno.EIO, path=INCREMENT)
    scene.idle()
    scene.server.until(lambda: str(scene.server("SET", "a", "1")).startswith("MISCONF Errors writing to the AOF file: Input/"))
    assert scene.server.info()["aof_last_write_status"] == "err"
    scene.faults.lift()
    scene.server.until(lambda: scene.server.info()["aof_last_write_status"] == "ok")
    scene.server.rewritten()
    scene.crash_and_compare()


def test_no_descriptors_are_left(tmp_path: Path) -> None:
    """New clients wait, old ones are served, and the processor is not kept busy with it."""
    with Server(tmp_path) as server:
        pid = server.process.pid
        used = len(os.listdir(f"/proc/{pid}/fd"))
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 2, before[1]))
        waiting = [server.raw() for _ in range(10)]
        time.sleep(0.3)
        ticks = cpu_ticks(pid)
        time.sleep(1)
        assert cpu_ticks(pid) - ticks < 0.3 * os.sysconf("SC_CLK_TCK")
        assert server("INCR", "a") == 1
        assert server.text().count("Accepting client connection: accept: Too many open files") == 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        for client in waiting:
            client.sendall(b"PING\r\n")
            assert client.recv(10) == b"+PONG\r\n"
            client.close()


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_log_that_cant_be_opened_for_a_while(tmp_path: Path, library: Path) -> None:
    path = tmp_path / "own.log"
    scene = Scene(tmp_path, library, logfile=path)
    with scene.server:
        scene.faults.fail("open", errno.EMFILE, path="own.log")
        for number in range(120):
            scene.server("DEBUG", "LOG", f"line {number}")
        assert "line 0" not in path.read_text()
        scene.faults.lift()
        scene.server("DEBUG", "LOG", "last")
        text = path.read_text()
        assert all(f"line {number}\n" in text for number in range(100)) and "(20 lines are missing here)" in text
        assert text.index("line 99") < text.index("missing") < text.index("DEBUG LOG: last")


@pytest.mark.parametrize("call, error", [("recv", errno.EIO), ("recv", errno.ENOMEM), ("send", errno.ENOMEM), ("send", errno.EIO),
                                         ("epoll_mod", errno.ENOMEM)])
def test_what_concerns_one_client(scene: Scene, call: str, error: int) -> None:
    """It is closed, and nobody else."""
    scene.write()
    scene.server("SET", "big", "x" * (8 << 20))
    reader = scene.server.connect()
    assert reader("PING") == "PONG"
    time.sleep(0.1)     # a connection that is gone is read once more
    scene.fail(call, error, most=1)
    reader.send("GET", "big")
    with pytest.raises((ConnectionError, AssertionError)):
        assert len(reader.reply()) == 8 << 20
    if call == "epoll_mod":
        scene.server.until(lambda: "Watching a client for more output, which closes it: Cannot allocate memory" in scene.news())
    assert scene.faults.lift() > 0
    scene.crash_and_compare()


# -- the start -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("call, error, path", [
    ("pipe2", errno.EMFILE, ""), ("epoll_create1", errno.EMFILE, ""), ("epoll_add", errno.ENOMEM, ""), ("socket", errno.EMFILE, ""),
    ("bind", errno.EACCES, ""), ("listen", errno.EACCES, ""), ("chdir", errno.EACCES, ""), ("open", errno.EACCES, MANIFEST),
    ("open", errno.EIO, INCREMENT), ("read", errno.EIO, INCREMENT), ("read", errno.EIO, MANIFEST), ("stat", errno.EIO, INCREMENT),
    ("ftruncate", errno.EROFS, INCREMENT), ("opendir", errno.EACCES, "appendonlydir"), ("mkdir", errno.EROFS, "appendonlydir"),
])
def test_a_start_that_cant_be(tmp_path: Path, library: Path, call: str, error: int, path: str) -> None:
    """One line, status 1, and the files are as they were."""
    inside = make_files(tmp_path, "appendonly.aof", None, commands("SET a 1") + b"*1\r\n$4")
    if call == "opendir":
        (inside / "appendonly.aof.manifest").unlink()
    if call == "mkdir":
        inside = inside.rename(tmp_path / "elsewhere")
    before = {name: (inside / name).read_bytes() for name in os.listdir(inside)}
    faults = Faults(library, tmp_path)
    faults.fail(call, error, path=path)
    with Server(tmp_path, wait=False, environment=faults.environment) as server:
        assert server.ends() == 1
        said = [line for line in server.text().splitlines() if os.strerror(error) in line]
        assert len(said) == 1 and "BUG REPORT" not in server.text() and "Traceback" not in server.text(), server.text()
    for name, data in before.items():
        assert (inside / name).read_bytes() == data


@pytest.mark.parametrize("call, error, path, line", [
    ("opendir", errno.EACCES, ".$", "Removing unfinished files"),
    ("write", errno.ENOSPC, ".cut-", "bytes cut off could not be kept"),
    ("open", errno.EACCES, "pid$", "Failed to write PID file")])
def test_a_start_goes_on_without(tmp_path: Path, library: Path, call: str, error: int, path: str, line: str) -> None:
    make_files(tmp_path, "appendonly.aof", None, commands("SET a 1") + b"*1\r\n$4")
    faults = Faults(library, tmp_path)
    faults.fail(call, error, path=path)
    with Server(tmp_path, environment=faults.environment, pidfile=tmp_path / "pid") as server:
        assert server("GET", "a") == b"1"
        assert len([text for text in server.text().splitlines() if line in text and os.strerror(error) in text]) == 1
