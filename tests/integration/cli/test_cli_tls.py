"""TLS: what is trusted, and that waiting on a TLS socket works, whose records need not carry data."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kv.cli.resp import encode
from tests.integration.cli.cli_programs import Server, free_port, piped_client, redis_server, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key and a certificate that vouches for itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    where = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=test"]
    subprocess.run(command, cwd=where, check=True, capture_output=True)
    return where


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[str]:
    chosen = str(free_port())
    files = ["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem", "--tls-ca-cert-file", "cert.pem"]
    with redis_server(folder, "--tls-port", chosen, *files, "--tls-auth-clients", "optional") as server:
        assert isinstance(server, Server)
        yield chosen


def test_trust(port: str, folder: Path) -> None:
    cert = str(folder / "cert.pem")
    assert run("--tls", "--cacert", cert, "-p", port, "ping").stdout == b"PONG\n"
    assert (
        run("--insecure", "-u", f"rediss://127.0.0.1:{port}/2", "client", "info").stdout.count(b" db=2 ") == 1
    )
    refused = run("--tls", "-p", port, "ping")
    assert refused.returncode == 1
    assert b"certificate verify failed" in refused.stderr


def test_client_certificate(port: str, folder: Path) -> None:
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    assert run("--tls", "--insecure", "--cert", cert, "--key", key, "-p", port, "ping").stdout == b"PONG\n"
    assert run("--tls", "--insecure", "--key", key, "-p", port, "ping").returncode == 1
    missing = run("--tls", "--cacert", "/nonexistent", "-p", port, "ping")
    assert (missing.returncode, missing.stderr[:28]) == (1, b"Could not load the TLS files")


def test_no_tls_behind_the_port() -> None:
    refused = run("--tls", "-p", str(free_port()), "ping")
    assert refused.stderr.endswith(b"Connection refused\n")


def test_pipe(port: str) -> None:
    commands = encode((b"SET", b"k", b"x" * 400_000)) + encode((b"GET", b"k")) * 40
    ran = run("--tls", "--insecure", "-p", port, "--pipe", stdin=commands)
    assert ran.stdout.endswith(b"errors: 0, replies: 41\n")


def test_subscription(port: str) -> None:
    arguments = ("--tls", "--insecure", "-p", port)
    with piped_client(*arguments) as dialogue:
        dialogue.ask(b"subscribe c", b"c\n1\n")
        for text in ("one", "two"):
            assert run(*arguments, "publish", "c", text).stdout == b"1\n"
            dialogue.until(b"message\nc\n%b\n" % text.encode())
        assert dialogue.ask(b"unsubscribe", b"0\n") == b"unsubscribe\nc\n0\n"
