"""`kms`: a fake KMS of the whole run, in its first state. `lines`: what was logged, as text, which no secret may be in."""
from __future__ import annotations

import importlib.util
import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hanzo_kv import log_json

SDK = Path(__file__).resolve().parents[2]
CASES: dict[str, Any] = json.loads((SDK / "cases.json").read_text())


def load_fake_kms() -> Any:
    spec = importlib.util.spec_from_file_location("fake_kms", SDK / "fake_kms.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["fake_kms"] = module
    spec.loader.exec_module(module)
    return module.FakeKMS()


@pytest.fixture(scope="session")
def kms_server() -> Iterator[Any]:
    running = load_fake_kms()
    yield running
    running.close()


@pytest.fixture
def kms(kms_server: Any) -> Any:
    kms_server.put({})
    return kms_server


@pytest.fixture(autouse=True)
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = log_json(stream, service="tests", level=logging.DEBUG)
    yield stream
    logging.getLogger("hanzo_kv").removeHandler(handler)
    for secret in ("client-secret", "wrong-secret", "token-1", "first", "second"):
        assert secret not in stream.getvalue()
