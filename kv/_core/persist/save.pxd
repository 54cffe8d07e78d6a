"""Saving the dataset: a walk, an encoder of entries, a sink, each of which knows nothing of the others."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.keyspace.keyspace cimport Database, Keyspace
from kv._core.keyspace.walk cimport Walk
from kv._core.objects.entry cimport Entry

cdef struct Encoder:            # makes bytes of entries; `writer` is what the encoder writes with, a Sink or around one
    void (*begin_database)(void *writer, const Database *database) noexcept nogil   # before its first entry
    void (*put_entry)(void *writer, const Entry *entry) noexcept nogil              # key, value, expiry

cdef struct Save:
    Walk walk                   # where the saving stands
    const Encoder *encoder
    void *writer                # handed to the encoder
    int database                # the one whose beginning is written; -1: none yet

cdef void save_init(Save *save, Keyspace *keyspace, const Encoder *encoder, void *writer) noexcept nogil
cdef void save_free(Save *save) noexcept nogil
cdef bint save_step(Save *save, uint64_t entries, int64_t until_us) noexcept nogil
cdef const Encoder *commands_encoder() noexcept nogil
