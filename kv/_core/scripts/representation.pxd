"""Values of Lua and replies, as people read them."""
from kv._core.lua.api cimport lua_State
from kv._core.scripts.transcript cimport Debugger

cdef void show_value(Debugger *debugger, lua_State *L, int index) noexcept nogil
cdef const char *show_reply(Debugger *debugger, const char *at) noexcept nogil
