"""A library is loaded: its first line is read, and the rest is run, which registers its functions (scripts/register).

    #!lua name=mylibrary

What is wrong with it is told before anything changes.
"""
from libc.stdint cimport int64_t

from kv._core.base.buffer cimport Buffer, buffer_append
from kv._core.base.clock cimport clock_us
from kv._core.base.slice cimport Slice, slice_of
from kv._core.lua.api cimport LUA_MASKCOUNT, LUA_OK, LUA_TSTRING, LUA_TTABLE, lua, lua_Debug, lua_State
from kv._core.lua.chunk cimport lua_load_chunk
from kv._core.lua.state cimport lua_state_collect, lua_state_make_room, lua_state_of
from kv._core.scripts.convert cimport push_error_text
from kv._core.scripts.functions cimport (
    libraries_collision, libraries_put, library_find, library_free, library_new)
from kv._core.scripts.register cimport script_show_globals, script_show_register
from kv._core.scripts.run cimport script_watch
from kv._core.scripts.scripting cimport Function, scripting_of_state


from kv.quoting import Unbalanced, split

cdef enum:
    LOOKED_EVERY = 100000       # instructions between two looks at the clock

LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
BAD_LIBRARY_NAME = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"
BAD_FUNCTION_NAME = "Function names can only contain letters, numbers, or underscores(_) and must be at least one character long"


class LibraryError(Exception):
    """A library is not loaded; str() says why, in Valkey's words, without an error's code."""


# -- running it -------------------------------------------------------------------------------------------------------

cdef struct Source:
    Slice code
    Buffer *complaint           # empty: it has run


cdef void at_count(lua_State *L, lua_Debug *event) noexcept nogil:
    """The hook: a library that takes too long is ended, and can't go on by catching the error."""
    cdef int64_t until_us = scripting_of_state(L).loading_until_us
    if until_us and clock_us() > until_us:
        lua_state_of(L).killed = True
        push_error_text(L, b"ERR FUNCTION LOAD timeout")
        lua.error(L)


cdef bint is_name(bytes name) except -1:
    return len(name) > 0 and LETTERS.issuperset(name)


cdef void complain(lua_State *L, Source *source, Slice before, bint running) noexcept nogil:
    """Note the error on top of the stack. What a library raises has a code; the compiler's messages have none."""
    cdef Slice text = slice_of(b"ERR unknown error", 17)
    cdef bint own = lua.type(L, -1) == LUA_TTABLE
    if own:
        lua.pushstring(L, b"err")
        lua.rawget(L, -2)
    buffer_append(source.complaint, before.data, before.length)
    if lua.type(L, -1) == LUA_TSTRING:
        text.data = lua.tolstring(L, -1, &text.length)
        if running and not own:
            buffer_append(source.complaint, b"ERR ", 4)
    buffer_append(source.complaint, text.data, text.length)


cdef int run(lua_State *L) noexcept nogil:
    cdef Source *source = <Source *> lua.touserdata(L, 1)
    script_show_register(L)
    if lua_load_chunk(L, source.code.data, source.code.length, b"@user_function") != LUA_OK:
        complain(L, source, slice_of(b"Error compiling function: ", 26), False)
        return 0
    lua.sethook(L, at_count, LUA_MASKCOUNT, LOOKED_EVERY)
    if lua.pcall(L, 0, 0, 0) != LUA_OK:
        complain(L, source, slice_of(b"Error registering functions: ", 29), True)
    return 0


cdef int run_library(Scripting *scripting, Library *library, Slice code, int64_t limit_us) except -1:
    """Run the code, which registers functions with the library. Raises LibraryError."""
    cdef lua_State *L = scripting.functions.L
    cdef Source source
    cdef int status
    source.code, source.complaint = code, &scripting.reply
    scripting.reply.length = 0
    scripting.loading, scripting.loading_until_us = library, clock_us() + limit_us if limit_us else 0
    status = lua.cpcall(L, run, &source)
    lua.settop(L, 0)
    script_watch(L)
    scripting.loading = NULL
    scripting.functions.killed = False
    script_show_globals(L)              # takes no memory, so it raises nothing
    if status != LUA_OK:                # there was no memory to run it, or to say what is wrong
        raise LibraryError("Error registering functions: ERR not enough memory")
    if scripting.reply.length:
        raise LibraryError(scripting.reply.data[:scripting.reply.length].decode("utf-8", "surrogateescape"))
    return 0


# -- what it says of itself -------------------------------------------------------------------------------------------

def read_first_line(bytes code not None):
    """(name of the engine, name of the library, bytes of the line). Raises LibraryError."""
    if not code.startswith(b"#!"):
        raise LibraryError("Missing library metadata")
    line, newline, _ = code.partition(b"\n")
    try:
        words = split(line) if newline else []
    except Unbalanced:
        words = []
    if not words:
        raise LibraryError("Invalid library metadata")
    name = None
    for word in words[1:]:
        if word[:5].lower() != b"name=":
            raise LibraryError(f"Invalid metadata value given: {word.decode('utf-8', 'surrogateescape')}")
        if name is not None:
            raise LibraryError("Invalid metadata value, name argument was given multiple times")
        name = word[5:]
    if name is None:
        raise LibraryError("Library name was not given")
    return words[0][2:], name, len(line)


cdef int check_functions(Library *library) except -1:
    """The names that it has registered. Raises LibraryError."""
    cdef Function *function = library.first
    names = set()
    while function != NULL:
        if not is_name(function.name[:function.name_length]):
            raise LibraryError(BAD_FUNCTION_NAME)
        key = function.key[:function.name_length]
        if key in names:
            raise LibraryError("Function already exists in the library")
        names.add(key)
        function = function.next
    if not names:
        raise LibraryError("No functions registered")
    return 0


cdef Library *library_load(Scripting *scripting, Libraries *into, Slice code, bint replace, int64_t limit_us) except NULL:
    """Run the code of a library, and put it among others, in the place of the one of its name if it may `replace` that. It may take
    `limit_us` microseconds; 0: as long, and as much memory, as it takes. Raises LibraryError, and leaves everything as it was."""
    cdef size_t limit = scripting.functions.limit
    cdef bytes text = code.data[:code.length].partition(b"\0")[0]      # Valkey reads it as a C string
    cdef Library *library
    cdef Function *other
    cdef bytes name
    engine, name, skipped = read_first_line(text)
    if not is_name(name):
        raise LibraryError(BAD_LIBRARY_NAME)
    if engine.lower() != b"lua":
        raise LibraryError(f"Engine '{engine.decode('utf-8', 'surrogateescape')}' not found")
    if not replace and library_find(into, slice_of(name, len(name))) != NULL:
        raise LibraryError(f"Library '{name.decode()}' already exists")
    library = library_new(slice_of(name, len(name)), code)
    if not limit_us:
        scripting.functions.limit = 0
    elif limit:
        lua_state_make_room(&scripting.functions)
    try:
        run_library(scripting, library, slice_of(<const char *> text + <size_t> skipped, len(text) - <size_t> skipped), limit_us)
        check_functions(library)
        other = libraries_collision(into, NULL, library)
        if other != NULL:
            raise LibraryError(f"Function {other.name.decode()} already exists")
    except LibraryError:
        library_free(library, scripting.functions.L)
        lua_state_collect(&scripting.functions)
        raise
    finally:
        scripting.functions.limit = limit
    libraries_put(into, library, scripting.functions.L)
    return library
