"""A node of a quicklist: its block, the free room in it, and its compressed form."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

from kv._core.base.blob cimport Blob
from kv._core.base.buffer cimport Buffer
from kv._core.base.memory cimport memory_size
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.listpack cimport Listpack, listpack_bytes

cdef enum:
    LEAST_COMPRESSED = 48       # bytes below which compressing is not tried

cdef enum QuicklistKind:
    QUICKLIST_PLAIN = 1         # one large element; the numbers are RDB's
    QUICKLIST_PACKED = 2

cdef struct QuicklistNode:
    QuicklistNode *previous     # NULL: the first
    QuicklistNode *next         # NULL: the last
    void *block                 # the node's bytes, where `kind` and `compressed` say what they are
    uint32_t lead               # bytes in the block before the pack: room to grow at the head
    uint32_t count              # elements
    uint32_t compressed         # bytes of LZF in the block; 0: the block is a Listpack (or a Blob)
    uint8_t kind                # a QuicklistKind
    uint8_t opened              # decompressed for a cursor, to be compressed again
    uint8_t incompressible      # compressing was tried in vain and nothing changed since

cdef QuicklistNode *node_new(int kind, void *block, uint64_t count) noexcept nogil     # takes the block

# for saving: the bytes stand in the node, or (decompressed) in scratch
cdef Slice quicklist_node_bytes(const QuicklistNode *node, Buffer *scratch) noexcept nogil
# of a compressed node
cdef Slice quicklist_node_lzf(const QuicklistNode *node, size_t *raw_length) noexcept nogil
cdef size_t quicklist_node_raw_length(const QuicklistNode *node) noexcept nogil

# of packed nodes that are not compressed
cdef void node_take_lead(QuicklistNode *node) noexcept nogil
cdef void node_trim(QuicklistNode *node) noexcept nogil
cdef void node_reserve_behind(QuicklistNode *node, size_t size) noexcept nogil
cdef void node_reserve_before(QuicklistNode *node, size_t size) noexcept nogil

# of any nodes
cdef void node_seal(QuicklistNode *node) noexcept nogil
cdef void node_compress(QuicklistNode *node) noexcept nogil
cdef void node_decompress(QuicklistNode *node) noexcept nogil


cdef inline Listpack *node_pack(const QuicklistNode *node) noexcept nogil:
    return <Listpack *> (<uint8_t *> node.block + node.lead)


cdef inline Slice node_raw(const QuicklistNode *node) noexcept nogil:
    """The bytes of a node that is not compressed."""
    if node.kind == QUICKLIST_PLAIN:
        return slice_of((<Blob *> node.block).data, (<Blob *> node.block).length)
    return slice_of(<const char *> node_pack(node), listpack_bytes(node_pack(node)))


cdef inline void node_trim_waste(QuicklistNode *node) noexcept nogil:
    """Give back what deletions left when it is a quarter."""
    cdef size_t held = memory_size(node.block)
    if held - listpack_bytes(node_pack(node)) > held // 4:
        node_trim(node)
