"""Prometheus' text format, version 0.0.4: families of samples as text.

    text = Exposition()
    text.family("redis_up", "gauge", "Whether the server answers.", [("", 1)])
    text.render()

OpenMetrics is not offered, though Prometheus asks for it first: the names are redis_exporter's, and some are none there (a gauge
that ends in _total, a counter that does not, a quantile of 99). Every scraper reads this format.
"""
from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEEDS_ESCAPE = re.compile(r'[\\"\n]')
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Exposition:
    """Lines of the families so far."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def family(self, name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> None:
        """A family with a sample for each (labels, value); the labels as label_text makes them. None without a sample."""
        lines = [f"{name}{labels} {value}" for labels, value in samples]
        if lines:
            self.head(name, kind, text)
            self.lines += lines

    def head(self, name: str, kind: str, text: str) -> None:
        self.lines.append(f"# HELP {name} {text}\n# TYPE {name} {kind}")

    def render(self) -> str:
        return "\n".join(self.lines) + "\n"


def label_text(labels: Mapping[str, str]) -> str:
    """{a="1",b="2"}, and "" for none."""
    if not labels:
        return ""
    return "{" + ",".join([f'{name}="{escape(value)}"' for name, value in labels.items()]) + "}"


def escape(value: str) -> str:
    return value.translate(ESCAPES) if NEEDS_ESCAPE.search(value) else value
