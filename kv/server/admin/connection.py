"""One peer of the admin port: its requests are read, answered one a turn of the loop, and its responses sent.

Nothing that a peer does costs more than this: at most a request's head of input is kept, no request is looked at before the
response to the one before it has left, and every state has its time:

    waiting     for a request to begin              KEEP_SECONDS
    reading     the rest of one that has begun      READ_SECONDS
    sending     a response                          SEND_SECONDS
    closing     after the last response, until the peer has read it and closed     CLOSE_SECONDS

Why is a connection not closed at once behind its last response? If the peer has sent more than was read, its kernel would be
told that the connection is broken, and could drop the response before the program there has seen it.
"""
from __future__ import annotations

import socket
import time
from contextlib import suppress

from .http import MOST_BYTES, BadRequest, take_request, text_response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..loop import Loop
    from .http import Request, Response

    Answer = Callable[[Request, Callable[[Response], object]], object]

KEEP_SECONDS, READ_SECONDS, SEND_SECONDS, CLOSE_SECONDS = 120.0, 10.0, 10.0, 2.0
DISCARDED_MOST = 64     # reads of what a peer still sends behind its last request
WHAT = "Serving the admin port"


class Connection:
    """A connected, non-blocking socket. `answer` is called with a request and whom to give the response, now or later; `gone`
    is told when this connection has closed."""

    def __init__(self, sock: socket.socket, loop: Loop, answer: Answer, gone: Callable[[Connection], object]) -> None:
        """Raises OSError where it can't be watched."""
        self.sock = sock
        self.loop = loop
        self.answer = answer
        self.gone = gone
        self.input = bytearray()
        self.output = memoryview(b"")   # of the response, what has not left
        self.head_only = False  # of the response that is awaited or sent
        self.awaited = False    # the response is being made: nothing is looked for meanwhile
        self.last = False       # no request is answered behind this output
        self.closing = False    # all is sent: the peer is to close, too
        self.closed = False
        self.discarded = 0
        self.writable = False   # whether the loop looks for room to write, instead of input
        self.deadline = time.monotonic() + KEEP_SECONDS
        loop.watch(sock.fileno(), self.ready, WHAT)

    def ready(self) -> None:
        """The loop: there is input, or room for output. A peer that fails is one less."""
        try:
            if self.closing:
                self.discard()
            elif self.output:
                self.send()
            else:
                self.serve()
        except BlockingIOError:
            pass
        except OSError:     # the peer is gone
            self.close()

    def serve(self) -> None:
        """Read what there is, unless a request is there already; answer one request. Raises OSError."""
        if not self.writable:
            data = self.sock.recv(MOST_BYTES)
            if not data:
                self.close()
                return
            if not self.input:
                self.deadline = time.monotonic() + READ_SECONDS
            self.input += data
        try:
            request = take_request(self.input)
        except BadRequest as error:
            self.last, self.head_only = True, False
            self.reply(text_response(error.status, str(error)))
            return
        if request is None:
            self.watch(False)
            return
        self.last, self.head_only = not request.keep_alive, request.method == "HEAD"
        self.deadline = time.monotonic() + SEND_SECONDS
        self.loop.unwatch(self.sock.fileno())
        self.awaited = True
        self.answer(request, self.reply)

    def reply(self, response: Response) -> None:
        """The response is there. A peer that fails is one less."""
        if self.closed:
            return
        try:
            if self.awaited:
                self.awaited = False
                self.loop.watch(self.sock.fileno(), self.ready, WHAT, self.writable)
            self.output = memoryview(response.encode(self.head_only, not self.last))
            self.deadline = time.monotonic() + SEND_SECONDS
            self.send()
        except OSError:
            self.close()

    def send(self) -> None:
        """Send what the socket takes. Raises OSError."""
        try:
            self.output = self.output[self.sock.send(self.output):]
        except BlockingIOError:
            pass
        if self.output:
            self.watch(True)
        elif self.last:
            self.end()
        else:
            self.watch(bool(self.input))    # another request's turn comes with the next turn of the loop
            self.deadline = time.monotonic() + (READ_SECONDS if self.input else KEEP_SECONDS)

    def end(self) -> None:
        """All is sent. Raises OSError."""
        self.closing = True
        self.input.clear()
        self.deadline = time.monotonic() + CLOSE_SECONDS
        self.sock.shutdown(socket.SHUT_WR)
        self.watch(False)

    def discard(self) -> None:
        """What a peer sends that is not read. Raises OSError."""
        self.discarded += 1
        if not self.sock.recv(MOST_BYTES) or self.discarded >= DISCARDED_MOST:
            self.close()

    def watch(self, writable: bool) -> None:
        """Be told of room for output, else of input. Raises OSError."""
        if writable != self.writable:
            self.loop.unwatch(self.sock.fileno())
            self.writable = writable
            self.loop.watch(self.sock.fileno(), self.ready, WHAT, writable)

    def close(self) -> None:
        self.closed = True
        self.loop.unwatch(self.sock.fileno())
        with suppress(OSError):     # a forked child may have the socket, too: the peer would not see the end
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.gone(self)
