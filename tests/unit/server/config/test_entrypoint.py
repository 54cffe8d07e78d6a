"""What an image's entry point is given by compose files for other images."""
import os

import pytest

from kv.server.config.entrypoint import other_program, server_words


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return tmp_path


def executable(path, content=b"\x7fELF"):
    path.write_bytes(content)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("words, meant", [
    ([], []),
    (["--port", "1"], ["--port", "1"]),
    (["/etc/redis.conf", "--port", "1"], ["/etc/redis.conf", "--port", "1"]),
    (["valkey-server", "--appendonly", "yes"], ["--appendonly", "yes"]),
    (["redis-server", "--requirepass", "x"], ["--requirepass", "x"]),
    (["kv-server"], []),
    (["redis-server", "/etc/redis.conf", "--port", "1"], ["/etc/redis.conf", "--port", "1"]),
    (["/usr/local/bin/redis-server", "-"], ["-"]),
    (["/opt/bitnami/valkey/bin/valkey-server", "/x.conf"], ["/x.conf"]),
    (["redis-server", "redis-server"], ["redis-server"]),
])
def test_a_servers_name_is_passed_over(words, meant):
    assert other_program(["kv-server", *words]) is None
    assert server_words(["kv-server", *words], {}) == ["kv-server", *meant]


def test_a_sentinels_name_says_what_is_started():
    assert server_words(["kv-server", "redis-sentinel", "/s.conf"], {}) == ["redis-sentinel", "/s.conf"]


def test_a_file_with_a_servers_name_is_a_configuration(directory):
    (directory / "redis-server").write_text("port 1\n")
    assert server_words(["kv-server", "redis-server"], {}) == ["kv-server", "redis-server"]
    executable(directory / "redis-server")
    assert server_words(["kv-server", "./redis-server", "--hz", "1"], {}) == ["kv-server", "--hz", "1"]


@pytest.mark.parametrize("flags, added", [
    ("", []), ("--maxmemory 1gb  --save 60\t1\n", ["--maxmemory", "1gb", "--save", "60", "1"])])
def test_flags_of_the_environment_come_last(flags, added):
    words = ["kv-server", "--maxmemory", "1mb"]
    assert server_words(words, {"VALKEY_EXTRA_FLAGS": flags}) == words + added


@pytest.mark.parametrize("words", [["sh", "-c", "true"], ["/bin/sh"], ["env", "A=b", "redis-server"]])
def test_other_programs_run(words):
    assert other_program(["kv-server", *words]) == words


def test_what_is_no_program(directory):
    (directory / "sh").write_text("port 1\n")
    mine = executable(directory / "mine.conf", b"# a configuration on a volume where all files may be run\nport 1\n")
    shebang = executable(directory / "started.conf", b"#!/usr/bin/env kv-server\nport 1\n")
    for words in (["sh"], ["no-such-program"], ["/no/such"], [mine], [shebang], ["-v"], ["--port"], [str(directory)], [os.devnull]):
        assert other_program(["kv-server", *words]) is None


def test_scripts_are_programs(directory):
    script = executable(directory / "start.sh", b"#!/bin/sh\nexec redis-server\n")
    assert other_program(["kv-server", script, "x"]) == [script, "x"]
    assert other_program(["kv-server", "./start.sh"]) == ["./start.sh"]
