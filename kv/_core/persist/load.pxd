"""Loading the dataset from RDB, step by step."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.buffer cimport Buffer
from kv._core.keyspace.keyspace cimport Keyspace
from kv._core.objects.entry cimport Entry
from kv._core.rdb.reader cimport RdbReader
from kv._core.rdb.source cimport Source

cdef enum:
    LOAD_WINDOW = 32            # entries that are decoded before the first one is put into its database

cdef enum LoadFault:            # what a complaint is about; servers say more or less around each
    FAULT_BYTES                 # bytes that can't be read, or are cut off
    FAULT_HEAD                  # the magic or the version
    FAULT_CHECKSUM              # the CRC-64
    FAULT_REFUSED               # what can be read, and can't be had here: a database, a module, a key that comes twice

cdef struct Decoded:            # an entry of the window
    Entry *entry
    uint64_t hash               # of its key

cdef struct Load:
    RdbReader reader
    Keyspace *keyspace          # where the keys go
    int database                # that is being filled
    bint merge                  # a key that is there already is replaced; else it is a fault
    bint keep_expired           # keys whose time has come are kept: whoever sent them deletes them
    bint relaxed                # rdb-version-check: a newer version is read as long as it holds only what exists here
    bint ended                  # the EOF opcode was read, and its CRC was right
    bint unchecked              # ... or there was none, while one was to be looked at
    LoadFault fault             # of the reader's complaint
    uint64_t keys               # loaded
    uint64_t expired            # left out: their time had come
    uint64_t empty              # left out: they had no elements
    void *owner                 # of the callbacks
    # called with what stands beside keys; the slices are good for the call. False ends the load
    bint (*on_aux)(Load *load, const char *name, size_t name_length, const char *value, size_t value_length) noexcept nogil
    bint (*on_library)(Load *load, const char *code, size_t length) noexcept nogil
    bint (*on_empty)(Load *load, const char *key, size_t length) noexcept nogil     # a key that was left out as empty
    Buffer key                  # that is being read; empty: none is
    int64_t expiry              # of the next key, unix time in ms; -1: none
    int64_t idle_s              # seconds since it was accessed, -1: not known
    int frequency               # its LFU counter, -1: not known
    Decoded window[LOAD_WINDOW]
    int waiting                 # entries in it

cdef void load_init(Load *load, Keyspace *keyspace, Source *source) noexcept nogil
cdef void load_free(Load *load) noexcept nogil
cdef bint load_begin(Load *load) noexcept nogil                 # magic and version
cdef bint load_step(Load *load, int64_t until_us) noexcept nogil    # whether there is more; false at the end and at a complaint
