"""The commands of an append-only file, run as they are read.

What stands in the file is what this server wrote, so the parser is strict where a socket's is forgiving: a line that
begins with neither `*` nor `#` (an annotation) is a fault, and so is a command that does not exist. What is cut off at
the end is no fault here: the reader is told how far whole commands go, and decides.

A transaction counts as a whole: its commands run when its EXEC is there. MULTI and EXEC themselves do not run, since
nothing comes in between. A MULTI inside a transaction is a fault, and so is an EXEC outside: there a transaction was torn and
somebody wrote on behind it, so nobody can tell any longer what belongs to it. Nothing is accounted to commands, logged
or propagated: this is the past, and was accounted for then.

As with sockets, a window of commands is parsed before the first one runs, and their buckets and entries are fetched
meanwhile.

Whoever feeds wants to look at clients and signals now and then, however slow commands are and however long a
transaction is. So feed() ends after a given time, wherever it is in a window, and the next one goes on there.
"""
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport UINT64_MAX, int64_t, uint64_t
from libc.string cimport memchr, memset

from kv._core.base.clock cimport clock_ticks
from kv._core.base.memory cimport memory_free, memory_realloc
from kv._core.base.platform cimport unlikely
from kv._core.base.slice cimport Slice, slice_is
from kv._core.keyspace.database cimport database_prefetch_entry
from kv._core.engine.execute cimport execute_past, prefetch_key, refresh_clock
from kv._core.engine.engine cimport Engine
from kv._core.engine.isolation cimport Isolated, isolated_enter
from kv._core.keyspace.keyspace cimport database_flush
from kv._core.resp.parser cimport Arguments, arguments_add
from kv._core.runtime.registry cimport command_find, command_find_child
from kv._core.runtime.session cimport session_free, session_new
from kv._core.runtime.state cimport CALLER_FILE, EXEMPT_ALL, Command, Request, Runtime, Session
from kv._core.scripts.functions cimport libraries_flush
from kv._core.scripts.scripting cimport Scripting

from kv._core.lua.api import LuaMissing, lua_load

cdef enum:
    WINDOW = 64             # commands parsed before the first one runs
    MOST_DIGITS = 18        # of a length
    SHOWN = 128             # bytes of an unknown command's name, and of its arguments, that its fault shows

cdef enum Outcome:
    PARSED                  # a whole command
    CUT_OFF                 # the bytes end before it does
    MALFORMED               # no command
    REFUSED                 # a command that can't run: unknown, or with the wrong number of arguments


class AofFault(ValueError):
    """The bytes at `offset` can't be run; everything before `whole` is whole units. `refusal` says why a command is refused, empty
    for what is no command."""

    def __init__(self, offset, whole, refusal=""):
        super().__init__(refusal or "bad format")
        self.offset = offset
        self.whole = whole
        self.refusal = refusal


cdef class AofReplay:
    """Runs one file's commands, fed to it in stretches of bytes."""
    cdef Engine engine
    cdef Session *session
    cdef Arguments arguments            # of the window's commands
    cdef Request *requests              # the window, longer where a transaction is
    cdef int capacity                   # requests that fit
    cdef int count                      # requests in the window
    cdef int next                       # ... of which the first that did not run yet
    cdef int fetched                    # ... and the first whose bucket was not fetched yet
    cdef uint64_t deadline              # ticks at which feed() is to end
    cdef readonly bint paused           # the last feed ended although there was more to run
    cdef bint open_transaction          # where the last parse stopped
    cdef size_t wanted                  # where the command that was cut off ends, at least
    cdef readonly uint64_t commands     # that ran
    cdef readonly uint64_t errors       # how many of them answered with an error
    cdef readonly bytes error           # the first of those errors, and whose it is
    cdef readonly str error_command
    cdef bint stopped                   # a command could not run for want of something
    cdef str missing                    # ... that this names

    def __cinit__(self, Engine engine not None):
        self.engine = engine
        engine.enter()
        self.session = session_new(&engine.runtime, CALLER_FILE, EXEMPT_ALL, NULL, -1)

    def __dealloc__(self):
        cdef Isolated *before
        if self.engine is None:
            return
        before = self.engine.enter()
        if self.session != NULL:
            session_free(self.session)
        memory_free(self.arguments.items)
        memory_free(self.requests)
        isolated_enter(before)

    @property
    def in_transaction(self):
        """Whether what the last feed left begins with a MULTI whose EXEC was not there."""
        return self.open_transaction

    @property
    def needed(self):
        """Offset (in the bytes of the last feed) up to which more must be there for the next command to be whole."""
        return self.wanted

    def feed(self, const unsigned char[::1] data not None, size_t at=0, uint64_t most=UINT64_MAX, int64_t slice_us=0):
        """Run the whole commands and transactions in data[at:], about `most` of them, for about so many microseconds (0: as
        long as it takes); the offset behind them. Where `paused` is set then, the same data must be fed again from there.
        Raises AofFault."""
        self.engine.enter()
        cdef const char *bytes_ = <const char *> &data[0] if data.shape[0] else NULL
        cdef size_t length = data.shape[0]
        cdef uint64_t before = self.commands
        cdef Outcome outcome = PARSED
        cdef size_t fault
        refresh_clock(&self.engine.runtime)
        self.deadline = UINT64_MAX
        if slice_us:
            self.deadline = clock_ticks() + <uint64_t> (slice_us * self.engine.runtime.ticks_per_us)
        self.paused = False
        while not self.paused and outcome == PARSED:
            if self.next == self.count:
                outcome = self.parse_window(bytes_, length, &at, &fault, most)
                if outcome == REFUSED:
                    raise AofFault(fault, at, self.refusal())
            self.run_window()
            if self.stopped:
                raise AofFault(at, at, self.missing)
            self.paused = self.paused or (outcome == PARSED and self.commands - before >= most)
        if outcome == MALFORMED and not self.paused:
            raise AofFault(fault, at)
        return at

    # -- parsing -------------------------------------------------------------------------------------------------------

    cdef Outcome parse_window(self, const char *data, size_t length, size_t *end, size_t *fault,
                              uint64_t most) noexcept nogil:
        """Fill the window from end[0]; `end` moves behind the last whole unit, `fault` to what did not parse."""
        cdef Outcome outcome = PARSED
        cdef size_t at = end[0]
        cdef int whole = 0          # commands of the window that may run
        self.count = self.next = self.fetched = 0
        self.arguments.count = 0
        self.open_transaction = False
        while outcome == PARSED and (self.open_transaction or (<uint64_t> self.count < most and self.count < WINDOW)):
            fault[0] = at
            if at < length and unlikely(data[at] == c'#'):
                outcome = self.skip_annotation(data, length, &at)
            else:
                outcome = self.parse_command(data, length, &at)
                if outcome == PARSED:
                    outcome = self.admit()
            if outcome == PARSED and not self.open_transaction:
                end[0] = at
                whole = self.count
        if outcome != REFUSED:
            self.count = whole
        return outcome

    cdef Outcome skip_annotation(self, const char *data, size_t length, size_t *at) noexcept nogil:
        cdef const char *end = <const char *> memchr(data + at[0], c'\n', length - at[0])
        if end == NULL:
            self.wanted = length + 1
            return CUT_OFF
        at[0] = end - data + 1
        return PARSED

    cdef Outcome parse_command(self, const char *data, size_t length, size_t *at) noexcept nogil:
        """One command into the next place of the window; `at` moves behind it."""
        cdef int64_t left = 0, size = 0
        cdef size_t position = at[0]
        cdef size_t first = self.arguments.count
        cdef Slice *argument
        cdef Outcome outcome
        self.wanted = length + 1
        outcome = read_number(data, length, &position, c'*', &left)
        if outcome == PARSED and left < 1:
            return MALFORMED
        while outcome == PARSED and left > 0:
            outcome = read_number(data, length, &position, c'$', &size)
            if outcome != PARSED:
                break
            if <size_t> size + 2 > length - position:
                self.wanted = position + <size_t> size + 2
                return CUT_OFF
            if unlikely(data[position + size] != c'\r' or data[position + size + 1] != c'\n'):
                return MALFORMED        # the length is wrong
            argument = arguments_add(&self.arguments)
            argument.data = data + position
            argument.length = <size_t> size
            position += <size_t> size + 2
            left -= 1
        if outcome == PARSED:
            self.add_request(first)
            at[0] = position
        return outcome

    cdef void add_request(self, size_t first) noexcept nogil:
        cdef Request *request
        if self.count == self.capacity:
            self.capacity = self.capacity * 2 if self.capacity else WINDOW
            self.requests = <Request *> memory_realloc(self.requests, self.capacity * sizeof(Request))
        request = self.requests + self.count
        memset(request, 0, sizeof(Request))
        request.first = first
        request.argc = <int> (self.arguments.count - first)
        self.count += 1

    cdef Outcome admit(self) noexcept nogil:
        """Look up the command that was just parsed. MULTI and EXEC leave the window again."""
        cdef Request *request = self.requests + self.count - 1
        cdef Slice *argv = self.arguments.items + request.first
        cdef Command *command
        if unlikely(slice_is(argv[0], b"multi", 5) or slice_is(argv[0], b"exec", 4)) and request.argc == 1:
            self.count -= 1
            if unlikely(self.open_transaction == (argv[0].length == 5)):
                return MALFORMED
            self.open_transaction = not self.open_transaction
            return PARSED
        command = command_find(argv[0])
        if command != NULL and command.child_count and request.argc > 1:
            command = command_find_child(command, argv[1])
        request.command = command
        if command == NULL or (command.arity > 0 and command.arity != request.argc) or request.argc < -command.arity:
            return REFUSED
        return PARSED

    cdef str refusal(self):
        """Why the window's last command is refused."""
        cdef Request *request = self.requests + self.count - 1
        cdef Slice *argv = self.arguments.items + request.first
        cdef Command *parent = command_find(argv[0])
        if request.command != NULL:
            return f"wrong number of arguments for '{request.command.name.decode()}' command"
        if parent != NULL:
            return f"unknown subcommand '{shown(argv[1])}'. Try {parent.name.decode().upper()} HELP."
        words = "".join([f"'{shown(argv[i])}' " for i in range(1, min(request.argc, 16))])
        return f"unknown command '{shown(argv[0])}', with args beginning with: {words[:SHOWN]}"

    # -- running -------------------------------------------------------------------------------------------------------

    cdef void run_window(self) noexcept nogil:
        """Run what is left of the window, or as much of it as there is time for."""
        while self.next < self.count and not self.paused and not self.stopped:
            if self.next == self.fetched:
                self.fetched = self.next + WINDOW if self.count - self.next > WINDOW else self.count
                self.prefetch(self.next, self.fetched)
            self.run(self.requests + self.next)
            self.next += 1
            self.paused = clock_ticks() >= self.deadline

    cdef void prefetch(self, int start, int stop) noexcept nogil:
        cdef Request *request
        cdef int i
        for i in range(start, stop):
            request = self.requests + i
            request.argv = self.arguments.items + request.first
            prefetch_key(self.session.database, request)
        for i in range(start, stop):
            if self.requests[i].command.first_key:
                database_prefetch_entry(self.session.database, self.requests[i].key_hash)

    cdef void run(self, Request *request) noexcept nogil:
        cdef Runtime *runtime = &self.engine.runtime
        cdef size_t reply_start = runtime.arena.length
        self.commands += 1
        if unlikely(not execute_past(self.session, request, &runtime.arena)):
            self.errors += 1
            with gil:
                self.note_error(request, reply_start)
        runtime.arena.length = reply_start

    cdef void note_error(self, Request *request, size_t reply_start) noexcept:
        cdef Runtime *runtime = &self.engine.runtime
        name = request.command.name.decode()
        if self.errors == 1:
            reply = PyBytes_FromStringAndSize(runtime.arena.data + reply_start, runtime.arena.length - reply_start)
            self.error, self.error_command = reply[1:].rstrip(b"\r\n"), name
        if name.startswith("function|"):
            try:
                lua_load()
            except LuaMissing as missing:       # to go on would be to lose all functions at the next rewrite
                self.missing, self.stopped = str(missing), True


cdef Outcome read_number(const char *data, size_t length, size_t *at, char mark, int64_t *number) noexcept nogil:
    """The header line at an offset: its mark, digits, and the end of the line, behind which the offset then is."""
    cdef size_t i = at[0]
    cdef size_t start = i + 1
    cdef int64_t value = 0
    if i == length:
        return CUT_OFF
    if data[i] != mark:
        return MALFORMED
    i += 1
    while i < length and c'0' <= data[i] <= c'9' and i - start < MOST_DIGITS:
        value = value * 10 + (data[i] - c'0')
        i += 1
    if i == length:
        return CUT_OFF
    if i == start or data[i] != c'\r':
        return MALFORMED
    if i + 1 == length:
        return CUT_OFF
    if data[i + 1] != c'\n':
        return MALFORMED
    at[0] = i + 2
    number[0] = value
    return PARSED


cdef str shown(Slice word):
    return word.data[:min(word.length, <size_t> SHOWN)].decode("utf-8", "replace")


def empty_dataset(Engine engine not None):
    """Delete every key and every function, telling nobody: another dataset is about to be read."""
    cdef int i
    engine.enter()
    for i in range(engine.runtime.keyspace.count):
        database_flush(&engine.runtime.keyspace, engine.runtime.keyspace.databases + i, NULL)
    if engine.runtime.scripting != NULL:
        libraries_flush(<Scripting *> engine.runtime.scripting, False)
