"""Freeing in another thread what would take long to free: a large value (UNLINK), a whole database (FLUSHALL
ASYNC), scripts or functions with their Lua state (SCRIPT FLUSH ASYNC).

One thread, started when it first has something to do, takes jobs from a queue. What it is given belongs to it
alone: an entry that is in no database any more, the keys that were detached from one, a state that nothing runs in. So nothing but
the queue needs a lock; the blocks it frees go back to the allocator's owner by the allocator's own way for
strangers (base/memory).

What about fork? The child has no such thread, and if the parent's held the lock in that moment nobody would
ever release it in the child. So the lock is taken before every fork, which puts the queue in order, and made
anew in the child, which starts with an empty queue and, if it ever needs one, a thread of its own. What was
queued stays allocated in the child until it ends.

At exit the thread finishes the job it is at and is joined; what is still queued goes with the process.
"""
from libc.stdint cimport uint64_t

import atexit

from kv._core.base.memory cimport (
    MemoryAccount, memory_account, memory_alloc, memory_enter_thread, memory_free, memory_free_for)
from kv._core.base.pthread cimport (
    pthread_atfork, pthread_cond_broadcast, pthread_cond_init, pthread_cond_t, pthread_cond_wait, pthread_join,
    pthread_mutex_init, pthread_mutex_lock, pthread_mutex_t, pthread_mutex_unlock, pthread_t, thread_start)
from kv._core.keyspace.database cimport Database, database_clear, database_count
from kv._core.objects.entry cimport Entry, entry_free

cdef extern from *:
    """
    #define kv_counter_add(counter, n) __atomic_fetch_add((counter), (n), __ATOMIC_RELAXED)
    #define kv_counter_load(counter) __atomic_load_n((counter), __ATOMIC_RELAXED)
    #define kv_counter_set(counter, n) __atomic_store_n((counter), (n), __ATOMIC_RELAXED)
    """
    void kv_counter_add(uint64_t *counter, uint64_t n) noexcept nogil
    uint64_t kv_counter_load(uint64_t *counter) noexcept nogil
    void kv_counter_set(uint64_t *counter, uint64_t n) noexcept nogil

cdef extern from *:
    """
    #include <sched.h>

    static inline void kv_clear(cpu_set_t *processors) { CPU_ZERO(processors); }
    static inline void kv_allow(cpu_set_t *processors, int number) { CPU_SET(number, processors); }
    """
    ctypedef struct cpu_set_t:
        pass
    void kv_clear(cpu_set_t *processors) noexcept nogil
    void kv_allow(cpu_set_t *processors, int number) noexcept nogil
    int sched_setaffinity(int thread, size_t size, const cpu_set_t *processors) noexcept nogil

cdef struct Job:
    Job *next               # queued behind it
    lazyfree_function function  # that frees the thing; NULL: it is an entry or a database
    void *thing
    Entry *entry            # what to free; NULL: the database
    Database database       # keys detached from one
    uint64_t objects        # keys in it
    LazyfreeAccount *account    # who counts them
    MemoryAccount *memory   # ... and the bytes

cdef pthread_mutex_t lock       # guards the queue and the two flags
cdef pthread_cond_t changed     # a job was queued or done, or the thread is to stop
cdef pthread_t thread
cdef cpu_set_t processors       # where the thread runs
cdef bint placed = False        # ... if anybody has said where
cdef bint running = False       # the thread is there
cdef bint stopping = False      # the process is about to end
cdef Job *first = NULL          # the queue, oldest first
cdef Job *last = NULL
cdef uint64_t unfinished = 0    # jobs queued or being done
cdef LazyfreeAccount process_account    # of whoever has none of his own
cdef LazyfreeAccount *account = &process_account    # of the engine that is entered


# -- giving work --------------------------------------------------------------------------------------------

cdef void lazyfree_entry(Entry *entry) noexcept nogil:
    """Free an entry with its value; the caller has taken it out of its table."""
    cdef Job *job = job_new(1)
    job.entry = entry
    submit(job)


cdef void lazyfree_database(Database *database) noexcept nogil:
    """Free detached keys and their table; the struct's content is taken over, and the struct itself left alone."""
    cdef Job *job = job_new(database_count(database))
    job.database = database[0]
    submit(job)


cdef void lazyfree_call(lazyfree_function function, void *thing, uint64_t objects) noexcept nogil:
    """Have the function free a thing that is nobody else's any more, and holds so many objects."""
    cdef Job *job = job_new(objects)
    job.function, job.thing = function, thing
    submit(job)


cdef Job *job_new(uint64_t objects) noexcept nogil:
    cdef Job *job = <Job *> memory_alloc(sizeof(Job))
    job.next = NULL
    job.entry = NULL
    job.function = NULL
    job.objects = objects
    job.account, job.memory = account, memory_account()
    kv_counter_add(&account.pending, objects)
    return job


cdef void submit(Job *job) noexcept nogil:
    """Queue a job; where there can be no thread it is done here and now."""
    global first, last, unfinished, running
    cdef bint queued
    pthread_mutex_lock(&lock)
    if not running and not stopping:
        running = thread_start(&thread, work, NULL)
    queued = running and not stopping
    if queued:
        if first == NULL:
            first = job
        else:
            last.next = job
        last = job
        unfinished += 1
        pthread_cond_broadcast(&changed)
    pthread_mutex_unlock(&lock)
    if not queued:
        perform(job)


# -- the thread ---------------------------------------------------------------------------------------------

cdef void *work(void *argument) noexcept nogil:
    global first, unfinished
    cdef Job *job
    memory_enter_thread()
    if placed:
        sched_setaffinity(0, sizeof(processors), &processors)
    pthread_mutex_lock(&lock)
    while not stopping:
        job = first
        if job == NULL:
            pthread_cond_wait(&changed, &lock)
            continue
        first = job.next
        pthread_mutex_unlock(&lock)
        perform(job)
        pthread_mutex_lock(&lock)
        unfinished -= 1
        pthread_cond_broadcast(&changed)
    pthread_mutex_unlock(&lock)
    return NULL


cdef void perform(Job *job) noexcept nogil:
    cdef uint64_t objects = job.objects
    cdef LazyfreeAccount *owner = job.account
    memory_free_for(job.memory)
    if job.function != NULL:
        job.function(job.thing)
    elif job.entry != NULL:
        entry_free(job.entry)
    else:
        database_clear(&job.database)
    memory_free(job)
    kv_counter_add(&owner.freed, objects)
    kv_counter_add(&owner.pending, 0 - objects)


cdef void lazyfree_enter_account(LazyfreeAccount *entered) noexcept nogil:
    """What is queued from here on is counted there."""
    global account
    account = entered


# -- figures, waiting, the end ------------------------------------------------------------------------------

cdef uint64_t lazyfree_pending_objects() noexcept nogil:
    """Keys that wait to be freed or are being freed."""
    return kv_counter_load(&account.pending)


cdef uint64_t lazyfree_freed_objects() noexcept nogil:
    """Keys freed since the last reset."""
    return kv_counter_load(&account.freed)


cdef void lazyfree_reset_statistics() noexcept nogil:
    kv_counter_set(&account.freed, 0)


cdef void lazyfree_wait() noexcept nogil:
    """Wait until everything that was queued is freed."""
    pthread_mutex_lock(&lock)
    while running and unfinished:
        pthread_cond_wait(&changed, &lock)
    pthread_mutex_unlock(&lock)


cdef void stop() noexcept nogil:
    """Have the thread end after the job it is at, and wait for that."""
    global running, stopping
    pthread_mutex_lock(&lock)
    stopping = True
    pthread_cond_broadcast(&changed)
    pthread_mutex_unlock(&lock)
    if running:
        pthread_join(thread, NULL)
    running = False


cdef void before_fork() noexcept nogil:
    pthread_mutex_lock(&lock)


cdef void after_fork_in_parent() noexcept nogil:
    pthread_mutex_unlock(&lock)


cdef void after_fork_in_child() noexcept nogil:
    """No thread, no queue, and a lock that nobody holds."""
    global running, first, last, unfinished
    make_lock()
    running = False
    first = last = NULL
    unfinished = 0
    kv_counter_set(&account.pending, 0)


cdef void make_lock() noexcept nogil:
    pthread_mutex_init(&lock, NULL)
    pthread_cond_init(&changed, NULL)


def lazyfree_run_on(set numbers not None):
    """Which processors the thread is to run on, by number, below 1024. Before it has anything to do."""
    global placed
    kv_clear(&processors)
    for number in numbers:
        kv_allow(&processors, number)
    placed = True


def stop_at_exit():
    with nogil:
        stop()


make_lock()
pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child)
atexit.register(stop_at_exit)
