"""Handlers of signals, in C: how one is installed, and the few calls that are safe in one."""

cdef extern from *:
    """
    #include <errno.h>
    #include <signal.h>
    #include <unistd.h>

    typedef void (*kv_signal_handler)(int, siginfo_t *, void *);

    static inline void kv_set_handler(int number, kv_signal_handler handler, int flags, struct sigaction *before) {
        struct sigaction action;
        sigemptyset(&action.sa_mask);
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | flags;
        action.sa_sigaction = handler;
        sigaction(number, &action, before);
    }

    static inline void kv_set_default(int number) {
        struct sigaction action;
        sigemptyset(&action.sa_mask);
        action.sa_flags = 0;
        action.sa_handler = SIG_DFL;
        sigaction(number, &action, NULL);
    }

    static inline void kv_set_errno(int value) { errno = value; }
    """
    cdef struct sigaction_t "sigaction":
        pass
    cdef union sigval:
        void *sival_ptr
    ctypedef struct siginfo_t:
        int si_code
        int si_pid
        unsigned int si_uid
        void *si_addr
        sigval si_value
    ctypedef void (*kv_signal_handler)(int number, siginfo_t *info, void *context) noexcept nogil
    enum:
        SA_RESTART
    void kv_set_handler(int number, kv_signal_handler handler, int flags, sigaction_t *before) noexcept nogil
    void kv_set_default(int number) noexcept nogil
    void kv_set_errno(int value) noexcept nogil
    int c_raise "raise"(int number) noexcept nogil
    void c_exit "_exit"(int status) noexcept nogil
    ssize_t c_write "write"(int fd, const void *data, size_t length) noexcept nogil
