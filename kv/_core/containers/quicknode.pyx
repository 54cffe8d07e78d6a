"""A node of a quicklist: its block, the free room in it, and its compressed form.

A packed node's block holds a listpack that may begin `lead` bytes into it, and may have room behind:

    block  +--------------+----------------------------------+-----------+
           | lead: free   | listpack                         | free      |
           +--------------+----------------------------------+-----------+

An element is taken from the head by moving the pack's six bytes of header over it, and put there by moving them the
other way; the rest of the pack stays. Room for growth, on either side, is an eighth of the pack.

    compressed    +---------------------------+------------------------------+
                  | length of the raw (32)    | LZF of the pack, or the blob |
                  +---------------------------+------------------------------+

Compressing is given up where it saves no more than eight bytes; then the node is marked, so that it is not tried again
before the node changes.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memmove, memset

from kv._core.base.blob cimport Blob, blob_new
from kv._core.base.buffer cimport Buffer, buffer_reserve
from kv._core.base.lzf cimport lzf_compress, lzf_decompress
from kv._core.base.memory cimport memory_alloc, memory_free, memory_realloc, memory_size
from kv._core.base.platform cimport likely, panic
from kv._core.base.slice cimport Slice, slice_of
from kv._core.containers.listpack cimport listpack_bytes

cdef enum:
    LEAST_SAVED = 8             # bytes that compressing must save
    RAW_LENGTH = 4              # bytes before the LZF


cdef QuicklistNode *node_new(int kind, void *block, uint64_t count) noexcept nogil:
    cdef QuicklistNode *node = <QuicklistNode *> memory_alloc(sizeof(QuicklistNode))
    memset(node, 0, sizeof(QuicklistNode))
    node.kind = kind
    node.block = block
    node.count = <uint32_t> count
    return node


# -- the block --------------------------------------------------------------------------------------------------------

cdef size_t quicklist_node_raw_length(const QuicklistNode *node) noexcept nogil:
    if node.compressed:
        return (<const uint32_t *> node.block)[0]
    return node_raw(node).length


cdef Slice quicklist_node_lzf(const QuicklistNode *node, size_t *raw_length) noexcept nogil:
    raw_length[0] = (<const uint32_t *> node.block)[0]
    return slice_of(<const char *> node.block + RAW_LENGTH, node.compressed)


cdef Slice quicklist_node_bytes(const QuicklistNode *node, Buffer *scratch) noexcept nogil:
    """A pack's bytes, or the one element of a plain node; of a compressed one they are put into `scratch`."""
    cdef size_t length
    cdef Slice lzf
    if not node.compressed:
        return node_raw(node)
    lzf = quicklist_node_lzf(node, &length)
    scratch.length = 0
    if lzf_decompress(lzf.data, lzf.length, buffer_reserve(scratch, length), length) != length:
        panic("a list node that does not decompress")
    scratch.length = length
    return slice_of(scratch.data, length)


cdef void node_take_lead(QuicklistNode *node) noexcept nogil:
    """Move the pack to the start of its block, as the functions of listpack want it."""
    if node.lead:
        memmove(node.block, node_pack(node), listpack_bytes(node_pack(node)))
        node.lead = 0


cdef void node_trim(QuicklistNode *node) noexcept nogil:
    """Give back all free room."""
    node_take_lead(node)
    if memory_size(node.block) > listpack_bytes(node_pack(node)):
        node.block = memory_realloc(node.block, listpack_bytes(node_pack(node)))


cdef void node_reserve_behind(QuicklistNode *node, size_t size) noexcept nogil:
    """Make room for so many bytes behind the pack."""
    cdef size_t length = listpack_bytes(node_pack(node))
    cdef size_t need = length + size
    if likely(node.lead + need <= memory_size(node.block)):
        return
    if node.lead < size + length // 8:
        node_take_lead(node)
        node.block = memory_realloc(node.block, need + length // 8)
    node_take_lead(node)


cdef void node_reserve_before(QuicklistNode *node, size_t size) noexcept nogil:
    """Make room for so many bytes before the pack."""
    cdef size_t length = listpack_bytes(node_pack(node))
    cdef size_t lead = size + length // 8
    cdef void *block
    if likely(node.lead >= size):
        return
    if length + lead <= memory_size(node.block):
        lead = memory_size(node.block) - length
        memmove(<uint8_t *> node.block + lead, node_pack(node), length)
    else:
        block = memory_alloc(length + lead)
        lead = memory_size(block) - length
        memcpy(<uint8_t *> block + lead, node_pack(node), length)
        memory_free(node.block)
        node.block = block
    node.lead = <uint32_t> lead


cdef void node_seal(QuicklistNode *node) noexcept nogil:
    """A node that is no end any more keeps no free room."""
    if node.kind == QUICKLIST_PACKED and not node.compressed:
        node_trim(node)


# -- compression ------------------------------------------------------------------------------------------------------

cdef void node_compress(QuicklistNode *node) noexcept nogil:
    cdef Slice raw
    cdef char *block
    cdef size_t length
    if node.compressed or node.opened or node.incompressible:
        return
    raw = node_raw(node)
    if raw.length < LEAST_COMPRESSED:
        return
    block = <char *> memory_alloc(RAW_LENGTH + raw.length)
    length = lzf_compress(raw.data, raw.length, block + RAW_LENGTH, raw.length - LEAST_SAVED - 1)
    if length == 0:
        node.incompressible = True
        memory_free(block)
        if node.kind == QUICKLIST_PACKED:
            node_trim(node)
        return
    (<uint32_t *> block)[0] = <uint32_t> raw.length
    memory_free(node.block)
    node.block = memory_realloc(block, RAW_LENGTH + length)
    node.compressed = <uint32_t> length
    node.lead = 0


cdef void node_decompress(QuicklistNode *node) noexcept nogil:
    cdef size_t length
    cdef Slice lzf
    cdef Blob *blob
    cdef char *raw
    if not node.compressed:
        return
    lzf = quicklist_node_lzf(node, &length)
    if node.kind == QUICKLIST_PLAIN:
        blob = blob_new(length)
        raw = blob.data
    else:
        blob = <Blob *> memory_alloc(length)
        raw = <char *> blob
    if lzf_decompress(lzf.data, lzf.length, raw, length) != length:
        panic("a list node that does not decompress")
    memory_free(node.block)
    node.block = blob
    node.compressed = 0
