"""The crash report: what the process was doing when a signal ended it, in the log.

    === KV BUG REPORT START: Cut & paste starting from here ===
    12:M 26 Nov 2026 10:00:00.123 # KV 8.1.7 crashed by signal: 11, si_code: 2
    ------ STACK TRACE ------                   of the thread in C, of all threads in Python
    ------ STACK TRACE DONE ------
    ------ CURRENT CLIENT INFO ------           and the words of its command
    ------ CONFIG DEBUG OUTPUT ------           options that crashes may hang on
    ------ FAST MEMORY TEST ------
    === KV BUG REPORT END. Make sure to include from START to END. ===

The handler runs on a stack of its own, since the other one may have overflowed, and calls only what is safe in the middle
of anything. What if it crashes itself, the memory being damaged? The report is a row of parts, and `part` says which one
is under way: the same handler, entered again, goes on with the next one, so there is one report and it comes to its end.

Python's half of the stack trace is the work of the faulthandler module, which can do it at any moment. Its handler of a
signal, registered for SIGALRM, is taken out of the signal's disposition and called as a function while stderr is the log.

The same stack trace, and no end, is what SIGALRM asks for: sent by an operator, or by the watchdog's timer.
"""
from libc.errno cimport errno
from libc.stdint cimport SIZE_MAX
from libc.string cimport memcpy, strchr, strlen

from kv._core.base.blob cimport Blob
from kv._core.base.clibrary cimport Place, kv_backtrace, kv_place_of, kv_thread_id
from kv._core.base.memory cimport memory_alloc
from kv._core.base.platform cimport assertion_failed, panic
from kv._core.base.slice cimport slice_of
from kv._core.engine.engine cimport Engine
from kv._core.engine.memtest cimport memtest_report
from kv._core.engine.rawlog cimport (
    rawlog_address, rawlog_close, rawlog_end, rawlog_fd, rawlog_head, rawlog_is_child, rawlog_line, rawlog_number,
    rawlog_offset, rawlog_open, rawlog_quoted, rawlog_slice, rawlog_text)
from kv._core.engine.sighandler cimport (
    SA_RESTART, c_exit, c_raise, kv_set_default, kv_set_errno, kv_set_handler, sigaction_t, siginfo_t)
from kv._core.runtime.state cimport COMMAND_NO_AUTH, Context, Runtime, Session

cdef extern from *:
    """
    #include <fcntl.h>
    #include <signal.h>
    #include <sys/mman.h>
    #include <ucontext.h>
    #include <unistd.h>

    typedef void (*kv_plain_handler)(int);

    static inline kv_plain_handler kv_handler_of(int number) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) != 0 || action.sa_flags & SA_SIGINFO) return NULL;
        return action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN ? NULL : action.sa_handler;
    }

    /* The instruction that a signal interrupted. */
    static inline void *kv_interrupted_at(void *context) {
    #if defined(__x86_64__)
        return (void *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    #elif defined(__aarch64__)
        return (void *)((ucontext_t *)context)->uc_mcontext.pc;
    #else
        return NULL;
    #endif
    }

    /* The end of the stack at that moment. */
    static inline void **kv_interrupted_stack(void *context) {
    #if defined(__x86_64__)
        return (void **)((ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
    #elif defined(__aarch64__)
        return (void **)((ucontext_t *)context)->uc_mcontext.sp;
    #else
        return (void **)((uintptr_t)&context & ~(uintptr_t)7);
    #endif
    }

    static inline int kv_take_turn(int *holder, int thread) { return __sync_val_compare_and_swap(holder, 0, thread); }
    """
    ctypedef struct stack_t:
        void *ss_sp
        int ss_flags
        size_t ss_size
    ctypedef void (*kv_plain_handler)(int number) noexcept nogil
    enum:
        SA_NODEFER
        SI_QUEUE
        SI_USER
        SIGABRT
        SIGALRM
        SIGBUS
        SIGFPE
        SIGILL
        SIGSEGV
        PROT_READ
        MAP_PRIVATE
        MAP_ANONYMOUS
    kv_plain_handler kv_handler_of(int number) noexcept nogil
    void *kv_interrupted_at(void *context) noexcept nogil
    void **kv_interrupted_stack(void *context) noexcept nogil
    int kv_take_turn(int *holder, int thread) noexcept nogil        # who had it before, 0: nobody
    int sigaction(int number, const sigaction_t *action, sigaction_t *before) noexcept nogil
    int sigaltstack(const stack_t *stack, stack_t *before) noexcept nogil
    int getpid() noexcept nogil
    int dup(int fd) noexcept nogil
    int dup2(int fd, int target) noexcept nogil
    int c_close "close"(int fd) noexcept nogil
    int c_unlink "unlink"(const char *path) noexcept nogil
    int pause() noexcept nogil
    unsigned int c_alarm "alarm"(unsigned int seconds) noexcept nogil
    void *mmap(void *address, size_t length, int protection, int flags, int fd, long offset) noexcept nogil

cdef enum:
    FAULTS = 5
    FRAMES = 100                # most frames of a stack trace
    STACK_SIZE = 64 * 1024      # of the handler
    PATH_SIZE = 4096
    VERSION_SIZE = 32
    STDERR = 2
    SHOWN_WORDS = 32            # of a command
    SHOWN_BYTES = 128           # of a word
    REPORT_SECONDS = 30         # a report that takes longer hangs: the process is ended

cdef const char *START = b"\n\n=== KV BUG REPORT START: Cut & paste starting from here ==="
cdef const char *END = (b"\n=== KV BUG REPORT END. Make sure to include from START to END. ===\n\n"
                        b"       Please report the crash by opening an issue on github:\n\n"
                        b"           https://github.com/hanzoai/kv/issues\n")
REPORT_START, REPORT_END = START.decode() + "\n", END.decode() + "\n"   # for a report that Python writes

cdef int[FAULTS] faults = [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT]
cdef sigaction_t before[FAULTS]     # what a fault did before we were installed
cdef bint installed = False
cdef bint enabled = False           # crash-log-enabled
cdef bint hide_data = True          # hide-user-data-from-log
cdef bint exit_on_panic = False     # use-exit-on-panic
cdef bint tests_memory = False      # crash-memcheck-enabled
cdef bytes options_text = b""       # lines of a configuration that reports show
cdef const char *options = b""      # the same, for the handler
cdef char handler_stack[STACK_SIZE]
cdef char pidfile[PATH_SIZE]        # to be removed, terminated; empty: none
cdef char version[VERSION_SIZE]
cdef Engine observed_engine = None
cdef Runtime *observed = NULL       # its runtime, for the command that runs
cdef kv_plain_handler python_traceback = NULL   # faulthandler's
cdef int reporter = 0               # the thread that writes the report, 0: none
cdef int tracer = 0                 # ... that writes a stack trace for SIGALRM
cdef int part = 0                   # of the report: the last one that was begun


# -- from Python --------------------------------------------------------------------------------------------------

def install(str server_version not None, bytes pidfile_path not None):
    """Catch faults, and SIGALRM, whose handler must be faulthandler's by now. `pidfile_path` is removed when the process ends by
    a fault; b"" for none. Once a process, in its main thread, after rawlog_configure."""
    global installed, python_traceback
    cdef bytes name = server_version.encode()
    cdef stack_t stack
    cdef void *frames[1]
    cdef int i
    if len(pidfile_path) >= PATH_SIZE or len(name) >= VERSION_SIZE:
        raise ValueError("a text is too long")
    memcpy(pidfile, <const char *> pidfile_path, len(pidfile_path) + 1)
    memcpy(version, <const char *> name, len(name) + 1)
    kv_backtrace(frames, 1, NULL, frames)   # the first call loads a library, which no handler may do
    stack.ss_sp, stack.ss_size, stack.ss_flags = handler_stack, STACK_SIZE, 0
    sigaltstack(&stack, NULL)
    python_traceback = kv_handler_of(SIGALRM)
    kv_set_handler(SIGALRM, on_alarm, SA_RESTART, NULL)
    for i in range(FAULTS):
        sigaction(faults[i], NULL, before + i)
    installed = True


def configure(*, bint crash_log, bint hide, bint exit_status, bint test_memory, bytes shown_options not None):
    """Whether there are reports, whether they keep users' data to themselves, whether a panic ends the process with
    status 1, whether memory is tested, and the options that are shown. SIGABRT is caught all the same, for the sake of a
    panic's text."""
    global enabled, hide_data, exit_on_panic, tests_memory, options_text, options
    cdef int i
    enabled, hide_data, exit_on_panic, tests_memory = crash_log, hide, exit_status, test_memory
    options = shown_options
    options_text = shown_options
    if not installed:
        return
    for i in range(FAULTS):
        if enabled or faults[i] == SIGABRT:
            kv_set_handler(faults[i], on_fault, SA_NODEFER, NULL)
        else:
            sigaction(faults[i], before + i, NULL)


def observe(Engine engine not None):
    """Whose running command reports show. It stays alive until forget_python."""
    global observed, observed_engine
    observed_engine, observed = engine, &engine.runtime


def forget_python():
    """The interpreter is about to end."""
    global python_traceback, observed, observed_engine
    python_traceback, observed, observed_engine = NULL, NULL, None


# -- SIGALRM ------------------------------------------------------------------------------------------------------

cdef void on_alarm(int number, siginfo_t *info, void *context) noexcept nogil:
    """Somebody wants to know what the process is doing, or the watchdog does, whose timer is the kernel's."""
    global tracer
    cdef int saved_errno = errno
    if reporter == 0 and kv_take_turn(&tracer, kv_thread_id()) == 0:
        rawlog_open()
        rawlog_line(b"")
        rawlog_head()
        rawlog_line(b"--- WATCHDOG TIMER EXPIRED ---" if info.si_code > SI_USER else b"Received SIGALRM")
        native_trace(context)
        python_trace()
        command_words()
        rawlog_line(b"--------")
        rawlog_close()
        tracer = 0
    kv_set_errno(saved_errno)


# -- faults -------------------------------------------------------------------------------------------------------

cdef void on_fault(int number, siginfo_t *info, void *context) noexcept nogil:
    cdef int thread = kv_thread_id()
    cdef int holder
    cdef const char *told = told_by_panic(number, info)
    if not enabled and told == NULL:
        end(number)                     # not ours: as if there were no handler
    holder = kv_take_turn(&reporter, thread)
    while holder != 0 and holder != thread:
        pause()                         # another thread reports, and ends the process
    if holder == 0:
        kv_set_default(SIGALRM)
        c_alarm(REPORT_SECONDS)
        rawlog_open()
    else:
        rawlog_head()
        rawlog_line(b"Crashed running the crash report, which goes on with its next part.")
    report(number, info, context, told)
    remove_pidfile()
    if told != NULL and exit_on_panic:
        c_exit(1)
    end(number)


cdef void report(int number, siginfo_t *info, void *context, const char *told) noexcept nogil:
    """The parts that were not begun yet."""
    global part
    while part < 7:
        part += 1
        if part == 1:
            what_happened(number, info, context, told)
        elif part == 7:
            rawlog_line(END)
        elif not enabled:
            continue
        elif part == 2:
            native_trace(context)
        elif part == 3:
            python_trace()
        elif part == 4:
            command_words()
        elif part == 5:
            rawlog_line(b"\n------ CONFIG DEBUG OUTPUT ------")
            rawlog_slice(slice_of(options, strlen(options)))
            rawlog_end()
        elif tests_memory and not rawlog_is_child():
            memtest_report()


cdef const char *told_by_panic(int number, const siginfo_t *info) noexcept nogil:
    """The text of kv_panic, NULL where the signal is not its."""
    if number == SIGABRT and info.si_code == SI_QUEUE and info.si_pid == getpid():
        return <const char *> info.si_value.sival_ptr
    return NULL


cdef void end(int number) noexcept nogil:
    """End as the signal would have ended the process, with its core dump."""
    kv_set_default(number)
    c_raise(number)
    c_exit(128 + number)


cdef void remove_pidfile() noexcept nogil:
    if pidfile[0] and not rawlog_is_child():
        c_unlink(pidfile)


# -- the parts ----------------------------------------------------------------------------------------------------

cdef void what_happened(int number, const siginfo_t *info, void *context, const char *told) noexcept nogil:
    rawlog_line(START)
    if rawlog_is_child():
        head_line(b"This is a forked child (role C): the server itself goes on.")
    if told != NULL:
        panic_lines(told)
        return
    rawlog_head()
    rawlog_text(b"KV ")
    rawlog_text(version)
    rawlog_text(b" crashed by signal: ")
    rawlog_number(number)
    rawlog_text(b", si_code: ")
    rawlog_number(info.si_code)
    rawlog_end()
    if number == SIGSEGV or number == SIGBUS:
        address_line(b"Accessing address: ", info.si_addr)
    if info.si_code == SI_USER:
        rawlog_head()
        rawlog_text(b"Killed by PID: ")
        rawlog_number(info.si_pid)
        rawlog_text(b", UID: ")
        rawlog_number(info.si_uid)
        rawlog_end()
    address_line(b"Crashed running the instruction at: ", kv_interrupted_at(context))


cdef void panic_lines(const char *told) noexcept nogil:
    """Each line of the text as a line of the log."""
    cdef const char *stop
    if told[0] != c'=':
        head_line(b"------------------------------------------------")
        head_line(b"!!! Software Failure. Press left mouse button to continue")
    while True:
        stop = strchr(told, c'\n')
        rawlog_head()
        rawlog_slice(slice_of(told, stop - told if stop != NULL else strlen(told)))
        rawlog_end()
        if stop == NULL:
            return
        told = stop + 1


cdef void head_line(const char *text) noexcept nogil:
    rawlog_head()
    rawlog_line(text)


cdef void address_line(const char *what, const void *address) noexcept nogil:
    rawlog_head()
    rawlog_text(what)
    rawlog_address(address)
    rawlog_end()


cdef void native_trace(void *context) noexcept nogil:
    """The stack of this thread in C, from the instruction that was interrupted."""
    cdef void *frames[FRAMES]
    cdef void *interrupted = kv_interrupted_at(context)
    cdef int i, skipped = 0
    cdef int count
    rawlog_line(b"\n------ STACK TRACE ------\nBacktrace:")
    count = kv_backtrace(frames, FRAMES, interrupted, kv_interrupted_stack(context))
    for i in range(count):
        if frames[i] == interrupted:
            skipped = i
    for i in range(skipped, count):
        frame_line(frames[i])


cdef void frame_line(const void *frame) noexcept nogil:
    """"file(name+0x12)[0x...]", or how far behind the beginning of the file's code where it exports no name."""
    cdef Place place
    if kv_place_of(frame, &place):
        rawlog_text(place.file)
        rawlog_text(b"(")
        if place.name != NULL:
            rawlog_text(place.name)
        rawlog_offset(place.past_name if place.name != NULL else place.offset)
        rawlog_text(b")")
    rawlog_text(b"[")
    rawlog_address(frame)
    rawlog_line(b"]")


cdef void python_trace() noexcept nogil:
    """The stacks of all threads in Python."""
    cdef int stderr_before
    if python_traceback == NULL:
        return
    rawlog_line(b"\nPython:")
    stderr_before = dup(STDERR)
    dup2(rawlog_fd(), STDERR)
    python_traceback(SIGALRM)
    if stderr_before >= 0:
        dup2(stderr_before, STDERR)
        c_close(stderr_before)


cdef void command_words() noexcept nogil:
    """The end of the stack trace; then the client whose command runs, and the command. Not from another thread, where it
    may end meanwhile, nor from a child, which does something else."""
    cdef Context *c
    cdef int i
    rawlog_line(b"\n------ STACK TRACE DONE ------")
    if observed == NULL or observed.running == NULL or kv_thread_id() != getpid() or rawlog_is_child():
        return
    c = observed.running
    rawlog_line(b"\n------ CURRENT CLIENT INFO ------")
    client_line(c.session, c.database.id if c.database != NULL else -1)
    rawlog_text(b"argc: ")
    rawlog_number(c.argc)
    rawlog_end()
    for i in range(c.argc if c.argc < SHOWN_WORDS else SHOWN_WORDS):
        rawlog_text(b"argv[")
        rawlog_number(i)
        rawlog_text(b"]: ")
        word(c, i)
        rawlog_end()


cdef void word(const Context *c, int index) noexcept nogil:
    """A word of the command: its size where it is a user's data or may be a password."""
    cdef bint secret = c.command == NULL or c.command.flags & COMMAND_NO_AUTH
    if index < 64 and observed.redacted >> index & 1:
        secret = True
    if index > 0 and (hide_data or secret):
        rawlog_number(c.argv[index].length)
        rawlog_text(b" bytes")
    else:
        rawlog_quoted(c.argv[index], SHOWN_BYTES)


cdef void client_line(const Session *session, int database) noexcept nogil:
    rawlog_text(b"id=")
    rawlog_number(session.id)
    rawlog_text(b" addr=")
    blob(session.peer)
    rawlog_text(b" laddr=")
    blob(session.local)
    rawlog_text(b" fd=")
    rawlog_number(session.fd)
    rawlog_text(b" name=")
    if hide_data:
        rawlog_text(b"*redacted*")
    else:
        blob(session.name)
    rawlog_text(b" db=")
    rawlog_number(database)
    rawlog_text(b" resp=")
    rawlog_number(session.resp)
    rawlog_end()


cdef void blob(const Blob *text) noexcept nogil:
    if text != NULL:
        rawlog_slice(slice_of(text.data, text.length))


# -- crashes on purpose -------------------------------------------------------------------------------------------

def crash_by_fault():
    """DEBUG SEGFAULT: write to a page that may only be read."""
    cdef char *page = <char *> mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    page[0] = c'x'


def crash_by_panic(str text not None):
    """DEBUG PANIC."""
    cdef bytes raw = text.encode()
    panic(raw)


def crash_by_assertion():
    """DEBUG ASSERT."""
    assertion_failed(b"DEBUG ASSERT:", b"1 == 2")


def crash_by_memory():
    """DEBUG OOM: ask for more memory than there can be."""
    memory_alloc(SIZE_MAX // 2)
