"""FCALL, FCALL_RO, and FUNCTION.

Libraries are part of the dataset as keys are: what changes them goes to the AOF as it came, and RDB has them. FLUSHALL leaves them.
"""
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport strchr, strlen

from kv._core.base.clock cimport clock_us
from kv._core.base.glob cimport glob_match
from kv._core.base.numbers cimport parse_i64
from kv._core.base.platform cimport unlikely
from kv._core.base.sink cimport Sink, sink_free, sink_init
from kv._core.base.slice cimport Slice, slice_of
from kv._core.lua.api cimport lua_State
from kv._core.lua.state cimport lua_state_make_room
from kv._core.persist.payload cimport payload_body, payload_end, payload_is_sound
from kv._core.rdb.format cimport RDB_OPCODE_FUNCTION, RDB_OPCODE_FUNCTION_PRE
from kv._core.rdb.reader cimport RdbReader, rdb_get_byte, rdb_get_string, rdb_reader_free, rdb_reader_init
from kv._core.rdb.source cimport Source, source_has, source_init
from kv._core.rdb.writer cimport RdbWriter, rdb_put_byte, rdb_put_string, rdb_writer_free, rdb_writer_init
from kv._core.resp.reply cimport (
    reply_array, reply_bulk, reply_error, reply_i64, reply_map, reply_null, reply_ok, reply_set, reply_status)
from kv._core.runtime.context cimport arg_is, error, error_about, must_obey, subcommand_error
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import container, declare
from kv._core.runtime.state cimport Context
from kv._core.scripts.functions cimport (
    function_find, libraries_clear, libraries_collision, libraries_flush, libraries_init, libraries_join, libraries_remove,
    library_find)
from kv._core.scripts.loading cimport LOADING_LIMIT_US, library_load
from kv._core.scripts.run cimport (
    script_announce, script_busy, script_kill, script_may_run, script_run, script_take_words)
from kv._core.scripts.scripting cimport (
    SCRIPT_FLAG_NAMES, Function, Libraries, Library, Scripting, ScriptRun, script_flag_name, scripting_or_reply)

from kv._core.scripts.loading import LibraryError

cdef enum:
    VERSION_OF_FUNCTIONS = 10   # of RDB; older servers know none


# -- FCALL ------------------------------------------------------------------------------------------------------------

cdef void call_function(Context *c, bint read_only) noexcept nogil:
    cdef Scripting *scripting = <Scripting *> c.runtime.scripting
    cdef Function *function = NULL
    cdef ScriptRun run
    cdef int64_t keys = 0
    script_announce(c)
    if scripting != NULL:
        function = function_find(&scripting.libraries, c.argv[1])
    if function == NULL:
        error(c, b"ERR Function not found")
        return
    if not parse_i64(c.argv[2].data, c.argv[2].length, &keys):
        error(c, b"ERR Bad number of keys provided")
        return
    if not script_take_words(c, &run, keys):
        return
    run.state, run.function, run.flags, run.name = &scripting.functions, function.function, function.flags, function.name
    run.eval, run.read_only = False, read_only
    if script_may_run(c, &run):
        script_run(c, &run)
        if unlikely(scripting.functions.limit != 0):
            lua_state_make_room(&scripting.functions)


cdef void cmd_fcall(Context *c) noexcept nogil:
    call_function(c, False)


cdef void cmd_fcall_ro(Context *c) noexcept nogil:
    call_function(c, True)


READING_FLAGS = "noscript skip_monitor no_mandatory_keys stale script"
FCALL_FLAGS = READING_FLAGS + " may_replicate"
FCALL_ARGS = "function:string numkeys:integer [key...] [arg:string...]"

declare(native(cmd_fcall), "fcall", -3, FCALL_FLAGS, keys="2# RW access update", group="scripting", since="7.0.0",
        complexity="Depends on the function that is executed.", summary="Calls a function.", args=FCALL_ARGS)
declare(native(cmd_fcall_ro), "fcall_ro", -3, READING_FLAGS + " readonly", keys="2# RO access", group="scripting", since="7.0.0",
        complexity="Depends on the function that is executed.", summary="Calls a function that may not write.", args=FCALL_ARGS)


# -- FUNCTION: changes ------------------------------------------------------------------------------------------------

container("function", group="scripting", since="7.0.0", summary="A container for commands about functions.")

EVERYWHERE = "request_policy:all_shards response_policy:all_succeeded"


cdef void refuse(Context *c, str complaint) noexcept:
    cdef bytes text = b"ERR " + complaint.encode("utf-8", "surrogateescape")
    reply_error(&c.reply, text, len(text))


cdef inline int64_t loading_limit(Context *c) noexcept nogil:
    """What was loaded once, on this server or its primary, takes as long as it takes."""
    return 0 if must_obey(c) else LOADING_LIMIT_US


cdef Library *load_or_reply(Context *c, Scripting *scripting, bint replace) noexcept:
    try:
        return library_load(scripting, &scripting.libraries, c.argv[c.argc - 1], replace, loading_limit(c))
    except LibraryError as complaint:
        refuse(c, str(complaint))
        return NULL
    finally:
        c.runtime.enter(c.runtime)


cdef void cmd_function_load(Context *c) noexcept nogil:
    cdef Scripting *scripting
    cdef Library *library
    cdef int i
    for i in range(2, c.argc - 1):
        if not arg_is(c, i, b"replace", 7):
            error_about(c, b"ERR Unknown option given: ", c.argv[i], b"")
            return
    scripting = scripting_or_reply(c, True)
    if scripting == NULL:
        return
    with gil:
        library = load_or_reply(c, scripting, c.argc > 3)
    if library != NULL:
        c.keyspace.dirty += 1
        reply_bulk(&c.reply, library.name.data, library.name.length)


declare(native(cmd_function_load), "function|load", -3, "write denyoom noscript", group="scripting", since="7.0.0",
        complexity="O(1)", summary="Loads a library of functions.",
        tips=EVERYWHERE, args="[REPLACE] function-code:string")


cdef void cmd_function_delete(Context *c) noexcept nogil:
    cdef Scripting *scripting = <Scripting *> c.runtime.scripting
    cdef Library *library = library_find(&scripting.libraries, c.argv[2]) if scripting != NULL else NULL
    if library == NULL:
        error(c, b"ERR Library not found")
        return
    libraries_remove(&scripting.libraries, library, scripting.functions.L)
    c.keyspace.dirty += 1
    reply_ok(&c.reply)


declare(native(cmd_function_delete), "function|delete", 3, "write noscript", group="scripting", since="7.0.0",
        complexity="O(1)", summary="Deletes a library with its functions.", tips=EVERYWHERE, args="library-name:string")


cdef void cmd_function_flush(Context *c) noexcept nogil:
    cdef bint lazy
    if c.argc > 3:
        subcommand_error(c)
        return
    lazy = arg_is(c, 2, b"async", 5) if c.argc == 3 else c.keyspace.lazy_user_flush
    if c.argc == 3 and not lazy and not arg_is(c, 2, b"sync", 4):
        error(c, b"ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
        return
    if c.runtime.scripting != NULL:
        libraries_flush(<Scripting *> c.runtime.scripting, lazy)
    c.keyspace.dirty += 1
    reply_ok(&c.reply)


declare(native(cmd_function_flush), "function|flush", -2, "write noscript", group="scripting", since="7.0.0",
        complexity="O(N)", summary="Deletes all libraries.", tips=EVERYWHERE,
        args="[flush-type: ASYNC | SYNC]")


# -- DUMP and RESTORE -------------------------------------------------------------------------------------------------

cdef void cmd_function_dump(Context *c) noexcept nogil:
    """Each library as RDB has it, and the footer that DUMP's payloads have."""
    cdef Scripting *scripting = <Scripting *> c.runtime.scripting
    cdef Library *library = scripting.libraries.first if scripting != NULL else NULL
    cdef int version = c.runtime.rdb_version if c.runtime.rdb_version > VERSION_OF_FUNCTIONS else VERSION_OF_FUNCTIONS
    cdef RdbWriter writer
    cdef Sink sink
    sink_init(&sink, 0, NULL)
    rdb_writer_init(&writer, &sink, version, True)
    while library != NULL:
        rdb_put_byte(&writer, RDB_OPCODE_FUNCTION)
        rdb_put_string(&writer, slice_of(library.code.data, library.code.length))
        library = library.next
    payload_end(&writer, 0)
    reply_bulk(&c.reply, sink.buffer.data, sink.buffer.length)
    rdb_writer_free(&writer)
    sink_free(&sink)


declare(native(cmd_function_dump), "function|dump", 2, "noscript", group="scripting", since="7.0.0",
        complexity="O(N)", summary="Returns all libraries in the form that RESTORE reads.")


cdef int load_all(Scripting *scripting, RdbReader *reader, Libraries *into, int64_t limit_us) except -1:
    """Load what a payload holds. Raises LibraryError."""
    cdef int opcode = 0
    cdef Slice code
    while source_has(reader.source, 1):
        rdb_get_byte(reader, &opcode)
        if opcode == RDB_OPCODE_FUNCTION_PRE:
            raise LibraryError("Pre-GA function format not supported")
        if opcode != RDB_OPCODE_FUNCTION:
            raise LibraryError("given type is not a function")
        if not rdb_get_string(reader, &code):
            raise LibraryError("Failed loading library payload")
        library_load(scripting, into, code, False, limit_us)
    return 0


cdef int check_all(Libraries *libraries, Libraries *fresh, bint replace) except -1:
    """Whether the fresh libraries can join those that there are. Raises LibraryError."""
    cdef Library *library = fresh.first
    cdef Function *other
    while library != NULL:
        if not replace and library_find(libraries, slice_of(library.name.data, library.name.length)) != NULL:
            raise LibraryError(f"Library {library.name.data[:library.name.length].decode()} already exists")
        library = library.next
    library = fresh.first
    while library != NULL:
        other = libraries_collision(libraries, fresh, library)
        if other != NULL:
            raise LibraryError(f"Function {other.name.decode()} already exists")
        library = library.next
    return 0


cdef bint restore_or_reply(Context *c, Scripting *scripting, bint flush, bint replace) noexcept:
    """All libraries of the payload, or none."""
    cdef lua_State *L = scripting.functions.L
    cdef Slice body = payload_body(c.argv[2])
    cdef Libraries fresh
    cdef RdbReader reader
    cdef Source source
    libraries_init(&fresh)
    source_init(&source, body.data, body.length)
    rdb_reader_init(&reader, &source, 0, False)
    try:
        load_all(scripting, &reader, &fresh, loading_limit(c))
        if flush:
            libraries_clear(&scripting.libraries, L)
        else:
            check_all(&scripting.libraries, &fresh, replace)
        libraries_join(&scripting.libraries, &fresh, L)
        return True
    except LibraryError as complaint:
        refuse(c, str(complaint))
        return False
    finally:
        rdb_reader_free(&reader)
        libraries_clear(&fresh, L)
        c.runtime.enter(c.runtime)


cdef void cmd_function_restore(Context *c) noexcept nogil:
    cdef Scripting *scripting
    cdef bint flush = c.argc == 4 and arg_is(c, 3, b"flush", 5)
    cdef bint replace = c.argc == 4 and arg_is(c, 3, b"replace", 7)
    cdef bint restored
    if c.argc > 4:
        subcommand_error(c)
        return
    if c.argc == 4 and not flush and not replace and not arg_is(c, 3, b"append", 6):
        error(c, b"ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
        return
    if not payload_is_sound(c.argv[2], c.runtime.rdb_relaxed, c.runtime.checksum_unchecked):
        error(c, b"ERR DUMP payload version or checksum are wrong")
        return
    scripting = scripting_or_reply(c, True)
    if scripting == NULL:
        return
    with gil:
        restored = restore_or_reply(c, scripting, flush, replace)
    if restored:
        c.keyspace.dirty += 1
        reply_ok(&c.reply)


declare(native(cmd_function_restore), "function|restore", -3, "write denyoom noscript", group="scripting", since="7.0.0",
        complexity="O(N)", summary="Loads the libraries of a payload.",
        tips=EVERYWHERE, args="serialized-value:string [policy: FLUSH | APPEND | REPLACE]")


# -- what there is ----------------------------------------------------------------------------------------------------

cdef inline void reply_word(Context *c, const char *word) noexcept nogil:
    reply_bulk(&c.reply, word, strlen(word))


cdef void reply_flags(Context *c, uint32_t flags) noexcept nogil:
    cdef const char *name
    cdef int count = 0
    cdef int bit
    for bit in range(SCRIPT_FLAG_NAMES):
        count += flags >> bit & 1
    reply_set(&c.reply, count)
    for bit in range(SCRIPT_FLAG_NAMES):
        if flags >> bit & 1:
            name = script_flag_name(bit)
            reply_status(&c.reply, name, strlen(name))


cdef void reply_function(Context *c, const Function *function) noexcept nogil:
    reply_map(&c.reply, 3)
    reply_word(c, b"name")
    reply_bulk(&c.reply, function.name, function.name_length)
    reply_word(c, b"description")
    if function.description != NULL:
        reply_bulk(&c.reply, function.description.data, function.description.length)
    else:
        reply_null(&c.reply)
    reply_word(c, b"flags")
    reply_flags(c, function.flags)


cdef void reply_library(Context *c, const Library *library, bint with_code) noexcept nogil:
    cdef const Function *function = library.first
    reply_map(&c.reply, 4 if with_code else 3)
    reply_word(c, b"library_name")
    reply_bulk(&c.reply, library.name.data, library.name.length)
    reply_word(c, b"engine")
    reply_word(c, b"LUA")
    reply_word(c, b"functions")
    reply_array(&c.reply, library.count)
    while function != NULL:
        reply_function(c, function)
        function = function.next
    if with_code:
        reply_word(c, b"library_code")
        reply_bulk(&c.reply, library.code.data, library.code.length)


cdef bint list_options_or_reply(Context *c, int *pattern, bint *with_code) noexcept nogil:
    """`pattern` is the index of the word, 0: none."""
    cdef int i = 2
    pattern[0], with_code[0] = 0, False
    while i < c.argc:
        if not with_code[0] and arg_is(c, i, b"withcode", 8):
            with_code[0] = True
        elif not pattern[0] and arg_is(c, i, b"libraryname", 11):
            i += 1
            if i == c.argc:
                error(c, b"ERR library name argument was not given")
                return False
            pattern[0] = i
        else:
            error_about(c, b"ERR Unknown argument ", c.argv[i], b"")
            return False
        i += 1
    return True


cdef inline bint listed(Context *c, const Library *library, int pattern) noexcept nogil:
    return not pattern or glob_match(c.argv[pattern].data, c.argv[pattern].length, library.name.data, library.name.length, True)


cdef void cmd_function_list(Context *c) noexcept nogil:
    cdef Scripting *scripting = <Scripting *> c.runtime.scripting
    cdef Library *first = scripting.libraries.first if scripting != NULL else NULL
    cdef Library *library = first
    cdef int pattern
    cdef bint with_code
    cdef int64_t count = 0
    if not list_options_or_reply(c, &pattern, &with_code):
        return
    while library != NULL:
        count += listed(c, library, pattern)
        library = library.next
    reply_array(&c.reply, count)
    library = first
    while library != NULL:
        if listed(c, library, pattern):
            reply_library(c, library, with_code)
        library = library.next


declare(native(cmd_function_list), "function|list", -2, "noscript", group="scripting", since="7.0.0",
        complexity="O(N)", summary="Lists the libraries with their functions.",
        tips="nondeterministic_output_order", args="[LIBRARYNAME library-name-pattern:string] [WITHCODE]")


cdef void reply_running(Context *c, const ScriptRun *run) noexcept nogil:
    """The function that runs, while clients are served inside it."""
    cdef const Context *outer = run.outer
    cdef int i
    reply_map(&c.reply, 3)
    reply_word(c, b"name")
    reply_word(c, run.name)
    reply_word(c, b"command")
    reply_array(&c.reply, outer.argc)
    for i in range(outer.argc):
        reply_bulk(&c.reply, outer.argv[i].data, outer.argv[i].length)
    reply_word(c, b"duration_ms")
    reply_i64(&c.reply, (clock_us() - run.began_us) // 1000)


cdef void cmd_function_stats(Context *c) noexcept nogil:
    cdef Scripting *scripting = <Scripting *> c.runtime.scripting
    cdef const ScriptRun *run = scripting.run if scripting != NULL else NULL
    if run != NULL and run.eval:
        error(c, script_busy(c.runtime))
        return
    reply_map(&c.reply, 2)
    reply_word(c, b"running_script")
    if run != NULL:
        reply_running(c, run)
    else:
        reply_null(&c.reply)
    reply_word(c, b"engines")
    reply_map(&c.reply, 1)
    reply_word(c, b"LUA")
    reply_map(&c.reply, 2)
    reply_word(c, b"libraries_count")
    reply_i64(&c.reply, scripting.libraries.by_name.count if scripting != NULL else 0)
    reply_word(c, b"functions_count")
    reply_i64(&c.reply, scripting.libraries.functions.count if scripting != NULL else 0)


declare(native(cmd_function_stats), "function|stats", 2, "noscript allow_busy", group="scripting", since="7.0.0",
        complexity="O(1)", summary="Tells which function runs, and how many there are.",
        tips="nondeterministic_output request_policy:all_shards response_policy:special")


cdef void cmd_function_kill(Context *c) noexcept nogil:
    cdef const char *refusal = script_kill(c.runtime, False)
    if refusal != NULL:
        error(c, refusal)
    else:
        reply_ok(&c.reply)


declare(native(cmd_function_kill), "function|kill", 2, "noscript allow_busy", group="scripting", since="7.0.0",
        complexity="O(1)", summary="Ends the function that runs.",
        tips="request_policy:all_shards response_policy:one_succeeded")


# -- HELP -------------------------------------------------------------------------------------------------------------

cdef const char *HELP = (
    b"FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\n"
    b"LOAD [REPLACE] <FUNCTION CODE>\n"
    b"    Create a new library with the given library name and code.\n"
    b"DELETE <LIBRARY NAME>\n"
    b"    Delete the given library.\n"
    b"LIST [LIBRARYNAME PATTERN] [WITHCODE]\n"
    b"    Return general information on all the libraries:\n"
    b"    * Library name\n"
    b"    * The engine used to run the Library\n"
    b"    * Functions list\n"
    b"    * Library code (if WITHCODE is given)\n"
    b"    It also possible to get only function that matches a pattern using LIBRARYNAME argument.\n"
    b"STATS\n"
    b"    Return information about the current function running:\n"
    b"    * Function name\n"
    b"    * Command used to run the function\n"
    b"    * Duration in MS that the function is running\n"
    b"    If no function is running, return nil\n"
    b"    In addition, returns a list of available engines.\n"
    b"KILL\n"
    b"    Kill the current running function.\n"
    b"FLUSH [ASYNC|SYNC]\n"
    b"    Delete all the libraries.\n"
    b"    When called without the optional mode argument, the behavior is determined by the\n"
    b"    lazyfree-lazy-user-flush configuration directive. Valid modes are:\n"
    b"    * ASYNC: Asynchronously flush the libraries.\n"
    b"    * SYNC: Synchronously flush the libraries.\n"
    b"DUMP\n"
    b"    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command\n"
    b"RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]\n"
    b"    Restore the libraries represented by the given payload, it is possible to give a restore policy to\n"
    b"    control how to handle existing libraries (default APPEND):\n"
    b"    * FLUSH: delete all existing libraries.\n"
    b"    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.\n"
    b"    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old\n"
    b"      libraries with the new libraries (notice that even on this option there is a chance of failure\n"
    b"      in case of functions name collision with another library).\n"
    b"HELP\n"
    b"    Print this help.\n")


cdef void cmd_function_help(Context *c) noexcept nogil:
    cdef const char *line = HELP
    cdef const char *end
    cdef int64_t lines = 0
    cdef size_t i
    for i in range(strlen(HELP)):
        lines += HELP[i] == c'\n'
    reply_array(&c.reply, lines)
    while line[0]:
        end = strchr(line, c'\n')
        reply_status(&c.reply, line, end - line)
        line = end + 1


declare(native(cmd_function_help), "function|help", 2, "loading stale", group="scripting", since="7.0.0", complexity="O(1)",
        summary="Lists the subcommands of FUNCTION.")
