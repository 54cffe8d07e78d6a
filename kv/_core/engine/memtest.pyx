"""Whether the memory of a process that has crashed keeps what is written to it: a crash without a bug is often that.

Each page that the process has written to is kept aside, filled with patterns, read back and restored. Between writing and
reading the words are pushed out of the caches, else it would be these that are tested. What is not tested: what files are
mapped to, and the regions of the thread that tests: its stack, and its own data, where the kernel looks for restartable
sequences whenever it interrupts the thread, which it kills for what makes no sense. Other threads would find patterns on their
stacks, so they are parked for good before: a signal has each wait in the kernel, from where it never returns, since the process
ends. A forked child is not tested: each page that it writes to would be copied.

All is safe in a signal handler. It takes TEST_SECONDS at most, since a server that is to be started again is waited for.
"""
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.string cimport memcpy, strstr

from kv._core.base.clock cimport clock_us
from kv._core.base.platform cimport ASAN
from kv._core.engine.rawlog cimport rawlog_address, rawlog_end, rawlog_line, rawlog_number, rawlog_text

cdef extern from *:
    """
    #include <dirent.h>
    #include <fcntl.h>
    #include <pthread.h>
    #include <signal.h>
    #include <stdint.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>

    #define KV_PARK_SIGNAL SIGUSR2          /* which the process does not use otherwise */
    #define KV_PARK_TURNS 200               /* of 5 ms */

    struct kv_dirent { uint64_t inode; int64_t offset; unsigned short length; unsigned char kind; char name[]; };

    static volatile int kv_parked;          /* how many threads wait */

    static void kv_park(int number) {
        (void)number;
        __sync_fetch_and_add(&kv_parked, 1);
        for (;;) pause();
    }

    /* Send the signal to the other threads of the process; how many there are, -1: they can't be listed. */
    static int kv_signal_threads(void) {
        char entries[2048] __attribute__((aligned(8)));
        long got, at;
        int found = 0, own = (int)syscall(SYS_gettid), fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) return -1;
        while ((got = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0)
            for (at = 0; at < got; at += ((struct kv_dirent *)(entries + at))->length) {
                const char *name = ((struct kv_dirent *)(entries + at))->name;
                int thread = 0;
                for (; *name >= '0' && *name <= '9'; name++) thread = thread * 10 + (*name - '0');
                if (thread == 0 || thread == own) continue;
                found++;
                syscall(SYS_tgkill, getpid(), thread, KV_PARK_SIGNAL);
            }
        close(fd);
        return got < 0 ? -1 : found;
    }

    /* Have all other threads wait for ever. Whether they do: one that blocks the signal, or that waits for a device, does not. */
    static int kv_park_threads(void) {
        struct sigaction action;
        struct timespec turn = {0, 5000000};
        int turns, found;
        memset(&action, 0, sizeof action);
        action.sa_handler = kv_park;
        sigfillset(&action.sa_mask);        /* nothing else wakes them */
        if (sigaction(KV_PARK_SIGNAL, &action, NULL) != 0) return 0;
        for (turns = 0; turns < KV_PARK_TURNS; turns++) {
            found = kv_signal_threads();    /* again: who was started meanwhile has not heard of it */
            if (found < 0) return 0;
            if (kv_parked >= found) return 1;
            nanosleep(&turn, NULL);
        }
        return 0;
    }

    static inline uintptr_t kv_thread_data(void) { return (uintptr_t)pthread_self(); }

    /* Have a line of the caches written to memory and forgotten. */
    static inline void kv_flush_line(const void *address) {
    #if defined(__x86_64__)
        __builtin_ia32_clflush(address);
    #elif defined(__aarch64__)
        __asm__ volatile("dc civac, %0" : : "r"(address) : "memory");
    #endif
    }

    static inline void kv_write(uint64_t *word, uint64_t value) { *(volatile uint64_t *)word = value; }
    static inline uint64_t kv_read(uint64_t *word) { return *(volatile uint64_t *)word; }

    static inline void kv_flush_done(void) { __sync_synchronize(); }
    """
    enum:
        O_CLOEXEC
        O_RDONLY
    void kv_flush_line(const void *address) noexcept nogil
    void kv_flush_done() noexcept nogil
    void kv_write(uint64_t *word, uint64_t value) noexcept nogil
    uint64_t kv_read(uint64_t *word) noexcept nogil
    int c_open "open"(const char *path, int flags) noexcept nogil
    int c_close "close"(int fd) noexcept nogil
    ssize_t c_read "read"(int fd, void *data, size_t size) noexcept nogil
    bint kv_park_threads() noexcept nogil
    uintptr_t kv_thread_data() noexcept nogil
    int mincore(void *address, size_t length, unsigned char *resident) noexcept nogil

cdef enum:
    PAGE = 4096             # bytes; of what may be in memory or not
    PAGE_WORDS = 512
    BLOCK_WORDS = 1024      # most that are tested at a time
    LINE_WORDS = 8          # of the caches
    PATTERNS = 6
    REGIONS = 128           # most that are tested
    LINE = 512              # bytes of a line of /proc/self/maps
    TEST_SECONDS = 5

cdef struct Region:
    uintptr_t start
    uintptr_t end

cdef struct MapsReader:
    int fd
    size_t at               # in `data`
    size_t filled
    char[LINE] data


# -- a block ------------------------------------------------------------------------------------------------------

cdef inline uint64_t pattern(int number, const uint64_t *place) noexcept nogil:
    """The address and its complement find lines of the address that are stuck, the others bits that are."""
    if number == 0:
        return <uint64_t> place
    if number == 1:
        return ~<uint64_t> place
    if number == 2:
        return 0
    if number == 3:
        return ~<uint64_t> 0
    return <uint64_t> 0x5555555555555555 if number == 4 else <uint64_t> 0xaaaaaaaaaaaaaaaa


cdef void flush(const uint64_t *words, size_t count) noexcept nogil:
    cdef size_t i = 0
    while i < count:
        kv_flush_line(words + i)
        i += LINE_WORDS
    kv_flush_done()


cdef uint64_t memtest_block(uint64_t *words, size_t count) noexcept nogil:
    """Test up to BLOCK_WORDS words; what is in them stays. How many did not keep what was written."""
    cdef uint64_t kept[BLOCK_WORDS]
    cdef uint64_t errors = 0
    cdef size_t i
    cdef int number
    memcpy(kept, words, count * sizeof(uint64_t))
    for number in range(PATTERNS):
        for i in range(count):
            kv_write(words + i, pattern(number, words + i))
        flush(words, count)
        for i in range(count):
            if kv_read(words + i) != pattern(number, words + i):
                errors += 1
    memcpy(words, kept, count * sizeof(uint64_t))
    flush(words, count)
    return errors


# -- the process --------------------------------------------------------------------------------------------------

cdef bint next_line(MapsReader *reader, char *line) noexcept nogil:
    """The next line, terminated, cut to LINE - 1 bytes; False at the end."""
    cdef size_t length = 0
    cdef ssize_t got
    cdef char byte
    while True:
        if reader.at == reader.filled:
            got = c_read(reader.fd, reader.data, LINE)
            if got <= 0:
                return False
            reader.at, reader.filled = 0, got
        byte = reader.data[reader.at]
        reader.at += 1
        if byte == c'\n':
            line[length] = 0
            return True
        if length < LINE - 1:
            line[length] = byte
            length += 1


cdef uintptr_t take_hex(const char **text) noexcept nogil:
    """The hexadecimal number that a text begins with; the text moves behind it and what ends it."""
    cdef uintptr_t number = 0
    cdef char c = text[0][0]
    while c'0' <= c <= c'9' or c'a' <= c <= c'f':
        number = number * 16 + (c - c'0' if c <= c'9' else c - c'a' + 10)
        text[0] += 1
        c = text[0][0]
    if c != 0:
        text[0] += 1
    return number


cdef bint take_region(const char *line, Region *region) noexcept nogil:
    """Whether a line of /proc/self/maps is of memory of the process's own that may be read and written."""
    cdef const char *text = line
    region.start = take_hex(&text)
    region.end = take_hex(&text)
    if text[0] != c'r' or text[1] != c'w' or text[3] != c'p' or strstr(text, b" 00:00 ") == NULL:
        return False
    return strstr(text, b"[stack") == NULL and strstr(text, b"[v") == NULL


cdef inline bint holds(const Region *region, uintptr_t address) noexcept nogil:
    return region.start <= address < region.end


cdef int find_regions(Region *regions, uintptr_t stack, uintptr_t data) noexcept nogil:
    """The regions to be tested; not those that have these addresses, which the thread that tests needs itself."""
    cdef MapsReader reader
    cdef char line[LINE]
    cdef int count = 0
    reader.at = reader.filled = 0
    reader.fd = c_open(b"/proc/self/maps", O_RDONLY | O_CLOEXEC)
    if reader.fd < 0:
        return 0
    while count < REGIONS and next_line(&reader, line):
        if take_region(line, regions + count) and not holds(regions + count, stack) and not holds(regions + count, data):
            count += 1
    c_close(reader.fd)
    return count


cdef uint64_t test_region(const Region *region, int64_t until_us) noexcept nogil:
    """Test the pages that are in memory. How many words failed."""
    cdef uintptr_t page = region.start
    cdef uint64_t errors = 0
    cdef unsigned char resident
    while page < region.end and clock_us() < until_us:
        if mincore(<void *> page, PAGE, &resident) == 0 and resident & 1:
            errors += memtest_block(<uint64_t *> page, PAGE_WORDS)
        page += PAGE
    return errors


cdef void memtest_report() noexcept nogil:
    """Test the process's memory and write to the log what comes of it."""
    cdef Region regions[REGIONS]
    cdef int64_t until_us = clock_us() + TEST_SECONDS * 1000000
    cdef uint64_t errors = 0
    cdef int count, i
    if ASAN:
        return              # whose own tables are no memory to write to
    rawlog_line(b"\n------ FAST MEMORY TEST ------")
    if not kv_park_threads():
        rawlog_line(b"The memory is not tested, since another thread can't be stopped.")
        return
    count = find_regions(regions, <uintptr_t> &regions[0], kv_thread_data())
    for i in range(count):
        rawlog_text(b"*** Preparing to test memory region ")
        rawlog_address(<void *> regions[i].start)
        rawlog_text(b" (")
        rawlog_number(regions[i].end - regions[i].start)
        rawlog_text(b" bytes)")
        rawlog_end()
    for i in range(count):
        rawlog_text(b".")
        errors += test_region(regions + i, until_us)
        rawlog_text(b"E" if errors else b"O")
    rawlog_end()
    if clock_us() >= until_us:
        rawlog_line(b"Not all memory was tested: it took too long.")
    if errors:
        rawlog_line(b"!!! MEMORY ERROR DETECTED! Check your memory ASAP !!!")
    else:
        rawlog_line(b"Fast memory test PASSED, however your memory can still be broken. Please run a memory test for several hours "
                    b"if possible.")
