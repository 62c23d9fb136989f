/* SPDX-License-Identifier: MIT */
/*
 * Landlock; see isolation.h. Everything that the kernel's version of it can forbid is forbidden,
 * then the named paths are let through, for reading or for use as a device. Mapping a library is
 * reading; executing a file is a right that nobody gets.
 *
 * The numbers below are the kernel's interface (Documentation/userspace-api/landlock.rst), written
 * here because headers of the distributions that we build on know the first of them only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/isolation_parts.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444 /* on all processors */
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

struct ruleset {
    uint64_t files;
    uint64_t network;
    uint64_t scopes;
};

struct path_rule {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

#define CREATE_VERSION 1u
#define RULE_PATH      1

#define FILES_WRITE_FILE (UINT64_C(1) << 1)
#define FILES_READ_FILE  (UINT64_C(1) << 2)
#define FILES_READ_DIR   (UINT64_C(1) << 3)
#define FILES_TRUNCATE   (UINT64_C(1) << 14)
#define FILES_IOCTL_DEV  (UINT64_C(1) << 15)
#define NETWORK_ALL      UINT64_C(3) /* bind and connect of TCP */
#define SCOPES_ALL       UINT64_C(3) /* abstract sockets, signals */

/* Rights on files of each version: one more right each time, after the thirteen of the first. */
static uint64_t file_rights(int version)
{
    const int count = version >= 5 ? 16 : version >= 3 ? 15 : version >= 2 ? 14 : 13;

    return (UINT64_C(1) << count) - 1;
}

/* Add one path. Returns false if the kernel does not take it; paths that are not there are fine. */
static bool allow_path(int ruleset_fd, const struct pv_os_isolation_path *path, uint64_t known)
{
    const int fd = open(path->path, O_PATH | O_CLOEXEC);
    struct path_rule rule = {.allowed = FILES_READ_FILE | FILES_READ_DIR, .fd = fd};
    struct stat status;
    bool is_added;

    if (fd < 0) {
        return true;
    }
    if (path->access == PV_OS_ISOLATION_WRITE) {
        rule.allowed |= FILES_WRITE_FILE | FILES_TRUNCATE | FILES_IOCTL_DEV;
    }
    if (fstat(fd, &status) < 0 || !S_ISDIR(status.st_mode)) {
        rule.allowed &= ~FILES_READ_DIR;
    }
    rule.allowed &= known;
    is_added = syscall(SYS_landlock_add_rule, ruleset_fd, RULE_PATH, &rule, 0) == 0;
    /*
     * A rule is tied to an inode, and /proc makes another one when it has forgotten a name. An open
     * path is not forgotten, so these stay open; O_PATH reads nothing by itself.
     */
    if (strncmp(path->path, "/proc/", 6) != 0) {
        close(fd);
    }
    return is_added;
}

void pv_os_isolation_enter_files(const struct pv_os_isolation_options *options,
                                 struct pv_os_isolation_outcome outcome)
{
    const int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    const struct ruleset ruleset = {
        .files = file_rights(version),
        .network = version >= 4 ? NETWORK_ALL : 0,
        .scopes = version >= 6 ? SCOPES_ALL : 0,
    };
    size_t refused = 0;
    int fd;

    *outcome.state = PV_OS_ISOLATION_ABSENT;
    if (version < 1) {
        (void)snprintf(outcome.detail, outcome.detail_bytes, "no Landlock: %s", strerror(errno));
        return;
    }
    /* Members after the ones that an older kernel knows are zero, which it accepts. */
    fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
    for (size_t i = 0; fd >= 0 && i < options->path_count; i++) {
        refused += allow_path(fd, &options->paths[i], ruleset.files) ? 0 : 1;
    }
    if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0) {
        (void)snprintf(outcome.detail, outcome.detail_bytes, "Landlock: %s", strerror(errno));
    } else {
        *outcome.state = version >= 6 ? PV_OS_ISOLATION_HOLDS : PV_OS_ISOLATION_PARTLY;
        (void)snprintf(outcome.detail, outcome.detail_bytes, "Landlock %d%s%s%s", version,
                       version < 5 ? ", any ioctl" : "", version < 6 ? ", no scopes" : "",
                       refused > 0 ? ", not all paths taken" : "");
    }
    if (fd >= 0) {
        close(fd);
    }
}
