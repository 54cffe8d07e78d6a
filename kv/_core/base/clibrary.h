/* What the GNU C library has and others (musl: Alpine, static programs) have not, under one name each, with another way for those.
 * Wheels are built for musl 1.2.0 and glibc 2.28 on: what came later counts as missing, even where the headers have it. */
#ifndef KV_CLIBRARY_H
#define KV_CLIBRARY_H

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <execinfo.h>
#include <malloc.h>
#else
#include <link.h>
#include <unwind.h>
#endif

/* For a variable of each thread. Extension modules are loaded late: glibc keeps room for a few such variables beside those of the
 * program, where they are found without a call; musl refuses to load a module that asks for it. */
#ifdef __GLIBC__
#define KV_THREAD __thread __attribute__((tls_model("initial-exec")))
#else
#define KV_THREAD __thread
#endif

static inline int kv_thread_id(void) { return (int)syscall(SYS_gettid); }

/* Send this thread a signal that carries a pointer: si_code is SI_QUEUE, si_pid the process. */
static inline void kv_signal_self(int number, void *carried) {
    union sigval value = {.sival_ptr = carried};
#ifdef __GLIBC__
    pthread_sigqueue(pthread_self(), number, value);
#else
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    info.si_signo = number;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value = value;
    syscall(SYS_rt_tgsigqueueinfo, getpid(), kv_thread_id(), number, &info);
#endif
}

/* -- the heap ------------------------------------------------------------------------------------------------------- */

/* Of the heap: free bytes, in how many chunks, and how many bytes the last one has. Zeros where it does not tell. */
static inline void kv_heap_figures(size_t *free_bytes, size_t *chunks, size_t *top) {
#if !defined(__GLIBC__)
    *free_bytes = *chunks = *top = 0;
#elif __GLIBC_PREREQ(2, 33)
    struct mallinfo2 seen = mallinfo2();
    *free_bytes = seen.fordblks;
    *chunks = seen.ordblks;
    *top = seen.keepcost;
#else                           /* 32-bit counters: exact up to 4 GiB of free bytes */
    struct mallinfo seen = mallinfo();
    *free_bytes = (unsigned)seen.fordblks;
    *chunks = (unsigned)seen.ordblks;
    *top = (unsigned)seen.keepcost;
#endif
}

/* Give the whole pages of holes back to the system. musl does that by itself, whenever a block is freed. */
static inline void kv_heap_trim(void) {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

/* -- sorting -------------------------------------------------------------------------------------------------------- */

typedef int (*kv_comparison)(const void *, const void *, void *);

#ifdef __GLIBC__
#define kv_sort qsort_r
#else
static inline void kv_swap(char *a, char *b, size_t size) {
    while (size--) {
        char held = *a;
        *a++ = *b;
        *b++ = held;
    }
}

static inline void kv_sift(char *items, size_t root, size_t count, size_t size, kv_comparison compare, void *argument) {
    size_t child;
    while ((child = 2 * root + 1) < count) {
        if (child + 1 < count && compare(items + child * size, items + (child + 1) * size, argument) < 0) child++;
        if (compare(items + root * size, items + child * size, argument) >= 0) return;
        kv_swap(items + root * size, items + child * size, size);
        root = child;
    }
}

/* qsort_r, which musl has since 1.2.3: a heap sort. */
static inline void kv_sort(void *base, size_t count, size_t size, kv_comparison compare, void *argument) {
    char *items = base;
    size_t i;
    for (i = count / 2; i-- > 0;) kv_sift(items, i, count, size, compare, argument);
    for (i = count; i-- > 1;) {
        kv_swap(items, items + i * size, size);
        kv_sift(items, 0, i, size, compare, argument);
    }
}
#endif

/* -- the stack ------------------------------------------------------------------------------------------------------ */

/* Where an instruction stands: the file of its module, how far behind the module's beginning, and, where the module exports
 * what it belongs to, the name of that and how far behind it. 0 where no module has it. Safe in a signal handler. */
typedef struct { const char *file, *name; size_t offset, past_name; } kv_place;

static inline int kv_place_of(const void *instruction, kv_place *place) {
    Dl_info found;
    if (dladdr(instruction, &found) == 0 || found.dli_fname == NULL) return 0;
    place->file = found.dli_fname;
    place->offset = (size_t)((uintptr_t)instruction - (uintptr_t)found.dli_fbase);
    place->name = found.dli_sname;
    place->past_name = found.dli_sname != NULL ? (size_t)((uintptr_t)instruction - (uintptr_t)found.dli_saddr) : 0;
    return 1;
}

#ifndef __GLIBC__
#define KV_SCANNED_WORDS 1024       /* of the stack */

struct kv_walk { void **frames; int count, most; };

static inline _Unwind_Reason_Code kv_walk_on(struct _Unwind_Context *frame, void *argument) {
    struct kv_walk *walk = argument;
    void *at = (void *)_Unwind_GetIP(frame);
    if (at == NULL || walk->count == walk->most) return _URC_END_OF_STACK;
    walk->frames[walk->count++] = at;
    return _URC_NO_REASON;
}

static int kv_has_code(struct dl_phdr_info *module, size_t size, void *argument) {
    uintptr_t at = (uintptr_t)argument;
    (void)size;
    for (int i = 0; i < module->dlpi_phnum; i++) {
        uintptr_t start = (uintptr_t)module->dlpi_addr + module->dlpi_phdr[i].p_vaddr;
        if (module->dlpi_phdr[i].p_type == PT_LOAD && module->dlpi_phdr[i].p_flags & PF_X && at >= start + 8
            && at <= start + module->dlpi_phdr[i].p_memsz) return 1;
    }
    return 0;
}

/* Whether a call instruction stands before `at`, so that it may be where a function returns to. */
static inline int kv_follows_call(const unsigned char *at) {
    if (!dl_iterate_phdr(kv_has_code, (void *)at)) return 0;
#if defined(__x86_64__)
    return at[-5] == 0xe8 || (at[-2] == 0xff && (at[-1] & 0x38) == 0x10) || (at[-3] == 0xff && (at[-2] & 0x38) == 0x10)
        || (at[-6] == 0xff && (at[-5] & 0x38) == 0x10) || (at[-7] == 0xff && (at[-6] & 0x38) == 0x10);
#elif defined(__aarch64__)
    uint32_t word;
    if ((uintptr_t)at & 3) return 0;
    memcpy(&word, at - 4, 4);
    return (word & 0xfc000000) == 0x94000000 || (word & 0xfffffc1f) == 0xd63f0000;
#else
    return 0;
#endif
}
#endif

/* The instructions that functions of this thread return to, innermost first; how many. `interrupted` and `stack` are those of the
 * signal that is handled. The C library of musl has no tables for unwinding, so that a walk ends where the signal came in the
 * middle of it: then the words on the stack follow that look like places to return to, some of which may be of calls before. */
static inline int kv_backtrace(void **frames, int most, void *interrupted, void **stack) {
#ifdef __GLIBC__
    (void)interrupted;
    (void)stack;
    return backtrace(frames, most);
#else
    struct kv_walk walk = {frames, 0, most};
    unsigned char resident;
    uintptr_t page = 0;
    int i;
    _Unwind_Backtrace(kv_walk_on, &walk);
    for (i = 0; i < walk.count - 1; i++)
        if (frames[i] == interrupted) return walk.count;
    if (walk.count < most && (walk.count == 0 || frames[walk.count - 1] != interrupted)) frames[walk.count++] = interrupted;
    for (i = 0; i < KV_SCANNED_WORDS && walk.count < most; i++, stack++) {
        if ((uintptr_t)stack >> 12 != page) {       /* the stack may end here */
            page = (uintptr_t)stack >> 12;
            if (mincore((void *)(page << 12), 1, &resident) != 0) break;
        }
        if (kv_follows_call(*stack)) frames[walk.count++] = *stack;
    }
    return walk.count;
#endif
}
#endif
