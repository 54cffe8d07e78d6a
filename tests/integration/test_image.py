"""The image, really built and run: no registry and no daemon is needed, but root, and Debian's buildah and busybox."""
from __future__ import annotations

import fcntl
import os
import platform
import signal
from pathlib import Path

import pytest
import redis

from tests.integration.container import Container, Image, build, missing
from tests.program import ROOT

LARGEST = 20_000_000
WHY_NOT = missing()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
PROGRAMS = ("server", "cli", "benchmark", "check-rdb", "check-aof")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Built once, by the first of the workers that asks."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "image"
    with (shared / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "rootfs").exists():
            return Image(folder)
        folder.mkdir()
        return build(folder)


# -- what it is -------------------------------------------------------------------------------------------------------

def test_it_is_small(image: Image) -> None:
    assert image.compressed() <= LARGEST


def test_its_configuration(image: Image) -> None:
    config = image.config
    assert image.platform == ("linux", {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()])
    assert (config["User"], config["WorkingDir"]) == ("999:1000", "/data")
    assert set(config["ExposedPorts"]) == {"6379/tcp"} and set(config["Volumes"]) == {"/data"}
    assert config["Entrypoint"] == ["kv-server"]
    assert config["Cmd"] == ["--bind", "0.0.0.0", "--dir", "/data", "--maxmemory-policy", "allkeys-lru", "--protected-mode", "no"]
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "kv ping | grep -q PONG || exit 1"], "Interval": 15_000_000_000,
                                     "Timeout": 3_000_000_000, "StartPeriod": 10_000_000_000, "Retries": 3}
    assert config["Labels"]["org.opencontainers.image.source"] == "https://github.com/hanzoai/kv"


def test_its_files(image: Image) -> None:
    """Nobody but root may change any but the volume and /tmp; nothing is set-uid; code is precompiled and has no tests."""
    library = next((image.root / "usr/local/lib").glob("python3.*"))
    assert not list(library.glob("kv/_core/testing")) and not list(library.glob("kv/**/*.pyx"))
    for source in library.rglob("*.py"):
        assert list((source.parent / "__pycache__").glob(f"{source.stem}.cpython-*.pyc")), source
    for path in image.root.rglob("*"):
        status = path.lstat()
        name = f"/{path.relative_to(image.root)}"
        assert (status.st_uid, status.st_gid) == ((999, 1000) if name == "/data" else (0, 0)), name
        assert path.is_symlink() or name == "/tmp" or not status.st_mode & 0o6022, name
    assert (image.root / "tmp").stat().st_mode & 0o7777 == 0o1777
    broken = [path for path in image.root.rglob("*") if path.is_symlink()
              and not os.path.lexists(image.root / os.path.join("/", path.parent.relative_to(image.root),
                                                                os.readlink(path)).lstrip("/"))]
    assert not broken


def test_every_program_and_module_is_whole(image: Image, tmp_path: Path) -> None:
    """Under all of its names; and no module lacks one that it imports, be it late."""
    with Container(image, tmp_path) as container:
        container.ready()
        for family in ("kv", "valkey", "redis"):
            for program in PROGRAMS:
                done = container.run(f"{family}-{program} --version")
                assert done.returncode == 0 and done.stdout, (family, program, done.stderr)
        script = ("import importlib, pkgutil, kv\n"
                  "names = [m.name for m in pkgutil.walk_packages(kv.__path__, 'kv.')]\n"
                  "[importlib.import_module(name) for name in names if not name.endswith('__main__')]\n"
                  "import prompt_toolkit.shortcuts, prompt_toolkit.formatted_text.html\n"
                  "print(len(names))")
        done = container.run("python3", "-IS", "-c", script)
        assert done.stderr == "" and int(done.stdout) > 150
        assert container.run("id -u; id -un; cat /etc/os-release").stdout.startswith("999\nkv\n")


# -- what it does -----------------------------------------------------------------------------------------------------

def test_it_serves_as_its_user_and_keeps_data_on_the_volume(image: Image, tmp_path: Path) -> None:
    """As `docker run --read-only` and no /tmp of its own, then stopped, then started again."""
    with Container(image, tmp_path, environment={"VALKEY_EXTRA_FLAGS": "--appendonly yes"}) as container:
        client = container.ready()
        lines = Path(f"/proc/{container.pid()}/status").read_text().splitlines()
        assert "Uid:\t999\t999\t999\t999" in lines and "Gid:\t1000\t1000\t1000\t1000" in lines
        assert [line.split()[-1] for line in lines if line.startswith("NSpid")] == ["1"]
        assert container.run("touch /tmp/x /usr/x").returncode == 1
        assert container.run(f"kv -p {container.port} ping").stdout == "PONG\n"
        assert container.run(f"redis-cli -p {container.port} set greeting hello").stdout == "OK\n"
        assert client.eval("return redis.call('get', KEYS[1]) .. cjson.encode({1})", 1, "greeting") == b"hello[1]"
        assert client.config_get("protected-mode", "maxmemory-policy", "dir") == {
            "protected-mode": "no", "maxmemory-policy": "allkeys-lru", "dir": "/data"}
        assert client.bgrewriteaof()
        container.until(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)
        assert container.stop() == 0
        assert os.stat(tmp_path / "data/appendonlydir").st_uid == 999
        container.start()
        assert container.ready().get("greeting") == b"hello"


def test_the_clock_and_text_are_as_the_environment_says(image: Image, tmp_path: Path) -> None:
    with Container(image, tmp_path, environment={"TZ": "Asia/Tokyo"}) as container:
        client = container.ready()
        assert container.run("date +%z").stdout == "+0900\n"
        client.set("é", "ü")
        assert container.run(f"kv -p {container.port} --raw get é").stdout == "ü\n"


@pytest.mark.parametrize("words, values", [
    (["redis-server", "--save", "60", "1", "--loglevel", "warning"], {"save": "60 1", "loglevel": "warning"}),
    (["valkey-server", "--appendonly", "yes"], {"appendonly": "yes"}),
    (["kv-server", "/run/redis.conf", "--hz", "20"], {"hz": "20", "timeout": "7"}),
    (["sh", "-c", "exec valkey-server --maxclients 100"], {"maxclients": "100"}),
    (["docker-entrypoint.sh", "redis-server", "--databases", "3"], {"databases": "3"})])
def test_commands_that_were_made_for_other_images(image: Image, tmp_path: Path, words: list[str], values: dict[str, str]) -> None:
    with Container(image, tmp_path, words, environment={"REDIS_EXTRA_FLAGS": "--tcp-backlog 99"},
                   files={"redis.conf": "timeout 7\n"}) as container:
        expected = {**values, "tcp-backlog": "99", "protected-mode": "no", "dir": "/data"}
        assert container.ready().config_get(*expected) == expected
        assert container.health() == 0


def test_another_program_instead_of_the_server(image: Image, tmp_path: Path) -> None:
    with Container(image, tmp_path, ["sh", "-c", 'echo "$0 $1"; exit 3', "a", "b c"]) as container:
        assert container.process.wait(30) == 3 and container.text() == "a b c\n"


# -- passwords --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("environment, files, words, password", [
    ({"REDIS_PASSWORD": "of-redis"}, {}, None, "of-redis"),
    ({"VALKEY_PASSWORD": "of-valkey"}, {}, ["valkey-server"], "of-valkey"),
    ({"REDIS_PASSWORD": "plain", "REDIS_PASSWORD_FILE": "/run/secret"}, {"secret": "of-file\n"}, None, "of-file"),
    ({"REDIS_PASSWORD": "plain", "REDIS_PASSWORD_FILE": "/run/absent"}, {}, None, "plain"),
    ({"REDIS_PASSWORD": "of-redis", "KVCLI_AUTH": "stated"}, {}, ["--requirepass", "stated"], "stated"),
    ({"REDIS_PASSWORD": ""}, {}, None, ""),
    ({"REDIS_PASSWORD": "of-redis"}, {}, ["redis-server", "--requirepass", ""], "")])
def test_the_password_comes_from_the_environment(image: Image, tmp_path: Path, environment: dict[str, str], files: dict[str, str],
                                                 words: list[str] | None, password: str) -> None:
    """The server requires it, the probe and kv-cli have it, and no other place does."""
    with Container(image, tmp_path, words, environment=environment, files=files) as container:
        client = container.ready(password=password or None)
        assert client.set("key", "value")
        if password:
            with pytest.raises(redis.AuthenticationError):
                container.client().ping()
            with pytest.raises(redis.AuthenticationError):
                container.client(password="wrong").ping()
        assert container.health() == 0
        assert container.run(f"kv-cli -p {container.port} get key").stdout == "value\n"
        if password != "stated":        # by the user himself, on the command line
            arguments = Path(f"/proc/{container.pid()}/cmdline").read_text()
            assert not password or password not in arguments + container.text()
        assert container.stop() == 0
        assert not password or password == "stated" or password not in container.text()


def test_a_file_without_a_password_is_no_server_without_a_password(image: Image, tmp_path: Path) -> None:
    for name in ("empty", "absent"):
        (tmp_path / name).mkdir()
        environment = {"REDIS_PASSWORD_FILE": f"/run/{name}"}
        with Container(image, tmp_path / name, environment=environment, files={"empty": ""}) as container:
            assert container.process.wait(30) == 1
            assert f"requirepass-file '/run/{name}'" in container.text()


def test_the_password_file_is_followed(image: Image, tmp_path: Path) -> None:
    with Container(image, tmp_path, environment={"REDIS_PASSWORD_FILE": "/run/secret"}, files={"secret": "before"}) as container:
        client = container.ready(password="before")
        (tmp_path / "run" / "new").write_text("after\n")
        (tmp_path / "run" / "new").chmod(0o644)
        (tmp_path / "run" / "new").rename(tmp_path / "run" / "secret")
        container.until(lambda: "has changed" in container.text())
        assert container.client(password="after").ping() and container.client(password="before").ping()
        assert client.ping() and container.health() == 0


def test_the_probe_tells_what_is_wrong(image: Image, tmp_path: Path) -> None:
    with Container(image, tmp_path, environment={"REDIS_PASSWORD": "right"}) as container:
        container.ready(password="right")
        assert container.health() == 0
        assert container.health(REDIS_PASSWORD="wrong") == 1
        assert container.health(REDIS_PASSWORD="") == 1
        os.kill(container.pid(), signal.SIGSTOP)
        assert container.run(f"timeout 3 kv -p {container.port} ping | grep -q PONG").returncode == 1
        os.kill(container.pid(), signal.SIGCONT)
        assert container.health() == 0
        port, container.port = container.port, 1
        assert container.health() == 1      # nobody listens there
        container.port = port


def test_the_probes_of_the_manifests(image: Image, tmp_path: Path) -> None:
    """The script of deploy/k8s/configmap.yaml, by this image's shell."""
    yaml = pytest.importorskip("yaml")
    script = yaml.safe_load((ROOT / "deploy/k8s/configmap.yaml").read_text())["data"]["probe.sh"]
    environment = {"KV_PASSWORD_FILE": "/run/secret"}
    with Container(image, tmp_path, environment=environment, files={"secret": "p\r\n", "probe.sh": script}) as container:
        container.ready(password="p")
        client = tmp_path / "run/kv-cli"        # the port is another one than in a pod
        client.write_text(f'#!/bin/sh\nexec /usr/local/bin/kv-cli -p {container.port} "$@"\n')
        client.chmod(0o755)
        line = "PATH=/run:$PATH sh /run/probe.sh ready"
        assert container.run(line).returncode == 0
        (tmp_path / "run/other").write_text("wrong\n")
        line = f"export KV_PASSWORD_FILE=/run/other; {line}"
        assert container.run(line).returncode == 1
        done = container.run(line.replace("ready", "live"))
        assert done.returncode == 0, done.stdout        # it answers, be it that the password is another one
