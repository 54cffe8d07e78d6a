"""What holds for every test."""
from __future__ import annotations

from hypothesis import settings

from tests.sanitizer import SANITIZED

settings.register_profile("sanitizer", deadline=None)
if SANITIZED:
    settings.load_profile("sanitizer")
