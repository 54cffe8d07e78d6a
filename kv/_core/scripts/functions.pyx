"""The libraries of functions that there are: each found by its name, and each function by its own, whatever its library.

A library is put here when it is whole and collides with nothing, so nothing that fails leaves a trace. RESTORE gathers what it is
given in Libraries of its own first, for the same reason.

Names of functions are found in any case, so two that differ in nothing else are one. (Valkey 8.1 lets a library register both, and
ends when it is deleted.) Names of libraries are found as they are.

`L` is the state that functions were compiled in, whose references are given back; NULL where it is gone, or about to go.
"""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from kv._core.base.blob cimport blob_copy, blob_free
from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_alloc, memory_calloc, memory_free, memory_size
from kv._core.base.slice cimport Slice, lower, slice_of
from kv._core.containers.hashtable cimport (
    Hashtable, HashtableType, Position, hashtable_clear, hashtable_find, hashtable_fit, hashtable_init, hashtable_insert,
    hashtable_overhead, hashtable_remove, position_element)
from kv._core.lua.api cimport LUA_REGISTRYINDEX, lua, lua_State
from kv._core.lua.state cimport LuaState, lua_state_detach, lua_state_free, lua_state_of
from kv._core.runtime.lazyfree cimport LAZYFREE_LEAST, lazyfree_call

cdef enum:
    USUAL_NAME = 128            # bytes of a function's name that is looked for without a block of its own

cdef HashtableType BY_NAME
cdef HashtableType FUNCTIONS


cdef const char *name_of(const void *element, size_t *length) noexcept nogil:
    length[0] = (<const Library *> element).name.length
    return (<const Library *> element).name.data


cdef const char *key_of(const void *element, size_t *length) noexcept nogil:
    length[0] = (<const Function *> element).name_length
    return (<const Function *> element).key


BY_NAME.key_of = name_of
FUNCTIONS.key_of = key_of


# -- one library ------------------------------------------------------------------------------------------------------

cdef Function *function_new(Slice name, Slice description, bint described) noexcept nogil:
    """One that calls nothing yet, of no library."""
    cdef Function *function = <Function *> memory_calloc(sizeof(Function))
    cdef size_t i
    function.name_length = name.length
    function.name = <char *> memory_alloc(2 * name.length + 1)
    memcpy(function.name, name.data, name.length)
    function.name[name.length] = 0
    function.key = function.name + name.length + 1
    for i in range(name.length):
        function.key[i] = lower(name.data[i])
    if described:
        function.description = blob_copy(description.data, description.length)
    return function


cdef Library *library_new(Slice name, Slice code) noexcept nogil:
    """One without functions."""
    cdef Library *library = <Library *> memory_calloc(sizeof(Library))
    library.name, library.code = blob_copy(name.data, name.length), blob_copy(code.data, code.length)
    return library


cdef void library_register(Library *library, Function *function) noexcept nogil:
    function.library = library
    if library.last != NULL:
        library.last.next = function
    else:
        library.first = function
    library.last = function
    library.count += 1


cdef void library_free(Library *library, lua_State *L) noexcept nogil:
    """One that is nowhere else any more."""
    cdef Function *function = library.first
    cdef Function *next
    if L != NULL:
        lua_state_of(L).collected = 0       # what it holds can be collected now
    while function != NULL:
        next = function.next
        if L != NULL:
            lua.L_unref(L, LUA_REGISTRYINDEX, function.function)
        blob_free(function.description)
        memory_free(function.name)
        memory_free(function)
        function = next
    blob_free(library.name)
    blob_free(library.code)
    memory_free(library)


# -- all of them ------------------------------------------------------------------------------------------------------

cdef void libraries_init(Libraries *libraries) noexcept nogil:
    hashtable_init(&libraries.by_name, &BY_NAME)
    hashtable_init(&libraries.functions, &FUNCTIONS)
    libraries.first = libraries.last = NULL


cdef void libraries_clear(Libraries *libraries, lua_State *L) noexcept nogil:
    """Free all of them."""
    cdef Library *library = libraries.first
    cdef Library *next
    hashtable_clear(&libraries.by_name)
    hashtable_clear(&libraries.functions)
    while library != NULL:
        next = library.next
        library_free(library, L)
        library = next
    libraries.first = libraries.last = NULL


cdef struct Flushed:            # what another thread frees
    Libraries libraries
    LuaState *state


cdef void free_flushed(void *of_flushed) noexcept nogil:
    cdef Flushed *flushed = <Flushed *> of_flushed
    lua_state_free(flushed.state)
    free(flushed.state)
    libraries_clear(&flushed.libraries, NULL)
    memory_free(flushed)


cdef bint flush_in_background(Scripting *scripting) noexcept nogil:
    """False: it must be done here."""
    cdef uint64_t count = scripting.libraries.functions.count
    cdef LuaState *state = lua_state_detach(&scripting.functions) if count > LAZYFREE_LEAST else NULL
    cdef Flushed *flushed
    if state == NULL:
        return False
    flushed = <Flushed *> memory_alloc(sizeof(Flushed))
    flushed.libraries, flushed.state = scripting.libraries, state
    libraries_init(&scripting.libraries)
    lazyfree_call(free_flushed, flushed, count)
    return True


cdef void libraries_flush(Scripting *scripting, bint lazy) noexcept nogil:
    """FUNCTION FLUSH: no library, and no state that they were compiled in. Another is made when the next one comes. `lazy`: many
    functions are freed by another thread."""
    if not lazy or not flush_in_background(scripting):
        lua_state_free(&scripting.functions)
        libraries_clear(&scripting.libraries, NULL)


cdef inline void *found(Hashtable *table, const char *key, size_t length) noexcept nogil:
    cdef Position position
    if table.count == 0:
        return NULL
    position = hashtable_find(table, key, length, hash_bytes(key, length))
    return position_element(position) if position.bucket != NULL else NULL


cdef inline void forget(Hashtable *table, const char *key, size_t length) noexcept nogil:
    """Take out an element that is there."""
    cdef uint64_t hash = hash_bytes(key, length)
    hashtable_remove(table, hashtable_find(table, key, length, hash), hash)
    hashtable_fit(table)


cdef Library *library_find(Libraries *libraries, Slice name) noexcept nogil:
    return <Library *> found(&libraries.by_name, name.data, name.length)


cdef Function *function_find(Libraries *libraries, Slice name) noexcept nogil:
    """The function of a name in any case, NULL where there is none."""
    cdef char usual[USUAL_NAME]
    cdef char *key = usual
    cdef Function *function
    cdef size_t i
    if name.length > USUAL_NAME:
        key = <char *> memory_alloc(name.length)
    for i in range(name.length):
        key[i] = lower(name.data[i])
    function = <Function *> found(&libraries.functions, key, name.length)
    if key != usual:
        memory_free(key)
    return function


cdef Function *libraries_collision(Libraries *libraries, Libraries *fresh, Library *library) noexcept nogil:
    """A function of a library whose name one of another library has: of one that stays, as its name is neither this library's nor
    that of one among the fresh ones (NULL: there are none)."""
    cdef Function *function = library.first
    cdef Function *other
    cdef Slice name
    while function != NULL:
        other = <Function *> found(&libraries.functions, function.key, function.name_length)
        if other != NULL:
            name = slice_of(other.library.name.data, other.library.name.length)
            if (library_find(fresh, name) == NULL if fresh != NULL else library_find(libraries, slice_of(
                    library.name.data, library.name.length)) != other.library):
                return function
        function = function.next
    return NULL


cdef void libraries_put(Libraries *libraries, Library *library, lua_State *L) noexcept nogil:
    """A library that collides with none, in the place of the one of its name, if there is one."""
    cdef Library *old = library_find(libraries, slice_of(library.name.data, library.name.length))
    cdef Function *function = library.first
    if old != NULL:
        libraries_remove(libraries, old, L)
    library.previous, library.next = libraries.last, NULL
    if libraries.last != NULL:
        libraries.last.next = library
    else:
        libraries.first = library
    libraries.last = library
    hashtable_insert(&libraries.by_name, library, hash_bytes(library.name.data, library.name.length), False)
    while function != NULL:
        hashtable_insert(&libraries.functions, function, hash_bytes(function.key, function.name_length), False)
        function = function.next


cdef void libraries_remove(Libraries *libraries, Library *library, lua_State *L) noexcept nogil:
    cdef Function *function = library.first
    while function != NULL:
        forget(&libraries.functions, function.key, function.name_length)
        function = function.next
    forget(&libraries.by_name, library.name.data, library.name.length)
    if library.previous != NULL:
        library.previous.next = library.next
    else:
        libraries.first = library.next
    if library.next != NULL:
        library.next.previous = library.previous
    else:
        libraries.last = library.previous
    library_free(library, L)


cdef void libraries_join(Libraries *libraries, Libraries *fresh, lua_State *L) noexcept nogil:
    """Put all of the fresh ones here, which collide with none that stays; they are nobody else's then."""
    cdef Library *library = fresh.first
    cdef Library *next
    cdef Library *old
    hashtable_clear(&fresh.by_name)
    hashtable_clear(&fresh.functions)
    while library != NULL:              # all that go must be gone first: a function may have moved from one to another
        old = library_find(libraries, slice_of(library.name.data, library.name.length))
        if old != NULL:
            libraries_remove(libraries, old, L)
        library = library.next
    library = fresh.first
    while library != NULL:
        next = library.next
        libraries_put(libraries, library, L)
        library = next
    fresh.first = fresh.last = NULL


cdef size_t library_bytes(const Library *library) noexcept nogil:
    cdef size_t bytes_ = memory_size(library) + memory_size(library.name) + memory_size(library.code)
    cdef const Function *function = library.first
    while function != NULL:
        bytes_ += memory_size(function) + memory_size(function.name)
        if function.description != NULL:
            bytes_ += memory_size(function.description)
        function = function.next
    return bytes_


cdef size_t libraries_bytes(const Libraries *libraries) noexcept nogil:
    """What they take, beside the state that their functions are compiled in."""
    cdef size_t bytes_ = hashtable_overhead(&libraries.by_name) + hashtable_overhead(&libraries.functions)
    cdef const Library *library = libraries.first
    while library != NULL:
        bytes_ += library_bytes(library)
        library = library.next
    return bytes_
