"""Landmarks of a quicklist.

Ten million elements are twenty thousand nodes, and each step from one to the next waits for memory. So once a list has been
walked far for some time, every so-manieth node is written down with the index where it begins; the walk to an element then
starts at the nearest of them.

What if the list changes? At its ends it does all the time: what comes or goes at the head moves all indexes by as much,
which is one number to change (`shift`), and what comes or goes at the tail moves none. Nodes that come there are simply
not marked, until walks are far again. A change in between makes the marks behind it wrong: the list throws them all away.
"""
from libc.stddef cimport size_t

from kv._core.base.memory cimport memory_alloc


cdef Landmarks *landmarks_new(QuicklistNode *head, uint64_t nodes, uint64_t stride) noexcept nogil:
    """Mark every so-manieth node."""
    cdef size_t size = sizeof(Landmarks) + (nodes // stride) * sizeof(Landmark)
    cdef Landmarks *landmarks = <Landmarks *> memory_alloc(size)
    cdef QuicklistNode *node = head
    cdef int64_t start = 0
    cdef uint64_t position = 0
    landmarks.shift = 0
    landmarks.first = landmarks.stop = 0
    while node != NULL:
        if position and position % stride == 0:
            landmarks.marks[landmarks.stop] = Landmark(node, start)
            landmarks.stop += 1
        start += node.count
        position += 1
        node = node.next
    return landmarks


cdef void landmarks_leave(Landmarks *landmarks, const QuicklistNode *node) noexcept nogil:
    if landmarks.first == landmarks.stop:
        return
    if landmarks.marks[landmarks.first].node == node:
        landmarks.first += 1
    elif landmarks.marks[landmarks.stop - 1].node == node:
        landmarks.stop -= 1


cdef inline int64_t distance(int64_t one, int64_t other) noexcept nogil:
    return one - other if one > other else other - one


cdef QuicklistNode *landmarks_nearer(const Landmarks *landmarks, int64_t index, QuicklistNode *node, int64_t *start) noexcept nogil:
    cdef uint64_t low = landmarks.first, high = landmarks.stop, middle, i
    cdef int64_t begin
    while low < high:       # low becomes the first mark that begins behind the element
        middle = low + (high - low) // 2
        if landmarks.marks[middle].start + landmarks.shift <= index:
            low = middle + 1
        else:
            high = middle
    for i in range(low - 1 if low > landmarks.first else low, min(low + 1, landmarks.stop)):
        begin = landmarks.marks[i].start + landmarks.shift
        if distance(index, begin) < distance(index, start[0]):
            node, start[0] = landmarks.marks[i].node, begin
    return node


cdef bint landmarks_hold(const Landmarks *landmarks, const QuicklistNode *head) noexcept nogil:
    """Whether each mark is where it says, and none at the head."""
    cdef const QuicklistNode *node = head
    cdef int64_t start = 0
    cdef uint64_t i = landmarks.first
    while node != NULL and i < landmarks.stop:
        if landmarks.marks[i].node == node:
            if node == head or landmarks.marks[i].start + landmarks.shift != start:
                return False
            i += 1
        start += node.count
        node = node.next
    return i == landmarks.stop
