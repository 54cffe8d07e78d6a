"""Saving the dataset, step by step.

    walk (keyspace/walk)  ->  encoder (commands here, RDB)  ->  sink (persist/filesink, or another)

A step ends between two batches of the walk, so saving can be interrupted: by time, to let progress be told, or to let a client
be served where the dataset is saved without fork. Keys whose time has come are saved with their expiry, and go when they are
read back. In a forked child large values are given back once they are saved.
"""
from libc.stdint cimport int64_t, uint64_t

from kv._core.base.clock cimport clock_us
from kv._core.base.memory cimport memory_dismissing
from kv._core.base.platform cimport prefetch
from kv._core.base.sink cimport Sink, sink_drain_if_full
from kv._core.keyspace.walk cimport walk_batch, walk_free, walk_init, walk_next
from kv._core.objects.entry cimport (
    ENCODING_RAW, ENTRY_EXPIRES, entry_encoding, entry_expiry, entry_key, entry_word)
from kv._core.objects.value cimport value_dismiss
from kv._core.persist.types cimport saved_type
from kv._core.resp.words cimport resp_header, resp_i64, resp_slice, resp_word

cdef enum:
    BATCH = 64                  # entries that are fetched at once
    AHEAD = 4                   # entries before its turn at which a value is fetched


cdef void save_init(Save *save, Keyspace *keyspace, const Encoder *encoder, void *writer) noexcept nogil:
    walk_init(&save.walk, keyspace)
    save.encoder, save.writer, save.database = encoder, writer, -1


cdef void save_free(Save *save) noexcept nogil:
    walk_free(&save.walk)


cdef inline void prefetch_value(const Entry *entry) noexcept nogil:
    if entry_encoding(entry) >= ENCODING_RAW:
        prefetch(entry_word(<Entry *> entry)[0])


cdef void put_batch(Save *save, uint64_t count) noexcept nogil:
    cdef Entry **entries = walk_batch(&save.walk)
    cdef uint64_t i
    if save.database != save.walk.database.id:
        save.database = save.walk.database.id
        save.encoder.begin_database(save.writer, save.walk.database)
    for i in range(count):
        if i + AHEAD < count:
            prefetch_value(entries[i + AHEAD])
        save.encoder.put_entry(save.writer, entries[i])
        if memory_dismissing():
            value_dismiss(entries[i])


cdef bint save_step(Save *save, uint64_t entries, int64_t until_us) noexcept nogil:
    """Save on: at least so many entries (0: all that are left), or until clock_us() is past a time (0: for as long as it
    takes). Whether there may be more; once it is false every entry has gone to the encoder."""
    cdef uint64_t enough = save.walk.entries + entries
    cdef uint64_t count
    while True:
        count = walk_next(&save.walk, BATCH if entries == 0 or entries > BATCH else entries)
        if count == 0:
            return False
        put_batch(save, count)
        if (entries and save.walk.entries >= enough) or (until_us and clock_us() >= until_us):
            return True


# -- commands as an encoder -------------------------------------------------------------------------------------------

cdef void select_database(void *writer, const Database *database) noexcept nogil:
    cdef Sink *sink = <Sink *> writer
    resp_header(&sink.buffer, c'*', 2)
    resp_word(&sink.buffer, b"SELECT", 6)
    resp_i64(&sink.buffer, database.id)


cdef void put_entry_commands(void *writer, const Entry *entry) noexcept nogil:
    """The commands that make one key: its value by its type, then its expiry."""
    cdef Sink *sink = <Sink *> writer
    saved_type(entry).put_commands(sink, entry)
    if entry.flags & ENTRY_EXPIRES:
        resp_header(&sink.buffer, c'*', 3)
        resp_word(&sink.buffer, b"PEXPIREAT", 9)
        resp_slice(&sink.buffer, entry_key(entry))
        resp_i64(&sink.buffer, entry_expiry(entry))
    sink_drain_if_full(sink)


cdef Encoder COMMANDS
COMMANDS.begin_database = select_database
COMMANDS.put_entry = put_entry_commands


cdef const Encoder *commands_encoder() noexcept nogil:
    """Entries as commands; the writer is a Sink."""
    return &COMMANDS
