"""Commands that wait: for keys (BLPOP, BZPOPMIN, XREAD and their kin), for the AOF and replicas (WAIT, WAITAOF).

A body that finds nothing calls block_on_keys and returns without a reply. Its words are copied into a Wait, which
stands in the queue of each of its keys (runtime/observed). A change of such a key puts it on the list of ready keys;
when the running command has ended (EXEC: with all that it runs) the engine runs the body of each command in the
key's queue again, from its beginning, in the order in which they came (engine/waiting). What still finds nothing
keeps its place. So a waiting client costs nothing until one of its keys changes, a key costs one look-up a change,
and no command needs a second form for being served late.

A wait for the AOF or for replicas has no key. Such waits are a list, and all of them are tried again when the AOF is
synced or a replica acknowledges; each knows from its session up to which position of the effects it waits.

A command in Python whose reply comes later (Call.later) is not run again: whoever has its answer ends its wait.

Deadlines are a binary heap, the nearest on top: Engine.turn sleeps no longer than that.
"""
from libc.math cimport ceill, isnan
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.string cimport memcpy

from kv._core.base.memory cimport memory_alloc, memory_free, memory_realloc
from kv._core.base.numbers cimport parse_i64, parse_long_double
from kv._core.base.slice cimport Slice, slice_of
from kv._core.keyspace.keyspace cimport Database
from kv._core.runtime.context cimport error
from kv._core.runtime.observed cimport (
    Link, ObservedKey, Wait, observed_each, observed_exists, observed_make, observed_release)
from kv._core.runtime.state cimport (
    EXEMPT_WAITING, FIRST_ATTEMPT, LAST_ATTEMPT, SESSION_BLOCKED, Context, Runtime, Session)


# -- what bodies use ----------------------------------------------------------------------------------------------

cdef bint context_may_block(const Context *c) noexcept nogil:
    """Whether the command may wait; where not (EXEC runs it, or the AOF's loader) it answers as after its timeout."""
    return not (c.runtime.in_transaction or c.session.exempt & EXEMPT_WAITING or c.attempt == LAST_ATTEMPT)


cdef bint arg_timeout_or_reply(Context *c, int index, bint seconds, int64_t *until_ms) noexcept nogil:
    """A timeout, in seconds with a fraction or in whole milliseconds, as the unix time in ms at which it ends; 0 stays 0,
    for ever."""
    cdef long double given = 0
    cdef int64_t timeout = 0
    cdef Slice word = c.argv[index]
    if seconds:
        if not parse_long_double(word.data, word.length, &given) or isnan(<double> given):
            error(c, b"ERR timeout is not a float or out of range")
            return False
        given = ceill(given * 1000)
        if given >= <long double> INT64_MAX or given <= -(<long double> INT64_MAX):
            error(c, b"ERR timeout is out of range" if given > 0 else b"ERR timeout is negative")
            return False
        timeout = <int64_t> given
    elif not parse_i64(word.data, word.length, &timeout):
        error(c, b"ERR timeout is not an integer or out of range")
        return False
    if timeout < 0:
        error(c, b"ERR timeout is negative")
        return False
    if timeout > INT64_MAX - c.keyspace.now_ms:
        error(c, b"ERR timeout is out of range")
        return False
    until_ms[0] = timeout + c.keyspace.now_ms if timeout else 0
    return True


cdef void block_on_keys(Context *c, int type, int first, int count, int64_t until_ms, bint on_missing) noexcept nogil:
    """Have the session wait for the keys at argv[first:first + count], until one of them changes and has this type
    (`on_missing`: or has it no longer). The words are kept as c.argv has them now. A command that is tried again
    and finds nothing just goes on waiting."""
    cdef Wait *wait
    cdef int i
    c.block = True
    if c.attempt != FIRST_ATTEMPT:
        return
    wait = wait_new(c, count, until_ms)
    wait.type, wait.on_missing = type, on_missing
    for i in range(count):
        enqueue(c.runtime, wait, wait.links + i, c.database, wait.argv[first + i])


cdef void block_on_position(Context *c, int64_t until_ms) noexcept nogil:
    """Have the session wait until the AOF is synced further or a replica acknowledges more. The command is run again each
    time, and once more when its time is over (LAST_ATTEMPT): it then answers what it has."""
    cdef Runtime *runtime = c.runtime
    cdef Wait *wait
    c.block = True
    if c.attempt != FIRST_ATTEMPT:
        return
    wait = wait_new(c, 0, until_ms)
    wait.by_position = True
    wait.next, wait.previous = NULL, <Wait *> runtime.position_waits_last
    if wait.previous != NULL:
        wait.previous.next = wait
    else:
        runtime.position_waits = wait
    runtime.position_waits_last = wait


cdef uint64_t block_on_answer(Context *c) noexcept nogil:
    """Have the session wait until somebody has the answer (engine/waiting.answer_wait): the number of this wait."""
    cdef Wait *wait = wait_new(c, 0, 0)
    c.block = True
    c.runtime.answers_awaited += 1
    wait.answer = c.runtime.answers_awaited
    return wait.answer


cdef Wait *wait_new(Context *c, int keys, int64_t until_ms) noexcept nogil:
    """The wait of the session, which is blocked by it."""
    cdef size_t size = sizeof(Wait) + keys * sizeof(Link) + c.argc * sizeof(Slice)
    cdef Wait *wait
    cdef char *bytes_
    cdef int i
    for i in range(c.argc):
        size += c.argv[i].length
    wait = <Wait *> memory_alloc(size)
    wait.session, wait.command, wait.argc, wait.link_count = c.session, c.command, c.argc, keys
    wait.links = <Link *> (wait + 1)
    wait.argv = <Slice *> (wait.links + keys)
    bytes_ = <char *> (wait.argv + c.argc)
    for i in range(c.argc):
        memcpy(bytes_, c.argv[i].data, c.argv[i].length)
        wait.argv[i] = slice_of(bytes_, c.argv[i].length)
        bytes_ += c.argv[i].length
    wait.by_position = False
    wait.answer = 0
    wait.until_ms = until_ms
    if until_ms:
        add_deadline(c.runtime, wait)
    c.session.waiting = wait
    c.session.last_command = c.command
    c.session.flags |= SESSION_BLOCKED
    c.runtime.blocked_count += 1
    return wait


# -- the queues of keys -------------------------------------------------------------------------------------------

cdef void enqueue(Runtime *runtime, Wait *wait, Link *link, Database *database, Slice key) noexcept nogil:
    cdef ObservedKey *observed = observed_make(runtime, database.id, key)
    link.wait = wait
    link.key = NULL
    if observed.waits_last != NULL and observed.waits_last.wait == wait:
        return                          # a key named twice: in its queue already
    link.key = observed
    link.next, link.previous = NULL, observed.waits_last
    if observed.waits_last != NULL:
        observed.waits_last.next = link
    else:
        observed.waits = link
        runtime.awaited_keys += 1
    observed.waits_last = link
    runtime.awaited_missing += wait.on_missing and observed.on_missing == 0
    observed.on_missing += wait.on_missing


cdef void dequeue(Runtime *runtime, Link *link) noexcept nogil:
    cdef ObservedKey *observed = link.key
    if observed == NULL:
        return
    if link.previous != NULL:
        link.previous.next = link.next
    else:
        observed.waits = link.next
    if link.next != NULL:
        link.next.previous = link.previous
    else:
        observed.waits_last = link.previous
    observed.on_missing -= link.wait.on_missing
    runtime.awaited_missing -= link.wait.on_missing and observed.on_missing == 0
    runtime.awaited_keys -= observed.waits == NULL
    observed_release(runtime, observed)


cdef void wait_end(Session *session) noexcept nogil:
    """The session waits no more: it was served, its time is over, or it leaves."""
    cdef Runtime *runtime = session.runtime
    cdef Wait *wait = <Wait *> session.waiting
    cdef int i
    for i in range(wait.link_count):
        dequeue(runtime, wait.links + i)
    if wait.by_position:
        leave_positions(runtime, wait)
    if wait.until_ms:
        remove_deadline(runtime, wait)
    memory_free(wait)
    session.waiting = NULL
    session.flags &= ~<uint64_t> SESSION_BLOCKED
    runtime.blocked_count -= 1


cdef void leave_positions(Runtime *runtime, Wait *wait) noexcept nogil:
    if wait.previous != NULL:
        wait.previous.next = wait.next
    else:
        runtime.position_waits = wait.next
    if wait.next != NULL:
        wait.next.previous = wait.previous
    else:
        runtime.position_waits_last = wait.previous


# -- keys that changed --------------------------------------------------------------------------------------------

cdef void mark_ready(Runtime *runtime, ObservedKey *observed) noexcept nogil:
    """The key changed: who waits for it is to be tried again."""
    if observed.waits == NULL or observed.ready:
        return
    observed.ready = True
    observed.next_ready = NULL
    if runtime.ready_keys_last != NULL:
        (<ObservedKey *> runtime.ready_keys_last).next_ready = observed
    else:
        runtime.ready_keys = observed
    runtime.ready_keys_last = observed


cdef ObservedKey *take_ready(Runtime *runtime) noexcept nogil:
    """The next key that changed, NULL for none. It stays until observed_release."""
    cdef ObservedKey *observed = <ObservedKey *> runtime.ready_keys
    if observed != NULL:
        runtime.ready_keys = observed.next_ready
        if runtime.ready_keys == NULL:
            runtime.ready_keys_last = NULL
    return observed


cdef struct Renewed:            # a database with other keys than before
    Runtime *runtime
    Database *database


cdef void renewed_visit(void *argument, void *element, bint marked) noexcept nogil:
    cdef Renewed *renewed = <Renewed *> argument
    cdef ObservedKey *observed = <ObservedKey *> element
    if observed.database == renewed.database.id and (
            observed.on_missing or observed_exists(&renewed.runtime.keyspace, renewed.database, observed)):
        mark_ready(renewed.runtime, observed)


cdef void mark_database_ready(Runtime *runtime, Database *database) noexcept nogil:
    """A database was emptied, or has the keys of another one."""
    cdef Renewed renewed
    renewed.runtime, renewed.database = runtime, database
    if runtime.awaited_keys:
        observed_each(runtime, renewed_visit, &renewed)


# -- deadlines ----------------------------------------------------------------------------------------------------

cdef inline void place_wait(Runtime *runtime, size_t place, Wait *wait) noexcept nogil:
    runtime.deadlines[place] = wait
    wait.place = place


cdef inline int64_t deadline_at(const Runtime *runtime, size_t place) noexcept nogil:
    return (<Wait *> runtime.deadlines[place]).until_ms


cdef void rise(Runtime *runtime, size_t place) noexcept nogil:
    cdef Wait *wait = <Wait *> runtime.deadlines[place]
    while place and deadline_at(runtime, (place - 1) // 2) > wait.until_ms:
        place_wait(runtime, place, <Wait *> runtime.deadlines[(place - 1) // 2])
        place = (place - 1) // 2
    place_wait(runtime, place, wait)


cdef void sink(Runtime *runtime, size_t place) noexcept nogil:
    cdef Wait *wait = <Wait *> runtime.deadlines[place]
    cdef size_t child = 2 * place + 1
    while child < runtime.deadline_count:
        if child + 1 < runtime.deadline_count and deadline_at(runtime, child + 1) < deadline_at(runtime, child):
            child += 1
        if deadline_at(runtime, child) >= wait.until_ms:
            break
        place_wait(runtime, place, <Wait *> runtime.deadlines[child])
        place = child
        child = 2 * place + 1
    place_wait(runtime, place, wait)


cdef void add_deadline(Runtime *runtime, Wait *wait) noexcept nogil:
    if runtime.deadline_count == runtime.deadline_capacity:
        runtime.deadline_capacity = runtime.deadline_capacity * 2 if runtime.deadline_capacity else 16
        runtime.deadlines = <void **> memory_realloc(runtime.deadlines, runtime.deadline_capacity * sizeof(void *))
    place_wait(runtime, runtime.deadline_count, wait)
    runtime.deadline_count += 1
    rise(runtime, wait.place)


cdef void remove_deadline(Runtime *runtime, Wait *wait) noexcept nogil:
    cdef size_t place = wait.place
    runtime.deadline_count -= 1
    if place == runtime.deadline_count:
        return
    place_wait(runtime, place, <Wait *> runtime.deadlines[runtime.deadline_count])
    rise(runtime, place)
    sink(runtime, place)


cdef Wait *overdue_wait(Runtime *runtime, int64_t now_ms) noexcept nogil:
    """A wait whose time is over, the first to end first; NULL for none. Its last millisecond counts: the clock's are cut
    off, and nobody waits less than he asked for."""
    if runtime.deadline_count and deadline_at(runtime, 0) < now_ms:
        return <Wait *> runtime.deadlines[0]
    return NULL


cdef int64_t next_deadline_ms(const Runtime *runtime) noexcept nogil:
    """Unix time at which the next wait ends, 0 for none."""
    return deadline_at(runtime, 0) if runtime.deadline_count else 0
