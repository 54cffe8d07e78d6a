"""Headers and words as bytes, for the tests; see testing/base for why."""
from libc.stdint cimport int64_t
from libc.string cimport memset

from kv._core.base.buffer cimport Buffer, buffer_free
from kv._core.resp.words cimport resp_header, resp_i64, resp_word


cdef bytes taken(Buffer *out):
    found = out.data[:out.length]
    buffer_free(out)
    return found


def header(char kind, int64_t number):
    cdef Buffer out
    memset(&out, 0, sizeof(Buffer))
    resp_header(&out, kind, number)
    return taken(&out)


def word(bytes text not None):
    cdef Buffer out
    memset(&out, 0, sizeof(Buffer))
    resp_word(&out, text, len(text))
    return taken(&out)


def number(int64_t number):
    cdef Buffer out
    memset(&out, 0, sizeof(Buffer))
    resp_i64(&out, number)
    return taken(&out)
