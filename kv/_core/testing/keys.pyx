"""Python faces of the keys of requests, for the tests and benchmarks/prefetch.py; see testing/base for why."""
from libc.stdint cimport uint64_t
from libc.stdio cimport snprintf

from kv._core.base.clock cimport clock_us
from kv._core.base.hashing cimport hash_bytes
from kv._core.base.memory cimport memory_alloc, memory_free
from kv._core.base.random cimport Random, random_below, random_seed
from kv._core.base.slice cimport Slice, slice_of
from kv._core.keyspace.database cimport (
    Database, database_clear, database_find, database_init, database_insert)
from kv._core.keyspace.keyspace cimport key_of
from kv._core.objects.string cimport string_new
from kv._core.runtime.keys cimport KeySpecs, keys_compile, keys_listed, keys_prefetch

from kv._core.runtime.syntax import parse_keys

cdef enum:
    MOST_KEYS = 256         # of a request of lookups()
    NAME_ROOM = 32          # bytes of a key's name with its end


cdef class Specs:
    """The key specifications of a command, declared or not: `keys` as declarations write them."""
    cdef KeySpecs *specs

    def __cinit__(self, str name not None, str keys not None):
        self.specs = keys_compile(name, parse_keys(keys))

    def __dealloc__(self):
        if self.specs != NULL:
            memory_free(self.specs.items)
            memory_free(self.specs)

    def find(self, words):
        """[(index of a key, names of its flags)] of a request."""
        return keys_listed(self.specs, words)


cdef class KeyTable:
    """A table of strings, key:0 to key:count-1."""
    cdef Database database
    cdef uint64_t count

    def __cinit__(self, uint64_t count):
        cdef char name[NAME_ROOM]
        cdef uint64_t number
        cdef Slice key
        database_init(&self.database, 0)
        self.count = count
        for number in range(count):
            key = slice_of(name, write_name(name, number))
            database_insert(&self.database, string_new(key, key, -1, NULL), hash_bytes(key.data, key.length))

    def __dealloc__(self):
        database_clear(&self.database)

    def prefetch(self, Specs specs not None, words):
        """For how many keys of a request keys_prefetch began to fetch."""
        cdef Slice *argv = <Slice *> memory_alloc((len(words) + 1) * sizeof(Slice))
        cdef int i
        try:
            for i in range(len(words)):
                argv[i] = slice_of(<const char *> <bytes> words[i], len(words[i]))
            return keys_prefetch(specs.specs, argv, <int> len(words), &self.database)
        finally:
            memory_free(argv)

    def lookups(self, Specs specs not None, uint64_t requests, int keys, bint ahead, uint64_t seed):
        """(keys found, microseconds taken) by so many requests of so many random keys, looked up one after the other;
        `ahead`: after keys_prefetch of the request."""
        cdef char names[MOST_KEYS][NAME_ROOM]
        cdef Slice argv[MOST_KEYS + 1]
        cdef Random random
        cdef uint64_t _request, found = 0
        cdef long long start
        cdef int i
        if not 0 < keys <= MOST_KEYS or self.count == 0:
            raise ValueError("keys: 1 to 256, of a table that has some")
        random_seed(&random, seed)
        argv[0] = slice_of(b"mget", 4)
        start = clock_us()
        for _request in range(requests):
            for i in range(keys):
                argv[i + 1] = slice_of(names[i], write_name(names[i], random_below(&random, self.count)))
            if ahead:
                keys_prefetch(specs.specs, argv, keys + 1, &self.database)
            for i in range(1, keys + 1):
                found += database_find(&self.database, key_of(argv[i])).bucket != NULL
        return found, clock_us() - start


cdef size_t write_name(char *name, uint64_t number) noexcept nogil:
    return <size_t> snprintf(name, NAME_ROOM, b"key:%llu", <unsigned long long> number)
