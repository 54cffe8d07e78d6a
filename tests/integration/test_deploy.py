"""What is deployed: the image's recipe and the workflows. The cluster's manifests are test_manifests.py's."""
import os
import re
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
    assert instruction("ENV") == 'KV_DEFAULT_FLAGS="--protected-mode no"'


def test_programs_have_the_names_of_other_images(tmp_path):
    """The lines of the recipe that make them, in a directory instead of the image."""
    for program in ("kv", "kv-server", "kv-cli", "kv-benchmark", "kv-check-rdb", "kv-check-aof"):
        (tmp_path / program).write_text(f"#!/bin/sh\necho {program} \"$@\"\n")
        (tmp_path / program).chmod(0o755)
    steps = [step.strip() for step in instruction("RUN").split(" && ")]
    links = [step for step in steps if "ln -s" in step]
    assert len(links) == 2
    for step in links:
        subprocess.run(["/bin/sh", "-c", step.replace("/usr/local/bin", str(tmp_path))], check=True)
    for name, program in (("redis-server", "kv-server"), ("valkey-server", "kv-server"), ("redis-cli", "kv-cli"),
                          ("valkey-benchmark", "kv-benchmark"), ("redis-check-rdb", "kv-check-rdb"),
                          ("valkey-check-aof", "kv-check-aof"), ("docker-entrypoint.sh", "kv-server")):
        assert subprocess.check_output([tmp_path / name, "x"], text=True) == f"{program} x\n"
    assert not (tmp_path / "redis-").exists()


@pytest.mark.parametrize("words, values", [
    (["redis-server", "--save", "60", "1", "--loglevel", "warning"], {"protected-mode": "no", "loglevel": "warning"}),
    (["valkey-server", "--protected-mode", "yes"], {"protected-mode": "yes"}),
    (["--maxmemory", "1gb"], {"protected-mode": "no", "maxmemory": str(1 << 30)})])
def test_a_command_made_for_other_images_means_what_it_did_there(tmp_path, words, values):
    """The entry point with the image's environment, and the words of a compose file instead of CMD."""
    name, _, value = instruction("ENV").partition("=")
    socket = tmp_path / "kv.sock"
    process = subprocess.Popen([sys.executable, "-m", "kv.server", *words, "--port", "0", "--unixsocket", str(socket)],
                               cwd=tmp_path, stdout=subprocess.DEVNULL,
                               env={**os.environ, "PYTHONPATH": str(ROOT), name: value.strip('"')})
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


@pytest.mark.parametrize("environment, said, status", [
    ({}, "PONG", 0), ({"REDIS_PASSWORD": ""}, "PONG", 0), ({"REDIS_PASSWORD": "p"}, "PONG", 0),
    ({"KVCLI_AUTH": "p"}, "PONG", 0), ({}, "(error) NOAUTH Authentication required.", 1),
    ({"REDIS_PASSWORD": "p"}, "(error) LOADING", 1)])
def test_health_check_hands_the_password_on(tmp_path, environment, said, status):
    """The command itself, with a kv that writes down the password which it would use."""
    kv = tmp_path / "kv"
    kv.write_text(f'#!/bin/sh\necho "${{KVCLI_AUTH-none}}" > {tmp_path}/seen\necho "{said}"\n')
    kv.chmod(0o755)
    command = instruction("HEALTHCHECK").split(" CMD ", 1)[1]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **environment}
    found = subprocess.run(["/bin/sh", "-c", command], env=environment)
    assert found.returncode == status
    password = environment.get("REDIS_PASSWORD") or environment.get("KVCLI_AUTH", "none")
    assert (tmp_path / "seen").read_text() == password + "\n"


def test_build_context_has_what_the_build_reads():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == {"kv", "LICENSE", "README.md", "pyproject.toml", "setup.py"}
    assert all((ROOT / name).exists() for name in kept)


def test_dockerfile_lints():
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}") or shutil.which("hadolint")
    if not hadolint:
        pytest.skip("no hadolint here")
    found = subprocess.run([hadolint, "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


def workflow(name):
    document = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    document["on"] = document.pop(True)  # YAML 1.1 reads `on` as a boolean
    return document


@pytest.mark.parametrize("name", ["ci", "release"])
def test_workflows_hang_together(name):
    document = workflow(name)
    assert document["permissions"] == {"contents": "read"}
    for job in document["jobs"].values():
        needs = job.get("needs", [])
        assert set([needs] if isinstance(needs, str) else needs) <= set(document["jobs"])
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@(v\d+[\d.]*|release/v1)", step["uses"])
            targets = re.findall(r"^make ([a-z-]+)", step.get("run", ""), re.M)
            assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M) for target in targets)


def test_ci_covers_every_python_that_is_promised():
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert workflow("ci")["jobs"]["test"]["strategy"]["matrix"]["python"] == promised
    builds = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["cibuildwheel"]["build"]
    assert builds == [f"cp{version.replace('.', '')}-*" for version in promised]


def test_release_publishes_without_a_token_and_for_both_processors():
    jobs = workflow("release")["jobs"]
    assert jobs["pypi"]["permissions"] == {"id-token": "write"}
    push = jobs["image"]["steps"][-1]["with"]
    assert push["platforms"] == "linux/amd64,linux/arm64" and push["push"] is True
    meta = next(step for step in jobs["image"]["steps"] if step.get("id") == "meta")
    assert meta["with"]["images"] + ":latest" == "ghcr.io/hanzoai/kv:latest"      # which the manifests name, too
