"""What this package logs, as lines of JSON.

    {"ts": "2026-01-31T10:20:30.123Z", "level": "info", "msg": "connected", "service": "shop",
     "db.system": "redis", "latency_ms": 1.2}

The logger is "hanzo_kv" and says nothing until the program configures logging, by `log_json()` or in its own way with
JSONFormatter. trace_id and span_id are there while OpenTelemetry has a span. No line has a key, a value, a password or a token.
"""
from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

log = logging.getLogger("hanzo_kv")
log.addHandler(logging.NullHandler())

LEVELS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warn", logging.ERROR: "error", logging.CRITICAL: "error"}
EXTRA = ("source", "kms_form", "reason", "command")     # fields of our own lines beside the common ones


class JSONFormatter(logging.Formatter):
    """One JSON object a line. `service` is OTEL_SERVICE_NAME, else SERVICE_NAME, where it is not given."""

    def __init__(self, service: str | None = None) -> None:
        super().__init__()
        self.service = service or os.environ.get("OTEL_SERVICE_NAME") or os.environ.get("SERVICE_NAME") or "unknown"

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {"ts": time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z",
                                "level": LEVELS.get(record.levelno, record.levelname.lower()), "msg": record.getMessage(),
                                "service": self.service, **trace(), "db.system": "redis"}
        line.update({name: getattr(record, name) for name in EXTRA if hasattr(record, name)})
        if hasattr(record, "latency_ms"):
            line["latency_ms"] = round(record.latency_ms, 3)
        return json.dumps(line, ensure_ascii=False)


def log_json(stream: TextIO | None = None, *, service: str | None = None, level: int = logging.INFO) -> logging.Handler:
    """Write this package's lines to `stream` (standard error); the handler, to take it off again."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter(service))
    log.addHandler(handler)
    log.setLevel(level)
    return handler


def trace() -> dict[str, str]:
    """The ids of OpenTelemetry's current span, if the program uses OpenTelemetry and has one."""
    opentelemetry = sys.modules.get("opentelemetry.trace")
    if opentelemetry is None:
        return {}
    context = opentelemetry.get_current_span().get_span_context()
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"} if context.is_valid else {}
