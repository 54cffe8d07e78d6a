"""Every value of a server as plain Python values, whatever server that is: what two servers that hold the same answer alike."""
from __future__ import annotations

from typing import Any

from tests.commands.client import Client

Values = dict[tuple[int, bytes], tuple[bytes, int, Any]]     # (database, key) -> (type, unix time of its end in ms or -1, value)
DATABASES = 16


def values_of(client: Client) -> Values:
    """All keys of all databases; a RESP2 client."""
    found: Values = {}
    for database in range(DATABASES):
        client("SELECT", database)
        for key in client("KEYS", "*"):
            kind = client("TYPE", key)
            found[database, key] = (kind.encode(), client("PEXPIRETIME", key), READERS[kind](client, key))
    client("SELECT", 0)
    return found


def pairs(flat: list) -> dict:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def stream(client: Client, key: bytes) -> Any:
    """Entries, what the stream remembers, and its groups with what they have pending. Idle times differ from moment to moment."""
    full = pairs(client("XINFO", "STREAM", key, "FULL", "COUNT", 0))
    head = [full[name] for name in (b"length", b"last-generated-id", b"max-deleted-entry-id", b"entries-added",
                                    b"recorded-first-entry-id")]
    groups = []
    for group in map(pairs, full[b"groups"]):
        consumers = {one[b"name"]: one[b"pending"] for one in map(pairs, group[b"consumers"])}
        groups.append([group[name] for name in (b"name", b"last-delivered-id", b"entries-read", b"pending")] + [consumers])
    return head, client("XRANGE", key, "-", "+"), groups


READERS = {
    "string": lambda client, key: client("GET", key),
    "list": lambda client, key: client("LRANGE", key, 0, -1),
    "set": lambda client, key: sorted(client("SMEMBERS", key)),
    "zset": lambda client, key: [(member, float(score)) for member, score in
                                 pairs(client("ZRANGE", key, 0, -1, "WITHSCORES")).items()],
    "hash": lambda client, key: pairs(client("HGETALL", key)),
    "stream": stream,
}
