"""The manifest: read, refused, changed, written."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv.server.aof.manifest import BASE, COMMANDS, HISTORY, INCREMENT, RDB, File, Folder, Manifest, ManifestError, parse

STEM = "appendonly.aof"
FULL = b"""file appendonly.aof.2.base.rdb seq 2 type b
file appendonly.aof.1.incr.aof seq 1 type h
file appendonly.aof.2.incr.aof seq 2 type i
file appendonly.aof.3.incr.aof seq 3 type i
"""


def test_reads_every_kind_of_line() -> None:
    manifest = parse(STEM, FULL)
    assert manifest.base == File("appendonly.aof.2.base.rdb", 2, BASE)
    assert [file.sequence for file in manifest.increments] == [2, 3]
    assert [file.name for file in manifest.history] == ["appendonly.aof.1.incr.aof"]
    assert (manifest.last_base, manifest.last_increment) == (2, 3)


def test_writes_what_it_read() -> None:
    assert parse(STEM, FULL).render().encode() == FULL


@pytest.mark.parametrize("text", [
    b"# a comment\nfile a seq 1 type b\n",
    b"FILE a SEQ 1 TYPE b\n",
    b"  file a seq 1 type base \r\n",
    b"file a seq 1 type b startoffset 10 endoffset 20\n",
    b'"file" "a" seq 1x type b\n',
])
def test_tolerates(text: bytes) -> None:
    assert parse(STEM, text).base == File("a", 1, BASE)


@pytest.mark.parametrize("text, reason", [
    (b"", "Found an empty AOF manifest"),
    (b"\n", "Invalid AOF manifest file format"),
    (b"file a seq 1\n", "Invalid AOF manifest file format"),
    (b"file a seq 1 type b extra\n", "Invalid AOF manifest file format"),
    (b"file a seq 0 type b\n", "Invalid AOF manifest file format"),
    (b"file a seq x type b\n", "Invalid AOF manifest file format"),
    (b'file "a seq 1 type b\n', "Invalid AOF manifest file format"),
    (b"file a file b seq 1 type\n", "Invalid AOF manifest file format"),
    (b"file a seq 1 type b\nfile b seq 2 type b\n", "Found duplicate base file information"),
    (b"file a seq 2 type i\nfile b seq 2 type i\n", "Found a non-monotonic sequence number"),
    (b"file a seq 1 type x\n", "Unknown AOF file type"),
    (b"file /tmp/a seq 1 type b\n", "File can't be a path, just a filename"),
    (b"file a seq 1 type b", "The AOF manifest file contains too long line"),
    (b"file " + b"a" * 1024 + b" seq 1 type b\n", "The AOF manifest file contains too long line"),
])
def test_refuses(text: bytes, reason: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse(STEM, text)
    assert caught.value.reason == reason


def test_tells_the_line() -> None:
    with pytest.raises(ManifestError) as caught:
        parse(STEM, b"# x\nfile a seq 1 type b\nfile b seq 1 type q\n")
    assert (caught.value.number, caught.value.line) == (3, "file b seq 1 type q")


def test_a_rewrite_makes_history_of_what_was() -> None:
    manifest = parse(STEM, FULL)
    before = manifest.copy()
    assert manifest.new_increment().name == "appendonly.aof.4.incr.aof"
    assert manifest.new_base(COMMANDS).name == "appendonly.aof.3.base.aof"
    manifest.retire_increments(keep_last=True)
    assert manifest.render() == (
        "file appendonly.aof.3.base.aof seq 3 type b\n"
        "file appendonly.aof.2.incr.aof seq 2 type h\n"
        "file appendonly.aof.3.incr.aof seq 3 type h\n"
        "file appendonly.aof.2.base.rdb seq 2 type h\n"
        "file appendonly.aof.1.incr.aof seq 1 type h\n"
        "file appendonly.aof.4.incr.aof seq 4 type i\n")
    assert before == parse(STEM, FULL)      # a copy does not change with it


def test_a_base_is_named_by_its_form() -> None:
    manifest = parse(STEM, FULL)
    assert manifest.new_base(RDB).name == "appendonly.aof.3.base.rdb"
    assert manifest.new_base(RDB, lambda name: name == "appendonly.aof.4.base.rdb").name == "appendonly.aof.5.base.rdb"


def test_while_off_no_increment_is_kept() -> None:
    manifest = parse(STEM, FULL)
    manifest.retire_increments(keep_last=False)
    assert manifest.increments == [] and len(manifest.history) == 3


names = st.text(st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.lists(names, max_size=5), names)
def test_any_name_survives(increments: list[str], base: str) -> None:
    manifest = Manifest(STEM, File(base, 1, BASE), last_base=1)
    for number, name in enumerate(increments, 1):
        manifest.add(File(name, number, INCREMENT))
    assert parse(STEM, manifest.render().encode()) == manifest


def test_written_and_read_back(tmp_path) -> None:
    folder = Folder(str(tmp_path / "aof"), STEM)
    assert folder.make() is None and folder.make() is None      # twice is no error
    assert folder.read() == Manifest(STEM)
    manifest = parse(STEM, FULL)
    assert folder.write(manifest)
    assert folder.read() == manifest
    assert sorted(path.name for path in (tmp_path / "aof").iterdir()) == ["appendonly.aof.manifest"]


def test_a_failed_write_leaves_the_old_one(tmp_path) -> None:
    folder = Folder(str(tmp_path), STEM)
    folder.write(parse(STEM, FULL))
    (tmp_path / "temp-appendonly.aof.manifest").mkdir()
    assert not folder.write(Manifest(STEM, File("a", 9, HISTORY)))
    assert folder.read() == parse(STEM, FULL)
