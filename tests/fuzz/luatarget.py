"""What is done with scripts from a stranger: they are run in an engine of their own, one after the other, while runs are killed,
memory is short, and allocations fail; behind each, everything must be as it was."""
from __future__ import annotations

import random
from typing import Any

from kv._core.engine import inspect
from kv._core.engine.engine import Engine
from kv._core.engine.localsession import ReplyError
from kv._core.testing.luamemory import lua_memory, lua_memory_fails, lua_memory_figures
from kv._core.testing.runtime import lazyfree_finish
from kv._core.testing.scripts import check_scripts, kill_scripts_after
from tests.fuzz.luamaker import Maker
from tests.rdbwords import sealed, string

Step = dict[str, Any]
LIMIT = 32 << 20            # bytes of a Lua state, where nothing less is said
KILLED = 200_000            # instructions of a run, where nothing less is said
FLUSHES = ["SCRIPT FLUSH ASYNC", "SCRIPT FLUSH SYNC", "FUNCTION FLUSH ASYNC", "FUNCTION FLUSH SYNC", "FLUSHALL",
           "FUNCTION DELETE lib", "FUNCTION LIST WITHCODE", "FUNCTION DUMP", "FUNCTION STATS"]
LOOK = b"""
local function names(t, depth)
    local found = {}
    for name, value in pairs(t) do
        local inner = type(value) == 'table' and depth < 2 and value ~= _G and names(value, depth + 1) or type(value)
        found[#found + 1] = tostring(name) .. '=' .. (name ~= 'KEYS' and name ~= 'ARGV' and inner or '')
    end
    table.sort(found)
    return table.concat(found, ' ')
end
return names(_G, 0) .. ' ' .. names(getmetatable('').__index, 0) .. ('x'):upper() .. tostring(rawequal(_G.string, string))
"""


class CaseMaker:
    """Makes cases: the kind of memory, and steps."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def case(self) -> Step:
        draw = self.random
        slack = draw.random() < 0.6
        maker = Maker(draw.randrange(2**32), 18 if slack else 3)
        steps = [self.step(maker) for _ in range(draw.randrange(1, 9))]
        if any(step["do"] == "fcall" for step in steps) and draw.random() < 0.8:
            steps.insert(0, {"do": "load", "kill": KILLED, "text": maker.library(True), "replace": False})
        return {"memory": draw.choice(["malloc", "guard", "guard"]), "slack": slack, "insecure": draw.random() < 0.1,
                "steps": steps}

    def step(self, maker: Maker) -> Step:
        draw = self.random
        do = draw.choices(["eval", "fcall", "load", "restore", "sha", "flush", "bytes"], [10, 4, 4, 1, 1, 1, 1])[0]
        step: Step = {"do": do, "kill": draw.choice([KILLED, KILLED, KILLED, draw.randrange(1, 300), draw.randrange(1, 20_000)])}
        if draw.random() < 0.2:
            step["limit"] = draw.choice([1, 50_000, 100_000, 150_000, 200_000, 300_000, 1_000_000, draw.randrange(1, 2_000_000)])
        if draw.random() < 0.2:
            step["fail"], step["on"] = draw.choice([0, 1, 5, draw.randrange(60), draw.randrange(3000)]), draw.random() < 0.5
        if do in ("eval", "sha"):
            step["text"], step["read_only"] = maker.program(), draw.random() < 0.1
            if draw.random() < 0.1:
                first = draw.choice(["#!lua\n", "#!lua flags=no-writes\n", "#!lua flags=x\n", "#!lua\0", "#!"])
                step["text"] = first + step["text"]
        elif do == "fcall":
            step["text"], step["read_only"] = draw.choice(["f", "g", "h", "F", "a_b"]), draw.random() < 0.1
        elif do == "load":
            step["text"], step["replace"] = maker.library(draw.random() < 0.5), draw.random() < 0.6
        elif do == "restore":
            step["text"] = [maker.library(draw.random() < 0.5) for _ in range(draw.randrange(3))]
            step["policy"] = draw.choice(["FLUSH", "APPEND", "REPLACE"])
            step["broken"] = draw.randrange(1, 400) if draw.random() < 0.3 else 0
        elif do == "flush":
            step["text"] = draw.choice(FLUSHES)
        else:
            text = maker.program()
            place = draw.randrange(len(text))
            step["do"], step["text"] = "eval", draw.choice([
                text[:place], text[:place] + chr(draw.randrange(256)) + text[place:],
                "return " + draw.choice("({[") * draw.choice([3, 190, 260]), "return '" + "\\" * draw.randrange(400),
                "\x1bLua\x51\0\x01\x04\x08\x04\x08\0" + text[:place], text.replace(" ", "\0", 3)])
        return step


class Target:
    """Runs cases. `values` counts the steps that did not end with an error."""

    def __init__(self) -> None:
        self.values = self.steps = 0
        lua_memory("malloc")
        self.look = Engine(None, seed=1).session().execute("EVAL", LOOK, 0)

    def run(self, case: Step) -> None:
        """Raises AssertionError for what is not as it must be."""
        lua_memory("malloc", case["slack"])
        before, self.slack = lua_memory_figures()[0], case["slack"]
        self.engine = engine = Engine(None, seed=1)
        engine.configure(busy_reply_threshold=0, script_memory_limit=LIMIT, lua_enable_insecure_api=case["insecure"],
                         enable_debug_command="yes")
        self.session = engine.session()
        for number, step in enumerate(case["steps"]):
            self.step(step, case["memory"])
            self.check(f"step {number}")
        if not case["insecure"]:
            found = self.command("EVAL", LOOK, 0)
            assert found == self.look, f"scripts see something else: {found!r}"
        library = "#!lua name=last\nredis.register_function('last', function() return #redis.sha1hex('') end)"
        assert self.command("FUNCTION", "LOAD", library) in (b"last", "last")
        assert self.command("FCALL", "last", 0) == 40
        self.command("FUNCTION", "FLUSH", "SYNC")
        self.command("SCRIPT", "FLUSH", "SYNC")
        lazyfree_finish()
        left = lua_memory_figures()[0] - before
        assert left == 0, f"{left} blocks of the states are left"
        self.session.close()

    def command(self, *words: object) -> object:
        try:
            return self.session.execute(*words)
        except ReplyError as error:
            assert "\r" not in str(error) and "\n" not in str(error), error
            return error

    def check(self, where: str) -> None:
        lua_memory_fails(-1)
        kill_scripts_after(self.engine, 0)
        self.engine.configure(script_memory_limit=0)
        check_scripts(self.engine)
        inspect.check(self.engine)
        found = self.command("EVAL", "return #KEYS + #ARGV * 10", 2, "a", "b", "c")
        assert found == 12, f"{where}: {found!r}"
        self.engine.configure(script_memory_limit=LIMIT)

    def step(self, step: Step, memory: str) -> None:
        words = self.words(step)
        self.command("EVAL", "return 1", 0)          # both states are there
        self.command("FUNCTION", "LOAD", "no library")
        kill_scripts_after(self.engine, step["kill"])
        if "limit" in step:
            self.engine.configure(script_memory_limit=step["limit"])
        if "fail" in step:
            lua_memory_fails(step["fail"], step["on"])
        lua_memory(memory, self.slack)          # to open a state takes a thousand blocks, which is no news
        self.steps += 1
        self.values += not isinstance(self.command(*words), ReplyError)
        lua_memory("malloc", self.slack)

    def words(self, step: Step) -> list[object]:
        do, text = step["do"], step["text"]
        if do == "flush":
            return list(text.split())
        if do == "load":
            return ["FUNCTION", "LOAD", *["REPLACE"] * step["replace"], text.encode("utf-8", "surrogateescape")]
        if do == "restore":
            body = b"".join(b"\xf5" + string(one.encode("utf-8", "surrogateescape")) for one in text)
            if step["broken"]:
                place = step["broken"] % (len(body) + 1)
                body = body[:place] + bytes([step["broken"] & 255]) + body[place + 1:]
            return ["FUNCTION", "RESTORE", sealed(body), step["policy"]]
        if do == "sha":
            found = self.command("SCRIPT", "LOAD", text.encode("utf-8", "surrogateescape"))
            text = found.decode() if isinstance(found, bytes) else "0" * 40
        name = {"eval": "EVAL", "sha": "EVALSHA", "fcall": "FCALL"}[do] + "_RO" * step.get("read_only", False)
        return [name, text.encode("utf-8", "surrogateescape"), 2, "key", "list", "hash", "", "1e5", b"\0\xff", "x" * 300]
