"""The URL of a server, read and written.

    kv://user:password@host:6379/0        also redis://, valkey://; kvs://, rediss://, valkeys:// are TLS
    unix:///run/kv.sock?db=1              also kv+socket://
    kv+sentinel://host1,host2/0?mastername=primary
    kv+cluster://host1:6379,host2:6379

sdk/node/address.js and sdk/go/config/address.go read the same language, and sdk/cases.json holds all three to it. It is stricter
than redis-py, ioredis and go-redis where these disagree: what one refuses and another guesses is an error here. No error repeats
a part of the URL, for a password that is not percent-encoded may stand in any part.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_to_bytes

FAMILIES = {"redis": False, "valkey": False, "kv": False, "rediss": True, "valkeys": True, "kvs": True}    # name -> TLS
KINDS = {"": "tcp", "sentinel": "sentinel", "cluster": "cluster", "socket": "unix"}                        # what follows the +
DEFAULT_PORT, SENTINEL_PORT = 6379, 26379
MAX_DB = 2**31 - 1
SCHEMES = ("redis, rediss, valkey, valkeys, kv, kvs, unix, and kv+socket, kv+sentinel, kv+cluster")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class ConfigError(ValueError):
    """The environment or a URL says something that cannot be meant. The text begins with the name of the variable, or "url"."""


@dataclass(frozen=True)
class Address:
    """Where a server is, and who asks. `nodes` are (host, port): one for tcp, none for unix, any number for the rest."""

    kind: str = "tcp"                       # tcp, unix, sentinel or cluster
    tls: bool = False
    nodes: tuple[tuple[str, int], ...] = (("localhost", DEFAULT_PORT),)
    path: str = ""                          # of a unix socket
    master: str = ""                        # the name that sentinels know the primary by
    db: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    options: dict[str, str] = field(default_factory=dict, repr=False)      # what else the query says, for the client library

    @property
    def url(self) -> str:
        """The address as a URL that redis-py, ioredis and go-redis read; with + in its scheme, that only this package reads."""
        return format_url(self, self.password)


def parse_url(url: str, source: str = "url") -> Address:
    """Read a URL. Errors begin with `source`."""
    scheme, found, rest = url.strip().partition("://")
    kind, tls = parse_scheme(scheme, source) if found else parse_scheme("", source)
    if "#" in rest:
        raise encoding_error(source)
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    userinfo, _, hosts = authority.rpartition("@")
    if "@" in path or "@" in query:
        raise encoding_error(source)
    options = {decode(name, source, plus=True): decode(value, source, plus=True) for name, value in split_query(query)}
    username, _, password = userinfo.partition(":")
    db = options.pop("db", "")
    if kind != "unix":
        db = db or decode(path, source)
    elif hosts or len(path) < 1:
        raise ConfigError(f"{source}: a unix socket is written as unix:///path")
    if kind == "tcp" and "," in hosts:
        raise ConfigError(f"{source}: several hosts are for kv+sentinel and kv+cluster")
    master = options.pop("mastername", "")
    if kind == "sentinel" and not master:
        raise ConfigError(f"{source}: kv+sentinel needs ?mastername=")
    return Address(
        kind=kind, tls=tls, master=master if kind == "sentinel" else "", db=parse_db(db, source) if db else 0,
        nodes=() if kind == "unix" else parse_nodes(hosts, SENTINEL_PORT if kind == "sentinel" else DEFAULT_PORT, source),
        path=slash + decode(path, source) if kind == "unix" else "",
        username=decode(username, source) or options.pop("username", ""),
        password=decode(password, source) or options.pop("password", ""),
        options={name: value for name, value in options.items() if name not in ("username", "password")})


def says_db(url: str) -> bool:
    """Whether a URL that parse_url took names a database."""
    rest, _, query = url.strip().partition("://")[2].partition("?")
    if any(name == "db" and value for name, value in split_query(query)):
        return True
    return not re.match(r"(unix|\w+\+socket)://", url.strip(), re.IGNORECASE) and bool(rest.partition("/")[2])


def parse_scheme(scheme: str, source: str) -> tuple[str, bool]:
    """(kind, TLS) of a scheme such as kvs+cluster."""
    name, plus, suffix = scheme.lower().partition("+")
    if name == "unix" and not plus:
        return "unix", False
    tls = FAMILIES.get(name)
    if tls is None or suffix not in KINDS or (plus and not suffix) or (tls and suffix == "socket"):
        raise ConfigError(f"{source}: the scheme is none of {SCHEMES}")
    return KINDS[suffix], tls


def parse_nodes(text: str, default_port: int, source: str) -> tuple[tuple[str, int], ...]:
    """The hosts between commas; none is localhost."""
    return tuple(parse_node(part, default_port, source) for part in text.split(","))


def parse_node(text: str, default_port: int, source: str) -> tuple[str, int]:
    """host, host:port, [IPv6] or [IPv6]:port."""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or not host or (port and not port.startswith(":")):
            raise ConfigError(f"{source}: an IPv6 address is written as [::1]:6379")
        port = port[1:]
    else:
        host, _, port = text.partition(":")
        host = decode(host, source)
    return host or "localhost", parse_port(port, source) if port else default_port


def parse_port(text: str, source: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ConfigError(f"{source}: the port is not a number from 1 to 65535")
    return int(text)


def parse_db(text: str, source: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > MAX_DB:
        raise ConfigError(f"{source}: the database is not a number from 0")
    return int(text)


def split_query(query: str) -> list[tuple[str, str]]:
    """name=value pairs, as they are written; of a name that comes twice the last one counts."""
    return [(pair.partition("=")[0], pair.partition("=")[2]) for pair in query.split("&") if pair]


def decode(text: str, source: str, plus: bool = False) -> str:
    """Without percent-encoding; in a query (`plus`) a + is a space."""
    if _BROKEN_ESCAPE.search(text):
        raise encoding_error(source)
    try:
        return unquote_to_bytes(text.replace("+", " ") if plus else text).decode()
    except UnicodeDecodeError:
        raise encoding_error(source) from None


def encoding_error(source: str) -> ConfigError:
    return ConfigError(f"{source}: in a user or password @ / ? # % are written %40 %2F %3F %23 %25")


def encode(text: str) -> str:
    """All but A-Z a-z 0-9 - . _ ~ percent-encoded, which every reader takes for what it is."""
    return quote(text, safe="")


def format_url(address: Address, password: str) -> str:
    """The URL of an address, with another password."""
    scheme = {"tcp": "redis", "unix": "unix"}.get(address.kind, "kv+" + address.kind)
    if address.tls:
        scheme = "rediss" if address.kind == "tcp" else "kvs+" + address.kind
    userinfo = encode(address.username) + (":" + encode(password) if password else "")
    hosts = ",".join(f"{'[' + host + ']' if ':' in host else encode(host)}:{port}" for host, port in address.nodes)
    query = [f"{encode(name)}={encode(value)}" for name, value in sorted(address.options.items())]
    if address.master:
        query.insert(0, "mastername=" + encode(address.master))
    if address.kind == "unix":
        path = quote(address.path)
        query.insert(0, f"db={address.db}")
    else:
        path = f"/{address.db}"
    return f"{scheme}://{userinfo + '@' if userinfo else ''}{hosts}{path}{'?' + '&'.join(query) if query else ''}"
