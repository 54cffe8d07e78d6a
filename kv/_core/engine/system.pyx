"""What the kernel is asked about and for, of which Python's own modules know nothing: huge pages, a bug of old kernels,
the end of a parent.

The bug: on ARM, Linux before 5.11 loses the mark that a page was written to when the process forks, so that a page which
was offered back with MADV_FREE and then used again may be taken away all the same. kernel_loses_pages() makes such a page
and asks a forked child whether the kernel still knows of it.
"""
from libc.string cimport memcmp

cdef extern from *:
    """
    #include <errno.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <sys/mman.h>
    #include <sys/prctl.h>
    #include <sys/wait.h>
    #include <unistd.h>

    #ifndef PR_SET_THP_DISABLE
    #define PR_SET_THP_DISABLE 41
    #endif
    #ifndef MADV_FREE
    #define MADV_FREE 8
    #endif
    """
    ctypedef struct FILE:
        pass
    enum:
        EINVAL
        MADV_FREE
        MAP_ANONYMOUS
        MAP_PRIVATE
        PROT_READ
        PROT_WRITE
        PR_SET_PDEATHSIG
        PR_SET_THP_DISABLE
        SIGKILL
    void *MAP_FAILED
    int errno
    FILE *fopen(const char *path, const char *mode) nogil
    char *fgets(char *line, int size, FILE *file) nogil
    int fclose(FILE *file) nogil
    int sscanf(const char *text, const char *form, ...) nogil
    int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) nogil
    void *mmap(void *address, size_t length, int protection, int flags, int fd, long offset) nogil
    int mprotect(void *address, size_t length, int protection) nogil
    int madvise(void *address, size_t length, int advice) nogil
    int munmap(void *address, size_t length) nogil
    int fork() nogil
    int waitpid(int pid, int *status, int options) nogil
    int exit_status "WEXITSTATUS"(int status) nogil
    bint has_exited "WIFEXITED"(int status) nogil
    void c_exit "_exit"(int status) nogil

cdef enum:
    LINE = 512
    LOST = 1            # exit statuses of the child
    UNKNOWN = 2


def end_with_parent():
    """Have the kernel end this process once the thread that forked it has ended. False where the kernel can't."""
    return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0


def disable_huge_pages():
    """Have the kernel use no transparent huge pages for this process and its children, whatever is set for the system.
    Whether it does."""
    return prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0


def kernel_loses_pages(size_t page_size):
    """Whether the kernel has the bug; None where it could not be found out."""
    cdef int outcome
    cdef char *pages = <char *> mmap(NULL, 3 * page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    if pages == <char *> MAP_FAILED:
        return None
    # between two pages of another protection it stays a mapping of its own, with figures of its own
    outcome = loses_page(pages + page_size, page_size)
    munmap(pages, 3 * page_size)
    return None if outcome == UNKNOWN else outcome == LOST


cdef int loses_page(char *page, size_t size) noexcept nogil:
    cdef int pid
    cdef int status = 0
    if mprotect(page, size, PROT_READ | PROT_WRITE) != 0:
        return UNKNOWN
    page[0] = 1
    if madvise(page, size, MADV_FREE) != 0:
        return 0 if errno == EINVAL else UNKNOWN        # a kernel without MADV_FREE is too old for the bug
    page[0] = 1
    pid = fork()
    if pid == 0:
        c_exit(written_state(<unsigned long> page))
    if pid < 0 or waitpid(pid, &status, 0) != pid or not has_exited(status):
        return UNKNOWN
    return exit_status(status)


cdef int written_state(unsigned long address) noexcept nogil:
    """In the child: whether the page, which is shared with the parent, counts as written to."""
    cdef char line[LINE]
    cdef unsigned long start = 0, end = 0
    cdef int kilobytes = -1
    cdef bint inside = False
    cdef FILE *file = fopen(b"/proc/self/smaps", b"r")
    if file == NULL:
        return UNKNOWN
    while kilobytes < 0 and fgets(line, LINE, file) != NULL:
        if sscanf(line, b"%lx-%lx ", &start, &end) == 2:
            inside = start <= address < end
        elif inside and memcmp(line, b"Shared_Dirty:", 13) == 0:
            sscanf(line + 13, b"%d", &kilobytes)
    fclose(file)
    if kilobytes < 0:
        return UNKNOWN
    return LOST if kilobytes == 0 else 0
