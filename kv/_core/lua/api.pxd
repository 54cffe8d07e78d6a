"""Lua 5.1's C API as a struct of pointers, found in the shared object that the lupa package brings.

This is the one file that knows where Lua comes from. `lua_load()` fills the struct; before that no pointer may be called. Names
are those of Lua's manual without their prefix: lua.pushnil(L) is lua_pushnil, lua.L_checkstack is luaL_checkstack.

Lua raises errors by longjmp. So a function that Lua calls
    - is `noexcept nogil`, and holds no Python object, lock or memory of its own while it calls what may raise (any push may);
      what must outlive a raise belongs to the LuaState (lua/state);
    - ends with `return lua.error(L)` or lua_raise(...) where it raises.
"""

cdef enum:
    LUA_REGISTRYINDEX = -10000
    LUA_ENVIRONINDEX = -10001
    LUA_GLOBALSINDEX = -10002
    LUA_MULTRET = -1
    LUA_MINSTACK = 20           # slots that a C function has without asking
    # ... and can have at most. What nests has a slot for each level, so no data that a function walks, in a loop, are deeper.
    LUA_SLOTS = 8000

cdef enum:                      # types of values
    LUA_TNONE = -1
    LUA_TNIL
    LUA_TBOOLEAN
    LUA_TLIGHTUSERDATA
    LUA_TNUMBER
    LUA_TSTRING
    LUA_TTABLE
    LUA_TFUNCTION
    LUA_TUSERDATA
    LUA_TTHREAD

cdef enum:                      # what calls end with
    LUA_OK = 0
    LUA_YIELD = 1
    LUA_ERRRUN = 2
    LUA_ERRSYNTAX = 3
    LUA_ERRMEM = 4
    LUA_ERRERR = 5

cdef enum:                      # lua.gc
    LUA_GCSTOP = 0
    LUA_GCRESTART = 1
    LUA_GCCOLLECT = 2
    LUA_GCCOUNT = 3
    LUA_GCCOUNTB = 4
    LUA_GCSTEP = 5
    LUA_GCSETPAUSE = 6
    LUA_GCSETSTEPMUL = 7

cdef enum:                      # events and masks of hooks
    LUA_HOOKCALL = 0
    LUA_HOOKRET = 1
    LUA_HOOKLINE = 2
    LUA_HOOKCOUNT = 3
    LUA_HOOKTAILRET = 4
    LUA_MASKCALL = 1
    LUA_MASKRET = 2
    LUA_MASKLINE = 4
    LUA_MASKCOUNT = 8

cdef struct lua_State:          # opaque
    int unused

cdef struct lua_Debug:
    int event
    const char *name
    const char *namewhat        # "global", "local", "method", "field", ""
    const char *what            # "Lua", "C", "main", "tail"
    const char *source
    int currentline
    int nups
    int linedefined
    int lastlinedefined
    char short_src[60]
    int i_ci

ctypedef double lua_Number
ctypedef Py_ssize_t lua_Integer
ctypedef int (*lua_CFunction)(lua_State *L) noexcept nogil
ctypedef void *(*lua_Alloc)(void *owner, void *block, size_t old, size_t new) noexcept nogil
ctypedef const char *(*lua_Reader)(lua_State *L, void *owner, size_t *length) noexcept nogil
ctypedef int (*lua_Writer)(lua_State *L, const void *data, size_t length, void *owner) noexcept nogil
ctypedef void (*lua_Hook)(lua_State *L, lua_Debug *event) noexcept nogil

cdef struct LuaApi:
    # states
    lua_State *(*newstate)(lua_Alloc allocate, void *owner) noexcept nogil
    void (*close)(lua_State *L) noexcept nogil
    lua_State *(*newthread)(lua_State *L) noexcept nogil
    lua_CFunction (*atpanic)(lua_State *L, lua_CFunction panic) noexcept nogil
    lua_Alloc (*getallocf)(lua_State *L, void **owner) noexcept nogil
    void (*setallocf)(lua_State *L, lua_Alloc allocate, void *owner) noexcept nogil
    int (*gc)(lua_State *L, int what, int data) noexcept nogil
    # the stack
    int (*gettop)(lua_State *L) noexcept nogil
    void (*settop)(lua_State *L, int index) noexcept nogil
    void (*pushvalue)(lua_State *L, int index) noexcept nogil
    void (*remove)(lua_State *L, int index) noexcept nogil
    void (*insert)(lua_State *L, int index) noexcept nogil
    void (*replace)(lua_State *L, int index) noexcept nogil
    int (*checkstack)(lua_State *L, int slots) noexcept nogil
    void (*xmove)(lua_State *source, lua_State *target, int count) noexcept nogil
    # looking at values
    int (*type)(lua_State *L, int index) noexcept nogil
    const char *(*typename)(lua_State *L, int type) noexcept nogil
    int (*isnumber)(lua_State *L, int index) noexcept nogil
    int (*isstring)(lua_State *L, int index) noexcept nogil
    int (*iscfunction)(lua_State *L, int index) noexcept nogil
    int (*equal)(lua_State *L, int a, int b) noexcept nogil
    int (*rawequal)(lua_State *L, int a, int b) noexcept nogil
    int (*lessthan)(lua_State *L, int a, int b) noexcept nogil
    lua_Number (*tonumber)(lua_State *L, int index) noexcept nogil
    lua_Integer (*tointeger)(lua_State *L, int index) noexcept nogil
    int (*toboolean)(lua_State *L, int index) noexcept nogil
    const char *(*tolstring)(lua_State *L, int index, size_t *length) noexcept nogil
    size_t (*objlen)(lua_State *L, int index) noexcept nogil
    lua_CFunction (*tocfunction)(lua_State *L, int index) noexcept nogil
    void *(*touserdata)(lua_State *L, int index) noexcept nogil
    lua_State *(*tothread)(lua_State *L, int index) noexcept nogil
    const void *(*topointer)(lua_State *L, int index) noexcept nogil
    # making values
    void (*pushnil)(lua_State *L) noexcept nogil
    void (*pushnumber)(lua_State *L, lua_Number value) noexcept nogil
    void (*pushinteger)(lua_State *L, lua_Integer value) noexcept nogil
    void (*pushlstring)(lua_State *L, const char *data, size_t length) noexcept nogil
    void (*pushstring)(lua_State *L, const char *text) noexcept nogil
    void (*pushcclosure)(lua_State *L, lua_CFunction function, int upvalues) noexcept nogil
    void (*pushboolean)(lua_State *L, int value) noexcept nogil
    void (*pushlightuserdata)(lua_State *L, void *value) noexcept nogil
    const char *(*pushfstring)(lua_State *L, const char *form, ...) noexcept nogil
    void (*createtable)(lua_State *L, int array, int records) noexcept nogil
    void *(*newuserdata)(lua_State *L, size_t size) noexcept nogil
    # tables
    void (*gettable)(lua_State *L, int index) noexcept nogil
    void (*getfield)(lua_State *L, int index, const char *name) noexcept nogil
    void (*rawget)(lua_State *L, int index) noexcept nogil
    void (*rawgeti)(lua_State *L, int index, int number) noexcept nogil
    int (*getmetatable)(lua_State *L, int index) noexcept nogil
    void (*getfenv)(lua_State *L, int index) noexcept nogil
    void (*settable)(lua_State *L, int index) noexcept nogil
    void (*setfield)(lua_State *L, int index, const char *name) noexcept nogil
    void (*rawset)(lua_State *L, int index) noexcept nogil
    void (*rawseti)(lua_State *L, int index, int number) noexcept nogil
    int (*setmetatable)(lua_State *L, int index) noexcept nogil
    int (*setfenv)(lua_State *L, int index) noexcept nogil
    int (*next)(lua_State *L, int index) noexcept nogil
    # code
    void (*call)(lua_State *L, int arguments, int results) noexcept nogil
    int (*pcall)(lua_State *L, int arguments, int results, int handler) noexcept nogil
    int (*cpcall)(lua_State *L, lua_CFunction function, void *argument) noexcept nogil
    int (*load)(lua_State *L, lua_Reader reader, void *owner, const char *name) noexcept nogil
    int (*dump)(lua_State *L, lua_Writer writer, void *owner) noexcept nogil
    int (*error)(lua_State *L) noexcept nogil
    void (*concat)(lua_State *L, int count) noexcept nogil
    int (*yield_ "yield")(lua_State *L, int results) noexcept nogil
    int (*resume)(lua_State *L, int arguments) noexcept nogil
    int (*status)(lua_State *L) noexcept nogil
    # debugging
    int (*sethook)(lua_State *L, lua_Hook hook, int mask, int count) noexcept nogil
    lua_Hook (*gethook)(lua_State *L) noexcept nogil
    int (*gethookmask)(lua_State *L) noexcept nogil
    int (*gethookcount)(lua_State *L) noexcept nogil
    int (*getstack)(lua_State *L, int level, lua_Debug *found) noexcept nogil
    int (*getinfo)(lua_State *L, const char *what, lua_Debug *found) noexcept nogil
    const char *(*getlocal)(lua_State *L, const lua_Debug *of, int number) noexcept nogil
    const char *(*setlocal)(lua_State *L, const lua_Debug *of, int number) noexcept nogil
    const char *(*getupvalue)(lua_State *L, int function, int number) noexcept nogil
    const char *(*setupvalue)(lua_State *L, int function, int number) noexcept nogil
    # the auxiliary library
    int (*L_loadbuffer)(lua_State *L, const char *data, size_t length, const char *name) noexcept nogil
    const char *(*L_checklstring)(lua_State *L, int argument, size_t *length) noexcept nogil
    const char *(*L_optlstring)(lua_State *L, int argument, const char *default, size_t *length) noexcept nogil
    lua_Number (*L_checknumber)(lua_State *L, int argument) noexcept nogil
    lua_Number (*L_optnumber)(lua_State *L, int argument, lua_Number default) noexcept nogil
    lua_Integer (*L_checkinteger)(lua_State *L, int argument) noexcept nogil
    lua_Integer (*L_optinteger)(lua_State *L, int argument, lua_Integer default) noexcept nogil
    void (*L_checktype)(lua_State *L, int argument, int type) noexcept nogil
    void (*L_checkany)(lua_State *L, int argument) noexcept nogil
    void (*L_checkstack)(lua_State *L, int slots, const char *text) noexcept nogil
    int (*L_argerror)(lua_State *L, int argument, const char *text) noexcept nogil
    int (*L_typerror)(lua_State *L, int argument, const char *type) noexcept nogil
    int (*L_error)(lua_State *L, const char *form, ...) noexcept nogil
    int (*L_getmetafield)(lua_State *L, int index, const char *name) noexcept nogil
    int (*L_callmeta)(lua_State *L, int index, const char *name) noexcept nogil
    void (*L_where)(lua_State *L, int level) noexcept nogil
    int (*L_ref)(lua_State *L, int table) noexcept nogil
    void (*L_unref)(lua_State *L, int table, int reference) noexcept nogil
    # libraries
    lua_CFunction open_base
    lua_CFunction open_table
    lua_CFunction open_string
    lua_CFunction open_math

cdef LuaApi lua


cdef inline void lua_pop(lua_State *L, int count) noexcept nogil:
    lua.settop(L, -count - 1)


cdef inline int lua_upvalueindex(int number) noexcept nogil:
    return LUA_GLOBALSINDEX - number


cdef inline int lua_absolute(lua_State *L, int index) noexcept nogil:
    """An index that stays right when more is pushed."""
    return lua.gettop(L) + index + 1 if index < 0 and index > LUA_REGISTRYINDEX else index


cdef inline int lua_raise(lua_State *L, const char *text) noexcept nogil:
    """Raise an error with the place of the running function before its text."""
    lua.L_where(L, 1)
    lua.pushstring(L, text)
    lua.concat(L, 2)
    return lua.error(L)
