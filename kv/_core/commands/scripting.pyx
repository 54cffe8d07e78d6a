"""EVAL, EVALSHA, their read-only forms, and SCRIPT."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.platform cimport unlikely
from kv._core.resp.reply cimport reply_array, reply_bulk, reply_i64, reply_ok
from kv._core.runtime.context cimport arg_i64_or_reply, arg_is, error
from kv._core.runtime.registry cimport native
from kv._core.runtime.registry import container, declare
from kv._core.runtime.state cimport SESSION_DEBUG, SESSION_DEBUG_SYNC, Context
from kv._core.scripts.cache cimport (
    script_add, script_by_body, script_by_sha, script_pin, script_used, scripts_flush, scripts_make_room)
from kv._core.scripts.debugger cimport debugger_begin, debugger_end, replies_wait
from kv._core.scripts.run cimport script_announce, script_kill, script_may_run, script_run, script_take_words
from kv._core.scripts.scripting cimport SHA_SIZE, Script, Scripting, ScriptRun, scripting_or_reply

cdef const char *EVAL_ONLY = b"ERR Please use EVAL instead of EVALSHA for debugging"
cdef const char *NO_SCRIPT = b"NOSCRIPT No matching script. Please use EVAL."


cdef void evaluate(Context *c, bint by_sha, bint read_only) noexcept nogil:
    script_announce(c)
    if unlikely(c.session.flags & SESSION_DEBUG):
        evaluate_debugging(c, by_sha, read_only)
    else:
        evaluate_announced(c, by_sha, read_only)


cdef void evaluate_debugging(Context *c, bint by_sha, bint read_only) noexcept nogil:
    """For a client that has sent SCRIPT DEBUG."""
    if by_sha:
        error(c, EVAL_ONLY if c.argv[1].length == SHA_SIZE else NO_SCRIPT)
    elif debugger_begin(c):
        evaluate_announced(c, by_sha, read_only)
        debugger_end(c)


cdef void evaluate_announced(Context *c, bint by_sha, bint read_only) noexcept nogil:
    cdef ScriptRun run
    cdef Scripting *scripting
    cdef Script *script
    cdef int64_t keys = 0
    if not arg_i64_or_reply(c, 2, &keys) or not script_take_words(c, &run, keys):
        return
    scripting = scripting_or_reply(c, False)
    if scripting == NULL:
        return
    script = script_by_sha(scripting, c.argv[1]) if by_sha else script_by_body(scripting, c.argv[1])
    if script == NULL and by_sha:
        error(c, NO_SCRIPT)
        return
    if script == NULL:
        script = script_add(c, c.argv[1], False)
    if script == NULL:
        return
    run.state, run.function, run.flags, run.name = &scripting.eval, script.function, script.flags, script.sha
    run.eval, run.read_only = True, read_only
    if script_may_run(c, &run):
        script_run(c, &run)
        script_used(scripting, script)
        if unlikely(scripting.eval.limit != 0):
            scripts_make_room(scripting)


cdef void cmd_eval(Context *c) noexcept nogil:
    evaluate(c, False, False)


cdef void cmd_eval_ro(Context *c) noexcept nogil:
    evaluate(c, False, True)


cdef void cmd_evalsha(Context *c) noexcept nogil:
    evaluate(c, True, False)


cdef void cmd_evalsha_ro(Context *c) noexcept nogil:
    evaluate(c, True, True)


READING_FLAGS = "noscript skip_monitor no_mandatory_keys stale script"
EVAL_FLAGS = READING_FLAGS + " may_replicate"

declare(native(cmd_eval), "eval", -3, EVAL_FLAGS, keys="2# RW access update", group="scripting", since="2.6.0",
        complexity="Depends on the script that is executed.", summary="Runs a script.",
        args="script:string numkeys:integer [key...] [arg:string...]")
declare(native(cmd_evalsha), "evalsha", -3, EVAL_FLAGS, keys="2# RW access update", group="scripting", since="2.6.0",
        complexity="Depends on the script that is executed.", summary="Runs a script that the server knows, by its SHA-1.",
        args="sha1:string numkeys:integer [key...] [arg:string...]")
declare(native(cmd_eval_ro), "eval_ro", -3, READING_FLAGS + " readonly", keys="2# RO access", group="scripting", since="7.0.0",
        complexity="Depends on the script that is executed.", summary="Runs a script that may not write.",
        args="script:string numkeys:integer [key...] [arg:string...]")
declare(native(cmd_evalsha_ro), "evalsha_ro", -3, READING_FLAGS + " readonly", keys="2# RO access", group="scripting",
        since="7.0.0", complexity="Depends on the script that is executed.",
        summary="Runs a script that the server knows, by its SHA-1, and that may not write.",
        args="sha1:string numkeys:integer [key...] [arg:string...]")


# -- SCRIPT -----------------------------------------------------------------------------------------------------------

container("script", group="scripting", since="2.6.0", summary="A container for commands about scripts.")


cdef void cmd_script_load(Context *c) noexcept nogil:
    cdef Scripting *scripting = scripting_or_reply(c, False)
    cdef Script *script
    if scripting == NULL:
        return
    script = script_by_body(scripting, c.argv[2])
    if script != NULL:
        script_pin(scripting, script)
    else:
        script = script_add(c, c.argv[2], True)
    if script != NULL:
        reply_bulk(&c.reply, script.sha, SHA_SIZE)


declare(native(cmd_script_load), "script|load", 3, "noscript stale", group="scripting", since="2.6.0",
        complexity="O(N)",
        summary="Has the server know a script, and answers its SHA-1.",
        tips="request_policy:all_nodes response_policy:all_succeeded", args="script:string")


cdef void cmd_script_exists(Context *c) noexcept nogil:
    cdef Scripting *scripting = <Scripting *> c.runtime.scripting
    cdef int i
    reply_array(&c.reply, c.argc - 2)
    for i in range(2, c.argc):
        reply_i64(&c.reply, scripting != NULL and script_by_sha(scripting, c.argv[i]) != NULL)


declare(native(cmd_script_exists), "script|exists", -3, "noscript", group="scripting", since="2.6.0",
        complexity="O(N)",
        summary="Tells which scripts the server knows.", tips="request_policy:all_shards response_policy:agg_logical_and",
        args="sha1:string...")


cdef void cmd_script_show(Context *c) noexcept nogil:
    cdef Scripting *scripting = <Scripting *> c.runtime.scripting
    cdef Script *script = script_by_sha(scripting, c.argv[2]) if scripting != NULL else NULL
    if script == NULL:
        error(c, NO_SCRIPT)
        return
    reply_bulk(&c.reply, script.body.data, script.body.length)


declare(native(cmd_script_show), "script|show", 3, "noscript", group="scripting", since="8.0.0", complexity="O(1)",
        summary="Answers a script that the server knows.", args="sha1:string")


cdef void cmd_script_flush(Context *c) noexcept nogil:
    cdef bint lazy = arg_is(c, 2, b"async", 5) if c.argc == 3 else c.keyspace.lazy_user_flush
    if c.argc > 3 or (c.argc == 3 and not lazy and not arg_is(c, 2, b"sync", 4)):
        error(c, b"ERR SCRIPT FLUSH only support SYNC|ASYNC option")
        return
    if c.runtime.scripting != NULL:
        scripts_flush(<Scripting *> c.runtime.scripting, lazy)
    reply_ok(&c.reply)


declare(native(cmd_script_flush), "script|flush", -2, "noscript", group="scripting", since="2.6.0",
        complexity="O(N)",
        summary="Has the server forget all scripts.", history=["6.2.0 Takes ASYNC and SYNC."],
        tips="request_policy:all_nodes response_policy:all_succeeded", args="[flush-type@6.2.0: ASYNC | SYNC]")


cdef void cmd_script_kill(Context *c) noexcept nogil:
    cdef const char *refusal = script_kill(c.runtime, True)
    if refusal != NULL:
        error(c, refusal)
    else:
        reply_ok(&c.reply)


declare(native(cmd_script_kill), "script|kill", 2, "noscript allow_busy", group="scripting", since="2.6.0", complexity="O(1)",
        summary="Ends the script that runs.", tips="request_policy:all_shards response_policy:one_succeeded")


cdef void cmd_script_debug(Context *c) noexcept nogil:
    cdef uint64_t flags = SESSION_DEBUG | SESSION_DEBUG_SYNC
    if replies_wait(c):
        error(c, b"ERR SCRIPT DEBUG must be called outside a pipeline")
        return
    if arg_is(c, 2, b"yes", 3):
        flags = SESSION_DEBUG
    elif arg_is(c, 2, b"no", 2):
        flags = 0
    elif not arg_is(c, 2, b"sync", 4):
        error(c, b"ERR Use SCRIPT DEBUG YES/SYNC/NO")
        return
    c.session.flags = c.session.flags & ~<uint64_t> (SESSION_DEBUG | SESSION_DEBUG_SYNC) | flags
    reply_ok(&c.reply)


declare(native(cmd_script_debug), "script|debug", 3, "noscript", group="scripting", since="3.2.0", complexity="O(1)",
        summary="Has the next script of the connection be debugged.", args="(mode: YES | SYNC | NO)")
