"""Entries packed into nodes (containers/streamnode), nodes found by a B+ tree (containers/idtree).

A node takes entries until it has stream_limits.node_entries, deleted ones counted, or node_bytes; then it gives back its
free room and the next one begins. So an entry costs its packed bytes and, at a hundred a node, less than one byte of
header and index. A node of which nothing lives is dropped; a log without nodes has no tree either.

Looking an entry up descends the tree to the last node that begins at or before the id, and steps over its entries.
What bounds that is the size of a node, which the administrator chose.
"""
from libc.stdint cimport uint64_t

from kv._core.base.memory cimport memory_free, memory_size
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice
from kv._core.containers.idtree cimport (
    IdPosition, idtree_at, idtree_check, idtree_clear, idtree_first, idtree_insert, idtree_last, idtree_memory,
    idtree_next, idtree_previous, idtree_remove, idtree_replace, idtree_upto)
from kv._core.containers.streamid cimport StreamId, stream_id_below, stream_id_equal
from kv._core.containers.streamnode cimport (
    StreamEntry, StreamNode, streamnode_append, streamnode_check, streamnode_compact, streamnode_copy,
    streamnode_delete, streamnode_first, streamnode_fit, streamnode_last, streamnode_new, streamnode_next,
    streamnode_previous)

stream_limits.node_bytes = 4096
stream_limits.node_entries = 100


# -- append -----------------------------------------------------------------------------------------------------------

cdef inline bint is_full(const StreamNode *node, const Slice *words, uint64_t fields) noexcept nogil:
    """Whether an entry of these words begins the next node."""
    cdef uint64_t most = stream_limits.node_bytes
    cdef uint64_t bytes = node.length
    cdef uint64_t i
    if stream_limits.node_entries and node.live + node.deleted >= <uint64_t> stream_limits.node_entries:
        return True
    if most == 0 or most > STREAM_LARGEST_NODE:
        most = STREAM_LARGEST_NODE
    for i in range(2 * fields):
        bytes += words[i].length
    return bytes >= most


cdef void streamlog_append(StreamLog *log, StreamId id, const Slice *words, uint64_t fields) noexcept nogil:
    """Add an entry of name, value, name, value ... The id is higher than any; the words have less than
    STREAM_LARGEST_NODE bytes."""
    cdef IdPosition place = idtree_last(&log.nodes)
    cdef StreamNode *node = <StreamNode *> idtree_at(place)
    cdef StreamNode *moved
    log.length += 1
    if likely(node != NULL and not is_full(node, words, fields)):
        moved = streamnode_append(node, id, words, fields)
        if unlikely(moved != node):
            idtree_replace(place, moved)
        return
    if node != NULL:
        idtree_replace(place, streamnode_fit(node))
    node = streamnode_new(id, words, fields)
    idtree_insert(&log.nodes, streamnode_append(node, id, words, fields))


# -- find -------------------------------------------------------------------------------------------------------------

cdef bint forward(StreamCursor *cursor, bint more) noexcept nogil:
    """From an entry on, the first that lives."""
    cdef StreamNode *node
    while True:
        while more:
            if likely(not cursor.entry.deleted):
                return True
            more = streamnode_next(&cursor.entry)
        idtree_next(&cursor.place)
        node = <StreamNode *> idtree_at(cursor.place)
        if node == NULL:
            return False
        more = streamnode_first(node, &cursor.entry)


cdef bint backward(StreamCursor *cursor, bint more) noexcept nogil:
    """From an entry back, the first that lives."""
    cdef StreamNode *node
    while True:
        while more:
            if likely(not cursor.entry.deleted):
                return True
            more = streamnode_previous(&cursor.entry)
        idtree_previous(&cursor.place)
        node = <StreamNode *> idtree_at(cursor.place)
        if node == NULL:
            return False
        more = streamnode_last(node, &cursor.entry)


cdef bint streamlog_from(const StreamLog *log, StreamId id, StreamCursor *cursor) noexcept nogil:
    cdef StreamNode *node
    cdef bint more
    cursor.place = idtree_upto(&log.nodes, id)
    if cursor.place.leaf == NULL:
        cursor.place = idtree_first(&log.nodes)
    node = <StreamNode *> idtree_at(cursor.place)
    if node == NULL:
        return False
    if stream_id_below(node.last, id):
        return forward(cursor, False)
    more = streamnode_first(node, &cursor.entry)
    while more and stream_id_below(cursor.entry.id, id):
        more = streamnode_next(&cursor.entry)
    return forward(cursor, more)


cdef bint streamlog_upto(const StreamLog *log, StreamId id, StreamCursor *cursor) noexcept nogil:
    cdef StreamNode *node
    cdef bint more
    cursor.place = idtree_upto(&log.nodes, id)
    node = <StreamNode *> idtree_at(cursor.place)
    if node == NULL:
        return False
    more = streamnode_last(node, &cursor.entry)
    while more and stream_id_below(id, cursor.entry.id):
        more = streamnode_previous(&cursor.entry)
    return backward(cursor, more)


cdef bint streamlog_next(StreamCursor *cursor) noexcept nogil:
    return forward(cursor, streamnode_next(&cursor.entry))


cdef bint streamlog_previous(StreamCursor *cursor) noexcept nogil:
    return backward(cursor, streamnode_previous(&cursor.entry))


cdef bint streamlog_has(const StreamLog *log, StreamId id) noexcept nogil:
    cdef StreamCursor cursor
    return streamlog_from(log, id, &cursor) and stream_id_equal(cursor.entry.id, id)


# -- delete -----------------------------------------------------------------------------------------------------------

cdef inline void drop_node(StreamLog *log, StreamNode *node) noexcept nogil:
    idtree_remove(&log.nodes, node.id)
    memory_free(node)


cdef void tidy(StreamLog *log, IdPosition place) noexcept nogil:
    """After deletions in a node: drop it where nothing lives, rewrite it where less than half does."""
    cdef StreamNode *node = <StreamNode *> idtree_at(place)
    if node.live == 0:
        drop_node(log, node)
    elif node.tombstones > node.live + 1:
        idtree_replace(place, streamnode_compact(node))


cdef bint streamlog_delete(StreamLog *log, StreamId id) noexcept nogil:
    cdef StreamCursor cursor
    if not streamlog_from(log, id, &cursor) or not stream_id_equal(cursor.entry.id, id):
        return False
    streamnode_delete(&cursor.entry)
    log.length -= 1
    tidy(log, cursor.place)
    return True


cdef uint64_t trim_within(StreamLog *log, const StreamTrim *trim) noexcept nogil:
    """Delete what is to go of the first node, which is not to go whole."""
    cdef IdPosition place = idtree_first(&log.nodes)
    cdef StreamEntry entry
    cdef uint64_t gone = 0
    cdef bint more = streamnode_first(<StreamNode *> idtree_at(place), &entry)
    while more:
        if not stream_id_below(entry.id, trim.least) if trim.by_id else log.length <= trim.most:
            break
        if not entry.deleted:
            streamnode_delete(&entry)
            log.length -= 1
            gone += 1
        more = streamnode_next(&entry)
    if gone:
        tidy(log, place)
    return gone


cdef uint64_t streamlog_trim(StreamLog *log, const StreamTrim *trim) noexcept nogil:
    """Whole nodes go while they may, then entries of the next one, unless it is to be done approximately."""
    cdef uint64_t gone = 0
    cdef StreamNode *node
    while True:
        node = <StreamNode *> idtree_at(idtree_first(&log.nodes))
        if node == NULL or (not trim.by_id and log.length <= trim.most):
            return gone
        if trim.limit and gone + node.live > trim.limit:
            return gone
        if not (stream_id_below(node.last, trim.least) if trim.by_id else log.length - node.live >= trim.most):
            break
        log.length -= node.live
        gone += node.live
        drop_node(log, node)
    return gone if trim.approximately else gone + trim_within(log, trim)


# -- the whole --------------------------------------------------------------------------------------------------------

cdef void streamlog_clear(StreamLog *log) noexcept nogil:
    idtree_clear(&log.nodes, memory_free)
    log.length = 0


cdef void streamlog_copy(const StreamLog *log, StreamLog *made) noexcept nogil:
    cdef IdPosition place = idtree_first(&log.nodes)
    while place.leaf != NULL:
        idtree_insert(&made.nodes, streamnode_copy(<StreamNode *> idtree_at(place)))
        idtree_next(&place)
    made.length = log.length


cdef size_t streamlog_memory(const StreamLog *log, uint64_t samples) noexcept nogil:
    """The last node is measured itself: it is seldom full."""
    cdef IdPosition place = idtree_first(&log.nodes)
    cdef size_t sampled = 0
    cdef uint64_t count = 0
    if log.nodes.root == NULL:
        return 0
    while place.leaf != NULL and (samples == 0 or count < samples):
        sampled += memory_size(idtree_at(place))
        count += 1
        idtree_next(&place)
    if count < log.nodes.count:
        sampled = sampled // count * (log.nodes.count - 1) + memory_size(idtree_at(idtree_last(&log.nodes)))
    return idtree_memory(&log.nodes) + sampled


cdef const char *check_node(StreamNode *node, const StreamNode *before) noexcept nogil:
    cdef const char *fault = streamnode_check(node)
    if fault != NULL:
        return fault
    if node.live == 0:
        return b"a stream node of which nothing lives"
    if node.tombstones > node.live + 1:
        return b"a stream node that should have been rewritten"
    if before != NULL and not stream_id_below(before.last, node.id):
        return b"stream nodes out of order"
    return NULL


cdef const char *streamlog_check(const StreamLog *log) noexcept nogil:
    """The invariants: NULL, or what is wrong."""
    cdef const char *fault = idtree_check(&log.nodes)
    cdef IdPosition place = idtree_first(&log.nodes)
    cdef StreamNode *before = NULL
    cdef StreamNode *node
    cdef uint64_t length = 0
    while fault == NULL and place.leaf != NULL:
        node = <StreamNode *> idtree_at(place)
        fault = check_node(node, before)
        length += node.live
        before = node
        idtree_next(&place)
    if fault == NULL and length != log.length:
        return b"a stream that counts wrongly"
    return fault
