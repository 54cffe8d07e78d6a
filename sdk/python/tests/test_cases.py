"""sdk/cases.json, which the other SDKs' tests read, too."""
from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hanzo_kv import KMS, ConfigError, KMSConfig, KMSCredentials, KMSError, KVConfig

from .conftest import CASES

SECRETS = ("client-secret", "wrong-secret", "token-1", "first", "second", "mine")


def named(kind: str) -> Any:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES[kind]])


def seen(config: KVConfig) -> dict[str, Any]:
    fields = dataclasses.asdict(config.address)
    fields["nodes"] = [list(node) for node in fields["nodes"]]
    kms = dataclasses.asdict(config.kms) if config.kms else None
    for name in ("client_id", "client_secret", "token"):
        if kms:
            del kms[name]
    return {**fields, "password_file": config.password_file, "kms": kms, "url": config.url}


@named("resolve")
def test_resolve(case: dict[str, Any], tmp_path: Path) -> None:
    for name, content in case.get("files", {}).items():
        (tmp_path / name).write_bytes(content.encode())
    env = {name: value.replace("$FILES", str(tmp_path)) for name, value in case["env"].items()}
    if "error" in case:
        with pytest.raises(ConfigError) as caught:
            KVConfig.from_env(case.get("url"), env)
        assert str(caught.value) == case["error"]
        return
    config = KVConfig.from_env(case.get("url"), env)
    expect = json.loads(json.dumps({**CASES["default"], **case["expect"]}).replace("$FILES", str(tmp_path)))
    assert seen(config) == {"url": config.url, **expect}
    if len(config.address.password) > 2:
        assert config.address.password not in repr(config)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@named("kms")
def test_kms(case: dict[str, Any], kms: Any) -> None:
    kms.put(case["state"])
    config = KMSConfig.from_env({"HANZO_KMS_URL": kms.url, **case["env"]})
    assert config is not None
    clock = Clock()
    client = KMS(config, clock=clock)
    for step in case["steps"]:
        if "state" in step:
            kms.patch(step["state"])
        clock.now += step.get("seconds", 0)
        if "password" in step:
            assert client.password() == step["password"]
        if "error" in step:
            with pytest.raises(KMSError) as caught:
                client.password()
            assert str(caught.value) == step["error"]
    assert kms.requests == case["requests"]
    assert not any(secret in repr(client) for secret in SECRETS)


@named("credentials")
def test_credentials(case: dict[str, Any], kms: Any, lines: io.StringIO) -> None:
    kms.put(case["state"])
    config = KMSConfig.from_env({"HANZO_KMS_URL": kms.url, **case["env"]})
    clock = Clock()
    credentials = KMSCredentials(config)
    credentials._clock = clock
    for step in case["steps"]:
        if "state" in step:
            kms.patch(step["state"])
        clock.now += step.get("seconds", 0)
        if "password" in step:
            assert credentials.get_credentials() == (step["password"],)
        if "refused" in step:
            assert credentials.refused(step["refused"]) is step["another"]
        if "error" in step:
            with pytest.raises(KMSError) as caught:
                credentials.get_credentials()
            assert str(caught.value) == step["error"]
    assert kms.requests == case["requests"]
    for line in lines.getvalue().splitlines():
        assert json.loads(line)["db.system"] == "redis"
