"""Completions and man pages hold what the programs' own tables hold, and the programs that read them understand them."""
from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import kv._core.commands
import kv.server.commands
from kv._core.runtime.registry import declarations, declare_package
from kv.benchmark.options import ABSENT, SETTERS, SWITCHES
from kv.cli import check_aof, check_rdb
from kv.cli.options import FLAGS, MODES, WITH_VALUE
from kv.host import files
from kv.server.config.option import HIDDEN
from kv.server.config.table import OPTIONS
from tests.sanitizer import PLAIN

PROGRAMS = list(files.SUMMARIES)
UNTOLD = {"--test_hint", "--test_hint_file", "--slave", "-v"}     # for tests, and older words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("host")
    files.write(path)
    return path / "share"


def names(program: str) -> list[str]:
    return [name for flag in files.flags_of(program) for name in flag.names]


def test_the_options_are_those_of_the_tables() -> None:
    assert set(names("kv-cli")) == {*WITH_VALUE, *FLAGS, *MODES, "--help", "--version"} - UNTOLD
    assert {name for flag in files.flags_of("kv-cli") if flag.value for name in flag.names} == {
        *WITH_VALUE, *(name for name, (_, value) in MODES.items() if value)} - UNTOLD
    assert set(names("kv-benchmark")) == {*SETTERS, *SWITCHES, "--help", "--version"} - set(ABSENT) - UNTOLD
    assert set(names("kv-server")) == {"--help", "--version", "--check-system",
                                       *("--" + option.name for option in OPTIONS if not option.flags & HIDDEN)}
    assert set(names("kv-check-aof")) == set(re.findall(r"--[\w-]+", check_aof.USAGE))
    assert set(names("kv-check-rdb")) == set(re.findall(r"--[\w-]+", check_rdb.parser("").usage or ""))
    for program in PROGRAMS:
        assert len(names(program)) == len(set(names(program)))


def test_words_that_go_on_below_belong_to_the_option() -> None:
    texts = {name: flag.text for flag in files.flags_of("kv-benchmark") for name in flag.names}
    assert texts["-u"].endswith("user, password and dbnum may be left out") and "function_load, fcall" in texts["-t"]
    assert texts["--num-functions"] == "Functions in the library that the function_load test loads (default 10)"
    assert texts["--version"] == "Print the version and exit"
    assert {flag.names[0]: flag.text for flag in files.flags_of("kv-cli")}["--insecure"] == "Trust any certificate"


def test_the_commands_are_those_that_are_declared() -> None:
    declare_package(kv._core.commands)
    declare_package(kv.server.commands)
    assert set(files.command_names()) == {name for name in declarations if "|" not in name} - {"slaveof"}   # an older word


def complete(folder: Path, program: str, *words: str) -> set[str]:
    """What bash offers for the last word."""
    typed = " ".join(map(files.quoted, [program, *words]))
    script = (f"source {folder}/bash-completion/completions/{program}\nCOMP_WORDS=({typed})\n"
              f"COMP_CWORD={len(words)}\n_{program.replace('-', '_')}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n")
    return set(subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes(folder: Path) -> None:
    assert complete(folder, "kv-cli", "--cacert") == {"--cacert", "--cacertdir"}
    assert complete(folder, "kv-cli", "ZRANGEB") == complete(folder, "kv-cli", "zrangeb") == {"zrangebylex", "zrangebyscore"}
    assert complete(folder, "kv-cli", "--rdb", "ma") == {"man"}
    assert complete(folder, "kv-server", "--requirepass") == {"--requirepass", "--requirepass-file", "--requirepass-grace"}
    assert complete(folder, "kv-server", "--appendfsync", "") == {"always", "everysec", "no"}
    assert complete(folder, "kv-server", "--appendonly", "y") == complete(folder, "kv-cli", "--show-pushes", "y") == {"yes"}
    assert complete(folder, "kv-check-aof", "-") == {"--fix", "--truncate-to-timestamp"}
    assert (folder / "bash-completion/completions/kv").read_text() == (folder / "bash-completion/completions/kv-cli").read_text()


@pytest.mark.parametrize("program", PROGRAMS)
def test_shells_find_no_mistake(folder: Path, program: str) -> None:
    for shell, path in (("bash", f"bash-completion/completions/{program}"), ("zsh", f"zsh/site-functions/_{program}"),
                        ("fish", f"fish/vendor_completions.d/{program}.fish")):
        text = (folder / path).read_text()
        for name in names(program):
            assert name.lstrip("-") in text
        if shutil.which(shell):
            checked = subprocess.run([shell, "-n", str(folder / path)], capture_output=True, text=True)
            assert (checked.returncode, checked.stderr) == (0, "")
    zsh = (folder / f"zsh/site-functions/_{program}").read_text()
    assert zsh.startswith("#compdef ") and shlex.split(zsh, comments=True)[0] == "_arguments"


@pytest.mark.parametrize("page", [*(f"man1/{program}.1" for program in PROGRAMS), "man5/kv.conf.5"])
def test_man_understands_the_pages(folder: Path, page: str) -> None:
    path = folder / "man" / page
    assert all(line.startswith((".TH ", ".SH ", ".nf", ".fi")) for line in path.read_text().splitlines() if line.startswith("."))
    if shutil.which("groff"):
        made = subprocess.run(["groff", "-man", "-Tascii", "-ww", "-P-cbou", str(path)], capture_output=True, text=True,
                              env=PLAIN)
        assert (made.returncode, made.stderr) == (0, "")
        assert "NAME" in made.stdout and (page != "man5/kv.conf.5" or "requirepass-file" in made.stdout)
    if shutil.which("lexgrog"):
        name = path.name.rpartition(".")[0]
        assert f'"{name} - ' in subprocess.run(["lexgrog", str(path)], capture_output=True, text=True, check=True, env=PLAIN).stdout


def test_the_configurations_page_has_every_option(folder: Path) -> None:
    text = (folder / "man/man5/kv.conf.5").read_text().replace("\\-", "-")
    for option in OPTIONS:
        assert option.flags & HIDDEN or re.search(rf"^    {re.escape(option.name)} ", text, re.M), option.name
