/* SPDX-License-Identifier: MIT */
/*
 * Local sockets: listening, connecting, and messages that carry file descriptors.
 *
 * Threads: any, one at a time per socket and direction. All descriptors are close-on-exec.
 */
#ifndef PV_OS_SOCKET_H
#define PV_OS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

/* File descriptors in one message: vhost-user's memory table has at most 8, the rest fewer. */
#define PV_OS_SOCKET_FD_MAX 16

/* A connected pair that keeps message boundaries (SOCK_SEQPACKET). Returns 0 or -errno. */
PV_NODISCARD int pv_os_socket_pair(int *ret_fd_a, int *ret_fd_b);

/*
 * Listen on a path (stream socket, mode 0600). A socket file that nobody listens on any more is
 * replaced; one that is in use gives -EADDRINUSE, another kind of file -EEXIST, a path that does
 * not fit in an address -ENAMETOOLONG.
 */
PV_NODISCARD int pv_os_socket_listen(const char *path, int *ret_fd);

/* Accept one connection (non-blocking socket comes back). Returns 0 or -errno. */
PV_NODISCARD int pv_os_socket_accept(int listen_fd, int *ret_fd);

/* Connect to a path; blocking socket. Returns 0 or -errno. */
PV_NODISCARD int pv_os_socket_connect(const char *path, int *ret_fd);

/* Returns 0 or -errno. */
PV_NODISCARD int pv_os_fd_set_nonblocking(int fd, bool nonblocking);

/*
 * Send up to size_bytes with fds attached (borrowed; fd_count 0 .. PV_OS_SOCKET_FD_MAX), never
 * raising SIGPIPE. Returns bytes sent, or -errno (-EAGAIN when a non-blocking socket is full).
 */
ssize_t pv_os_socket_send(int fd, const void *bytes, size_t size_bytes, const int *fds,
                          size_t fd_count);

/*
 * Receive up to size_bytes. At most fd_max descriptors are handed over (owned by the caller, in
 * ret_fds); any more are closed. Returns bytes received (0, without descriptors: the peer has
 * closed or sent an empty packet), or -errno; -EMSGSIZE when a message or its descriptors did not
 * fit.
 */
ssize_t pv_os_socket_receive(int fd, void *ret_bytes, size_t size_bytes, int *ret_fds,
                             size_t fd_max, size_t *ret_fd_count);

/* End the connection from here, while others still hold fd: both ends read 0 bytes from now on. */
void pv_os_socket_hang_up(int fd);

/*
 * How many sent bytes the peer has not read yet (in units of the kernel's buffers; 0 means that it
 * has read everything). Returns 0 or -errno.
 */
PV_NODISCARD int pv_os_socket_unread_by_peer(int fd, size_t *ret_bytes);

/* Whether a read would return at once: bytes, an end, or an error. Never waits. */
bool pv_os_fd_is_readable(int fd);

/* Let receiving and sending on a blocking socket fail with -EAGAIN after timeout_ms (not 0).
 * Returns 0 or -errno. */
PV_NODISCARD int pv_os_socket_set_timeout(int fd, unsigned int timeout_ms);

/* Close each fd that is not -1. */
void pv_os_fds_close(const int *fds, size_t count);

#endif
