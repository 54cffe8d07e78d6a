"""Sessions: their life, and their output.

Where do replies go? While a session's requests run, into the runtime's *arena*, one buffer that all sessions of a
turn share; at the end of the turn each session's stretch is sent straight from there. So an idle connection owns no
output buffer at all, and a busy one's replies are never copied unless its socket is full: what the socket does not
take moves to blocks of the session's own. Messages for another session (a push, a MONITOR line) go to its blocks
too, after what stands in the arena for it.

A large value is not copied at all. A block can hold it (base/blob), and the value is sent from where it stands,
whatever happens to its key meanwhile; the replies before it move from the arena to the same block, those after it
go on in the arena.

Nobody frees a session while the turn runs: it is doomed, and closed when the turn ends.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from kv._core.base.blob cimport Blob, blob_free, blob_hold
from kv._core.base.buffer cimport Buffer, buffer_append, buffer_free
from kv._core.base.memory cimport memory_alloc, memory_calloc, memory_free, memory_size
from kv._core.base.platform cimport unlikely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.hashtable cimport (
    HashtableType, Position, hashtable_find, hashtable_init, hashtable_insert, hashtable_remove, position_element)
from kv._core.base.hashing cimport hash_bytes
from kv._core.resp.parser cimport parser_free, parser_init
from kv._core.runtime.footprint cimport footprint_forget, footprint_note
from kv._core.runtime.propagation cimport propagation_position
from kv._core.runtime.state cimport (
    ALERT_MONITORS, ARENA_SHARE, CLASS_NORMAL, CLOSING_OUTPUT, EXEMPT_ACCESS, OUTPUT_BLOCK, OUTPUT_BLOCK_LEAST, SESSION_BLOCKED,
    SESSION_CLOSE_AFTER_REPLY, SESSION_DEBUG, SESSION_DEBUG_SYNC, SESSION_DOOMED, SESSION_EXEMPT, SESSION_HELD, SESSION_IN_DOOMED,
    SESSION_MONITOR, SESSION_NO_EVICT, SESSION_NO_TOUCH,
    SESSION_PENDING_INPUT, SESSION_POSTPONED, SESSION_READONLY, SESSION_READY, SESSION_REPLY_OFF, SESSION_REPLY_SKIP,
    SESSION_REPLY_SKIP_NEXT, UNAUTHENTICATED_OUTPUT, Caller, OutputBlock, OutputLimit, Runtime, Session, Transport)
from kv._core.runtime.transaction cimport transaction_end, transaction_free

cdef enum:
    PARTS = 32                  # stretches that are sent at once at most
    PARTS_BYTES = 4 << 20       # bytes of them, about: no socket takes more at once


# -- life ---------------------------------------------------------------------------------------------------------

cdef HashtableType SESSION_TABLE


cdef const char *id_bytes(const void *element, size_t *length) noexcept nogil:
    length[0] = sizeof(uint64_t)
    return <const char *> &(<const Session *> element).id


SESSION_TABLE.key_of = id_bytes
SESSION_TABLE.free_element = NULL


cdef inline uint64_t hash_of(uint64_t id) noexcept nogil:
    return hash_bytes(<const char *> &id, sizeof(id))


cdef inline Position position_of(Runtime *runtime, uint64_t id) noexcept nogil:
    return hashtable_find(&runtime.sessions_by_id, <const char *> &id, sizeof(id), hash_of(id))


cdef Session *session_of_id(Runtime *runtime, uint64_t id) noexcept nogil:
    """NULL where there is none."""
    cdef Position position
    if runtime.sessions_by_id.count == 0:
        return NULL
    position = position_of(runtime, id)
    return <Session *> position_element(position) if position.bucket != NULL else NULL


cdef Session *session_new(Runtime *runtime, Caller caller, uint32_t exempt, const Transport *transport, int fd) noexcept nogil:
    """A session on database 0, last in the runtime's list, whose commands somebody sends who is not held to what Exemption bits
    say. Its socket (-1: none) becomes the session's."""
    cdef Session *session = <Session *> memory_calloc(sizeof(Session))
    runtime.next_session_id += 1
    session.id = runtime.next_session_id
    session.transport, session.fd = transport, fd
    session.caller, session.exempt = caller, exempt
    if exempt:
        session.flags = SESSION_EXEMPT
    session.resp = 2
    session.runtime = runtime
    session.database = runtime.keyspace.databases
    session.created_ms = session.active_ms = runtime.now_us // 1000
    session.class_ = session.counted_class = CLASS_NORMAL
    session.bucket = -1
    session.reply_room = session.reply_peak = OUTPUT_BLOCK
    session.reply_peak_ms = session.created_ms
    parser_init(&session.parser)
    session.authenticated = session.trusted = not runtime.requires_password or exempt & EXEMPT_ACCESS
    session.previous = runtime.sessions_last
    if runtime.sessions_last != NULL:
        runtime.sessions_last.next = session
    else:
        runtime.sessions = session
    runtime.sessions_last = session
    runtime.session_count += 1
    if runtime.sessions_by_id.kind == NULL:
        hashtable_init(&runtime.sessions_by_id, &SESSION_TABLE)
    hashtable_insert(&runtime.sessions_by_id, session, hash_of(session.id), False)
    return session


cdef void session_free(Session *session) noexcept nogil:
    """Take a session out of the runtime and free it. Its socket is the caller's to close."""
    cdef Runtime *runtime = session.runtime
    if session.previous != NULL:
        session.previous.next = session.next
    else:
        runtime.sessions = session.next
    if session.next != NULL:
        session.next.previous = session.previous
    else:
        runtime.sessions_last = session.previous
    runtime.session_count -= 1
    hashtable_remove(&runtime.sessions_by_id, position_of(runtime, session.id), hash_of(session.id))
    session_end_monitor(session)
    leave_held(session)
    leave_pending(session)
    leave_postponed(session)
    footprint_forget(session)
    transaction_free(session)
    free_blocks(session)
    parser_free(&session.parser)
    memory_free(session.partial.items)
    buffer_free(&session.input)
    blob_free(session.name)
    blob_free(session.library_name)
    blob_free(session.library_version)
    blob_free(session.peer)
    blob_free(session.local)
    blob_free(session.user)
    memory_free(session)


cdef Session *session_detached(Runtime *runtime, Caller caller, uint32_t exempt) noexcept nogil:
    """A session that is in no list: nobody sends anything by it, and CLIENT LIST does not know it."""
    cdef Session *session = <Session *> memory_calloc(sizeof(Session))
    session.caller, session.exempt, session.flags = caller, exempt, SESSION_EXEMPT
    session.fd, session.bucket, session.resp = -1, -1, 2
    session.runtime, session.database = runtime, runtime.keyspace.databases
    session.class_ = session.counted_class = CLASS_NORMAL
    session.authenticated = session.trusted = True
    return session


cdef void session_detached_free(Session *session) noexcept nogil:
    free_blocks(session)
    memory_free(session)


cdef void block_free(OutputBlock *block) noexcept nogil:
    blob_free(block.held)
    memory_free(block)


cdef void free_blocks(Session *session) noexcept nogil:
    cdef OutputBlock *block
    while session.output != NULL:
        block = session.output
        session.output = block.next
        block_free(block)
    session.output_last = NULL
    session.output_sent = session.output_bytes = session.output_blocks = 0


cdef void session_doom(Session *session) noexcept nogil:
    """Close the session when the turn ends, whatever it still has to send."""
    if not session.flags & SESSION_DOOMED:
        footprint_forget(session)
    session.flags |= SESSION_DOOMED
    if not session.flags & SESSION_IN_DOOMED and session.transport != NULL:     # one of the program's is the program's to close
        session.flags |= SESSION_IN_DOOMED
        session.next_doomed = session.runtime.doomed
        session.runtime.doomed = session


cdef void session_mark_ready(Session *session) noexcept nogil:
    """The session has something to send when the turn ends."""
    if not session.flags & SESSION_READY:
        session.flags |= SESSION_READY
        session.next_ready = session.runtime.ready
        session.runtime.ready = session


cdef void session_resume(Session *session) noexcept nogil:
    """The session no longer waits: have its input run in the next turn."""
    cdef Runtime *runtime = session.runtime
    if not session.flags & SESSION_PENDING_INPUT:
        session.flags |= SESSION_PENDING_INPUT
        session.next_pending = runtime.pending
        session.pending_link = &runtime.pending
        if runtime.pending != NULL:
            runtime.pending.pending_link = &session.next_pending
        runtime.pending = session


cdef void session_postpone(Session *session) noexcept nogil:
    """The session waits for CLIENT PAUSE to end."""
    cdef Runtime *runtime = session.runtime
    session.flags |= SESSION_BLOCKED | SESSION_POSTPONED
    session.next_postponed = runtime.postponed
    session.postponed_link = &runtime.postponed
    if runtime.postponed != NULL:
        runtime.postponed.postponed_link = &session.next_postponed
    runtime.postponed = session
    runtime.blocked_count += 1


cdef void session_monitor(Session *session) noexcept nogil:
    """From now on the session is fed every command."""
    cdef Runtime *runtime = session.runtime
    if session.flags & SESSION_MONITOR:
        return
    session.flags |= SESSION_MONITOR
    session.next_monitor = runtime.monitors
    session.monitor_link = &runtime.monitors
    if runtime.monitors != NULL:
        runtime.monitors.monitor_link = &session.next_monitor
    runtime.monitors = session
    runtime.alerts |= ALERT_MONITORS


cdef void session_end_monitor(Session *session) noexcept nogil:
    if not session.flags & SESSION_MONITOR:
        return
    session.flags &= ~<uint64_t> SESSION_MONITOR
    session.monitor_link[0] = session.next_monitor
    if session.next_monitor != NULL:
        session.next_monitor.monitor_link = session.monitor_link
    if session.runtime.monitors == NULL:
        session.runtime.alerts &= ~<uint32_t> ALERT_MONITORS


cdef void leave_pending(Session *session) noexcept nogil:
    if session.flags & SESSION_PENDING_INPUT:
        session.pending_link[0] = session.next_pending
        if session.next_pending != NULL:
            session.next_pending.pending_link = session.pending_link


cdef void leave_postponed(Session *session) noexcept nogil:
    if session.flags & SESSION_POSTPONED:
        session.postponed_link[0] = session.next_postponed
        if session.next_postponed != NULL:
            session.next_postponed.postponed_link = session.postponed_link


cdef void session_hold(Session *session) noexcept nogil:
    """What the session has to send stays until the position that it depends on is safe."""
    session_spill(session)
    session.flags |= SESSION_HELD | SESSION_READY
    session.next_ready = session.runtime.held
    session.runtime.held = session


cdef void sessions_release(Runtime *runtime) noexcept nogil:
    """More positions are safe: look again at whose replies were held."""
    cdef Session *session = runtime.held
    cdef Session *following
    runtime.held = NULL
    while session != NULL:
        following = session.next_ready
        session.flags &= ~<uint64_t> (SESSION_HELD | SESSION_READY)
        session_mark_ready(session)
        session = following


cdef void leave_held(Session *session) noexcept nogil:
    cdef Session **link = &session.runtime.held
    if not session.flags & SESSION_HELD:
        return
    while link[0] != session:
        link = &link[0].next_ready
    link[0] = session.next_ready


# -- output that waits --------------------------------------------------------------------------------------------

cdef void keep_output(Session *session, const char *data, size_t length) noexcept nogil:
    """Queue bytes behind what waits. What does not fit into one block wants larger ones."""
    append_text(session, data, length)
    session_note_replies(session, session.output_bytes - (session.output_last.capacity - session.output_last.length))


cdef void append_text(Session *session, const char *data, size_t length) noexcept nogil:
    cdef OutputBlock *last = session.output_last
    cdef size_t part, room
    if last != NULL and last.held == NULL and last.capacity > last.length:
        part = last.capacity - last.length
        part = part if part < length else length
        memcpy(last.data + last.length, data, part)
        last.length += part
        data += part
        length -= part
    if length == 0:
        return
    room = room_of_next(session)
    append_block(session, data, length, room if room > length else length)


cdef size_t room_of_next(const Session *session) noexcept nogil:
    """Bytes of text that the next block has room for: as much as waits already, so that who is sent a short message at
    a time does not take and give back 16 KiB for each, up to reply_room."""
    cdef size_t room = OUTPUT_BLOCK_LEAST + session.output_bytes
    return room if room < session.reply_room else session.reply_room


cdef OutputBlock *append_block(Session *session, const char *data, size_t length, size_t room) noexcept nogil:
    cdef OutputBlock *block = <OutputBlock *> memory_alloc(sizeof(OutputBlock) + room)
    block.next = NULL
    block.held = NULL
    block.value = slice_of(NULL, 0)
    block.capacity = room
    block.length = length
    if length:
        memcpy(block.data, data, length)
    if session.output_last == NULL:
        session.output = block
    else:
        session.output_last.next = block
    session.output_last = block
    session.output_blocks += 1
    session.output_bytes += memory_size(block)
    return block


cdef void append_value(Session *session, const char *text, size_t length, Blob *blob, Slice part) noexcept nogil:
    """Queue text, and behind it bytes of a blob that are sent from where they stand. They count as if they were in the
    block: what a client may have waiting for it does not depend on how it is kept."""
    cdef OutputBlock *block = append_block(session, text, length, length)
    blob_hold(blob)
    block.held, block.value = blob, part
    session.output_bytes += part.length
    session_note_replies(session, OUTPUT_BLOCK)


cdef void session_splice(Session *session, Blob *blob, Slice part) noexcept nogil:
    """Behind what the command that runs has in the arena for the session, bytes of a blob follow. The arena is not cut:
    the reply goes on at its end, and where it began is still known."""
    cdef Buffer *arena = &session.runtime.arena
    if not session.flags & SESSION_DOOMED:      # else nothing is sent any more
        append_value(session, arena.data + session.arena_start, arena.length - session.arena_start, blob, part)
        session.arena_start = arena.length
        check_hard_limit(session)


cdef void session_note_replies(Session *session, size_t length) noexcept nogil:
    """So many bytes of replies were there at once."""
    if length > session.reply_peak:
        session.reply_peak = <uint32_t> length if length < OUTPUT_BLOCK else OUTPUT_BLOCK


cdef void session_fit_replies(Session *session) noexcept nogil:
    """Have the room of the next block follow the peak of late: who is sent little keeps little (a thousand subscribers of
    short messages would else have a block of 16 KiB each)."""
    cdef Runtime *runtime = session.runtime
    cdef int64_t now_ms = runtime.now_us // 1000
    if not runtime.reply_resizing:
        return
    if session.reply_peak < session.reply_room // 2 and session.reply_room > OUTPUT_BLOCK_LEAST:
        session.reply_room = session.reply_peak if session.reply_peak > OUTPUT_BLOCK_LEAST else OUTPUT_BLOCK_LEAST
        runtime.statistics.reply_shrinks += 1
    elif session.reply_peak >= session.reply_room and session.reply_room < OUTPUT_BLOCK:
        session.reply_room = session.reply_room * 2 if session.reply_room * 2 < OUTPUT_BLOCK else OUTPUT_BLOCK
        runtime.statistics.reply_expands += 1
    if runtime.reply_peak_reset_ms >= 0 and now_ms - session.reply_peak_ms >= runtime.reply_peak_reset_ms:
        session.reply_peak = 0
        session.reply_peak_ms = now_ms


cdef void session_spill(Session *session) noexcept nogil:
    """Move this turn's replies behind what already waits, because more must follow them."""
    if session.arena_length:
        keep_output(session, session.runtime.arena.data + session.arena_start, session.arena_length)
        session.arena_length = 0
        check_hard_limit(session)


cdef inline bint takes_pushes(const Session *session) noexcept nogil:
    return not session.flags & (SESSION_DOOMED | SESSION_CLOSE_AFTER_REPLY)


cdef void session_push(Session *session, const char *data, size_t length) noexcept nogil:
    """Queue bytes for a session, unless it is about to be closed."""
    if length and takes_pushes(session):
        session_spill(session)
        keep_output(session, data, length)
        note_push(session)


cdef void session_push_blob(Session *session, Blob *blob, Slice part) noexcept nogil:
    """The same for bytes of a blob, which are not copied."""
    if takes_pushes(session):
        session_spill(session)
        append_value(session, NULL, 0, blob, part)
        note_push(session)


cdef void note_push(Session *session) noexcept nogil:
    session.reply_position = propagation_position(&session.runtime.propagation)
    if session.transport != NULL:       # else the program takes it when it likes
        session_mark_ready(session)
    check_hard_limit(session)
    if unlikely(session.runtime.client_limit):
        footprint_note(session)


cdef void session_keep_unsent(Session *session, const char *data, size_t length) noexcept nogil:
    """Keep what its socket did not take."""
    keep_output(session, data, length)
    check_hard_limit(session)


cdef void check_hard_limit(Session *session) noexcept nogil:
    cdef OutputLimit *limit = &session.runtime.output_limits[session.class_]
    if not session.trusted and session.output_bytes >= UNAUTHENTICATED_OUTPUT:
        session_doom(session)
    elif unlikely(limit.hard and session.output_bytes >= limit.hard):
        close_for_output(session)
    elif limit.soft:
        session_check_soft_limit(session)


cdef void close_for_output(Session *session) noexcept nogil:
    """More output than its limit allows."""
    session.runtime.statistics.output_limit_closed += 1
    session.runtime.on_closing(session, CLOSING_OUTPUT)
    session_doom(session)


cdef size_t session_arena_share(const Session *session) noexcept nogil:
    """Bytes of replies that the session may have in the arena before it must keep them itself, where its output limits
    are looked at. What one block holds is always let through: that much a limit does not count."""
    cdef uint64_t hard = session.runtime.output_limits[session.class_].hard
    if hard == 0 or hard >= ARENA_SHARE:
        return ARENA_SHARE
    return hard if hard > OUTPUT_BLOCK else OUTPUT_BLOCK


cdef void note_drained(Session *session) noexcept nogil:
    """Some of the output was sent. Once it is below the soft limit its time begins anew with the next excess: who reads at
    once is not to be taken for slow when the next large message comes."""
    if session.output_bytes < session.runtime.output_limits[session.class_].soft:
        session.soft_limit_since_ms = 0


cdef void session_check_soft_limit(Session *session) noexcept nogil:
    """Doom a session whose output has been above its soft limit for too long."""
    cdef OutputLimit *limit = &session.runtime.output_limits[session.class_]
    cdef int64_t now = session.runtime.now_us // 1000
    if limit.soft == 0 or session.output_bytes < limit.soft:
        session.soft_limit_since_ms = 0
    elif session.soft_limit_since_ms == 0:
        session.soft_limit_since_ms = now
    elif now - session.soft_limit_since_ms > limit.soft_seconds * 1000 and not session.flags & SESSION_DOOMED:
        close_for_output(session)


# -- sending ------------------------------------------------------------------------------------------------------

cdef ssize_t send_bytes(Session *session, const char *data, size_t length) noexcept nogil:
    """Send what the transport takes: the bytes taken, or -1 for a dead connection."""
    cdef ssize_t sent = session.transport.send(session, data, length)
    if sent > 0:
        session.bytes_out += sent
        session.runtime.statistics.bytes_out += sent
    return sent


cdef ssize_t send_parts(Session *session, const Slice *parts, int count) noexcept nogil:
    """The same of several stretches."""
    cdef ssize_t sent = session.transport.send_parts(session, parts, count)
    if sent > 0:
        session.bytes_out += sent
        session.runtime.statistics.bytes_out += sent
    return sent


cdef inline int put_part(Slice *parts, int count, const char *data, size_t length, size_t *sent) noexcept nogil:
    """Add what is not sent of a stretch to the parts; how many there are then. `sent` becomes what of it belongs to the
    next stretch."""
    cdef size_t skipped = sent[0] if sent[0] < length else length
    sent[0] -= skipped
    if length == skipped:
        return count
    parts[count] = slice_of(data + skipped, length - skipped)
    return count + 1


cdef int gather_parts(const Session *session, Slice *parts, size_t *total) noexcept nogil:
    """The oldest of what waits, in at most PARTS stretches and about PARTS_BYTES; how many, and their bytes."""
    cdef const OutputBlock *block = session.output
    cdef size_t sent = session.output_sent
    cdef int count = 0
    total[0] = 0
    while block != NULL and count + 2 <= PARTS and total[0] < PARTS_BYTES:
        total[0] += block.length + block.value.length - sent
        count = put_part(parts, count, block.data, block.length, &sent)
        count = put_part(parts, count, block.value.data, block.value.length, &sent)
        block = block.next
    return count


cdef void drop_sent(Session *session, size_t sent) noexcept nogil:
    """So many bytes of what waits were sent."""
    cdef OutputBlock *block = session.output
    sent += session.output_sent
    while block != NULL and sent >= block.length + block.value.length:
        sent -= block.length + block.value.length
        session.output = block.next
        session.output_bytes -= memory_size(block) + block.value.length
        session.output_blocks -= 1
        block_free(block)
        block = session.output
        if unlikely(session.soft_limit_since_ms != 0):
            note_drained(session)
    session.output_sent = sent
    if block == NULL:
        session.output_last = NULL


cdef int send_blocks(Session *session) noexcept nogil:
    """1: all sent, 0: the socket is full, -1: dead."""
    cdef Slice parts[PARTS]
    cdef size_t total
    cdef ssize_t sent
    cdef int count
    while session.output != NULL:
        count = gather_parts(session, parts, &total)
        sent = send_bytes(session, parts[0].data, parts[0].length) if count == 1 else send_parts(session, parts, count)
        if sent < 0:
            return -1
        drop_sent(session, sent)
        if <size_t> sent < total:
            return 0
    return 1


cdef int session_send(Session *session) noexcept nogil:
    """Send blocks, then this turn's replies. 1: nothing is left, 0: the rest waits in blocks, -1: dead connection."""
    cdef int outcome = 1
    cdef const char *data
    cdef ssize_t sent
    if session.output != NULL:
        session_spill(session)
        return send_blocks(session)
    if session.arena_length:
        data = session.runtime.arena.data + session.arena_start
        sent = send_bytes(session, data, session.arena_length)
        if sent < 0:
            outcome = -1
        elif <size_t> sent < session.arena_length:
            session_keep_unsent(session, data + sent, session.arena_length - sent)
            outcome = 0
        session.arena_length = 0
    return outcome


cdef void session_take(Session *session, Buffer *out) noexcept nogil:
    """Append what waits for a session without a transport, and forget it."""
    cdef OutputBlock *block = session.output
    while block != NULL:
        buffer_append(out, block.data, block.length)
        buffer_append(out, block.value.data, block.value.length)
        block = block.next
    free_blocks(session)


# -- the rest -----------------------------------------------------------------------------------------------------

cdef void session_reset(Session *session) noexcept nogil:
    """What RESET does to the connection itself."""
    transaction_end(session)
    session_end_monitor(session)
    session.flags &= ~(SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT | SESSION_NO_TOUCH
                       | SESSION_NO_EVICT | SESSION_READONLY | SESSION_DEBUG | SESSION_DEBUG_SYNC)
    session.resp = 2
    session.database = session.runtime.keyspace.databases
    session.authenticated = not session.runtime.requires_password
    session.class_ = CLASS_NORMAL
    blob_free(session.name)
    session.name = NULL
