/* SPDX-License-Identifier: MIT */
/*
 * The system call filter; see isolation.h. libseccomp turns the list into BPF, as a binary tree;
 * for calls that are allowed whatever their arguments the kernel keeps a bitmap and does not even
 * run that (Linux 5.11).
 *
 * Some calls are safe with some arguments only. The filter sees registers, not memory, so a call
 * that takes its arguments by pointer (clone3) cannot be judged: it fails with ENOSYS, and the C
 * library takes the older one (clone), which can.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "os/isolation_parts.h"

/* The first call after Linux 5.0, and one past all that there may be for long. Since then numbers
 * are the same on all processors. */
#define YOUNG_FIRST 424
#define YOUNG_END   512

#define LOW_32 UINT64_C(0xffffffff)

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* Sanitizers stop all threads at the end, with a helper process that traces them. */
#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

/* An argument that, under a mask, has a value. */
static struct scmp_arg_cmp has(unsigned int argument, uint64_t mask, uint64_t value)
{
    return (struct scmp_arg_cmp){argument, SCMP_CMP_MASKED_EQ, mask, value};
}

struct filter {
    scmp_filter_ctx context;
    uint32_t refuse; /* the action for calls that are not in the list */
    size_t count;    /* calls that are allowed */
    int error;       /* first failure, or 0 */
};

static void add(struct filter *filter, uint32_t action, int number, unsigned int count,
                const struct scmp_arg_cmp *arguments)
{
    const int r = seccomp_rule_add_array(filter->context, action, number, count, arguments);

    if (r < 0 && filter->error == 0) {
        filter->error = r;
    }
}

static void allow(struct filter *filter, const char *name, unsigned int count,
                  const struct scmp_arg_cmp *arguments)
{
    const int number = seccomp_syscall_resolve_name(name);

    if (number >= 0) { /* negative: unknown, or none of this processor */
        add(filter, SCMP_ACT_ALLOW, number, count, arguments);
        filter->count++;
    }
}

/* Allow a call where one argument, read as 32 bits, has one of these values. */
static void allow_values(struct filter *filter, const char *name, unsigned int argument,
                         const uint32_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct scmp_arg_cmp compare = has(argument, LOW_32, values[i]);

        allow(filter, name, 1, &compare);
    }
}

/* Threads, but no processes, and no new namespaces. */
static void allow_threads(struct filter *filter)
{
    const uint64_t wanted = CLONE_VM | CLONE_THREAD;
    const uint64_t looked_at = wanted | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID
                               | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    const struct scmp_arg_cmp compare = has(0, looked_at, wanted);

    if (HAS_SANITIZER) {
        allow(filter, "clone", 0, NULL);
        allow(filter, "ptrace", 0, NULL);
        allow(filter, "wait4", 0, NULL);
        allow(filter, "getdents", 0, NULL);
    } else {
        allow(filter, "clone", 1, &compare);
    }
}

/* Signals to this process: raise() and abort() of the C library. Not to the group (0) either. */
static void allow_own_signals(struct filter *filter)
{
    static const char *const calls[] = {"kill", "tgkill"};
    const uint32_t self = (uint32_t)getpid();

    for (size_t i = 0; i < PV_ARRAY_LEN(calls); i++) {
        allow_values(filter, calls[i], 0, &self, 1);
    }
}

/* The calling thread's own scheduling; others, by their number, could be another process. */
static void allow_own_scheduling(struct filter *filter)
{
    static const char *const calls[] = {"sched_setaffinity", "sched_setscheduler",
                                        "sched_setparam"};
    const struct scmp_arg_cmp own_priority[] = {has(0, LOW_32, 0), has(1, LOW_32, 0)};
    const struct scmp_arg_cmp read_limit[] = {has(0, LOW_32, 0), has(2, UINT64_MAX, 0)};
    const uint32_t own = 0;

    for (size_t i = 0; i < PV_ARRAY_LEN(calls); i++) {
        allow_values(filter, calls[i], 0, &own, 1);
    }
    allow(filter, "setpriority", 2, own_priority);
    allow(filter, "prlimit64", 2, read_limit);
}

/* Names of threads and mappings, how late a sleep may end (os/clock.c), and looking at oneself. */
static void allow_own_state(struct filter *filter)
{
    static const uint32_t values[] = {PR_SET_NAME,         PR_GET_NAME,      PR_SET_VMA,
                                      PR_GET_DUMPABLE,     PR_CAPBSET_READ,  PR_GET_SECCOMP,
                                      PR_GET_NO_NEW_PRIVS, PR_SET_TIMERSLACK};
    static const uint32_t sanitizer_values[] = {PR_SET_DUMPABLE, PR_SET_PTRACER};

    allow_values(filter, "prctl", 0, values, PV_ARRAY_LEN(values));
    if (HAS_SANITIZER) {
        allow_values(filter, "prctl", 0, sanitizer_values, PV_ARRAY_LEN(sanitizer_values));
    }
}

/* Not F_SETOWN and F_SETSIG: with these the kernel would send any signal to any process. */
static void allow_descriptors(struct filter *filter)
{
    static const uint32_t values[] = {F_DUPFD,  F_DUPFD_CLOEXEC, F_GETFD,     F_SETFD,     F_GETFL,
                                      F_SETFL,  F_ADD_SEALS,     F_GET_SEALS, F_GETLK,     F_SETLK,
                                      F_SETLKW, F_OFD_GETLK,     F_OFD_SETLK, F_OFD_SETLKW};

    allow_values(filter, "fcntl", 1, values, PV_ARRAY_LEN(values));
}

/*
 * Of terminals only "are you one?" and sizes: TIOCSTI would type into the user's shell. Devices by
 * the family of their numbers.
 */
static void allow_controls(struct filter *filter, const struct pv_os_isolation_options *options)
{
    static const uint32_t values[] = {TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX};

    allow_values(filter, "ioctl", 1, values, PV_ARRAY_LEN(values));
    for (size_t i = 0; i < options->ioctl_type_count; i++) {
        const uint64_t type = (uint64_t)options->ioctl_types[i] << 8;
        const struct scmp_arg_cmp compare = has(1, 0xff00, type);

        allow(filter, "ioctl", 1, &compare);
    }
}

static bool is_listed(const struct pv_os_isolation_options *options, int number)
{
    for (size_t i = 0; options->calls[i] != NULL; i++) {
        if (seccomp_syscall_resolve_name(options->calls[i]) == number) {
            return true;
        }
    }
    return false;
}

/* Calls that open paths by name: when measuring, they are looked at. */
static bool opens_path(const char *name)
{
    return strcmp(name, "open") == 0 || strcmp(name, "openat") == 0;
}

static void add_rules(struct filter *filter, const struct pv_os_isolation_options *options,
                      bool is_measuring)
{
    for (size_t i = 0; options->calls[i] != NULL; i++) {
        if (!is_measuring || !opens_path(options->calls[i])) {
            allow(filter, options->calls[i], 0, NULL);
        }
    }
    allow_threads(filter);
    allow_own_signals(filter);
    allow_own_scheduling(filter);
    allow_own_state(filter);
    allow_descriptors(filter);
    allow_controls(filter, options);
    for (int number = YOUNG_FIRST; number < YOUNG_END; number++) {
        if (!is_listed(options, number)) {
            add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0, NULL);
        }
    }
}

static int load(struct filter *filter, bool is_measuring)
{
    int r = filter->error;

    /* Another processor mode (32 bits, x32) has other numbers: none of them. */
    if (r == 0) {
        r = seccomp_attr_set(filter->context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
    }
    if (r == 0) {
        r = seccomp_attr_set(filter->context, SCMP_FLTATR_CTL_NNP, 0); /* is set */
    }
    if (r == 0 && !is_measuring) {
        r = seccomp_attr_set(filter->context, SCMP_FLTATR_CTL_TSYNC, 1);
    }
    if (r == 0) {
        (void)seccomp_attr_set(filter->context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        (void)seccomp_attr_set(filter->context, SCMP_FLTATR_API_SYSRAWRC,
                               1); /* the kernel's errno */
        r = seccomp_load(filter->context);
    }
    return r;
}

void pv_os_isolation_enter_calls(const struct pv_os_isolation_options *options,
                                 int *ret_listener_fd, struct pv_os_isolation_outcome outcome)
{
    const bool is_measuring = ret_listener_fd != NULL;
    struct filter filter = {.refuse = is_measuring ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO(EPERM)};
    int r = -ENOMEM;

    filter.context = seccomp_init(filter.refuse);
    if (filter.context != NULL) {
        add_rules(&filter, options, is_measuring);
        r = load(&filter, is_measuring);
    }
    if (r == 0 && is_measuring) {
        *ret_listener_fd = seccomp_notify_fd(filter.context);
    }
    if (r < 0) {
        *outcome.state = PV_OS_ISOLATION_ABSENT;
        (void)snprintf(outcome.detail, outcome.detail_bytes, "no seccomp: %s", strerror(-r));
    } else {
        *outcome.state = PV_OS_ISOLATION_HOLDS;
        (void)snprintf(outcome.detail, outcome.detail_bytes, "seccomp, %zu rules", filter.count);
    }
    seccomp_release(filter.context);
}

const char *pv_os_isolation_call_name(int number)
{
    static char name[64];
    char *found = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

    (void)snprintf(name, sizeof(name), "%s", found != NULL ? found : "?");
    free(found);
    return name;
}
