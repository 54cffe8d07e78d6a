"""fakeredis's names with the real engine behind them: change one import, `from kv import fake as fakeredis`.

    import kv.fake

    client = kv.fake.FakeRedis()                            # a database of its own
    server = kv.fake.FakeServer()
    one, two = kv.fake.FakeRedis(server=server), kv.fake.FakeStrictRedis(server=server)     # the same database
    server.connected = False                                # they raise ConnectionError from now on
    kv.fake.FakeRedis(host="cache", port=6379)              # the database of all that name this host and port

The engine is that of kv-server, so everything is as Valkey 8.1 has it, whatever version is asked for.
"""
from .clients import (
    FakeAsyncConnection,
    FakeAsyncRedis,
    FakeAsyncRedisConnection,
    FakeConnection,
    FakeRedis,
    FakeRedisConnection,
    FakeStrictRedis,
)
from .server import FakeServer
from .tcp import TcpFakeServer

__all__ = [
    "FakeAsyncConnection", "FakeAsyncRedis", "FakeAsyncRedisConnection", "FakeConnection", "FakeRedis", "FakeRedisConnection",
    "FakeServer", "FakeStrictRedis", "TcpFakeServer",
]

try:
    from .valkeys import FakeAsyncValkey, FakeStrictValkey, FakeValkey
except ImportError:         # valkey-py is not installed
    pass
else:
    __all__ += ["FakeAsyncValkey", "FakeStrictValkey", "FakeValkey"]
