"""An RDB file looked through from its beginning to its end, for tools: every value is decoded, looked at, and dropped.

    scan = RdbScan(fd, now_ms=now)
    more = True
    while more:
        more = scan.step()
        for event in scan.take_events(): ...

So a file of any size takes the memory of its largest value. Values are decoded as they are when they are loaded, with all checks
(sanitize-dump-payload yes): what a scan lets pass a server loads. But two kinds of things it knows that a server refuses: what
modules wrote, which is read over, and files of versions that are newer, as long as they hold only what exists here.

Events are tuples:

    ("version", n)                      ("database", n)                     ("aux", name, value)
    ("module", name)                    ("library", code)                   ("checksum", True: it is right; False: there is none)
    ("key", database, name, type, expiry in ms or -1, elements, bytes in the file)          where `rows` are wanted

each with the offset behind it as first item.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcmp, memcpy

import os

from kv._core.base.machine cimport leading_zeros_u64
from kv._core.base.numbers cimport FORMAT_DOUBLE_SIZE, format_double
from kv._core.base.slice cimport Slice, slice_of
from kv._core.objects.entry cimport TYPE_STRING, TYPE_ZSET, Entry, Item, entry_free, entry_type, type_name
from kv._core.objects.string cimport string_length
from kv._core.objects.value cimport value_length, value_walk
from kv._core.persist.filesource cimport FileSource, filesource_free, filesource_init
from kv._core.rdb.decode cimport rdb_get_value, rdb_skip_value, rdb_type_known
from kv._core.rdb.format cimport (
    RDB_MODULE, RDB_MODULE_PRE, RDB_OPCODE_AUX, RDB_OPCODE_EOF, RDB_OPCODE_EXPIRY_MS, RDB_OPCODE_EXPIRY_S, RDB_OPCODE_FREQ,
    RDB_OPCODE_FUNCTION, RDB_OPCODE_FUNCTION_PRE, RDB_OPCODE_IDLE, RDB_OPCODE_MODULE_AUX, RDB_OPCODE_RESIZEDB,
    RDB_OPCODE_SELECTDB, RDB_OPCODE_SLOT_INFO, RDB_VALKEY, RDB_VERSION, RDB_VERSION_CRC)
from kv._core.rdb.reader cimport (
    RdbReader, rdb_get_byte, rdb_get_bytes, rdb_get_length, rdb_get_milliseconds, rdb_get_pair, rdb_get_string, rdb_reader_free,
    rdb_reader_init, rdb_skip_string)
from kv._core.rdb.source cimport source_crc, source_offset, source_skip

cdef enum:
    MAGIC = 9                   # bytes: a name and the version's digits
    EXACT = 128                 # of a histogram: numbers below have a bucket each, ...
    STEPS = 64                  # ... those above share so many from one power of two to the next
    BUCKETS = EXACT + 57 * STEPS
    MODULE_END = 0              # opcodes in what a module wrote
    MODULE_SIGNED = 1
    MODULE_UNSIGNED = 2
    MODULE_FLOAT = 3
    MODULE_DOUBLE = 4
    MODULE_STRING = 5
    MODULE_NAME = 9             # characters of a module type's name

cdef const char *MODULE_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class ScanFault(ValueError):
    """What can't be read, or must not be there; where, says the scan's `offset`, `doing`, `key` and `type`."""


# -- figures ----------------------------------------------------------------------------------------------------------

cdef inline int bucket_of(uint64_t number) noexcept nogil:
    cdef int shift
    if number < EXACT:
        return <int> number
    shift = 57 - leading_zeros_u64(number)      # which leaves 64 to 127
    return EXACT + (shift - 1) * STEPS + <int> (number >> shift) - STEPS


cdef inline uint64_t bucket_most(int bucket) noexcept nogil:
    """The largest number that goes into a bucket."""
    cdef int shift
    if bucket < EXACT:
        return bucket
    shift = (bucket - EXACT) // STEPS + 1
    return ((<uint64_t> ((bucket - EXACT) % STEPS + STEPS + 1)) << shift) - 1


cdef uint64_t percentile(const uint64_t *counts, uint64_t total, double percent, uint64_t most) noexcept nogil:
    """The number that so many percent of the counted ones do not exceed, to 1.6 %."""
    cdef uint64_t seen = 0, wanted = <uint64_t> (total * percent / 100 + 0.5)
    cdef int i
    if total == 0:
        return 0
    for i in range(BUCKETS):
        seen += counts[i]
        if seen >= wanted and seen:
            return bucket_most(i) if bucket_most(i) < most else most
    return most


cdef class Profile:
    """Figures of the keys of one type in one database. Sizes are bytes of keys and elements as clients see them."""
    cdef readonly str type
    cdef readonly uint64_t keys
    cdef readonly uint64_t expires          # that have an expiry
    cdef readonly uint64_t expired          # ... whose time has come
    cdef readonly uint64_t key_bytes
    cdef readonly uint64_t value_bytes
    cdef readonly uint64_t elements
    cdef readonly uint64_t most_elements    # of a key
    cdef readonly uint64_t largest_element
    cdef uint64_t counts[BUCKETS]           # keys by how many elements they have
    cdef uint64_t sizes[BUCKETS]            # elements by size

    def __cinit__(self, str type):
        self.type = type

    def elements_percentile(self, double percent):
        return percentile(self.counts, self.keys, percent, self.most_elements)

    def size_percentile(self, double percent):
        return percentile(self.sizes, self.elements, percent, self.largest_element)

    cdef void note_element(self, uint64_t size) noexcept nogil:
        self.value_bytes += size
        self.sizes[bucket_of(size)] += 1
        if size > self.largest_element:
            self.largest_element = size

    cdef void note_elements(self, uint64_t count) noexcept nogil:
        self.elements += count
        self.counts[bucket_of(count)] += 1
        if count > self.most_elements:
            self.most_elements = count


cdef bint note_item(void *argument, const Item *item) noexcept nogil:
    (<Profile> argument).note_element(item.first.length + item.second.length)
    return True


cdef bint note_member(void *argument, const Item *item) noexcept nogil:
    cdef char text[FORMAT_DOUBLE_SIZE]
    (<Profile> argument).note_element(item.first.length + format_double(text, item.score))
    return True


cdef uint64_t measure(Profile profile, const Entry *entry) noexcept:
    """Note a value; its elements."""
    cdef uint64_t count = 1
    if entry_type(entry) == TYPE_STRING:
        profile.note_element(string_length(entry))
    else:
        count = value_length(entry)
        value_walk(entry, note_member if entry_type(entry) == TYPE_ZSET else note_item, <void *> profile)
    profile.note_elements(count)
    return count


# -- the scan ---------------------------------------------------------------------------------------------------------

cdef class RdbScan:
    """A scan of the file behind a descriptor, which stays the caller's, from where it stands. `size`: bytes of the file, 0 where
    nobody knows; counts are judged by it. `quick`: values are read over, and there are no figures by type."""
    cdef FileSource file
    cdef RdbReader reader
    cdef int64_t now_ms
    cdef bint rows
    cdef bint quick                 # values are read over
    cdef bint begun
    cdef int64_t expiry             # of the next key; -1: none
    cdef list events
    cdef readonly uint64_t keys
    cdef readonly uint64_t expires
    cdef readonly uint64_t expired
    cdef readonly uint64_t empty    # keys whose value has no elements: a server leaves them out
    cdef readonly uint64_t libraries
    cdef readonly int version
    cdef readonly bint valkey       # the magic is Valkey's
    cdef readonly str doing         # what was being read, in the words of such tools
    cdef readonly object key        # that is being read; None: none is
    cdef readonly int type          # of it; -1: none is
    cdef readonly int opcode        # that was read last
    cdef readonly int64_t database  # -1: none yet
    cdef readonly dict profiles     # by database and type, as far as there are keys

    def __cinit__(self, int fd, *, int64_t now_ms, bint rows=False, uint64_t size=0, bint quick=False):
        filesource_init(&self.file, fd, True)
        self.file.source.size = size
        rdb_reader_init(&self.reader, &self.file.source, 0, True)
        self.now_ms, self.rows, self.quick, self.expiry = now_ms, rows, quick, -1
        self.doing, self.type, self.opcode, self.database = "start", -1, -1, -1
        self.profiles, self.events = {}, []

    def __dealloc__(self):
        rdb_reader_free(&self.reader)
        filesource_free(&self.file)

    @property
    def offset(self):
        """Bytes read so far."""
        return source_offset(&self.file.source)

    def step(self, uint64_t keys=10000):
        """Scan on for so many keys; whether there is more. What was met before a fault is among the events. ScanFault, OSError."""
        cdef uint64_t until = self.keys + keys
        cdef bint more = True
        if not self.begun:
            self.begun = True
            self.begin()
        while more and self.keys < until:
            more = self.next()
        return bool(more)

    def take_events(self):
        """What was met since they were taken last."""
        events, self.events = self.events, []
        return events

    cdef object fault(self, str text=None):
        """What to raise: the reader's complaint, or a text."""
        if self.file.source.fault > 0:
            return OSError(self.file.source.fault, os.strerror(self.file.source.fault))
        if text is None:
            text = self.reader.complaint.decode("utf-8", "replace") if self.reader.complaint != NULL else "Unexpected EOF"
        return ScanFault(text)

    cdef int tell(self, tuple event) except -1:
        self.events.append((self.offset, *event))
        return 0

    cdef int begin(self) except -1:
        cdef char magic[MAGIC]
        if not rdb_get_bytes(&self.reader, magic, MAGIC):
            raise self.fault()
        self.valkey = memcmp(magic, b"VALKEY", 6) == 0
        if not self.valkey and memcmp(magic, b"REDIS", 5) != 0:
            raise self.fault("Wrong signature trying to load DB from file")
        digits = magic[6 if self.valkey else 5:MAGIC]
        version = int(digits) if digits.isdigit() else 0
        if version < 1 or (version >= RDB_VALKEY) != self.valkey:
            raise self.fault(f"Can't handle RDB format version {version}")
        self.version = self.reader.version = version
        self.tell(("version", version))
        return 0

    cdef bint next(self) except -1:
        """Whatever comes next; whether there is more."""
        self.doing = "read-type"
        if not rdb_get_byte(&self.reader, &self.opcode):
            raise self.fault()
        if self.opcode == RDB_OPCODE_EOF:
            self.end()
            return False
        if self.opcode >= RDB_OPCODE_SLOT_INFO:
            self.beside()
        else:
            self.take_key()
        return True

    cdef int beside(self) except -1:
        """Anything but a key."""
        cdef int opcode = self.opcode, byte = 0
        cdef char seconds[4]
        cdef int32_t stamp
        cdef bint good = True
        if opcode == RDB_OPCODE_EXPIRY_MS:
            self.doing = "read-expire"
            good = rdb_get_milliseconds(&self.reader, &self.expiry)
        elif opcode == RDB_OPCODE_EXPIRY_S:
            self.doing = "read-expire"
            good = rdb_get_bytes(&self.reader, seconds, 4)
            memcpy(&stamp, seconds, 4)
            self.expiry = <int64_t> stamp * 1000
        elif opcode == RDB_OPCODE_FREQ:
            good = rdb_get_byte(&self.reader, &byte)
        elif opcode == RDB_OPCODE_IDLE:
            self.length()
        elif opcode == RDB_OPCODE_SELECTDB:
            self.doing = "read-len"
            self.database = <int64_t> self.length()
            self.tell(("database", self.database))
        elif opcode == RDB_OPCODE_RESIZEDB:
            self.doing = "read-len"
            self.length()
            self.length()
        elif opcode == RDB_OPCODE_SLOT_INFO and RDB_VERSION < self.version < RDB_VALKEY:
            self.doing = "read-len"
            for _ in range(3):
                self.length()
        else:
            self.beside_dataset(opcode)
        if not good:
            raise self.fault()
        return 0

    cdef int beside_dataset(self, int opcode) except -1:
        """What the file says of itself, and what functions and modules are."""
        cdef Slice first, second
        if opcode == RDB_OPCODE_AUX:
            self.doing = "read-aux"
            if not rdb_get_pair(&self.reader, &first, &second):
                raise self.fault()
            self.tell(("aux", first.data[:first.length], second.data[:second.length]))
        elif opcode == RDB_OPCODE_FUNCTION:
            self.doing = "read-functions"
            if not rdb_get_string(&self.reader, &first):
                raise self.fault()
            self.libraries += 1
            self.tell(("library", first.data[:first.length]))
        elif opcode == RDB_OPCODE_FUNCTION_PRE:
            raise self.fault(f"Pre-release function format not supported {self.version}")
        elif opcode == RDB_OPCODE_MODULE_AUX:
            self.doing = "read-module-aux"
            name = self.module_name()
            if self.length() != MODULE_UNSIGNED:
                raise self.fault("bad when_opcode")
            self.length()
            self.tell(("module", name))
            self.skip_module()
        else:
            raise self.fault(f"Invalid object type: {opcode}")
        return 0

    cdef uint64_t length(self) except? 0xffffffffffffffff:
        cdef uint64_t length = 0
        if not rdb_get_length(&self.reader, &length):
            raise self.fault()
        return length

    # -- keys ---------------------------------------------------------------------------------------------------------

    cdef int take_key(self) except -1:
        cdef uint64_t start = source_offset(&self.file.source) - 1
        cdef Profile profile
        cdef Slice name
        cdef uint64_t elements = 0
        if self.opcode != RDB_MODULE and self.opcode != RDB_MODULE_PRE and not rdb_type_known(self.opcode, self.version):
            raise self.fault(f"Invalid object type: {self.opcode}")
        self.type, self.doing = self.opcode, "read-key"
        if not rdb_get_string(&self.reader, &name):
            raise self.fault()
        self.key = PyBytes_FromStringAndSize(name.data, name.length)
        self.keys += 1
        self.doing = "read-object-value"
        if self.type == RDB_MODULE_PRE:
            raise self.fault("Pre-release module format not supported")
        if self.type == RDB_MODULE:
            self.module_name()
            self.skip_module()
            profile = self.profile("module")
            profile.note_elements(0)
        elif self.quick:
            profile = None
            if not rdb_skip_value(&self.reader, self.type):
                raise self.fault()
        else:
            profile = self.take_value(&elements)
        self.note_key(profile, elements, source_offset(&self.file.source) - start)
        self.key, self.type, self.expiry = None, -1, -1
        return 0

    cdef Profile take_value(self, uint64_t *elements):
        """The profile that the value was noted in; None: it is empty."""
        cdef bytes name = self.key
        cdef Entry *entry
        cdef Profile profile
        entry = rdb_get_value(&self.reader, self.type, slice_of(name, len(name)))
        if entry == NULL and (self.reader.complaint != NULL or not self.reader.empty):
            raise self.fault()
        if entry == NULL:
            self.empty += 1
            return None
        try:
            profile = self.profile(type_name(entry_type(entry)).decode())
            elements[0] = measure(profile, entry)
        finally:
            entry_free(entry)
        return profile

    cdef Profile profile(self, str type):
        """The figures of a type in the current database."""
        place = max(self.database, 0), type
        found = self.profiles.get(place)
        if found is None:
            found = self.profiles[place] = Profile(type)
        return found

    cdef int note_key(self, Profile profile, uint64_t elements, uint64_t size) except -1:
        cdef bint expires = self.expiry != -1
        cdef bint expired = expires and self.expiry < self.now_ms
        self.expires += expires
        self.expired += expired
        if profile is None:
            return 0
        profile.keys += 1
        profile.expires += expires
        profile.expired += expired
        profile.key_bytes += len(self.key)
        if self.rows:
            self.tell(("key", max(self.database, 0), self.key, profile.type, self.expiry, elements, size))
        return 0

    # -- modules and the end ------------------------------------------------------------------------------------------

    cdef str module_name(self):
        """The name of a module's type, of which each character is six bits of an id."""
        cdef uint64_t id = self.length()
        return "".join([chr(MODULE_LETTERS[(id >> (58 - 6 * i)) & 63]) for i in range(MODULE_NAME)])

    cdef int skip_module(self) except -1:
        """Read over what a module wrote: parts that begin with what they are, to their end."""
        cdef uint64_t opcode = self.length()
        cdef bint good = True
        while opcode != MODULE_END:
            if opcode == MODULE_SIGNED or opcode == MODULE_UNSIGNED:
                self.length()
            elif opcode == MODULE_FLOAT or opcode == MODULE_DOUBLE:
                good = source_skip(&self.file.source, 4 if opcode == MODULE_FLOAT else 8)
            elif opcode == MODULE_STRING:
                good = rdb_skip_string(&self.reader)
            else:
                raise self.fault(f"Unknown opcode {opcode} in the value of a module")
            if not good:
                raise self.fault("Unexpected EOF reading RDB file")
            opcode = self.length()
        return 0

    cdef int end(self) except -1:
        cdef uint64_t crc = source_crc(&self.file.source)
        cdef int64_t stated = 0
        if self.version < RDB_VERSION_CRC:
            return 0
        self.doing = "check-sum"
        if not rdb_get_milliseconds(&self.reader, &stated):
            raise self.fault()
        if stated != 0 and <uint64_t> stated != crc:
            raise self.fault("RDB CRC error")
        self.tell(("checksum", stated != 0))
        return 0
