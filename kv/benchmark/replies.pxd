"""Counts the replies in a stream of RESP2 or RESP3 without keeping any of it.

A load generator does not want values, it wants to know how many replies are over and whether one of
them was an error. That needs no tree and no stack: a reply is over when as many values have passed as
its aggregates announced, so one counter (`need`) stands for any depth of nesting.

What if a read ends in the middle of a length, or of a payload? The state is kept by the byte, so the input
may be cut anywhere; only values that lie whole in one read take the fast way. And pushes? They arrive
between replies (RESP3 invalidations, say) and answer no request: they pass without being counted.
"""
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    REPLIES_ERROR_SIZE = 255  # longer error texts are cut
    REPLIES_LENGTH_LIMIT = 1099511627776  # 2^40; no announced length is greater, so sums cannot overflow

ctypedef struct replies_t:
    int64_t need  # values still to come in the reply under way; 0 between replies
    int64_t skip  # bytes of a payload, its line end included, still to pass over
    uint64_t number  # of the line under way, as far as it has been read
    char kind  # type byte of the line under way; 0 between lines; kept where it is no RESP
    bint minus  # the number of the line under way is negative (a null)
    bint push  # the reply under way is a push
    bint failing  # the reply under way is an error, whose text is collected
    bint failed  # an error reply was seen whole
    bint broken  # the stream is no RESP: `kind` is the byte that was not understood
    int error_length  # bytes in `error`
    char error[REPLIES_ERROR_SIZE]  # text of the first error reply

cdef int64_t replies_count(replies_t *self, const char *data, int64_t length) noexcept nogil


cdef class ReplyCounter:
    cdef replies_t state  # zeroed by Cython
