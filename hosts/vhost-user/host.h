/* SPDX-License-Identifier: MIT */
/*
 * A virtio device as a vhost-user back end for QEMU 11.1's vhost-user-test-device-pci: listens on a
 * socket, serves one QEMU for as long as that lives, carries queues, configuration space, guest
 * memory and the host-visible window between it and a device kind (virtio/device.h).
 *
 * The process must ignore SIGPIPE: doorbells come from the front end and may be broken pipes.
 * Build, then freeze: everything is in the options; after create nothing changes but by messages.
 * Threads: the loop thread.
 */
#ifndef PV_VHOST_USER_HOST_H
#define PV_VHOST_USER_HOST_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/log.h"
#include "os/loop.h"
#include "virtio/device.h"

struct pv_vhost_user_host;

/* All pointers are borrowed until destroy. */
struct pv_vhost_user_host_options {
    struct pv_os_loop *loop;
    struct pv_base_log *log;
    const char *socket_path; /* where QEMU connects; see os/socket.h for what may stand there */

    /* The window, region 1: shared memory of a power-of-two size. Size 0: the device has none. */
    int window_fd;
    uint64_t window_size_bytes;

    const struct pv_virtio_device_ops *device_ops;
    void *device;

    /*
     * The front end is gone: status 0 when it closed the connection (QEMU ended, in whatever way),
     * -EPROTO when it broke the protocol, another -errno when the host is in trouble (logged). The
     * device has been reset; the host serves nobody any more. Destroy it, but not from inside.
     */
    void (*closed)(void *user, int status);
    void *user;
};

/*
 * Attach the device and begin to listen. Returns 0; -EINVAL for options that cannot be (a window
 * whose size is no power of two, device limits); -errno of pv_os_socket_listen: -EADDRINUSE,
 * -EEXIST, -ENAMETOOLONG and so on.
 */
PV_NODISCARD int pv_vhost_user_host_create(const struct pv_vhost_user_host_options *options,
                                           struct pv_vhost_user_host **ret_host);

/* Resets and detaches the device, closes everything, removes the socket file. Accepts NULL. */
void pv_vhost_user_host_destroy(struct pv_vhost_user_host *host);

#endif
