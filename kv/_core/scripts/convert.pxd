"""Replies as Lua's values, and Lua's values as replies."""
from kv._core.base.slice cimport Slice
from kv._core.lua.api cimport lua_State
from kv._core.resp.reply cimport Reply

cdef const char *push_reply(lua_State *L, const char *at) noexcept nogil
cdef void push_error(lua_State *L, Slice text) noexcept nogil
cdef void push_error_text(lua_State *L, const char *text) noexcept nogil
cdef bint reply_value(lua_State *L, Reply *reply, int resp) noexcept nogil
