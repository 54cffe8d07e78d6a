"""Requests as bytes: what is one, what is not one yet, and what never will be."""
from __future__ import annotations

import pytest

from kv.server.admin.http import (
    MOST_BYTES,
    MOST_HEADERS,
    BadRequest,
    Request,
    Response,
    http_date,
    take_request,
    text_response,
)

HOST = b"Host: kv\r\n"


def take(data: bytes) -> Request | None:
    return take_request(bytearray(data))


def refused(data: bytes) -> int:
    with pytest.raises(BadRequest) as caught:
        take(data)
    return caught.value.status


def test_a_request() -> None:
    buffer = bytearray(b"GET /a/b?c=d&e HTTP/1.1\r\nHost: kv:1\r\nX-Some:\t v w \r\nx-some: x\r\n\r\nGET /")
    request = take_request(buffer)
    assert request is not None and buffer == b"GET /"
    assert (request.method, request.path, request.query) == ("GET", "/a/b", "c=d&e")
    assert request.headers == {"host": "kv:1", "x-some": "v w, x"} and request.keep_alive


def test_every_beginning_of_a_request_is_none_yet() -> None:
    whole = b"\r\nGET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n"
    for length in range(len(whole)):
        assert take(whole[:length]) is None
    assert take(whole) is not None


def test_lines_may_end_without_a_carriage_return() -> None:
    request = take(b"HEAD /x HTTP/1.0\nA: b\n\n")
    assert request is not None and (request.method, request.headers) == ("HEAD", {"a": "b"})


@pytest.mark.parametrize("version, headers, lasts", [
    (b"1.1", b"", True), (b"1.1", b"Connection: close\r\n", False), (b"1.1", b"Connection: x, CLOSE\r\n", False),
    (b"1.0", b"", False), (b"1.0", b"Connection: keep-alive\r\n", True), (b"1.9", b"", True),
    (b"1.1", b"Content-Length: 0\r\n", True), (b"1.1", b"Content-Length: 1\r\n", False),
    (b"1.1", b"Transfer-Encoding: chunked\r\n", False)])
def test_whether_another_request_may_follow(version: bytes, headers: bytes, lasts: bool) -> None:
    request = take(b"GET / HTTP/" + version + b"\r\n" + HOST + headers + b"\r\n")
    assert request is not None and request.keep_alive is lasts


@pytest.mark.parametrize("target, path, query", [
    (b"/", "/", ""), (b"/metrics", "/metrics", ""), (b"/a?b?c", "/a", "b?c"), (b"/a#b", "/a", ""),
    (b"http://kv:9121/metrics?x", "/metrics", "x"), (b"HTTP://kv", "/", ""), (b"/%6d", "/%6d", "")])
def test_what_a_request_asks_for(target: bytes, path: str, query: str) -> None:
    request = take(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert request is not None and (request.path, request.query) == (path, query)


@pytest.mark.parametrize("line", [
    b"", b"GET", b"GET /", b"GET / HTTP/1.1 ", b"GET  / HTTP/1.1", b" GET / HTTP/1.1", b"GET /\x00 HTTP/1.1", b"G\xc3T / HTTP/1.1",
    b"GET /\xc3\xa4 HTTP/1.1", b"GET metrics HTTP/1.1", b"GET * HTTP/1.1", b"GET http:// HTTP/1.1", b"GET ftp://a/ HTTP/1.1",
    b"GET / HTTP/1", b"GET / http/1.1", b"GET / HTTP/1.11", b"*1\r\n$4\r\nPING", b"PING", b"\x16\x03\x01\x02\x00\x01"])
def test_what_is_no_request_line(line: bytes) -> None:
    assert refused((line or b"x") + b"\r\n" + HOST + b"\r\n") == 400


@pytest.mark.parametrize("header", [
    b"a", b": a", b"a b: c", b"a : b", b" a: b", b"\tfolded", b"a: \x00", b"a: b\x01", b"a: b\rc", b"\xc3\xa4: b", b"Host: another",
    b"Content-Length: x", b"Content-Length: -1", b"Content-Length: +1", b"Content-Length: 1, 1", b"Content-Length:",
    b"Content-Length: 1\r\nContent-Length: 1", b"Content-Length: 1\r\nTransfer-Encoding: chunked"])
def test_what_is_no_header(header: bytes) -> None:
    assert refused(b"GET / HTTP/1.1\r\n" + HOST + header + b"\r\n\r\n") == 400


def test_the_newer_version_names_its_host() -> None:
    assert refused(b"GET / HTTP/1.1\r\n\r\n") == 400
    assert refused(b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == 400
    assert take(b"GET / HTTP/1.0\r\n\r\n") is not None


@pytest.mark.parametrize("version", [b"0.9", b"2.0", b"3.1"])
def test_other_versions(version: bytes) -> None:
    assert refused(b"GET / HTTP/" + version + b"\r\n" + HOST + b"\r\n") == 505


def test_what_is_too_much() -> None:
    line = b"GET / HTTP/1.1\r\n" + HOST
    assert take(line + b"a: b\r\n" * (MOST_HEADERS - 1) + b"\r\n") is not None
    assert refused(line + b"a: b\r\n" * MOST_HEADERS + b"\r\n") == 431
    room = MOST_BYTES - len(line + b"a: \r\n\r\n")
    assert take(line + b"a: " + b"x" * room + b"\r\n\r\n") is not None
    assert refused(line + b"a: " + b"x" * (room + 1) + b"\r\n\r\n") == 431
    assert refused(line + b"a: " + b"x" * MOST_BYTES) == 431
    assert refused(b"GET /" + b"x" * MOST_BYTES) == 414
    assert take(b"GET /" + b"x" * 1000) is None


def test_a_response() -> None:
    sent = Response(200, b"abc", "text/x", (("A", "b"),)).encode(False, True)
    head, _, body = sent.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert body == b"abc" and lines[0] == "HTTP/1.1 200 OK"
    assert {"Content-Type: text/x", "Content-Length: 3", "A: b", "Connection: keep-alive"} <= set(lines)
    closing = text_response(503, "why").encode(True, False)
    assert closing.startswith(b"HTTP/1.1 503 Service Unavailable\r\n") and closing.endswith(b"\r\nConnection: close\r\n\r\n")
    assert b"Content-Length: 4\r\n" in closing


def test_the_date_of_a_header() -> None:
    assert http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"
