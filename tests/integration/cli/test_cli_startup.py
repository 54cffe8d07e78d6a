"""What a health probe pays: which modules one command loads."""

import subprocess
import sys

from tests.integration.cli.cli_programs import CLI, ScriptedServer, environment, run

# Besides what the bare interpreter loads: `socket` and what it is made of, and the client's own few.
ALLOWED = {
    *("socket", "_socket", "selectors", "select", "math", "enum", "types", "functools", "collections"),
    *("collections.abc", "operator", "keyword", "reprlib", "itertools", "array", "errno"),
    *("_functools", "_operator", "_collections", "builtins", "_weakref", "weakref", "_weakrefset"),
    *("kv", "kv.cli", "kv.cli.client", "kv.cli.errors", "kv.cli.options", "kv.cli.session", "kv.cli.format"),
    *("kv.cli.resp", "kv.cli.arguments", "kv.cli.interrupts", "kv.quoting", "signal"),
    *("io", "_types"),          # since 3.14 the bare interpreter does without
}
PROGRAM = """
import sys
before = set(sys.modules)
from kv.cli.client import main
sys.argv[1:] = ["-p", "{port}", "ping"]
status = main()
print(" ".join(sorted(set(sys.modules) - before)), file=sys.stderr)
sys.exit(status)
"""


def test_one_command_loads_little() -> None:
    with ScriptedServer([b"+PONG\r\n"]) as server:
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(port=server.port)], capture_output=True, env=environment()
        )
    assert (ran.returncode, ran.stdout) == (0, b"PONG\n")
    assert set(ran.stderr.decode().split()) <= ALLOWED


def test_a_reader_that_leaves_is_no_error() -> None:
    with ScriptedServer([b"$100000\r\n" + b"x" * 100_000 + b"\r\n"]) as server:
        process = subprocess.Popen(
            [*CLI, "-p", str(server.port), "get", "k"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait() == 141


def test_help_and_version_need_no_server() -> None:
    assert run("--version").stdout.startswith(b"kv-cli ")
    assert b"--bigkeys" in run("--help").stdout
