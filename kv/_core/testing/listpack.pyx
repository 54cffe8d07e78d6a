"""The Python face of the listpack, for the tests; see testing/base for why. Elements are named by index."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from kv._core.base.memory cimport memory_alloc, memory_free
from kv._core.base.random cimport Random, random_seed
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.listpack cimport (
    LISTPACK_NUMBER_SIZE, Listpack, ListpackValue, listpack_append, listpack_append_number, listpack_bytes,
    listpack_check, listpack_copy, listpack_count, listpack_delete, listpack_delete_index, listpack_delete_many,
    listpack_element_size, listpack_find, listpack_first, listpack_fit, listpack_free, listpack_get,
    listpack_insert, listpack_insert_after,
    listpack_insert_number, listpack_is, listpack_last, listpack_merge, listpack_new, listpack_next, listpack_prepend,
    listpack_previous, listpack_random, listpack_replace, listpack_replace_number, listpack_sample, listpack_seek,
    listpack_size_at, listpack_slice, listpack_split, listpack_truncate, listpack_validate)
from kv._core.testing.block cimport Block


cdef Slice slice_from(bytes value):
    return slice_of(value, len(value))


cdef object value_at(const uint8_t *at):
    cdef ListpackValue value = listpack_get(at)
    return value.number if value.text == NULL else value.text[:value.length]


def listpack_valid(bytes content not None):
    """How many elements the bytes hold, None where they are no listpack."""
    cdef Block block = Block(content)
    cdef uint64_t count
    return count if listpack_validate(block.data, block.length, &count) else None


cdef class Pack:
    """A listpack; made of bytes, or empty."""
    cdef Listpack *pack
    cdef Random random

    def __cinit__(self, bytes content=None, uint64_t seed=1):
        self.pack = listpack_new(0) if content is None else listpack_copy(<const char *> content, len(content))
        random_seed(&self.random, seed)

    def __dealloc__(self):
        listpack_free(self.pack)

    cdef uint8_t *at(self, int64_t index) except NULL:
        cdef uint8_t *element = listpack_seek(self.pack, index)
        if element == NULL:
            raise IndexError(index)
        return element

    cdef int64_t index_of(self, const uint8_t *element) noexcept:
        """Which element it is, by walking back; -1 for NULL."""
        cdef int64_t index = -1
        while element != NULL:
            element = listpack_previous(self.pack, element)
            index += 1
        return index

    def append(self, bytes value not None):
        self.pack = listpack_append(self.pack, slice_from(value))

    def append_number(self, int64_t number):
        self.pack = listpack_append_number(self.pack, number)

    def prepend(self, bytes value not None):
        self.pack = listpack_prepend(self.pack, slice_from(value))

    def insert(self, index, bytes value not None):
        """Before the element, or at the end for None; the new element's index."""
        cdef uint8_t *at = NULL if index is None else self.at(index)
        self.pack = listpack_insert(self.pack, &at, slice_from(value))
        return self.index_of(at)

    def insert_number(self, int64_t index, int64_t number):
        cdef uint8_t *at = self.at(index)
        self.pack = listpack_insert_number(self.pack, &at, number)
        return self.index_of(at)

    def insert_after(self, int64_t index, bytes value not None):
        cdef uint8_t *at = self.at(index)
        self.pack = listpack_insert_after(self.pack, &at, slice_from(value))
        return self.index_of(at)

    def replace(self, int64_t index, bytes value not None):
        cdef uint8_t *at = self.at(index)
        self.pack = listpack_replace(self.pack, &at, slice_from(value))
        return self.index_of(at)

    def replace_number(self, int64_t index, int64_t number):
        cdef uint8_t *at = self.at(index)
        self.pack = listpack_replace_number(self.pack, &at, number)
        return self.index_of(at)

    def delete(self, int64_t index, uint64_t count=1):
        """The index of what follows, -1 at the end."""
        cdef uint8_t *at = self.at(index)
        self.pack = listpack_delete(self.pack, &at, count)
        return self.index_of(at)

    def delete_index(self, int64_t index, uint64_t count):
        self.pack = listpack_delete_index(self.pack, index, count)

    def delete_many(self, list indexes not None, int stride):
        cdef uint8_t **elements = <uint8_t **> memory_alloc(sizeof(uint8_t *) * (len(indexes) + 1))
        for position, index in enumerate(indexes):
            elements[<size_t> position] = self.at(index)
        self.pack = listpack_delete_many(self.pack, elements, len(indexes), stride)
        memory_free(elements)

    def truncate(self, int64_t index):
        self.pack = listpack_truncate(self.pack, self.at(index))

    def split(self, int64_t index):
        """A Pack of the element and those behind it, which are gone here."""
        cdef Pack rest = Pack()
        listpack_free(rest.pack)
        self.pack = listpack_split(self.pack, self.at(index), &rest.pack)
        return rest

    def merge(self, Pack other not None):
        """Take the other's elements, which is empty afterwards."""
        self.pack = listpack_merge(self.pack, other.pack)
        other.pack = listpack_new(0)

    def fit(self):
        self.pack = listpack_fit(self.pack)

    def find(self, int64_t start, bytes value not None, uint32_t skip=0):
        return self.index_of(listpack_find(self.pack, listpack_seek(self.pack, start), slice_from(value), skip))

    def get(self, int64_t index):
        """bytes, or an int for what is stored as a number."""
        return value_at(self.at(index))

    def text(self, int64_t index):
        cdef char number[LISTPACK_NUMBER_SIZE]
        cdef Slice text = listpack_slice(self.at(index), number)
        return text.data[:text.length]

    def equals(self, int64_t index, bytes value not None):
        return bool(listpack_is(self.at(index), slice_from(value)))

    def sizes(self):
        """Bytes that each element takes: as stored, as foretold from its text."""
        cdef bytes text
        found = []
        for index in range(len(self)):
            text = self.text(index)         # kept while the slice of it is looked at
            found.append((listpack_size_at(self.at(index)), listpack_element_size(slice_from(text))))
        return found

    def forward(self):
        cdef uint8_t *at = listpack_first(self.pack)
        found = []
        while at != NULL:
            found.append(value_at(at))
            at = listpack_next(self.pack, at)
        return found

    def backward(self):
        cdef uint8_t *at = listpack_last(self.pack)
        found = []
        while at != NULL:
            found.append(value_at(at))
            at = listpack_previous(self.pack, at)
        return found

    def draw(self, int stride):
        """The index of a random unit's first element, -1 from an empty pack."""
        return self.index_of(listpack_random(self.pack, &self.random, stride))

    def sample(self, int stride, uint64_t want):
        """The indexes of different random units' first elements."""
        cdef uint8_t **elements = <uint8_t **> memory_alloc(sizeof(uint8_t *) * (want + 1))
        cdef uint64_t i
        cdef uint64_t count = listpack_sample(self.pack, &self.random, stride, want, elements)
        found = [self.index_of(elements[i]) for i in range(count)]
        memory_free(elements)
        return found

    def check(self):
        """AssertionError names the first invariant that does not hold."""
        cdef const char *fault = listpack_check(self.pack)
        if fault != NULL:
            raise AssertionError(fault.decode())

    def __bytes__(self):
        return (<const char *> self.pack)[:listpack_bytes(self.pack)]

    def __len__(self):
        return listpack_count(self.pack)
