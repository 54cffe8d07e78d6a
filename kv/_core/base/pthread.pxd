"""Threads of the core: POSIX threads, and signals kept from them."""

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_t:
        pass
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    int pthread_create(pthread_t *thread, void *attributes, void *(*start)(void *) noexcept nogil, void *argument)
    int pthread_join(pthread_t thread, void **result)
    int pthread_mutex_init(pthread_mutex_t *mutex, void *attributes)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)
    int pthread_cond_init(pthread_cond_t *condition, void *attributes)
    int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
    int pthread_cond_broadcast(pthread_cond_t *condition)
    int pthread_atfork(void (*prepare)() noexcept nogil, void (*parent)() noexcept nogil, void (*child)() noexcept nogil)

cdef extern from "<signal.h>" nogil:
    ctypedef struct sigset_t:
        pass
    int sigfillset(sigset_t *signals)
    int pthread_sigmask(int how, const sigset_t *signals, sigset_t *previous)
    int SIG_SETMASK


cdef inline bint thread_start(pthread_t *thread, void *(*work)(void *) noexcept nogil, void *argument) noexcept nogil:
    """Start a thread that is deaf to signals: they are for the thread that runs Python. False where there can be none."""
    cdef sigset_t all_signals, previous
    cdef bint started
    sigfillset(&all_signals)
    pthread_sigmask(SIG_SETMASK, &all_signals, &previous)
    started = pthread_create(thread, NULL, work, argument) == 0
    pthread_sigmask(SIG_SETMASK, &previous, NULL)
    return started
