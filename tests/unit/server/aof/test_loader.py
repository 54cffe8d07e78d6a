"""Reading files back into an engine."""
from __future__ import annotations

import contextlib
import os
import time
from types import SimpleNamespace

import pytest

from kv._core.engine.engine import Engine
from kv._core.engine.inspect import check
from kv._core.engine.snapshot import Snapshot
from kv.server.aof import loader as module
from kv.server.aof.loader import Loader
from kv.server.aof.manifest import BASE, INCREMENT, File, Folder, Manifest
from kv.server.loading import LoadError, LoadStopped
from kv.server.rdb import RdbLoader
from tests.commands.client import request
from tests.commands.embedded import run
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
                                      key_load_delay=0, propagation_error_behavior="ignore", rdb_version_check="strict",
                                      rdbchecksum=True, sanitize_dump_payload="no", hide_user_data_from_log=False)
        self.loader = Loader(self.engine, self.config, Folder(str(folder), STEM), RdbLoader(self.engine, self.config), self.serve)

    def begin_anew(self) -> None:
        """Another engine, and no files."""
        self.engine = self.loader.engine = self.loader.rdb.engine = Engine(None)
        self.manifest = Manifest(STEM)

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
        setting.begin_anew()
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


# -- torn transactions ------------------------------------------------------------------------------------------------

def load_again(setting: Setting, data: bytes) -> None:
    """Append to the last file, and read everything into another engine."""
    last = setting.folder / setting.manifest.live()[-1].name
    with last.open("ab") as file:
        file.write(data)
    manifest = setting.manifest
    setting.begin_anew()
    setting.manifest = manifest
    setting.load()


@pytest.mark.parametrize("later", [commands("SELECT 0", "SET c 3"), commands("MULTI", "SET c 3", "EXEC"), commands("EXEC"),
                                   commands("SELECT 0", "SET c 3")[:-1]])
@pytest.mark.parametrize("snapshot", [False, True])
def test_a_torn_transaction_never_takes_effect(setting: Setting, later: bytes, snapshot: bool) -> None:
    """Torn at every byte of it, cut, appended to, and read again."""
    first = rdb_of(["SET", "a", "1"]) if snapshot else commands("SELECT 0", "SET a 1")
    torn = commands("MULTI", "SET a torn", "SET b torn", "DEL c", "EXEC")
    for length in range(1, len(torn)):
        setting.begin_anew()
        setting.file(first + torn[:length])
        assert setting.load() == len(first)
        assert (setting.get("a"), setting.get("b")) == ("1", None)
        if later == commands("EXEC"):       # somebody else's: it does not complete what was torn
            with pytest.raises(LoadError, match=f"Bad file format .* at offset {len(first)}"):
                load_again(setting, later)
        else:
            load_again(setting, later)
        assert (setting.get("a"), setting.get("b")) == ("1", None)
        if later.endswith(b"\n") and later != commands("EXEC"):
            assert setting.get("c") == "3"


def test_a_torn_transaction_before_another_file(setting: Setting) -> None:
    """Refused at every byte, nothing is changed; where the files behind it are empty it is the end of the data."""
    first, torn = commands("SET a 1"), commands("MULTI", "SET b torn", "EXEC")
    for length in range(1, len(torn)):
        setting.begin_anew()
        setting.file(first + torn[:length], "i1")
        setting.file(b"", "i2")
        setting.file(commands("SET c 3"), "i3")
        with pytest.raises(LoadError, match="the truncated file is not the last file"):
            setting.load()
        assert (setting.folder / "i1").read_bytes() == first + torn[:length] and setting.get("b") is None
        (setting.folder / "i3").write_bytes(b"")
        assert setting.load() == len(first)
        assert (setting.folder / "i1").read_bytes() == first
        load_again(setting, commands("MULTI", "SET c 4", "EXEC"))
        assert (setting.get("a"), setting.get("b"), setting.get("c")) == ("1", None, "4")


def test_a_torn_transaction_is_refused_where_nothing_may_be_cut(setting: Setting) -> None:
    setting.config.aof_load_truncated = False
    first, torn = commands("SET a 1"), commands("MULTI", "SET b torn", "EXEC")
    for length in range(1, len(torn)):
        setting.begin_anew()
        setting.file(first + torn[:length])
        with pytest.raises(LoadError, match=f"Unexpected end of file .* at offset {len(first)}"):
            setting.load()
        assert (setting.folder / "1.incr").read_bytes() == first + torn[:length] and setting.get("b") is None


@pytest.mark.parametrize("inside", [True, False])
def test_what_was_written_behind_a_torn_transaction(setting: Setting, inside: bool) -> None:
    """By a server that did not cut it: what belongs to it can't be told, so nothing is run, and what to do is said."""
    good = commands("SET a 1")
    torn = commands("MULTI", "SET b torn", "SELECT 0", "SET c 1") if inside else b""
    setting.file(good + torn + (commands("MULTI", "SET d 1", "EXEC") if inside else commands("EXEC", "SET b 1")))
    at = len(good + torn)
    with pytest.raises(LoadError) as caught:
        setting.load()
    assert f"Bad file format reading the append only file 1.incr at offset {at}: nothing was changed" in str(caught.value)
    assert f"truncate -s {len(good)} " in str(caught.value) and "kv-check-aof --fix" in str(caught.value)
    assert (setting.get("a"), setting.get("b"), setting.get("d")) == ("1", None, None)


# -- snapshots ---------------------------------------------------------------------------------------------------------

def rdb_of(*words: list, version: int = 11) -> bytes:
    """The snapshot of a dataset that these commands make."""
    engine = Engine(None)
    fd = os.memfd_create("base")
    try:
        run(engine, *words)
        snapshot = Snapshot(engine, fd, rdb_version=version, aof_base=True)
        while snapshot.step():
            pass
        return os.pread(fd, snapshot.written + 1, 0)
    finally:
        os.close(fd)


DATA = [["SET", "a", "base"], ["RPUSH", "l", *range(500)], ["SELECT", 3], ["SET", "b", "x" * 50_000]]


@pytest.mark.parametrize("name", ["a.aof.1.base.rdb", "a.aof.1.base.aof", STEM])
@pytest.mark.parametrize("version", [9, 10, 11])
def test_a_snapshot_and_commands_behind_it(setting: Setting, name: str, version: int, capfd) -> None:
    base = rdb_of(*DATA, version=version)
    setting.file(base + commands("SET a tail"), name, BASE)
    setting.file(commands("APPEND a !"))
    assert setting.load() == len(base) + len(commands("SET a tail", "APPEND a !"))
    assert (setting.get("a"), setting.get("b", 3), setting.engine.execute("LLEN", "l")) == ("tail!", "x" * 50_000, 0)
    check(setting.engine)
    said = capfd.readouterr().out
    assert ("Reading RDB preamble from AOF file..." in said) == ("Reading the remaining AOF tail..." in said) == (name == STEM)
    assert setting.served == sorted(setting.served)


def test_a_torn_tail_is_cut_and_a_torn_snapshot_refused(setting: Setting) -> None:
    base, tail = rdb_of(["SET", "a", "1"]), commands("SET b 2")
    for length in range(1, len(base + tail)):
        setting.begin_anew()
        setting.file((base + tail)[:length], STEM, BASE)
        if length < len(base):
            line = f"Error reading the RDB preamble of the AOF file {STEM}, AOF loading aborted at offset [0-9]+.*: .*. The file"
            with pytest.raises(LoadError, match=line):
                setting.load()
            assert (setting.folder / STEM).read_bytes() == base[:length]
        else:
            assert setting.load() == len(base)
            assert (setting.folder / STEM).read_bytes() == base


def test_flipped_bits_of_a_snapshot_are_refused(setting: Setting) -> None:
    """Its checksum knows: nothing is half loaded, since the start ends."""
    base = rdb_of(["SET", "a", "1"], ["RPUSH", "l", "a", "b"])
    for at in range(len(base)):
        for mask in (1, 128):
            setting.begin_anew()
            damaged = base[:at] + bytes([base[at] ^ mask]) + base[at + 1:]
            setting.file(damaged, STEM, BASE)
            with pytest.raises(LoadError):
                setting.load()
            check(setting.engine)
            assert (setting.folder / STEM).read_bytes() == damaged


def test_a_key_of_the_past_is_there_for_the_commands_behind_it(setting: Setting) -> None:
    """It had not expired yet when they ran."""
    engine = Engine(None)
    fd = os.memfd_create("base")
    with engine.session() as session:
        session.execute("SET", "a", "1", "PXAT", int(time.time() * 1000) + 100)
        snapshot = Snapshot(engine, fd, rdb_version=11)
        while snapshot.step():
            pass
    time.sleep(0.15)
    setting.file(os.pread(fd, 1 << 16, 0) + commands("PERSIST a", "INCR a"), STEM, BASE)
    os.close(fd)
    setting.load()
    assert setting.get("a") == "2"


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
        setting.begin_anew()
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
            setting.begin_anew()
            setting.file(data[:at] + bytes([data[at] ^ mask]) + data[at + 1:])
            try:
                setting.load()
                outcomes.add("loaded")
            except LoadError:
                outcomes.add("refused")
            check(setting.engine)
    assert outcomes == {"loaded", "refused"}
