"""The elements of a hash or a set as items: all, some drawn with repetition, some different ones.

Both keep their elements in a listpack while they are few (of `width` 2 for a field and its value, 1 for a member) and
in a table after that; what a table's element is, its opener knows. A visitor that answers false has enough.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t

from kv._core.base.memory cimport memory_alloc, memory_free, memory_size
from kv._core.base.random cimport Random, random_below
from kv._core.base.slice cimport slice_of
from kv._core.containers.draw cimport hashtable_draw
from kv._core.containers.hashtable cimport Hashtable, hashtable_overhead, hashtable_random, hashtable_scan
from kv._core.containers.listpack cimport (
    LISTPACK_NUMBER_SIZE, Listpack, listpack_count, listpack_first, listpack_next, listpack_random, listpack_sample,
    listpack_slice)
from kv._core.objects.entry cimport Item, item_visitor


# -- tables -------------------------------------------------------------------------------------------------------

cdef struct Shower:             # shows the elements of a table as items
    element_opener open_
    item_visitor visit
    void *argument
    bint ended                  # the visitor has enough


cdef void show(void *argument, void *element, bint marked) noexcept nogil:
    cdef Shower *shower = <Shower *> argument
    cdef Item item
    if shower.ended:
        return
    shower.open_(element, &item)
    shower.ended = not shower.visit(shower.argument, &item)


cdef inline Shower shower_of(element_opener open_, item_visitor visit, void *argument) noexcept nogil:
    cdef Shower shower
    shower.open_, shower.visit, shower.argument, shower.ended = open_, visit, argument, False
    return shower


cdef bint table_walk(Hashtable *table, element_opener open_, item_visitor visit, void *argument) noexcept nogil:
    """Visit every element once; whether the visitor saw all."""
    cdef Shower shower = shower_of(open_, visit, argument)
    cdef uint64_t cursor = 0
    while True:
        cursor = hashtable_scan(table, cursor, show, &shower)
        if cursor == 0 or shower.ended:
            return not shower.ended


cdef void table_pick(Hashtable *table, element_opener open_, Random *random, uint64_t count, item_visitor visit,
                     void *argument) noexcept nogil:
    """Visit so many elements, each drawn from all of them."""
    cdef Shower shower = shower_of(open_, visit, argument)
    while count and not shower.ended:
        show(&shower, hashtable_random(table, random), False)
        count -= 1


cdef void table_sample(Hashtable *table, element_opener open_, Random *random, uint64_t want, item_visitor visit,
                       void *argument) noexcept nogil:
    """Visit so many different elements, fewer than there are; every choice is as likely as any other."""
    cdef Shower shower = shower_of(open_, visit, argument)
    hashtable_draw(table, random, want, show, &shower)


cdef struct Sample:             # of a table's elements
    size_t (*memory_of)(const void *element) noexcept nogil
    uint64_t elements           # looked at so far
    size_t bytes                # that they take


cdef void look_at(void *argument, void *element, bint marked) noexcept nogil:
    cdef Sample *sample = <Sample *> argument
    sample.elements += 1
    sample.bytes += sample.memory_of(element)


cdef size_t table_memory(Hashtable *table, int64_t samples,
                         size_t (*memory_of)(const void *element) noexcept nogil) noexcept nogil:
    """Bytes that a table takes with its elements, estimated from so many of them; 0: from all."""
    cdef Sample sample
    cdef uint64_t cursor = 0
    sample.memory_of, sample.elements, sample.bytes = memory_of, 0, 0
    while True:
        cursor = hashtable_scan(table, cursor, look_at, &sample)
        if cursor == 0 or (samples and sample.elements >= <uint64_t> samples):
            break
    if sample.elements:
        sample.bytes = <size_t> (<double> sample.bytes / sample.elements * table.count)
    return memory_size(table) + hashtable_overhead(table) + sample.bytes


# -- listpacks ----------------------------------------------------------------------------------------------------

cdef bint pack_show(const Listpack *pack, int width, const uint8_t *at, item_visitor visit, void *argument) noexcept nogil:
    """Visit the element that begins at a place in the pack."""
    cdef char number[LISTPACK_NUMBER_SIZE]
    cdef char other[LISTPACK_NUMBER_SIZE]
    cdef Item item
    item.first = listpack_slice(at, number)
    item.second = listpack_slice(listpack_next(pack, at), other) if width == 2 else slice_of(NULL, 0)
    item.score = 0
    return visit(argument, &item)


cdef bint pack_walk(const Listpack *pack, int width, item_visitor visit, void *argument) noexcept nogil:
    """As table_walk."""
    cdef uint8_t *at = listpack_first(pack)
    while at != NULL:
        if not pack_show(pack, width, at, visit, argument):
            return False
        at = listpack_next(pack, at)
        if width == 2:
            at = listpack_next(pack, at)
    return True


cdef void pack_pick(const Listpack *pack, int width, Random *random, uint64_t count, item_visitor visit,
                    void *argument) noexcept nogil:
    """As table_pick. Where the elements are is gathered once: a search for each draw would walk half the pack."""
    cdef uint64_t elements = listpack_count(pack) // width
    cdef uint8_t **places
    if count == 1:
        pack_show(pack, width, listpack_random(pack, random, width), visit, argument)
        return
    places = <uint8_t **> memory_alloc(elements * sizeof(uint8_t *))
    listpack_sample(pack, random, width, elements, places)
    while count and pack_show(pack, width, places[random_below(random, elements)], visit, argument):
        count -= 1
    memory_free(places)


cdef void pack_sample(const Listpack *pack, int width, Random *random, uint64_t want, item_visitor visit,
                      void *argument) noexcept nogil:
    """As table_sample."""
    cdef uint8_t **places = <uint8_t **> memory_alloc(want * sizeof(uint8_t *))
    cdef uint64_t i
    want = listpack_sample(pack, random, width, want, places)
    for i in range(want):
        if not pack_show(pack, width, places[i], visit, argument):
            break
    memory_free(places)
