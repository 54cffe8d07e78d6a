"""The server under systemd: what it tells it, which a socket in its place hears, and the units that start it."""
from __future__ import annotations

import configparser
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.client import request
from tests.integration.program import Server, make_files
from tests.program import ROOT

DEPLOY = ROOT / "deploy"
UNITS = ["kv.service", "kv@.service"]


class Systemd:
    """The socket of NOTIFY_SOCKET, and what came to it, a line each."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.lines: list[tuple[float, str]] = []    # with the monotonic time of their coming
        self.environment = {"NOTIFY_SOCKET": str(path)}

    def read(self) -> list[str]:
        while True:
            try:
                message = self.socket.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return [line for _, line in self.lines]
            self.lines += [(time.monotonic(), line) for line in message.decode().splitlines()]

    def hear(self, line: str, count: int = 1, seconds: float = 20) -> None:
        """Wait until a line has come so often."""
        deadline = time.monotonic() + seconds
        while self.read().count(line) < count:
            assert time.monotonic() < deadline, f"{line} did not come: {self.lines}"
            time.sleep(0.01)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    heard = Systemd(tmp_path / "notify")
    yield heard
    heard.socket.close()


def test_the_life_of_a_server_without_a_watchdog(tmp_path: Path, systemd: Systemd) -> None:
    with Server(tmp_path, environment=systemd.environment, supervised="systemd") as server:
        systemd.hear("READY=1")
        time.sleep(0.3)
        assert server.stop() == 0
        systemd.hear("STOPPING=1")
        assert systemd.read() == ["STATUS=Server is loading...", "STATUS=Ready to accept connections", "READY=1", "STOPPING=1"]


def test_the_watchdog_hears_twice_in_its_time(tmp_path: Path, systemd: Systemd) -> None:
    systemd.environment["WATCHDOG_USEC"] = "1000000"
    with Server(tmp_path, environment=systemd.environment, supervised="systemd"):
        systemd.hear("WATCHDOG=1", 5)
    times = [when for when, line in systemd.lines if line == "WATCHDOG=1"]
    assert all(0.3 < after - before < 1 for before, after in zip(times, times[1:], strict=False))


def test_the_watchdog_hears_of_a_busy_script_but_not_of_a_server_that_stands_still(tmp_path: Path, systemd: Systemd) -> None:
    systemd.environment["WATCHDOG_USEC"] = "400000"
    with Server(tmp_path, environment=systemd.environment, supervised="systemd", busy_reply_threshold=50) as server:
        systemd.hear("READY=1")
        script = server.connect()
        script.socket.sendall(request("EVAL", "while true do end", "0"))
        server.until(lambda: str(server("PING")).startswith("BUSY"))
        systemd.hear("WATCHDOG=1", systemd.read().count("WATCHDOG=1") + 3)
        assert server("SCRIPT", "KILL") == "OK"
        assert "script killed by user" in str(script.reply()).lower()
        server.process.send_signal(signal.SIGSTOP)
        before = systemd.read().count("WATCHDOG=1")
        time.sleep(0.6)
        assert systemd.read().count("WATCHDOG=1") <= before + 1
        server.process.send_signal(signal.SIGCONT)
        systemd.hear("WATCHDOG=1", before + 2)


@pytest.mark.parametrize("variables", [
    {"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}])
def test_a_watchdog_of_another_process_or_of_no_time_hears_nothing(tmp_path: Path, systemd: Systemd, variables) -> None:
    with Server(tmp_path, environment={**systemd.environment, **variables}, supervised="systemd"):
        systemd.hear("READY=1")
        time.sleep(0.4)
        assert "WATCHDOG=1" not in systemd.read()


def test_a_load_puts_off_the_time_limit_of_the_start(tmp_path: Path, systemd: Systemd) -> None:
    """key-load-delay makes each command of the file take a while."""
    make_files(tmp_path, "appendonly.aof", None, b"".join(request("SET", f"key:{n}", "x" * 5000) for n in range(2000)))
    systemd.environment["WATCHDOG_USEC"] = "300000"
    with Server(tmp_path, wait=False, environment=systemd.environment, supervised="systemd", key_load_delay=1000,
                loading_process_events_interval_bytes=1024) as server:
        systemd.hear("EXTEND_TIMEOUT_USEC=60000000")
        systemd.hear("WATCHDOG=1", 3)
        assert "READY=1" not in systemd.read()
        server.stop()


def test_a_systemd_that_does_not_listen_is_logged_and_harms_nothing(tmp_path: Path, systemd: Systemd) -> None:
    systemd.environment["WATCHDOG_USEC"] = "200000"
    with Server(tmp_path, environment=systemd.environment, supervised="systemd") as server:
        systemd.hear("WATCHDOG=1")
        systemd.socket.close()
        server.until(lambda: "Telling systemd that the server is alive: Connection refused" in server.text())
        time.sleep(0.5)
        assert server.text().count("Telling systemd") == 1
        assert server("PING") == "PONG"


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str    # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / "systemd" / name)
    return parser


@pytest.mark.parametrize("name", UNITS)
def test_units_are_what_the_server_needs(name: str) -> None:
    service = unit(name)["Service"]
    assert service["Type"] == "notify" and service["TimeoutStartSec"] == service["TimeoutStopSec"] == "infinity"
    assert "--supervised systemd" in service["ExecStart"] and int(service["LimitNOFILE"]) >= 10_000 + 32
    assert service["WatchdogSec"] and service["Restart"] == "on-failure"
    assert (service["User"], service["Group"]) == ("kv", "kv")
    assert service["ProtectSystem"] == "strict" and service["NoNewPrivileges"] == "yes"
    assert service["StateDirectory"] == ("kv/%i" if "@" in name else "kv")
    assert service["WorkingDirectory"] == "/var/lib/" + service["StateDirectory"]


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_the_units(tmp_path: Path, name: str) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze")
    program = tmp_path / "kv-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = tmp_path / name.replace("@", "@one")
    copy.write_text((DEPLOY / "systemd" / name).read_text().replace("/usr/local/bin/kv-server", str(program)))
    found = subprocess.run([analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True,
                           env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"})
    said = [line for line in (found.stdout + found.stderr).splitlines() if name.partition("@")[0].removesuffix(".service") in line]
    assert (found.returncode, said) == (0, [])


def test_the_instances_have_the_settings_of_the_one_service() -> None:
    one, many = unit("kv.service"), unit("kv@.service")
    different = {"ExecStart", "StateDirectory", "WorkingDirectory", "RuntimeDirectory"}
    assert {key for key in one["Service"] if one["Service"][key] != many["Service"].get(key)} == different
    assert set(one["Service"]) == set(many["Service"])


def test_the_kernel_is_set_as_the_server_asks() -> None:
    lines = (DEPLOY / "sysctl.d" / "60-kv.conf").read_text().splitlines()
    settings = dict(re.split(r"\s*=\s*", line) for line in lines if line and not line.startswith("#"))
    assert settings == {"vm.overcommit_memory": "1", "net.core.somaxconn": "1024"}
    assert int(settings["net.core.somaxconn"]) >= 511       # tcp-backlog


def test_a_log_that_is_rotated_goes_on_in_a_new_file(tmp_path: Path) -> None:
    """The server opens its log for each line, so nothing has to be told to it, and no line is lost by a copy."""
    rules = (DEPLOY / "logrotate" / "kv").read_text()
    directives = [line.strip() for line in rules.splitlines() if line.strip() and not line.startswith("#")]
    assert directives[0] == "/var/log/kv/*.log {" and directives[-1] == "}"
    assert not {"copytruncate", "postrotate", "nocreate"} & set(directives)
    log = tmp_path / "kv.log"
    with Server(tmp_path, logfile=log) as server:
        log.rename(tmp_path / "kv.log.1")
        server("BGREWRITEAOF")
        server.until(lambda: log.exists() and "rewriting started" in log.read_text())
    logrotate = shutil.which("logrotate")
    if logrotate is None:
        return
    checked = tmp_path / "rules"
    checked.write_text(rules.replace("su kv kv\n", ""))     # there is no such user here
    checked.chmod(0o644)
    found = subprocess.run([logrotate, "--debug", "--state", str(tmp_path / "state"), str(checked)], capture_output=True, text=True)
    assert found.returncode == 0 and "error:" not in found.stderr
