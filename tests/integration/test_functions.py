"""Functions through restarts: in RDB files, in the append-only file and its bases, and where Lua is missing."""
from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.commands.client import request
from tests.integration.program import Server, make_files
from tests.rdbfile import read_file
from tests.rdbwords import file_of, string

MISSING = "scripts need Lua 5.1 from the Python package lupa, which is not installed (pip install lupa)"
RELOAD_ERROR = "ERR Error trying to load the RDB dump, check server logs."


def library(name: str, function: str, body: str = "return 1") -> str:
    return f"#!lua name={name}\nredis.register_function('{function}', function(keys, args) {body} end)"


ONE, TWO = library("one", "f", "return redis.call('incr', keys[1])"), library("two", "g", "return 2")


def codes(server: Server) -> list[str]:
    return [dict(zip(one[::2], one[1::2], strict=True))[b"library_code"].decode() for one in server("FUNCTION", "LIST", "WITHCODE")]


def fill(server: Server) -> None:
    """Everything that changes libraries, and a function that changes keys."""
    server("FUNCTION", "LOAD", library("gone", "x"))
    server("FUNCTION", "LOAD", "REPLACE", library("gone", "y"))
    payload = server("FUNCTION", "DUMP")
    server("FUNCTION", "DELETE", "gone")
    server("FUNCTION", "RESTORE", payload, "REPLACE")
    assert server("FCALL", "y", 0) == 1
    server("FUNCTION", "FLUSH")
    server("FUNCTION", "LOAD", ONE)
    server("FUNCTION", "LOAD", TWO)
    assert server("FUNCTION", "LOAD", TWO) == "ERR Library 'two' already exists"
    server("MULTI")
    server("FCALL", "f", 1, "n")
    server("FCALL", "f", 1, "n")
    assert server("EXEC") == [1, 2]


def holds(server: Server) -> None:
    assert codes(server) == [ONE, TWO]
    assert server("FCALL", "g", 0) == 2 and server("GET", "n") == b"2"
    assert "sending an error" not in server.text()


@pytest.mark.parametrize("options", [{}, {"aof_use_rdb_preamble": "no"}, {"rdb_write_version": "9"}, {"rdb_write_version": "10"}],
                         ids=["rdb", "commands", "rdb 9", "rdb 10"])
def test_append_only_file(tmp_path: Path, options: dict[str, str]) -> None:
    with Server(tmp_path, **options) as server:
        fill(server)
        server.crash()
    with Server(tmp_path, **options) as server:
        holds(server)
        server("BGREWRITEAOF")
        server.rewritten()
        server.crash()
    [base] = (tmp_path / "appendonlydir").glob("*.base.*")
    assert base.suffix == (".rdb" if options.get("aof_use_rdb_preamble") != "no" and options.get("rdb_write_version") != "9"
                           else ".aof")
    with Server(tmp_path, **options) as server:
        holds(server)
        assert server("DEBUG", "LOADAOF") == "OK"
        holds(server)
        server("FUNCTION", "DELETE", "one")
        server.crash()
    with Server(tmp_path, **options) as server:
        assert codes(server) == [TWO]


def test_rdb(tmp_path: Path) -> None:
    with Server(tmp_path, appendonly="no", save="") as server:
        fill(server)
        assert server("SAVE") == "OK"
    assert read_file((tmp_path / "dump.rdb").read_bytes()).libraries == [ONE.encode(), TWO.encode()]
    with Server(tmp_path, appendonly="no", save="") as server:
        holds(server)
        assert server("FLUSHALL") == "OK" and codes(server) == [ONE, TWO]


def test_a_change_of_functions_is_a_change_to_save(tmp_path: Path) -> None:
    with Server(tmp_path, appendonly="no", save="3600 1000") as server:
        for count, words in enumerate([("LOAD", ONE), ("DELETE", "one"), ("FLUSH",)], 1):
            server("FUNCTION", *words)
            assert server.info()["rdb_changes_since_last_save"] == str(count)
        for words in (("LOAD", "x"), ("DELETE", "none"), ("LIST",), ("DUMP",), ("STATS",)):
            server("FUNCTION", *words)
        assert server.info()["rdb_changes_since_last_save"] == "3"


def test_figures(tmp_path: Path) -> None:
    names = ("number_of_libraries", "number_of_functions", "used_memory_vm_functions", "used_memory_functions")

    def figures() -> list[int]:
        found = server.info("memory")
        return [int(found[name]) for name in names]

    with Server(tmp_path, appendonly="no", save="") as server:
        assert figures() == [0, 0, 0, 0]
        server("FUNCTION", "LOAD", ONE)
        libraries, functions, state, least = figures()
        assert (libraries, functions) == (1, 1) and state > 10_000 and least >= len(ONE)
        server("FUNCTION", "LOAD", TWO + "\n" + "\n".join(library("x", f"g{i}").split("\n")[1] for i in range(100)))
        more = figures()
        assert more[:2] == [2, 102] and more[2] > state and more[3] > least + 100 * 50
        assert int(server.info("memory")["used_memory_vm_total"]) >= more[2]
        server("FUNCTION", "DELETE", "two")
        assert figures()[:2] == [1, 1] and figures()[3] < more[3]
        server("FUNCTION", "FLUSH")
        assert figures()[:3] == [0, 0, 0] and figures()[3] < least


def test_debug_reload(tmp_path: Path) -> None:
    """With Valkey's answers: functions go with the dataset, stay with it, or are replaced."""
    more = library("more", "h")
    with Server(tmp_path, appendonly="no", save="") as server:
        server("FUNCTION", "LOAD", ONE)
        assert server("DEBUG", "RELOAD") == "OK" and codes(server) == [ONE]
        assert server("DEBUG", "RELOAD", "NOFLUSH") == RELOAD_ERROR and codes(server) == [ONE]
        assert "Failed loading library, Library 'one' already exists" in server.text()
        assert server("DEBUG", "RELOAD", "NOFLUSH", "MERGE") == "OK" and codes(server) == [ONE]
        server("FUNCTION", "LOAD", more)
        assert server("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE") == "OK" and codes(server) == [more, ONE]
        assert server("FCALL", "h", 0) == server("FCALL", "f", 1, "n") == 1
        assert server("DEBUG", "RELOAD", "NOSAVE") == "OK" and codes(server) == [ONE]


def test_a_file_whose_library_is_wrong_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(file_of(b"\xf5" + string(b"#!lua name=one\nx = ")))
    server = Server(tmp_path, appendonly="no", wait=False)
    assert server.ends() == 1
    assert "Failed loading library, Error compiling function: user_function:2: unexpected symbol near '<eof>'" in server.text()


# -- without Lua ------------------------------------------------------------------------------------------------------

@pytest.fixture
def without_lua(tmp_path: Path) -> dict[str, str]:
    """An environment in which the package is there, and Lua is not."""
    (tmp_path / "hidden" / "lupa").mkdir(parents=True)
    (tmp_path / "hidden" / "lupa" / "__init__.py").touch()
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path / "hidden"), os.environ.get("PYTHONPATH", ""), os.getcwd()])}


def refused(folder: Path, environment: dict[str, str], **options: Any) -> str:
    """What a server says whose start ends."""
    server = Server(folder, wait=False, environment=environment, **options)
    assert server.ends() == 1
    return server.text()


def test_without_lua_there_are_no_scripts_and_all_else(tmp_path: Path, without_lua: dict[str, str]) -> None:
    with Server(tmp_path, environment=without_lua) as server:
        assert server("SET", "k", "v") == "OK" and server("FUNCTION", "LIST") == []
        assert server("FUNCTION", "LOAD", ONE) == server("EVAL", "return 1", 0) == f"ERR {MISSING}"
        assert server("FCALL", "f", 0) == "ERR Function not found"
        server.crash()
    with Server(tmp_path, environment=without_lua) as server:
        assert server("GET", "k") == b"v"


def test_what_has_functions_is_not_loaded_without_lua(tmp_path: Path, without_lua: dict[str, str]) -> None:
    (tmp_path / "dump.rdb").write_bytes(file_of(b"\xf5" + string(ONE.encode())))
    assert f"Failed loading library, {MISSING}" in refused(tmp_path, without_lua, appendonly="no")
    make_files(tmp_path, "appendonly.aof", None, request("SET", "k", "v") + request("FUNCTION", "LOAD", ONE))
    assert f"Error reading the append only file appendonly.aof.1.incr.aof, error: {MISSING}" in refused(tmp_path, without_lua)


# -- other servers ----------------------------------------------------------------------------------------------------

def test_to_and_from_another_server(tmp_path: Path) -> None:
    """Through RDB files and payloads of version 10, as Redis 7.0 has them."""
    path = shutil.which("redis-server")
    if path is None:
        pytest.skip("no redis-server to exchange files with")
    for folder in ("ours", "theirs"):
        (tmp_path / folder).mkdir()
    with (Server(tmp_path / "ours", appendonly="no", save="", rdb_write_version="10") as ours,
          Server(tmp_path / "theirs", appendonly="no", save="", command=[path]) as theirs):
        fill(ours)
        payload = ours("FUNCTION", "DUMP")
        assert theirs("FUNCTION", "RESTORE", payload) == "OK" and sorted(codes(theirs)) == [ONE, TWO]
        assert sorted(theirs("FCALL", name, 1, "n") for name in "fg") == [1, 2]
        assert ours("FUNCTION", "RESTORE", theirs("FUNCTION", "DUMP"), "FLUSH") == "OK" and sorted(codes(ours)) == [ONE, TWO]
        ours("SAVE")
        shutil.copy(tmp_path / "ours" / "dump.rdb", tmp_path / "theirs" / "dump.rdb")
        assert theirs("DEBUG", "RELOAD", "NOSAVE") == "OK" and sorted(codes(theirs)) == [ONE, TWO]
        theirs("SAVE")
        shutil.copy(tmp_path / "theirs" / "dump.rdb", tmp_path / "ours" / "dump.rdb")
        ours("FUNCTION", "FLUSH")
        assert ours("DEBUG", "RELOAD", "NOSAVE") == "OK" and sorted(codes(ours)) == [ONE, TWO]
        assert ours("FCALL", "f", 1, "n") == 3
