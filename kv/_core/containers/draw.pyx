"""Different elements of a hash table, drawn at random: every choice of them is as likely as any other.

Of a table of which much is wanted each element is kept with the chance that is left to it, in one walk over all; it
needs no memory. Of a table of which little is wanted elements are drawn one by one, and a small open-addressed
array of their addresses tells those that were drawn before.
"""
from libc.stdint cimport uint64_t

from kv._core.base.memory cimport memory_calloc, memory_free
from kv._core.base.random cimport Random, random_below
from kv._core.containers.hashtable cimport Hashtable, hashtable_random, hashtable_scan, scan_visitor

cdef enum:
    LITTLE = 4              # of a table of more than so many times what is wanted little is wanted

cdef struct Selection:      # of a walk that keeps some
    uint64_t left           # elements still to come
    uint64_t want           # of which so many are to be kept
    Random *random
    scan_visitor visit
    void *argument

cdef struct Drawn:          # addresses seen
    void **places           # NULL: free
    uint64_t mask           # places - 1, a power of two less one


cdef void hashtable_walk(Hashtable *table, scan_visitor visit, void *argument) noexcept nogil:
    """Visit every element once; the table must not change."""
    cdef uint64_t cursor = 0
    while True:
        cursor = hashtable_scan(table, cursor, visit, argument)
        if cursor == 0:
            return


cdef void select(void *argument, void *element, bint marked) noexcept nogil:
    cdef Selection *selection = <Selection *> argument
    if selection.want and random_below(selection.random, selection.left) < selection.want:
        selection.want -= 1
        selection.visit(selection.argument, element, marked)
    selection.left -= 1


cdef bint note(Drawn *drawn, void *element) noexcept nogil:
    """Whether the element is new; it is noted then."""
    cdef uint64_t place = ((<uint64_t> element >> 3) * 0x9E3779B97F4A7C15ULL >> 20) & drawn.mask
    while drawn.places[place] != NULL:
        if drawn.places[place] == element:
            return False
        place = (place + 1) & drawn.mask
    drawn.places[place] = element
    return True


cdef void draw_little(Hashtable *table, Random *random, uint64_t want, scan_visitor visit,
                      void *argument) noexcept nogil:
    cdef Drawn drawn
    cdef uint64_t size = 16
    cdef void *element
    while size < want * 2:
        size *= 2
    drawn.places, drawn.mask = <void **> memory_calloc(size * sizeof(void *)), size - 1
    while want:
        element = hashtable_random(table, random)
        if note(&drawn, element):
            visit(argument, element, False)
            want -= 1
    memory_free(drawn.places)


cdef void hashtable_draw(Hashtable *table, Random *random, uint64_t want, scan_visitor visit,
                         void *argument) noexcept nogil:
    """Visit `want` different elements, or all there are. The visitor must not change the table."""
    cdef Selection selection
    if want >= table.count:
        hashtable_walk(table, visit, argument)
    elif want * LITTLE < table.count:
        draw_little(table, random, want, visit, argument)
    else:
        selection.left, selection.want, selection.random = table.count, want, random
        selection.visit, selection.argument = visit, argument
        hashtable_walk(table, select, &selection)
