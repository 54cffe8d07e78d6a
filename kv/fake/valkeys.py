"""valkey-py's clients whose connections are to a FakeServer."""
import valkey
import valkey.asyncio

from .clients import FakeClient, async_connection, sync_connection


class FakeValkeyConnection(sync_connection("valkey", valkey)):      # type: ignore[misc]
    """A connection of valkey-py to a FakeServer."""


class FakeAsyncValkeyConnection(async_connection("valkey", valkey.asyncio)):   # type: ignore[misc]
    """A connection of valkey.asyncio to a FakeServer."""


class FakeValkey(FakeClient, valkey.Valkey):      # type: ignore[misc]
    connection_of = FakeValkeyConnection


class FakeStrictValkey(FakeClient, valkey.StrictValkey):      # type: ignore[misc]
    connection_of = FakeValkeyConnection


class FakeAsyncValkey(FakeClient, valkey.asyncio.Valkey):      # type: ignore[misc]
    connection_of = FakeAsyncValkeyConnection
