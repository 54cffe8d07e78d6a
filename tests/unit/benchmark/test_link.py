"""What opens a connection."""
from kv.benchmark.link import greeting
from kv.benchmark.options import parse


def test_greeting_comes_in_the_order_of_valkey_benchmark():
    options = parse(["-a", "p", "--user", "u", "--enable-tracking", "--dbnum", "3", "-3"])
    lines = [b" ".join(request.split(b"\r\n")[2::2]) for request in greeting(options)]
    assert lines == [b"AUTH u p", b"CLIENT TRACKING on", b"SELECT 3", b"HELLO 3"]
