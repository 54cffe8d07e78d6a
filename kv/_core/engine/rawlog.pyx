"""Log lines out of a signal handler, in the form of kv/server/log.

What calls this may have interrupted malloc, Python, or the C library with a lock held, so nothing here allocates,
locks or looks at the time zone: a line is put together in a static buffer and leaves with one write(2). The path, the
role and the offset to UTC are told beforehand.
"""
from libc.stdint cimport int64_t, uint8_t, uint64_t, uintptr_t
from libc.string cimport memcpy, strlen

from kv._core.base.clock cimport clock_unix_us
from kv._core.base.numbers cimport FORMAT_I64_SIZE, format_i64
from kv._core.base.slice cimport Slice, slice_of

cdef extern from "<unistd.h>" nogil:
    int getpid()
    int c_close "close"(int fd)
    ssize_t c_write "write"(int fd, const void *data, size_t length)

cdef extern from "<fcntl.h>" nogil:
    int c_open "open"(const char *path, int flags, ...)
    enum:
        O_WRONLY
        O_APPEND
        O_CREAT
        O_CLOEXEC

cdef enum:
    PATH_SIZE = 4096
    LINE_SIZE = 1024            # a longer line is cut
    STDOUT = 1
    STDERR = 2
    DAY_SECONDS = 86400
    EPOCH_DAYS = 719468         # days from 1 March of the year 0 to 1 January 1970
    ERA_DAYS = 146097           # days in 400 years

cdef char log_path[PATH_SIZE]   # terminated; empty: standard output
cdef char role = c'M'           # of the server, as lines begin with it
cdef int server_pid = 0         # whoever has another one is a forked child
cdef int64_t utc_offset = 0     # seconds that the local time is ahead
cdef int descriptor = STDOUT    # where lines go
cdef char line[LINE_SIZE]
cdef size_t length = 0          # bytes of it that are filled


def rawlog_configure(bytes path not None):
    """This process is the server, and this its log; b"" for standard output. ValueError for a path that is too long."""
    global server_pid
    if len(path) >= PATH_SIZE:
        raise ValueError("the path is too long")
    memcpy(log_path, <const char *> path, len(path) + 1)
    server_pid = getpid()


def rawlog_refresh(str mark not None, int64_t seconds):
    """What may change with time: the server's role, as its lines have it, and how far the local time is ahead of UTC."""
    global role, utc_offset
    role = <char> ord(mark)
    utc_offset = seconds


cdef bint rawlog_is_child() noexcept nogil:
    return getpid() != server_pid


cdef void rawlog_open() noexcept nogil:
    """Lines go to the log from here on: to its file, which rotation may have moved away; where there is none to
    stdout, where it can't be opened to stderr."""
    global descriptor, length
    length = 0
    descriptor = STDOUT
    if log_path[0]:
        descriptor = c_open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
    if descriptor < 0:
        descriptor = STDERR


cdef void rawlog_close() noexcept nogil:
    if descriptor > STDERR:
        c_close(descriptor)


cdef int rawlog_fd() noexcept nogil:
    return descriptor


# -- a line -------------------------------------------------------------------------------------------------------

cdef void rawlog_head() noexcept nogil:
    """How each line of a warning begins: pid, role, time and level."""
    cdef int64_t now_ms = clock_unix_us() // 1000
    rawlog_number(getpid())
    rawlog_text(b":C " if rawlog_is_child() else b":")
    if not rawlog_is_child():
        put(role)
        put(c' ')
    put_date(now_ms // 1000 + utc_offset)
    put(c'.')
    put_digits(now_ms % 1000, 3)
    rawlog_text(b" # ")


cdef void put_date(int64_t seconds) noexcept nogil:
    """A unix time as "26 Nov 2026 17:44:10". Years are counted from March, so that the leap day is their last."""
    cdef int64_t days = seconds // DAY_SECONDS + EPOCH_DAYS
    cdef int64_t of_day = seconds % DAY_SECONDS
    cdef int64_t era = days // ERA_DAYS
    cdef int64_t of_era = days - era * ERA_DAYS
    cdef int64_t year = (of_era - of_era // 1460 + of_era // 36524 - of_era // (ERA_DAYS - 1)) // 365
    cdef int64_t of_year = of_era - (365 * year + year // 4 - year // 100)
    cdef const char *names = b"MarAprMayJunJulAugSepOctNovDecJanFeb"
    cdef int64_t month = (5 * of_year + 2) // 153       # 0 is March
    put_digits(of_year - (153 * month + 2) // 5 + 1, 2)
    put(c' ')
    rawlog_slice(slice_of(names + month * 3, 3))
    put(c' ')
    put_digits(year + era * 400 + (month >= 10), 4)
    put(c' ')
    put_digits(of_day // 3600, 2)
    put(c':')
    put_digits(of_day // 60 % 60, 2)
    put(c':')
    put_digits(of_day % 60, 2)


cdef void put(char byte) noexcept nogil:
    global length
    if length < LINE_SIZE - 1:      # a byte is left for the end of the line
        line[length] = byte
        length += 1


cdef void put_digits(int64_t number, int digits) noexcept nogil:
    cdef int64_t unit = 1
    while digits > 1:
        digits -= 1
        unit *= 10
    while unit:
        put(<char> (c'0' + number // unit % 10))
        unit //= 10


cdef void rawlog_slice(Slice text) noexcept nogil:
    cdef size_t i
    for i in range(text.length):
        put(text.data[i])


cdef void rawlog_text(const char *text) noexcept nogil:
    rawlog_slice(slice_of(text, strlen(text)))


cdef void rawlog_number(int64_t number) noexcept nogil:
    cdef char digits[FORMAT_I64_SIZE]
    rawlog_slice(slice_of(digits, format_i64(digits, number)))


cdef void put_hex(uint64_t number, int digits) noexcept nogil:
    cdef const char *hexits = b"0123456789abcdef"
    while digits > 0:
        digits -= 1
        put(hexits[number >> (4 * digits) & 15])


cdef void rawlog_address(const void *address) noexcept nogil:
    rawlog_text(b"0x")
    put_hex(<uintptr_t> address, 16)


cdef void rawlog_offset(size_t bytes) noexcept nogil:
    cdef int digits = 1
    while digits < 16 and bytes >> 4 * digits:
        digits += 1
    rawlog_text(b"+0x")
    put_hex(bytes, digits)


cdef void rawlog_quoted(Slice text, size_t most) noexcept nogil:
    """Bytes as MONITOR shows them, the first `most` of them."""
    cdef size_t i
    cdef uint8_t byte
    put(c'"')
    for i in range(text.length if text.length < most else most):
        byte = <uint8_t> text.data[i]
        if byte == c'"' or byte == c'\\':
            put(c'\\')
            put(byte)
        elif 32 <= byte < 127:
            put(byte)
        else:
            rawlog_text(b"\\x")
            put_hex(byte, 2)
    put(c'"')
    if text.length > most:
        rawlog_text(b"... (")
        rawlog_number(text.length)
        rawlog_text(b" bytes)")


cdef void rawlog_end() noexcept nogil:
    """The line is complete."""
    global length
    line[length] = c'\n'
    c_write(descriptor, line, length + 1)       # there is nobody to tell of a failure
    length = 0


cdef void rawlog_line(const char *text) noexcept nogil:
    """A line of its own, without a head."""
    rawlog_text(text)
    rawlog_end()
