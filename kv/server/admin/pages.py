"""What is found on the admin port.

    /metrics    the figures for Prometheus (metrics.py)
    /healthz    200 as long as the loop turns
    /readyz     200 if clients are served; 503 and why while they are not

None asks for a password: a probe and a Prometheus have none, and no page shows data, keys, names of clients or options that
are secret. Who may reach the port is for admin-bind and the network to say.
"""
from __future__ import annotations

import time

from .http import Response, text_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..loop import Loop
    from .http import Request
    from .metrics import Collection

    Reply = Callable[[Response], object]
    Page = Callable[[Reply], object]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SLICE_SECONDS = 0.0005  # of making a text, in one turn of the loop
METRICS_SHARE = 20      # a text that took t is shown for t times this: at most 5 % of the loop's time goes there
METHODS = ("GET", "HEAD")


class MetricsText:
    """The text of /metrics, made for all who wait for it, in the turns of the loop that wake() brings."""

    def __init__(self, collection: Callable[[], Collection], loop: Loop) -> None:
        self.collection = collection
        self.loop = loop
        self.current: Collection | None = None      # that is being made
        self.spent = 0.0        # seconds of it so far
        self.text = b""         # the last one
        self.good_until = 0.0   # of the monotonic clock
        self.waiting: list[Reply] = []
        loop.each_wake(self.go_on)

    def give(self, reply: Reply) -> None:
        """Reply now, or when the text is there."""
        if self.current is None and time.monotonic() < self.good_until:
            reply(self.response())
            return
        self.waiting.append(reply)
        if self.current is None:
            self.current, self.spent = self.collection(), 0.0
            self.go_on()

    def go_on(self) -> None:
        """Make some of it."""
        collection = self.current
        if collection is None:
            return
        started = time.monotonic()
        for _ in collection.parts:
            if time.monotonic() - started >= SLICE_SECONDS:
                self.spent += time.monotonic() - started
                self.loop.wake()
                return
        self.text = collection.out.render().encode("utf-8", "replace")
        ended = time.monotonic()
        self.good_until = ended + METRICS_SHARE * (self.spent + ended - started)
        waiting, self.waiting, self.current = self.waiting, [], None
        for reply in waiting:
            reply(self.response())

    def response(self) -> Response:
        return Response(200, self.text, METRICS_TYPE)


class Pages:
    """Makes the response to each request. `collection` begins what /metrics shows; `not_ready` says why clients are not served,
    "" where they are."""

    def __init__(self, collection: Callable[[], Collection], not_ready: Callable[[], str], loop: Loop) -> None:
        self.metrics = MetricsText(collection, loop)
        self.not_ready = not_ready
        self.pages: dict[str, Page] = {"/metrics": self.metrics.give, "/healthz": self.show_health, "/readyz": self.show_readiness}

    def answer(self, request: Request, reply: Reply) -> None:
        """Call reply with the response, now or in a later turn of the loop."""
        page = self.pages.get(request.path)
        if page is None:
            reply(text_response(404, "There is /metrics, /healthz and /readyz here."))
        elif request.method not in METHODS:
            reply(text_response(405, "This page can be read only.", (("Allow", ", ".join(METHODS)),)))
        else:
            page(reply)

    def show_health(self, reply: Reply) -> None:
        reply(text_response(200, "ok"))

    def show_readiness(self, reply: Reply) -> None:
        reason = self.not_ready()
        reply(text_response(503, reason) if reason else text_response(200, "ok"))
