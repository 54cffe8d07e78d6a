"""A sanitizer's build: what it is not asked, since its memory and its time are its own."""
from __future__ import annotations

import pytest

from kv._core.testing.memory import SANITIZED

unsanitized = pytest.mark.skipif(SANITIZED, reason="under a sanitizer memory and time are its own")
