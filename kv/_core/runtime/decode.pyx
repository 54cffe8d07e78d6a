"""Replies as Python values: what call.pyx makes of a Python value, and what bodies write, the other way round.

    simple string  Status           integer  int            null       None
    bulk string    bytes            double   float          boolean    bool
    array          list             map      dict           set        set (OrderedSet where an element can't be in one)
    verbatim       Verbatim         big      BigNumber      push       Push
    error          ReplyError: raised where it is the whole reply, else a value

What can't be the key of a dict (a list) is its tuple there.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t
from libc.string cimport memchr

from kv._core.base.numbers cimport parse_i64

from kv._core.runtime.call import BigNumber, OrderedSet, ReplyError, Status, Verbatim


class Push(list):
    """An out-of-band message: its kind (b"message", b"invalidate" ...), then what it has to say."""


cdef class Decoder:
    """Takes replies from bytes that hold whole ones."""

    def __init__(self, bytes data not None):
        self.data = data
        self.at = data
        self.end = self.at + len(data)

    @property
    def done(self):
        """Whether there is nothing more."""
        return self.at == self.end

    def reply(self):
        """The next reply; an error is a value. Raises ValueError for what is no reply.

        It does not recurse: a script can make replies that nest thousands deep.
        """
        cdef char kind
        cdef const char *line
        cdef size_t length
        cdef int64_t count = 0
        cdef list opened = []       # [kind, elements still to come, elements] of what is open, the outermost first
        while True:
            kind, line, length = self.take_line()
            if kind == c'*' or kind == c'%' or kind == c'~' or kind == c'>' or kind == c'|':
                if not parse_i64(line, length, &count):
                    raise ValueError("no length")
                if count > 0:
                    opened.append([kind, 2 * count if kind == c'%' or kind == c'|' else count, []])
                    continue
                if kind == c'|':
                    continue
                value = None if count < 0 else closed(kind, [])
            else:
                value = self.scalar(kind, line, length)
            while opened:
                top = opened[len(opened) - 1]
                top[2].append(value)
                top[1] -= 1
                if top[1]:
                    break
                opened.pop()
                if top[0] == c'|':      # an attribute: what it describes follows
                    break
                value = closed(top[0], top[2])
            else:
                return value

    cdef object scalar(self, char kind, const char *line, size_t length):
        cdef int64_t count = 0
        text = PyBytes_FromStringAndSize(line, length)
        if kind == c'+':
            return Status(text.decode("utf-8", "surrogateescape"))
        if kind == c'-':
            return ReplyError(text.decode("utf-8", "surrogateescape"))
        if kind == c':':
            return int(text)
        if kind == c'_':
            return None
        if kind == c'#':
            return text == b"t"
        if kind == c',':
            return float(text)
        if kind == c'(':
            return BigNumber(text)
        if not parse_i64(line, length, &count):
            raise ValueError("no length")
        if kind == c'$':
            return None if count < 0 else self.take(count)
        if kind == c'=':
            return Verbatim(self.take(count)[4:].decode("utf-8", "surrogateescape"))
        if kind == c'!':
            return ReplyError(self.take(count).decode("utf-8", "surrogateescape"))
        raise ValueError(f"no reply begins with {chr(<unsigned char> kind)!r}")

    cdef (char, const char *, size_t) take_line(self) except *:
        cdef const char *start = self.at
        cdef const char *stop = <const char *> memchr(start, c'\n', self.end - start) if start != self.end else NULL
        if stop == NULL or stop - start < 2:
            raise ValueError("the reply is cut off")
        self.at = stop + 1
        return start[0], start + 1, <size_t> (stop - start - 2)

    cdef bytes take(self, int64_t length):
        cdef const char *start = self.at
        if self.end - start < length + 2:
            raise ValueError("the reply is cut off")
        self.at = start + length + 2
        return PyBytes_FromStringAndSize(start, length)


cdef object closed(char kind, list elements):
    """What the elements of a reply that holds others make."""
    if kind == c'>':
        return Push(elements)
    if kind == c'%':
        return {hashable(elements[i]): elements[i + 1] for i in range(0, len(elements), 2)}
    if kind == c'~':
        try:
            return set(elements)
        except TypeError:
            return OrderedSet(elements)
    return elements


cdef object hashable(object value):
    return tuple(value) if isinstance(value, list) else value
