"""The load generator's loop; what it is made of is told in the .pxd.

From the bottom up: clock and random numbers, then what one connection does (open, send, receive), then
one thread's loop, then the class that Python sees.
"""
from libc.errno cimport EAGAIN, EINPROGRESS, EINTR, errno
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset, strerror
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from posix.unistd cimport close, usleep

from kv.benchmark.histogram cimport (
    Histogram, histogram_add, histogram_free, histogram_init, histogram_record)
from kv.benchmark.replies cimport replies_count

import socket

cdef extern from *:
    int64_t __atomic_fetch_add(int64_t *at, int64_t value, int order) noexcept nogil
    int64_t __atomic_load_n(const int64_t *at, int order) noexcept nogil
    void __atomic_store_n(int64_t *at, int64_t value, int order) noexcept nogil
    enum: __ATOMIC_RELAXED

cdef extern from "<sys/socket.h>" nogil:
    int c_socket "socket"(int family, int kind, int protocol)
    int c_connect "connect"(int fd, const sockaddr *address, socklen_t length)
    ssize_t c_send "send"(int fd, const void *data, size_t length, int flags)
    ssize_t c_recv "recv"(int fd, void *data, size_t length, int flags)
    int getpeername(int fd, sockaddr *address, socklen_t *length)
    int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
    enum: AF_UNIX, SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC, MSG_NOSIGNAL

cdef extern from "<sys/un.h>" nogil:
    struct sockaddr_un:
        sa_family_t sun_family
        char sun_path[108]

cdef extern from "<netinet/tcp.h>" nogil:
    enum: IPPROTO_TCP, TCP_NODELAY

cdef extern from "<netinet/in.h>" nogil:
    pass

cdef extern from "<fcntl.h>" nogil:
    int fcntl(int fd, int command, ...)
    enum: F_GETFL, F_SETFL, O_NONBLOCK

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        void *ptr
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int poll, int operation, int fd, epoll_event *event)
    int epoll_wait(int poll, epoll_event *events, int limit, int timeout_ms)
    enum: EPOLLIN, EPOLLOUT, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CLOEXEC

cdef enum:
    LOAD_INPUT_SIZE = 65536  # hundreds of small replies, and still within a processor's own cache
    LOAD_EVENTS = 256
    LOAD_WAIT_MS = 100  # how soon a thread with nothing to read notices that it shall stop
    CONNECT_BURST = 64  # connections between two pauses: a listener's backlog is short
    CONNECT_PAUSE_US = 2000
    DIGITS = 12  # of __rand_int__, itself twelve characters long

cdef bytes PLACEHOLDER = b"__rand_int__"
cdef char DIGIT_PAIRS[200]  # "000102...99": two digits for one division
for _pair in range(100):
    DIGIT_PAIRS[2 * _pair] = 48 + _pair // 10
    DIGIT_PAIRS[2 * _pair + 1] = 48 + _pair % 10


cdef int64_t clock_us() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * 1000000 + now.tv_nsec // 1000


cdef inline uint64_t random_below(loader_t *self) noexcept nogil:
    """A number below the keyspace, from splitmix64 (Steele, Lea, Flood 2014).

    The top 53 bits as a fraction, times the keyspace: no division, and with a keyspace of at most 10^12
    the product cannot round up to the keyspace itself.
    """
    cdef uint64_t z
    self.random += <uint64_t>0x9E3779B97F4A7C15
    z = self.random
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    z ^= z >> 31
    return <uint64_t>(<double>(z >> 11) * (self.plan.keyspace / 9007199254740992.0))


cdef inline void write_digits(char *at, uint64_t number) noexcept nogil:
    """Twelve digits, as two halves that need 32 bits each."""
    cdef uint32_t high = <uint32_t>(number // 1000000)
    cdef uint32_t low = <uint32_t>(number % 1000000)
    memcpy(at, &DIGIT_PAIRS[2 * (high // 10000)], 2)
    memcpy(at + 2, &DIGIT_PAIRS[2 * (high // 100 % 100)], 2)
    memcpy(at + 4, &DIGIT_PAIRS[2 * (high % 100)], 2)
    memcpy(at + 6, &DIGIT_PAIRS[2 * (low // 10000)], 2)
    memcpy(at + 8, &DIGIT_PAIRS[2 * (low // 100 % 100)], 2)
    memcpy(at + 10, &DIGIT_PAIRS[2 * (low % 100)], 2)


cdef void fail(loader_t *self, load_failure failure, int number) noexcept nogil:
    """The first failure ends every thread: figures past an error would be false."""
    if self.failure == LOAD_FINE:
        self.failure = failure
        self.failure_errno = number
    __atomic_store_n(self.plan.stopping, 1, __ATOMIC_RELAXED)


cdef int watch(loader_t *self, connection_t *connection, int operation, bint output) noexcept nogil:
    cdef epoll_event event
    event.events = EPOLLIN | (EPOLLOUT if output else 0)
    event.data.ptr = connection
    connection.watching_output = output
    return epoll_ctl(self.poll, operation, connection.fd, &event)


cdef bint connection_open(loader_t *self, connection_t *connection, bint wait) noexcept nogil:
    """Connect; with `wait` until that is done, otherwise epoll tells. A Unix socket is always waited for,
    since a full backlog is an error to the impatient there."""
    cdef const plan_t *plan = self.plan
    cdef int family = plan.address.ss_family
    cdef int yes = 1
    cdef bint under_way
    wait = wait or family == AF_UNIX
    connection.fd = c_socket(family, SOCK_STREAM | SOCK_CLOEXEC | (0 if wait else SOCK_NONBLOCK), 0)
    if connection.fd < 0:
        fail(self, LOAD_CONNECT, errno)
        return False
    if family != AF_UNIX:
        setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes))
    under_way = c_connect(connection.fd, <const sockaddr *>&plan.address, plan.address_length) < 0
    if under_way and errno != EINPROGRESS:
        fail(self, LOAD_CONNECT, errno)
        return False
    if wait:
        fcntl(connection.fd, F_SETFL, fcntl(connection.fd, F_GETFL) | O_NONBLOCK)
    connection.greeted = False
    connection.greeting = 0
    memset(&connection.replies, 0, sizeof(connection.replies))
    if watch(self, connection, EPOLL_CTL_ADD, under_way):
        fail(self, LOAD_CONNECT, errno)
        return False
    return True


cdef void connection_close(connection_t *connection) noexcept nogil:
    if connection.fd >= 0:
        close(connection.fd)
    connection.fd = -1
    free(connection.rest)
    connection.rest = NULL


cdef void flush_rest(loader_t *self, connection_t *connection) noexcept nogil:
    """Send what waits; once it is gone, wait for input alone again."""
    cdef ssize_t sent
    if connection.rest:
        if connection.rest_sent == 0:
            connection.started_us = clock_us()
        sent = c_send(connection.fd, connection.rest + connection.rest_sent,
                      connection.rest_length - connection.rest_sent, MSG_NOSIGNAL)
        if sent < 0:
            if errno != EAGAIN and errno != EINTR:
                fail(self, LOAD_WRITE, errno)
                return
            sent = 0
        connection.rest_sent += sent
        if connection.rest_sent < connection.rest_length:
            if not connection.watching_output:
                watch(self, connection, EPOLL_CTL_MOD, True)
            return
        free(connection.rest)
        connection.rest = NULL
    if connection.watching_output:
        watch(self, connection, EPOLL_CTL_MOD, False)


cdef void keep_rest(loader_t *self, connection_t *connection, int64_t sent) noexcept nogil:
    """Keep what of the batch has not been sent, behind the greeting where that is still due."""
    cdef const plan_t *plan = self.plan
    cdef int64_t prefix = 0 if connection.greeted else plan.prefix_length
    connection.rest_length = prefix + plan.batch_length - sent
    connection.rest_sent = 0
    connection.rest = <char *>malloc(connection.rest_length)
    if not connection.rest:
        fail(self, LOAD_MEMORY, 0)
        return
    memcpy(connection.rest, plan.prefix, prefix)
    memcpy(connection.rest + prefix, self.batch + sent, plan.batch_length - sent)


cdef void send_batch(loader_t *self, connection_t *connection, int64_t now_us) noexcept nogil:
    cdef int64_t i
    cdef const plan_t *plan = self.plan
    cdef ssize_t sent = 0
    for i in range(plan.slot_count):
        write_digits(self.batch + plan.slots[i], random_below(self))
    connection.started_us = now_us
    connection.latency_us = -1
    connection.pending = plan.pipeline
    if not connection.greeted and plan.prefix_length:
        connection.greeting = plan.prefix_replies
        keep_rest(self, connection, 0)
        connection.greeted = True
        flush_rest(self, connection)
        return
    connection.greeted = True
    sent = c_send(connection.fd, self.batch, plan.batch_length, MSG_NOSIGNAL)
    if sent == plan.batch_length:
        return
    if sent < 0 and errno != EAGAIN and errno != EINTR:
        fail(self, LOAD_WRITE, errno)
        return
    keep_rest(self, connection, max(sent, 0))
    if not connection.watching_output:
        watch(self, connection, EPOLL_CTL_MOD, True)


cdef void next_batch(loader_t *self, connection_t *connection, int64_t now_us) noexcept nogil:
    """Take up the next requests and send them; the connection retires where -n has been reached."""
    cdef const plan_t *plan = self.plan
    cdef int64_t before = __atomic_fetch_add(plan.issued, plan.pipeline, __ATOMIC_RELAXED)
    if before >= plan.requests:
        self.active -= 1
        return
    connection.recorded = min(plan.pipeline, plan.requests - before)
    if connection.fd < 0 and not connection_open(self, connection, False):
        return
    send_batch(self, connection, now_us)


cdef void batch_end(loader_t *self, connection_t *connection, int64_t now_us) noexcept nogil:
    connection.pending = 0
    histogram_record(&self.histogram, connection.latency_us, connection.recorded)
    __atomic_store_n(&self.finished, self.finished + self.plan.pipeline, __ATOMIC_RELAXED)
    if not self.plan.keepalive:
        connection_close(connection)
    next_batch(self, connection, now_us)


cdef void receive(loader_t *self, connection_t *connection) noexcept nogil:
    cdef int64_t now_us = clock_us()
    cdef ssize_t length = c_recv(connection.fd, self.input, LOAD_INPUT_SIZE, 0)
    cdef int64_t replies, greeting
    if length <= 0:
        if length == 0:
            fail(self, LOAD_CLOSED, 0)
        elif errno != EAGAIN and errno != EINTR:
            fail(self, LOAD_READ, errno)
        return
    if connection.pending and connection.latency_us < 0:
        connection.latency_us = now_us - connection.started_us
    replies = replies_count(&connection.replies, self.input, length)
    if connection.replies.failed or connection.replies.broken:
        fail_reply(self, connection)
        return
    greeting = min(replies, connection.greeting)
    connection.greeting -= greeting
    if connection.pending:
        connection.pending -= replies - greeting
        if connection.pending <= 0:
            batch_end(self, connection, now_us)


cdef void fail_reply(loader_t *self, connection_t *connection) noexcept nogil:
    if self.failure != LOAD_FINE:
        return
    if connection.replies.broken:
        self.text[0] = connection.replies.kind
        self.text[1] = 0
        fail(self, LOAD_BROKEN, 0)
        return
    memcpy(self.text, connection.replies.error, connection.replies.error_length)
    self.text[connection.replies.error_length] = 0
    fail(self, LOAD_ERROR, 0)


cdef bint loader_connect(loader_t *self) noexcept nogil:
    cdef int64_t i
    for i in range(self.count):
        if not connection_open(self, &self.connections[i], True):
            return False
        if i % CONNECT_BURST == CONNECT_BURST - 1:
            usleep(CONNECT_PAUSE_US)
    return True


cdef bint loader_stopping(const loader_t *self) noexcept nogil:
    return __atomic_load_n(self.plan.stopping, __ATOMIC_RELAXED) != 0


cdef void loader_run(loader_t *self) noexcept nogil:
    """One thread's whole run: until every connection has retired, or somebody says stop."""
    cdef int64_t i
    cdef epoll_event events[LOAD_EVENTS]
    cdef connection_t *connection
    cdef int ready
    self.started_us = clock_us()
    self.active = self.count
    if not self.plan.idle:
        for i in range(self.count):
            next_batch(self, &self.connections[i], clock_us())
    while self.active > 0 and not loader_stopping(self):
        ready = epoll_wait(self.poll, events, LOAD_EVENTS, LOAD_WAIT_MS)
        for i in range(ready):
            connection = <connection_t *>events[i].data.ptr
            if events[i].events & EPOLLOUT and connection.watching_output:
                flush_rest(self, connection)
            if events[i].events & ~<uint32_t>EPOLLOUT and not loader_stopping(self):
                receive(self, connection)
    self.ended_us = clock_us()


cdef class Load:
    """One benchmark: `requests` copies of `request`, over `clients` connections in `threads` threads.

    connect() once, then run(i) in a thread of its own for each i below `threads`; the GIL is free meanwhile.
    finished and failure may be read at any time, histogram() and seconds once the threads are over.
    """

    def __cinit__(self, request, *, target, prefix=(), clients=50, requests=100000, pipeline=1, threads=1,
                  keepalive=True, keyspace=None, precision=3, seed=0, idle=False):
        """`target` is a connected socket (its peer is the server) or the path of a Unix socket, `prefix` the
        requests that open each connection, `keyspace` None where __rand_int__ stays as it is."""
        self.prefix = b"".join(prefix)
        self.batch = request * pipeline
        self.precision = precision
        self.count = threads
        self.counters = <int64_t *>calloc(16, sizeof(int64_t))
        if not self.counters:
            raise MemoryError
        self.plan.issued, self.plan.stopping = self.counters, self.counters + 8
        self.plan.prefix, self.plan.prefix_length = self.prefix, len(self.prefix)
        self.plan.prefix_replies = len(prefix)
        self.plan.batch, self.plan.batch_length = self.batch, len(self.batch)
        self.plan.pipeline, self.plan.requests = pipeline, requests
        self.plan.keepalive, self.plan.idle = keepalive, idle
        if keyspace is not None:
            self.plan.keyspace = min(max(keyspace, 1), 10 ** DIGITS)
            self.make_slots(request)
        set_address(&self.plan, target)
        self.make_loaders(clients, seed)

    def __dealloc__(self):
        cdef int64_t i, j
        cdef loader_t *loader
        for i in range(self.count if self.loaders else 0):
            loader = &self.loaders[i]
            for j in range(loader.count if loader.connections else 0):
                connection_close(&loader.connections[j])
            if loader.poll > 0:
                close(loader.poll)
            free(loader.connections)
            free(loader.batch)
            free(loader.input)
            histogram_free(&loader.histogram)
        free(self.loaders)
        free(self.slots)
        free(self.counters)

    cdef int make_slots(self, bytes request) except -1:
        """Where the numbers go, in every copy of the request."""
        cdef int64_t i
        cdef int64_t count = request.count(PLACEHOLDER)
        cdef int64_t at = 0
        self.slots = <int64_t *>malloc(max(1, count * self.plan.pipeline) * sizeof(int64_t))
        if not self.slots:
            raise MemoryError
        for i in range(count * self.plan.pipeline):
            self.slots[i] = at = self.batch.index(PLACEHOLDER, at)
            at += DIGITS
        self.plan.slots, self.plan.slot_count = self.slots, count * self.plan.pipeline
        return 0

    cdef int make_loaders(self, int64_t connections, uint64_t seed) except -1:
        """A loader a thread, with the connections dealt out evenly."""
        cdef int64_t i, j
        cdef loader_t *loader
        self.loaders = <loader_t *>calloc(self.count, sizeof(loader_t))
        if not self.loaders:
            raise MemoryError
        for i in range(self.count):
            loader = &self.loaders[i]
            loader.plan = &self.plan
            loader.count = connections // self.count + (i < connections % self.count)
            loader.random = seed * <uint64_t>0xD1B54A32D192ED03 + <uint64_t>i
            loader.connections = <connection_t *>calloc(max(1, loader.count), sizeof(connection_t))
            loader.batch = <char *>malloc(max(1, self.plan.batch_length))
            loader.input = <char *>malloc(LOAD_INPUT_SIZE)
            if (histogram_init(&loader.histogram, self.precision) or not loader.connections
                    or not loader.batch or not loader.input):
                raise MemoryError
            memcpy(loader.batch, self.plan.batch, self.plan.batch_length)
            for j in range(loader.count):
                loader.connections[j].fd = -1
            loader.poll = epoll_create1(EPOLL_CLOEXEC)
            if loader.poll < 0:
                raise OSError(errno, strerror(errno).decode())
        return 0

    def connect(self):
        """Open every connection; False where that failed (see failure)."""
        cdef int i
        cdef bint fine = True
        with nogil:
            for i in range(self.count):
                fine = fine and loader_connect(&self.loaders[i])
        return fine

    def run(self, int index):
        """Do the share of thread `index`; comes back when it is done, has failed or was stopped."""
        if not 0 <= index < self.count:
            raise IndexError(index)
        with nogil:
            loader_run(&self.loaders[index])

    def stop(self):
        """Have every thread come back within a tenth of a second."""
        __atomic_store_n(self.plan.stopping, 1, __ATOMIC_RELAXED)

    @property
    def finished(self):
        """Requests answered so far."""
        return sum(__atomic_load_n(&self.loaders[i].finished, __ATOMIC_RELAXED) for i in range(self.count))

    @property
    def latency_sum(self):
        """Microseconds of latency of all requests recorded so far, and how many those are."""
        cdef int i
        cdef int64_t us = 0, requests = 0
        for i in range(self.count):
            us += __atomic_load_n(&self.loaders[i].histogram.sum_us, __ATOMIC_RELAXED)
            requests += __atomic_load_n(&self.loaders[i].histogram.total, __ATOMIC_RELAXED)
        return us, requests

    @property
    def seconds(self):
        """From the first thread's start to the last one's end."""
        cdef int64_t start = min(self.loaders[i].started_us for i in range(self.count))
        cdef int64_t end = max(self.loaders[i].ended_us for i in range(self.count))
        return max(end - start, 1) / 1e6

    def histogram(self):
        """The latencies that all threads recorded."""
        cdef int i
        cdef Histogram merged = Histogram(self.precision)
        for i in range(self.count):
            histogram_add(&merged.data, &self.loaders[i].histogram)
        return merged

    cdef loader_t *failing(self):
        cdef int i
        for i in range(self.count):
            if self.loaders[i].failure != LOAD_FINE:
                return &self.loaders[i]
        return NULL

    @property
    def failure(self):
        """What went wrong: (kind, text), where kind is 'connect', 'write', 'error' or 'reply'; or None."""
        cdef loader_t *loader = self.failing()
        if not loader:
            return None
        if loader.failure == LOAD_CONNECT:
            return "connect", strerror(loader.failure_errno).decode()
        if loader.failure == LOAD_WRITE:
            return "write", strerror(loader.failure_errno).decode()
        if loader.failure == LOAD_ERROR:
            return "reply", loader.text.decode(errors="replace")
        if loader.failure == LOAD_READ:
            return "error", strerror(loader.failure_errno).decode()
        if loader.failure == LOAD_BROKEN:
            return "error", f'Protocol error, got "{loader.text.decode("latin-1")}" as reply type byte'
        return "error", "Server closed the connection" if loader.failure == LOAD_CLOSED else "Out of memory"


cdef int set_address(plan_t *plan, target) except -1:
    cdef sockaddr_un *local = <sockaddr_un *>&plan.address
    cdef bytes path
    if isinstance(target, socket.socket):
        plan.address_length = sizeof(plan.address)
        if getpeername(target.fileno(), <sockaddr *>&plan.address, &plan.address_length):
            raise OSError(errno, strerror(errno).decode())
        return 0
    path = target
    if len(path) >= <Py_ssize_t>sizeof(local.sun_path):
        raise OSError("Unix socket path is too long")
    local.sun_family = AF_UNIX
    memcpy(local.sun_path, <const char *>path, len(path) + 1)
    plan.address_length = sizeof(sockaddr_un)
    return 0
