"""The Python face of the id tree and of a stream's log, for the tests; see testing/base for why."""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from kv._core.base.memory cimport memory_alloc, memory_free
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.idtree cimport (
    IdPosition, IdTree, idtree_at, idtree_check, idtree_clear, idtree_find, idtree_first, idtree_from, idtree_insert,
    idtree_last, idtree_memory, idtree_next, idtree_previous, idtree_remove, idtree_upto)
from kv._core.containers.streamid cimport StreamId, stream_id
from kv._core.containers.streamlog cimport (
    StreamCursor, StreamLog, StreamTrim, stream_limits, streamlog_append, streamlog_check, streamlog_clear,
    streamlog_copy, streamlog_delete, streamlog_from, streamlog_has, streamlog_memory, streamlog_next,
    streamlog_previous, streamlog_trim, streamlog_upto)
from kv._core.containers.streamnode cimport StreamFields, StreamNode, stream_fields, stream_fields_next


def limit_nodes(int64_t bytes, int64_t entries):
    """stream-node-max-bytes and stream-node-max-entries."""
    stream_limits.node_bytes, stream_limits.node_entries = bytes, entries


cdef StreamId id_of(tuple id):
    return stream_id(id[0], id[1])


cdef void raise_fault(const char *fault) except *:
    if fault != NULL:
        raise AssertionError(fault.decode())


cdef class Ids:
    """An id tree whose elements are ids."""
    cdef IdTree tree

    def __dealloc__(self):
        idtree_clear(&self.tree, memory_free)

    cdef tuple view(self, IdPosition position):
        cdef StreamId *id = <StreamId *> idtree_at(position)
        return None if id == NULL else (id.ms, id.seq)

    def add(self, tuple id):
        cdef StreamId *element = <StreamId *> memory_alloc(sizeof(StreamId))
        element[0] = id_of(id)
        idtree_insert(&self.tree, element)

    def remove(self, tuple id):
        """Whether it was there."""
        cdef void *element = idtree_remove(&self.tree, id_of(id))
        memory_free(element)
        return element != NULL

    def __contains__(self, tuple id):
        return idtree_find(&self.tree, id_of(id)) != NULL

    def __len__(self):
        return self.tree.count

    def first_from(self, tuple id):
        return self.view(idtree_from(&self.tree, id_of(id)))

    def last_upto(self, tuple id):
        return self.view(idtree_upto(&self.tree, id_of(id)))

    def content(self, bint backward=False):
        cdef IdPosition position = idtree_last(&self.tree) if backward else idtree_first(&self.tree)
        cdef list found = []
        while position.leaf != NULL:
            found.append(self.view(position))
            if backward:
                idtree_previous(&position)
            else:
                idtree_next(&position)
        return found

    def clear(self):
        idtree_clear(&self.tree, memory_free)

    def shape(self):
        """(levels of branches, leaves, branches, bytes)."""
        levels = 0 if self.tree.root == NULL else self.tree.root.level
        return levels, self.tree.leaves, self.tree.branches, idtree_memory(&self.tree)

    def check(self):
        """AssertionError names the first invariant that does not hold."""
        raise_fault(idtree_check(&self.tree))


cdef tuple entry_view(StreamCursor *cursor):
    cdef StreamFields fields
    cdef list found = []
    stream_fields(&cursor.entry, &fields)
    while stream_fields_next(&fields):
        found.append((fields.name.data[:fields.name.length], fields.value.data[:fields.value.length]))
    return (cursor.entry.id.ms, cursor.entry.id.seq), found


cdef class Log:
    """The entries of a stream: ids with lists of (name, value)."""
    cdef StreamLog log

    def __dealloc__(self):
        streamlog_clear(&self.log)

    def append(self, tuple id, list fields):
        cdef Slice *words = <Slice *> memory_alloc(2 * len(fields) * sizeof(Slice))
        cdef int i = 0
        cdef bytes name, value
        for name, value in fields:
            words[i], words[i + 1] = slice_of(name, len(name)), slice_of(value, len(value))
            i += 2
        streamlog_append(&self.log, id_of(id), words, len(fields))
        memory_free(words)

    def delete(self, tuple id):
        return bool(streamlog_delete(&self.log, id_of(id)))

    def trim(self, most=None, least=None, bint approximately=False, uint64_t limit=0):
        cdef StreamTrim trim
        memset(&trim, 0, sizeof(trim))
        trim.by_id, trim.approximately, trim.limit = least is not None, approximately, limit
        if least is None:
            trim.most = most
        else:
            trim.least = id_of(least)
        return streamlog_trim(&self.log, &trim)

    def __len__(self):
        return self.log.length

    def __contains__(self, tuple id):
        return bool(streamlog_has(&self.log, id_of(id)))

    def entries(self, tuple start):
        """From an id on."""
        cdef StreamCursor cursor
        cdef bint more = streamlog_from(&self.log, id_of(start), &cursor)
        cdef list found = []
        while more:
            found.append(entry_view(&cursor))
            more = streamlog_next(&cursor)
        return found

    def entries_back(self, tuple start):
        """From an id back."""
        cdef StreamCursor cursor
        cdef bint more = streamlog_upto(&self.log, id_of(start), &cursor)
        cdef list found = []
        while more:
            found.append(entry_view(&cursor))
            more = streamlog_previous(&cursor)
        return found

    def copy(self):
        cdef Log made = Log()
        streamlog_copy(&self.log, &made.log)
        return made

    def nodes(self):
        """(live entries, deleted ones, bytes in use) of each node."""
        cdef IdPosition place = idtree_first(&self.log.nodes)
        cdef StreamNode *node
        cdef list found = []
        while place.leaf != NULL:
            node = <StreamNode *> idtree_at(place)
            found.append((node.live, node.deleted, node.length))
            idtree_next(&place)
        return found

    def memory(self, uint64_t samples=0):
        return streamlog_memory(&self.log, samples)

    def check(self):
        """AssertionError names the first invariant that does not hold."""
        raise_fault(streamlog_check(&self.log))
