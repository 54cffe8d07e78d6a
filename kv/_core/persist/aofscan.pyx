"""Reading over an append-only file: where its units end, and what is wrong with it.

    scan = AofScan(offset)              of a file, or of what stands behind its RDB preamble
    while not scan.stopped and (part := file.read(1 << 20)):
        scan.feed(part)
    scan.end()

A unit is what takes effect as a whole: a command, a transaction with its EXEC, an annotation. Nothing runs, and nothing is kept but
a few bytes of what is being read, so a value of gigabytes needs no memory. The grammar is the loader's (engine/aofreplay): what is
whole here is read there. The words for what is wrong are valkey-check-aof's, as far as it looks for the same.
"""
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memchr

from kv._core.base.slice cimport slice_is, slice_of

cdef enum:
    MOST_DIGITS = 18            # of a length
    NAME_MOST = 5               # bytes of a command's name that are kept: enough for MULTI
    ANNOTATION_MOST = 32        # ... and of an annotation: enough for a time

cdef enum Place:                # what the next byte belongs to
    AT_START                    # a command or an annotation begins
    IN_NUMBER                   # a header line: its mark, then digits
    IN_VALUE                    # an argument
    IN_NEWLINE                  # the end of a header or of an argument
    IN_ANNOTATION


cdef class AofScan:
    """Reads over a file that is fed to it in stretches of any size, from an offset on. `until`: a unix time; the scan stops before
    the first annotation of a later one (0: nowhere)."""
    cdef Place place
    cdef char mark                      # of the header that is being read: * or $
    cdef int64_t number                 # ... and its number so far
    cdef int digits                     # ... with so many digits; -1: the mark is still to come
    cdef int64_t arguments              # of the command that are still to come
    cdef bint names                     # the argument is the command's name
    cdef bint alone                     # ... and its only argument
    cdef uint64_t size                  # bytes of the argument
    cdef uint64_t left                  # ... that are still to come
    cdef unsigned char pair[2]          # of a line's end
    cdef int paired                     # bytes of it that are there
    cdef char kept[ANNOTATION_MOST]     # the beginning of a name or of an annotation
    cdef int kept_length
    cdef int64_t until
    cdef bint halted                    # nothing more is read
    cdef readonly uint64_t offset       # in the file, of the next byte
    cdef readonly uint64_t whole        # ... behind the last whole unit
    cdef readonly uint64_t began        # ... where the line or the argument begins that is being read, or is wrong
    cdef readonly uint64_t lines        # lines that begin up to here, of headers and arguments
    cdef readonly uint64_t commands     # whole ones
    cdef readonly bint in_transaction
    cdef readonly bint past             # an annotation of a time after `until` was met: it begins at `began`
    cdef readonly bint unmarked         # neither a command nor an annotation begins where one should
    cdef readonly str fault             # what is wrong, "" for nothing

    def __cinit__(self, uint64_t offset=0, int64_t until=0):
        self.offset = self.whole = self.began = offset
        self.until = until
        self.lines = 1
        self.fault = ""

    @property
    def stopped(self):
        """Whether the rest of the file is not to be read."""
        return bool(self.halted)

    def feed(self, const unsigned char[::1] data not None):
        """Read over these bytes, or up to where the scan stops."""
        cdef const unsigned char *at = &data[0] if data.shape[0] else NULL
        cdef const unsigned char *end = at + data.shape[0]
        cdef const unsigned char *start
        while at < end and not self.halted:
            start = at
            if self.place == AT_START:
                self.begin(at[0])
            elif self.place == IN_NUMBER:
                at += self.take_digit(at[0])
            elif self.place == IN_NEWLINE:
                at += self.take_newline(at[0])
            elif self.place == IN_VALUE:
                at = self.take_value(at, end)
            else:
                at = self.take_annotation(at, end)
            self.offset += at - start

    def end(self):
        """The file ends here: say so where that is too early."""
        if self.halted:
            return
        if self.place == IN_ANNOTATION:
            self.complain("Reached EOF before the end of an annotation")
        elif self.place == IN_VALUE or (self.place == IN_NEWLINE and self.mark == 0):
            self.complain(f"Expected to read {self.size + 2} bytes, got {self.size - self.left + self.paired} bytes")
        elif self.place == IN_NEWLINE or (self.place == IN_NUMBER and self.digits >= 0):
            self.complain(f"Expected \\r\\n, got: {self.pair[0] if self.place == IN_NEWLINE and self.paired else 0:02x}00")
        elif self.in_transaction:
            self.complain("Reached EOF before reading EXEC for MULTI")

    cdef void complain(self, str fault) noexcept:
        self.fault, self.halted = fault, True

    # -- the parts of a unit -------------------------------------------------------------------------------------------

    cdef void begin(self, unsigned char first) noexcept:
        self.began = self.offset
        self.kept_length = 0
        if first == c'#':
            self.place = IN_ANNOTATION
        elif first == c'*':
            self.expect_number(c'*')
        else:
            self.unmarked = self.halted = True

    cdef void expect_number(self, char mark) noexcept:
        self.place, self.mark, self.number, self.digits = IN_NUMBER, mark, 0, -1
        self.began = self.offset

    cdef int take_digit(self, unsigned char byte) except -1:
        """The next byte of a header line; how many were taken: none where the digits are over."""
        if self.digits < 0:
            self.began = self.offset
            if byte != <unsigned char> self.mark:
                self.complain(f"Expected prefix '{chr(self.mark)}', got: '{chr(byte)}'")
            self.digits = 0
            return 1
        if c'0' <= byte <= c'9' and self.digits < MOST_DIGITS:
            self.number = self.number * 10 + (byte - c'0')
            self.digits += 1
            return 1
        self.place, self.paired = IN_NEWLINE, 0
        return 0

    cdef int take_newline(self, unsigned char byte) except -1:
        """The next byte of a line's end; once both are there the next part begins."""
        self.pair[self.paired] = byte
        self.paired += 1
        if self.paired == 1:
            return 1
        if self.pair[0] != c'\r' or self.pair[1] != c'\n':
            self.complain(f"Expected \\r\\n, got: {self.pair[0]:02x}{self.pair[1]:02x}")
            return 1
        self.lines += 1
        if self.mark == c'*':
            self.begin_command()
        elif self.mark == c'$':
            self.begin_value()
        else:
            self.end_value()
        return 1

    cdef void begin_command(self) noexcept:
        if self.number < 1:
            self.complain("Expected a command of one argument at least, got none")
            return
        self.arguments = self.number
        self.names, self.alone = True, self.number == 1
        self.expect_number(c'$')
        self.began = self.offset + 1        # behind the line's end, whose last byte is not counted yet

    cdef void begin_value(self) noexcept:
        if self.digits == 0:
            self.complain("Expected the length of an argument, got none")
            return
        self.size = self.left = <uint64_t> self.number
        self.kept_length = 0
        self.mark = 0
        self.began = self.offset + 1        # behind the line's end, whose last byte is not counted yet
        self.place, self.paired = (IN_VALUE if self.left else IN_NEWLINE), 0

    cdef const unsigned char *take_value(self, const unsigned char *at, const unsigned char *end) noexcept:
        cdef uint64_t part = <uint64_t> (end - at)
        if part > self.left:
            part = self.left
        if self.names:
            self.keep(at, part, NAME_MOST + 1)
        self.left -= part
        if self.left == 0:
            self.place, self.paired = IN_NEWLINE, 0
        return at + part

    cdef void keep(self, const unsigned char *at, uint64_t length, int most) noexcept:
        """Keep the first bytes of what is being read."""
        cdef uint64_t i
        for i in range(length):
            if self.kept_length == most:
                return
            self.kept[self.kept_length] = <char> at[i]
            self.kept_length += 1

    cdef void end_value(self) noexcept:
        """An argument is whole, and with the last one the command."""
        if self.names and self.alone:
            self.note_transaction()
            if self.halted:
                return
        self.names = False
        self.arguments -= 1
        if self.arguments:
            self.expect_number(c'$')
            self.began = self.offset + 1
            return
        self.commands += 1
        self.end_unit()

    cdef void note_transaction(self) noexcept:
        """MULTI opens one and EXEC ends it; in another order somebody else has written here."""
        if slice_is(slice_of(self.kept, self.kept_length), b"multi", 5):
            if self.in_transaction:
                self.complain("Unexpected MULTI")
            self.in_transaction = True
        elif slice_is(slice_of(self.kept, self.kept_length), b"exec", 4):
            if not self.in_transaction:
                self.complain("Unexpected EXEC")
            self.in_transaction = False

    cdef void end_unit(self) noexcept:
        self.place = AT_START
        if not self.in_transaction:
            self.whole = self.offset + 1    # the byte that ends it is not counted yet

    cdef const unsigned char *take_annotation(self, const unsigned char *at, const unsigned char *end) noexcept:
        cdef const unsigned char *last = <const unsigned char *> memchr(at, c'\n', end - at)
        cdef const unsigned char *behind = last + 1 if last != NULL else end
        self.keep(at, behind - at, ANNOTATION_MOST)
        if last == NULL:
            return end
        if self.until and self.stamp() > self.until:
            self.past = self.halted = True
            return behind
        self.place = AT_START
        if not self.in_transaction:
            self.whole = self.offset + (behind - at)
        return behind

    cdef int64_t stamp(self) noexcept:
        """The unix time of the annotation, -1 where it is of another kind."""
        cdef int64_t time = 0
        cdef int i
        if self.kept_length < 6 or not slice_is(slice_of(self.kept, 4), b"#ts:", 4):
            return -1
        for i in range(4, self.kept_length):
            if not c'0' <= self.kept[i] <= c'9':
                if i == 4 or self.kept[i] != c'\r':
                    self.complain("Invalid timestamp annotation")
                break
            if i - 4 < MOST_DIGITS:
                time = time * 10 + (self.kept[i] - c'0')
        return time
