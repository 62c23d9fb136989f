/* SPDX-License-Identifier: MIT */
/* The initial RAM disk of a run; see the header. */
#include "vm/initrd.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/types.h>
#include <unistd.h>

static int append_file(int to_fd, const char *from_path)
{
    char bytes[65536];
    const int from_fd = open(from_path, O_RDONLY | O_CLOEXEC);
    ssize_t count;
    int r = 0;

    if (from_fd < 0) {
        return -errno;
    }
    while (r == 0 && (count = read(from_fd, bytes, sizeof(bytes))) != 0) {
        if (count < 0) {
            r = -errno;
        }
        for (ssize_t done = 0; r == 0 && done < count;) {
            const ssize_t written = write(to_fd, bytes + done, (size_t)(count - done));

            if (written < 0) {
                r = -errno;
            } else {
                done += written;
            }
        }
    }
    close(from_fd);
    return r;
}

int pv_vm_initrd_write(const char *path, const char *modules_path, const char *programs_path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r;

    if (fd < 0) {
        return -errno;
    }
    r = append_file(fd, modules_path);
    if (r == 0) {
        r = append_file(fd, programs_path);
    }
    if (close(fd) != 0 && r == 0) {
        r = -errno;
    }
    return r;
}
