"""What is found on the admin port.

    /metrics    the figures for Prometheus (metrics.py)
    /healthz    200 as long as the loop turns
    /readyz     200 if clients are served; 503 and why while they are not

None asks for a password: a probe and a Prometheus have none, and no page shows data, keys, names of clients or options that
are secret. Who may reach the port is for admin-bind and the network to say.
"""
from __future__ import annotations

import time

from .http import Request, Response, text_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METRICS_SHARE = 20      # figures that took t to collect are shown for t times this: at most 5 % of the loop's time goes there
METHODS = ("GET", "HEAD")


class Pages:
    """Makes the response to each request. `metrics` gives the text of /metrics; `not_ready` why clients are not served, ""
    where they are."""

    def __init__(self, metrics: Callable[[], str], not_ready: Callable[[], str]) -> None:
        self.metrics = metrics
        self.not_ready = not_ready
        self.collected = b""
        self.collect_next = 0.0     # of the monotonic clock: until then `collected` will do
        self.pages = {"/metrics": self.show_metrics, "/healthz": self.show_health, "/readyz": self.show_readiness}

    def answer(self, request: Request) -> Response:
        page = self.pages.get(request.path)
        if page is None:
            return text_response(404, "There is /metrics, /healthz and /readyz here.")
        if request.method not in METHODS:
            return text_response(405, "This page can be read only.", (("Allow", ", ".join(METHODS)),))
        return page()

    def show_metrics(self) -> Response:
        started = time.monotonic()
        if started >= self.collect_next:
            self.collected = self.metrics().encode("utf-8", "replace")
            ended = time.monotonic()
            self.collect_next = ended + METRICS_SHARE * (ended - started)
        return Response(200, self.collected, METRICS_TYPE)

    def show_health(self) -> Response:
        return text_response(200, "ok")

    def show_readiness(self) -> Response:
        reason = self.not_ready()
        return text_response(503, reason) if reason else text_response(200, "ok")
