"""A B+ tree whose elements begin with the id that orders them.

    branch        | lowest id, child | lowest id, child | ...        32 children
                        |                   |
    leaf  <-->   | element, element, ... | <--> | element, ... |     64 pointers, linked both ways
                      |
    element      | StreamId | whatever else its owner keeps |

A leaf holds nothing but pointers, because the id stands in the element already: a pending entry sits in two trees, its
group's and its consumer's, and costs 16 bytes of them instead of 48. The price is a look at the elements themselves
for the last six steps of a search; branches hold copies of ids, so that descending to the leaf touches none.

Nearly all ids come in rising order and go from the front. So a full leaf at the very end is left full and a new one
begun (splitting in half would leave every leaf half empty for good), and a leaf that runs empty is dropped. Where ids are
removed elsewhere, a leaf or branch that has less than a quarter of its slots in use joins its neighbour of the
same parent, unless the two would be nearly full: then the next insertion would split them again.

What if one element is all there is, as in the pending entries of most consumers? The only leaf of a tree begins with
four slots and doubles.

`lowest` is a bound, not the lowest id present, so removing an element never goes up the tree.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memmove, memset

from kv._core.base.memory cimport memory_alloc, memory_class_size, memory_free, memory_realloc, memory_size
from kv._core.base.platform cimport likely, unlikely
from kv._core.containers.streamid cimport StreamId, stream_id_below, stream_id_equal

cdef enum:
    FIRST_SLOTS = 4             # of a tree's only leaf, to begin with
    MOST_LEVELS = 16            # of branches: more than any memory could hold
    FEW = 4                     # a page with less than that part of its slots in use looks for a neighbour

cdef struct Path:               # the branches above a leaf
    IdBranch *branch[MOST_LEVELS + 1]   # by level, from 1
    uint32_t child[MOST_LEVELS + 1]     # index of the child that was taken


cdef inline StreamId id_of(const void *element) noexcept nogil:
    return (<const StreamId *> element)[0]


cdef inline size_t leaf_bytes(uint32_t slots) noexcept nogil:
    return sizeof(IdLeaf) + (slots - 1) * sizeof(void *)


# -- search -----------------------------------------------------------------------------------------------------------

cdef inline uint32_t child_for(const IdBranch *branch, StreamId id) noexcept nogil:
    """The last child that may hold the id."""
    cdef uint32_t low = 0
    cdef uint32_t high = branch.page.count
    cdef uint32_t middle
    while high - low > 1:
        middle = (low + high) // 2
        if stream_id_below(id, branch.lowest[middle]):
            high = middle
        else:
            low = middle
    return low


cdef inline uint32_t place_in(const IdLeaf *leaf, StreamId id) noexcept nogil:
    """How many elements of the leaf have lower ids."""
    cdef uint32_t low = 0
    cdef uint32_t high = leaf.page.count
    cdef uint32_t middle
    while low < high:
        middle = (low + high) // 2
        if stream_id_below(id_of(leaf.elements[middle]), id):
            low = middle + 1
        else:
            high = middle
    return low


cdef IdLeaf *leaf_for(const IdTree *tree, StreamId id, Path *path) noexcept nogil:
    """The leaf where the id is or belongs; `path` may be NULL. The tree is not empty."""
    cdef IdPage *page = tree.root
    cdef IdBranch *branch
    cdef uint32_t index
    while page.level:
        branch = <IdBranch *> page
        index = child_for(branch, id)
        if path != NULL:
            path.branch[page.level], path.child[page.level] = branch, index
        page = branch.children[index]
    return <IdLeaf *> page


cdef IdPosition idtree_from(const IdTree *tree, StreamId id) noexcept nogil:
    cdef IdPosition position
    position.leaf, position.index = tree.first, 0
    if tree.root == NULL:
        return position
    position.leaf = leaf_for(tree, id, NULL)
    position.index = place_in(position.leaf, id)
    if position.index == position.leaf.page.count:
        position.leaf, position.index = position.leaf.next, 0
    return position


cdef IdPosition idtree_upto(const IdTree *tree, StreamId id) noexcept nogil:
    cdef IdPosition position = idtree_from(tree, id)
    if position.leaf == NULL:
        return idtree_last(tree)
    if stream_id_below(id, id_of(idtree_at(position))):
        idtree_previous(&position)
    return position


cdef void *idtree_find(const IdTree *tree, StreamId id) noexcept nogil:
    cdef void *element = idtree_at(idtree_from(tree, id))
    return element if element != NULL and stream_id_equal(id_of(element), id) else NULL


# -- insert -----------------------------------------------------------------------------------------------------------

cdef IdLeaf *leaf_new(IdTree *tree, uint32_t slots, IdLeaf *previous) noexcept nogil:
    """An empty leaf behind another one (NULL: the only one)."""
    cdef IdLeaf *leaf = <IdLeaf *> memory_alloc(leaf_bytes(slots))
    leaf.page.level, leaf.page.count = 0, 0
    leaf.capacity = slots
    leaf.previous = previous
    leaf.next = previous.next if previous != NULL else NULL
    if previous != NULL:
        previous.next = leaf
    else:
        tree.first = leaf
    if leaf.next != NULL:
        leaf.next.previous = leaf
    else:
        tree.last = leaf
    tree.leaves += 1
    return leaf


cdef IdLeaf *grow_only_leaf(IdTree *tree) noexcept nogil:
    cdef uint32_t slots = tree.first.capacity * 2
    cdef IdLeaf *leaf = <IdLeaf *> memory_realloc(tree.first, leaf_bytes(slots))
    leaf.capacity = slots
    tree.root, tree.first, tree.last = &leaf.page, leaf, leaf
    return leaf


cdef IdBranch *branch_new(IdTree *tree, int level) noexcept nogil:
    cdef IdBranch *branch = <IdBranch *> memory_alloc(sizeof(IdBranch))
    branch.page.level, branch.page.count = level, 0
    tree.branches += 1
    return branch


cdef inline void put_child(IdBranch *branch, uint32_t index, IdPage *child, StreamId lowest) noexcept nogil:
    cdef uint32_t behind = branch.page.count - index
    memmove(branch.children + index + 1, branch.children + index, behind * sizeof(IdPage *))
    memmove(branch.lowest + index + 1, branch.lowest + index, behind * sizeof(StreamId))
    branch.children[index], branch.lowest[index] = child, lowest
    branch.page.count += 1


cdef IdBranch *split_branch(IdTree *tree, IdBranch *branch, uint32_t kept) noexcept nogil:
    """A new branch that takes the children from `kept` on."""
    cdef IdBranch *right = branch_new(tree, branch.page.level)
    right.page.count = branch.page.count - kept
    memcpy(right.children, branch.children + kept, right.page.count * sizeof(IdPage *))
    memcpy(right.lowest, branch.lowest + kept, right.page.count * sizeof(StreamId))
    branch.page.count = kept
    return right


cdef void insert_page(IdTree *tree, Path *path, IdPage *page, StreamId lowest) noexcept nogil:
    """Hang a page behind the one of its level that the path leads to, splitting branches on the way up."""
    cdef IdBranch *branch
    cdef IdBranch *right
    cdef uint32_t index, kept
    cdef int level = page.level + 1
    while level <= tree.root.level:
        branch, index = path.branch[level], path.child[level] + 1
        if likely(branch.page.count < BRANCH_SLOTS):
            put_child(branch, index, page, lowest)
            return
        kept = BRANCH_SLOTS if index == BRANCH_SLOTS else BRANCH_SLOTS // 2
        right = split_branch(tree, branch, kept)
        if index > kept or kept == BRANCH_SLOTS:
            put_child(right, index - kept, page, lowest)
        else:
            put_child(branch, index, page, lowest)
        page, lowest = &right.page, right.lowest[0]
        level += 1
    branch = branch_new(tree, level)
    put_child(branch, 0, tree.root, lowest)
    put_child(branch, 1, page, lowest)
    tree.root = &branch.page


cdef IdLeaf *split_leaf(IdTree *tree, Path *path, IdLeaf *leaf, uint32_t *index, StreamId id) noexcept nogil:
    """Room for an element of the id at the index of a full leaf; where it goes is returned, and in *index."""
    cdef IdLeaf *right = leaf_new(tree, LEAF_SLOTS, leaf)
    cdef uint32_t kept = LEAF_SLOTS // 2
    if index[0] == LEAF_SLOTS and right.next == NULL:
        insert_page(tree, path, &right.page, id)
        index[0] = 0
        return right
    right.page.count = LEAF_SLOTS - kept
    memcpy(right.elements, leaf.elements + kept, right.page.count * sizeof(void *))
    leaf.page.count = kept
    insert_page(tree, path, &right.page, id_of(right.elements[0]))
    if index[0] <= kept:
        return leaf
    index[0] -= kept
    return right


cdef void idtree_insert(IdTree *tree, void *element) noexcept nogil:
    cdef Path path
    cdef IdLeaf *leaf = tree.last
    cdef uint32_t index
    cdef StreamId id = id_of(element)
    if unlikely(leaf == NULL):
        leaf = leaf_new(tree, FIRST_SLOTS, NULL)
        tree.root = &leaf.page
    if leaf.page.count and not stream_id_below(id_of(leaf.elements[leaf.page.count - 1]), id):
        leaf = leaf_for(tree, id, &path)
        index = place_in(leaf, id)
    else:
        index = leaf.page.count
    if unlikely(leaf.page.count == leaf.capacity):
        if leaf.capacity < LEAF_SLOTS:
            leaf = grow_only_leaf(tree)
        else:
            leaf = split_leaf(tree, &path, leaf_for(tree, id, &path), &index, id)
    memmove(leaf.elements + index + 1, leaf.elements + index, (leaf.page.count - index) * sizeof(void *))
    leaf.elements[index] = element
    leaf.page.count += 1
    tree.count += 1


# -- remove -----------------------------------------------------------------------------------------------------------

cdef void unlink_leaf(IdTree *tree, IdLeaf *leaf) noexcept nogil:
    if leaf.previous != NULL:
        leaf.previous.next = leaf.next
    else:
        tree.first = leaf.next
    if leaf.next != NULL:
        leaf.next.previous = leaf.previous
    else:
        tree.last = leaf.previous
    tree.leaves -= 1
    memory_free(leaf)


cdef inline void drop_child(IdBranch *branch, uint32_t index) noexcept nogil:
    cdef uint32_t behind = branch.page.count - index - 1
    memmove(branch.children + index, branch.children + index + 1, behind * sizeof(IdPage *))
    memmove(branch.lowest + index, branch.lowest + index + 1, behind * sizeof(StreamId))
    branch.page.count -= 1


cdef inline bint worth_joining(const IdPage *page, const IdPage *other, uint32_t slots) noexcept nogil:
    return <uint32_t> page.count * FEW < slots and (<uint32_t> page.count + other.count) * 4 <= slots * 3


cdef uint32_t neighbour(const IdBranch *branch, uint32_t index, uint32_t slots) noexcept nogil:
    """The child that should take in the one behind it: the one at the index or the one before; `count`: none."""
    if index and worth_joining(branch.children[index], branch.children[index - 1], slots):
        return index - 1
    if index + 1 < branch.page.count and worth_joining(branch.children[index], branch.children[index + 1], slots):
        return index
    return branch.page.count


cdef void join_leaves(IdTree *tree, IdLeaf *left, IdLeaf *right) noexcept nogil:
    memcpy(left.elements + left.page.count, right.elements, right.page.count * sizeof(void *))
    left.page.count += right.page.count
    unlink_leaf(tree, right)


cdef void join_branches(IdTree *tree, IdBranch *left, IdBranch *right, StreamId lowest) noexcept nogil:
    """The bound of the right one's first child, which was not looked at, becomes its parent's for it."""
    right.lowest[0] = lowest
    memcpy(left.children + left.page.count, right.children, right.page.count * sizeof(IdPage *))
    memcpy(left.lowest + left.page.count, right.lowest, right.page.count * sizeof(StreamId))
    left.page.count += right.page.count
    tree.branches -= 1
    memory_free(right)


cdef void lower_root(IdTree *tree) noexcept nogil:
    """A root of one child is none."""
    cdef IdPage *root = tree.root
    while root.level and root.count == 1:
        tree.root = (<IdBranch *> root).children[0]
        memory_free(root)
        tree.branches -= 1
        root = tree.root


cdef void settle_branches(IdTree *tree, Path *path, int level) noexcept nogil:
    """A branch lost a child: drop it where it is empty, join it where it has few, and so on up."""
    cdef IdBranch *branch
    cdef IdBranch *parent
    cdef uint32_t index
    while level < tree.root.level:
        branch, parent, index = path.branch[level], path.branch[level + 1], path.child[level + 1]
        if branch.page.count == 0:
            memory_free(branch)
            tree.branches -= 1
            drop_child(parent, index)
        else:
            index = neighbour(parent, index, BRANCH_SLOTS)
            if index == parent.page.count:
                break
            join_branches(tree, <IdBranch *> parent.children[index], <IdBranch *> parent.children[index + 1],
                          parent.lowest[index + 1])
            drop_child(parent, index + 1)
        level += 1
    lower_root(tree)


cdef void settle_leaf(IdTree *tree, Path *path, IdLeaf *leaf) noexcept nogil:
    """A leaf lost an element."""
    cdef IdBranch *parent
    cdef uint32_t index
    if tree.root.level == 0:
        if leaf.page.count == 0:
            unlink_leaf(tree, leaf)
            tree.root = NULL
        return
    parent, index = path.branch[1], path.child[1]
    if leaf.page.count == 0:
        unlink_leaf(tree, leaf)
        drop_child(parent, index)
    else:
        index = neighbour(parent, index, LEAF_SLOTS)
        if likely(index == parent.page.count):
            return
        join_leaves(tree, <IdLeaf *> parent.children[index], <IdLeaf *> parent.children[index + 1])
        drop_child(parent, index + 1)
    settle_branches(tree, path, 1)


cdef void *idtree_remove(IdTree *tree, StreamId id) noexcept nogil:
    cdef Path path
    cdef IdLeaf *leaf
    cdef uint32_t index
    cdef void *element
    if tree.root == NULL:
        return NULL
    leaf = leaf_for(tree, id, &path)
    index = place_in(leaf, id)
    if index == leaf.page.count or not stream_id_equal(id_of(leaf.elements[index]), id):
        return NULL
    element = leaf.elements[index]
    leaf.page.count -= 1
    memmove(leaf.elements + index, leaf.elements + index + 1, (leaf.page.count - index) * sizeof(void *))
    tree.count -= 1
    settle_leaf(tree, &path, leaf)
    return element


# -- the whole --------------------------------------------------------------------------------------------------------

cdef void free_branches(IdPage *page) noexcept nogil:
    cdef uint32_t i
    if page.level == 0:
        return
    for i in range(page.count):
        free_branches((<IdBranch *> page).children[i])
    memory_free(page)


cdef void idtree_clear(IdTree *tree, id_element_free free_element) noexcept nogil:
    """Empty the tree."""
    cdef IdLeaf *leaf = tree.first
    cdef IdLeaf *following
    cdef uint32_t i
    if tree.root != NULL:
        free_branches(tree.root)
    while leaf != NULL:
        if free_element != NULL:
            for i in range(leaf.page.count):
                free_element(leaf.elements[i])
        following = leaf.next
        memory_free(leaf)
        leaf = following
    memset(tree, 0, sizeof(IdTree))


cdef size_t idtree_memory(const IdTree *tree) noexcept nogil:
    if tree.root == NULL:
        return 0
    if tree.root.level == 0:
        return memory_size(tree.root)
    return (tree.leaves * memory_class_size(leaf_bytes(LEAF_SLOTS))
            + tree.branches * memory_class_size(sizeof(IdBranch)))


# -- invariants -------------------------------------------------------------------------------------------------------

cdef struct Census:             # what a walk down the tree met
    IdLeaf *last                # leaf
    uint64_t elements
    uint32_t leaves
    uint32_t branches


cdef const char *check_leaf(IdLeaf *leaf, StreamId *low, StreamId *high, Census *census) noexcept nogil:
    cdef uint32_t i
    if leaf.previous != census.last:
        return b"an id tree's leaf is not linked to the one before"
    if leaf.page.count == 0 or leaf.page.count > leaf.capacity or leaf.capacity > LEAF_SLOTS:
        return b"an id tree's leaf of no elements, or of too many"
    for i in range(leaf.page.count):
        if i and not stream_id_below(id_of(leaf.elements[i - 1]), id_of(leaf.elements[i])):
            return b"an id tree's leaf out of order"
        if low != NULL and stream_id_below(id_of(leaf.elements[i]), low[0]):
            return b"an id below its branch's bound"
        if high != NULL and not stream_id_below(id_of(leaf.elements[i]), high[0]):
            return b"an id above its branch's bound"
    census.last = leaf
    census.leaves += 1
    census.elements += leaf.page.count
    return NULL


cdef const char *check_page(IdPage *page, StreamId *low, StreamId *high, Census *census) noexcept nogil:
    cdef IdBranch *branch = <IdBranch *> page
    cdef const char *fault
    cdef uint32_t i
    if page.level == 0:
        return check_leaf(<IdLeaf *> page, low, high, census)
    if page.count == 0 or page.count > BRANCH_SLOTS:
        return b"an id tree's branch of no children, or of too many"
    census.branches += 1
    for i in range(page.count):
        if branch.children[i].level != page.level - 1:
            return b"an id tree's branch whose child is of another level"
        fault = check_page(branch.children[i], &branch.lowest[i] if i else low,
                           &branch.lowest[i + 1] if i + 1 < page.count else high, census)
        if fault != NULL:
            return fault
    return NULL


cdef const char *idtree_check(const IdTree *tree) noexcept nogil:
    """The invariants: NULL, or what is wrong."""
    cdef Census census
    cdef const char *fault
    memset(&census, 0, sizeof(Census))
    if tree.root == NULL:
        if tree.count or tree.first != NULL or tree.last != NULL:
            return b"an id tree without a root"
        return NULL
    fault = check_page(tree.root, NULL, NULL, &census)
    if fault != NULL:
        return fault
    if tree.root.level and tree.root.count == 1:
        return b"an id tree whose root has one child"
    if census.last != tree.last or census.elements != tree.count:
        return b"an id tree that lost elements"
    if census.leaves != tree.leaves or census.branches != tree.branches:
        return b"an id tree that lost pages"
    return NULL
