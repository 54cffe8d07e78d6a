"""A volume that another image wrote: its files belong to another user, and the group may write to its folders. So a chart of Redis
leaves it: an append-only folder with an RDB base, or one old file with an RDB preamble, perhaps a snapshot beside it."""
from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.program import Server
from tests.program import ROOT, Program

REDIS = shutil.which("redis-server")
OWNER = 1001                    # of the chart's files; the group is the owner's number, too
US = {"image": (999, 1000), "chart": (OWNER, OWNER), "stranger": (2002, OWNER)}   # user and group; beside the owner's
pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of another user"),
              pytest.mark.skipif(REDIS is None, reason="there is no redis-server")]


def become(who: str) -> None:
    user, group = US[who]
    os.setgroups([OWNER])
    os.setgid(group)
    os.setuid(user)


@pytest.fixture
def volume() -> Iterator[Path]:
    """A folder that other users reach, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="kv-volume-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def written_by_redis(folder: Path, save: bool) -> None:
    program = Program(folder, "--appendonly", "yes", "--aof-use-rdb-preamble", "yes", command=[str(REDIS)])
    client = program.connect()
    for number in range(1000):
        client("SET", f"key:{number}", number)
    client("RPUSH", "list", *range(300))
    client("BGREWRITEAOF")
    program.until(lambda: b"aof_rewrite_in_progress:0" in client("INFO", "persistence")
                  and list((folder / "appendonlydir").glob("*.2.base.rdb")))
    client("SET", "later", "1")
    client("INCR", "key:7")
    if save:
        client("SAVE")
    program.stop()


def hand_over(folder: Path) -> None:
    """As fsGroup leaves it: files 0644 of the owner, folders that the group writes to."""
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, OWNER, OWNER)
        path.chmod(0o2775 if path.is_dir() else 0o644)


def interpreter() -> str:
    """A Python that another user may run, of our version. Skips the test where there is none, or the package is out of reach."""
    if not is_open(ROOT):
        pytest.skip("the package is out of another user's reach")
    version = f"Python {sys.version.split()[0].rpartition('.')[0]}."
    for path in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        if os.path.exists(path) and is_open(Path(path).resolve()):
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            if said.startswith(version):
                return path
    pytest.skip("there is no Python that another user may run")


def is_open(path: Path) -> bool:
    """Whether others may enter a folder, or run a file, and come there."""
    return all(one.stat().st_mode & stat.S_IXOTH for one in [path, *path.parents])


def ours(folder: Path, wait: bool = True, who: str = "stranger") -> Server:
    """Our server as another user of the group."""
    return Server(folder, wait=wait, prepare=lambda: become(who), environment={"HOME": "/tmp"},
                  command=[interpreter(), "-m", "kv.server"])


def continued(folder: Path, who: str = "stranger") -> None:
    """It starts complete, goes on, rewrites, and starts again."""
    with ours(folder, who=who) as server:
        check_values(server)
        assert server("SET", "ours", "1") == "OK"
        server.crash()
    with ours(folder, who=who) as server:
        check_values(server)
        assert server("GET", "ours") == b"1"
        server("BGREWRITEAOF")
        server.rewritten()
        server("SET", "ours", "2")
        server.until(lambda: len(list((folder / "appendonlydir").glob("*.aof"))) == 1)     # what was another's is gone
        server.crash()
    with ours(folder, who=who) as server:
        check_values(server)
        assert server("GET", "ours") == b"2"


def check_values(server: Server) -> None:
    assert server("GET", "key:999") == b"999" and server("GET", "key:7") == b"8" and server("GET", "later") == b"1"
    assert server("LLEN", "list") == 300
    assert server("DBSIZE") in (1002, 1003)


@pytest.mark.parametrize("who", US)
@pytest.mark.parametrize("save", [False, True])
def test_a_folder_of_redis_7(volume: Path, save: bool, who: str) -> None:
    written_by_redis(volume, save)
    hand_over(volume)
    continued(volume, who)
    assert (volume / "dump.rdb").exists() == save


@pytest.mark.parametrize("save", [False, True])
def test_a_single_file_of_redis_6(volume: Path, save: bool) -> None:
    written_by_redis(volume, save)
    inside = volume / "appendonlydir"
    parts = [next(inside.glob("*.base.rdb")), *sorted(inside.glob("*.incr.aof"))]
    (volume / "appendonly.aof").write_bytes(b"".join(path.read_bytes() for path in parts))
    shutil.rmtree(inside)
    hand_over(volume)
    continued(volume)


def test_a_torn_end_of_another_users_file(volume: Path) -> None:
    """It is cut by a copy, since it can't be written to."""
    written_by_redis(volume, False)
    last = max((volume / "appendonlydir").glob("*.incr.aof"))
    with last.open("ab") as file:
        file.write(b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$5\r\nlater\r\n$4\r\ntorn\r\n")
    hand_over(volume)
    continued(volume)


def test_a_folder_that_the_group_cant_write_to(volume: Path) -> None:
    """One line, and nothing is changed."""
    written_by_redis(volume, False)
    hand_over(volume)
    inside = volume / "appendonlydir"
    inside.chmod(0o755)
    before = {path: path.read_bytes() for path in inside.iterdir()}
    with ours(volume, wait=False) as server:
        assert server.ends() == 1
        assert "Can't open the append-only file" in server.text() and "Permission denied" in server.text()
    assert {path: path.read_bytes() for path in inside.iterdir()} == before


@pytest.mark.parametrize("who", ["image", "chart"])
def test_the_manifests_take_over_a_volume_and_its_secret(volume: Path, who: str) -> None:
    """docs/migration.md, "From the Bitnami chart", without the cluster: the arguments and the configuration of deploy/k8s, the
    password in a file that root owns and the group reads, as the kubelet mounts the Secret."""
    yaml = pytest.importorskip("yaml")
    written_by_redis(volume, True)
    hand_over(volume)
    secret = volume / "redis-password"
    secret.write_text("of the chart")
    os.chown(secret, 0, OWNER)
    secret.chmod(0o440)
    manifests = ROOT / "deploy" / "k8s"
    [container] = yaml.safe_load((manifests / "statefulset.yaml").read_text())["spec"]["template"]["spec"]["containers"]
    config = yaml.safe_load((manifests / "configmap.yaml").read_text())["data"]["kv.conf"]
    here = {"/data": str(volume), "/etc/kv-secret/redis-password": str(secret)}
    words = [here.get(word, word) for word in container["args"][1:]]
    assert set(here.values()) <= set(words)
    for counter in (1, 2):      # the second one starts on what the first one wrote
        server = Program(volume, *words, config=config, prepare=lambda: become(who), environment={"HOME": "/tmp"},
                         command=[interpreter(), "-m", "kv.server"])
        try:
            client = server.connect()
            assert str(client("GET", "key:7")).startswith("NOAUTH")
            assert client("AUTH", "of the chart") == "OK"
            server.until(lambda: client("PING") == "PONG")      # noqa: B023
            assert client("GET", "key:7") == b"8" and client("LLEN", "list") == 300 and client("GET", "later") == b"1"
            assert client("INCR", "ours") == counter and client("DBSIZE") == 1003
            assert str(client("FLUSHALL")).startswith("ERR unknown command")
            assert server.stop() == 0
        finally:
            server.kill()
