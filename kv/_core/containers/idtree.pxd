"""Elements in order of a stream id that each begins with: a stream's nodes, and the entries pending to a group."""
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from kv._core.containers.streamid cimport StreamId

cdef enum:
    LEAF_SLOTS = 64             # elements of a leaf
    BRANCH_SLOTS = 32           # children of a branch

cdef struct IdPage:             # what leaf and branch begin with
    uint16_t level              # 0: a leaf
    uint16_t count              # elements or children

cdef struct IdLeaf:
    IdPage page
    uint32_t capacity           # slots: LEAF_SLOTS, fewer while it is the only leaf
    IdLeaf *previous            # neighbours in order, whatever their parents
    IdLeaf *next
    void *elements[1]           # each begins with its StreamId; the block goes on

cdef struct IdBranch:
    IdPage page
    IdPage *children[BRANCH_SLOTS]
    StreamId lowest[BRANCH_SLOTS]   # no id below a child is lower; of the first child it is not looked at

cdef struct IdTree:             # all zero: empty
    IdPage *root                # NULL: empty
    IdLeaf *first
    IdLeaf *last
    uint64_t count              # elements
    uint32_t leaves
    uint32_t branches

cdef struct IdPosition:         # an element, good until the tree changes
    IdLeaf *leaf                # NULL: none
    uint32_t index

ctypedef void (*id_element_free)(void *element) noexcept nogil

cdef void idtree_clear(IdTree *tree, id_element_free free_element) noexcept nogil      # NULL: they are not the tree's
cdef void idtree_insert(IdTree *tree, void *element) noexcept nogil         # its id is not there yet
cdef void *idtree_remove(IdTree *tree, StreamId id) noexcept nogil          # NULL: not there
cdef void *idtree_find(const IdTree *tree, StreamId id) noexcept nogil      # NULL: not there
cdef IdPosition idtree_from(const IdTree *tree, StreamId id) noexcept nogil     # the first of this id or a higher one
cdef IdPosition idtree_upto(const IdTree *tree, StreamId id) noexcept nogil     # the last of this id or a lower one
cdef size_t idtree_memory(const IdTree *tree) noexcept nogil                # of the tree's own pages
cdef const char *idtree_check(const IdTree *tree) noexcept nogil


cdef inline IdPosition idtree_first(const IdTree *tree) noexcept nogil:
    cdef IdPosition position
    position.leaf, position.index = tree.first, 0
    return position


cdef inline IdPosition idtree_last(const IdTree *tree) noexcept nogil:
    cdef IdPosition position
    position.leaf = tree.last
    position.index = tree.last.page.count - 1 if tree.last != NULL else 0
    return position


cdef inline void *idtree_at(IdPosition position) noexcept nogil:
    """The element; NULL where the position is none."""
    return position.leaf.elements[position.index] if position.leaf != NULL else NULL


cdef inline void idtree_replace(IdPosition position, void *element) noexcept nogil:
    """Put another element of the same id in its place."""
    position.leaf.elements[position.index] = element


cdef inline void idtree_next(IdPosition *position) noexcept nogil:
    position.index += 1
    if position.index == position.leaf.page.count:
        position.leaf, position.index = position.leaf.next, 0


cdef inline void idtree_previous(IdPosition *position) noexcept nogil:
    if position.index == 0:
        position.leaf = position.leaf.previous
        position.index = position.leaf.page.count if position.leaf != NULL else 1
    position.index -= 1
