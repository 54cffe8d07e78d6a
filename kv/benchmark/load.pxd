"""The load generator: as many requests as a server can answer, at as little cost of its own as possible.

A generator that is slower than the server measures itself. What a request costs here, and how it is
kept low:

- One send a pipeline. The batch is laid out once; every thread has one copy, shared by all its
  connections, since the kernel has copied it when send() returns. Only what a full socket did not take is
  kept aside for that connection (`rest`).
- Random numbers are twelve digits of fixed width, written over __rand_int__ in place.
- No epoll_ctl in steady state: a connection is watched for input from start to end; the next batch is
  sent in the event that ended the previous one.
- Replies are counted, not built (kv/benchmark/replies), and read into one buffer a thread, which stays in cache.
- One clock reading an event: the arrival of a batch's first bytes is the end of its latency, as in
  valkey-benchmark, and the arrival of its last is the start of the next.

Threads share nothing but the plan's two counters, on a cache line of their own; each has an epoll, its
connections, a histogram. What is sent in all is -n rounded up to whole pipelines; only -n latencies are
recorded.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t

from kv.benchmark.histogram cimport histogram_t
from kv.benchmark.replies cimport replies_t

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    ctypedef unsigned short sa_family_t
    struct sockaddr:
        pass
    struct sockaddr_storage:
        sa_family_t ss_family

cdef enum:
    LOAD_TEXT_SIZE = 256

cdef enum load_failure:
    LOAD_FINE = 0
    LOAD_CONNECT  # errno of socket() or connect()
    LOAD_WRITE  # errno of send()
    LOAD_READ  # errno of recv()
    LOAD_CLOSED  # the server closed the connection
    LOAD_BROKEN  # text[0] is the byte that is no RESP type
    LOAD_ERROR  # text is the server's error reply
    LOAD_MEMORY

ctypedef struct plan_t:
    sockaddr_storage address  # of the server
    socklen_t address_length
    const char *prefix  # AUTH, SELECT, ... sent once a connection; borrowed from the Load
    int64_t prefix_length
    int64_t prefix_replies  # replies to these, which are no results
    const char *batch  # the request as often as the pipeline is deep; borrowed from the Load
    int64_t batch_length
    const int64_t *slots  # offsets in the batch of twelve digits to randomise; owned by the Load
    int64_t slot_count
    double keyspace  # random numbers lie below this, which is at most 10^12
    int64_t pipeline  # requests in a batch
    int64_t requests  # -n
    bint keepalive  # otherwise a connection serves one batch
    bint idle  # connect, send nothing, wait
    int64_t *issued  # requests taken up so far, by all threads together; atomic
    int64_t *stopping  # non-zero ends every thread; atomic

ctypedef struct connection_t:
    int fd  # -1 while closed
    bint watching_output  # epoll reports EPOLLOUT, since `rest` waits or the connection is being made
    bint greeted  # the prefix has been handed out
    int64_t started_us  # the batch under way was sent then
    int64_t latency_us  # of the batch under way; -1 until its first reply arrives
    int64_t greeting  # replies to the prefix still to come
    int64_t pending  # replies of the batch still to come; 0 where none is under way
    int64_t recorded  # of the batch's requests, those within -n
    char *rest  # owned; what the socket did not take; NULL where nothing waits
    int64_t rest_length
    int64_t rest_sent  # bytes of `rest` already gone
    replies_t replies  # state of the input

ctypedef struct loader_t:
    const plan_t *plan  # borrowed from the Load
    int poll  # the epoll's descriptor
    connection_t *connections  # owned
    int64_t count  # of connections
    int64_t active  # connections that have a batch under way
    char *batch  # owned; the plan's batch, with this thread's numbers in it
    char *input  # owned; LOAD_INPUT_SIZE bytes that every recv of this thread fills
    uint64_t random  # state of the generator
    histogram_t histogram  # owned
    int64_t finished  # requests answered; read by the live report
    int64_t started_us  # start and end of this thread's run
    int64_t ended_us
    load_failure failure
    int failure_errno
    char text[LOAD_TEXT_SIZE]  # of the failure; NUL at the end


cdef class Load:
    cdef plan_t plan  # what every thread reads
    cdef loader_t *loaders  # owned; one a thread
    cdef int count  # of loaders
    cdef int precision  # of the histograms
    cdef int64_t *counters  # owned; two cache lines: issued, stopping
    cdef int64_t *slots  # owned; the plan's slots
    cdef bytes prefix, batch  # the memory that the plan points into
    cdef loader_t *failing(self)
    cdef int make_slots(self, bytes request) except -1
    cdef int make_loaders(self, int64_t connections, uint64_t seed) except -1
