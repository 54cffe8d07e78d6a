"""The reply counter's two ways: whole values at once, and byte by byte where a read cut one."""
from libc.stdint cimport int64_t
from libc.string cimport memcpy


cdef int64_t replies_count(replies_t *self, const char *data, int64_t length) noexcept nogil:
    """How many replies end within `data`. Stops at an error reply (`failed`) or nonsense (`broken`)."""
    cdef const char *p = data
    cdef const char *end = data + length
    cdef int64_t done = 0
    while p < end and not self.failed and not self.broken:
        if self.skip:
            p = pass_payload(self, p, end, &done)
            continue
        if not self.kind:
            p = pass_whole(self, p, end, &done)
            if p == end:
                break
            line_begin(self, p[0])
        elif p[0] == c"\n":
            line_end(self, &done)
        else:
            line_byte(self, p[0])
        p += 1
    return done


cdef const char *pass_whole(replies_t *self, const char *p, const char *end, int64_t *done) noexcept nogil:
    """Pass over values while they are plain and lie whole in the buffer; the rest is for the slow way."""
    cdef const char *q
    cdef int64_t number
    cdef int64_t need = self.need
    while end - p >= 4:  # the shortest value, +\r\n, goes the slow way
        q = p + 1
        number = 0
        if p[0] == c"+" or p[0] == c":" or q[0] == c"-" and (p[0] == c"$" or p[0] == c"*"):
            while q < end and q[0] != c"\n":
                q += 1
        elif p[0] == c"$" or p[0] == c"*":
            while q < end and c"0" <= q[0] <= c"9" and number < <int64_t>REPLIES_LENGTH_LIMIT:
                number = number * 10 + (q[0] - c"0")
                q += 1
            if q >= end or q[0] != c"\r":
                break
            q += 1
            if p[0] == c"$":
                if end - q < number + 3:
                    break
                q += number + 2
        else:
            break
        if q >= end:
            break
        if need == 0:
            need = 1
            self.push = self.failing = False
        need += (number if p[0] == c"*" else 0) - 1
        if need == 0:
            done[0] += not self.push
        p = q + 1
    self.need = need
    return p


cdef const char *pass_payload(replies_t *self, const char *p, const char *end, int64_t *done) noexcept nogil:
    cdef int64_t here = min(self.skip, <int64_t>(end - p))
    if self.failing:
        collect(self, p, min(here, max(0, self.skip - 2)))
    self.skip -= here
    if not self.skip:
        value_end(self, 1, done)
    return p + here


cdef void line_begin(replies_t *self, char kind) noexcept nogil:
    self.kind = kind
    self.number = 0
    self.minus = False
    if self.need == 0:
        self.need = 1
        self.push = kind == c">"
        self.failing = kind == c"-" or kind == c"!"
    if not (kind == c"+" or kind == c"-" or kind == c":" or kind == c"$" or kind == c"*" or kind == c"_"
            or kind == c"," or kind == c"#" or kind == c"!" or kind == c"=" or kind == c"(" or kind == c"%"
            or kind == c"~" or kind == c">" or kind == c"|"):
        self.broken = True


cdef void line_byte(replies_t *self, char byte) noexcept nogil:
    if self.failing and self.kind == c"-":
        if byte != c"\r":
            collect(self, &byte, 1)
    elif c"0" <= byte <= c"9" and self.number <= REPLIES_LENGTH_LIMIT:  # digits in a text mean nothing
        self.number = self.number * 10 + <unsigned char>(byte - c"0")
    elif byte == c"-":
        self.minus = True


cdef void line_end(replies_t *self, int64_t *done) noexcept nogil:
    cdef char kind = self.kind
    cdef int64_t number = 0 if self.minus else <int64_t>self.number
    cdef bint has_length = not (kind == c"+" or kind == c"-" or kind == c":" or kind == c"_" or kind == c","
                                or kind == c"#" or kind == c"(")
    if has_length and self.number > REPLIES_LENGTH_LIMIT:
        self.broken = True
        return
    self.kind = 0
    if kind == c"$" or kind == c"=" or kind == c"!":
        if self.minus:
            value_end(self, 1, done)
        else:
            self.skip = number + 2
    elif kind == c"*" or kind == c"~" or kind == c">":
        value_end(self, 1 - number, done)
    elif kind == c"%":
        value_end(self, 1 - 2 * number, done)
    elif kind == c"|":
        value_end(self, -2 * number, done)  # attributes precede a value, they are none
    else:
        value_end(self, 1, done)


cdef void value_end(replies_t *self, int64_t values, int64_t *done) noexcept nogil:
    self.need -= values
    if self.need == 0:
        self.failed = self.failing
        done[0] += not self.push and not self.failing


cdef void collect(replies_t *self, const char *text, int64_t length) noexcept nogil:
    length = min(length, <int64_t>(REPLIES_ERROR_SIZE - self.error_length))
    memcpy(self.error + self.error_length, text, length)
    self.error_length += <int>length


cdef class ReplyCounter:
    """The counter for Python: the tests feed it streams cut at every byte."""

    def feed(self, bytes data):
        """How many replies end within `data`."""
        return replies_count(&self.state, data, len(data))

    @property
    def error(self):
        """The text of the first error reply, or None."""
        return self.state.error[:self.state.error_length] if self.state.failed else None

    @property
    def broken(self):
        """The byte that is no RESP type, or None."""
        return bytes([<unsigned char>self.state.kind]) if self.state.broken else None
