"""Which variable of a container's environment brings the password, and to whom kv-cli sends it."""
from __future__ import annotations

from pathlib import Path

import pytest

from kv.cli.options import Options, _settle_password
from kv.passwords import EnvironmentPassword

FROM = {"KV_REQUIREPASS_FROM": "KV_PASSWORD REDIS_PASSWORD"}


@pytest.mark.parametrize("variables, password", [
    ({}, ""), ({"REDIS_PASSWORD": "p"}, "p"), ({"REDIS_PASSWORD": ""}, ""), ({"OTHER_PASSWORD": "p"}, ""),
    ({"KV_PASSWORD": "k", "REDIS_PASSWORD": "p"}, "k"), ({"KV_PASSWORD": "", "REDIS_PASSWORD": "p"}, "p"),
    ({"REDIS_PASSWORD": "p", "REDIS_PASSWORD_FILE": "{file}"}, "of file"),
    ({"KV_PASSWORD": "k", "REDIS_PASSWORD_FILE": "{file}"}, "k"),
    ({"REDIS_PASSWORD": "p", "REDIS_PASSWORD_FILE": ""}, "p"),
    ({"REDIS_PASSWORD": "p", "REDIS_PASSWORD_FILE": "{absent}"}, "p")])
def test_the_first_that_says_something_counts(tmp_path: Path, variables: dict[str, str], password: str) -> None:
    (tmp_path / "file").write_bytes(b"of file\r\nsecond line\n")
    places = {"file": tmp_path / "file", "absent": tmp_path / "absent"}
    variables = {name: value.format(**places) for name, value in variables.items()}
    found = EnvironmentPassword({**FROM, **variables})
    assert found.read() == password
    assert found.skipped == (str(places["absent"]) if "absent" in variables.get("REDIS_PASSWORD_FILE", "") else "")
    assert EnvironmentPassword(variables).read() == ""


def test_a_file_that_is_named_has_a_password(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ValueError):
        EnvironmentPassword({**FROM, "REDIS_PASSWORD": "p", "REDIS_PASSWORD_FILE": str(tmp_path / "empty")}).read()
    with pytest.raises(OSError):
        EnvironmentPassword({**FROM, "REDIS_PASSWORD_FILE": str(tmp_path / "absent")}).read()


@pytest.mark.parametrize("stated, environment, password", [
    ({}, {"REDIS_PASSWORD": "p"}, "p"), ({"host": "localhost"}, {"REDIS_PASSWORD": "p"}, "p"),
    ({"unix_socket": "/run/kv.sock", "host": "other"}, {"REDIS_PASSWORD": "p"}, "p"),
    ({"host": "other"}, {"REDIS_PASSWORD": "p"}, None), ({"user": "ada"}, {"REDIS_PASSWORD": "p"}, None),
    ({"password": "a"}, {"REDIS_PASSWORD": "p"}, "a"), ({}, {"REDIS_PASSWORD": "p", "KVCLI_AUTH": "c"}, "c"),
    ({}, {"REDIS_PASSWORD_FILE": "/absent"}, None), ({}, {}, None)])
def test_the_client_sends_it_to_the_server_in_the_same_container(
        monkeypatch: pytest.MonkeyPatch, stated: dict[str, str], environment: dict[str, str], password: str | None) -> None:
    for name in ("KVCLI_AUTH", "VALKEYCLI_AUTH", "REDISCLI_AUTH", "KV_PASSWORD", "REDIS_PASSWORD", "REDIS_PASSWORD_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**FROM, **environment}.items():
        monkeypatch.setenv(name, value)
    options = Options()
    for name, value in stated.items():
        setattr(options, name, value)
    _settle_password(options)
    assert options.password == password
