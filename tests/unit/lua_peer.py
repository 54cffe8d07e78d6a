"""Programs in Lua that run here and, through EVAL, in another server: what they give is compared as text."""
from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kv._core.testing.lua import LuaError, State
from tests.commands.client import Client, Failure
from tests.program import Program

# show() writes a value so that two servers write it alike: no addresses, keys in order, numbers exactly.
PRELUDE = b"""
local function show(v, depth)
  if type(v) == 'number' then return string.format('%.17g', v) end
  if type(v) == 'string' then return string.format('%q', v) end
  if type(v) == 'table' and depth < 4 then
    local keys = {}
    for k, item in pairs(v) do
      keys[#keys + 1] = show(k, depth + 1) .. '=' .. show(item, depth + 1)
    end
    table.sort(keys)
    return '{' .. table.concat(keys, ',') .. '}'
  end
  if type(v) == 'nil' or type(v) == 'boolean' then return tostring(v) end
  return type(v)
end
local function all(...)
  local shown = {}
  for i = 1, select('#', ...) do shown[i] = show((select(i, ...)), 0) end
  return table.concat(shown, ' ')
end
local results = {}
""".replace(b"\n", b" ")


def program(bodies: list[bytes]) -> bytes:
    """One chunk that runs all bodies, each protected, and returns the list of what they gave."""
    return PRELUDE + b"\n" + b"\n".join(b"results[#results + 1] = all(pcall(function(...) %b end))" % body
                                        for body in bodies) + b"\nreturn results"


def here(bodies: list[bytes]) -> list[bytes]:
    results = State(sealed=True).run(b"return assert(loadstring(..., '@user_script'))()", program(bodies))[0]
    return [results[float(number)] for number in range(1, len(results) + 1)]


def there(client: Client, bodies: list[bytes]) -> list[bytes]:
    results = client("EVAL", program(bodies), 0)
    assert not isinstance(results, Failure), results
    return list(results)


def outcome(state: State, body: bytes) -> list[object] | bytes:
    """What a body gives, or the message it raises."""
    try:
        return state.run(body)
    except LuaError as error:
        message = error.args[0]
        assert isinstance(message, bytes)
        return message


@pytest.fixture(scope="session")
def lua_peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of the server to compare with: Debian's, or the one that KV_TEST_PEER names."""
    path = os.environ.get("KV_TEST_PEER") or shutil.which("redis-server")
    if path is None:
        pytest.skip("no redis-server to compare with")
    directory: Path = tmp_path_factory.mktemp("lua_peer")
    peer = Program(directory, command=[path])
    client = Client(peer.port)
    yield client
    client.close()
    peer.kill()
