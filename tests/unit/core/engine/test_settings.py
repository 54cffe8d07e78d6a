"""The table of settings: every name has a place of its own, and what is set is what commands obey."""
from __future__ import annotations

import pytest

from kv._core.engine.engine import Engine
from kv._core.engine.settings import ALLOWED, EVENTS, POLICIES, SETTINGS
from kv.server.config import Config, table


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_takes_its_options_default_and_bounds(name: str) -> None:
    engine, config = Engine(None), Config()
    option = table.find(name.replace("_", "-"))
    if option is None or name == "maxmemory_clients":
        for value in (True, False):
            engine.configure(**{name: value})
        return
    engine.configure(**{name: getattr(config, name)})
    for bound in ("low", "high"):
        if hasattr(option, bound):
            engine.configure(**{name: getattr(option, bound)})
    engine.configure(**{name: getattr(config, name)})


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(KeyError):
        Engine(None).configure(maxmemry=1)


@pytest.mark.parametrize(("name", "value"), [("maxmemory", -1), ("maxmemory", 1 << 64), ("maxmemory_samples", 1 << 31)])
def test_a_value_that_its_field_cannot_hold(name: str, value: int) -> None:
    with pytest.raises(OverflowError):
        Engine(None).configure(**{name: value})


def test_words_of_options_are_those_of_the_table() -> None:
    assert set(POLICIES) == set(table.BY_NAME["maxmemory-policy"].words)
    assert set(ALLOWED) == set(table.BY_NAME["enable-debug-command"].words)
    assert len(EVENTS) == 15 and EVENTS["A"] & (EVENTS["m"] | EVENTS["n"] | EVENTS["K"] | EVENTS["E"]) == 0
