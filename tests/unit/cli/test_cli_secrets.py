"""What is kept out of the history file."""

import pytest

from kv.cli.secrets import is_secret
from kv.quoting import split

SECRET = """
auth password
AUTH user password
acl setuser u >password
acl getuser u
acl deluser u
config set requirepass x
CONFIG SET maxmemory 1 MasterAuth x
config set tls-key-file-pass x
hello 3 auth user password
hello 3 setname me auth user password
hello 3 setname auth auth user password
migrate h 1 k 0 100 auth password
migrate h 1 "" 0 100 copy auth2 user password keys k
sentinel set primary auth-pass x
sentinel set primary quorum 2 auth-user x
sentinel config set sentinel-pass x
"""
PLAIN = """
get auth
set auth x
acl list
config get requirepass
config set maxmemory requirepass
hello 3
hello 3 setname auth
migrate h 1 k 0 100 copy
migrate h 1 "" 0 100 keys auth auth2
migrate h 1 auth 0 100
sentinel get-primary-addr-by-name auth-pass
"""


@pytest.mark.parametrize("line", SECRET.strip().splitlines())
def test_secret(line: str) -> None:
    assert is_secret(split(line.encode()) or [])


@pytest.mark.parametrize("line", PLAIN.strip().splitlines())
def test_plain(line: str) -> None:
    assert not is_secret(split(line.encode()) or [])
