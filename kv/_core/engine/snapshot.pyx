"""The dataset written to a file, for who has an Engine: an RDB file, the base of an AOF."""
from libc.stdint cimport int64_t, uint64_t

import os

from kv import VALKEY_VERSION
from kv._core.base.clock cimport clock_us
from kv._core.base.memory cimport memory_used
from kv._core.base.slice cimport Slice, slice_of
from kv._core.engine.engine cimport Engine
from kv._core.engine.isolation cimport Isolated, isolated_enter
from kv._core.persist.commands cimport put_library_commands
from kv._core.persist.filesink cimport FileSink, filesink_await, filesink_flush, filesink_free, filesink_init
from kv._core.persist.rdbfile cimport (
    RdbFile, rdb_encoder, rdbfile_begin, rdbfile_end, rdbfile_free, rdbfile_init, rdbfile_put_library)
from kv._core.persist.save cimport Save, commands_encoder, save_free, save_init, save_step
from kv._core.rdb.format cimport RDB_VERSION, RDB_VERSION_LEAST
from kv._core.scripts.scripting cimport Library, Scripting

cdef bytes SERVER_VERSION = VALKEY_VERSION.encode()


cdef class Snapshot:
    """Writes the dataset to a file descriptor that stays the caller's: in RDB of a version (9 to 11), or as commands that make
    it anew (`rdb_version` 0).

    The dataset must not change from the first step to the last: a forked child does this, or the loop while it does nothing
    else. `sync_bytes`: bytes between two syncs of the file on the way, 0 for none; the last sync is the caller's. Of RDB:
    `compress` strings (rdbcompression), end it with its `checksum` (rdbchecksum), say that it is an `aof_base`."""
    cdef Engine engine
    cdef Save save
    cdef FileSink file
    cdef RdbFile rdb
    cdef readonly int rdb_version
    cdef bint aof_base
    cdef bint begun                 # what stands before the keys is written
    cdef bint ended                 # everything is

    def __cinit__(self, Engine engine not None, int fd, uint64_t sync_bytes=0, int rdb_version=0, bint compress=True,
                  bint checksum=True, bint aof_base=False):
        if rdb_version and not RDB_VERSION_LEAST <= rdb_version <= RDB_VERSION:
            raise ValueError(f"no RDB of version {rdb_version} is written")
        self.engine, self.rdb_version, self.aof_base = engine, rdb_version, aof_base
        engine.enter()
        filesink_init(&self.file, fd, sync_bytes, checksum and rdb_version != 0)
        rdbfile_init(&self.rdb, &engine.runtime.keyspace, &self.file, rdb_version, compress)
        if rdb_version:
            save_init(&self.save, &engine.runtime.keyspace, rdb_encoder(), &self.rdb)
        else:
            save_init(&self.save, &engine.runtime.keyspace, commands_encoder(), &self.file.sink)

    def __dealloc__(self):
        cdef Isolated *before
        if self.engine is None:
            return
        before = self.engine.enter()
        save_free(&self.save)
        rdbfile_free(&self.rdb)
        filesink_free(&self.file)
        isolated_enter(before)

    @property
    def keys(self):
        """Keys saved so far."""
        return self.save.walk.entries

    @property
    def written(self):
        """Bytes written so far."""
        return self.file.written

    cdef int begin(self) except -1:
        """What stands before the keys."""
        cdef Scripting *scripting = <Scripting *> self.engine.runtime.scripting
        cdef Library *library = scripting.libraries.first if scripting != NULL else NULL
        cdef Slice code
        self.begun = True
        if self.rdb_version:
            rdbfile_begin(&self.rdb, slice_of(SERVER_VERSION, len(SERVER_VERSION)), memory_used(), self.aof_base)
        while library != NULL:
            code = slice_of(library.code.data, library.code.length)
            if self.rdb_version:
                rdbfile_put_library(&self.rdb, code)
            else:
                put_library_commands(&self.file.sink, code)
            library = library.next
        return 0

    cdef void end(self) noexcept:
        self.ended = True
        if self.rdb_version:
            rdbfile_end(&self.rdb)
        else:
            filesink_flush(&self.file)

    def step(self, uint64_t keys=0, int64_t ms=0):
        """Save at least so many keys (0: all that are left), for about so many milliseconds (0: as many as it takes; one
        large value is not interrupted). Whether there may be more; False: all is written. OSError where the file took
        something not."""
        self.engine.enter()
        if not self.begun:
            self.begin()
        if not self.ended and not save_step(&self.save, keys, clock_us() + 1000 * ms if ms else 0):
            self.end()
        filesink_await(&self.file)
        if self.file.fault:
            raise OSError(self.file.fault, os.strerror(self.file.fault))
        return not self.ended
