"""Hints of the arguments to come, from the table that needs no server."""

import pytest

from kv.cli.docs import Manual, offline
from kv.cli.hints import hint_for, syntax
from kv.cli.options import parse
from kv.cli.session import Session


@pytest.fixture(scope="module")
def manual() -> Manual:
    session = Session(parse([]))
    session.interactive = True  # not connected: no server is asked
    return Manual(session)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("GET", ""),  # the name counts once there is a blank behind it
        ("get ", "key"),
        ("GET k ", ""),
        ("GET k x ", ""),
        ("MGET a b ", "[key ...]"),
        (
            "set k v ",
            "[NX|XX|IFEQ comparison-value] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds"
            "|PXAT unix-time-milliseconds|KEEPTTL]",
        ),
        ("set k v ex ", "seconds [NX|XX|IFEQ comparison-value] [GET]"),
        ("set k v ex soon ", ""),
        ("set k v ex 10 nx ", "[GET]"),
        ("zadd k ch ", "[NX|XX] [GT|LT] [INCR] score member [score member ...]"),
        ("zadd k 1.5 ", "member [score member ...]"),
        ("zadd k 1.5 m 2 ", "member [score member ...]"),
        ("config set a b ", "[parameter value ...]"),
        ("xrange k - + count ", "count"),
        ("lpop k 3 ", ""),
        ('get "a b" ', ""),
        ('get "a', ""),
        ("nosuch ", ""),
        ("   ", ""),
        ("ping ", "[message]"),
    ],
)
def test_hint(manual: Manual, typed: str, hint: str) -> None:
    assert hint_for(manual, typed) == hint


def test_hints_do_not_remember_what_was_typed_before(manual: Manual) -> None:
    hint_for(manual, "set k v nx get keepttl ")
    assert hint_for(manual, "set ").startswith("key value [NX|")


def test_subcommands_win_over_their_container(manual: Manual) -> None:
    entry = manual.find(["xgroup", "create", "k"])
    assert entry is not None and entry.name == "XGROUP CREATE"
    assert syntax(entry.arguments) == "key group id|$ [MKSTREAM] [ENTRIESREAD entries-read]"


def test_names(manual: Manual) -> None:
    names = list(manual.names(groups=True))
    assert {"GET", "XGROUP CREATE", "@string"} <= set(names)
    assert not any(name.startswith("@") for name in manual.names(groups=False))


def test_table_is_cut_to_an_old_servers_version() -> None:
    new, old = offline(None), offline((7, 0, 0))
    tokens = [part.get("token") for part in new["set"]["arguments"][2]["arguments"]]
    assert "IFEQ" in tokens
    assert "IFEQ" not in [part.get("token") for part in old["set"]["arguments"][2]["arguments"]]
    assert "getex" not in offline((6, 0, 0)) and "getex" in old
