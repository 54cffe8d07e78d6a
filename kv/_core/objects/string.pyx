"""Strings.

Three encodings: a canonical 64-bit integer is kept as a number; other bytes stand in the entry while that stays within
LARGEST_ENTRY, else in a Blob of their own. Functions that may have to remake the entry return the one to use; where
it is not the one they were given, that one is already freed, and the caller updates the table's slot.
"""
from libc.stdint cimport int64_t, uint16_t
from libc.string cimport memcpy

from kv._core.base.blob cimport (
    Blob, blob_copy, blob_free, blob_is_held, blob_new, blob_resize, blob_writable)
from kv._core.base.memory cimport memory_class_size, memory_size
from kv._core.base.numbers cimport format_i64, parse_i64
from kv._core.base.platform cimport likely
from kv._core.base.slice cimport Slice, slice_of
from kv._core.objects.entry cimport (
    ENCODING_EMBEDDED, ENCODING_INT, ENCODING_RAW, ENTRY_EXPIRES, ENTRY_MODIFIED, LARGEST_ENTRY, TYPE_STRING, Entry,
    entry_access, entry_embedded, entry_encoding, entry_expiry, entry_expiry_at, entry_free, entry_key, entry_new,
    entry_number, entry_set_access, entry_size_for, entry_word)


cdef inline bint is_number(Slice value, int64_t *number) noexcept nogil:
    """Whether the bytes are the canonical text of a 64-bit integer."""
    return (0 < value.length <= 20 and (c'0' <= value.data[0] <= c'9' or value.data[0] == c'-')
            and parse_i64(value.data, value.length, number))


cdef Entry *string_new_number(Slice key, int64_t number, int64_t expiry) noexcept nogil:
    cdef Entry *entry = entry_new(key, TYPE_STRING, ENCODING_INT, expiry, 0)
    entry_number(entry)[0] = number
    return entry


cdef Entry *string_new(Slice key, Slice value, int64_t expiry, Blob *taken) noexcept nogil:
    """An entry with this value in the encoding it deserves; `taken`, where not NULL, is a blob that holds the value
    and becomes the entry's."""
    cdef int64_t number
    if is_number(value, &number):
        return string_new_number(key, number, expiry)
    return string_new_text(key, value, expiry, taken)


cdef Entry *string_new_text(Slice key, Slice value, int64_t expiry, Blob *taken) noexcept nogil:
    """As string_new, but digits are kept as bytes."""
    cdef Entry *entry
    if is_embeddable(key.length, expiry != -1, value.length):
        entry = entry_new(key, TYPE_STRING, ENCODING_EMBEDDED, expiry, value.length)
        memcpy(entry_embedded(entry), value.data, value.length)
        return entry
    entry = entry_new(key, TYPE_STRING, ENCODING_RAW, expiry, 0)
    entry_word(entry)[0] = taken if taken != NULL else blob_copy(value.data, value.length)
    return entry


cdef inline bint is_embeddable(size_t key_length, bint expires, size_t length) noexcept nogil:
    return entry_size_for(key_length, ENCODING_EMBEDDED, expires, length) <= LARGEST_ENTRY


cdef Entry *string_assign(Entry *entry, Slice value, int64_t expiry, Blob *taken) noexcept nogil:
    """Give a string another value and expiry, in place where the make of the entry stays."""
    cdef Entry *made
    cdef int64_t number = 0
    cdef bint numeric = is_number(value, &number)
    if likely((entry.flags & ENTRY_EXPIRES != 0) == (expiry != -1)):
        if entry_encoding(entry) == ENCODING_INT:
            if likely(numeric):
                entry_number(entry)[0] = number
                return assigned(entry, expiry)
        elif not numeric and assign_bytes(entry, value, taken):
            entry.flags &= ~ENTRY_MODIFIED
            return assigned(entry, expiry)
    if numeric:
        made = string_new_number(entry_key(entry), number, expiry)
    else:
        made = string_new_text(entry_key(entry), value, expiry, taken)
    entry_set_access(made, entry_access(entry))
    entry_free(entry)
    return made


cdef inline Entry *assigned(Entry *entry, int64_t expiry) noexcept nogil:
    if expiry != -1:
        entry_expiry_at(entry)[0] = expiry
    return entry


cdef inline bint assign_bytes(Entry *entry, Slice value, Blob *taken) noexcept nogil:
    """Put the bytes where those of an embedded or raw string stand, if they take a block of the same size class."""
    cdef bint embeddable
    if likely(entry_encoding(entry) == ENCODING_EMBEDDED):
        if value.length != entry.value_length and not fits_class(entry, value.length):
            return False
        entry.value_length = <uint16_t> value.length
        memcpy(entry_embedded(entry), value.data, value.length)
        return True
    embeddable = is_embeddable(entry_key(entry).length, entry.flags & ENTRY_EXPIRES != 0, value.length)
    if not embeddable:
        assign_blob(entry, value, taken)
    return not embeddable


cdef bint fits_class(Entry *entry, size_t length) noexcept nogil:
    """Whether the entry with so many bytes embedded would be just as large."""
    cdef bint expires = entry.flags & ENTRY_EXPIRES != 0
    cdef size_t size = entry_size_for(entry_key(entry).length, ENCODING_EMBEDDED, expires, length)
    return size <= LARGEST_ENTRY and memory_class_size(size) == memory_size(entry)


cdef void assign_blob(Entry *entry, Slice value, Blob *taken) noexcept nogil:
    cdef Blob *blob = <Blob *> entry_word(entry)[0]
    if (taken == NULL and memory_class_size(sizeof(size_t) + value.length) == memory_size(blob)
            and not blob_is_held(blob)):
        blob.length = value.length
        memcpy(blob.data, value.data, value.length)
        return
    blob_free(blob)
    entry_word(entry)[0] = taken if taken != NULL else blob_copy(value.data, value.length)


cdef Entry *string_assign_number(Entry *entry, int64_t number) noexcept nogil:
    """Give a string a number for its value, in place where it is one; the expiry stays."""
    cdef Entry *made
    if likely(entry_encoding(entry) == ENCODING_INT):
        entry_number(entry)[0] = number
        return entry
    made = string_new_number(entry_key(entry), number, entry_expiry(entry))
    entry_set_access(made, entry_access(entry))
    entry_free(entry)
    return made


cdef Entry *string_writable(Entry *entry, size_t length, bint greedy, char **data) noexcept nogil:
    """The string with a new length, its bytes at *data for the caller to change: kept up to the shorter length, zero
    beyond. Used for APPEND, SETRANGE, SETBIT; `greedy` leaves room for more of the same."""
    cdef char text[24]
    cdef Slice old = string_slice(entry, text)
    cdef Entry *made
    cdef Blob *blob
    cdef size_t held = old.length
    if entry_encoding(entry) == ENCODING_RAW:
        blob = blob_resize(blob_writable(string_blob(entry)), length, greedy)
        entry_word(entry)[0] = blob
        made, data[0] = entry, blob.data
    elif entry_size_for(entry_key(entry).length, ENCODING_EMBEDDED, entry.flags & ENTRY_EXPIRES, length) <= LARGEST_ENTRY:
        made = writable_embedded(entry, old, length, data)
    else:
        made = entry_new(entry_key(entry), TYPE_STRING, ENCODING_RAW, entry_expiry(entry), 0)
        made.bits |= entry.bits & 0xffffff
        blob = blob_resize(blob_new(0), length, greedy)
        memcpy(blob.data, old.data, held if held < length else length)
        entry_word(made)[0] = blob
        data[0] = blob.data
        entry_free(entry)
    made.flags |= ENTRY_MODIFIED
    if length > held:
        zero(data[0] + held, length - held)
    return made


cdef extern from "<string.h>" nogil:
    void *memset(void *destination, int byte, size_t length)


cdef inline void zero(char *data, size_t length) noexcept nogil:
    memset(data, 0, length)


cdef Entry *writable_embedded(Entry *entry, Slice old, size_t length, char **data) noexcept nogil:
    cdef Entry *made = entry
    cdef size_t want = entry_size_for(entry_key(entry).length, ENCODING_EMBEDDED, entry.flags & ENTRY_EXPIRES, length)
    if entry_encoding(entry) == ENCODING_EMBEDDED and want <= memory_size(entry):
        entry.value_length = <uint16_t> length
        data[0] = entry_embedded(entry)
        return entry
    made = entry_new(entry_key(entry), TYPE_STRING, ENCODING_EMBEDDED, entry_expiry(entry), length)
    made.bits |= entry.bits & 0xffffff
    data[0] = entry_embedded(made)
    memcpy(data[0], old.data, old.length if old.length < length else length)
    entry_free(entry)
    return made


cdef Slice string_slice(const Entry *entry, char *number_text) noexcept nogil:
    """The value's bytes; a number's digits are written to `number_text` (NUMBER_TEXT bytes)."""
    cdef int encoding = entry_encoding(entry)
    cdef Blob *blob
    if likely(encoding == ENCODING_EMBEDDED):
        return slice_of(entry_embedded(<Entry *> entry), entry.value_length)
    if encoding == ENCODING_INT:
        return slice_of(number_text, format_i64(number_text, entry_number(<Entry *> entry)[0]))
    blob = <Blob *> entry_word(<Entry *> entry)[0]
    return slice_of(blob.data, blob.length)


cdef Blob *string_blob(const Entry *entry) noexcept nogil:
    """The blob of a string whose bytes stand in one: of every string of more than LARGEST_ENTRY bytes."""
    return <Blob *> entry_word(<Entry *> entry)[0]


cdef size_t string_length(const Entry *entry) noexcept nogil:
    cdef char text[24]
    return string_slice(entry, text).length


cdef bint string_number(const Entry *entry, int64_t *number) noexcept nogil:
    """The value as a 64-bit integer; false where it is none."""
    cdef char text[24]
    cdef Slice value
    if entry_encoding(entry) == ENCODING_INT:
        number[0] = entry_number(<Entry *> entry)[0]
        return True
    value = string_slice(entry, text)
    return parse_i64(value.data, value.length, number)


cdef Entry *string_copy(const Entry *entry, Slice key) noexcept nogil:
    """The same value and expiry under another key, in the same encoding as far as OBJECT ENCODING tells."""
    cdef char text[24]
    cdef Slice value = string_slice(entry, text)
    cdef Entry *made
    if entry_encoding(entry) == ENCODING_INT:
        return string_new_number(key, entry_number(<Entry *> entry)[0], entry_expiry(entry))
    if entry_size_for(key.length, ENCODING_EMBEDDED, entry.flags & ENTRY_EXPIRES, value.length) <= LARGEST_ENTRY:
        made = entry_new(key, TYPE_STRING, ENCODING_EMBEDDED, entry_expiry(entry), value.length)
        memcpy(entry_embedded(made), value.data, value.length)
    else:
        made = entry_new(key, TYPE_STRING, ENCODING_RAW, entry_expiry(entry), 0)
        entry_word(made)[0] = blob_copy(value.data, value.length)
    made.flags |= entry.flags & ENTRY_MODIFIED
    return made
