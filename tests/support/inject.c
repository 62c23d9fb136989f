/* SPDX-License-Identifier: MIT */
/*
 * Wrapped functions of the C library; see inject.h. Each entry below names one function twice: what
 * the linker calls the original, and what callers get instead.
 */
#include "support/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static struct inject_report own_report;
static struct {
    _Atomic enum inject_class class;
    uint64_t at;
    bool onwards;
    struct inject_report *report;
} inject = {.report = &own_report};
static _Thread_local unsigned paused;

static const char *const names[INJECT_CLASSES] = {
    "none", "alloc", "map", "thread", "send", "receive", "descriptor", "vulkan", "lost",
};

const char *inject_class_name(enum inject_class class)
{
    return names[class];
}

void inject_arm(enum inject_class class, uint64_t at, bool onwards)
{
    memset(inject.report, 0, sizeof(*inject.report));
    inject.at = at;
    inject.onwards = onwards;
    inject.class = class;
}

void inject_disarm(void)
{
    inject.class = INJECT_NONE;
}

const struct inject_report *inject_seen(void)
{
    return inject.report;
}

void inject_pause(void)
{
    paused++;
}

void inject_resume(void)
{
    paused--;
}

void inject_reset(void)
{
    inject_disarm();
    paused = 0;
}

bool inject_fails(enum inject_class class, const char *what, const void *caller)
{
    uint64_t number;

    if (paused > 0) {
        return false;
    }
    inject.report->all[class]++;
    if (inject.class != class) {
        return false;
    }
    number = ++inject.report->calls;
    if (number != inject.at && (number < inject.at || !inject.onwards)) {
        return false;
    }
    if (inject.report->fired++ == 0) {
        (void)snprintf(inject.report->what, sizeof(inject.report->what), "%s", what);
        inject.report->caller = caller;
    }
    return true;
}

/* ---- told by the environment ---- */

__attribute__((constructor)) static void read_environment(void)
{
    const char *text = getenv("PV_INJECT");
    const char *program = getenv("PV_INJECT_PROGRAM");
    const char *path = getenv("PV_INJECT_REPORT");
    const char *colon = text != NULL ? strchr(text, ':') : NULL;
    int fd;
    void *shared;

    if (colon == NULL || path == NULL
        || (program != NULL && strcmp(program, program_invocation_short_name) != 0)) {
        return;
    }
    inject_pause();
    fd = open(path, O_RDWR | O_CLOEXEC);
    shared = mmap(NULL, sizeof(struct inject_report), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || shared == MAP_FAILED) {
        (void)fprintf(stderr, "inject: %s: %s\n", path, strerror(errno));
        _exit(99);
    }
    (void)close(fd);
    inject_resume();
    inject.report = shared;
    inject.at = strtoull(colon + 1, NULL, 10);
    inject.onwards = strchr(colon, '+') != NULL;
    for (int i = INJECT_ALLOC; i < INJECT_CLASSES; i++) {
        if (strncmp(text, names[i], (size_t)(colon - text)) == 0
            && names[i][colon - text] == '\0') {
            inject.class = (enum inject_class)i;
        }
    }
}

/* ---- what is wrapped ---- */

#define FAILS(class, name) inject_fails(class, #name, __builtin_return_address(0))

/* Arguments and their names in parentheses; failed: what a failure returns, with errno = error. */
#define WRAP(class, type, name, arguments, passed, failed, error)                                  \
    type __real_##name arguments;                                                                  \
    type __wrap_##name arguments;                                                                  \
    type __wrap_##name arguments                                                                   \
    {                                                                                              \
        if (FAILS(class, name)) {                                                                  \
            errno = (error);                                                                       \
            return failed;                                                                         \
        }                                                                                          \
        return __real_##name passed;                                                               \
    }

/* clang-format off */
WRAP(INJECT_ALLOC, void *, malloc, (size_t size), (size), NULL, ENOMEM)
WRAP(INJECT_ALLOC, void *, calloc, (size_t count, size_t size), (count, size), NULL, ENOMEM)
WRAP(INJECT_ALLOC, void *, realloc, (void *old, size_t size), (old, size), NULL, ENOMEM)
WRAP(INJECT_ALLOC, char *, strdup, (const char *text), (text), NULL, ENOMEM)
WRAP(INJECT_ALLOC, int, vasprintf, (char **to, const char *format, va_list list),
     (to, format, list), -1, ENOMEM)

WRAP(INJECT_MAP, void *, mmap64, (void *at, size_t size, int prot, int flags, int fd, off_t offset),
     (at, size, prot, flags, fd, offset), MAP_FAILED, ENOMEM)
WRAP(INJECT_MAP, int, mprotect, (void *at, size_t size, int prot), (at, size, prot), -1, ENOMEM)

WRAP(INJECT_THREAD, int, pthread_create,
     (pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *user),
     (thread, attributes, run, user), EAGAIN, errno)
WRAP(INJECT_THREAD, pid_t, fork, (void), (), -1, EAGAIN)

WRAP(INJECT_SEND, ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),
     (fd, message, flags), -1, ENOBUFS)
WRAP(INJECT_SEND, ssize_t, send, (int fd, const void *bytes, size_t size, int flags),
     (fd, bytes, size, flags), -1, ENOBUFS)
WRAP(INJECT_RECEIVE, ssize_t, recvmsg, (int fd, struct msghdr *message, int flags),
     (fd, message, flags), -1, ENOMEM)

WRAP(INJECT_DESCRIPTOR, int, memfd_create, (const char *name, unsigned flags), (name, flags), -1,
     EMFILE)
WRAP(INJECT_DESCRIPTOR, int, ftruncate64, (int fd, off_t size), (fd, size), -1, ENOSPC)
WRAP(INJECT_DESCRIPTOR, int, fallocate64, (int fd, int mode, off_t offset, off_t size),
     (fd, mode, offset, size), -1, ENOSPC)
WRAP(INJECT_DESCRIPTOR, int, eventfd, (unsigned start, int flags), (start, flags), -1, EMFILE)
WRAP(INJECT_DESCRIPTOR, int, epoll_create1, (int flags), (flags), -1, EMFILE)
WRAP(INJECT_DESCRIPTOR, int, timerfd_create, (int clock, int flags), (clock, flags), -1, EMFILE)
WRAP(INJECT_DESCRIPTOR, int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags),
     -1, EMFILE)
WRAP(INJECT_DESCRIPTOR, int, socketpair, (int domain, int type, int protocol, int *fds),
     (domain, type, protocol, fds), -1, EMFILE)
WRAP(INJECT_DESCRIPTOR, int, socket, (int domain, int type, int protocol),
     (domain, type, protocol), -1, EMFILE)
WRAP(INJECT_DESCRIPTOR, int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags),
     (fd, address, size, flags), -1, EMFILE)
WRAP(INJECT_DESCRIPTOR, int, listen, (int fd, int count), (fd, count), -1, EADDRINUSE)
WRAP(INJECT_DESCRIPTOR, int, pipe2, (int *fds, int flags), (fds, flags), -1, EMFILE)
/* clang-format on */

int __real_epoll_ctl(int epoll_fd, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int what, int fd, struct epoll_event *event);

/* Only what can fail in truth: a new watch takes the kernel's memory, others do not. */
int __wrap_epoll_ctl(int epoll_fd, int what, int fd, struct epoll_event *event)
{
    if (what == EPOLL_CTL_ADD && FAILS(INJECT_DESCRIPTOR, epoll_ctl)) {
        errno = ENOMEM;
        return -1;
    }
    return __real_epoll_ctl(epoll_fd, what, fd, event);
}

int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);

int __wrap_fcntl64(int fd, int command, ...)
{
    va_list list;
    long argument;

    va_start(list, command);
    argument = va_arg(list, long);
    va_end(list);
    if ((command == F_DUPFD_CLOEXEC || command == F_ADD_SEALS) && FAILS(INJECT_DESCRIPTOR, fcntl)) {
        errno = command == F_DUPFD_CLOEXEC ? EMFILE : EPERM;
        return -1;
    }
    return __real_fcntl64(fd, command, argument);
}

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_pidfd_open && FAILS(INJECT_DESCRIPTOR, pidfd_open)) {
        errno = EMFILE;
        return -1;
    }
    return __real_syscall(number, a, b, c, d, e, f);
}
