"""HTTP/1.1 as bytes: requests are taken out of what a peer sent, responses are made. No sockets here, and no pages.

    request = take_request(buffer)      # None: it is not whole yet. Raises BadRequest
    response.encode(request)            # the bytes to send

Only what stands before a body is understood (RFC 9112). A request that announces a body is answered, and then the connection
is to be closed, since nobody reads the body: Request.keep_alive is false then. Where a peer sends what is no HTTP, the error is
told in a response, too, and nothing more is read from it: where its next request would begin is unknown.
"""
from __future__ import annotations

import re
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES = 8192       # of a request's line and headers together
MOST_HEADERS = 64
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/(\d)\.(\d)")
FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")     # in a header's value
HEAD_END = re.compile(rb"\r?\n\r?\n")
STATUS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 414: "URI Too Long",
          431: "Request Header Fields Too Large", 500: "Internal Server Error", 503: "Service Unavailable",
          505: "HTTP Version Not Supported"}
TEXT = "text/plain; charset=utf-8"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class BadRequest(Exception):
    """What a peer sent is no request; the status to answer, and why."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


class Request:
    """A request without its body."""

    __slots__ = ("method", "path", "query", "headers", "keep_alive")

    def __init__(self, method: str, path: str, query: str, headers: Mapping[str, str], keep_alive: bool) -> None:
        self.method = method
        self.path = path        # as it was sent, without the query
        self.query = query      # what stands behind "?", "" for none
        self.headers = headers  # names in lower case; those that come several times are joined by commas
        self.keep_alive = keep_alive    # whether another request may follow


class Response:
    """What a request is answered."""

    __slots__ = ("status", "body", "content_type", "headers")

    def __init__(self, status: int, body: bytes, content_type: str = TEXT, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers  # (name, value) beside those that every response has

    def encode(self, head_only: bool, keep_alive: bool) -> bytes:
        """The bytes of it; of a HEAD request's, all but the body."""
        lines = [f"HTTP/1.1 {self.status} {STATUS[self.status]}", f"Date: {http_date(time.time())}",
                 f"Content-Type: {self.content_type}", f"Content-Length: {len(self.body)}", "Cache-Control: no-store",
                 "X-Content-Type-Options: nosniff", *[f"{name}: {value}" for name, value in self.headers],
                 f"Connection: {'keep-alive' if keep_alive else 'close'}", "\r\n"]
        head = "\r\n".join(lines).encode("latin-1")
        return head if head_only else head + self.body


def text_response(status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    return Response(status, text.encode() + b"\n", TEXT, headers)


def http_date(now: float) -> str:
    """Unix time as headers have it, whatever the locale."""
    at = time.gmtime(now)
    return (f"{DAYS[at.tm_wday]}, {at.tm_mday:02} {MONTHS[at.tm_mon - 1]} {at.tm_year} "
            f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT")


def take_request(buffer: bytearray) -> Request | None:
    """The first request of the buffer, which is cut off it; None where its head is not whole. Raises BadRequest."""
    while buffer[:2] == b"\r\n":    # empty lines before a request, which some clients send behind a body
        del buffer[:2]
    end = HEAD_END.search(buffer, 0, MOST_BYTES)
    if end is None:
        if len(buffer) >= MOST_BYTES:
            raise too_large(buffer)
        return None
    lines = [line.removesuffix(b"\r") for line in bytes(buffer[:end.start()]).split(b"\n")]
    del buffer[:end.end()]
    return parse_head(lines)


def too_large(buffer: bytearray) -> BadRequest:
    if b"\n" in buffer[:MOST_BYTES]:
        return BadRequest("The request's headers are too large.", 431)
    return BadRequest("The request's line is too long.", 414)


def parse_head(lines: list[bytes]) -> Request:
    """Raises BadRequest."""
    matched = REQUEST_LINE.fullmatch(lines[0])
    if matched is None:
        raise BadRequest("This is no request line of HTTP.")
    method, target, major, minor = matched.groups()
    if major != b"1":
        raise BadRequest("Only HTTP/1.0 and HTTP/1.1 are spoken here.", 505)
    headers = parse_headers(lines[1:])
    newer = minor != b"0"
    if newer and "host" not in headers:
        raise BadRequest("The request has no Host.")
    path, query = parse_target(method, target)
    return Request(method.decode(), path, query, headers, keeps_alive(newer, headers))


def parse_headers(lines: list[bytes]) -> dict[str, str]:
    """Raises BadRequest."""
    if len(lines) > MOST_HEADERS:
        raise BadRequest("The request has too many headers.", 431)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or TOKEN.fullmatch(name) is None or FORBIDDEN.search(value):
            raise BadRequest("This is no header of HTTP.")
        key, text = name.decode().lower(), value.strip(b" \t").decode("latin-1")
        if key not in headers:
            headers[key] = text
        elif key in ("host", "content-length"):
            raise BadRequest(f"The request has {name.decode()} twice.")
        else:
            headers[key] += ", " + text
    return headers


def parse_target(method: bytes, target: bytes) -> tuple[str, str]:
    """(path, query) of what a request line asks for: a path, or all of a URL, which proxies send. Raises BadRequest."""
    if target.startswith(b"/"):
        path = target
    elif target[:7].lower() == b"http://" and len(target) > 7:
        host, slash, rest = target[7:].partition(b"/")
        path = slash + rest if slash else b"/"
    elif target == b"*" and method == b"OPTIONS" or method == b"CONNECT":
        path = target
    else:
        raise BadRequest("The request asks for no path.")
    path, _, query = path.partition(b"#")[0].partition(b"?")
    return path.decode("latin-1"), query.decode("latin-1")


def keeps_alive(newer: bool, headers: Mapping[str, str]) -> bool:
    """Whether the connection lasts: as its version has it unless the request says otherwise, and not where a body follows.
    Raises BadRequest."""
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if length is not None and not (length.isascii() and length.isdigit()):
        raise BadRequest("Content-Length is no number.")
    if coding is not None and (length is not None or not newer):
        raise BadRequest("The length of the body is not clear.")
    options = [word.strip().lower() for word in headers.get("connection", "").split(",")]
    if coding is not None or (length or "0").strip("0") or "close" in options:
        return False
    return newer or "keep-alive" in options
