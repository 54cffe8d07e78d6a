"""Loading RDB, for who has an Engine.

Whoever loads wants to look at clients and signals now and then: step() ends after a given time, and inside a value that is long in
coming `serve` is called. It runs in the middle of that value, with a dataset that has everything read before.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t

import os
import stat

from kv._core.base.clock cimport clock_us
from kv._core.base.slice cimport Slice, slice_of
from kv._core.engine.engine cimport Engine
from kv._core.engine.execute cimport refresh_clock
from kv._core.engine.isolation cimport Isolated, isolated_enter
from kv._core.persist.filesource cimport FileSource, filesource_free, filesource_init
from kv._core.persist.load cimport (
    FAULT_BYTES, FAULT_CHECKSUM, FAULT_HEAD, FAULT_REFUSED, Load, load_begin, load_free, load_init, load_step)
from kv._core.rdb.reader cimport rdb_is_cut_off
from kv._core.rdb.source cimport SOURCE_STOPPED, source_offset
from kv._core.scripts.loading cimport library_load
from kv._core.scripts.scripting cimport Scripting, scripting_of

from kv._core.lua.api import LuaMissing
from kv._core.scripts.loading import LibraryError


cdef enum:
    EMPTY_KEYS_NAMED = 10       # keys that were left out as empty of which the names are kept

BYTES, CUT_OFF, HEAD, CHECKSUM, REFUSED = "bytes", "cut off", "head", "checksum", "refused"


class RdbFault(ValueError):
    """The bytes at `offset` can't be read, or what was read up to there must not be. `key` is the key that was being read, b""
    where it was none. `kind` is what it is about: bytes that can't be read (BYTES) or that end too early (CUT_OFF), the magic or
    version (HEAD), the CRC-64 (CHECKSUM), or what can't be had here (REFUSED)."""

    def __init__(self, complaint, offset=0, key=b"", kind=BYTES):
        super().__init__(complaint)
        self.offset = offset
        self.key = key
        self.kind = kind


cdef class RdbLoad:
    """Reads RDB from a file descriptor, which stays the caller's, into the databases of an engine.

    `checksum`: the CRC-64 at the end must be right, unless it is 0. `relaxed`: a file of a newer version is read as long as it
    holds only what exists here. `deep`: listpacks are searched for elements that come twice. `merge`: a key that is there already
    is replaced, and so is a library of functions; else it is a fault. `keep_expired`: keys whose time has come are loaded. After a
    fault the engine has what was read before."""
    cdef Engine engine
    cdef Load load
    cdef FileSource file
    cdef object serve
    cdef object error               # what `serve` or a callback raised
    cdef bint begun
    cdef readonly dict aux
    cdef readonly list empty_keys

    def __cinit__(self, Engine engine not None, int fd, *, serve=None, bint merge=False, bint keep_expired=False,
                  bint relaxed=False, bint checksum=True, bint deep=False):
        engine.enter()
        self.engine, self.serve, self.aux, self.empty_keys = engine, serve, {}, []
        filesource_init(&self.file, fd, checksum)
        self.file.owner = <void *> self
        if serve is not None:
            self.file.serve = call_serve
        load_init(&self.load, &engine.runtime.keyspace, &self.file.source)
        self.load.owner = <void *> self
        self.load.on_aux, self.load.on_library, self.load.on_empty = note_aux, take_library, note_empty
        self.load.merge, self.load.keep_expired, self.load.relaxed = merge, keep_expired, relaxed
        self.load.reader.deep = deep
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode):
            self.file.source.size = max(status.st_size - os.lseek(fd, 0, os.SEEK_CUR), 0)

    def __dealloc__(self):
        cdef Isolated *before
        if self.engine is None:
            return
        before = self.engine.enter()
        load_free(&self.load)
        filesource_free(&self.file)
        isolated_enter(before)

    @property
    def keys(self):
        return self.load.keys

    @property
    def expired(self):
        return self.load.expired

    @property
    def empty(self):
        return self.load.empty

    @property
    def offset(self):
        """Bytes read so far, from where the descriptor stood; at the end, where the RDB ends."""
        return source_offset(&self.file.source)

    @property
    def unchecked(self):
        """At the end: whether a CRC-64 was to be looked at, and the file has none."""
        return bool(self.load.unchecked)

    @property
    def version(self):
        return self.load.reader.version

    def step(self, int64_t ms=0):
        """Load for about so many milliseconds (0: all). Whether there is more. RdbFault, OSError, or what `serve` raised."""
        cdef bint more
        self.engine.enter()
        refresh_clock(&self.engine.runtime)
        if not self.begun:
            self.begun = True
            if not load_begin(&self.load):
                self.fail()
        more = load_step(&self.load, clock_us() + 1000 * ms if ms else 0)
        if not more and not self.load.ended:
            self.fail()
        return bool(more)

    cdef int fail(self) except -1:
        cdef int fault = self.file.source.fault
        if self.error is not None:
            raise self.error
        if fault and fault != SOURCE_STOPPED:
            raise OSError(fault, os.strerror(fault))
        complaint = self.load.reader.complaint.decode("utf-8", "replace")
        kind = CUT_OFF if rdb_is_cut_off(&self.load.reader) else KINDS[self.load.fault]
        raise RdbFault(complaint, self.offset, PyBytes_FromStringAndSize(self.load.key.data, self.load.key.length), kind)


KINDS = {FAULT_BYTES: BYTES, FAULT_HEAD: HEAD, FAULT_CHECKSUM: CHECKSUM, FAULT_REFUSED: REFUSED}


cdef bint call_serve(FileSource *file) noexcept nogil:
    with gil:
        return serve_others(<RdbLoad> file.owner)


cdef bint serve_others(RdbLoad self) noexcept:
    try:
        self.serve()
    except BaseException as error:
        self.error = error
    self.engine.enter()
    return self.error is None


cdef bint note_aux(Load *load, const char *name, size_t name_length, const char *value, size_t value_length) noexcept nogil:
    with gil:
        (<RdbLoad> load.owner).aux[name[:name_length]] = value[:value_length]
        return True


cdef bint take_library(Load *load, const char *code, size_t length) noexcept nogil:
    with gil:
        return load_library(<RdbLoad> load.owner, slice_of(code, length))


cdef bint load_library(RdbLoad self, Slice code) noexcept:
    """Functions were accepted once: to register them takes as long as it takes."""
    cdef Scripting *scripting
    try:
        scripting = scripting_of(&self.engine.runtime, True)
        library_load(scripting, &scripting.libraries, code, self.load.merge, 0)
    except (LibraryError, LuaMissing, MemoryError) as complaint:
        self.error = RdbFault(f"Failed loading library, {complaint}", self.offset, kind=REFUSED)
    self.engine.enter()
    return self.error is None


cdef bint note_empty(Load *load, const char *key, size_t length) noexcept nogil:
    if load.empty <= EMPTY_KEYS_NAMED:
        with gil:
            (<RdbLoad> load.owner).empty_keys.append(key[:length])
    return True
