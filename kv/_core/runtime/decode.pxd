"""Replies as Python values."""
from libc.stdint cimport int64_t

cdef struct Cursor:             # in bytes that hold replies
    const char *at              # the next byte
    const char *end

cdef class Style:
    cdef bint plain             # as client libraries have them
    cdef bint utf8              # text is UTF-8, and handled strictly
    cdef object encoding        # of text, None: it stays bytes
    cdef str errors
    cdef object error_of        # called with an error's text: what stands for it

cdef object CUT                 # what next_value returns where the reply is not whole

cdef object next_value(Cursor *cursor, Style style)

cdef class Decoder:
    cdef bytes data
    cdef Cursor cursor
