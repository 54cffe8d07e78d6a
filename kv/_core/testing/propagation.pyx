"""A Python face of the log of effects, for the tests; see testing/base for why."""
from libc.stdint cimport uint64_t
from libc.string cimport memset

from kv._core.base.memory cimport memory_alloc, memory_free
from kv._core.base.slice cimport Slice
from kv._core.runtime.propagation cimport (
    effects_begin, effects_word, propagation_free, propagation_init, propagation_position, reader_advance, reader_close,
    reader_open, reader_view, unit_close, unit_loosen, unit_open)
from kv._core.runtime.state cimport LogReader, Runtime, Unit

cdef enum:
    DEPTH_MOST = 64


cdef class Log:
    """A log that nobody writes to but the test, with the units that are open in it."""
    cdef Runtime *runtime
    cdef Unit units[DEPTH_MOST]
    cdef readonly int depth         # units that are open

    def __cinit__(self):
        self.runtime = <Runtime *> memory_alloc(sizeof(Runtime))
        memset(self.runtime, 0, sizeof(Runtime))
        propagation_init(&self.runtime.propagation)

    def __dealloc__(self):
        propagation_free(&self.runtime.propagation)
        memory_free(self.runtime)

    @property
    def position(self):
        """Bytes ever appended."""
        return propagation_position(&self.runtime.propagation)

    @property
    def held(self):
        """Bytes that are kept for readers."""
        return self.runtime.propagation.bytes.length

    def open(self):
        """Open a unit in those that are open."""
        if self.depth == DEPTH_MOST:
            raise ValueError("too deep")
        unit_open(&self.runtime.propagation, self.units + self.depth)
        self.depth += 1

    def close(self):
        """Close the innermost unit; the effects in it."""
        self.depth -= 1
        unit_close(&self.runtime.propagation, self.units + self.depth)
        return self.units[self.depth].count

    def loosen(self):
        unit_loosen(&self.runtime.propagation)

    def append(self, int database, bytes word not None):
        """An effect of one word, where somebody follows the log."""
        if self.runtime.propagation.readers != NULL:
            effects_begin(self.runtime, database, 1)
            effects_word(self.runtime, word, len(word))

    def reader(self, uint64_t limit=0):
        return Reader(self, limit)


cdef class Reader:
    """Follows a Log."""
    cdef Log log
    cdef LogReader reader
    cdef bint open

    def __cinit__(self, Log log not None, uint64_t limit):
        self.log = log
        reader_open(&log.runtime.propagation, &self.reader, limit)
        self.open = True

    def __dealloc__(self):
        self.close()

    @property
    def position(self):
        return self.reader.position

    @property
    def lost(self):
        return self.reader.lost

    def read(self, bint take=True):
        """What was not taken yet; taken with it."""
        cdef Slice view = reader_view(&self.log.runtime.propagation, &self.reader)
        data = view.data[:view.length] if view.length else b""
        if take:
            reader_advance(&self.log.runtime.propagation, &self.reader, self.reader.position + view.length)
        return data

    def close(self):
        if self.open and self.log is not None:
            reader_close(&self.log.runtime.propagation, &self.reader)
        self.open = False
