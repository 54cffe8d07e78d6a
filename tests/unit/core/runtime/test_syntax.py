"""The languages of declarations: every command of Valkey 8.1.7 can be written in them, mistakes are told."""
from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kv._core.runtime.syntax import check_arguments, key_range, parse_arguments, parse_keys

DATA = Path(__file__).parents[3] / "data"
FACTS = json.loads((DATA / "commands.json").read_text())
TEXTS = json.loads((DATA / "command-syntax.json").read_text())


def test_the_data_hold_every_command_and_subcommand():
    assert sum("|" not in name for name in FACTS) == 242
    assert sum("|" in name for name in FACTS) == 137
    assert TEXTS.keys() == FACTS.keys()


@pytest.mark.parametrize("name", FACTS)
def test_a_text_gives_the_arguments_of_a_command(name):
    expected = FACTS[name].get("arguments", [])
    parsed = parse_arguments(TEXTS[name][1])
    assert parsed == expected
    assert json.dumps(parsed) == json.dumps(expected)   # the order of members is that of COMMAND DOCS
    check_arguments(TEXTS[name][1])


@pytest.mark.parametrize("name", FACTS)
def test_a_text_gives_the_keys_of_a_command(name):
    specs = parse_keys(TEXTS[name][0])
    span, movable = key_range(specs)
    assert list(specs) == FACTS[name]["key_specs"]
    assert list(span) == FACTS[name]["keys"]
    assert movable == ("movablekeys" in FACTS[name]["flags"])


def argument(name, type_="string", **more):
    shown = {} if type_ in ("oneof", "block") else {"display_text": name}
    return {"name": name, "type": type_, **shown, **more}


def pure(name, **more):
    return argument(name.lower(), "pure-token", token=name, **more)


@pytest.mark.parametrize("text, expected", [
    ("", []),
    ("value", [argument("value")]),
    ("count:integer", [argument("count", "integer")]),
    ("pattern", [argument("pattern", "pattern")]),
    ("EX seconds:integer", [argument("seconds", "integer", token="EX")]),
    ("NX XX", [pure("NX"), pure("XX")]),
    ("[NX]", [pure("NX", flags=["optional"])]),
    ("value...", [argument("value", flags=["multiple"])]),
    ("[GET pattern...]", [argument("pattern", "pattern", token="GET", flags=["optional", "multiple"])]),
    ("[GET pattern]...",
     [argument("pattern", "pattern", token="GET", flags=["optional", "multiple", "multiple_token"])]),
    ("(unit: M | KM)", [argument("unit", "oneof", arguments=[pure("M"), pure("KM")])]),
    ("[unit@1.0.0: M | KM]",
     [argument("unit", "oneof", since="1.0.0", flags=["optional"], arguments=[pure("M"), pure("KM")])]),
    ("(data: field value)...",
     [argument("data", "block", flags=["multiple"], arguments=[argument("field"), argument("value")])]),
    ("[LIMIT a b]",
     [argument("limit", "block", token="LIMIT", flags=["optional"],
               arguments=[argument("a"), argument("b")])]),
    ("(LIMIT range: a b)",
     [argument("range", "block", token="LIMIT", arguments=[argument("a"), argument("b")])]),
    ("[WITH: A | B]",
     [argument("with", "oneof", token="WITH", flags=["optional"], arguments=[pure("A"), pure("B")])]),
    ("WITH (x: a b)...",
     [argument("x", "block", token="WITH", flags=["multiple"], arguments=[argument("a"), argument("b")])]),
    ("[GET@6.2.0]", [pure("GET", since="6.2.0", flags=["optional"])]),
    ("old@-2.8.12", [argument("old", deprecated_since="2.8.12")]),
    ("old@1.0.0-2.8.12", [argument("old", since="1.0.0", deprecated_since="2.8.12")]),
    ("limit=LIMIT count", [argument("limit", "pure-token", token="LIMIT"), argument("count")]),
    ('none=""', [argument("none", "pure-token", token="")]),
    ("id<client-id>", [argument("id") | {"display_text": "client-id"}]),
    ("key destination:key pattern:pattern#1 last:key",
     [argument("key", "key", key_spec_index=0), argument("destination", "key", key_spec_index=1),
      argument("pattern", "pattern", key_spec_index=1), argument("last", "key", key_spec_index=2)]),
])
def test_the_documented_forms(text, expected):
    assert parse_arguments(text) == expected


@pytest.mark.parametrize("text", [
    "[", "]", "(a b)", "(a", "a)", "[]", "()", "[a", "[a)", "(a: ]", "a | b", "[a | b]", "(x: a | )",
    "(x: | a)", "(x:)", "(x: a b | c)", "(x: a | b c | d)", "a:string:integer", "a:number", "a:", "EX: a",
    "a#b", "a=b", "@1.0.0", "[a b]", "a<b", "[a: b ]]", "key:oneof", "...", "EX@", "EX@-",
    "[[a]]", "[a...]...", "GET... pattern", "X (X: a b)", "X... (x: a b)", "(x:integer: a b)", "(x<y>: a b)",
    "(LIMIT l@1.0.0: a b)", "(LIMIT... l: a b)", "(x:...: a)", "EX seconds@1.0.0", "(LIMIT l#1: a b)",
])
def test_a_bad_text_is_refused(text):
    with pytest.raises(ValueError):
        parse_arguments(text)


@given(st.text(alphabet="aB[]()|:.@#=<>\" 1-", max_size=30))
def test_no_text_does_anything_but_parse_or_be_refused(text):
    try:
        parse_arguments(text)
    except ValueError:
        pass


@given(st.text(alphabet="?1@S.#+/%;() ROaces-", max_size=20))
def test_no_keys_do_anything_but_parse_or_be_refused(text):
    try:
        key_range(parse_keys(text))
    except ValueError:
        pass


@pytest.mark.parametrize("text", [
    "key", "1 access read", "1 RO RW", "x@1 RO", "1.. RO", "1..-1/ RO", "1#2 RO", "-1 RO", "RO"])
def test_bad_keys_are_refused(text):
    with pytest.raises(ValueError):
        parse_keys(text)


def test_brackets_are_counted_at_start_up():
    for text in ("[a", "a)", "((a: b)"):
        with pytest.raises(ValueError, match="brackets"):
            check_arguments(text)


def test_the_last_word_of_a_range_is_counted_as_the_first_is():
    assert parse_keys("2..4 RO")[0]["find_keys"]["spec"]["lastkey"] == 2
    assert parse_keys("2..-1 RO")[0]["find_keys"]["spec"]["lastkey"] == -1


def test_a_number_of_keys_at_length():
    spec = parse_keys("1#2+3/4 RO")[0]["find_keys"]
    assert spec == {"type": "keynum", "spec": {"keynumidx": 2, "firstkey": 3, "keystep": 4}}


def test_a_remark_comes_first():
    spec = parse_keys("1 RW access (why) ; 2 RO")
    assert list(spec[0]) == ["notes", "flags", "begin_search", "find_keys"]
    assert spec[0]["notes"] == "why" and "notes" not in spec[1]
