/* SPDX-License-Identifier: MIT */
/*
 * A process that gives up what it does not need, before it reads the first byte from somebody it
 * does not trust. In the manner of passt, in stages, each as early as it can come:
 *
 *   limits       no core file (it would hold guest memory), no inherited descriptors but the named
 *                and the standard ones, of which a terminal can be written to but not read
 *   namespaces   its own users, mounts, network, System V objects and host name; folders that
 *                nobody needs are hidden and all file systems are read-only
 *   files        Landlock: only the named paths can be opened; nothing can be executed, created,
 *                removed or renamed; no TCP; no signals and no abstract sockets to the outside
 *   privileges   no new privileges by exec, no capabilities
 *   memory       nobody of the same user can look into this process (not "dumpable")
 *   calls        seccomp: system calls by an allow-list; the others fail with EPERM, or with ENOSYS
 *                where they are younger than Linux 5.0, because programs live without those
 *
 * Each stage is taken alone: where this kernel or this container does not have it the others still
 * hold, and the report says so. Nothing here ends the process, now or when a call is refused.
 *
 * Everything is done while there is one thread, because Landlock and namespaces belong to threads;
 * threads that come later inherit all of it. So a driver that starts threads is loaded afterwards.
 */
#ifndef PV_OS_ISOLATION_H
#define PV_OS_ISOLATION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

enum pv_os_isolation_access {
    PV_OS_ISOLATION_READ,  /* read files and folders below the path */
    PV_OS_ISOLATION_WRITE, /* and write to, and control (ioctl), files that are there: devices */
};

/* One path that stays open. One that does not exist is passed over. */
struct pv_os_isolation_path {
    const char *path;
    enum pv_os_isolation_access access;
};

/* All pointers are borrowed for the call. */
struct pv_os_isolation_options {
    size_t size_bytes; /* of this struct */
    const struct pv_os_isolation_path *paths;
    size_t path_count;
    /* Folders that a mount namespace hides, unless one of `paths` lies in them. NULL-terminated. */
    const char *const *hidden;
    /* Names of the system calls that are allowed; those that this processor lacks are passed over.
     * clone, kill, tgkill, prctl, fcntl, ioctl and a few more are held to safe arguments, see
     * isolation_calls.c. NULL-terminated. */
    const char *const *calls;
    /* Families of ioctl (the letter of _IOC_TYPE) that are allowed. */
    const unsigned char *ioctl_types;
    size_t ioctl_type_count;
    const int *kept_fds; /* descriptors above 2 that stay open */
    size_t kept_count;
    /*
     * Refuse nothing, but write a line to standard error for each call and path that would have
     * been refused, once. A child process does this; it ends with us. Stages that cannot be watched
     * (namespaces, privileges, memory) are left out. No protection at all: for finding out what a
     * driver needs.
     */
    bool is_measuring;
};

enum pv_os_isolation_stage {
    PV_OS_ISOLATION_LIMITS,
    PV_OS_ISOLATION_NAMESPACES,
    PV_OS_ISOLATION_FILES,
    PV_OS_ISOLATION_PRIVILEGES,
    PV_OS_ISOLATION_MEMORY,
    PV_OS_ISOLATION_CALLS,
    PV_OS_ISOLATION_STAGE_COUNT
};

enum pv_os_isolation_state {
    PV_OS_ISOLATION_ABSENT, /* this host does not have it; or not asked for */
    PV_OS_ISOLATION_PARTLY, /* `detail` says what is missing */
    PV_OS_ISOLATION_HOLDS,
};

struct pv_os_isolation_report {
    struct {
        enum pv_os_isolation_state state;
        char detail[160]; /* what holds, or why not: for people */
    } stages[PV_OS_ISOLATION_STAGE_COUNT];
};

/*
 * Enter isolation, for good.
 *
 * ret_report   always set
 *
 * Returns 0, also when stages are absent; -EINVAL for options of another build, or -errno when
 * measuring was asked for and cannot be done.
 * Threads: the only one of the process.
 */
PV_NODISCARD int pv_os_isolation_enter(const struct pv_os_isolation_options *options,
                                       struct pv_os_isolation_report *ret_report);

/* Whether all stages hold. */
bool pv_os_isolation_is_complete(const struct pv_os_isolation_report *report);

/* A stage's name, as reports print it: "limits", "namespaces", ... */
const char *pv_os_isolation_stage_name(enum pv_os_isolation_stage stage);

/* The report as one line: "holds: limits, ...; missing: files (no Landlock in this kernel)". */
void pv_os_isolation_describe(const struct pv_os_isolation_report *report, char *ret_text,
                              size_t text_bytes);

/*
 * The part for a process that starts others and is debugged by its user, such as the device: no
 * new privileges, which children inherit, and no core file. Returns 0 or -errno. Any thread.
 */
PV_NODISCARD int pv_os_isolation_begin(void);

#endif
