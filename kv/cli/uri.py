"""Connection URIs: scheme://[[user]:password@][host[:port]][/db], any part percent-encoded.

kv://, valkey:// and redis:// mean the same; an `s` more (kvs://, valkeys://, rediss://) means TLS.
"""

import os
from urllib.parse import unquote_to_bytes

from kv.cli.errors import Fatal
from kv.cli.options import Options, port_number

SCHEMES = {"kv": False, "valkey": False, "redis": False, "kvs": True, "valkeys": True, "rediss": True}


def parse_uri(text: str, options: Options) -> None:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        raise Fatal("Invalid URI scheme")
    options.tls = options.tls or SCHEMES[scheme.lower()]
    authority, _, path = rest.partition("/")
    credentials, at, address = authority.rpartition("@")
    if at:
        user, colon, password = credentials.partition(":")
        options.password = _decode(password if colon else user)
        if colon and user:
            options.user = _decode(user)
    _set_address(options, address)
    if path:
        try:
            options.db = int(path)
        except ValueError:
            raise Fatal("Invalid database number in the URI") from None


def _set_address(options: Options, address: str) -> None:
    if address.startswith("["):  # IPv6
        host, _, rest = address[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = address.partition(":")
    if host:
        options.host = host
    if port:
        try:
            options.port = port_number(port)
        except ValueError:
            raise Fatal("Invalid server port.") from None


def _decode(text: str) -> str:
    for part in text.split("%")[1:]:
        if len(part) < 2:
            raise Fatal("Incomplete URI encoding")
        if not all(char in "0123456789abcdefABCDEF" for char in part[:2]):
            raise Fatal("Illegal character in URI encoding")
    return os.fsdecode(unquote_to_bytes(text))
