/* SPDX-License-Identifier: MIT */
/*
 * Entering isolation, stage by stage; see isolation.h for what each is for.
 *
 * The order is forced: namespaces need the capabilities that their own creation gives, writing the
 * user map needs a dumpable process, Landlock forbids mounting, and the filter forbids all of it.
 */
#include "os/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/isolation_parts.h"

/* Capabilities that a bounding set may have; the kernel has 41. */
#define CAPABILITY_MAX 64

static struct pv_os_isolation_outcome outcome_of(struct pv_os_isolation_report *report,
                                                 enum pv_os_isolation_stage stage)
{
    return (struct pv_os_isolation_outcome){&report->stages[stage].state,
                                            report->stages[stage].detail,
                                            sizeof(report->stages[stage].detail)};
}

static void tell(struct pv_os_isolation_outcome outcome, enum pv_os_isolation_state state,
                 const char *detail)
{
    *outcome.state = state;
    (void)snprintf(outcome.detail, outcome.detail_bytes, "%s", detail);
}

/* Close all descriptors from first to last; kernels before 5.9 have no call for it. */
static bool close_range_of(unsigned int first, unsigned int last)
{
    return first > last || syscall(SYS_close_range, first, last, 0) == 0;
}

/* Everybody here opens with close-on-exec; this is for what came from the user's shell. */
static bool close_others(const int *kept_fds, size_t kept_count)
{
    unsigned int first = STDERR_FILENO + 1;
    bool is_closed = true;

    for (;;) {
        unsigned int next = ~0u;

        for (size_t i = 0; i < kept_count; i++) {
            if ((unsigned int)kept_fds[i] >= first && (unsigned int)kept_fds[i] < next) {
                next = (unsigned int)kept_fds[i];
            }
        }
        if (next == ~0u) {
            return close_range_of(first, ~0u) && is_closed;
        }
        is_closed = (next == first || close_range_of(first, next - 1)) && is_closed;
        first = next + 1;
    }
}

/*
 * A terminal is open for reading under all three numbers, as a rule, and being in another session
 * does not keep a process from reading what the user types. So it is opened again, for writing
 * only, which also gives it flags (O_NONBLOCK) that are not the shell's.
 */
static bool narrow_terminal(int fd)
{
    const int flags = fcntl(fd, F_GETFL);
    char path[32];
    bool is_narrow;
    int own;

    if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY || !isatty(fd)) {
        return true;
    }
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    own = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (own < 0) {
        return false;
    }
    is_narrow = dup2(own, fd) == fd;
    close(own);
    return is_narrow;
}

static bool narrow_terminals(void)
{
    bool is_narrow = true;

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        is_narrow = narrow_terminal(fd) && is_narrow;
    }
    return is_narrow;
}

/*
 * No RLIMIT_NPROC: it counts all processes of the user, so it would stop threads of a driver when
 * the user has many; and the filter refuses new processes anyway. No RLIMIT_NOFILE here: the
 * device chose it, each exported allocation is a file. No RLIMIT_FSIZE: shared memory is a file.
 */
static void enter_limits(const struct pv_os_isolation_options *options,
                         struct pv_os_isolation_outcome outcome)
{
    const int r = pv_os_isolation_begin();
    const bool is_narrow = narrow_terminals();
    const bool is_closed = close_others(options->kept_fds, options->kept_count);

    if (r < 0) {
        tell(outcome, PV_OS_ISOLATION_PARTLY, strerror(-r));
    } else if (!is_narrow) {
        tell(outcome, PV_OS_ISOLATION_PARTLY, "the terminal can be read");
    } else if (!is_closed) {
        tell(outcome, PV_OS_ISOLATION_PARTLY, "inherited descriptors cannot be closed");
    } else {
        tell(outcome, PV_OS_ISOLATION_HOLDS,
             "no core file, no inherited descriptors, no reading of the terminal");
    }
}

static void enter_privileges(struct pv_os_isolation_outcome outcome)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};

    /* First the set that bounds what could ever come back; this takes a capability. */
    for (unsigned long i = 0; i < CAPABILITY_MAX; i++) {
        if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0) {
            break; /* EINVAL after the last; EPERM for users without any, who need no bound */
        }
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) < 0) {
        tell(outcome, PV_OS_ISOLATION_PARTLY, "capabilities cannot be dropped");
    } else if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
        tell(outcome, PV_OS_ISOLATION_PARTLY, "no capabilities, but new privileges by exec");
    } else {
        tell(outcome, PV_OS_ISOLATION_HOLDS, "no capabilities, none by exec");
    }
}

static void enter_memory(struct pv_os_isolation_outcome outcome)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
        tell(outcome, PV_OS_ISOLATION_ABSENT, strerror(errno));
    } else {
        tell(outcome, PV_OS_ISOLATION_HOLDS, "closed to other processes of the user");
    }
}

static int enter_measuring(const struct pv_os_isolation_options *options,
                           struct pv_os_isolation_report *report)
{
    int listener_fd = -1;
    int socket;
    int r = pv_os_isolation_measure_start(options, &socket);

    if (r < 0) {
        return r;
    }
    pv_os_isolation_enter_calls(options, &listener_fd, outcome_of(report, PV_OS_ISOLATION_CALLS));
    if (listener_fd < 0) {
        close(socket);
        return -ENOTSUP;
    }
    r = pv_os_isolation_measure_hand_over(socket, listener_fd);
    for (int i = PV_OS_ISOLATION_LIMITS + 1; i < PV_OS_ISOLATION_STAGE_COUNT; i++) {
        tell(outcome_of(report, (enum pv_os_isolation_stage)i), PV_OS_ISOLATION_ABSENT,
             "measuring");
    }
    return r;
}

int pv_os_isolation_enter(const struct pv_os_isolation_options *options,
                          struct pv_os_isolation_report *ret_report)
{
    memset(ret_report, 0, sizeof(*ret_report));
    if (options->size_bytes != sizeof(*options)) {
        return -EINVAL;
    }
    enter_limits(options, outcome_of(ret_report, PV_OS_ISOLATION_LIMITS));
    if (options->is_measuring) {
        return enter_measuring(options, ret_report);
    }
    pv_os_isolation_enter_namespaces(options, outcome_of(ret_report, PV_OS_ISOLATION_NAMESPACES));
    pv_os_isolation_enter_files(options, outcome_of(ret_report, PV_OS_ISOLATION_FILES));
    enter_privileges(outcome_of(ret_report, PV_OS_ISOLATION_PRIVILEGES));
    enter_memory(outcome_of(ret_report, PV_OS_ISOLATION_MEMORY));
    pv_os_isolation_enter_calls(options, NULL, outcome_of(ret_report, PV_OS_ISOLATION_CALLS));
    return 0;
}

const char *pv_os_isolation_stage_name(enum pv_os_isolation_stage stage)
{
    static const char *const names[PV_OS_ISOLATION_STAGE_COUNT] = {
        [PV_OS_ISOLATION_LIMITS] = "limits", [PV_OS_ISOLATION_NAMESPACES] = "namespaces",
        [PV_OS_ISOLATION_FILES] = "files",   [PV_OS_ISOLATION_PRIVILEGES] = "privileges",
        [PV_OS_ISOLATION_MEMORY] = "memory", [PV_OS_ISOLATION_CALLS] = "calls",
    };

    return stage < PV_OS_ISOLATION_STAGE_COUNT ? names[stage] : "?";
}

bool pv_os_isolation_is_complete(const struct pv_os_isolation_report *report)
{
    for (int i = 0; i < PV_OS_ISOLATION_STAGE_COUNT; i++) {
        if (report->stages[i].state != PV_OS_ISOLATION_HOLDS) {
            return false;
        }
    }
    return true;
}

/* Append to a text that may be full already. */
static void append(char *text, size_t text_bytes, const char *first, const char *second,
                   const char *third)
{
    const size_t used = strlen(text);

    (void)snprintf(text + used, text_bytes - used, "%s%s%s", first, second, third);
}

void pv_os_isolation_describe(const struct pv_os_isolation_report *report, char *ret_text,
                              size_t text_bytes)
{
    static const struct {
        enum pv_os_isolation_state state;
        const char *title;
    } groups[] = {
        {PV_OS_ISOLATION_HOLDS, "holds: "},
        {PV_OS_ISOLATION_PARTLY, "in part: "},
        {PV_OS_ISOLATION_ABSENT, "missing: "},
    };

    ret_text[0] = '\0';
    for (size_t group = 0; group < PV_ARRAY_LEN(groups); group++) {
        bool is_first = true;

        for (int i = 0; i < PV_OS_ISOLATION_STAGE_COUNT; i++) {
            if (report->stages[i].state != groups[group].state) {
                continue;
            }
            if (is_first) {
                append(ret_text, text_bytes, ret_text[0] != '\0' ? "; " : "", groups[group].title,
                       "");
            }
            append(ret_text, text_bytes, is_first ? "" : ", ",
                   pv_os_isolation_stage_name((enum pv_os_isolation_stage)i), "");
            if (report->stages[i].state != PV_OS_ISOLATION_HOLDS) {
                append(ret_text, text_bytes, " (", report->stages[i].detail, ")");
            }
            is_first = false;
        }
    }
}
