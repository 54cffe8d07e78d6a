"""Others are served while a script runs on and on: a turn of the loop in the middle of a command.

What a turn uses belongs to the command that runs: the arena with replies of its session and of others, the window that its
words stand in, its unit of effects, the clock that it was given. All of that is set aside for the turn, and put back behind it.
Replies of other sessions that wait in the arena are moved to their own blocks first, so that they may leave.

The effects of the unit that is open are set aside, too. What was done before can be written meanwhile, and a server that is stopped
there (SHUTDOWN NOSAVE) has nothing of the script in its AOF: it is as if it had not run.

Others are answered BUSY, but for what ends the script or the server and what touches no key. So nothing expires, is evicted or
wakes who waits for a key. The session whose command runs is neither read nor closed.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free
from kv._core.base.clock cimport clock_ticks
from kv._core.engine.engine cimport Engine
from kv._core.engine.serve cimport serve_free
from kv._core.engine.settings cimport alert_set
from kv._core.runtime.session cimport session_spill
from kv._core.runtime.state cimport (
    ALERT_BUSY, SESSION_RUNNING, Context, Propagation, Runtime, Session, Unit, Window)

from kv._core.runtime.call import report_bug


cdef struct Aside:              # what belongs to the command that runs
    Context *running
    Session *arena_owner
    Buffer arena
    Window *window
    Unit *unit
    Buffer effects              # of the open unit
    Buffer own_pushes
    uint64_t redacted
    bint in_transaction
    int64_t now_us
    uint64_t now_ms
    uint32_t lru_clock


cdef void set_aside(Runtime *runtime, Aside *aside) noexcept nogil:
    cdef Session *session = runtime.ready
    while session != NULL:
        session_spill(session)
        session = session.next_ready
    memset(aside, 0, sizeof(Aside))
    aside.running, aside.arena_owner, aside.window = runtime.running, runtime.arena_owner, runtime.window
    aside.arena, aside.own_pushes = runtime.arena, runtime.own_pushes
    aside.redacted, aside.in_transaction = runtime.redacted, runtime.in_transaction
    aside.now_us, aside.now_ms, aside.lru_clock = runtime.now_us, runtime.keyspace.now_ms, runtime.keyspace.lru_clock
    runtime.running, runtime.arena_owner, runtime.window = NULL, NULL, NULL
    memset(&runtime.arena, 0, sizeof(Buffer))
    memset(&runtime.own_pushes, 0, sizeof(Buffer))
    runtime.in_transaction = False
    set_effects_aside(&runtime.propagation, aside)


cdef void set_effects_aside(Propagation *log, Aside *aside) noexcept nogil:
    cdef Unit *outermost = log.unit
    cdef size_t start
    aside.unit = log.unit
    if outermost == NULL:
        return
    while outermost.outer != NULL:
        outermost = outermost.outer
    start = outermost.start - log.base
    buffer_append(&aside.effects, log.bytes.data + start, log.bytes.length - start)
    log.bytes.length = start
    log.unit = NULL


cdef void put_back(Runtime *runtime, Aside *aside, bint ended) noexcept nogil:
    """Where the server has `ended` the effects of the script are dropped."""
    cdef Unit *unit = aside.unit
    serve_free(runtime)
    buffer_free(&runtime.arena)
    buffer_free(&runtime.own_pushes)
    runtime.running, runtime.arena_owner, runtime.window = aside.running, aside.arena_owner, aside.window
    runtime.arena, runtime.own_pushes = aside.arena, aside.own_pushes
    runtime.redacted, runtime.in_transaction = aside.redacted, aside.in_transaction
    runtime.now_us, runtime.keyspace.now_ms, runtime.keyspace.lru_clock = aside.now_us, aside.now_ms, aside.lru_clock
    runtime.propagation.unit = aside.unit
    if ended:
        while unit != NULL:
            unit.count = 0
            unit = unit.outer
    else:
        buffer_append(&runtime.propagation.bytes, aside.effects.data, aside.effects.length)
    buffer_free(&aside.effects)


cdef bint turn(Runtime *runtime) noexcept with gil:
    """False: the server is to end."""
    cdef Engine engine = <Engine> runtime.face
    try:
        return engine.on_busy is None or engine.on_busy() is not False
    except Exception:
        report_bug("a turn while a script runs")
        return True
    finally:
        engine.enter()


cdef bint serve_others(Runtime *runtime) noexcept nogil:
    """Serve others once. False: the server is to end, and the script with it."""
    cdef Session *session = runtime.running.session
    cdef bint nested = session.flags & SESSION_RUNNING != 0
    cdef Aside aside
    cdef bint goes_on
    set_aside(runtime, &aside)
    session.flags |= SESSION_RUNNING
    alert_set(runtime, ALERT_BUSY, True)
    goes_on = turn(runtime)
    alert_set(runtime, ALERT_BUSY, False)
    if not nested:
        session.flags &= ~<uint64_t> SESSION_RUNNING
    put_back(runtime, &aside, not goes_on)
    runtime.last_ticks = clock_ticks()
    return goes_on
