/* SPDX-License-Identifier: MIT */
/*
 * Local sockets; see socket.h.
 */
#include "os/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int pv_os_socket_pair(int *ret_fd_a, int *ret_fd_b)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
        return -errno;
    }
    *ret_fd_a = fds[0];
    *ret_fd_b = fds[1];
    return 0;
}

static int fill_address(const char *path, struct sockaddr_un *ret_address)
{
    const size_t length = strlen(path);

    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length == 0) {
        return -EINVAL;
    }
    if (length >= sizeof(ret_address->sun_path)) {
        return -ENAMETOOLONG;
    }
    memcpy(ret_address->sun_path, path, length + 1);
    return 0;
}

static int stream_socket(int *ret_fd)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

/* Remove a socket file that nobody serves. 0 when the path is free afterwards. */
static int remove_stale(const char *path)
{
    struct stat status;
    int fd = -1;
    int r;

    if (lstat(path, &status) < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    if (!S_ISSOCK(status.st_mode)) {
        return -EEXIST;
    }
    r = pv_os_socket_connect(path, &fd);
    if (r == 0) {
        close(fd);
        return -EADDRINUSE;
    }
    if (r != -ECONNREFUSED) {
        return -EADDRINUSE;
    }
    return unlink(path) < 0 ? -errno : 0;
}

int pv_os_socket_listen(const char *path, int *ret_fd)
{
    struct sockaddr_un address;
    int fd = -1;
    int r = fill_address(path, &address);

    if (r == 0) {
        r = remove_stale(path);
    }
    if (r == 0) {
        r = stream_socket(&fd);
    }
    if (r < 0) {
        return r;
    }
    /* The mode of the socket inode before bind decides the mode of the file. */
    if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    if (listen(fd, 128) < 0) {
        r = -errno;
        (void)unlink(path);
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int pv_os_socket_accept(int listen_fd, int *ret_fd)
{
    const int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

int pv_os_socket_connect(const char *path, int *ret_fd)
{
    struct sockaddr_un address;
    int fd = -1;
    int r = fill_address(path, &address);

    if (r == 0) {
        r = stream_socket(&fd);
    }
    if (r < 0) {
        return r;
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int pv_os_fd_set_nonblocking(int fd, bool nonblocking)
{
    const int flags = fcntl(fd, F_GETFL);

    if (flags < 0
        || fcntl(fd, F_SETFL, nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0) {
        return -errno;
    }
    return 0;
}

union control_buffer {
    char bytes[CMSG_SPACE(sizeof(int) * PV_OS_SOCKET_FD_MAX)];
    struct cmsghdr align;
};

ssize_t pv_os_socket_send(int fd, const void *bytes, size_t size_bytes, const int *fds,
                          size_t fd_count)
{
    union control_buffer control = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size_bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent;

    if (fd_count > PV_OS_SOCKET_FD_MAX) {
        return -EINVAL;
    }
    if (fd_count > 0) {
        struct cmsghdr *header;

        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    do {
        sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

/* Hand over the first fd_max descriptors of a message, close the rest. False if any were closed. */
static bool take_fds(struct msghdr *message, int *ret_fds, size_t fd_max, size_t *ret_fd_count)
{
    bool fits = true;

    *ret_fd_count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        size_t count;

        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
            if (*ret_fd_count < fd_max) {
                ret_fds[(*ret_fd_count)++] = fd;
            } else {
                close(fd);
                fits = false;
            }
        }
    }
    return fits;
}

ssize_t pv_os_socket_receive(int fd, void *ret_bytes, size_t size_bytes, int *ret_fds,
                             size_t fd_max, size_t *ret_fd_count)
{
    union control_buffer control;
    struct iovec part = {.iov_base = ret_bytes, .iov_len = size_bytes};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    ssize_t received;

    *ret_fd_count = 0;
    do {
        received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    if (received < 0) {
        return -errno;
    }
    if (!take_fds(&message, ret_fds, fd_max, ret_fd_count)
        || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        pv_os_fds_close(ret_fds, *ret_fd_count);
        *ret_fd_count = 0;
        return -EMSGSIZE;
    }
    if (received == 0) {
        /* Not the end but an empty packet, which may carry descriptors; callers take it for the
         * end, and look for none. */
        pv_os_fds_close(ret_fds, *ret_fd_count);
        *ret_fd_count = 0;
    }
    return received;
}

void pv_os_socket_hang_up(int fd)
{
    (void)shutdown(fd, SHUT_RDWR);
}

int pv_os_socket_unread_by_peer(int fd, size_t *ret_bytes)
{
    int bytes = 0;

    if (ioctl(fd, SIOCOUTQ, &bytes) < 0) {
        return -errno;
    }
    *ret_bytes = bytes > 0 ? (size_t)bytes : 0;
    return 0;
}

bool pv_os_fd_is_readable(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    int count;

    do {
        count = poll(&entry, 1, 0);
    } while (count < 0 && errno == EINTR);
    return count > 0;
}

int pv_os_socket_set_timeout(int fd, unsigned int timeout_ms)
{
    const struct timeval value = {
        .tv_sec = timeout_ms / 1000,
        .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000,
    };

    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof(value)) < 0
        || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof(value)) < 0) {
        return -errno;
    }
    return 0;
}

void pv_os_fds_close(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}
