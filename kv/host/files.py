"""Completions for bash, zsh and fish, and man pages, made of the tables that the programs read themselves.

    python -m kv.host.files FOLDER       writes them below FOLDER, as share/man/man1/kv-cli.1 and so on

A build of the wheel does the same, and has them installed below the prefix (setup.py). Nothing compiled is imported: the options
are those of the usage texts and of the configuration's table, and the names of commands are read off their declarations in the
sources.
"""
from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import kv
from kv.benchmark.options import USAGE as BENCHMARK
from kv.cli.options import FLAGS, WITH_VALUE
from kv.cli.usage import USAGE as CLI
from kv.server.about import HELP as SERVER
from kv.server.config.option import HIDDEN, Bool, Choice, Option
from kv.server.config.table import OPTIONS

HERE = Path(__file__).parents[1]     # the package kv
CHECK_AOF = """\
Usage: kv-check-aof [OPTIONS] <file.manifest|file.aof>

 --fix                          Cut a torn end off, after asking
 --truncate-to-timestamp <time> Cut off what was written after this unix time
"""
CHECK_RDB = """\
Usage: kv-check-rdb <rdb-file-name> [OPTIONS]

 --quick             Read over values: look at what is around them, and the checksum
 --stats             Keys, bytes, expiries and elements by type, and by prefix of keys
 --format <form>     Of what --stats shows: table, info, csv or json
 --output <file>     A file for what --stats shows
 --separator <text>  What ends a prefix (default :)
 --depth <n>         How many separators a prefix has, at most (default 1)
 --top <n>           How many prefixes are shown, the largest first (default 20)
"""
SUMMARIES = {"kv-cli": "command line client of a key-value server", "kv-server": "key-value server",
             "kv-benchmark": "load generator for key-value servers", "kv-check-aof": "checks and repairs append-only files",
             "kv-check-rdb": "checks snapshots"}
USAGES = {"kv-cli": CLI, "kv-server": SERVER, "kv-benchmark": BENCHMARK, "kv-check-aof": CHECK_AOF, "kv-check-rdb": CHECK_RDB}
ALIASES = {"kv-cli": ("kv",)}   # other names of a program


class Flag:
    """An option of a program: `names` as they are typed, `value` what follows ("" for nothing, yes|no for one of these words), and
    what it does."""

    def __init__(self, names: list[str], value: str, text: str) -> None:
        self.names, self.value, self.text = names, value, text
        self.words = value.split("|") if "|" in value else []   # which `value` may be, where they are known


def flags_of_usage(usage: str) -> list[Flag]:
    """The options in a usage text: a line each, `-a, --name <value>`, then blanks, then words that may go on below."""
    flags: list[Flag] = []
    column = 0      # where the words begin
    for line in usage.splitlines():
        found = re.match(r" {1,2}(-[\w-]+(?:, -[\w-]+)*)(?: (<[^>]*>))?(?: +|$)", line)
        if found:
            text = line[found.end():]
            column = found.end() if text else column
            flags.append(Flag(found[1].split(", "), (found[2] or "")[1:-1], text))
        elif flags and column and line.startswith(" " * min(column, 15)) and line.strip():
            flags[-1].text = f"{flags[-1].text} {line.strip()}".strip()
        else:
            column = 0
    return flags


def server_flags() -> list[Flag]:
    """Options of the configuration as kv-server takes them."""
    own = [Flag(["--help"], "", "Print the usage"), Flag(["--version"], "", "Print the version"),
           Flag(["--check-system"], "", "Look for settings of the system that harm the server")]
    shown = [option for option in OPTIONS if not option.flags & HIDDEN]
    return own + [Flag(["--" + option.name], value_of(option), "An option of kv.conf") for option in shown]


def value_of(option: Option) -> str:
    """The words that an option may be, or that it is any value."""
    if isinstance(option, Bool):
        return "yes|no"
    return "|".join(option.words) if isinstance(option, Choice) else "value"


def flags_of(program: str) -> list[Flag]:
    if program == "kv-server":
        return server_flags()
    flags = flags_of_usage(USAGES[program])
    if program == "kv-cli":     # the usage tells of some in passing only
        told = {name for flag in flags for name in flag.names}
        flags += [Flag([name], "value", "") for name in WITH_VALUE if name not in told]
        flags += [Flag([name], "", "") for name in FLAGS if name not in told]
    return flags


def command_names() -> list[str]:
    """Names of the commands, read off their declarations."""
    declared = re.compile(r'(?:\bdeclare\(\s*native\(\w+\),|@command\(|^container\()\s*"([a-z_.-]+)"', re.M)
    sources = [*HERE.glob("_core/commands/**/*.pyx"), *HERE.glob("server/commands/**/*.py")]
    return sorted({name for path in sources for name in declared.findall(path.read_text())})


# -- completions ----------------------------------------------------------------------------------------------------------------

def bash(program: str) -> str:
    flags = flags_of(program)
    function = "_" + program.replace("-", "_")
    cases = [f"        {'|'.join(flag.names)}) COMPREPLY=($(compgen -W {quoted(' '.join(flag.words))} -- \"$word\")); return ;;"
             for flag in flags if flag.words]
    valued = "|".join(name for flag in flags if flag.value and not flag.words for name in flag.names)
    cases.append(f"        {valued}) COMPREPLY=($(compgen -f -- \"$word\")); return ;;")
    between = "\n".join(cases)
    names = " ".join(command_names()) if program == "kv-cli" else ""
    first = f'COMPREPLY=($(compgen -W "{names}" -- "${{word,,}}"))' if names else 'COMPREPLY=($(compgen -f -- "$word"))'
    return f"""# bash completion of {program}, made by kv/host/files.py
{function}() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
    case "$before" in
{between}
    esac
    case "$word" in
        -*) COMPREPLY=($(compgen -W "{' '.join(name for flag in flags for name in flag.names)}" -- "$word")) ;;
        *) {first} ;;
    esac
}}
complete -o bashdefault -F {function} {' '.join([program, *ALIASES.get(program, ())])}
"""


def quoted(text: str) -> str:
    """As one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def zsh(program: str) -> str:
    lines = [f"#compdef {' '.join([program, *ALIASES.get(program, ())])}", "# Made by kv/host/files.py", "_arguments \\"]
    for flag in flags_of(program):
        text = re.sub(r"([\[\]:\\])", r"\\\1", flag.text)
        known = f":value:({' '.join(flag.words)})" if flag.words else f":{flag.value}:_files"
        value = known if flag.value else ""
        lines += [f"  {quoted(f'{name}[{text}]{value}')} \\" for name in flag.names]
    if program == "kv-cli":
        lines.append(f"  {quoted('1:command:(' + ' '.join(command_names()) + ')')} \\")
    return "\n".join([*lines, "  '*:file:_files'"]) + "\n"


def fish(program: str) -> str:
    lines = ["# Made by kv/host/files.py"]
    for name in (program, *ALIASES.get(program, ())):
        for flag in flags_of(program):
            forms = " ".join(("-l " if one.startswith("--") else "-s ") + one.lstrip("-") for one in flag.names)
            value = f" -x -a {quoted(' '.join(flag.words))}" if flag.words else " -r" if flag.value else ""
            lines.append(f"complete -c {name} {forms}{value} -d {quoted(flag.text)}")
        if program == "kv-cli":
            lines.append(f"complete -c {name} -n __fish_is_first_arg -f -a {quoted(' '.join(command_names()))}")
    return "\n".join(lines) + "\n"


# -- man pages ------------------------------------------------------------------------------------------------------------------

def roff(text: str) -> str:
    """Text as man shows it: no backslash or dash means more than itself, and no line is a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in text.splitlines())


def title(name: str, section: int, summary: str) -> str:
    return f'.TH {roff(name.upper())} {section} "" "Hanzo KV {kv.__version__}"\n.SH NAME\n{roff(name)} \\- {roff(summary)}\n'


def man(program: str) -> str:
    """Its usage, as it is, since its columns say more than paragraphs would."""
    synopsis, _, rest = USAGES[program].partition("\n\n")
    page = title(program, 1, SUMMARIES[program])
    page += f".SH SYNOPSIS\n.nf\n{roff(synopsis.removeprefix('Usage: '))}\n.fi\n.SH DESCRIPTION\n.nf\n{roff(rest.rstrip())}\n.fi\n"
    also = sorted(set(SUMMARIES) - {program})
    return page + ".SH SEE ALSO\n" + ", ".join(f"\\fB{roff(name)}\\fR(1)" for name in also) + ", \\fBkv.conf\\fR(5)\n"


def man_of_configuration(text: str) -> str:
    """kv.conf(5), of the commented file: a section a heading, the paragraphs and options as they stand there."""
    page = title("kv.conf", 5, "configuration of kv-server")
    first, _, _ = text.partition("\n\n\n")
    page += f".SH DESCRIPTION\n.nf\n{roff(uncommented(first))}\n.fi\n"
    for block in text.split("\n\n\n")[1:]:
        heading, _, body = block.strip("\n").partition("\n")
        page += f".SH {roff(heading.strip('# -').upper())}\n.nf\n{roff(uncommented(body).strip())}\n.fi\n"
    return page


def uncommented(text: str) -> str:
    """Comments bare, options indented."""
    return "\n".join("" if not line.strip("#") else line[2:] if line.startswith("# ") else "    " + line.removeprefix("#")
                     for line in text.splitlines())


# -- files ----------------------------------------------------------------------------------------------------------------------

def files() -> Iterator[tuple[str, str]]:
    """All of them: the path below the prefix, the text."""
    for program in SUMMARIES:
        for name in (program, *ALIASES.get(program, ())):
            yield f"share/bash-completion/completions/{name}", bash(program)
            yield f"share/man/man1/{name}.1", man(program) if name == program else f".so man1/{program}.1\n"
        yield f"share/zsh/site-functions/_{program}", zsh(program)
        yield f"share/fish/vendor_completions.d/{program}.fish", fish(program)
    configuration = HERE.parent / "kv.conf"
    if configuration.exists():      # not in an installed package, nor where the image is built
        yield "share/man/man5/kv.conf.5", man_of_configuration(configuration.read_text())


def write(folder: Path) -> list[str]:
    """Write them below a folder; their paths there. Raises OSError."""
    paths = []
    for path, text in files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        paths.append(path)
    return paths


if __name__ == "__main__":
    for written in write(Path(sys.argv[1] if len(sys.argv) > 1 else ".")):
        print(written)
