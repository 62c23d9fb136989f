/* SPDX-License-Identifier: MIT */
/*
 * Doorbells on Linux: eventfd; see event.h.
 */
#include "os/event.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "os/socket.h"

int pv_os_event_create(int *ret_fd)
{
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

int pv_os_event_prepare(int fd)
{
    return pv_os_fd_set_nonblocking(fd, true);
}

void pv_os_event_signal(int fd)
{
    const uint64_t one = 1;

    /* Fails when the counter is full (the peer is told already) or the peer's end is gone. */
    if (write(fd, &one, sizeof(one)) < 0) {
        return;
    }
}

bool pv_os_event_drain(int fd)
{
    uint64_t count;
    const ssize_t got = read(fd, &count, sizeof(count));

    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}
