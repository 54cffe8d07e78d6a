"""Replies as Python values: what call.pyx makes of a Python value, and what bodies write, the other way round.

    simple string  Status           integer  int            null       None
    bulk string    bytes            double   float          boolean    bool
    array          list             map      dict           set        set (OrderedSet where an element can't be in one)
    verbatim       Verbatim         big      BigNumber      push       Push
    error          ReplyError: raised where it is the whole reply, else a value

What can't be the key of a dict (a list) is its tuple there. Client libraries have plainer values (Style): simple and verbatim
strings are text as bulk strings are, a big number is an int, a set a list, and an error is whatever the library makes of it.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.long cimport PyLong_FromLongLong
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcmp

import codecs

from kv._core.base.numbers cimport parse_i64
from kv._core.base.platform cimport likely, unlikely

from kv._core.runtime.call import BigNumber, OrderedSet, ReplyError, Status, Verbatim


class Push(list):
    """An out-of-band message: its kind (b"message", b"invalidate" ...), then what it has to say."""


cdef object CUT = object()
cdef bytes OK_BYTES = b"OK"


cdef class Style:
    """How replies look as Python values. Without arguments as the table above has it; `plain` as client libraries have them: text
    is bytes, or str where an encoding is given, and `error_of` makes a value of an error's text."""

    def __init__(self, bint plain=False, encoding=None, str errors not None="strict", error_of=None):
        self.plain, self.encoding, self.errors = plain, encoding, errors
        self.error_of = ReplyError if error_of is None else error_of
        self.utf8 = encoding is not None and codecs.lookup(encoding).name == "utf-8" and errors == "strict"


cdef Style NATIVE = Style()


cdef class Frame:
    """An aggregate that is being read."""
    cdef char kind
    cdef int64_t left           # elements still to come
    cdef list elements


cdef object next_value(Cursor *cursor, Style style):
    """The next reply, behind which the cursor then is; CUT where it is not whole, and the cursor anywhere. An error is a value.
    Raises ValueError for what is no reply.

    It does not recurse: a script can make replies that nest thousands deep.
    """
    cdef const char *line
    cdef const char *stop
    cdef char kind
    cdef size_t length
    cdef int64_t count = 0
    cdef list outer = None      # frames of what is open, but the innermost
    cdef Frame frame = None
    cdef object value
    while True:
        line = cursor.at
        stop = <const char *> memchr(line, c'\n', cursor.end - line) if line != cursor.end else NULL
        if unlikely(stop == NULL or stop - line < 2):
            return CUT
        cursor.at = stop + 1
        kind = line[0]
        line += 1
        length = stop - line - 1
        if kind == c'*' or kind == c'%' or kind == c'~' or kind == c'>' or kind == c'|':
            if not parse_i64(line, length, &count):
                raise ValueError("no length")
            if kind == c'%' or kind == c'|':
                count *= 2
            if count > 0:
                if frame is not None:
                    if outer is None:
                        outer = []
                    outer.append(frame)
                frame = Frame()
                frame.kind, frame.left, frame.elements = kind, count, []
                continue
            if kind == c'|':
                continue
            value = None if count < 0 else closed(kind, [], style)
        else:
            value = scalar(cursor, style, kind, line, length)
            if unlikely(value is CUT):
                return CUT
        while frame is not None:
            frame.elements.append(value)
            frame.left -= 1
            if frame.left:
                break
            kind, value = frame.kind, frame.elements
            frame = <Frame> outer.pop() if outer else None
            if kind == c'|':        # an attribute: what it describes follows
                break
            value = closed(kind, <list> value, style)
        else:
            return value


cdef object scalar(Cursor *cursor, Style style, char kind, const char *line, size_t length):
    """A reply that holds no others: `line` is what its first line says."""
    cdef int64_t number = 0
    cdef bytes text
    if kind == c'$' or kind == c'=' or kind == c'!':
        if unlikely(not parse_i64(line, length, &number)):
            raise ValueError("no length")
        if number < 0:
            return None
        line, length = cursor.at, number
        if unlikely(<size_t> (cursor.end - line) < length + 2):
            return CUT
        cursor.at += length + 2
        if likely(kind == c'$'):
            return text_of(line, length, style)
        if kind == c'!':
            return error_value(line, length, style)
        line, length = line + 4, length - 4     # its format and a colon
        return text_of(line, length, style) if style.plain else Verbatim(surrogates(line, length))
    if kind == c':':
        if likely(parse_i64(line, length, &number)):
            return PyLong_FromLongLong(number)
        return int(line[:length])
    if kind == c'+':
        if not style.plain:
            return Status(surrogates(line, length))
        if length == 2 and style.encoding is None and memcmp(line, b"OK", 2) == 0:
            return OK_BYTES
        return text_of(line, length, style)
    if kind == c'_':
        return None
    if kind == c'-':
        return error_value(line, length, style)
    text = PyBytes_FromStringAndSize(line, length)
    if kind == c'#':
        return text == b"t"
    if kind == c',':
        return float(text)
    if kind == c'(':
        return int(text) if style.plain else BigNumber(text)
    raise ValueError(f"no reply begins with {chr(<unsigned char> kind)!r}")


cdef inline object text_of(const char *data, size_t length, Style style):
    if style.encoding is None:
        return PyBytes_FromStringAndSize(data, length)
    if style.utf8:
        return PyUnicode_DecodeUTF8(<char *> data, length, NULL)
    return PyBytes_FromStringAndSize(data, length).decode(style.encoding, style.errors)


cdef str surrogates(const char *data, size_t length):
    return PyUnicode_DecodeUTF8(<char *> data, length, b"surrogateescape")


cdef object error_value(const char *data, size_t length, Style style):
    return style.error_of(surrogates(data, length))


cdef object closed(char kind, list elements, Style style):
    """What the elements of a reply that holds others make."""
    cdef Py_ssize_t i
    cdef dict pairs
    if kind == c'*':
        return elements
    if kind == c'>':
        return Push(elements)
    if kind == c'%':
        pairs = {}
        for i in range(0, len(elements), 2):
            key = elements[i]
            pairs[tuple(key) if isinstance(key, list) else key] = elements[i + 1]
        return pairs
    if style.plain:
        return elements
    try:
        return set(elements)
    except TypeError:
        return OrderedSet(elements)


cdef class Decoder:
    """Takes replies from bytes that hold whole ones."""

    def __init__(self, bytes data not None):
        self.data = data
        self.cursor.at = data
        self.cursor.end = self.cursor.at + len(data)

    @property
    def done(self):
        """Whether there is nothing more."""
        return self.cursor.at == self.cursor.end

    def reply(self):
        """The next reply; an error is a value. Raises ValueError for what is no reply."""
        value = next_value(&self.cursor, NATIVE)
        if value is CUT:
            raise ValueError("the reply is cut off")
        return value
