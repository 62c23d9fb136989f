/* SPDX-License-Identifier: MIT */
/*
 * Packets on their way to one worker: sent at once while the socket takes them, kept in order when
 * it does not, so that the device never waits for a worker.
 *
 * Threads: the loop's.
 */
#ifndef PV_RENDER_OUTBOX_H
#define PV_RENDER_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct pv_render_outbox_packet;

struct pv_render_outbox {
    int fd; /* non-blocking SOCK_SEQPACKET socket, borrowed */
    struct pv_render_outbox_packet *first;
    struct pv_render_outbox_packet **last;
    size_t queued_bytes;
    uint32_t queued_fds;
};

/* An empty one for a socket, which is borrowed until finish. */
void pv_render_outbox_init(struct pv_render_outbox *outbox, int fd);

/* Drop what is queued. */
void pv_render_outbox_finish(struct pv_render_outbox *outbox);

/*
 * Send a packet made of two parts (the second may be empty) with fd attached (-1: none; borrowed,
 * duplicated if the packet has to wait). Returns 0, -ENOBUFS when too much is queued, or -errno.
 */
PV_NODISCARD int pv_render_outbox_send(struct pv_render_outbox *outbox, const void *head,
                                       size_t head_bytes, const void *tail, size_t tail_bytes,
                                       int fd);

/* The socket takes packets again. Returns 0 or -errno. */
PV_NODISCARD int pv_render_outbox_flush(struct pv_render_outbox *outbox);

/* Whether packets wait: then the loop has to watch for PV_OS_LOOP_WRITE. */
bool pv_render_outbox_is_waiting(const struct pv_render_outbox *outbox);

#endif
