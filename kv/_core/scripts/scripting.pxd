"""What an engine has for scripts: made when the first one comes."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from kv._core.base.blob cimport Blob
from kv._core.base.buffer cimport Buffer
from kv._core.base.slice cimport Slice
from kv._core.containers.hashtable cimport Hashtable
from kv._core.lua.api cimport lua_State
from kv._core.lua.state cimport LuaState, lua_state_of
from kv._core.runtime.state cimport Context, Runtime, Session
from kv._core.scripts.transcript cimport Debugger

cdef enum ScriptFlag:           # of a script's first line (#!lua flags=...), of a function's declaration
    SCRIPT_NO_WRITES = 1 << 0
    SCRIPT_ALLOW_OOM = 1 << 1
    SCRIPT_ALLOW_STALE = 1 << 2
    SCRIPT_NO_CLUSTER = 1 << 3
    SCRIPT_CROSS_SLOT = 1 << 4  # allow-cross-slot-keys
    SCRIPT_COMPAT = 1 << 5      # it has no such line: the command's own flags hold

cdef enum Target:               # who is told of a script's effects: redis.set_repl
    TARGET_NONE = 0
    TARGET_AOF = 1
    TARGET_REPLICAS = 2
    TARGET_ALL = 3

cdef enum:
    SHA_SIZE = 40               # hexadecimal digits of a SHA-1
    SCRIPT_FLAG_NAMES = 5       # ScriptFlags that have a name: the lowest bits

cdef struct Script:             # one that EVAL or SCRIPT LOAD brought
    char sha[SHA_SIZE + 1]      # lower case, terminated
    Blob *body
    int function                # its compiled body: a reference in the state's registry
    uint32_t flags              # ScriptFlag
    bint pinned                 # by SCRIPT LOAD: never evicted
    Script *newer               # of those that are not pinned, by their last use
    Script *older

cdef struct Library

cdef struct Function:           # of a library
    char *name                  # as it was registered, terminated
    char *key                   # in lower case, as long: by this it is found
    size_t name_length
    Blob *description           # NULL: none
    int function                # what is called: a reference in the registry of Scripting.functions
    uint32_t flags              # ScriptFlag
    Library *library
    Function *next              # of the library, in the order of their registration

cdef struct Library:            # what FUNCTION LOAD brought
    Blob *name
    Blob *code                  # whole, with its first line
    Function *first
    Function *last
    uint64_t count              # functions
    Library *previous           # loaded before it
    Library *next

cdef struct Libraries:          # scripts/functions
    Hashtable by_name           # Library pointers
    Hashtable functions         # Function pointers of all libraries, by their keys
    Library *first              # in the order of their loading
    Library *last

cdef struct ScriptRun:          # a script or a function that runs
    Context *outer              # the command that started it
    LuaState *state
    int function                # reference of what is called
    uint32_t flags              # ScriptFlag
    const char *name            # its SHA-1, or the function's name, terminated
    bint eval                   # a script, not a function
    bint read_only              # it may not write
    bint wrote                  # it called a command that writes
    bint busy                   # it runs longer than busy-reply-threshold
    bint killed                 # it is to end
    const char *ending          # the error that it ends with then; NULL: that of SCRIPT KILL or FUNCTION KILL
    bint refused                # the last command that it called was not run
    bint allow_oom
    int target                  # Target
    int64_t began_us            # of the monotonic clock
    Slice *keys
    int key_count
    Slice *arguments
    int argument_count

cdef struct Scripting:          # an engine's; Runtime.scripting
    Runtime *runtime
    LuaState eval               # of EVAL's scripts
    LuaState functions          # of functions
    Session *session            # that commands of scripts run in
    ScriptRun *run              # NULL: none
    Debugger *debugger          # of the script that runs; NULL: nobody debugs it
    Hashtable by_sha            # Script pointers
    Hashtable by_body
    Script *newest              # of those that are not pinned
    Script *oldest
    uint64_t unpinned
    uint64_t evicted            # ever
    size_t bodies               # bytes of all scripts
    Libraries libraries
    Library *loading            # that registers its functions; NULL: none does
    int64_t loading_until_us    # of the monotonic clock: the loading is ended then; 0: never
    Buffer words                # Slices of the command that a script calls
    Buffer numbers              # text of numbers among them
    Buffer reply                # to that command
    uint32_t runs               # since the last step of the collector


cdef Scripting *scripting_of(Runtime *runtime, bint functions) except NULL with gil
cdef Scripting *scripting_or_reply(Context *c, bint functions) noexcept nogil
cdef void scripting_free(Runtime *runtime) noexcept nogil
cdef const char *script_flag_name(int bit) noexcept nogil


cdef inline Scripting *scripting_of_state(lua_State *L) noexcept nogil:
    return <Scripting *> lua_state_of(L).owner
