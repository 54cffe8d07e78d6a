"""kv.conf: every option once, at its default, in a form that reads, with words of its own before it."""

import re
from pathlib import Path

from kv.server.config import Config, table
from kv.server.config.option import HIDDEN
from kv.server.config.source import Reader

LINES = (Path(__file__).parents[4] / "kv.conf").read_text().splitlines()
OPTION = re.compile(r"#([a-z0-9-]+) .+")


def options():
    return [match[1] for line in LINES if (match := OPTION.fullmatch(line))]


def test_every_option_is_there_in_the_order_of_the_table():
    visible = [option.name for option in table.OPTIONS if not option.flags & HIDDEN]
    assert list(dict.fromkeys(options())) == visible


def test_only_what_takes_several_lines_has_several():
    twice = {name for name in options() if options().count(name) > 1}
    assert twice == {"client-output-buffer-limit"}


def test_it_has_no_effect_as_it_is():
    assert all(not line or line.startswith("#") for line in LINES)


def test_every_option_is_at_its_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config()
    config.force("save", "")
    config.force("client-output-buffer-limit", "normal 1 1 1 replica 1 1 1 pubsub 1 1 1")
    Reader(config).read_text("\n".join(line[1:] for line in LINES if OPTION.fullmatch(line)))
    assert config.match(["*"]) == Config().match(["*"])


def test_every_option_has_words_before_it():
    group = ""
    for line in LINES:
        if OPTION.fullmatch(line):
            assert group, line
        else:
            group = line if line.startswith("# ") else ""
