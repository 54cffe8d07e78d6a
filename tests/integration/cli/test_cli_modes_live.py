"""The modes against a real server."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kv.cli.resp import encode
from tests.integration.cli.cli_programs import CLI, Server, environment, piped_client, redis_server, run


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with redis_server(tmp_path) as running:
        yield running


def test_scan(server: Server) -> None:
    server.call("MSET", *sum(([f"key:{n}", "v"] for n in range(300)), []))
    server.call("RPUSH", b"l\x00", "x")
    assert len(server.run("--scan").stdout.splitlines()) == 301
    assert server.run("--scan", "--pattern", "*:29?").stdout.count(b"\n") == 10
    assert server.run("--scan", "--type", "list", "--count", "1000").stdout == b"l\x00\n"
    assert server.run("--scan", "--quoted-pattern", r'"l\x00"', tty=True).stdout == b'"l\\x00"\n'
    failed = server.run("--scan", "--count", "0")
    assert (failed.returncode, failed.stderr) == (1, b"SCAN error: ERR syntax error\n")


def test_big_keys(server: Server) -> None:
    server.call("SET", "small", "x")
    server.call("SET", "big", "x" * 100)
    server.call("RPUSH", "l", "a", "b")
    text = server.run("--bigkeys").stdout.decode()
    assert "Sampled 3 keys in the keyspace!\nTotal key length in bytes is 9 (avg len 3.00)\n" in text
    assert "Biggest string found '\"big\"' has 100 bytes\n" in text
    assert "Biggest   list found '\"l\"' has 2 items\n" in text
    assert "2 strings with 101 bytes (66.67% of keys, avg size 50.50)\n" in text
    assert "0 streams with 0 entries (00.00% of keys, avg size 0.00)\n" in text
    memory = server.run("--memkeys-samples", "1").stdout.decode()
    assert "Biggest string found '\"big\"' has " in memory
    assert " bytes (33.33% of keys" in memory


def test_an_empty_keyspace(server: Server) -> None:
    text = server.run("--bigkeys").stdout.decode()
    assert "Sampled 0 keys in the keyspace!\nTotal key length in bytes is 0 (avg len 0.00)\n" in text


def test_hot_keys(server: Server) -> None:
    refused = server.run("--hotkeys")
    server.call("SET", "k", "v")
    refused = server.run("--hotkeys")
    assert refused.returncode == 1
    assert b"LFU maxmemory policy is not selected" in refused.stderr
    server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    server.call("CONFIG", "SET", "lfu-log-factor", "0")
    server.call("MSET", *sum(([f"key:{n}", "v"] for n in range(20)), []))
    for _ in range(30):
        server.call("GET", "key:7")
    text = server.run("--hotkeys").stdout.decode()
    found = [line for line in text.splitlines() if line.startswith("hot key found with counter: ")]
    assert len(found) == 16
    assert found[0].endswith('keyname: "key:7"')
    assert [int(line.split()[5]) for line in found] == sorted(
        (int(line.split()[5]) for line in found), reverse=True
    )


def test_pipe(server: Server) -> None:
    commands = (
        b"".join(encode((b"INCR", b"n")) for _ in range(2000)) + encode((b"SET", b"big", b"x" * 500_000)) * 20
    )
    ran = server.run("--pipe", stdin=commands + encode((b"NOSUCH",)))
    assert ran.returncode == 1
    assert ran.stderr.startswith(b"ERR unknown command 'NOSUCH'")
    assert ran.stdout.splitlines() == [
        b"All data transferred. Waiting for the last reply...",
        b"Last reply received from server.",
        b"errors: 1, replies: 2021",
    ]
    assert server.call("GET", "n") == b"2000"
    assert server.run("--pipe").stdout.endswith(b"errors: 0, replies: 0\n")


def test_pipe_gives_up_on_silence(server: Server) -> None:
    ran = server.run("--pipe", "--pipe-timeout", "1", stdin=encode((b"BLPOP", b"nothing", b"0")))
    assert ran.returncode == 1
    assert ran.stderr == b"No replies for 1 seconds: exiting.\n"


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_rdb(server: Server, tmp_path: Path, diskless: str) -> None:
    server.call("CONFIG", "SET", "repl-diskless-sync", diskless)
    server.call("SET", "marker-key", "v")
    target = tmp_path / "copy.rdb"
    ran = server.run("--rdb", str(target))
    assert ran.returncode == 0
    assert b"Transfer finished with success" in ran.stderr
    data = target.read_bytes()
    assert data.startswith(b"REDIS0") and b"marker-key" in data
    assert data[-9] == 0xFF  # the end of the file, before its checksum: nothing of the mark is left
    assert b"marker-key" in server.run("--rdb", "-").stdout
    functions = server.run("--functions-rdb", str(target))
    assert functions.returncode == 0
    assert b"marker-key" not in target.read_bytes()


def test_replica(server: Server) -> None:
    with piped_client("-p", str(server.port), "--replica") as dialogue:
        dialogue.until(b"Logging commands from primary.\n")
        server.call("SET", "k", "v")
        assert b'"SET","k","v"\n' in dialogue.until(b'"v"\n')


def test_stat(server: Server) -> None:
    server.call("SET", "k", "v")
    with piped_client("-p", str(server.port), "--stat", "-i", "0.01") as dialogue:
        assert dialogue.until(b"connections          \n").startswith(b"------- data ------ ")
        first = dialogue.until(b"\n").split()
        assert first[0] == b"1" and first[5] == b"(+0)"
        assert dialogue.until(b"\n").split()[5] == b"(+1)"


def test_latency(server: Server) -> None:
    fields = server.run("--latency", "--csv", "-i", "0.05").stdout.decode().strip().split(",")
    assert len(fields) == 4 and int(fields[3]) >= 1
    with piped_client("-p", str(server.port), "--latency-dist", "-i", "0.02") as dialogue:
        dialogue.until(b"From 0 to 100%")
        dialogue.until(b"?\033[0m\n")


def test_lru_test(server: Server) -> None:
    with piped_client("-p", str(server.port), "--lru-test", "10") as dialogue:
        assert b" Gets/sec | Hits: " in dialogue.until(b"%)\n")


def test_intrinsic_latency_needs_no_server() -> None:
    ran = run("-p", "1", "--intrinsic-latency", "0")
    assert ran.returncode == 0
    assert b"0 total runs" in ran.stdout


def test_interrupted_search_sums_up(server: Server) -> None:
    server.call("DEBUG", "POPULATE", "20000")
    process = subprocess.Popen(
        [*CLI, "-p", str(server.port), "--bigkeys", "--count", "1", "-i", "0.2"],
        stdout=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    while b"Biggest string found so far" not in process.stdout.readline():
        pass
    process.send_signal(2)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait() == 0
    assert b"-------- summary -------" in rest
    assert b"Sampled 20000 keys" not in rest
