/* SPDX-License-Identifier: MIT */
/* Folders of running VMs; see the header. */
#include "vm/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The longest file name that is put into a VM's folder, with its slash and zero. */
#define FILE_NAME_ROOM 20

bool pv_vm_runtime_is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_.";

    const size_t length = strlen(name);

    return length > 0 && length <= PV_VM_RUNTIME_NAME_MAX && name[0] != '.'
           && strspn(name, allowed) == length;
}

static int join(char *ret_path, const char *folder, const char *name, size_t room)
{
    const int length = snprintf(ret_path, PV_VM_RUNTIME_PATH_MAX, "%s/%s", folder, name);

    return length < 0 || (size_t)length + room >= PV_VM_RUNTIME_PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Remove a folder with plain files and sockets in it. It is ours, and nothing nests there. */
static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    rmdir(path);
}

/* Take the lock of a VM's folder. Returns an fd, -EWOULDBLOCK while its owner lives, or -errno. */
static int lock_folder(const char *path, int flags)
{
    char lock_path[PV_VM_RUNTIME_PATH_MAX];
    int r = join(lock_path, path, "lock", 0);
    int fd;

    if (r != 0) {
        return r;
    }
    fd = open(lock_path, O_RDWR | O_CLOEXEC | flags, 0600);
    if (fd < 0) {
        return -errno;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

static bool is_alive(const char *path)
{
    const int fd = lock_folder(path, 0);

    if (fd >= 0) {
        close(fd);
    }
    return fd == -EWOULDBLOCK;
}

/* Call for each VM's folder: a dead one is swept, a living one counted and reported. */
static int scan(const char *base_path, bool sweep, char *ret_last)
{
    DIR *base = opendir(base_path);
    struct dirent *entry;
    int alive_count = 0;

    while (base != NULL && (entry = readdir(base)) != NULL) {
        char path[PV_VM_RUNTIME_PATH_MAX];

        if (!pv_vm_runtime_is_name(entry->d_name) || join(path, base_path, entry->d_name, 0) != 0) {
            continue;
        }
        if (is_alive(path)) {
            alive_count++;
            memcpy(ret_last, path, sizeof(path));
        } else if (sweep) {
            /* Without a lock file it may be in the making by somebody else, this very moment. */
            char lock_path[PV_VM_RUNTIME_PATH_MAX];

            if (join(lock_path, path, "lock", 0) == 0 && access(lock_path, F_OK) == 0) {
                remove_folder(path);
            }
        }
    }
    if (base != NULL) {
        closedir(base);
    }
    return alive_count;
}

static int make_base(const char *base_path)
{
    struct stat status;

    if (mkdir(base_path, 0700) != 0 && errno != EEXIST) {
        return -errno;
    }
    if (lstat(base_path, &status) != 0) {
        return -errno;
    }
    if (!S_ISDIR(status.st_mode)) {
        return -ENOTDIR;
    }
    /* In a folder that others can write to, somebody may have been there first. */
    return status.st_uid == geteuid() && (status.st_mode & 022) == 0 ? 0 : -EPERM;
}

static int make_folder(const char *base_path, const char *name, char *ret_path)
{
    int r;

    if (name == NULL) {
        r = join(ret_path, base_path, "vm-XXXXXX", FILE_NAME_ROOM);
        return r == 0 && mkdtemp(ret_path) == NULL ? -errno : r;
    }
    if (!pv_vm_runtime_is_name(name)) {
        return -EINVAL;
    }
    r = join(ret_path, base_path, name, FILE_NAME_ROOM);
    return r == 0 && mkdir(ret_path, 0700) != 0 ? -errno : r;
}

int pv_vm_runtime_create(const char *base_path, const char *name, struct pv_vm_runtime *ret_runtime)
{
    struct pv_vm_runtime runtime = {.lock_fd = -1};
    char ignored[PV_VM_RUNTIME_PATH_MAX];
    int r = make_base(base_path);

    if (r != 0) {
        return r;
    }
    scan(base_path, true, ignored);
    r = make_folder(base_path, name, runtime.path);
    if (r != 0) {
        return r;
    }
    runtime.lock_fd = lock_folder(runtime.path, O_CREAT);
    if (runtime.lock_fd < 0) {
        r = runtime.lock_fd;
        remove_folder(runtime.path);
        return r;
    }
    *ret_runtime = runtime;
    return 0;
}

const char *pv_vm_runtime_name(const struct pv_vm_runtime *runtime)
{
    const char *slash = strrchr(runtime->path, '/');

    return slash != NULL ? slash + 1 : runtime->path;
}

int pv_vm_runtime_file(const struct pv_vm_runtime *runtime, const char *file_name,
                       char ret_path[PV_VM_RUNTIME_PATH_MAX])
{
    return join(ret_path, runtime->path, file_name, 0);
}

void pv_vm_runtime_destroy(struct pv_vm_runtime *runtime)
{
    if (runtime->path[0] != '\0' && runtime->lock_fd >= 0) {
        remove_folder(runtime->path);
        close(runtime->lock_fd);
    }
    *runtime = (struct pv_vm_runtime){.lock_fd = -1};
}

int pv_vm_runtime_find(const char *base_path, const char *name, struct pv_vm_runtime *ret_runtime)
{
    char path[PV_VM_RUNTIME_PATH_MAX];
    int alive_count;

    if (name != NULL) {
        const int r = pv_vm_runtime_is_name(name) ? join(path, base_path, name, 0) : -ENOENT;

        if (r != 0) {
            return r;
        }
        alive_count = is_alive(path) ? 1 : 0;
    } else {
        alive_count = scan(base_path, false, path);
    }
    if (alive_count != 1) {
        return alive_count == 0 ? -ENOENT : -ENOTUNIQ;
    }
    *ret_runtime = (struct pv_vm_runtime){.lock_fd = -1};
    memcpy(ret_runtime->path, path, sizeof(path));
    return 0;
}
