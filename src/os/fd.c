/* SPDX-License-Identifier: MIT */
/*
 * File descriptors; see fd.h.
 */
#include "os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int pv_os_fd_duplicate(int fd)
{
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    return copy < 0 ? -errno : copy;
}

void pv_os_fd_close(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

ssize_t pv_os_fd_read_start(int fd, void *ret_bytes, size_t size_bytes)
{
    const ssize_t got = pread(fd, ret_bytes, size_bytes, 0);

    return got < 0 ? -errno : got;
}

ssize_t pv_os_fd_write_start(int fd, const void *bytes, size_t size_bytes)
{
    const ssize_t written = pwrite(fd, bytes, size_bytes, 0);

    return written < 0 ? -errno : written;
}

void pv_os_fd_limit_raise(uint64_t wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : (rlim_t)wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

bool pv_os_path_is_special(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}
