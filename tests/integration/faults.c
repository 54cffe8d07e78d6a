/* System calls that fail on demand, for tests: loaded with LD_PRELOAD into a server.
 *
 * The file that KV_FAULTS names is mapped and shared with the test, and with forked children: an array of rules (see
 * faults.py, which lays it out the same way). A call that a rule names, on a path that ends or is as the rule says, fails
 * with the rule's errno: after `skip` calls, `most` times (-1: always). Where errno is 0 a write takes half its bytes; where it is
 * -1 the call waits until the rule is lifted, and then goes on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define RULES 4

struct rule {
    char call[32];      /* empty: no rule */
    char path[92];      /* part of the path; with a $ behind it, the path's end; empty: any */
    int error;
    int skip;
    int most;
    int hits;
};

static struct rule *rules;

__attribute__((constructor)) static void map_rules(void) {
    const char *path = getenv("KV_FAULTS");
    int fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *mapped = mmap(NULL, RULES * sizeof(struct rule), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED) rules = mapped;
    syscall(SYS_close, fd);
}

static int path_matches(const char *wanted, const char *path) {
    size_t length = strlen(wanted), whole = strlen(path);
    if (length && wanted[length - 1] == '$')
        return whole >= length - 1 && memcmp(path + whole - length + 1, wanted, length - 1) == 0;
    return strstr(path, wanted) != NULL;
}

/* The rule that has this call fail, NULL for none; errno is set. The path is the descriptor's where there is none. */
static struct rule *failing(const char *call, const char *path, int fd) {
    char buffer[4096], link[64];
    for (int i = 0; rules && i < RULES; i++) {
        struct rule *rule = rules + i;
        if (strcmp(rule->call, call) != 0) continue;
        if (rule->path[0]) {
            if (!path && fd >= 0) {
                snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
                ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, buffer, sizeof buffer - 1);
                buffer[length > 0 ? length : 0] = 0;
                path = buffer;
            }
            if (!path || !path_matches(rule->path, path)) continue;
        }
        if (__sync_fetch_and_sub(&rule->skip, 1) > 0) continue;
        rule->skip = 0;
        if (rule->most >= 0 && __sync_fetch_and_add(&rule->hits, 1) >= rule->most) continue;
        if (rule->most < 0) __sync_fetch_and_add(&rule->hits, 1);
        if (rule->error == -1) {
            while (((volatile struct rule *)rule)->error == -1) usleep(1000);
            return NULL;
        }
        errno = rule->error;
        return rule;
    }
    return NULL;
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* A call of one form: its result type, name, the rule's name, parameters, path and descriptor to match, arguments. */
#define FAIL(type, name, rule_name, parameters, path, fd, arguments) \
    type name parameters { REAL(name); if (failing(rule_name, path, fd)) return -1; return real arguments; }

#define OPEN(name, parameters, path, arguments, mode_arguments) \
    int name parameters { \
        REAL(name); \
        if (failing("open", path, -1)) return -1; \
        if (!(flags & (O_CREAT | O_TMPFILE))) return real arguments; \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        return real mode_arguments; }

OPEN(open, (const char *path, int flags, ...), path, (path, flags), (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), path, (path, flags), (path, flags, mode))
OPEN(openat, (int at, const char *path, int flags, ...), path, (at, path, flags), (at, path, flags, mode))
OPEN(openat64, (int at, const char *path, int flags, ...), path, (at, path, flags), (at, path, flags, mode))

FAIL(ssize_t, read, "read", (int fd, void *data, size_t size), NULL, fd, (fd, data, size))
FAIL(ssize_t, writev, "write", (int fd, const struct iovec *parts, int count), NULL, fd, (fd, parts, count))
FAIL(int, fsync, "fsync", (int fd), NULL, fd, (fd))
FAIL(int, fdatasync, "fdatasync", (int fd), NULL, fd, (fd))
FAIL(int, rename, "rename", (const char *from, const char *to), to, -1, (from, to))
FAIL(int, unlink, "unlink", (const char *path), path, -1, (path))
FAIL(int, mkdir, "mkdir", (const char *path, mode_t mode), path, -1, (path, mode))
FAIL(int, ftruncate, "ftruncate", (int fd, off_t size), NULL, fd, (fd, size))
FAIL(int, ftruncate64, "ftruncate", (int fd, off64_t size), NULL, fd, (fd, size))
FAIL(int, truncate, "truncate", (const char *path, off_t size), path, -1, (path, size))
FAIL(int, truncate64, "truncate", (const char *path, off64_t size), path, -1, (path, size))
FAIL(int, stat, "stat", (const char *path, struct stat *out), path, -1, (path, out))
FAIL(int, stat64, "stat", (const char *path, struct stat64 *out), path, -1, (path, out))
FAIL(int, lstat, "stat", (const char *path, struct stat *out), path, -1, (path, out))
FAIL(int, lstat64, "stat", (const char *path, struct stat64 *out), path, -1, (path, out))
FAIL(int, fstat, "stat", (int fd, struct stat *out), NULL, fd, (fd, out))
FAIL(int, fstat64, "stat", (int fd, struct stat64 *out), NULL, fd, (fd, out))
FAIL(pid_t, fork, "fork", (void), NULL, -1, ())
FAIL(pid_t, waitpid, "waitpid", (pid_t pid, int *status, int options), NULL, -1, (pid, status, options))
FAIL(int, pipe2, "pipe2", (int fds[2], int flags), NULL, -1, (fds, flags))
FAIL(int, socket, "socket", (int family, int type, int protocol), NULL, -1, (family, type, protocol))
FAIL(int, bind, "bind", (int fd, const struct sockaddr *address, socklen_t size), NULL, -1, (fd, address, size))
FAIL(int, listen, "listen", (int fd, int backlog), NULL, -1, (fd, backlog))
FAIL(int, accept4, "accept4", (int fd, struct sockaddr *address, socklen_t *size, int flags), NULL, -1,
     (fd, address, size, flags))
FAIL(int, setsockopt, "setsockopt", (int fd, int level, int name, const void *value, socklen_t size), NULL, -1,
     (fd, level, name, value, size))
FAIL(int, getsockname, "getsockname", (int fd, struct sockaddr *address, socklen_t *size), NULL, -1, (fd, address, size))
FAIL(ssize_t, recv, "recv", (int fd, void *data, size_t size, int flags), NULL, -1, (fd, data, size, flags))
FAIL(ssize_t, sendmsg, "send", (int fd, const struct msghdr *message, int flags), NULL, -1, (fd, message, flags))
FAIL(ssize_t, send, "send", (int fd, const void *data, size_t size, int flags), NULL, -1, (fd, data, size, flags))
FAIL(int, epoll_create1, "epoll_create1", (int flags), NULL, -1, (flags))
FAIL(int, chdir, "chdir", (const char *path), path, -1, (path))
FAIL(int, epoll_wait, "epoll_wait", (int fd, struct epoll_event *events, int most, int timeout), NULL, -1,
     (fd, events, most, timeout))

int epoll_ctl(int fd, int operation, int watched, struct epoll_event *event) {
    REAL(epoll_ctl);
    const char *names[] = {"", "epoll_add", "epoll_del", "epoll_mod"};
    return failing(names[operation & 3], NULL, -1) ? -1 : real(fd, operation, watched, event);
}

DIR *opendir(const char *path) {
    REAL(opendir);
    return failing("opendir", path, -1) ? NULL : real(path);
}

/* A close that fails has closed all the same. */
int close(int fd) {
    REAL(close);
    int error = failing("close", NULL, fd) ? errno : 0;
    int outcome = real(fd);
    if (!error) return outcome;
    errno = error;
    return -1;
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    struct rule *rule = failing("write", NULL, fd);
    if (!rule) return real(fd, data, size);
    return rule->error ? -1 : real(fd, data, size / 2);
}

/* These return the error. */
int posix_fadvise64(int fd, off64_t offset, off64_t size, int advice) {
    REAL(posix_fadvise64);
    return failing("posix_fadvise", NULL, fd) ? errno : real(fd, offset, size, advice);
}

int posix_fadvise(int fd, off_t offset, off_t size, int advice) {
    REAL(posix_fadvise);
    return failing("posix_fadvise", NULL, fd) ? errno : real(fd, offset, size, advice);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    REAL(pthread_create);
    return failing("pthread_create", NULL, -1) ? errno : real(thread, attributes, start, argument);
}
