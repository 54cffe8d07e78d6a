"""Which commands carry a secret and must not be written to the history file."""

from collections.abc import Sequence

CONFIG_SECRETS = frozenset(
    (
        b"requirepass",
        b"masterauth",
        b"masteruser",
        b"primaryauth",
        b"primaryuser",
        b"tls-key-file-pass",
        b"tls-client-key-file-pass",
    )
)
SENTINEL_SECRETS = frozenset((b"sentinel-pass", b"sentinel-user", b"auth-pass", b"auth-user"))


def is_secret(words: Sequence[bytes]) -> bool:
    """`words` is a command without its repeat count."""
    words = [word.lower() for word in words]
    command, rest = words[0], words[1:]
    if command == b"auth":
        return True
    if command == b"acl":
        return rest[:1] in ([b"setuser"], [b"getuser"], [b"deluser"])
    if command == b"config":
        return rest[:1] == [b"set"] and not CONFIG_SECRETS.isdisjoint(rest[1::2])
    if command == b"hello":
        return _hello_authenticates(rest)
    if command == b"migrate":
        return _migrate_authenticates(rest[5:])
    if command == b"sentinel":
        sets = rest[:2] == [b"config", b"set"] or rest[:1] == [b"set"]
        return sets and not SENTINEL_SECRETS.isdisjoint(rest)
    return False


def _hello_authenticates(words: Sequence[bytes]) -> bool:
    """[protover [AUTH username password] [SETNAME clientname]]: a client may be named `auth`."""
    at = 1
    while at < len(words):
        if words[at] == b"auth":
            return True
        at += 2 if words[at] == b"setname" else 1
    return False


def _migrate_authenticates(words: Sequence[bytes]) -> bool:
    """The words behind host, port, key, database and timeout; what follows KEYS are keys."""
    before_keys = words[: words.index(b"keys")] if b"keys" in words else words
    return b"auth" in before_keys or b"auth2" in before_keys
