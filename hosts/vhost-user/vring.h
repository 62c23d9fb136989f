/* SPDX-License-Identifier: MIT */
/*
 * One vring: what the front end told about a queue, its doorbells, and the virtqueue that runs when
 * all is there. The front end speaks in pieces (size, addresses, base, kick, call, enable); they
 * are put together at `run`.
 *
 * Threads: the loop thread.
 */
#ifndef PV_VHOST_USER_VRING_H
#define PV_VHOST_USER_VRING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/log.h"
#include "guestmem/space.h"
#include "os/loop.h"
#include "virtio/queue.h"

struct pv_vhost_user_host;

/* Fields are the vring's own; the host sets those of the first group by messages. */
struct pv_vhost_user_vring {
    uint32_t size;
    uint32_t base; /* next entry of the available ring, as told or as answered */
    uint64_t descriptor_user_addr;
    uint64_t available_user_addr;
    uint64_t used_user_addr;
    bool has_addr;
    bool is_enabled;

    struct pv_vhost_user_host *host;
    uint32_t index;
    int kick_fd; /* -1: the front end has not begun to run this vring */
    int call_fd; /* -1: no interrupts wanted */
    int err_fd;
    struct pv_os_loop *loop;
    struct pv_base_log *log;
    struct pv_guestmem_space *space;
    struct pv_virtio_queue *queue;
    bool is_running;
    struct pv_os_source *kick_source; /* only while running */
    bool must_watch_kick;             /* there was no memory to; tried again until there is */
    struct pv_os_timer *turn_timer;   /* the queue had more than one turn's worth */
};

/*
 * Create the queue and timer of a vring; host is told of each request (host_internal.h). The other
 * arguments are borrowed until finish. Returns 0 or -errno; finish is due in both cases.
 */
PV_NODISCARD int pv_vhost_user_vring_init(struct pv_vhost_user_vring *vring,
                                          struct pv_vhost_user_host *host, struct pv_os_loop *loop,
                                          struct pv_base_log *log, struct pv_guestmem_space *space,
                                          uint32_t index);

/* Closes doorbells, ends the queue. Accepts what a failed init left and zeroed structs. */
void pv_vhost_user_vring_finish(struct pv_vhost_user_vring *vring);

/* Take a doorbell (fd, or -1 for none) in place of the one before. */
void pv_vhost_user_vring_set_kick(struct pv_vhost_user_vring *vring, int fd);
void pv_vhost_user_vring_set_call(struct pv_vhost_user_vring *vring, int fd);
void pv_vhost_user_vring_set_err(struct pv_vhost_user_vring *vring, int fd);

/*
 * Begin to serve the queue, if the front end set it up; a queue that the driver does not use stays
 * idle. Requests that wait already are taken from the loop, not in this call.
 */
void pv_vhost_user_vring_run(struct pv_vhost_user_vring *vring, bool has_event_index);

/* Stop serving; vring->base says where to go on. No element arrives after this. */
void pv_vhost_user_vring_stop(struct pv_vhost_user_vring *vring);

#endif
