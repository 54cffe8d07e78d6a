"""What holds for every test."""
from __future__ import annotations

from hypothesis import settings

settings.register_profile("kv", deadline=None)      # how long an example takes is no matter of right or wrong
settings.load_profile("kv")
