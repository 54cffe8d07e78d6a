"""Requests out of bytes, resumable at any byte."""
from libc.stdint cimport int64_t, uint8_t

from kv._core.base.blob cimport Blob
from kv._core.base.slice cimport Slice

cdef enum:
    BIG_BULK = 32 * 1024            # from here on an argument is received into a block of its own
    INLINE_MAX = 64 * 1024          # longest inline request, and longest header line
    MULTIBULK_MAX = 0x7fffffff      # most arguments
    UNAUTHENTICATED_MULTIBULK = 10  # the same two limits before AUTH
    UNAUTHENTICATED_BULK = 16384

cdef enum ParseResult:
    PARSE_MORE              # the request is not complete
    PARSE_DONE              # it is; argc may be 0 (an empty line): nothing to run
    PARSE_ERROR             # protocol error: parser.error says which

cdef struct Arguments:      # a growable array that requests' arguments are parsed into
    Slice *items            # while parsing, data is an offset from the request's first byte
    size_t count            # filled
    size_t capacity         # that fit

cdef struct Big:            # an argument in a block of its own
    int index               # which argument
    size_t length           # its bytes
    Blob *blob              # its bytes; whoever stores it as a value sets this to NULL

cdef struct Parser:
    int64_t expected        # arguments still to come; 0: between requests
    int64_t bulk            # bytes of the argument that comes next, -1: its header line comes next
    size_t position         # bytes of the request consumed, from its first one
    size_t first            # index of the request's first argument in the Arguments it is parsed into
    int64_t bulk_limit      # proto-max-bulk-len
    bint authenticated      # else the smaller limits hold
    bint held               # the request is complete and waits to be run
    bint inlined            # the request is an inline one: arguments are in `unquoted`
    Blob *unquoted          # the arguments of an inline request
    Big *bigs               # arguments of this request that have blocks of their own
    int big_count           # how many
    Blob *filling           # the big argument that is being received; the server reads right into it
    size_t filled           # bytes of it that are there
    size_t taken            # bytes of it that were copied out of the input, at `position`: the caller removes them there
    char error[64]          # text of the protocol error, terminated
    int error_length        # bytes of it

cdef void parser_init(Parser *parser) noexcept nogil
cdef void parser_free(Parser *parser) noexcept nogil
cdef void parser_finish(Parser *parser) noexcept nogil
cdef ParseResult parse_request(Parser *parser, const char *start, size_t available, Arguments *into) noexcept nogil
cdef void parser_resolve(Parser *parser, const char *start, Slice *argv, int argc) noexcept nogil
cdef Slice *arguments_add(Arguments *arguments) noexcept nogil
