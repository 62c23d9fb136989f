/* SPDX-License-Identifier: MIT */
/*
 * Namespaces of our own; see isolation.h.
 *
 * Users who are not root get them through a user namespace, where kernel and container allow that;
 * root takes the same way, because a capability of a user namespace is worth nothing outside. Each
 * of the others is asked for alone, so that one that is refused does not take the rest along.
 *
 * No process namespace: it holds for children only, so the worker would need a second process in
 * between. What it would give (no signals to others, no look at them) the filter, Landlock's
 * scopes and the user namespace give already.
 *
 * The mount namespace is the second line behind Landlock: it hides folders and makes the rest
 * read-only, where Landlock names what may be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/isolation_parts.h"

/* Of Linux 5.12; older C libraries have neither the struct nor the call. */
struct mount_attributes {
    uint64_t set;
    uint64_t clear;
    uint64_t propagation;
    uint64_t user_namespace_fd;
};

#define ATTRIBUTE_READ_ONLY UINT64_C(1)
#define ATTRIBUTE_NO_SUID   UINT64_C(2)

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442 /* on all processors */
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

static bool write_text(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written;

    if (fd < 0) {
        return false;
    }
    is_written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return is_written;
}

/* Everybody stays who he was; without a map, all files would belong to "nobody" for the driver. */
static void map_user(uid_t user, gid_t group)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%u %u 1\n", user, user);
    (void)write_text("/proc/self/uid_map", text);
    (void)write_text("/proc/self/setgroups", "deny");
    (void)snprintf(text, sizeof(text), "%u %u 1\n", group, group);
    (void)write_text("/proc/self/gid_map", text);
}

/* Whether `path` is `folder` or lies in it. */
static bool lies_in(const char *path, const char *folder)
{
    const size_t length = strlen(folder);

    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static bool is_needed(char *const *paths, size_t count, const char *folder)
{
    for (size_t i = 0; i < count; i++) {
        if (paths[i] != NULL && lies_in(paths[i], folder)) {
            return true;
        }
    }
    return false;
}

static void hide(const char *folder)
{
    struct stat status;

    if (stat(folder, &status) == 0 && S_ISDIR(status.st_mode)) {
        (void)mount("none", folder, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                    "size=4k,mode=0555");
    }
}

/* Hide the folders in which no path lies that stays open. Needs memory: hides all or none. */
static bool hide_folders(const struct pv_os_isolation_options *options)
{
    char **paths = calloc(options->path_count + 1, sizeof(*paths));

    for (size_t i = 0; paths != NULL && i < options->path_count; i++) {
        paths[i] = realpath(options->paths[i].path, NULL);
    }
    for (size_t i = 0; paths != NULL && options->hidden != NULL && options->hidden[i] != NULL;
         i++) {
        char *real = realpath(options->hidden[i], NULL);

        /* A home of "/" is nothing that could be hidden. */
        if (real != NULL && strcmp(real, "/") != 0
            && !is_needed(paths, options->path_count, real)) {
            hide(real);
        }
        free(real);
    }
    for (size_t i = 0; paths != NULL && i < options->path_count; i++) {
        free(paths[i]);
    }
    if (paths == NULL) {
        return false;
    }
    free(paths);
    return true;
}

static bool enter_mounts(const struct pv_os_isolation_options *options)
{
    struct mount_attributes attributes = {.set = ATTRIBUTE_READ_ONLY | ATTRIBUTE_NO_SUID};
    char *folder;
    bool is_read_only;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        return false;
    }
    folder = getcwd(NULL, 0);
    is_read_only = hide_folders(options);
    is_read_only =
        syscall(SYS_mount_setattr, -1, "/", AT_RECURSIVE, &attributes, sizeof(attributes)) == 0
        && is_read_only;
    /* The working folder is one of before: it would still lead behind what hides it. */
    if (folder == NULL || folder[0] != '/' || chdir(folder) < 0) {
        is_read_only = chdir("/") == 0 && is_read_only;
    }
    free(folder);
    return is_read_only;
}

void pv_os_isolation_enter_namespaces(const struct pv_os_isolation_options *options,
                                      struct pv_os_isolation_outcome outcome)
{
    enum { USERS, MOUNTS, NETWORK, OBJECTS, NAMES, COUNT };
    static const char *const names[COUNT] = {"users", "mounts", "network", "ipc", "host name"};
    const uid_t user = getuid();
    const gid_t group = getgid();
    bool holds[COUNT];
    size_t used = 0;
    int count = 0;
    int error;

    holds[USERS] = unshare(CLONE_NEWUSER) == 0;
    error = errno;
    if (holds[USERS]) {
        map_user(user, group);
    }
    holds[MOUNTS] = enter_mounts(options);
    holds[NETWORK] = unshare(CLONE_NEWNET) == 0;
    holds[OBJECTS] = unshare(CLONE_NEWIPC) == 0;
    holds[NAMES] = unshare(CLONE_NEWUTS) == 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (holds[i]) {
            used += (size_t)snprintf(outcome.detail + used, outcome.detail_bytes - used, "%s%s",
                                     count > 0 ? ", " : "own ", names[i]);
            count++;
        }
    }
    *outcome.state = count == COUNT ? PV_OS_ISOLATION_HOLDS : PV_OS_ISOLATION_PARTLY;
    if (count == 0) {
        *outcome.state = PV_OS_ISOLATION_ABSENT;
        (void)snprintf(outcome.detail, outcome.detail_bytes, "none can be made: %s",
                       strerror(error));
    } else if (count < COUNT) {
        (void)snprintf(outcome.detail + used, outcome.detail_bytes - used, " only");
    }
}
