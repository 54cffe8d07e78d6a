"""requirepass-file: the password changes under load, and no client is refused."""
from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.commands.client import Client
from tests.integration.program import Server
from tests.program import KV_SERVER

WRONG = "WRONGPASS invalid username-password pair or user is disabled."


class Secret:
    """A Secret as Kubernetes mounts it: the file is a link into a folder, which a link names that is replaced as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.version = 0
        self.path = folder / "redis-password"
        self.path.symlink_to(Path("..data") / "redis-password")

    def put(self, text: str) -> None:
        self.version += 1
        inside = self.folder / f"..{self.version}"
        inside.mkdir()
        (inside / "redis-password").write_text(text)
        link = self.folder / "..data.new"
        link.symlink_to(inside.name)
        link.replace(self.folder / "..data")


@pytest.fixture
def secret(tmp_path: Path) -> Secret:
    made = Secret(tmp_path / "secret")
    made.put("first")
    return made


def serve(folder: Path, secret: Secret, **options) -> Server:
    server = Server(folder, wait=False, requirepass_file=secret.path, **options)
    server.wait_ready()
    server.connection = server.connect()
    return server


def login(server: Server, password: str) -> object:
    client = server.connect()
    try:
        return client("AUTH", password)
    finally:
        client.close()


def test_the_password_is_that_of_the_file(tmp_path: Path, secret: Secret) -> None:
    with serve(tmp_path, secret) as server:
        assert server("PING") == "NOAUTH Authentication required."
        assert login(server, "other") == WRONG
        assert server("AUTH", "first") == "OK" and server("HELLO", 2, "AUTH", "default", "first")
        assert server("CONFIG", "GET", "requirepass") == [b"requirepass", b""]
        assert server("CONFIG", "GET", "requirepass-file") == [b"requirepass-file", str(secret.path).encode()]
        assert server("CONFIG", "SET", "requirepass", "mine").startswith("ERR CONFIG SET failed")
        assert server("ACL", "SETUSER", "default", "on", "~*") == "OK"       # says nothing new
        assert server("ACL", "SETUSER", "default", ">mine").startswith("ERR requirepass-file names the file with the password")
        assert login(server, "first") == "OK" and login(server, "mine") == WRONG


def test_the_drill(tmp_path: Path, secret: Secret) -> None:
    """The Secret is changed while clients come and go: first the server learns of it, then the clients, one after the other."""
    refused: list[object] = []
    over = threading.Event()
    served = [0] * 4

    with serve(tmp_path, secret, requirepass_grace=60) as server:
        def work(number: int) -> None:
            own = "first"       # what this client's pod has mounted
            moves = time.monotonic() + 2.5 + 0.3 * number
            while not over.is_set():
                if time.monotonic() > moves:
                    own = "second"
                client = Client(server.port)
                replies = [client("AUTH", own), client("INCR", "n")]
                if replies[0] != "OK" or not isinstance(replies[1], int):
                    refused.append((own, replies))
                served[number] += 1
                client.close()

        workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        lasting = server.connect()
        assert lasting("AUTH", "first") == "OK"
        for worker in workers:
            worker.start()
        secret.put("second\n")
        server.until(lambda: login(server, "second") == "OK")
        time.sleep(3)
        over.set()
        for worker in workers:
            worker.join(10)
        assert not refused and min(served) > 5
        assert lasting("INCR", "n") == sum(served) + 1
        assert "The password in requirepass-file has changed; the one before it is accepted for 60 more seconds." in server.text()
        assert "first" not in server.text() and "second" not in server.text().replace("seconds", "")


def test_the_former_password_ends(tmp_path: Path, secret: Secret) -> None:
    with serve(tmp_path, secret, requirepass_grace=1) as server:
        secret.put("second")
        server.until(lambda: login(server, "second") == "OK")
        server.until(lambda: login(server, "first") == WRONG)
        secret.put("third")
        server.until(lambda: login(server, "third") == "OK")
        assert login(server, "first") == WRONG


def test_a_file_that_is_no_good_changes_nothing(tmp_path: Path, secret: Secret) -> None:
    with serve(tmp_path, secret, requirepass_grace=0) as server:
        secret.put("\n")
        server.until(lambda: "the file has no password in its first line, the password stays" in server.text())
        assert login(server, "first") == "OK" and login(server, "") == WRONG
        secret.path.unlink()
        server.until(lambda: "the password stays: No such file or directory" in server.text())
        assert login(server, "first") == "OK"
        secret.path.write_text("last\r\nsomething else\n")
        server.until(lambda: login(server, "last") == "OK")
        assert login(server, "first") == WRONG


@pytest.mark.parametrize("options, line", [
    ({"requirepass_file": "nowhere"}, "requirepass-file 'nowhere': No such file or directory"),
    ({"requirepass_file": "empty"}, "requirepass-file 'empty': the file has no password in its first line"),
    ({"requirepass_file": "good", "requirepass": "other"}, "requirepass-file names the file with the password of the default user"),
    ({"requirepass_file": "good", "aclfile": "users"}, "requirepass-file names the file with the password of the default user"),
])
def test_a_start_without_a_password_is_refused(tmp_path: Path, options: dict[str, str], line: str) -> None:
    (tmp_path / "empty").write_text("")
    (tmp_path / "good").write_text("word")
    (tmp_path / "users").write_text("user default on >word ~* &* +@all\n")
    server = Server(tmp_path, wait=False, **options)
    assert server.process.wait(20) == 1
    assert line in server.text()


def test_a_relative_path_is_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "word").write_text("inside")
    with Server(tmp_path, wait=False, dir="data", requirepass_file="word") as server:
        server.wait_ready()
        server.until(lambda: login(server, "inside") == "OK")
        (tmp_path / "data" / "word").write_text("changed")
        server.until(lambda: login(server, "changed") == "OK")


def test_it_is_set_at_run_time_and_rewritten(tmp_path: Path, secret: Secret) -> None:
    config = tmp_path / "kv.conf"
    config.write_text("appendonly no\n")
    with Server(tmp_path, command=[*KV_SERVER, str(config)]) as server:
        assert server("CONFIG", "SET", "requirepass-file", str(tmp_path / "nowhere")) == (
            "ERR CONFIG SET failed (possibly related to argument 'requirepass-file') - No such file or directory")
        assert server("CONFIG", "GET", "requirepass-file") == [b"requirepass-file", b""]
        assert server("CONFIG", "SET", "requirepass", "word") == "OK"
        assert server("CONFIG", "SET", "requirepass-file", str(secret.path)).startswith("ERR CONFIG SET failed")
        assert login(server, "word") == "OK" and login(server, "first") == WRONG
        assert server("CONFIG", "SET", "requirepass", "", "requirepass-file", str(secret.path), "requirepass-grace", 5) == "OK"
        assert login(server, "first") == "OK" and login(server, "word") == WRONG and server("PING") == "PONG"
        assert b"#" in server("ACL", "LIST")[0]
        assert server("CONFIG", "SET", "requirepass-file", "", "port", "no number").startswith("ERR")
        assert login(server, "first") == "OK"
        assert server("CONFIG", "REWRITE") == "OK"
        lines = config.read_text().splitlines()
        assert f"requirepass-file {secret.path}" in [line.replace('"', "") for line in lines] and "requirepass-grace 5" in lines
        assert not [line for line in lines if line.startswith(("user ", "requirepass "))]
        assert server("CONFIG", "SET", "requirepass-file", "") == "OK"
        assert server.connect()("PING") == "PONG"
