"""The small languages of command declarations: where the keys are, and what the arguments are.

Keys: specifications separated by ";", each `FIRST[..LAST[/STEP]] FLAGS`.
"""
from __future__ import annotations


def parse_keys(text: str) -> list[dict]:
    """Key specifications as COMMAND INFO shows them. Raises ValueError for a bad one."""
    return [_parse_key(part.strip()) for part in text.split(";") if part.strip()]


def _parse_key(text: str) -> dict:
    place, *flags = text.split()
    first, _, rest = place.partition("..")
    last, _, step = rest.partition("/")
    return {
        "flags": flags,
        "begin_search": {"type": "index", "spec": {"index": int(first)}},
        "find_keys": {"type": "range", "spec": {"lastkey": int(last or 0), "keystep": int(step or 1), "limit": 0}},
    }


def first_key_range(specs: list[dict]) -> tuple[int, int, int]:
    """First key, last key and step, as COMMAND INFO's old form has them; zeros where there are none."""
    if not specs or specs[0]["begin_search"]["type"] != "index":
        return 0, 0, 0
    first = specs[0]["begin_search"]["spec"]["index"]
    span = specs[0]["find_keys"]["spec"]
    last = span["lastkey"]
    return first, (last if last < 0 else first + last), span["keystep"]
