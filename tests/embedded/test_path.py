"""kv.open(path): a database in this process that keeps its data in a folder, as a server does."""
from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import redis

import kv
from tests.program import Program


def test_the_data_are_there_again(tmp_path):
    with kv.open(tmp_path / "made" / "here") as db:
        db.execute("SET", "key", "value")
        db.execute("RPUSH", "list", *range(100))
        db.execute("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 7 end)")
    with kv.open(str(tmp_path / "made" / "here")) as db:
        assert db.execute("GET", "key") == b"value"
        assert db.execute("LLEN", "list") == 100
        assert db.execute("FCALL", "f", 0) == 7
        assert "aof_enabled:1" in db.execute("INFO", "persistence")


def test_nothing_is_written_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with kv.open(tmp_path / "data") as db:
        db.execute("SET", "key", "value")
        db.execute("SAVE")
        assert db.execute("BGREWRITEAOF")
        ended = time.monotonic() + 60
        while "aof_rewrite_in_progress:1" in db.execute("INFO", "persistence") or "aof_rewrite_scheduled:1" in db.execute(
                "INFO", "persistence"):
            assert time.monotonic() < ended
            time.sleep(0.01)
        assert "aof_last_bgrewrite_status:ok" in db.execute("INFO", "persistence")
    assert os.listdir(tmp_path / "elsewhere") == []
    assert sorted(os.listdir(tmp_path / "data")) == ["appendonlydir", "dump.rdb"]


def test_a_server_goes_on_with_the_folder(tmp_path):
    with kv.open(tmp_path) as db:
        db.execute("HSET", "hash", "field", "value")
        db.execute("SET", "key", 1, "EX", 1000)
    server = Program(tmp_path, "--appendonly", "yes")
    client = server.client()
    assert client.hgetall("hash") == {b"field": b"value"} and client.ttl("key") > 900
    client.set("other", 2)
    assert server.stop() == 0
    with kv.open(tmp_path) as db:
        assert db.execute("MGET", "key", "other") == [b"1", b"2"]


def test_a_folder_belongs_to_one(tmp_path):
    with kv.open(tmp_path):
        with pytest.raises(kv.FolderInUse, match=f"The folder {tmp_path} is in use by another process"):
            kv.open(tmp_path)
        with pytest.raises(RuntimeError, match="The folder .* is in use by a program that embeds a database"):
            Program(tmp_path, "--appendonly", "yes")
    server = Program(tmp_path, "--appendonly", "yes", "--enable-protected-configs", "yes")
    with pytest.raises(kv.FolderInUse):
        kv.open(tmp_path)
    with kv.open(tmp_path / "other"), pytest.raises(redis.ResponseError, match="is in use by a program"):
        server.client().config_set("dir", str(tmp_path / "other"))
    assert server.client().config_get("dir") == {"dir": str(tmp_path)}
    assert server.stop() == 0
    kv.open(tmp_path).close()


def test_what_can_t_be_read_is_said(tmp_path):
    with kv.open(tmp_path) as db:
        db.execute("SET", "key", "value")
    (name,) = [name for name in os.listdir(tmp_path / "appendonlydir") if name.endswith(".incr.aof")]
    with open(tmp_path / "appendonlydir" / name, "r+b") as file:
        file.write(b"*x")
    with pytest.raises(kv.LoadError, match=name):
        kv.open(tmp_path)
    with pytest.raises(kv.LoadError):       # and the folder is let go
        kv.open(tmp_path)


def test_a_program_that_is_killed_loses_nothing_that_was_acknowledged(tmp_path):
    program = ("import sys, kv\n"
               "db = kv.open(sys.argv[1], appendfsync='always')\n"
               "for number in range(10**9):\n"
               "    db.execute('RPUSH', 'list', number)\n"
               "    sys.stdout.write(f'{number}\\n')\n"
               "    sys.stdout.flush()\n")
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE)
        for _ in range(50):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        told = [int(line) for line in process.stdout.read().split(b"\n")[:-1]][-1:]
        process.wait()
        with kv.open(tmp_path) as db:
            found = [int(item) for item in db.execute("LRANGE", "list", 0, -1)]
            assert found == list(range(len(found))) and (not told or len(found) > told[0])
            db.execute("DEL", "list")


def test_what_can_t_be_synced_is_told(tmp_path, monkeypatch, caplog):
    def fail(fd):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    db = kv.open(tmp_path, appendfsync="always")
    db.execute("SET", "key", 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            db.execute("SET", "key", 2)
        client = db.client(retry=None)
        with pytest.raises(redis.ConnectionError):
            client.set("key", 3)
    assert "Can't persist AOF for fsync error" in caplog.text
    db.execute("SET", "key", 4)
    db.close()
    with kv.open(tmp_path) as db:
        assert db.execute("GET", "key") == b"4"


def test_everysec_is_synced_by_the_clock(tmp_path):
    with kv.open(tmp_path) as db:
        db.execute("SET", "key", 1)
        assert db.execute("WAITAOF", 1, 0, 0, wait=30)[0] == 1


def test_clients_of_other_processes(tmp_path):
    with kv.open() as db:
        host, port = db.listen()
        out = subprocess.run([sys.executable, "-m", "kv.cli.client", "-p", str(port), "set", "key", "value"], capture_output=True,
                             text=True, timeout=60)
        assert out.stdout == "OK\n"
        assert db.execute("GET", "key") == b"value"
        waiting = subprocess.Popen([sys.executable, "-m", "kv.cli.client", "-p", str(port), "blpop", "list", "30"],
                                   stdout=subprocess.PIPE, text=True)
        while "blocked_clients:1" not in db.execute("INFO", "clients"):
            time.sleep(0.01)
        threading.Timer(0.05, db.execute, ("RPUSH", "list", "item")).start()
        assert waiting.communicate(timeout=60)[0] == "list\nitem\n"
