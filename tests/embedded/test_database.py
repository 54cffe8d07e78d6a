"""kv.open: a database in this process, in memory."""
from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref

import pytest

import kv
from kv._core.engine.inspect import check


@pytest.fixture
def db():
    with kv.open() as database:
        yield database
        if not database.closed:
            check(database.host.engine)


def test_commands_and_values(db):
    assert db.execute("SET", "key", 1) == "OK"
    assert db.execute("GET", b"key") == b"1"
    assert db.execute("HSET", "hash", "field", 1.5, "other", b"\xff\x00") == 2
    assert db.execute("HGETALL", "hash") == {b"field": b"1.5", b"other": b"\xff\x00"}
    assert db.execute("SADD", "set", "a", "b") == 2
    assert db.execute("SMEMBERS", "set") == {b"a", b"b"}
    assert db.execute("GET", "none") is None
    with pytest.raises(kv.ReplyError, match="^WRONGTYPE "):
        db.execute("LPUSH", "key", 1)


def test_commands_that_only_a_server_has_figures_for(db):
    db.execute("SET", "key", "value")
    info = db.execute("INFO", "everything")
    assert "db0:keys=1,expires=0" in info and "redis_version:7.2.4" in info
    assert db.execute("CONFIG", "GET", "maxmemory") == {b"maxmemory": b"0"}
    assert isinstance(db.execute("SLOWLOG", "GET"), list)
    assert db.execute("MEMORY", "USAGE", "key") > 0
    assert db.execute("LASTSAVE") > 0
    assert db.execute("EVAL", "return redis.call('GET', KEYS[1])", 1, "key") == b"value"
    assert db.execute("FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() return 7 end)") == b"l"
    assert db.execute("FCALL", "f", 0) == 7
    payload = db.execute("DUMP", "key")
    assert db.execute("RESTORE", "copy", 0, payload) == "OK" and db.execute("GET", "copy") == b"value"


def test_options(db):
    with kv.open(maxmemory="1mb", maxmemory_policy="allkeys-lru", databases=2, lazyfree_lazy_expire=True) as other:
        assert other.execute("CONFIG", "GET", "maxmemory*policy") == {b"maxmemory-policy": b"allkeys-lru"}
        assert other.execute("CONFIG", "GET", "maxmemory") == {b"maxmemory": b"1048576"}
        with pytest.raises(kv.ReplyError, match="out of range"):
            other.execute("SELECT", 2)
        for number in range(3000):
            other.execute("SET", number, "x" * 1000)
        assert other.execute("DBSIZE") < 1500
    assert db.execute("CONFIG", "SET", "hash-max-listpack-entries", 1) == "OK"
    db.execute("HSET", "h", "a", 1, "b", 2)
    assert db.execute("OBJECT", "ENCODING", "h") == b"hashtable"


@pytest.mark.parametrize("options", [{"no_such_option": 1}, {"maxmemory": "much"}, {"appendfsync": "sometimes"}])
def test_an_option_that_is_none_is_refused(options):
    with pytest.raises(kv.OptionError):
        kv.open(**options)


def test_what_is_the_process_s_is_refused(db):
    here = os.getcwd()
    for name, value in (("port", "7000"), ("maxclients", "100"), ("loglevel", "debug")):
        with pytest.raises(kv.ReplyError, match="embedded in a program"):
            db.execute("CONFIG", "SET", name, value)
    assert os.getcwd() == here


def test_two_databases_know_nothing_of_each_other(db):
    with kv.open() as other:
        db.execute("SET", "key", 1)
        assert other.execute("GET", "key") is None
        other.execute("CONFIG", "SET", "list-max-listpack-size", 2)
        for database in (db, other):
            database.execute("RPUSH", "list", *range(10))
        assert db.execute("OBJECT", "ENCODING", "list") == b"listpack"
        assert other.execute("OBJECT", "ENCODING", "list") == b"quicklist"


def test_expiry_is_seen_to_by_who_uses_the_database(db):
    for number in range(100):
        db.execute("SET", number, 1, "PX", 20)
    time.sleep(0.25)
    db.execute("PING")
    time.sleep(0.15)
    assert db.execute("DBSIZE") == 0


def test_a_thread_waits_and_another_one_ends_its_wait(db):
    found = []
    thread = threading.Thread(target=lambda: found.append(db.execute("BLPOP", "list", 0, wait=30)))
    thread.start()
    while db.execute("INFO", "clients").find("blocked_clients:1") < 0:
        time.sleep(0.001)
    db.execute("RPUSH", "list", "value")
    thread.join(30)
    assert found == [[b"list", b"value"]]


def test_threads_share_it(db):
    def work():
        for _ in range(2000):
            db.execute("INCR", "counter")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.execute("GET", "counter") == b"16000"


def test_a_command_must_not_run_within_another(db):
    seen = []

    def note(level, text):
        try:
            db.execute("PING")
        except RuntimeError as error:
            seen.append(str(error))

    db.alive().engine.on_script_log = note
    db.execute("EVAL", "redis.log(redis.LOG_WARNING, 'x') return 1", 0)
    assert seen == ["a command runs"]


def test_another_thread_ends_a_script_that_runs_on(db):
    db.execute("CONFIG", "SET", "busy-reply-threshold", 10)
    errors = []

    def run():
        try:
            db.execute("EVAL", "while true do end", 0)
        except kv.ReplyError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    while True:
        try:
            db.execute("SCRIPT", "KILL")
            break
        except kv.ReplyError as error:
            assert str(error).startswith("NOTBUSY")
            time.sleep(0.01)
    thread.join(30)
    assert errors and "Script killed by user" in errors[0]
    assert db.execute("PING") == "PONG"


def test_use_after_close(db):
    client = db.client()
    assert client.ping() and db.execute("PING")
    db.close()
    db.close()
    with pytest.raises(kv.ClosedError, match="the database is closed"):
        db.execute("PING")
    with pytest.raises(Exception, match="(?i)closed"):
        client.ping()
    gc.collect()


def test_it_can_t_be_pickled_or_copied(db):
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="can't be pickled"):
            take(db)


def test_a_forked_process_is_told_so(db):
    program = (
        "import os, kv\n"
        "db = kv.open()\n"
        "client = db.client()\n"
        "client.set('a', 1)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    for call in (lambda: db.execute('PING'), client.ping, lambda: db.alive().engine.session()):\n"
        "        try:\n"
        "            call()\n"
        "        except kv.ForkedError as error:\n"
        "            print(error, flush=True)\n"
        "    os._exit(0)\n"
        "os.waitpid(pid, 0)\n"
        "print(db.execute('GET', 'a'))\n")
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert out.stderr == ""
    assert out.stdout.splitlines() == 3 * [
        "this process was forked from the one that opened the database: open it here anew"] + ["b'1'"]


def test_what_is_dropped_is_freed():
    database = kv.open()
    reference = weakref.ref(database.alive().engine)
    client = database.client()
    client.set("key", "value")
    del database, client
    gc.collect()
    assert reference() is None


def test_the_interpreter_ends_with_everything_open():
    program = ("import kv, threading\n"
               "db = kv.open()\n"
               "client = db.client()\n"
               "pubsub = client.pubsub()\n"
               "pubsub.subscribe('c')\n"
               "threading.Thread(target=lambda: db.execute('BLPOP', 'l', 0, wait=60), daemon=True).start()\n"
               "threading.Thread(target=lambda: client.blpop('l', 60), daemon=True).start()\n"
               "session = db.alive().engine.session()\n"
               "print(client.ping())\n")
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (out.stdout, out.stderr, out.returncode) == ("True\n", "", 0)
