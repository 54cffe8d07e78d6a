"""What holds for every test."""
from __future__ import annotations

import sys

import pytest
from hypothesis import settings

settings.register_profile("kv", deadline=None)      # how long an example takes is no matter of right or wrong
settings.load_profile("kv")


@pytest.fixture(autouse=True)
def log_of_a_server(request, monkeypatch):
    """A database that a test opened in this process gives what is logged to `logging`: other tests want it as a server has it."""
    log = sys.modules.get("kv.server.log")
    if log is not None and "/embedded/" not in str(request.path):
        monkeypatch.setattr(log.log, "sink", None)
