"""The image's recipe, as text: what needs no image. The image itself is test_image.py's, the cluster's manifests are
test_manifests.py's, the workflows test_workflows.py's."""
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import redis

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions():
    """The Dockerfile as (instruction, rest) with continued lines joined and comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def instruction(name):
    """The only one of this name in the final stage."""
    steps = instructions()
    final = max(i for i, (word, _) in enumerate(steps) if word == "FROM")
    [rest] = [rest for word, rest in steps[final:] if word == name]
    return rest


def environment():
    return dict(word.split("=", 1) for word in shlex.split(instruction("ENV")))


def assemble():
    """The script that makes the root file system, as a module."""
    spec = importlib.util.spec_from_file_location("assemble", ROOT / "deploy" / "image" / "assemble.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_image_recipe():
    assert instruction("EXPOSE") == "6379" and instruction("VOLUME") == "/data"
    assert instruction("ENTRYPOINT") == '["kv-server"]'
    assert yaml.safe_load(instruction("CMD")) == ["--bind", "0.0.0.0", "--dir", "/data", "--maxmemory-policy",
                                                  "allkeys-lru", "--protected-mode", "no"]
    check = instruction("HEALTHCHECK")
    assert check.startswith("--interval=15s --timeout=3s --start-period=10s --retries=3 CMD ")
    assert check.endswith("kv ping | grep -q PONG || exit 1")
    labels = dict(rest.split("=", 1) for word, rest in instructions() if word == "LABEL")
    assert labels["maintainer"] == '"dev@hanzo.ai"'
    assert labels["org.opencontainers.image.source"] == '"https://github.com/hanzoai/kv"'
    assert labels["org.opencontainers.image.description"] == '"Hanzo KV - High-performance key-value store"'
    assert labels["org.opencontainers.image.vendor"] == '"Hanzo AI"'
    assert {"kv", "kv-server", "kv-cli"} <= set(PROJECT["scripts"])
    assert environment()["KV_DEFAULT_FLAGS"] == "--protected-mode no"
    assert environment()["KV_REQUIREPASS_FROM"] == "KV_PASSWORD VALKEY_PASSWORD REDIS_PASSWORD"
    assert [rest for word, rest in instructions() if word == "FROM"][-1] == "scratch"


def test_programs_have_the_names_of_other_images(tmp_path):
    (tmp_path / "usr/local/bin").mkdir(parents=True)
    assemble().add_programs(tmp_path)
    folder = tmp_path / "usr/local/bin"
    for name, program in (("redis-server", "kv-server"), ("valkey-server", "kv-server"), ("redis-cli", "kv-cli"),
                          ("valkey-benchmark", "kv-benchmark"), ("redis-check-rdb", "kv-check-rdb"),
                          ("valkey-check-aof", "kv-check-aof"), ("docker-entrypoint.sh", "kv-server")):
        assert os.readlink(folder / name) == program
        module = PROJECT["scripts"][program].partition(":")[0]
        assert f"from {module} import main\n" in (folder / program).read_text() and os.access(folder / program, os.X_OK)
    assert not (folder / "redis-").exists() and (folder / "kv").exists()


def test_patterns_leave_out_what_they_name_and_no_more(tmp_path):
    """A name without a slash only at the top; with a star in front of it at any depth."""
    files = {"test/a.py", "json/test.py", "json/tests/a.py", "_core/testing/a.so", "b/_core/testing/a.so", "deep/er/x.pyx", "os.py"}
    for name in files:
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_text("")
    assemble().copy_tree(tmp_path / "from", tmp_path / "to", ["test", "*/tests", "_core/testing", "*.pyx"])
    found = {str(path.relative_to(tmp_path / "to")) for path in (tmp_path / "to").rglob("*") if path.is_file()}
    assert found == {"json/test.py", "b/_core/testing/a.so", "os.py"}


@pytest.mark.parametrize("words, values", [
    (["redis-server", "--save", "60", "1", "--loglevel", "warning"], {"protected-mode": "no", "loglevel": "warning"}),
    (["valkey-server", "--protected-mode", "yes"], {"protected-mode": "yes"}),
    (["--maxmemory", "1gb"], {"protected-mode": "no", "maxmemory": str(1 << 30)})])
def test_a_command_made_for_other_images_means_what_it_did_there(tmp_path, words, values):
    """The entry point with the image's environment, and the words of a compose file instead of CMD."""
    socket = tmp_path / "kv.sock"
    process = subprocess.Popen([sys.executable, "-m", "kv.server", *words, "--port", "0", "--unixsocket", str(socket)],
                               cwd=tmp_path, stdout=subprocess.DEVNULL,
                               env={**os.environ, "PYTHONPATH": str(ROOT),
                                    "KV_DEFAULT_FLAGS": environment()["KV_DEFAULT_FLAGS"]})
    try:
        client = redis.Redis(unix_socket_path=str(socket))
        for _ in range(1000):
            if socket.exists():
                break
            time.sleep(0.02)
        assert client.config_get(*values) == values
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("said, status", [
    ("PONG", 0), ("(error) NOAUTH Authentication required.", 1), ("(error) LOADING", 1), ("", 1)])
def test_health_check_is_content_with_nothing_but_pong(tmp_path, said, status):
    kv = tmp_path / "kv"
    kv.write_text(f'#!/bin/sh\ntest "$*" = ping && echo "{said}"\n')
    kv.chmod(0o755)
    command = instruction("HEALTHCHECK").split(" CMD ", 1)[1]
    assert subprocess.run(["/bin/sh", "-c", command], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}).returncode == status


def test_build_context_has_what_the_build_reads():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == {"kv", "deploy", "deploy/image", "LICENSE", "README.md", "pyproject.toml", "setup.py"}
    assert all((ROOT / name).exists() for name in kept)


def test_dockerfile_lints():
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}") or shutil.which("hadolint")
    if not hadolint:
        pytest.skip("no hadolint here")
    found = subprocess.run([hadolint, "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")
