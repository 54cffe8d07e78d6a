"""Lua programs whose results are compared as text: here in a State, elsewhere by EVAL.

A program is the body of a function; its arguments are ARGV, all strings. What it returns, or its error, comes out as bytes: numbers
with all their digits, strings with their length, tables with their border and pairs in order.
"""
from __future__ import annotations

import re

from kv._core.testing.lua import State

WRAPPER = b"""
local function dump(value, out)
    local kind = type(value)
    if kind == 'string' then out[#out + 1] = #value .. ':' .. value
    elseif kind == 'number' then out[#out + 1] = value ~= value and 'nan' or string.format('%.17g', value)
    elseif kind == 'userdata' then out[#out + 1] = value == cjson.null and 'null' or 'userdata'
    elseif kind == 'table' then
        out[#out + 1] = #value .. '{'
        for key, item in pairs(value) do
            dump(key, out) out[#out + 1] = '=' dump(item, out) out[#out + 1] = ' '
        end
        out[#out + 1] = '}'
    else out[#out + 1] = tostring(value) end
end
local function all(...)
    local out = {}
    for i = 1, select('#', ...) do
        dump((select(i, ...)), out) out[#out + 1] = ','
    end
    return table.concat(out)
end
local arguments = ARGV
return all(pcall(function(ARGV) BODY
end, arguments))
"""
LINE = WRAPPER[:WRAPPER.index(b"BODY")].count(b"\n") + 1     # where the body begins


def wrapped(body: bytes) -> bytes:
    return WRAPPER.replace(b"BODY", body)


def plain(result: bytes) -> bytes:
    """Without the place of an error, whose chunk has another name each."""
    return re.sub(rb"^false,\d+:(?:(?:test|user_script):\d+: )?", b"error,", result)


def run(body: bytes, *arguments: bytes, state: State | None = None) -> bytes:
    """In a state of its own, unless one is given."""
    given = {float(index): argument for index, argument in enumerate(arguments, 1)}
    return plain((state or State()).run(b"ARGV = ...;" + wrapped(body), given)[0])
