"""Loading the dataset from RDB, step by step.

    "REDIS0011" or "VALKEY080" | what the file says of itself, libraries of functions | databases | EOF | CRC-64
    database:   SELECT number | RESIZE | keys
    key:        (expiry) (idle or frequency) | type | key | value

A window of entries is decoded before the first one is put into its database: by then the buckets that they go to, whose fetching
began when the key was known, are in the cache. Tables are made for as many keys as the file announces, so nothing is moved on the
way.

A complaint ends the load, and says in Valkey's words what is wrong; where, the source knows. What was loaded until then
stays: whoever loads throws it away. Source of the format: Valkey 8.1.7 and 9.1, rdb.c.
"""
from libc.stdint cimport UINT32_MAX, int32_t, int64_t, uint64_t
from libc.string cimport memcmp, memset

from kv._core.base.buffer cimport buffer_append, buffer_free, buffer_reserve
from kv._core.base.clock cimport clock_us
from kv._core.base.hashing cimport hash_bytes
from kv._core.base.machine cimport load_u32_le
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.keyspace.database cimport (
    Key, Position, database_expect, database_find, database_insert, database_prefetch_bucket, database_replace)
from kv._core.keyspace.keyspace cimport Database, keyspace_set_access
from kv._core.containers.hashtable cimport position_element
from kv._core.objects.entry cimport Entry, entry_free, entry_key
from kv._core.rdb.decode cimport rdb_get_value, rdb_refuse_module
from kv._core.rdb.format cimport (
    RDB_OPCODE_AUX, RDB_OPCODE_EOF, RDB_OPCODE_EXPIRY_MS, RDB_OPCODE_EXPIRY_S, RDB_OPCODE_FREQ,
    RDB_OPCODE_FUNCTION, RDB_OPCODE_FUNCTION_PRE, RDB_OPCODE_IDLE, RDB_OPCODE_MODULE_AUX, RDB_OPCODE_RESIZEDB, RDB_OPCODE_SELECTDB,
    RDB_OPCODE_SLOT_INFO, RDB_VALKEY, RDB_VERSION, RDB_VERSION_CRC)
from kv._core.rdb.reader cimport (
    COMPLAINT_SIZE, MOST_RESERVED, rdb_complain, rdb_complain_number, rdb_get_byte, rdb_get_bytes,
    rdb_get_element, rdb_get_length, rdb_get_milliseconds, rdb_get_pair, rdb_get_string, rdb_reader_free, rdb_reader_init)
from kv._core.rdb.source cimport Source, source_crc, source_offset

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *out, size_t size, const char *form, ...)

cdef enum:
    MAGIC = 9                   # bytes: a name and the version's digits
    LEAST_KEY = 3               # bytes of a key with its value
    LEAST_OPCODE = 240          # no type is so high


cdef void load_init(Load *load, Keyspace *keyspace, Source *source) noexcept nogil:
    """A load into a keyspace from a source, both of which stay their owners'. Where the source keeps the CRC it is checked."""
    memset(load, 0, sizeof(Load))
    rdb_reader_init(&load.reader, source, 0, False)
    load.keyspace = keyspace
    load.expiry = load.idle_s = load.frequency = -1


cdef void load_free(Load *load) noexcept nogil:
    cdef int i
    for i in range(load.waiting):
        entry_free(load.window[i].entry)
    load.waiting = 0
    buffer_free(&load.key)
    rdb_reader_free(&load.reader)


cdef inline bint about(Load *load, LoadFault fault) noexcept nogil:
    """Say what the reader complains about; false."""
    load.fault = fault
    return False


# -- the head of the file ---------------------------------------------------------------------------------------------

cdef bint load_begin(Load *load) noexcept nogil:
    cdef char magic[MAGIC + 1]
    cdef int version = 0, i, digits
    if not rdb_get_bytes(&load.reader, magic, MAGIC):
        return False
    if memcmp(magic, b"REDIS0", 6) != 0 and memcmp(magic, b"VALKEY", 6) != 0:
        rdb_complain(&load.reader, b"Wrong signature trying to load DB from file")
        return about(load, FAULT_HEAD)
    digits = 0
    for i in range(6, MAGIC):
        digits += c'0' <= magic[i] <= c'9'
        version = version * 10 + magic[i] - c'0'
    if (digits < 3 or version < 1 or (version > RDB_VERSION and not load.relaxed)
            or (version >= RDB_VALKEY and magic[0] == c'R')):
        rdb_complain_number(&load.reader, b"Can't handle RDB format version %lld", version if digits == 3 else 0)
        return about(load, FAULT_HEAD)
    load.reader.version = version
    return True


# -- what stands beside keys ------------------------------------------------------------------------------------------

cdef bint take_expiry_s(Load *load) noexcept nogil:
    cdef char bytes_[4]
    if not rdb_get_bytes(&load.reader, bytes_, 4):
        return False
    load.expiry = 1000 * <int64_t> <int32_t> load_u32_le(bytes_)
    return True


cdef bint take_idle(Load *load) noexcept nogil:
    cdef uint64_t seconds = 0
    if not rdb_get_length(&load.reader, &seconds):
        return False
    load.idle_s = <int64_t> (seconds if seconds < UINT32_MAX else UINT32_MAX)
    return True


cdef bint take_database(Load *load) noexcept nogil:
    cdef uint64_t number = 0
    if not rdb_get_length(&load.reader, &number):
        return False
    if number >= <uint64_t> load.keyspace.count:
        rdb_complain_number(&load.reader, b"FATAL: Data file was created with a Valkey server configured to handle more than "
                            b"%lld databases. Exiting", load.keyspace.count)
        return about(load, FAULT_REFUSED)
    insert_window(load)
    load.database = <int> number
    return load.reader.complaint == NULL


cdef bint take_sizes(Load *load) noexcept nogil:
    """Make the database's table for as many keys as are announced, as far as there are bytes for them."""
    cdef uint64_t keys = 0, expiring = 0, most = MOST_RESERVED
    cdef const Source *source = load.reader.source
    if not rdb_get_length(&load.reader, &keys) or not rdb_get_length(&load.reader, &expiring):
        return False
    if source.size:
        most = (source.size - source_offset(source)) // LEAST_KEY if source.size > source_offset(source) else 0
    insert_window(load)
    database_expect(load.keyspace.databases + load.database, keys if keys < most else most)
    return load.reader.complaint == NULL


cdef bint take_aux(Load *load) noexcept nogil:
    cdef Slice name, value
    if not rdb_get_pair(&load.reader, &name, &value):
        return False
    return load.on_aux == NULL or load.on_aux(load, name.data, name.length, value.data, value.length)


cdef bint take_library(Load *load) noexcept nogil:
    cdef Slice code
    if not rdb_get_string(&load.reader, &code):
        return False
    return load.on_library == NULL or load.on_library(load, code.data, code.length)


cdef bint take_lengths(Load *load, int count) noexcept nogil:
    """Read over something that is of no use here."""
    cdef uint64_t number = 0
    cdef int _i
    for _i in range(count):
        if not rdb_get_length(&load.reader, &number):
            return False
    return True


cdef bint refuse_module_aux(Load *load) noexcept nogil:
    """What a module keeps beside keys."""
    rdb_refuse_module(&load.reader, b"The RDB file contains AUX module data I can't load: no matching module '%.*s'")
    return about(load, FAULT_REFUSED)


cdef bint take_end(Load *load) noexcept nogil:
    """The EOF opcode was read."""
    cdef Source *source = load.reader.source
    cdef uint64_t crc = source_crc(source) if source.checksummed else 0
    cdef int64_t stated = 0
    insert_window(load)
    if load.reader.complaint != NULL:
        return False
    if load.reader.version >= RDB_VERSION_CRC:
        if not rdb_get_milliseconds(&load.reader, &stated):
            return False
        if source.checksummed and stated != 0 and <uint64_t> stated != crc:
            snprintf(load.reader.made_up, COMPLAINT_SIZE, b"Wrong RDB checksum expected: (%llx) but got (%llx). Aborting now.",
                     <unsigned long long> crc, <unsigned long long> stated)
            rdb_complain(&load.reader, load.reader.made_up)
            return about(load, FAULT_CHECKSUM)
        load.unchecked = source.checksummed and stated == 0
    load.ended = True
    return True


cdef bint take_beside(Load *load, int code) noexcept nogil:
    """Anything but a key; false ends the load."""
    if code == RDB_OPCODE_EXPIRY_MS:
        return rdb_get_milliseconds(&load.reader, &load.expiry)
    if code == RDB_OPCODE_EXPIRY_S:
        return take_expiry_s(load)
    if code == RDB_OPCODE_IDLE:
        return take_idle(load)
    if code == RDB_OPCODE_FREQ:
        return rdb_get_byte(&load.reader, &load.frequency)
    if code == RDB_OPCODE_SELECTDB:
        return take_database(load)
    if code == RDB_OPCODE_RESIZEDB:
        return take_sizes(load)
    if code == RDB_OPCODE_AUX:
        return take_aux(load)
    if code == RDB_OPCODE_FUNCTION:
        return take_library(load)
    if code == RDB_OPCODE_SLOT_INFO and RDB_VERSION < load.reader.version < RDB_VALKEY:
        return take_lengths(load, 3)
    if code == RDB_OPCODE_MODULE_AUX:
        return refuse_module_aux(load)
    if code == RDB_OPCODE_FUNCTION_PRE:
        return rdb_complain(&load.reader, b"Pre-release function format not supported.")
    return rdb_complain_number(&load.reader, b"Unknown RDB encoding type %lld", code)


# -- keys -------------------------------------------------------------------------------------------------------------

cdef bint put(Load *load, const Decoded *decoded) noexcept nogil:
    """An entry into its database; false: its key is there, and that is a fault."""
    cdef Database *database = load.keyspace.databases + load.database
    cdef Entry *old
    cdef Position position
    cdef Key key
    key.name, key.hash = entry_key(decoded.entry), decoded.hash
    position = database_find(database, key)
    if likely(position.bucket == NULL):
        database_insert(database, decoded.entry, key.hash)
        load.keys += 1
        return True
    if not load.merge:
        snprintf(load.reader.made_up, COMPLAINT_SIZE, b"RDB has duplicated key '%.*s' in DB %d",
                 <int> (key.name.length if key.name.length < 128 else 128), key.name.data, load.database)
        rdb_complain(&load.reader, load.reader.made_up)
        return about(load, FAULT_REFUSED)
    old = <Entry *> position_element(position)
    database_replace(database, position, decoded.entry)
    entry_free(old)
    load.keys += 1
    return True


cdef void insert_window(Load *load) noexcept nogil:
    """Put the window's entries into the database. Behind one that can't be put no other is."""
    cdef bint good = True
    cdef int i
    for i in range(load.waiting):
        good = good and put(load, load.window + i)
        if not good:
            entry_free(load.window[i].entry)
    load.waiting = 0


cdef bint skip_empty(Load *load) noexcept nogil:
    """The key that was just read has no elements: servers of before wrote some of that kind."""
    load.empty += 1
    return load.on_empty == NULL or load.on_empty(load, load.key.data, load.key.length)


cdef bint take_value(Load *load, int type) noexcept nogil:
    """The value of the key that was just read."""
    cdef Slice key = slice_of(load.key.data, load.key.length)
    cdef uint64_t hash = hash_bytes(key.data, key.length)
    cdef Entry *entry
    database_prefetch_bucket(load.keyspace.databases + load.database, hash)
    load.reader.expiry = load.expiry
    entry = rdb_get_value(&load.reader, type, key)
    if unlikely(entry == NULL):
        return load.reader.complaint == NULL and load.reader.empty and skip_empty(load)
    if unlikely(load.expiry != -1 and load.expiry < load.keyspace.now_ms) and not load.keep_expired:
        load.expired += 1
        entry_free(entry)
        return True
    keyspace_set_access(load.keyspace, entry, load.idle_s, load.frequency)
    load.window[load.waiting].entry, load.window[load.waiting].hash = entry, hash
    load.waiting += 1
    return True


cdef bint take_key(Load *load, int type) noexcept nogil:
    """A key with its value, behind the type."""
    cdef Slice name
    if not rdb_get_element(&load.reader, &name):
        return False
    load.key.length = 0
    buffer_reserve(&load.key, name.length + 1)      # an empty key has an address, too
    buffer_append(&load.key, name.data, name.length)
    if not take_value(load, type):
        return False
    load.key.length = 0
    load.expiry = load.idle_s = load.frequency = -1
    return True


cdef bint take_next(Load *load) noexcept nogil:
    """Whatever comes next; false ends the load."""
    cdef int code = 0
    if not rdb_get_byte(&load.reader, &code):
        return False
    if unlikely(code == RDB_OPCODE_EOF):
        return take_end(load)
    if unlikely(code >= LEAST_OPCODE):
        return take_beside(load, code)
    return take_key(load, code)


cdef bint load_step(Load *load, int64_t until_us) noexcept nogil:
    """Load on until clock_us() is past a time (0: for as long as it takes). Whether there is more. Once it is false, the file
    has `ended`, or the reader has a complaint, the source a fault, or a callback wanted no more."""
    cdef bint more = not load.ended
    while more:
        more = take_next(load) and not load.ended
        if load.waiting == LOAD_WINDOW or not more:
            insert_window(load)
            more = more and load.reader.complaint == NULL
            if until_us and clock_us() >= until_us:
                break
    return more
