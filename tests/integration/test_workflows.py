"""The workflows of .github: what actionlint finds, and what it does not look at."""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.program import ROOT

yaml = pytest.importorskip("yaml")
FOLDER = ROOT / ".github" / "workflows"
NAMES = ("ci", "deploy", "release")
# What a job may do beside reading the repository, and with which step it does it.
RIGHTS = {"packages: write": "docker/login-action@", "id-token: write": "pypa/gh-action-pypi-publish@|npm publish",
          "attestations: write": "actions/attest-build-provenance@", "contents: write": "gh release create"}
# In the text of a shell these are read as code, whoever chose them; in `env` they are not.
HARMLESS = re.compile(r"\$\{\{ *(matrix|runner)\.[\w.-]+ *\}\}")


def workflow(name: str) -> dict[str, Any]:
    document = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    document["on"] = document.pop(True)     # YAML 1.1 reads `on` as a boolean
    return document


def jobs() -> list[tuple[str, str, dict[str, Any]]]:
    return [(name, job, body) for name in NAMES for job, body in workflow(name)["jobs"].items()]


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, job, body in jobs():
        for step in body["steps"]:
            yield f"{name}/{job}", step


def step_of(name: str, job: str, word: str) -> dict[str, Any]:
    """The only step that uses or runs it."""
    [found] = [step for step in workflow(name)["jobs"][job]["steps"] if word in step.get("uses", "") + step.get("run", "")]
    return found


def test_these_are_all() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == [f"{name}.yml" for name in NAMES]


def test_actionlint() -> None:
    found = shutil.which("actionlint", path=f"{Path(sys.executable).parent}") or shutil.which("actionlint")
    if not found:
        pytest.skip("no actionlint here")
    ran = subprocess.run([found, "-no-color", *(str(FOLDER / f"{name}.yml") for name in NAMES)], cwd=ROOT,
                         capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_every_job_ends_and_every_action_has_a_version() -> None:
    for name, job, body in jobs():
        assert 5 <= body["timeout-minutes"] <= 120, f"{name}/{job}"
    for place, step in steps():
        assert ("uses" in step) != ("run" in step), place
        assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|v\d+\.\d+\.\d+|release/v1)", step.get("uses", "a/b@v1")), (place, step)
    versions: dict[str, set[str]] = {}
    for _, step in steps():
        if "uses" in step:
            action, _, version = step["uses"].partition("@")
            versions.setdefault(action, set()).add(version)
    assert all(len(found) == 1 for found in versions.values()), versions


def test_nothing_is_pasted_into_a_shell() -> None:
    """A secret in the text of a command is in the process list, and the name of a branch may be a command."""
    for place, step in steps():
        assert "${{" not in HARMLESS.sub("", step.get("run", "")), (place, step["run"])


def test_secrets_are_given_to_the_steps_that_need_them_alone() -> None:
    for name in NAMES:
        document = workflow(name)
        assert "secrets." not in json.dumps(document.get("env", {}))
        for job in document["jobs"].values():
            assert "secrets." not in json.dumps({key: value for key, value in job.items() if key != "steps"})
    for place, step in steps():
        for secret in re.findall(r"\bsecrets\.([A-Z_]+)\b", json.dumps(step)):
            allowed = {"GITHUB_TOKEN": ("docker/login-action@", "gh release create"),
                       "KMS_CLIENT_ID": ("kms_secrets.py",), "KMS_CLIENT_SECRET": ("kms_secrets.py",)}[secret]
            assert any(word in step.get("uses", "") + step.get("run", "") for word in allowed), (place, secret)
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, place


def test_rights_are_the_least() -> None:
    """No workflow has any but reading, and each job just those that one of its steps needs."""
    for name in NAMES:
        assert workflow(name)["permissions"] == {"contents": "read"}
    for name, job, body in jobs():
        used = "\n".join(step.get("uses", "") + step.get("run", "") for step in body["steps"])
        rights = {f"{right}: {level}" for right, level in body.get("permissions", {}).items()} - {"contents: read"}
        assert rights <= set(RIGHTS), f"{name}/{job}"
        for right in rights:
            assert re.search(RIGHTS[right], used), f"{name}/{job} needs no {right}"


def test_pull_requests_get_no_secret() -> None:
    for name in NAMES:
        triggers = workflow(name)["on"]
        assert "pull_request_target" not in triggers
        if "pull_request" in triggers:
            assert "secrets." not in (FOLDER / f"{name}.yml").read_text()


def test_what_is_run_is_here() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for place, step in steps():
        command = step.get("run", "")
        for target in re.findall(r"^make ([a-z-]+)", command, re.M):
            assert re.search(rf"^{target}:", makefile, re.M), place
        for path in re.findall(r"(?:^|[ \"/])((?:deploy|sdk|\.github)/[\w./-]+)", command):
            assert (ROOT / path).exists(), (place, path)
        assert (ROOT / step.get("working-directory", ".")).is_dir(), place


def test_ci_covers_what_is_promised() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    ci = workflow("ci")["jobs"]
    assert ci["test"]["strategy"]["matrix"]["python"] == promised
    assert {"lint", "test", "asan", "image", "manifests", "sdk"} <= set(ci)
    assert ci["sdk"]["strategy"]["matrix"]["language"] == ["python", "node", "go"]
    both = ["ubuntu-24.04", "ubuntu-24.04-arm"]
    assert ci["image"]["strategy"]["matrix"]["runner"] == both
    assert workflow("release")["jobs"]["wheels"]["strategy"]["matrix"]["runner"] == both


def test_release_publishes_without_a_token_and_says_where_it_was_built() -> None:
    release = workflow("release")
    assert release["on"]["push"]["tags"] == ["v*", "sdk-python-v*", "sdk-node-v*"]
    for job in ("pypi", "sdk-python-pypi"):
        assert release["jobs"][job]["environment"] == "pypi"
        assert "with" not in step_of("release", job, "pypi-publish")        # no password
        assert step_of("release", job, "attest-build-provenance")["with"]["subject-path"] == "dist/*"
    assert "--provenance" in step_of("release", "sdk-node-npm", "npm publish")["run"]
    assert "with" not in step_of("release", "wheels", "pypa/cibuildwheel")  # what it builds stands in pyproject.toml
    assert not any("CIBW_" in json.dumps(step) for _, step in steps())


def test_deploy_pushes_to_both_registries_and_rolls_out_what_was_pushed() -> None:
    deploy = workflow("deploy")
    assert deploy["on"] == {"push": {"branches": ["main"], "tags": ["v*"]}, "workflow_dispatch": None}
    work = deploy["jobs"]
    assert [one["platform"] for one in work["build"]["strategy"]["matrix"]["include"]] == ["linux/amd64", "linux/arm64"]
    manifest = yaml.safe_load((ROOT / "deploy/k8s/statefulset.yaml").read_text())
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    assert container["image"] == deploy["env"]["IMAGE"] + ":latest" == "ghcr.io/hanzoai/kv:latest"
    assert deploy["env"]["DOCKER_HUB_IMAGE"] == "docker.io/hanzoai/kv"
    for job in ("publish", "docker-hub"):
        tags = step_of("deploy", job, "metadata-action")["with"]["tags"]
        assert all(f"type={kind}" in tags for kind in ("raw,value=latest", "sha", "semver"))
    assert work["docker-hub"]["continue-on-error"] is True and "docker-hub" not in work["deploy"]["needs"]
    assert work["deploy"]["if"] == "github.ref == 'refs/heads/main'" and work["deploy"]["needs"] == "publish"
    rollout = step_of("deploy", "deploy", "rollout status")
    place = f"-n {manifest['metadata']['namespace']} %s statefulset/{manifest['metadata']['name']}"
    assert f"{place % 'set image'} \"{container['name']}=$IMAGE@$DIGEST\"" in rollout["run"]
    assert f"{place % 'rollout status'} --timeout=120s" in rollout["run"]
    assert rollout["env"] == {"DIGEST": "${{ needs.publish.outputs.digest }}"}


# -- secrets of the KMS -----------------------------------------------------------------------------------------------

@pytest.fixture
def kms() -> Iterator[str]:
    """The URL of a fake one."""
    with subprocess.Popen([sys.executable, str(ROOT / "sdk/fake_kms.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        assert process.stdout and process.stdin
        yield process.stdout.readline().strip()
        process.stdin.close()


def read_secrets(url: str, output: Path, *names: str, **state: Any) -> subprocess.CompletedProcess:
    body = json.dumps(state).encode()
    urllib.request.urlopen(urllib.request.Request(f"{url}/_state", body, method="PUT")).close()
    ours = {name: value for name, value in os.environ.items() if "KMS" not in name}
    return subprocess.run([sys.executable, str(ROOT / ".github/kms_secrets.py"), *names], capture_output=True, text=True,
                          env={**ours, "PYTHONPATH": str(ROOT / "sdk/python"), "HANZO_KMS_URL": url, "KMS_CLIENT_ID": "id",
                               "KMS_CLIENT_SECRET": "client-secret", "GITHUB_OUTPUT": str(output)}, timeout=60)


@pytest.mark.parametrize("form", ["A", "B"])
def test_secrets_become_outputs_that_are_masked(kms: str, tmp_path: Path, form: str) -> None:
    output = tmp_path / "output"
    ran = read_secrets(kms, output, "/ci", "USER", "TOKEN", forms=[form],
                       secrets={"/ci/USER": "hanzo", "/ci/TOKEN": "100%\nsecond", "/ci/OTHER": "other"})
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["::add-mask::hanzo", "::add-mask::100%25", "::add-mask::second"]
    found = re.findall(r"(\w+)<<(\w{32})\n(.*?)\n\2\n", output.read_text(), re.S)
    assert {name: value for name, _, value in found} == {"USER": "hanzo", "TOKEN": "100%\nsecond"}
    assert "client-secret" not in ran.stdout + ran.stderr + output.read_text()


@pytest.mark.parametrize("state", [{"forbidden": True}, {"client_secret": "another"}, {"secrets": {"/ci/USER": "hanzo"}}])
def test_without_all_secrets_there_is_none(kms: str, tmp_path: Path, state: dict[str, Any]) -> None:
    ran = read_secrets(kms, tmp_path / "output", "/ci", "USER", "TOKEN",
                       **{"secrets": {"/ci/USER": "hanzo", "/ci/TOKEN": "t"}, **state})
    assert ran.returncode == 1 and ran.stdout == "" and "kms_secrets.py: KMS: " in ran.stderr
    assert not (tmp_path / "output").exists() and "hanzo" not in ran.stderr.replace("hanzo-", "").replace("of hanzo", "")
