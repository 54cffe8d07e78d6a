"""What a configuration means to the running server: who may log in, which names commands have, where files are, which
processors are used, what is said of options without effect."""
from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from tests.program import ROOT, Program, free_port

PYTHON = [sys.executable, "-m", "kv.server"]
HASH = hashlib.sha256(b"secret").hexdigest()
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def may_log_in(server: Program, password: str | None) -> bool:
    try:
        return server.client(password=password).ping()
    except redis.AuthenticationError:
        return False


def config_file(server: Program) -> str:
    return (server.directory / "kv.conf").read_text()


# -- the default user -------------------------------------------------------------------------------------------------

def test_a_password_that_is_known_by_its_hash(start_server) -> None:
    server = start_server(config=f"user default on sanitize-payload #{HASH} ~* &* +@all\n")
    assert [may_log_in(server, password) for password in ("secret", "other", HASH, None)] == [True, False, False, False]
    client = server.client(password="secret")
    assert client.config_get("requirepass") == {"requirepass": ""}
    client.config_rewrite()
    assert f"\nuser default on sanitize-payload #{HASH} ~* &* +@all\n" in "\n" + config_file(server)
    client.config_set("requirepass", "new")
    assert [may_log_in(server, password) for password in ("secret", "new", None)] == [False, True, False]
    client.config_rewrite()
    known = hashlib.sha256(b"new").hexdigest()
    assert re.findall(r"^(?:user|requirepass) .*", config_file(server), re.M) == [
        f"user default on sanitize-payload #{known} ~* &* +@all", 'requirepass "new"']


def test_a_config_set_that_fails_leaves_the_hash_valid(start_server) -> None:
    server = start_server(config=f"user default on #{HASH} ~* &* +@all\n")
    with pytest.raises(redis.ResponseError, match="bind"):
        server.client(password="secret").execute_command("CONFIG", "SET", "requirepass", "new", "bind", "192.0.2.1")
    assert [may_log_in(server, password) for password in ("secret", "new", None)] == [True, False, False]


def test_a_user_without_password_needs_none_whatever_requirepass_says(start_server) -> None:
    server = start_server(config="requirepass secret\nuser default on nopass sanitize-payload ~* &* +@all\n")
    assert may_log_in(server, None) and may_log_in(server, "anything")
    assert server.client().config_get("requirepass") == {"requirepass": "secret"}
    with pytest.raises(redis.AuthenticationError, match="without any password configured for the default user"):
        server.client().execute_command("AUTH", "secret")


def test_an_acl_file_that_sets_requirepass_aside_is_told_of(start_server, tmp_path) -> None:
    (tmp_path / "users.acl").write_text("")
    server = start_server("--aclfile", str(tmp_path / "users.acl"), "--requirepass", "secret")
    assert may_log_in(server, None)
    assert "WARNING requirepass has no effect where there is an aclfile" in server.text()


@pytest.fixture
def debian(tmp_path):
    """Debian's redis-server in a directory of its own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    started = []

    def start(config: str) -> Program:
        directory = tmp_path / f"debian{len(started)}"
        directory.mkdir()
        started.append(Program(directory, command=[program], config=config))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.mark.parametrize("lines, password", [
    ("", None), ("requirepass secret\n", "secret"), (f"user default on #{HASH} ~* &* +@all\n", "secret"),
    ("user default on nopass skip-sanitize-payload ~* &* +@all\n", None)])
def test_files_are_handed_to_and_fro(start_server, debian, lines: str, password: str | None) -> None:
    """What CONFIG REWRITE of either server writes the other one reads, with the same meaning."""
    ours = start_server(config=lines)
    for name, value in (("maxmemory", "100mb"), ("save", "60 1 300 10"), ("notify-keyspace-events", "KEA"), ("hz", "20"),
                        ("client-output-buffer-limit", "pubsub 1mb 2mb 3"), ("shutdown-on-sigterm", "nosave force"),
                        ("latency-tracking-info-percentiles", "50 99"), ("oom-score-adj-values", "1 2 3"), ("loglevel", "verbose")):
        ours.client(password=password).config_set(name, value)
    ours.client(password=password).config_rewrite()
    theirs = debian(config_file(ours))
    assert may_log_in(theirs, password) and may_log_in(theirs, "other") == (password is None)
    theirs.client(password=password).config_rewrite()
    again = start_server(config=config_file(theirs))
    assert may_log_in(again, password) and may_log_in(again, "other") == (password is None)
    client = again.client(password=password)
    assert client.config_get("maxmemory", "notify-keyspace-events", "hz", "shutdown-on-sigterm") == {
        "maxmemory": str(100 << 20), "notify-keyspace-events": "AKE", "hz": "20", "shutdown-on-sigterm": "nosave force"}


# -- names of commands ------------------------------------------------------------------------------------------------

HARDENING = """SAVE BGSAVE BGREWRITEAOF EVAL EVALSHA SCRIPT FUNCTION FCALL MODULE SLAVEOF REPLICAOF MIGRATE RESTORE DUMP ACL CLUSTER
    SYNC PSYNC DEBUG CONFIG SHUTDOWN KEYS FLUSHALL FLUSHDB MONITOR FAILOVER REPLCONF PFDEBUG HEXPIRE"""
HARDENED = HARDENING.split()


def test_a_list_that_hardens(start_server) -> None:
    server = start_server(config="".join([f'rename-command {name} ""\n' for name in HARDENED]))
    for name in HARDENED:
        with pytest.raises(redis.ResponseError, match="unknown command"):
            server.client().execute_command(name, "x", "y")


@pytest.mark.parametrize("lines, complaint", [
    (["rename-command EVAL x", "rename-command eval y"], "No such command in rename-command"),
    (["rename-command EVAL get"], "Target command name already exists"),
    (["rename-command GET eval"], "Target command name already exists"),
    (["rename-command BGSAVE b", "rename-command SAVE B"], "Target command name already exists"),
    (["rename-command BGSAVED x"], "No such command in rename-command"),
    (["rename-command config|set x"], "No such command in rename-command"),
])
def test_renames_that_make_no_sense(tmp_path: Path, lines: list[str], complaint: str) -> None:
    path = tmp_path / "kv.conf"
    path.write_text("\n".join(lines))
    done = subprocess.run([*PYTHON, str(path), "--port", "0"], capture_output=True, text=True, timeout=30, env=ENVIRONMENT)
    assert done.returncode == 1
    assert done.stderr.endswith(f"at line {len(lines)}\n>>> '{lines[-1]}'\n{complaint}\n")


def test_a_name_is_free_once_its_command_has_another(start_server) -> None:
    lines = ('EVAL ""', "GET EVAL", "EVALSHA get", "EVAL fetch")
    server = start_server(config="".join([f"rename-command {line}\n" for line in lines]))
    client = server.client()
    client.set("k", "v")
    assert client.execute_command("FETCH", "k") == b"v"
    with pytest.raises(redis.ResponseError, match="wrong number of arguments for 'evalsha' command"):
        client.execute_command("GET", "k")
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.execute_command("EVAL", "k")


# -- paths ------------------------------------------------------------------------------------------------------------

def test_relative_paths_are_those_of_the_start(tmp_path: Path) -> None:
    """The program's and the configuration's from where it was started, all others from dir; and they stay where they are."""
    begun, data, other = (tmp_path / name for name in ("begun", "data", "other"))
    for folder in (begun, data, other):
        folder.mkdir()
    (begun / "kv-server").write_text("import sys\nfrom kv.server.__main__ import main\nsys.exit(main())\n")
    (begun / "kv.conf").write_text("hz 20\n")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "kv-server", "kv.conf", "--port", str(port), "--bind", "127.0.0.1", "--dir", "../data",
         "--logfile", "kv.log", "--pidfile", "kv.pid", "--unixsocket", "kv.sock", "--enable-protected-configs", "yes",
         "--enable-debug-command", "yes", "--save", ""], cwd=begun, env=ENVIRONMENT)
    try:
        client = wait_for(port)
        assert client.info("server")["executable"] == str(begun / "kv-server")
        assert client.info("server")["config_file"] == str(begun / "kv.conf")
        assert sorted(os.listdir(data)) == ["kv.log", "kv.pid", "kv.sock"] and len(os.listdir(begun)) == 2
        assert "KV is starting" in (data / "kv.log").read_text()
        assert int((data / "kv.pid").read_text()) == process.pid
        client.config_set("dir", str(other))
        client.config_rewrite()
        assert f'dir "{other}"' in (begun / "kv.conf").read_text()
        with pytest.raises(redis.ConnectionError):
            client.execute_command("DEBUG", "RESTART")
        client = wait_for(port)     # of the same words, from where it was started
        assert client.config_get("dir") == {"dir": str(data)}
        client.config_set("dir", str(other))
        client.shutdown(nosave=True)
        assert process.wait(20) == 0
        assert os.listdir(data) == ["kv.log"]
    finally:
        process.kill()
        process.wait()


def test_a_rewrite_after_a_restart_writes_the_same_file(tmp_path: Path) -> None:
    """What the file says is what the new process has, whatever form it was in."""
    (tmp_path / "more.conf").write_text("maxclients 500\n")
    path = tmp_path / "kv.conf"
    path.write_text(f"# a remark\ninclude {tmp_path}/more.conf\nport {free_port()}\nbind 127.0.0.1\nsave 900 1\nsave 300 10\n"
                    "logfile kv.log\npidfile kv.pid\nenable-debug-command yes\nappendonly yes\naof-import-rdb yes\n"
                    "rdb-write-version 10\nrename-command FLUSHDB \"\"\nclient-output-buffer-limit pubsub 10mb 5mb 60\n"
                    "user default on >hello ~* &* +@all\nnotify-keyspace-events KEA\n")
    words = [sys.executable, "-m", "kv.server", "kv.conf", "--loglevel", "verbose"]
    process = subprocess.Popen(words, cwd=tmp_path, env=ENVIRONMENT)
    try:
        port = int(path.read_text().split("port ")[1].split()[0])
        client = wait_for(port, "hello")
        for name, value in (("hz", "33"), ("save", "100 2"), ("maxmemory", "50mb"), ("appendfsync", "always"),
                            ("client-output-buffer-limit", "normal 1mb 2mb 3"), ("requirepass", "a b\"c")):
            client.config_set(name, value)
        client.config_rewrite()
        written = path.read_bytes()
        for how in ("RESTART", "CRASH-AND-RECOVER", "RESTART"):
            with pytest.raises(redis.ConnectionError):
                client.execute_command("DEBUG", how)
            client = wait_for(port, "a b\"c")
            client.config_rewrite()
            assert path.read_text() == written.decode()
    finally:
        process.kill()
        process.wait()


def wait_for(port: int, password: str | None = None) -> redis.Redis:
    client = redis.Redis("127.0.0.1", port, password=password)
    for _ in range(1000):
        try:
            client.ping()
            return client
        except redis.ConnectionError:
            time.sleep(0.02)
    raise AssertionError("the server did not start")


def test_a_directory_that_cannot_be_entered(tmp_path: Path, monkeypatch) -> None:
    from kv.server import server
    from kv.server.config import Config, FatalConfigError

    config = Config()
    config.force("dir", str(tmp_path))
    tmp_path.rmdir()
    with pytest.raises(FatalConfigError, match=f"Can't chdir to '{tmp_path}': No such file or directory"):
        server.enter_directory(config)


# -- processors and huge pages ----------------------------------------------------------------------------------------

def threads(server: Program) -> dict[str, set[str]]:
    """Where the threads of each name may run: {"kv-server": {"0"}}."""
    found: dict[str, set[str]] = {}
    for task in Path(f"/proc/{server.process.pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
        found.setdefault("main" if int(task.name) == server.process.pid else "background", set()).add(status["Cpus_allowed_list"])
    return found


@pytest.mark.skipif(not os.sched_getaffinity(0) >= {0, 1}, reason="needs processors 0 and 1")
def test_processors(start_server) -> None:
    everywhere = Path("/proc/self/status").read_text().split("Cpus_allowed_list:\t")[1].split("\n")[0]
    for options, main, background in ((("--server-cpulist", "1"), "1", everywhere),
                                      (("--bio-cpulist", "0"), everywhere, "0"),
                                      (("--server-cpulist", "0-1:2", "--bio_cpulist", "1"), "0", "1")):
        server = start_server("--appendonly", "yes", *options)
        client = server.client()
        client.mset(dict.fromkeys(range(1000), "v"))
        client.flushall(asynchronous=True)
        server.until(lambda server=server: len(list(Path(f"/proc/{server.process.pid}/task").iterdir())) >= 3)
        wanted = {"main": {main}, "background": {background}}
        # A thread that was just started goes to its processors as the first thing it does.
        server.until(lambda server=server, wanted=wanted: threads(server) == wanted)


@pytest.mark.skipif(not os.sched_getaffinity(0) >= {0, 1}, reason="needs processors 0 and 1")
def test_processors_of_a_rewrite(start_server) -> None:
    server = start_server("--appendonly", "yes", "--aof-rewrite-cpulist", "1", "--server-cpulist", "0", "--rdb-key-save-delay",
                          "1000000")
    server.client().mset({str(key): "v" for key in range(10)})
    server.client().execute_command("BGREWRITEAOF")
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    server.until(lambda: children.read_text().split())
    [child] = children.read_text().split()
    server.until(lambda: "Cpus_allowed_list:\t1\n" in Path(f"/proc/{child}/status").read_text())


def test_processors_that_make_no_sense_are_told_of(start_server) -> None:
    for cpulist, reason in (("0-", "a list of processors is such as 0,2 or 0-3 or 0-7:2"), ("1023", "Invalid argument")):
        server = start_server("--server-cpulist", cpulist)
        assert f"WARNING server-cpulist {cpulist} has no effect: {reason}." in server.text()


@pytest.mark.skipif("THP_enabled" not in Path("/proc/self/status").read_text(), reason="the kernel does not tell")
@pytest.mark.parametrize("words, enabled", [((), "0"), (("--disable-thp", "no"), "1")])
def test_huge_pages(start_server, words: tuple[str, ...], enabled: str) -> None:
    server = start_server(*words)
    server.client().ping()
    assert f"THP_enabled:\t{enabled}\n" in Path(f"/proc/{server.process.pid}/status").read_text()


def test_the_kernel_is_checked_for_its_bug() -> None:
    from kv._core.engine.system import kernel_loses_pages

    assert kernel_loses_pages(os.sysconf("SC_PAGE_SIZE")) is False


@pytest.mark.parametrize("lost, words, starts, said", [
    (False, "", True, ""),
    (True, "", False, "Your kernel has a bug that could lead to data corruption during background save. Please upgrade to the "
                      "latest stable kernel."),
    (True, "OTHER ARM64-COW-BUG", True, "Your kernel has a bug"),
    (None, "", False, "Failed to test the kernel for a bug"),
    (None, "ARM64-COW-BUG", True, "Failed to test the kernel for a bug"),
    (True, "ARM64-COW-BUGS", False, "ignore-warnings ARM64-COW-BUG")])
def test_a_kernel_with_the_bug(monkeypatch, capfd, lost, words: str, starts: bool, said: str) -> None:
    from kv.server import system
    from kv.server.config import Config

    monkeypatch.setattr(system, "kernel_loses_pages", lambda page_size: lost)
    config = Config()
    config.force("ignore-warnings", words)
    assert system.check_kernel(config) is starts
    assert said in capfd.readouterr().out


def test_the_systems_checks_name_what_is_wrong(monkeypatch, tmp_path, capsys) -> None:
    from kv.server import system

    monkeypatch.setattr(system, "HUGE_PAGES", str(tmp_path / "enabled"))
    monkeypatch.setattr(system, "OVERCOMMIT", str(tmp_path / "none"))
    (tmp_path / "enabled").write_text("[always] madvise never\n")
    assert system.check_system() == 1
    lines = capsys.readouterr().out.splitlines()
    assert "[overcommit]...skipped" in lines
    advice = lines[lines.index("[THP]...WARNING:") + 1]
    assert advice.startswith("You have Transparent Huge Pages (THP) support enabled in your kernel.")
    (tmp_path / "enabled").write_text("always [madvise] never\n")
    system.check_system()
    assert "[THP]...OK" in capsys.readouterr().out


# -- options without effect -------------------------------------------------------------------------------------------

def test_options_without_effect_are_told_of_once_by_name(start_server) -> None:
    server = start_server(config="activedefrag yes\nio-threads 4\nappendonly yes\nrepl-diskless-sync no\nrdbcompression no\n")
    # --save "" is on the command line of every server here
    [line] = [line for line in server.text().splitlines() if "without effect" in line]
    assert line.endswith("# WARNING Set but without effect in this release: activedefrag, io-threads.")
    assert server.client().config_get("activedefrag", "io-threads") == {"activedefrag": "yes", "io-threads": "4"}
    with pytest.raises(redis.ResponseError, match="Active defragmentation cannot be enabled"):
        server.client().config_set("activedefrag", "yes")
    assert "without effect" not in start_server().text()


# -- what an entry point is given -------------------------------------------------------------------------------------

@pytest.mark.parametrize("words, values", [
    (["valkey-server", "--appendonly", "yes"], {"appendonly": "yes"}),
    (["redis-server", "--requirepass", ""], {"requirepass": ""}),
    (["redis-server", "--save", "60", "1", "--loglevel", "warning"], {"save": "60 1", "loglevel": "warning"}),
    (["/usr/local/bin/redis-server", "{file}", "--maxmemory", "1gb"], {"maxmemory": str(1 << 30), "hz": "30"}),
    (["sh", "-c", "exec {python} -m kv.server redis-server --hz 40 --port {port} --bind 127.0.0.1"], {"hz": "40"}),
    (["env", "VALKEY_EXTRA_FLAGS=--hz 50", *PYTHON], {"hz": "50"}),
])
def test_command_lines_made_for_other_images(tmp_path: Path, words: list[str], values: dict[str, str]) -> None:
    (tmp_path / "redis.conf").write_text("hz 30\n")
    port = free_port()
    parts = {"file": tmp_path / "redis.conf", "python": sys.executable, "port": port}
    words = [word.format(**parts) for word in words]
    own = [] if words[0] == "sh" else ["--port", str(port), "--bind", "127.0.0.1"]
    environment = {**ENVIRONMENT, "KV_DEFAULT_FLAGS": "--protected-mode no"}
    process = subprocess.Popen([*PYTHON, *words, *own], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    try:
        client = wait_for(port)
        assert client.config_get(*values, "protected-mode") == {**values, "protected-mode": "no"}
    finally:
        process.kill()
        process.wait()


def test_flags_of_the_image_count_least_and_those_of_its_user_most(tmp_path: Path) -> None:
    port = free_port()
    environment = {**ENVIRONMENT, "KV_DEFAULT_FLAGS": "--protected-mode no --hz 20 --timeout 7 --save 9 9",
                   "VALKEY_EXTRA_FLAGS": "--maxmemory 3mb --timeout 8"}
    process = subprocess.Popen([*PYTHON, "--port", str(port), "--hz", "30", "--maxmemory", "1mb", "--save", "60 1",
                                "--dir", str(tmp_path), "--protected-mode", "yes"], env=environment, stdout=subprocess.DEVNULL)
    try:
        assert wait_for(port).config_get("protected-mode", "hz", "timeout", "maxmemory", "save") == {
            "protected-mode": "yes", "hz": "30", "timeout": "8", "maxmemory": str(3 << 20), "save": "60 1"}
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("environment, words, answers", [
    ({"REDIS_PASSWORD": "p"}, [], {"p": True, "": False}),
    ({"REDIS_PASSWORD": "p"}, ["--requirepass", ""], {"": True}),
    ({"REDIS_PASSWORD": "p"}, ["--requirepass", "q"], {"q": True, "p": False}),
    ({"REDIS_PASSWORD": "p"}, ["{folder}/users.conf"], {"u": True, "p": False}),
    ({"REDIS_PASSWORD": "p", "REDIS_PASSWORD_FILE": "{folder}/file"}, ["--dir", "/"], {"of file": True, "p": False}),
    ({"REDIS_PASSWORD_FILE": "{folder}/file"}, ["--requirepass-file", "{folder}/other"], {"of other": True, "of file": False}),
    ({"REDIS_PASSWORD": "p", "KV_REQUIREPASS_FROM": ""}, [], {"": True})])
def test_a_password_of_the_environment_counts_where_nothing_else_says_one(
        tmp_path: Path, environment: dict[str, str], words: list[str], answers: dict[str, bool]) -> None:
    (tmp_path / "users.conf").write_text("user default on >u ~* &* +@all\n")
    (tmp_path / "file").write_text("of file\n")
    (tmp_path / "other").write_text("of other\n")
    port = free_port()
    words = [word.format(folder=tmp_path) for word in words]
    environment = {name: value.format(folder=tmp_path) for name, value in environment.items()}
    process = subprocess.Popen([*PYTHON, *words, "--port", str(port), "--bind", "127.0.0.1"], cwd=tmp_path,
                               stdout=subprocess.PIPE, text=True,
                               env={**ENVIRONMENT, "KV_REQUIREPASS_FROM": "KV_PASSWORD REDIS_PASSWORD", **environment})
    try:
        right = next(password for password, accepted in answers.items() if accepted)
        wait_for(port, password=right or None)
        for password, accepted in answers.items():
            client = redis.Redis("127.0.0.1", port, password=password or None)
            if accepted:
                assert client.ping()
            else:
                with pytest.raises(redis.AuthenticationError):
                    client.ping()
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=30)
    assert not any(password and password in said for password in ("of file", "of other"))


def test_another_program_is_run(tmp_path: Path) -> None:
    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run([*PYTHON, *words], cwd=tmp_path, capture_output=True, text=True, timeout=30, env=ENVIRONMENT)
        return done.returncode, done.stdout + done.stderr

    assert run("sh", "-c", "true") == (0, "")
    assert run("sh", "-c", 'echo "$0 $1"; exit 3', "a", "b c") == (3, "a b c\n")
    assert run("sh", "-c", "yes | head -1; kill -PIPE $$")[1] == "y\n"      # SIGPIPE is not ignored there
    status, said = run("nothing-of-that-name")
    assert status == 1 and f"can't open config file '{tmp_path}/nothing-of-that-name': No such file or directory" in said
