"""The LZF compression of RDB strings and list nodes."""

# Both return the number of bytes written to target, or 0 when they do not fit into capacity; decompress also
# when the source is corrupt. Neither reads or writes outside of what it was given.
cdef size_t lzf_compress(const void *source, size_t length, void *target, size_t capacity) noexcept nogil
cdef size_t lzf_decompress(const void *source, size_t length, void *target, size_t capacity) noexcept nogil
