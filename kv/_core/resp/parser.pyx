"""Requests out of bytes.

The parser is given the bytes from a request's first one on, as many as there are, and goes on where it stopped: nothing
is looked at twice, so a request of a million arguments that arrives in small pieces costs what it costs in one.
Arguments are offsets until the request is complete, because the bytes may have moved by then; parser_resolve()
turns them into addresses.

An argument of BIG_BULK bytes or more that is not wholly there gets a block of its own, `filling`, and the server
receives the rest straight into it: it becomes the stored value without being copied.

Limits and the words of the errors are Valkey's (networking.c of 8.1); clients and tests know them.
"""
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memchr, memcpy, memset

from kv._core.base.blob cimport blob_free, blob_new
from kv._core.base.memory cimport memory_free, memory_realloc
from kv._core.base.numbers cimport parse_i64
from kv._core.base.platform cimport likely, unlikely
from kv._core.base.slice cimport Slice


cdef void parser_init(Parser *parser) noexcept nogil:
    memset(parser, 0, sizeof(Parser))
    parser.bulk = -1
    parser.bulk_limit = 512 << 20


cdef void parser_finish(Parser *parser) noexcept nogil:
    """The request was run, or given up: free what it owned and be ready for the next."""
    cdef int i
    parser.expected = 0
    parser.bulk = -1
    parser.position = 0
    parser.inlined = parser.held = False
    if unlikely(parser.unquoted != NULL):
        blob_free(parser.unquoted)
        parser.unquoted = NULL
    if unlikely(parser.bigs != NULL):
        for i in range(parser.big_count):
            blob_free(parser.bigs[i].blob)
        memory_free(parser.bigs)
        parser.bigs = NULL
        parser.big_count = 0


cdef void parser_free(Parser *parser) noexcept nogil:
    parser_finish(parser)
    blob_free(parser.filling)
    parser.filling = NULL
    parser.filled = parser.taken = 0


cdef Slice *arguments_add(Arguments *arguments) noexcept nogil:
    """Room for one more argument; good until the next call."""
    if unlikely(arguments.count == arguments.capacity):
        arguments.capacity = arguments.capacity * 2 if arguments.capacity else 16
        arguments.items = <Slice *> memory_realloc(arguments.items, arguments.capacity * sizeof(Slice))
    arguments.count += 1
    return arguments.items + arguments.count - 1


cdef ParseResult fail(Parser *parser, const char *text, size_t length) noexcept nogil:
    memcpy(parser.error, text, length)
    parser.error[length] = 0
    parser.error_length = <int> length
    return PARSE_ERROR


cdef inline ParseResult read_length(Parser *parser, const char *start, size_t available, int64_t *value,
                                    bint *valid) noexcept nogil:
    """The number on the header line at the parser's position (after its first byte); PARSE_MORE where it has no end."""
    cdef const char *line = start + parser.position
    cdef size_t room = available - parser.position
    cdef const char *end
    cdef size_t i = 1
    cdef int64_t number = 0
    while i < room and i < 7 and c'0' <= line[i] <= c'9':      # the common case: a few plain digits
        number = number * 10 + (line[i] - c'0')
        i += 1
    if likely(1 < i < 7 and i + 1 < room and line[i] == c'\r' and (line[1] != c'0' or i == 2)):
        value[0] = number
        valid[0] = True
        parser.position += i + 2
        return PARSE_DONE
    end = <const char *> memchr(line, c'\r', room)
    if end == NULL:
        valid[0] = room <= INLINE_MAX
        return PARSE_MORE
    valid[0] = True
    if <size_t> (end - line) + 2 > room:
        return PARSE_MORE
    valid[0] = parse_i64(line + 1, end - line - 1, value)
    parser.position += end - line + 2
    return PARSE_DONE


cdef ParseResult start_multibulk(Parser *parser, const char *start, size_t available) noexcept nogil:
    cdef int64_t count = 0
    cdef bint valid = True
    if read_length(parser, start, available, &count, &valid) == PARSE_MORE:
        return PARSE_MORE if valid else fail(parser, b"Protocol error: too big mbulk count string", 42)
    if not valid or count > MULTIBULK_MAX:
        return fail(parser, b"Protocol error: invalid multibulk length", 40)
    if not parser.authenticated and count > UNAUTHENTICATED_MULTIBULK:
        return fail(parser, b"Protocol error: unauthenticated multibulk length", 48)
    parser.expected = count if count > 0 else 0
    return PARSE_DONE


cdef ParseResult bad_bulk_start(Parser *parser, char found) noexcept nogil:
    fail(parser, b"Protocol error: expected '$', got 'x'", 37)
    parser.error[35] = found if 32 <= <uint8_t> found < 127 else c' '
    return PARSE_ERROR


cdef ParseResult read_bulk_header(Parser *parser, const char *start, size_t available) noexcept nogil:
    cdef int64_t length = 0
    cdef bint valid = True
    cdef size_t room = available - parser.position
    cdef char first
    if room == 0:
        return PARSE_MORE
    first = start[parser.position]
    if unlikely(first != c'$'):
        if memchr(start + parser.position, c'\r', room) == NULL and room <= INLINE_MAX:
            return PARSE_MORE
        return bad_bulk_start(parser, first)
    if read_length(parser, start, available, &length, &valid) == PARSE_MORE:
        return PARSE_MORE if valid else fail(parser, b"Protocol error: too big bulk count string", 41)
    if unlikely(not valid or length < 0 or length > parser.bulk_limit):
        return fail(parser, b"Protocol error: invalid bulk length", 35)
    if unlikely(not parser.authenticated and length > UNAUTHENTICATED_BULK):
        return fail(parser, b"Protocol error: unauthenticated bulk length", 43)
    parser.bulk = length
    return PARSE_DONE


cdef void big_start(Parser *parser, const char *start, size_t available) noexcept nogil:
    """Give the argument a block, with what is there of it, which then need not stay in the input."""
    parser.filling = blob_new(<size_t> parser.bulk)
    parser.filled = available - parser.position
    if parser.filled > <size_t> parser.bulk:
        parser.filled = <size_t> parser.bulk
    memcpy(parser.filling.data, start + parser.position, parser.filled)
    parser.taken = parser.filled


cdef void big_done(Parser *parser, Arguments *into) noexcept nogil:
    """The block is full: it is the argument."""
    cdef Slice *argument
    parser.bigs = <Big *> memory_realloc(parser.bigs, (parser.big_count + 1) * sizeof(Big))
    parser.bigs[parser.big_count].index = <int> (into.count - parser.first)
    parser.bigs[parser.big_count].blob = parser.filling
    parser.bigs[parser.big_count].length = parser.filling.length
    parser.big_count += 1
    argument = arguments_add(into)
    argument.data = NULL
    argument.length = parser.filling.length
    parser.filling = NULL
    parser.filled = 0


cdef ParseResult read_bulk(Parser *parser, const char *start, size_t available, Arguments *into) noexcept nogil:
    cdef Slice *argument
    if unlikely(parser.filling != NULL):
        if parser.filled < parser.filling.length or available - parser.position < 2:
            return PARSE_MORE
        big_done(parser, into)
        parser.position += 2
    elif likely(available - parser.position >= <size_t> parser.bulk + 2):
        argument = arguments_add(into)
        argument.data = <const char *> parser.position
        argument.length = <size_t> parser.bulk
        parser.position += <size_t> parser.bulk + 2
    else:
        if parser.bulk >= BIG_BULK:
            big_start(parser, start, available)
        return PARSE_MORE
    parser.bulk = -1
    parser.expected -= 1
    return PARSE_DONE


cdef inline size_t parse_plain(const char *start, size_t available, Arguments *into) noexcept nogil:
    """What nearly every request is: an array of one to nine words of up to 99 bytes, all of it there. Its length, and its
    arguments in `into`; 0 for any other, of which nothing is kept."""
    cdef Slice *argument
    cdef size_t at = 4, count, length
    if available < 10 or start[2] != c'\r':
        return 0
    count = <size_t> (start[1] - c'0')
    if count - 1 > 8 or into.count + count > into.capacity:
        return 0
    argument = into.items + into.count
    into.count += count
    while count:
        if at + 6 > available or start[at] != c'$':
            break
        length = <size_t> (start[at + 1] - c'0')
        if length > 9:
            break
        if start[at + 2] == c'\r':
            at += 4
        else:
            if length == 0 or start[at + 3] != c'\r' or <size_t> (start[at + 2] - c'0') > 9:
                break
            length = length * 10 + <size_t> (start[at + 2] - c'0')
            at += 5
        if at + length + 2 > available:
            break
        argument.data = <const char *> at
        argument.length = length
        argument += 1
        at += length + 2
        count -= 1
    if unlikely(count):
        into.count = argument - into.items
        return 0
    return at


cdef ParseResult parse_request(Parser *parser, const char *start, size_t available, Arguments *into) noexcept nogil:
    """Go on with the request whose first byte is at `start`; its arguments are added to `into`.

    After PARSE_DONE parser.position is the request's length in bytes."""
    cdef ParseResult result
    if parser.expected == 0:
        if available == 0:
            return PARSE_MORE
        parser.first = into.count
        if likely(parser.position == 0 and start[0] == c'*'):
            parser.position = parse_plain(start, available, into)
            if likely(parser.position):
                return PARSE_DONE
            into.count = parser.first
        if unlikely(start[0] != c'*'):
            return parse_inline(parser, start, available, into)
        result = start_multibulk(parser, start, available)
        if unlikely(result != PARSE_DONE):
            return result
    while parser.expected > 0:
        if parser.bulk < 0:
            result = read_bulk_header(parser, start, available)
            if unlikely(result != PARSE_DONE):
                return result
        result = read_bulk(parser, start, available, into)
        if unlikely(result != PARSE_DONE):
            return result
    return PARSE_DONE


cdef void parser_resolve(Parser *parser, const char *start, Slice *argv, int argc) noexcept nogil:
    """The offsets of a complete request become addresses."""
    cdef int i
    if unlikely(parser.inlined):
        start = parser.unquoted.data if parser.unquoted != NULL else NULL
    for i in range(argc):
        argv[i].data = start + <size_t> argv[i].data
    for i in range(parser.big_count):
        argv[parser.bigs[i].index].data = parser.bigs[i].blob.data


# -- inline requests: a line of words, as typed into telnet -------------------------------------------------------

cdef ParseResult parse_inline(Parser *parser, const char *start, size_t available, Arguments *into) noexcept nogil:
    cdef const char *end = <const char *> memchr(start, c'\n', available)
    cdef size_t length
    if end == NULL:
        if available > INLINE_MAX:
            return fail(parser, b"Protocol error: too big inline request", 38)
        return PARSE_MORE
    length = end - start
    parser.position = length + 1
    if length and start[length - 1] == c'\r':
        length -= 1
    parser.inlined = True
    parser.unquoted = blob_new(length)
    if not split_words(start, length, parser.unquoted.data, into):
        into.count = parser.first
        return fail(parser, b"Protocol error: unbalanced quotes in request", 44)
    return PARSE_DONE


cdef inline bint is_space(char c) noexcept nogil:
    return c == c' ' or c == c'\t' or c == c'\n' or c == c'\r' or c == c'\v' or c == c'\f' or c == 0


cdef inline int hex_digit(char c) noexcept nogil:
    if c'0' <= c <= c'9':
        return c - c'0'
    if c'a' <= c <= c'f':
        return c - c'a' + 10
    if c'A' <= c <= c'F':
        return c - c'A' + 10
    return -1


cdef inline char escaped(char c) noexcept nogil:
    if c == c'n':
        return c'\n'
    if c == c'r':
        return c'\r'
    if c == c't':
        return c'\t'
    if c == c'b':
        return c'\b'
    if c == c'a':
        return c'\a'
    return c


cdef bint quoted_word(const char *line, size_t length, size_t *at, char *out, size_t *written) noexcept nogil:
    """One quoted part from its opening quote on; false where it does not close, or a word goes on after it."""
    cdef char quote = line[at[0]]
    cdef size_t i = at[0] + 1
    while i < length and line[i] != quote:
        if (quote == c'"' and line[i] == c'\\' and i + 3 < length and line[i + 1] == c'x'
                and hex_digit(line[i + 2]) >= 0 and hex_digit(line[i + 3]) >= 0):
            out[written[0]] = <char> (hex_digit(line[i + 2]) * 16 + hex_digit(line[i + 3]))
            i += 4
        elif quote == c'"' and line[i] == c'\\' and i + 1 < length:
            out[written[0]] = escaped(line[i + 1])
            i += 2
        elif quote == c"'" and line[i] == c'\\' and i + 1 < length and line[i + 1] == c"'":
            out[written[0]] = c"'"
            i += 2
        else:
            out[written[0]] = line[i]
            i += 1
        written[0] += 1
    at[0] = i + 1
    return i < length and (i + 1 == length or is_space(line[i + 1]))


cdef bint split_words(const char *line, size_t length, char *out, Arguments *into) noexcept nogil:
    """Words of a line, quotes and escapes undone, into `out`; arguments are offsets into it. False: unbalanced."""
    cdef size_t i = 0, written = 0
    cdef Slice *argument
    while True:
        while i < length and is_space(line[i]):
            i += 1
        if i >= length:
            return True
        argument = arguments_add(into)
        argument.data = <const char *> written
        while i < length and not is_space(line[i]):
            if line[i] == c'"' or line[i] == c"'":
                if not quoted_word(line, length, &i, out, &written):
                    return False
                break
            out[written] = line[i]
            written += 1
            i += 1
        argument.length = written - <size_t> argument.data
