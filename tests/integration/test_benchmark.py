"""kv-benchmark against a server that writes down what it is asked, and against a real one if there is one."""
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from kv.benchmark import program
from kv.benchmark.link import Link
from kv.benchmark.options import parse
from kv.benchmark.report import Report
from tests.program import free_port


class Recorder:
    """A server that answers +OK, or what `answers` says, and keeps every request."""

    def __init__(self, path=None, answers=None):
        self.requests = []
        self.connections = 0
        self.answers = answers or {}
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.bind(path or ("127.0.0.1", 0))
        self.listener.listen(512)
        self.port = 0 if path else self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            if connection.family == socket.AF_INET:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while words := self.read(stream):
                    self.requests.append(words)
                    reply = self.answers.get(words[0].upper(), b"+OK\r\n")
                    if reply is None:
                        return
                    connection.sendall(reply)
            except OSError:
                return

    @staticmethod
    def read(stream):
        line = stream.readline()
        if not line.startswith(b"*"):
            return line.split()
        words = []
        for _ in range(int(line[1:])):
            size = int(stream.readline()[1:])
            words.append(stream.read(size + 2)[:-2])
        return words

    def count(self):
        return Counter(words[0].upper() for words in self.requests)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


CONFIG = {b"CONFIG": b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n"}


@pytest.fixture
def recorder():
    server = Recorder(answers=dict(CONFIG))
    yield server
    server.close()


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run(server, *arguments):
    return program.main(["-p", str(server.port), *arguments])


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("pipeline", [1, 7])
def test_sends_whole_pipelines_and_no_more(recorder, threads, pipeline, capsys):
    assert run(recorder, "-n", "100", "-c", "5", "-P", str(pipeline), "--threads", str(threads),
               "SET", "a", "b") == 0
    assert recorder.count()[b"SET"] == -(-100 // pipeline) * pipeline
    wait_for(lambda: recorder.connections == 5 + 1)  # the last may serve nothing, and be accepted late
    out = capsys.readouterr().out
    assert "  5 parallel clients\n  27 bytes payload\n  keep alive: 1\n" in out
    assert f"  multi-thread: {'yes' if threads else 'no'}\n" in out
    assert "(cumulative count 100)\n\nSummary:" in out


def test_report_has_the_lines_of_valkey_benchmark(recorder, capsys):
    assert run(recorder, "-n", "20", "-t", "set") == 0
    out = capsys.readouterr().out.replace(" \r", "")
    pattern = r"""====== SET ======
  20 requests completed in \d+\.\d\d seconds
  50 parallel clients
  3 bytes payload
  keep alive: 1
  host configuration "save": \n  host configuration "appendonly": \n  multi-thread: no

Latency by percentile distribution:
(\d+\.\d{3}% <= \d+\.\d{3} milliseconds \(cumulative count \d+\)\n)+
Cumulative distribution of latencies:
(\d+\.\d{3}% <= \d+\.\d{3} milliseconds \(cumulative count \d+\)\n)+
Summary:
  throughput summary: \d+\.\d\d requests per second
  latency summary \(msec\):
          avg       min       p50       p95       p99       max
   ( +\d+\.\d{3}){6}

"""
    assert re.fullmatch(pattern, out)


def test_quiet_and_csv(recorder, capsys):
    assert run(recorder, "-n", "20", "-q", "-t", "ping_mbulk") == 0
    assert re.fullmatch(r" \rPING_MBULK: \d+\.\d\d requests per second, p50=\d+\.\d{3} msec\n\n",
                        capsys.readouterr().out)
    assert run(recorder, "-n", "20", "--csv", "-t", "ping") == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header == ('"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms",'
                      '"p99_latency_ms","max_latency_ms"')
    assert [row.split(",")[0] for row in rows] == ['"PING_INLINE"', '"PING_MBULK"']
    assert all(re.fullmatch(r'"\w+","\d+\.\d\d"(,"\d+\.\d{3}"){6}', row) for row in rows)


def test_live_line(capsys):
    server = Recorder(answers={**CONFIG, b"SLOW": None})
    server.answers[b"PING"] = b"+PONG\r\n"
    options = parse(["-p", str(server.port), "-q"])
    session = program.Session(options)
    load = session.load(program.encode("PING"))
    report = Report(options, "PING", None)
    capsys.readouterr()
    report.tick(load)
    first = capsys.readouterr().out
    assert re.fullmatch(r" \rPING: rps=0\.0 \(overall: 0\.0\) avg_msec=0\.000 \(overall: 0\.000\)\r", first)
    report.tick(load)
    assert capsys.readouterr().out.startswith(" " * (len(first) - 2) + "\rPING: rps=")
    server.close()


def test_random_numbers_stay_in_the_keyspace_and_follow_the_seed(recorder, capsys):
    arguments = ("-n", "300", "-c", "1", "-P", "10", "-r", "50", "--seed", "5",
                 "SET", "key:__rand_int__", "__rand_int__")
    assert run(recorder, *arguments) == 0
    sent = [words for words in recorder.requests if words[0] == b"SET"]
    numbers = [int(word[-12:]) for words in sent for word in words[1:]]
    assert all(re.fullmatch(rb"SET key:\d{12} \d{12}", b" ".join(words)) for words in sent)
    assert set(numbers) == set(range(50))  # of 600 draws; another seed misses one with a chance of 3 in 10^4
    recorder.requests.clear()
    assert run(recorder, *arguments) == 0
    assert [words for words in recorder.requests if words[0] == b"SET"] == sent


@pytest.mark.parametrize("keyspace", [1, 10, 999_999, 1_000_001, 10**12])
def test_random_numbers_of_every_size(recorder, keyspace, capsys):
    assert run(recorder, "-n", "200", "-c", "2", "-P", "4", "-r", str(keyspace), "GET", "__rand_int__") == 0
    numbers = [int(words[1]) for words in recorder.requests if words[0] == b"GET"]
    assert min(numbers) >= 0 and max(numbers) < keyspace
    assert keyspace == 1 or max(numbers) > keyspace // 2


def test_without_r_the_placeholder_stays_and_data_is_filled_in(recorder, capsys):
    assert run(recorder, "-n", "3", "-d", "5", "SET", "__rand_int__", "a__data__") == 0
    assert [b"SET", b"__rand_int__", b"aVXKeH"] in recorder.requests


def test_greeting_is_sent_once_a_connection_and_not_counted(recorder, capsys):
    assert run(recorder, "-n", "60", "-c", "3", "-P", "2", "-a", "p", "--dbnum", "4", "-3", "INCR", "x") == 0
    assert recorder.count() == {b"AUTH": 4, b"CONFIG": 2, b"SELECT": 3, b"HELLO": 3, b"INCR": 60}


def test_without_keepalive_every_pipeline_has_a_connection(recorder, capsys):
    assert run(recorder, "-n", "40", "-c", "4", "-P", "2", "-k", "0", "-a", "p", "INCR", "x") == 0
    assert recorder.count()[b"INCR"] == 40 and recorder.count()[b"AUTH"] == 20 + 1
    assert recorder.connections == 20 + 1
    captured = capsys.readouterr()
    assert "  keep alive: 0\n" in captured.out and captured.err.startswith("WARNING: Keepalive disabled.")


def test_large_pipelines_go_through_a_full_socket(recorder, capsys):
    value = "v" * 400_000
    assert run(recorder, "-n", "40", "-c", "2", "-P", "20", "-r", "10", "SET", "__rand_int__", value) == 0
    values = {words[2] for words in recorder.requests if words[0] == b"SET"}
    assert values == {value.encode()} and recorder.count()[b"SET"] == 40


def test_last_argument_from_standard_input(recorder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\\n\0\xff")))
    assert run(recorder, "-x", "-n", "2", "-q", "SET", "key") == 0
    assert [b"SET", b"key", b"a\\n\0\xff"] in recorder.requests
    assert "SET key: " in capsys.readouterr().out


def test_unix_socket(tmp_path, capsys):
    server = Recorder(path=str(tmp_path / "s"), answers=dict(CONFIG))
    assert program.main(["-s", str(tmp_path / "s"), "-n", "30", "-k", "0", "-c", "3", "-q", "PING"]) == 0
    assert server.count()[b"PING"] == 30
    server.close()


def test_an_error_reply_ends_everything_with_one_line(recorder, capsys):
    recorder.answers[b"SET"] = b"-OOM not today\r\n"
    assert run(recorder, "-n", "1000", "-q", "-t", "set,get") == 1
    captured = capsys.readouterr()
    assert captured.err == "Error from server: OOM not today\n" and "requests per second" not in captured.out
    assert recorder.count()[b"GET"] == 0


@pytest.mark.parametrize("reply, line", [
    (None, "Error: Server closed the connection\n"),
    (b"HTTP/1.1 400\r\n", 'Error: Protocol error, got "H" as reply type byte\n')])
def test_a_broken_connection_is_told(recorder, reply, line, capsys):
    recorder.answers[b"SET"] = reply
    assert run(recorder, "-n", "10", "-c", "1", "--csv", "-t", "set") == 1
    assert capsys.readouterr().err == line


def test_a_server_that_is_not_there(tmp_path, capsys):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        assert program.main(["-p", str(port)]) == 1
    assert capsys.readouterr().err == f"Could not connect to server at 127.0.0.1:{port}: Connection refused\n"
    assert program.main(["-s", str(tmp_path / "none")]) == 1
    line = f"Could not connect to server at {tmp_path}/none: No such file or directory\n"
    assert capsys.readouterr().err == line


def test_a_wrong_password_and_a_silent_config(recorder, capsys):
    recorder.answers[b"CONFIG"] = b"-ERR unknown command\r\n"
    assert run(recorder, "-n", "1", "-q", "PING") == 0
    assert capsys.readouterr().err == "WARNING: Could not fetch server CONFIG\n"
    recorder.answers[b"AUTH"] = b"-WRONGPASS no\r\n"
    assert run(recorder, "-a", "x", "PING") == 1
    assert capsys.readouterr().err == f"Node 127.0.0.1:{recorder.port} replied with error:\nWRONGPASS no\n"


def test_fcall_loads_its_library_first(recorder, capsys):
    assert run(recorder, "-n", "5", "-q", "-t", "fcall", "--num-keys-in-fcall", "2") == 0
    loaded = [words for words in recorder.requests if words[0] == b"FUNCTION"]
    assert [words[:3] for words in loaded] == [[b"FUNCTION", b"LOAD", b"REPLACE"]]
    assert [b"fcall", b"foo1", b"2", b"key1", b"key2"] in recorder.requests


def start(server, *arguments):
    """The program in a process of its own that can be interrupted, even where SIGINT is ignored here."""
    return subprocess.Popen(
        [sys.executable, "-m", "kv.benchmark.program", "-p", str(server.port), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))


@pytest.mark.parametrize("mode", [["-q", "-l", "-t", "ping"], ["-n", "100000000", "-t", "ping"],
                                  ["-n", "100000000", "--threads", "2", "--csv", "GET", "x"]])
def test_interrupt_prints_what_was_measured(recorder, mode):
    process = start(recorder, "-c", "4", *mode)
    wait_for(lambda: len(recorder.requests) >= 1000)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")
    rate = re.search(r'([\d.]+) requests per second|"GET x","([\d.]+)"', out)
    assert 10 < float(rate[1] or rate[2]) < 10_000_000


def test_idle_connections_wait_until_the_server_objects(recorder):
    process = start(recorder, "-c", "6", "-I")
    wait_for(lambda: recorder.connections == 7)
    time.sleep(0.6)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert out.startswith("Creating 6 idle connections and waiting forever (Ctrl+C when done)\nclients: 6\n")
    assert set(recorder.count()) == {b"CONFIG"}


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory):
    server = shutil.which("redis-server") or shutil.which("valkey-server")
    if not server:
        pytest.skip("no redis-server here")
    port = free_port()
    folder = tmp_path_factory.mktemp("redis")
    process = subprocess.Popen([server, "--port", str(port), "--save", "", "--dir", str(folder)],
                               stdout=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"})
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.02)
    yield port
    process.kill()
    process.wait()


def test_whole_suite_against_a_real_server(redis_port, capsys):
    assert program.main(["-p", str(redis_port), "-n", "200", "-P", "3", "-r", "100", "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1 + 23
    link = Link(parse(["-p", str(redis_port)]))
    stats = link.ask("INFO", "commandstats").decode()
    calls = {name: int(n) for name, n in re.findall(r"cmdstat_([\w|]+):calls=(\d+)", stats)}
    assert calls["ping"] == 402 and calls["lpush"] == 402 and calls["lrange"] == 804
    assert calls["mset"] == calls["xadd"] == calls["spop"] == calls["fcall"] == 201


def test_resp3_and_tracking_against_a_real_server(redis_port, capsys):
    options = ["-p", str(redis_port), "-q", "-3", "--enable-tracking", "-n", "2000",
               "-c", "8", "-P", "5", "-r", "3"]
    script = "redis.call('get', KEYS[1]) redis.call('set', KEYS[1], 1) return {1, {2, 3}}"
    assert program.main([*options, "--threads", "2", "SET", "key:__rand_int__", "__rand_int__"]) == 0
    assert program.main([*options, "EVAL", script, "1", "key:__rand_int__"]) == 0
    assert capsys.readouterr().err == ""
