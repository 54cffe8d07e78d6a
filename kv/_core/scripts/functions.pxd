"""The libraries of functions that there are."""
from kv._core.base.slice cimport Slice
from kv._core.lua.api cimport lua_State
from kv._core.scripts.scripting cimport Function, Libraries, Library, Scripting

cdef Function *function_new(Slice name, Slice description, bint described) noexcept nogil

cdef Library *library_new(Slice name, Slice code) noexcept nogil
cdef void library_free(Library *library, lua_State *L) noexcept nogil
cdef void library_register(Library *library, Function *function) noexcept nogil

cdef void libraries_init(Libraries *libraries) noexcept nogil
cdef void libraries_clear(Libraries *libraries, lua_State *L) noexcept nogil
cdef Library *library_find(Libraries *libraries, Slice name) noexcept nogil
cdef Function *function_find(Libraries *libraries, Slice name) noexcept nogil
cdef Function *libraries_collision(Libraries *libraries, Libraries *fresh, Library *library) noexcept nogil
cdef void libraries_put(Libraries *libraries, Library *library, lua_State *L) noexcept nogil
cdef void libraries_remove(Libraries *libraries, Library *library, lua_State *L) noexcept nogil
cdef void libraries_join(Libraries *libraries, Libraries *fresh, lua_State *L) noexcept nogil
cdef void libraries_flush(Scripting *scripting, bint lazy) noexcept nogil
cdef size_t libraries_bytes(const Libraries *libraries) noexcept nogil
