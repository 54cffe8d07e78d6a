"""An engine's Lua states, for tests of scripts."""
from kv._core.engine.engine cimport Engine
from kv._core.lua.api cimport LUA_MASKCOUNT, lua, lua_Debug, lua_Hook, lua_State
from kv._core.lua.state cimport LuaState
from kv._core.scripts.scripting cimport Scripting, scripting_of_state

cdef enum:
    USUAL = 100000              # instructions between two looks of scripts/run

cdef lua_Hook look = NULL       # that of scripts/run, which ends a run that is killed


cdef void kill(lua_State *L, lua_Debug *event) noexcept nogil:
    cdef Scripting *scripting = scripting_of_state(L)
    if scripting.run != NULL:
        scripting.run.killed = True
        look(L, event)


cdef int watch(LuaState *state, int instructions) except -1:
    global look
    if state.L == NULL:
        return 0
    if look == NULL:
        look = lua.gethook(state.L)
    lua.sethook(state.L, kill if instructions else look, LUA_MASKCOUNT, instructions if instructions else USUAL)
    return 0


def kill_scripts_after(Engine engine not None, int instructions):
    """Have whatever runs from here on killed after so many instructions, as by SCRIPT KILL; 0: nothing is killed. In states that
    are open."""
    cdef Scripting *scripting = <Scripting *> engine.runtime.scripting
    if scripting != NULL:
        watch(&scripting.eval, instructions)
        watch(&scripting.functions, instructions)


cdef int check_state(LuaState *state) except -1:
    if state.L != NULL and (lua.gettop(state.L) != 0 or state.killed):
        raise AssertionError(f"{lua.gettop(state.L)} values are left on the stack" if lua.gettop(state.L) else "it stays killed")
    return 0


def check_scripts(Engine engine not None):
    """Raises AssertionError where what ran has left something on a stack, or what follows would be killed."""
    cdef Scripting *scripting = <Scripting *> engine.runtime.scripting
    if scripting != NULL:
        if scripting.run != NULL or scripting.loading != NULL:
            raise AssertionError("a script runs")
        check_state(&scripting.eval)
        check_state(&scripting.functions)
