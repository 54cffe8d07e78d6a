"""The dataset written to a file, for who has an Engine: the base of an AOF."""
from libc.stdint cimport int64_t, uint64_t

import os

from kv._core.base.clock cimport clock_us
from kv._core.base.sink cimport sink_free
from kv._core.engine.engine cimport Engine
from kv._core.engine.isolation cimport Isolated, isolated_enter
from kv._core.persist.filesink cimport FileSink, filesink_flush, filesink_init
from kv._core.persist.save cimport Save, commands_encoder, save_free, save_init, save_step


cdef class Snapshot:
    """Writes the dataset, as commands that make it anew, to a file descriptor that stays the caller's.

    The dataset must not change from the first step to the last: a forked child does this, or the loop while it does nothing
    else. `sync_bytes`: bytes between two syncs of the file on the way, 0 for none; the last sync is the caller's."""
    cdef Engine engine
    cdef Save save
    cdef FileSink file

    def __cinit__(self, Engine engine not None, int fd, uint64_t sync_bytes=0):
        self.engine = engine
        engine.enter()
        filesink_init(&self.file, fd, sync_bytes, False)
        save_init(&self.save, &engine.runtime.keyspace, commands_encoder(), &self.file.sink)

    def __dealloc__(self):
        cdef Isolated *before
        if self.engine is None:
            return
        before = self.engine.enter()
        save_free(&self.save)
        sink_free(&self.file.sink)
        isolated_enter(before)

    @property
    def keys(self):
        """Keys saved so far."""
        return self.save.walk.entries

    @property
    def written(self):
        """Bytes written so far."""
        return self.file.written

    def step(self, uint64_t keys=0, int64_t ms=0):
        """Save at least so many keys (0: all that are left), for about so many milliseconds (0: as many as it takes; one
        large value is not interrupted). Whether there may be more; False: all is written. OSError where the file took
        something not."""
        cdef bint more
        self.engine.enter()
        more = save_step(&self.save, keys, clock_us() + 1000 * ms if ms else 0)
        if not more:
            filesink_flush(&self.file)
        if self.file.fault:
            raise OSError(self.file.fault, os.strerror(self.file.fault))
        return bool(more)
