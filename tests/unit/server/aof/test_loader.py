"""Reading files back into an engine."""
from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest

from kv._core.engine.engine import Engine
from kv._core.engine.inspect import check
from kv.server.aof import loader as module
from kv.server.aof.loader import Loader
from kv.server.aof.manifest import BASE, INCREMENT, File, Folder, Manifest
from kv.server.loading import LoadError, LoadStopped
from tests.commands.client import request
from tests.integration.program import commands

STEM = "a.aof"


class Setting:
    """A folder of files and an engine to load them into."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.engine = Engine(None)
        self.manifest = Manifest(STEM)
        self.served: list[int] = []
        self.config = SimpleNamespace(aof_load_truncated=True, loading_process_events_interval_bytes=1024,
                                      key_load_delay=0, propagation_error_behavior="ignore")
        self.loader = Loader(self.engine, self.config, Folder(str(folder), STEM), self.serve)

    def serve(self) -> None:
        self.served.append(self.loader.progress.loading_loaded_bytes)

    def file(self, data: bytes, name: str = "1.incr", kind: str = INCREMENT) -> None:
        (self.folder / name).write_bytes(data)
        self.manifest.add(File(name, self.manifest.last_increment + 1, kind))

    def load(self) -> int:
        return self.loader.load(self.manifest)

    def get(self, key: str, database: int = 0):
        self.engine.execute("SELECT", database)
        reply = self.engine.execute("GET", key)
        return None if reply is None else reply.decode()


@pytest.fixture
def setting(tmp_path) -> Setting:
    return Setting(tmp_path)


def test_base_then_increments(setting: Setting) -> None:
    setting.file(commands("SELECT 0", "SET a base", "SET b base"), "b", BASE)
    setting.file(commands("SELECT 2", "SET a two"), "i1")
    setting.file(commands("SET a incr"), "i2")      # a file begins on database 0
    assert setting.load() == sum(path.stat().st_size for path in setting.folder.iterdir())
    assert (setting.get("a"), setting.get("b"), setting.get("a", 2)) == ("incr", "base", "two")
    assert not setting.engine.loading and setting.loader.progress is None


def test_annotations_are_skipped(setting: Setting) -> None:
    setting.file(b"#TS:1\r\n" + commands("SET a 1") + b"#TS:2\r\n#\r\n" + commands("SET b 2") + b"#TS:3\r\n")
    setting.load()
    assert (setting.get("a"), setting.get("b")) == ("1", "2")


def test_nothing_is_propagated_or_counted(setting: Setting) -> None:
    with setting.engine.feed() as feed:
        setting.file(commands("SET a 1"))
        setting.load()
        assert feed.pending == 0


def test_every_truncation_loads_to_the_last_whole_unit(setting: Setting) -> None:
    """Cut at each byte: what is whole stays, the file is cut there, and a second loading finds nothing
    wrong."""
    units = [commands("SET a 1"), b"#TS:5\r\n", commands("SET a 2"),
             commands("MULTI", "SET a 3", "SET a 4", "EXEC"),
             request("SET", "a", b"\r\n*1\r\n"), commands("SET a 6")]
    values = ["1", "1", "2", "4", "\r\n*1", "6"]
    whole = b"".join(units)
    ends = [sum(map(len, units[:count])) for count in range(len(units) + 1)]
    for length in range(1, len(whole) + 1):
        setting.engine = setting.loader.engine = Engine(None)
        setting.manifest = Manifest(STEM)
        setting.file(whole[:length])
        count = max(index for index, end in enumerate(ends) if end <= length)
        assert setting.load() == ends[count]
        assert (setting.folder / "1.incr").stat().st_size == ends[count]
        if count != 5:
            assert setting.get("a") == (values[count - 1] if count else None)


def test_truncation_is_refused_where_it_is_not_allowed(setting: Setting) -> None:
    setting.config.aof_load_truncated = False
    data = commands("SET a 1")
    setting.file(data[:-1])
    with pytest.raises(LoadError, match="Unexpected end of file reading the append only file 1.incr"):
        setting.load()
    assert (setting.folder / "1.incr").read_bytes() == data[:-1] and not setting.engine.loading


def test_only_the_last_file_may_be_truncated(setting: Setting) -> None:
    setting.file(commands("SET a 1")[:-1], "i1")
    setting.file(commands("SET a 2"), "i2")
    with pytest.raises(LoadError, match="the truncated file is not the last file"):
        setting.load()
    assert (setting.folder / "i1").read_bytes() == commands("SET a 1")[:-1]


@pytest.mark.parametrize("bad", [
    b"!!!\r\n", b"SET a 1\r\n", b"*0\r\n", b"*-1\r\n", b"*x\r\n", b"*1\n$1\n", b"*1\r\n:1\r\n",
    b"*1\r\n$-1\r\n", b"*1\r\n$\r\n", b"\0\0\0\0", b"*99999999999999999999\r\n"])
def test_a_fault_is_refused_with_its_offset(setting: Setting, bad: bytes) -> None:
    good = commands("SET a 1", "SET b 2")
    setting.file(good + bad + good)
    with pytest.raises(LoadError, match=f"Bad file format reading the append only file 1.incr at offset "
                                        f"{len(good)}:"):
        setting.load()


@pytest.mark.parametrize("bad, text", [
    ("BLA a b", "unknown command 'BLA', with args beginning with: 'a' 'b' "),
    ("GET", "wrong number of arguments for 'get' command"),
    ("OBJECT BLA", "unknown subcommand 'BLA'. Try OBJECT HELP."),
])
def test_a_command_that_cant_run_is_refused(setting: Setting, bad: str, text: str) -> None:
    setting.file(commands("SET a 1", bad))
    with pytest.raises(LoadError) as caught:
        setting.load()
    assert str(caught.value) == f"Error reading the append only file 1.incr, error: {text}"


def test_an_error_reply_is_logged(setting: Setting, capfd) -> None:
    setting.file(commands("SET a x", "INCR a", "SET b 1"))
    setting.load()
    assert setting.get("b") == "1"
    assert "after processing the command 'incr'" in capfd.readouterr().out
    assert setting.loader.unexpected_errors == 1


@pytest.mark.parametrize("behavior, refused", [("panic", True), ("panic-on-replicas", False)])
def test_an_error_reply_can_stop_the_start(setting: Setting, behavior: str, refused: bool) -> None:
    setting.config.propagation_error_behavior = behavior
    setting.file(commands("SET a x", "INCR a", "SET b 1"))
    with pytest.raises(LoadError, match="panicked sending an error to its AOF-loading-client after processing the command 'incr'") \
            if refused else contextlib.nullcontext():
        setting.load()


@pytest.mark.parametrize("beginning", [b"REDIS0011\xfa", b"VALKEY080"])
def test_an_rdb_base_is_refused(setting: Setting, beginning: bytes) -> None:
    setting.file(beginning + bytes(100), "b", BASE)
    with pytest.raises(LoadError, match="begins with an RDB snapshot"):
        setting.load()


def test_a_missing_file_is_refused(setting: Setting) -> None:
    setting.manifest.add(File("gone", 1, INCREMENT))
    with pytest.raises(LoadError, match="Unable to obtain the AOF file gone length. stat: No such file"):
        setting.load()


def test_empty_files(setting: Setting) -> None:
    setting.file(b"", "b", BASE)
    assert setting.load() == 0
    setting.file(commands("SET a 1"), "i1")
    setting.file(b"", "i2")
    assert setting.load() > 0 and setting.get("a") == "1"


@pytest.mark.parametrize("block", [16, 17, 64, 1000])
def test_whatever_the_blocks(setting: Setting, monkeypatch, block: int) -> None:
    """Commands, transactions and values longer than a block."""
    monkeypatch.setattr(module, "BLOCK_LEAST", block)
    monkeypatch.setattr(module, "BLOCK_MOST", block)
    long = "x" * 5000
    setting.file(commands("SET a 1", f"SET long {long}", "MULTI",
                          *[f"SET k{n} {n}" for n in range(200)], "EXEC",
                          *[f"SET m{n} {n}" for n in range(200)]))
    setting.load()
    assert setting.get("long") == long
    assert all(setting.get(f"{letter}{n}") == str(n) for letter in "km" for n in range(200))
    assert setting.served == sorted(setting.served)


def test_a_length_beyond_the_file_takes_no_memory(setting: Setting) -> None:
    good = commands("SET a 1")
    setting.file(good + b"*1\r\n$99999999999999\r\nx")
    assert setting.load() == len(good)


def test_clients_are_served_in_between(setting: Setting, monkeypatch) -> None:
    monkeypatch.setattr(module, "BLOCK_LEAST", 1024)
    setting.file(commands(*[f"SET k{n} {n}" for n in range(1000)]))
    total = setting.load()
    assert len(setting.served) >= total // 1024 and setting.served[-1] == total


def test_slow_commands_are_interrupted_between_any_two(setting: Setting, monkeypatch) -> None:
    """However short the time: each command runs once, also in a transaction, and what is wrong is found where it is."""
    monkeypatch.setattr(module, "SLICE_US", 1)
    whole = commands(*["INCR a"] * 200, "MULTI", *["INCR b"] * 300, "EXEC", *["INCR c"] * 10)
    setting.file(whole)
    assert setting.load() == len(whole)
    assert (setting.get("a"), setting.get("b"), setting.get("c")) == ("200", "300", "10")
    assert len(setting.served) > 20 and setting.served == sorted(setting.served)
    for end, text in ((b"!!!\r\n", f"at offset {len(whole)}"), (commands("BLA x"), "unknown command 'BLA'")):
        setting.engine = setting.loader.engine = Engine(None)
        setting.manifest = Manifest(STEM)
        setting.file(whole + end)
        with pytest.raises(LoadError, match=text):
            setting.load()


def test_a_long_value_is_read_in_parts(setting: Setting, monkeypatch) -> None:
    monkeypatch.setattr(module, "READ_MOST", 1000)
    setting.file(request("SET", "long", "x" * 100_000) + commands("SET a 1"))
    setting.load()
    assert setting.get("a") == "1" and len(setting.served) > 95


def test_loading_can_be_stopped(setting: Setting) -> None:
    def stop() -> None:
        raise LoadStopped
    setting.loader.serve = stop
    setting.file(commands("SET a 1"))
    with pytest.raises(LoadStopped):
        setting.load()
    assert not setting.engine.loading


def test_loading_can_be_slowed_down(setting: Setting, monkeypatch) -> None:
    slept: list[float] = []
    clock = SimpleNamespace(sleep=slept.append, monotonic=lambda: 0.0, time=lambda: 0.0)
    monkeypatch.setattr(module, "time", clock)
    setting.config.key_load_delay = 50_000
    setting.file(commands(*[f"SET k{n} {n}" for n in range(10)]))
    setting.load()
    assert sum(slept) == pytest.approx(0.5) and len(setting.served) > 4


def test_flipped_bytes_are_refused_or_loaded(setting: Setting, capfd) -> None:
    """One damaged byte at every place: never a crash, and the dataset stays whole."""
    data = b"#TS:1\r\n" + commands("SELECT 1", "SET key value", "MULTI", "SET number 12", "DEL key", "EXEC",
                                   "APPEND key more")
    outcomes = set()
    for at in range(len(data)):
        for mask in (1, 2, 16, 32, 128, 255):
            setting.engine = setting.loader.engine = Engine(None)
            setting.manifest = Manifest(STEM)
            setting.file(data[:at] + bytes([data[at] ^ mask]) + data[at + 1:])
            try:
                setting.load()
                outcomes.add("loaded")
            except LoadError:
                outcomes.add("refused")
            check(setting.engine)
    assert outcomes == {"loaded", "refused"}
