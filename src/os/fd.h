/* SPDX-License-Identifier: MIT */
/*
 * File descriptors: the few operations that layers above need. Any thread.
 */
#ifndef PV_OS_FD_H
#define PV_OS_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

/* Another descriptor of the same file, close-on-exec. Returns it, or -errno. */
PV_NODISCARD int pv_os_fd_duplicate(int fd);

/* Close; -1 is accepted. */
void pv_os_fd_close(int fd);

/*
 * Read up to size_bytes from the start of a file, whatever its position. Returns bytes, fewer at
 * the file's end, or -errno.
 */
ssize_t pv_os_fd_read_start(int fd, void *ret_bytes, size_t size_bytes);

/* Write to the start of a file likewise. Returns bytes, fewer when the file is full, or -errno. */
ssize_t pv_os_fd_write_start(int fd, const void *bytes, size_t size_bytes);

/* Let this process and those that it starts open at least `wanted` files, or as many as it may. */
void pv_os_fd_limit_raise(uint64_t wanted);

/* Whether there is something at path, behind links, that is no regular file: a device, a pipe. */
bool pv_os_path_is_special(const char *path);

#endif
