"""Connection URIs: scheme://[[user]:password@][host[:port]][/db], any part percent-encoded.

kv://, valkey:// and redis:// mean the same; an `s` more (kvs://, valkeys://, rediss://) means TLS.
"""

import os
from urllib.parse import unquote_to_bytes

from kv.cli.errors import Fatal

SCHEMES = {"kv": False, "valkey": False, "redis": False, "kvs": True, "valkeys": True, "rediss": True}


class Uri:
    """What a URI says; None where it says nothing."""

    def __init__(self, tls: bool) -> None:
        self.tls = tls
        self.user: str | None = None
        self.password: str | None = None
        self.host: str | None = None
        self.port: str | None = None    # as it is written
        self.db: int | None = None


def parse_uri(text: str) -> Uri:
    """Raises Fatal with what is wrong."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        raise Fatal("Invalid URI scheme")
    uri = Uri(SCHEMES[scheme.lower()])
    authority, _, path = rest.partition("/")
    credentials, at, address = authority.rpartition("@")
    if at:
        user, colon, password = credentials.partition(":")
        uri.password = _decode(password if colon else user)
        if colon and user:
            uri.user = _decode(user)
    if address.startswith("["):  # IPv6
        host, _, behind = address[1:].partition("]")
        port = behind.removeprefix(":")
    else:
        host, _, port = address.partition(":")
    uri.host, uri.port = host or None, port or None
    if path:
        try:
            uri.db = int(path)
        except ValueError:
            raise Fatal("Invalid database number in the URI") from None
    return uri


def _decode(text: str) -> str:
    for part in text.split("%")[1:]:
        if len(part) < 2:
            raise Fatal("Incomplete URI encoding")
        if not all(char in "0123456789abcdefABCDEF" for char in part[:2]):
            raise Fatal("Illegal character in URI encoding")
    return os.fsdecode(unquote_to_bytes(text))
