"""Where every so-manieth node of a quicklist begins: the way to an element that is far from both ends."""
from libc.stdint cimport int64_t, uint64_t

from kv._core.containers.quicknode cimport QuicklistNode

cdef struct Landmark:
    QuicklistNode *node         # not the list's first
    int64_t start               # index of its first element, less Landmarks.shift

cdef struct Landmarks:
    int64_t shift               # elements that came at the head since, less those that went there
    uint64_t first              # of `marks` that still hold, those from here ...
    uint64_t stop               # ... to before here
    Landmark marks[1]           # in the list's order; as many as the block has room for

cdef Landmarks *landmarks_new(QuicklistNode *head, uint64_t nodes, uint64_t stride) noexcept nogil
# a node at an end has no mark any longer
cdef void landmarks_leave(Landmarks *landmarks, const QuicklistNode *node) noexcept nogil
# the node, whose first element has the index `start`, or a marked one that is nearer to the element
cdef QuicklistNode *landmarks_nearer(const Landmarks *landmarks, int64_t index, QuicklistNode *node, int64_t *start) noexcept nogil
# for the check of the list
cdef bint landmarks_hold(const Landmarks *landmarks, const QuicklistNode *head) noexcept nogil
