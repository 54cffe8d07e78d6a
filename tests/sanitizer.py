"""A sanitizer's build: what it is not asked, since its memory, its time and its crashes are its own."""
from __future__ import annotations

import os

import pytest

from kv._core.testing.memory import SANITIZED

unsanitized = pytest.mark.skipif(SANITIZED, reason="under a sanitizer memory, time and crashes are its own")

PLAIN = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}     # for programs that are not ours
