"""cjson.decode: JSON to Lua's values.

A token that is a value pushes it: so the parser is one loop over tokens, and open tables are what stands on Lua's stack. It does
not recurse: how deep a text nests is bounded by Lua's stack (LUA_SLOTS), never by C's.

What is read is what Valkey reads, which is more than JSON: a zero byte ends the text, numbers are strtod's (hexadecimal, inf and
nan among them) unless decode_invalid_numbers is off, strings may hold control characters, and bytes need not be UTF-8. null is
cjson.null, a light userdata of 0, since a table can't hold nil.

Tables grow as they are filled. To make them large at once would be faster, but the order of `pairs`, and `#` of an array that gets
holes, depend on how a table grew, and scripts have come to see Valkey's.
"""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from kv._core.base.buffer cimport Buffer
from kv._core.base.machine cimport equal_bytes, leading_zeros_u64, load_u64_le, zero_bytes
from kv._core.base.numbers cimport scan_double
from kv._core.lua.api cimport LUA_SLOTS, lua, lua_State
from kv._core.lua.cjson_options cimport JsonOptions, json_options
from kv._core.lua.state cimport scratch_begin, scratch_end, scratch_reserve

cdef extern from "<string.h>" nogil:
    int strncmp(const char *a, const char *b, size_t most)
cdef extern from "<strings.h>" nogil:
    int strncasecmp(const char *a, const char *b, size_t most)

cdef enum Token:
    TOKEN_STRING            # values up to here are pushed
    TOKEN_NUMBER
    TOKEN_BOOLEAN
    TOKEN_NULL
    TOKEN_OBJECT_BEGIN
    TOKEN_ARRAY_BEGIN
    TOKEN_OBJECT_END
    TOKEN_ARRAY_END
    TOKEN_COLON
    TOKEN_COMMA
    TOKEN_END
    TOKEN_ERROR             # decoder.trouble says which
    # of bytes only: what token begins with it is still to be seen
    BYTE_SPACE
    BYTE_QUOTE
    BYTE_NUMBER
    BYTE_WORD               # true, false, null, inf, nan, a plus

cdef enum:
    OBJECT = -1             # a level's count, where it is an object
    SLOTS_OBJECT = 3        # of Lua's stack: table, key, value
    SLOTS_ARRAY = 2
    COPIED = 8              # bytes of a string at a time
    ESCAPED_MOST = 4        # bytes that an escape becomes
    SHORT_DIGITS = 18       # any number of so many digits fits 64 bits
    HIGH_SURROGATE = 0xD800
    LOW_SURROGATE = 0xDC00

cdef unsigned char[256] BYTES           # what a token is that begins with the byte: a Token
cdef unsigned char[256] ESCAPES         # what a letter behind a backslash stands for, 0: nothing
cdef signed char[256] HEX               # -1: no digit
cdef const char *TOKEN_NAMES[TOKEN_ERROR]
TOKEN_NAMES[:] = [
    b"T_STRING", b"T_NUMBER", b"T_BOOLEAN", b"T_NULL", b"T_OBJ_BEGIN", b"T_ARR_BEGIN", b"T_OBJ_END", b"T_ARR_END",
    b"T_COLON", b"T_COMMA", b"T_END"]


def _fill_tables():
    for byte in range(256):
        BYTES[byte] = TOKEN_ERROR
        HEX[byte] = -1
    BYTES[0] = TOKEN_END
    for letter, token in zip(b"{[}]:, \t\n\r\"-", (
            TOKEN_OBJECT_BEGIN, TOKEN_ARRAY_BEGIN, TOKEN_OBJECT_END, TOKEN_ARRAY_END, TOKEN_COLON, TOKEN_COMMA,
            BYTE_SPACE, BYTE_SPACE, BYTE_SPACE, BYTE_SPACE, BYTE_QUOTE, BYTE_NUMBER), strict=True):
        BYTES[letter] = token
    for letter in list(b"0123456789"):
        BYTES[letter] = BYTE_NUMBER
    for letter in list(b"tfniIN+"):
        BYTES[letter] = BYTE_WORD
    for letter, meant in zip(b"\"\\/btnfru", b"\"\\/\b\t\n\f\ru", strict=True):
        ESCAPES[letter] = meant
    for digit in list(b"0123456789abcdefABCDEF"):
        HEX[digit] = int(chr(digit), 16)


_fill_tables()


cdef struct Decoder:
    lua_State *L
    JsonOptions *options
    const char *text            # Lua's string: a zero byte stands at its end
    const char *end
    const char *at              # what comes next
    const char *token           # where the last one began, or where its error is
    const char *trouble         # what was wrong with the last token, of TOKEN_ERROR
    int depth                   # tables that are open


cdef int json_decode(lua_State *L) noexcept nogil:
    cdef Decoder decoder
    cdef size_t length
    if lua.gettop(L) != 1:
        return lua.L_argerror(L, 1, b"expected 1 argument")
    decoder.L = L
    decoder.options = json_options(L)
    decoder.text = decoder.at = lua.L_checklstring(L, 1, &length)
    decoder.end = decoder.text + length
    decoder.depth = 0
    if length >= 2 and (decoder.text[0] == 0 or decoder.text[1] == 0):
        return lua.L_error(L, b"JSON parser does not support UTF-16 or UTF-32")
    read_value(&decoder)
    expect(&decoder, TOKEN_END, b"the end")
    return 1


# Errors

cdef void refuse(Decoder *decoder, Token found, const char *expected) noexcept nogil:
    lua.L_error(decoder.L, b"Expected %s but found %s at character %d", expected,
                decoder.trouble if found == TOKEN_ERROR else TOKEN_NAMES[<int> found], <int> (decoder.token - decoder.text + 1))


cdef Token wrong_token(Decoder *decoder, const char *trouble) noexcept nogil:
    """At the byte that comes next."""
    decoder.token = decoder.at
    decoder.trouble = trouble
    return TOKEN_ERROR


# Values

cdef void read_value(Decoder *decoder) noexcept nogil:
    """Push the value that comes next, with all that is in it."""
    cdef int[LUA_SLOTS + 1] counts      # of each open table, from 1 on: elements that an array has so far, OBJECT
    cdef Token token = next_token(decoder)
    while True:
        if token == TOKEN_OBJECT_BEGIN:
            open_table(decoder, SLOTS_OBJECT)
            token = next_token(decoder)
            if token != TOKEN_OBJECT_END:
                counts[decoder.depth] = OBJECT
                token = read_key(decoder, token)
                continue
            decoder.depth -= 1
        elif token == TOKEN_ARRAY_BEGIN:
            open_table(decoder, SLOTS_ARRAY)
            token = next_token(decoder)
            if token != TOKEN_ARRAY_END:
                counts[decoder.depth] = 0
                continue
            decoder.depth -= 1
        elif token > TOKEN_NULL:
            refuse(decoder, token, b"value")
        # The value is on top of the stack. It goes into its table, and, where that ends with it, the table into its own.
        while True:
            if decoder.depth == 0:
                return
            token = put_value(decoder, &counts[decoder.depth])
            if token == TOKEN_COMMA:
                break
            decoder.depth -= 1
        token = next_token(decoder)
        if counts[decoder.depth] == OBJECT:
            token = read_key(decoder, token)


cdef inline Token put_value(Decoder *decoder, int *count) noexcept nogil:
    """Into the table below it. Given is the token behind it: a comma, or that the table ends."""
    cdef Token token
    if count[0] == OBJECT:
        lua.rawset(decoder.L, -3)
        token = next_token_of_table(decoder)
        if token != TOKEN_COMMA and token != TOKEN_OBJECT_END:
            refuse(decoder, token, b"comma or object end")
    else:
        count[0] += 1
        lua.rawseti(decoder.L, -2, count[0])
        token = next_token_of_table(decoder)
        if token != TOKEN_COMMA and token != TOKEN_ARRAY_END:
            refuse(decoder, token, b"comma or array end")
    return token


cdef inline void open_table(Decoder *decoder, int slots) noexcept nogil:
    decoder.depth += 1
    if decoder.depth > decoder.options.decode_max_depth or decoder.depth > LUA_SLOTS or not lua.checkstack(decoder.L, slots):
        lua.L_error(decoder.L, b"Found too many nested data structures (%d) at character %d",
                    decoder.depth, <int> (decoder.at - decoder.text))
    lua.createtable(decoder.L, 0, 0)


cdef inline Token read_key(Decoder *decoder, Token token) noexcept nogil:
    """The token was a key; given is the one behind its colon."""
    if token != TOKEN_STRING:
        refuse(decoder, token, b"object key string")
    if decoder.at[0] == c":":
        decoder.at += 1
    else:
        expect(decoder, TOKEN_COLON, b"colon")
    return next_token(decoder)


cdef inline void expect(Decoder *decoder, Token expected, const char *name) noexcept nogil:
    cdef Token token = next_token(decoder)
    if token != expected:
        refuse(decoder, token, name)


# Tokens

cdef Token next_token(Decoder *decoder) noexcept nogil:
    """Go behind it. A string, number, boolean or null is pushed."""
    cdef const char *at = decoder.at
    cdef int byte = BYTES[<unsigned char> at[0]]
    while byte == BYTE_SPACE:
        at += 1
        byte = BYTES[<unsigned char> at[0]]
    decoder.at = decoder.token = at
    if byte == BYTE_QUOTE:
        return read_string(decoder)
    if byte == BYTE_NUMBER:
        return read_number(decoder)
    if byte == BYTE_WORD:
        return read_word(decoder)
    if byte == TOKEN_ERROR:
        return wrong_token(decoder, b"invalid token")
    if byte != TOKEN_END:
        decoder.at += 1
    return <Token> byte


cdef inline Token next_token_of_table(Decoder *decoder) noexcept nogil:
    """Most often a comma."""
    if decoder.at[0] != c",":
        return next_token(decoder)
    decoder.at += 1
    return TOKEN_COMMA


cdef Token read_word(Decoder *decoder) noexcept nogil:
    cdef const char *at = decoder.at
    cdef bint value = at[0] == c"t"
    if strncmp(at, b"true", 4) == 0 or strncmp(at, b"false", 5) == 0:
        decoder.at += 4 if value else 5
        lua.pushboolean(decoder.L, value)
        return TOKEN_BOOLEAN
    if strncmp(at, b"null", 4) == 0:
        decoder.at += 4
        lua.pushlightuserdata(decoder.L, NULL)
        return TOKEN_NULL
    if decoder.options.decode_invalid_numbers and is_invalid_number(at):
        return read_any_number(decoder)
    return wrong_token(decoder, b"invalid token")


cdef bint is_invalid_number(const char *text) noexcept nogil:
    """Whether strtod may take it for a number, but JSON does not."""
    if text[0] == c"+":
        return True
    if text[0] == c"-":
        text += 1
    if text[0] == c"0":
        return (text[1] | 0x20) == c"x" or c"0" <= text[1] <= c"9"
    return strncasecmp(text, b"inf", 3) == 0 or strncasecmp(text, b"nan", 3) == 0


cdef Token read_number(Decoder *decoder) noexcept nogil:
    cdef const char *start = decoder.at
    cdef const char *at
    cdef uint64_t value = 0
    if not decoder.options.decode_invalid_numbers and is_invalid_number(start):
        return wrong_token(decoder, b"invalid number")
    start += start[0] == c"-"
    at = start
    while c"0" <= at[0] <= c"9":
        value = value * 10 + <unsigned int> (at[0] - c"0")
        at += 1
    # A whole number without exponent, which most are. 0x may be hexadecimal.
    if at == start or at - start > SHORT_DIGITS or at[0] == c"." or (at[0] | 0x20) == c"e" or (at[0] | 0x20) == c"x":
        return read_any_number(decoder)
    lua.pushnumber(decoder.L, -<double> value if decoder.at != start else <double> value)
    decoder.at = at
    return TOKEN_NUMBER


cdef Token read_any_number(Decoder *decoder) noexcept nogil:
    cdef double value
    cdef const char *after = scan_double(decoder.at, decoder.end, &value)
    if after == NULL:
        return wrong_token(decoder, b"invalid number")
    decoder.at = after
    lua.pushnumber(decoder.L, value)
    return TOKEN_NUMBER


# Strings

cdef inline const char *plain_end(const char *text, const char *end) noexcept nogil:
    """The first byte that is a quote, a backslash or zero."""
    cdef uint64_t word, found
    while end - text >= 8:
        word = load_u64_le(text)
        found = zero_bytes(word) | equal_bytes(word, c'"') | equal_bytes(word, c"\\")
        if found:
            return text + ((63 - leading_zeros_u64(found & (0 - found))) >> 3)
        text += 8
    while text[0] != c'"' and text[0] != c"\\" and text[0] != 0:
        text += 1
    return text


cdef Token read_string(Decoder *decoder) noexcept nogil:
    cdef const char *start = decoder.at + 1
    cdef const char *at = plain_end(start, decoder.end)
    if at[0] != c'"':
        return read_escaped(decoder)
    lua.pushlstring(decoder.L, start, at - start)
    decoder.at = at + 1
    return TOKEN_STRING


cdef Token read_escaped(Decoder *decoder) noexcept nogil:
    """A string that is not what stands in the text."""
    cdef lua_State *L = decoder.L
    cdef Buffer *scratch = scratch_begin(L)
    cdef const char *at
    cdef unsigned char meant
    decoder.at += 1
    while True:
        at = plain_end(decoder.at, decoder.end)
        copy_plain(decoder, scratch, at - decoder.at)
        if at[0] == c'"':
            break
        if at[0] == 0:
            return wrong_token(decoder, b"unexpected end of string")
        meant = ESCAPES[<unsigned char> at[1]]
        if meant == 0:
            return wrong_token(decoder, b"invalid escape code")
        if meant == c"u":
            if not read_code(decoder, scratch):
                return wrong_token(decoder, b"invalid unicode escape code")
        else:
            scratch.data[scratch.length] = meant
            scratch.length += 1
            decoder.at += 2
    scratch_end(L, scratch)
    decoder.at += 1
    return TOKEN_STRING


cdef inline void copy_plain(Decoder *decoder, Buffer *scratch, size_t length) noexcept nogil:
    """And have room for what an escape becomes behind it."""
    cdef char *out = scratch_reserve(decoder.L, scratch, length + COPIED + ESCAPED_MOST)
    cdef const char *at = decoder.at
    cdef const char *stop = at + length
    if decoder.end - stop >= COPIED:
        while at < stop:            # some bytes too many, rather than a call for a few
            memcpy(out, at, COPIED)
            out += COPIED
            at += COPIED
    else:
        memcpy(out, at, length)
    scratch.length += length
    decoder.at = stop


cdef int read_hex(const char *text) noexcept nogil:
    """Four digits; -1: they are none. Nothing behind the first wrong one is read."""
    cdef int value = 0
    cdef int i
    for i in range(4):
        if HEX[<unsigned char> text[i]] < 0:
            return -1
        value = value << 4 | HEX[<unsigned char> text[i]]
    return value


cdef bint read_code(Decoder *decoder, Buffer *scratch) noexcept nogil:
    """\\u and what belongs to it, as UTF-8 into the scratch, which has room for 4 bytes. A surrogate must have the other one."""
    cdef const char *at = decoder.at
    cdef int code = read_hex(at + 2)
    cdef int low
    if code < 0:
        return False
    at += 6
    if (code & 0xF800) == HIGH_SURROGATE:
        if (code & 0xFC00) == LOW_SURROGATE or at[0] != c"\\" or at[1] != c"u":
            return False
        low = read_hex(at + 2)
        if low < 0 or (low & 0xFC00) != LOW_SURROGATE:
            return False
        code = 0x10000 + ((code & 0x3FF) << 10 | (low & 0x3FF))
        at += 6
    decoder.at = at
    scratch.length += write_utf8(<unsigned char *> scratch.data + scratch.length, code)
    return True


cdef int write_utf8(unsigned char *out, int code) noexcept nogil:
    """How many bytes: 1 to 4."""
    cdef int more = 0 if code < 0x80 else 1 if code < 0x800 else 2 if code < 0x10000 else 3
    cdef int i
    if more == 0:
        out[0] = <unsigned char> code
        return 1
    for i in range(more, 0, -1):
        out[i] = <unsigned char> (0x80 | code & 0x3F)
        code >>= 6
    out[0] = <unsigned char> (0xFF00 >> (more + 1) & 0xFF | code)
    return more + 1
