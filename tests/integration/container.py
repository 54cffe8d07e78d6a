"""The image, built without a registry, and a container of it, run without a daemon.

The image's root file system is made by the script that the Dockerfile's builder runs, with the Python that runs the tests; the
Dockerfile's final stage is then built by buildah. A container is the first process of its own PID and mount namespaces, below
a root that can't be written to, with the user, environment and arguments that the image's configuration says.

    image = build(folder)
    with Container(image, folder, environment={"REDIS_PASSWORD": "p"}) as container:
        container.run("kv ping")            # docker exec
"""
from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis

from tests.program import ROOT, free_port

TOOLS = ("buildah", "busybox", "strip", "ldd", "unshare", "nsenter", "setpriv")


def missing() -> str:
    """What is not here that an image is built and run with; "" where all is."""
    if os.geteuid() != 0:
        return "only root may build an image and run it here"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"no {', '.join(absent)} here (Debian: buildah, busybox-static, binutils)"
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True).returncode:
        return "no namespaces may be made here"
    stamps = [path.read_text() for path in (ROOT / "build").glob("temp.*/KV_BUILD")]
    if stamps != ["release"]:
        return "an image has a release build, and this is none"
    return ""


class Image:
    """`folder` has rootfs/, unpacked; `archive` is the image as it would be pushed; `config` what docker inspect shows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "rootfs"
        self.archive = folder / "image.tar"
        described = json.loads((folder / "inspect.json").read_text())["Docker"]
        self.config: dict[str, Any] = described["config"]
        self.platform = described["os"], described["architecture"]

    def environment(self) -> dict[str, str]:
        return dict(one.split("=", 1) for one in self.config["Env"])

    def compressed(self) -> int:
        """Bytes that are pulled."""
        return self.archive.stat().st_size


def build(folder: Path) -> Image:
    """Build it. Raises CalledProcessError."""
    builder, state = folder / "builder", folder / "state"
    (builder / "volume").mkdir(parents=True)
    (folder / "context").mkdir()
    subprocess.run([sys.executable, str(ROOT / "deploy/image/assemble.py"), str(builder / "rootfs")], check=True,
                   cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)})
    recipe = (ROOT / "Dockerfile").read_text()
    (folder / "Dockerfile").write_text(recipe[recipe.rindex("\nFROM ") + 1:])
    buildah = ["buildah", "--root", str(state / "root"), "--runroot", str(state / "run"), "--storage-driver", "vfs"]

    def run(*words: str) -> str:
        return subprocess.run([*buildah, *words], check=True, capture_output=True, text=True).stdout

    run("bud", "--format", "docker", "--isolation", "chroot", "--build-context", f"builder={builder}", "--tag", "kv",
        "--file", str(folder / "Dockerfile"), str(folder / "context"))
    run("push", "--quiet", "kv", f"oci-archive:{folder / 'image.tar'}")
    (folder / "inspect.json").write_text(run("inspect", "--type", "image", "kv"))
    shutil.rmtree(builder)
    shutil.rmtree(state)
    unpack(folder / "image.tar", folder / "rootfs")
    return Image(folder)


def unpack(archive: Path, root: Path) -> None:
    """The layers of an OCI archive, one over the other, with their owners and modes."""
    root.mkdir()
    with tarfile.open(archive) as image:
        def blob(digest: str) -> Any:
            return image.extractfile("blobs/" + digest.replace(":", "/"))

        [entry] = json.load(image.extractfile("index.json"))["manifests"]      # type: ignore[arg-type]
        for layer in json.load(blob(entry["digest"]))["layers"]:
            subprocess.run(["tar", "--extract", "--gzip", "--same-owner", "--same-permissions", "--directory", str(root)],
                           input=blob(layer["digest"]).read(), check=True)


class Container:
    """One `docker run`. `words` stand where the image's CMD does, which counts without them; `volume` is at /data, `files`
    are names below /run with what they hold. It has the host's network: the port is stated by VALKEY_EXTRA_FLAGS."""

    def __init__(self, image: Image, folder: Path, words: Sequence[str] | None = None, *,
                 environment: dict[str, str] | None = None, files: dict[str, str] | None = None) -> None:
        self.image = image
        self.folder = folder
        self.port = free_port()
        self.log = folder / "log"
        for name in ("root", "data", "run"):
            (folder / name).mkdir(exist_ok=True)
        os.chown(folder / "data", 999, 1000)
        for name, text in (files or {}).items():
            (folder / "run" / name).write_text(text)
            (folder / "run" / name).chmod(0o644)
        given = environment or {}
        self.environment = {**image.environment(), **given,
                            "VALKEY_EXTRA_FLAGS": f"{given.get('VALKEY_EXTRA_FLAGS', '')} --port {self.port}"}
        self.words = [*image.config["Entrypoint"], *(image.config["Cmd"] if words is None else words)]
        self.start()

    def start(self) -> None:
        """Also after an end: the volume is the same."""
        root = shlex.quote(str(self.folder / "root"))
        steps = ["set -e", f"mount --bind {shlex.quote(str(self.image.root))} {root}", f"mount -o remount,bind,ro {root}",
                 f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev",
                 f"mount --bind {shlex.quote(str(self.folder / 'data'))} {root}/data",
                 f"mount --bind {shlex.quote(str(self.folder / 'run'))} {root}/run",
                 "exec setpriv --no-new-privs " + shlex.join(self.inside(self.words))]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", "; ".join(steps)],
                stdout=log, stderr=subprocess.STDOUT)

    def inside(self, words: Sequence[str]) -> list[str]:
        """A command line below the root, in the image's folder, as its user, with the container's environment alone."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return ["chroot", f"--userspec={self.image.config['User']}", "--groups=", str(self.folder / "root"),
                "/usr/bin/env", "-i", *variables, "/bin/sh", "-c", 'cd "$0" && exec "$@"', self.image.config["WorkingDir"], *words]

    def run(self, *words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess:
        """docker exec; one word is a line for the shell."""
        command = ["sh", "-c", words[0]] if len(words) == 1 else [*words]
        if environment:
            command = ["env", *(f"{name}={value}" for name, value in environment.items()), *command]
        return subprocess.run(["nsenter", "--target", str(self.pid()), "--mount", "--pid", *self.inside(command)],
                              capture_output=True, text=True, timeout=60)

    def health(self, **environment: str) -> int:
        """The exit status of the image's HEALTHCHECK, which has the server's port in its environment."""
        [kind, line] = self.image.config["Healthcheck"]["Test"]
        assert kind == "CMD-SHELL"
        return self.run(line.replace("kv ping", f"kv -p {self.port} ping"), environment=environment).returncode

    def pid(self) -> int:
        """Of its first process, on the host."""
        [child] = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(child)

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis("127.0.0.1", self.port, **options)

    def ready(self, seconds: float = 30, **options: Any) -> redis.Redis:
        """Wait until it serves; a client."""
        client = self.client(**options)
        self.until(lambda: answers(client), seconds)
        return client

    def until(self, holds: Callable[[], Any], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert self.process.poll() is None and time.monotonic() < deadline, self.text()
            time.sleep(0.005)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """docker stop; the exit status."""
        if self.process.poll() is None:
            os.kill(self.pid(), number)
        return self.process.wait(30)

    def text(self) -> str:
        return self.log.read_text()

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()         # which the first process does not outlive
        self.process.wait(30)


def answers(client: redis.Redis) -> bool:
    try:
        return client.ping()
    except redis.ConnectionError:
        return False
