"""The commands of the debugger: what its client may ask while the script stands, and how it has it go on.

They run in Lua's hook, in which Lua calls no other hook. So code of the client (eval) gets a thread of its own, whose hook ends it
where it takes too long. The locals of the script are read off its frames, from the innermost out.
"""
from libc.stdint cimport int64_t
from libc.string cimport memchr, strcmp, strlen, strstr

from kv._core.base.buffer cimport buffer_append
from kv._core.base.clock cimport clock_us
from kv._core.base.numbers cimport parse_i64
from kv._core.base.slice cimport Slice, slice_is, slice_of
from kv._core.lua.api cimport (
    LUA_MASKCOUNT, LUA_OK, LUA_TTABLE, lua, lua_Debug, lua_pop, lua_State)
from kv._core.lua.chunk cimport lua_load_chunk
from kv._core.lua.sandbox cimport lua_push_globals
from kv._core.lua.state cimport lua_state_of
from kv._core.scripts.representation cimport show_value
from kv._core.scripts.run cimport INSTRUCTIONS, script_end, script_limit_ms
from kv._core.scripts.scripting cimport Scripting, ScriptRun, scripting_of_state
from kv._core.scripts.transcript cimport (
    BREAKPOINTS_MOST, SHOWN_LEAST, Debugger, transcript_add, transcript_begin, transcript_bytes, transcript_end,
    transcript_end_cut, transcript_line, transcript_send)

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *out, size_t size, const char *form, ...)

cdef extern from "<stdlib.h>" nogil:
    long strtol(const char *text, char **end, int base)

cdef enum:
    CONTEXT_LINES = 5           # that `list` shows before and after a line
    STACK_SLOTS = 10            # of Lua's that a command takes
    HELP_LINES = 30

cdef const char *TEMPORARY = b"(*temporary)"
cdef const char *SCRIPT = b"user_script"
cdef const char *TOP_LEVEL = b"top level"
cdef const char *RETURN = b"return "
cdef const char *EVAL_TIMEOUT = b"timeout reached, infinite loop?"
cdef const char *ABORTED = b"ERR script aborted for user request"

cdef const char *HELP[HELP_LINES]
HELP[:] = [
    b"Lua debugger help:",
    b"[h]elp               Show this help.",
    b"[s]tep               Run current line and stop again.",
    b"[n]ext               Alias for step.",
    b"[c]ontinue           Run till next breakpoint.",
    b"[l]ist               List source code around current line.",
    b"[l]ist [line]        List source code around [line].",
    b"                     line = 0 means: current position.",
    b"[l]ist [line] [ctx]  In this form [ctx] specifies how many lines",
    b"                     to show before/after [line].",
    b"[w]hole              List all source code. Alias for 'list 1 1000000'.",
    b"[p]rint              Show all the local variables.",
    b"[p]rint <var>        Show the value of the specified variable.",
    b"                     Can also show global vars KEYS and ARGV.",
    b"[b]reak              Show all breakpoints.",
    b"[b]reak <line>       Add a breakpoint to the specified line.",
    b"[b]reak -<line>      Remove breakpoint from the specified line.",
    b"[b]reak 0            Remove all breakpoints.",
    b"[t]race              Show a backtrace.",
    b"[e]val <code>        Execute some Lua code (in a different callframe).",
    b"[v]alkey <cmd>       Execute a command.",
    b"[m]axlen [len]       Trim logged replies and Lua var dumps to len.",
    b"                     Specifying zero as <len> means unlimited.",
    b"[a]bort              Stop the execution of the script. In sync",
    b"                     mode dataset changes will be retained.",
    b"",
    b"Debugger functions you can call from Lua scripts:",
    b"server.debug()       Produce logs in the debugger console.",
    b"server.breakpoint()  Stop execution like if there was a breakpoint in the",
    b"                     next line of code.",
]


# -- the source -------------------------------------------------------------------------------------------------------

cdef bint next_line(const Debugger *debugger, size_t *at, Slice *line) noexcept nogil:
    """The line that begins at an offset, which moves to the next one. False: there is none."""
    cdef const char *start = debugger.source.data + at[0]
    cdef size_t left
    cdef const char *end
    if debugger.source.length == 0 or at[0] > debugger.source.length:
        return False
    left = debugger.source.length - at[0]
    end = <const char *> memchr(start, c'\n', left) if left else NULL
    line[0] = slice_of(start, end - start if end != NULL else left)
    at[0] += line.length + 1
    return True


cdef bint is_breakpoint(const Debugger *debugger, int line) noexcept nogil:
    cdef int i
    for i in range(debugger.breakpoint_count):
        if debugger.breakpoints[i] == line:
            return True
    return False


cdef void show_source(Debugger *debugger, int number, Slice line) noexcept nogil:
    """A line of the source, marked where it is the current one, or a breakpoint."""
    cdef char text[24]
    snprintf(text, sizeof(text), "%s%s%-3d ", <const char *> (b"->" if number == debugger.line else b"  "),
             <const char *> (b"#" if is_breakpoint(debugger, number) else b" "), number)
    transcript_begin(debugger)
    transcript_add(debugger, text)
    transcript_bytes(debugger, line)
    transcript_end(debugger)


cdef void show_line(Debugger *debugger, int line) noexcept nogil:
    cdef Slice text
    cdef size_t at = 0
    cdef int number = 0
    while next_line(debugger, &at, &text):
        number += 1
        if number == line:
            show_source(debugger, line, text)
            return
    text.data = b"<out of range source code line>"
    text.length = strlen(text.data)
    show_source(debugger, line, text)


cdef void show_lines(Debugger *debugger, int64_t around, int64_t context) noexcept nogil:
    """The lines up to so many before and after one."""
    cdef Slice text
    cdef size_t at = 0
    cdef int number = 0
    while next_line(debugger, &at, &text):
        number += 1
        if around - context <= number <= around + context:
            show_source(debugger, number, text)


cdef int line_count(const Debugger *debugger) noexcept nogil:
    cdef Slice text
    cdef size_t at = 0
    cdef int number = 0
    while next_line(debugger, &at, &text):
        number += 1
    return number


cdef int64_t number_of(Slice word) noexcept nogil:
    """The number that a word begins with, 0: with none."""
    cdef char text[16]
    cdef size_t length = min(word.length, sizeof(text) - 1)
    cdef size_t i
    for i in range(length):
        text[i] = word.data[i]
    text[length] = 0
    return strtol(text, NULL, 10)


cdef void list_command(Debugger *debugger) noexcept nogil:
    cdef int64_t around = debugger.line
    cdef int64_t context = CONTEXT_LINES
    if debugger.word_count > 1 and number_of(debugger.words[1]) > 0:
        around = number_of(debugger.words[1])
    if debugger.word_count > 2:
        context = number_of(debugger.words[2])
    show_lines(debugger, around, context)


# -- breakpoints ------------------------------------------------------------------------------------------------------

cdef void list_breakpoints(Debugger *debugger) noexcept nogil:
    cdef char text[40]
    cdef int i
    if debugger.breakpoint_count == 0:
        transcript_line(debugger, b"No breakpoints set. Use 'b <line>' to add one.")
        return
    snprintf(text, sizeof(text), "%d breakpoints set:", debugger.breakpoint_count)
    transcript_line(debugger, text)
    for i in range(debugger.breakpoint_count):
        show_line(debugger, debugger.breakpoints[i])


cdef void add_breakpoint(Debugger *debugger, int64_t line) noexcept nogil:
    if debugger.breakpoint_count == BREAKPOINTS_MOST:
        transcript_line(debugger, b"Too many breakpoints set.")
    elif line > line_count(debugger) or is_breakpoint(debugger, <int> line):
        transcript_line(debugger, b"Wrong line number.")
    else:
        debugger.breakpoints[debugger.breakpoint_count] = <int> line
        debugger.breakpoint_count += 1
        show_lines(debugger, line, 1)


cdef void remove_breakpoint(Debugger *debugger, int64_t line) noexcept nogil:
    cdef int kept = 0
    cdef int i
    for i in range(debugger.breakpoint_count):
        if debugger.breakpoints[i] != line:
            debugger.breakpoints[kept] = debugger.breakpoints[i]
            kept += 1
    transcript_line(debugger, b"Breakpoint removed." if kept < debugger.breakpoint_count
                    else b"No breakpoint in the specified line.")
    debugger.breakpoint_count = kept


cdef void break_command(Debugger *debugger) noexcept nogil:
    cdef int64_t line = 0
    cdef int i
    if debugger.word_count == 1:
        list_breakpoints(debugger)
    for i in range(1, debugger.word_count):
        if not parse_i64(debugger.words[i].data, debugger.words[i].length, &line):
            transcript_begin(debugger)
            transcript_add(debugger, b"Invalid argument:'")
            transcript_bytes(debugger, debugger.words[i])
            transcript_add(debugger, b"'")
            transcript_end(debugger)
        elif line > 0:
            add_breakpoint(debugger, line)
        elif line < 0:
            remove_breakpoint(debugger, -line if line >= -2147483647 else 0)
        else:
            debugger.breakpoint_count = 0
            transcript_line(debugger, b"All breakpoints removed.")


# -- variables --------------------------------------------------------------------------------------------------------

cdef int local_of(lua_State *L, const lua_Debug *frame, Slice name) noexcept nogil:
    """The number of a frame's local variable, 0: it has none of that name. Of several the one that the script sees."""
    cdef int found = 0
    cdef int number = 1
    cdef const char *local = lua.getlocal(L, frame, 1)
    while local != NULL:
        lua_pop(L, 1)
        if strlen(local) == name.length and slice_equals(name, local) and strcmp(local, TEMPORARY) != 0:
            found = number
        number += 1
        local = lua.getlocal(L, frame, number)
    return found


cdef inline bint slice_equals(Slice slice, const char *text) noexcept nogil:
    cdef size_t i
    for i in range(slice.length):
        if slice.data[i] != text[i]:
            return False
    return True


cdef void show_top(Debugger *debugger, lua_State *L, const char *label, const char *name) noexcept nogil:
    """The value on top of the stack, which is popped; `name` = NULL: of whatever."""
    transcript_begin(debugger)
    transcript_add(debugger, label)
    if name != NULL:
        transcript_add(debugger, name)
        transcript_add(debugger, b" = ")
    show_value(debugger, L, -1)
    transcript_end_cut(debugger)
    lua_pop(L, 1)


cdef void print_variable(lua_State *L, Debugger *debugger, Slice name) noexcept nogil:
    """Of the innermost frame that has one of the name; else KEYS or ARGV."""
    cdef lua_Debug frame
    cdef int level = 0
    cdef int number = 0
    while number == 0 and lua.getstack(L, level, &frame):
        number = local_of(L, &frame, name)
        level += 1
    if number:
        lua.getlocal(L, &frame, number)
    elif name.length == 4 and (slice_equals(name, b"KEYS") or slice_equals(name, b"ARGV")):
        lua_push_globals(L)
        lua.pushlstring(L, name.data, name.length)
        lua.rawget(L, -2)
        lua.remove(L, -2)
    else:
        transcript_line(debugger, b"No such variable.")
        return
    show_top(debugger, L, b"<value> ", NULL)


cdef void print_variables(lua_State *L, Debugger *debugger) noexcept nogil:
    """All of the frame that runs."""
    cdef lua_Debug frame
    cdef int number = 1
    cdef bint shown = False
    cdef const char *local = lua.getlocal(L, &frame, 1) if lua.getstack(L, 0, &frame) else NULL
    while local != NULL:
        if strstr(local, TEMPORARY) == NULL:
            shown = True
            show_top(debugger, L, b"<value> ", local)
        else:
            lua_pop(L, 1)
        number += 1
        local = lua.getlocal(L, &frame, number)
    if not shown:
        transcript_line(debugger, b"No local variables in the current context.")


cdef void trace_command(lua_State *L, Debugger *debugger) noexcept nogil:
    cdef lua_Debug frame
    cdef int level = 0
    while lua.getstack(L, level, &frame):
        lua.getinfo(L, b"Snl", &frame)
        if strstr(frame.short_src, SCRIPT) != NULL:
            transcript_begin(debugger)
            transcript_add(debugger, b"From " if level else b"In ")
            transcript_add(debugger, frame.name if frame.name != NULL else TOP_LEVEL)
            transcript_add(debugger, b":")
            transcript_end(debugger)
            show_line(debugger, frame.currentline)
        level += 1
    if level == 0:
        transcript_line(debugger, b"<error> Can't retrieve Lua stack.")


cdef void maxlen_command(Debugger *debugger) noexcept nogil:
    cdef char text[80]
    cdef int64_t length
    if debugger.word_count == 2:
        debugger.hinted = True
        length = number_of(debugger.words[1])
        debugger.shown = <size_t> (length if length == 0 or length > SHOWN_LEAST else SHOWN_LEAST)
    if debugger.shown:
        snprintf(text, sizeof(text), "<value> replies are truncated at %zu bytes.", debugger.shown)
        transcript_line(debugger, text)
    else:
        transcript_line(debugger, b"<value> replies are unlimited.")


# -- code and commands ------------------------------------------------------------------------------------------------

cdef void look(lua_State *L, lua_Debug *event) noexcept nogil:
    """The hook of the client's code."""
    cdef Debugger *debugger = scripting_of_state(L).debugger
    if debugger == NULL or clock_us() < debugger.eval_until_us:
        return
    lua_state_of(L).killed = True               # no pcall of it goes on
    lua.sethook(L, look, LUA_MASKCOUNT, 1)
    lua.pushstring(L, EVAL_TIMEOUT)
    lua.error(L)


cdef int evaluate(lua_State *L) noexcept nogil:
    """Debugger.code as an expression, or as statements."""
    cdef Debugger *debugger = <Debugger *> lua.touserdata(L, 1)
    cdef const char *code = debugger.code.data
    cdef size_t length = debugger.code.length
    cdef size_t head = strlen(RETURN)
    lua.settop(L, 0)
    if lua_load_chunk(L, code, length, b"@ldb_eval") != LUA_OK:
        lua_pop(L, 1)
        if lua_load_chunk(L, code + head, length - head, b"@ldb_eval") != LUA_OK:
            return lua.error(L)
    lua.call(L, 0, 1)
    show_top(debugger, L, b"<retval> ", NULL)
    return 0


cdef void show_error(lua_State *L, Debugger *debugger) noexcept nogil:
    """The error on top of the stack, which is popped; of one that redis.call has raised its text."""
    cdef Slice text
    if lua.type(L, -1) == LUA_TTABLE:
        lua.pushstring(L, b"err")
        lua.rawget(L, -2)
        lua.remove(L, -2)
    transcript_begin(debugger)
    transcript_add(debugger, b"<error> ")
    if lua.isstring(L, -1):
        text.data = lua.tolstring(L, -1, &text.length)
        transcript_bytes(debugger, text)
    else:
        show_value(debugger, L, -1)
    transcript_end(debugger)
    lua_pop(L, 1)


cdef void eval_command(lua_State *L, ScriptRun *run, Debugger *debugger) noexcept nogil:
    cdef lua_State *thread
    cdef bint failed
    cdef int i
    debugger.code.length = 0
    buffer_append(&debugger.code, RETURN, strlen(RETURN))
    for i in range(1, debugger.word_count):
        if i > 1:
            buffer_append(&debugger.code, b" ", 1)
        buffer_append(&debugger.code, debugger.words[i].data, debugger.words[i].length)
    thread = lua.newthread(L)
    lua.sethook(thread, look, LUA_MASKCOUNT, INSTRUCTIONS)
    debugger.eval_until_us = clock_us() + script_limit_ms(run) * 1000
    failed = lua.cpcall(thread, evaluate, debugger) != LUA_OK
    run.state.killed = False
    if failed:
        lua.xmove(thread, L, 1)
        show_error(L, debugger)
    lua_pop(L, 1)


cdef void server_command(ScriptRun *run, Debugger *debugger) noexcept nogil:
    """A command of the server, as if the script called it."""
    cdef Scripting *scripting = <Scripting *> run.outer.runtime.scripting
    scripting.reply.length = 0
    debugger.stepping = True                    # so that it is shown, and its reply
    run.outer.runtime.run_scripted(run, debugger.words + 1, debugger.word_count - 1, &scripting.reply)
    debugger.stepping = False


# -- which it is ------------------------------------------------------------------------------------------------------

cdef bint named(const Debugger *debugger, const char *name) noexcept nogil:
    """Whether the command is called so, or by the first letter."""
    cdef Slice word = debugger.words[0]
    return slice_is(word, name, strlen(name)) or slice_is(word, name, 1)


cdef bint answer(lua_State *L, ScriptRun *run, Debugger *debugger) noexcept nogil:
    """Commands that show something. False: it is none of them."""
    cdef int i
    if named(debugger, b"help"):
        for i in range(HELP_LINES):
            transcript_line(debugger, HELP[i])
    elif named(debugger, b"list"):
        list_command(debugger)
    elif named(debugger, b"whole"):
        show_lines(debugger, debugger.line, line_count(debugger) + debugger.line)
    elif named(debugger, b"print") and debugger.word_count == 2:
        print_variable(L, debugger, debugger.words[1])
    elif named(debugger, b"print"):
        print_variables(L, debugger)
    elif named(debugger, b"break"):
        break_command(debugger)
    elif named(debugger, b"trace"):
        trace_command(L, debugger)
    elif named(debugger, b"maxlen"):
        maxlen_command(debugger)
    elif named(debugger, b"eval"):
        eval_command(L, run, debugger)
    elif debugger.word_count > 1 and (named(debugger, b"redis") or named(debugger, b"valkey")
                                      or slice_is(debugger.words[0], b"server", 6)):
        server_command(run, debugger)
    else:
        return False
    return True


cdef bint run_command(lua_State *L, ScriptRun *run, Debugger *debugger) noexcept nogil:
    """Run the command that is in Debugger.words. False: the script is to go on."""
    lua.L_checkstack(L, STACK_SLOTS, b"too many values on the stack")
    if named(debugger, b"step") or named(debugger, b"next"):
        debugger.stepping = True
        return False
    if named(debugger, b"continue"):
        return False
    if named(debugger, b"abort"):
        script_end(L, run, ABORTED)
    if not answer(L, run, debugger):
        transcript_line(debugger, b"<error> Unknown Lua debugger command or wrong number of arguments.")
    transcript_send(debugger)
    return True
