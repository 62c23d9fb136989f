/* SPDX-License-Identifier: MIT */
/*
 * Replies on their way to a vtest client, in order, each with at most one file descriptor that
 * follows it as a message of its own (one dummy byte). A slow client never holds up the loop.
 *
 * Threads: the loop's.
 */
#ifndef PV_VTEST_OUTGOING_H
#define PV_VTEST_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Bytes that may wait for a client that does not read; more ends the connection. */
#define PV_VTEST_OUTGOING_MAX_BYTES ((size_t)1 << 20)

struct pv_vtest_outgoing_part;

struct pv_vtest_outgoing {
    int socket_fd; /* non-blocking, borrowed */
    struct pv_vtest_outgoing_part *first;
    struct pv_vtest_outgoing_part **last;
    size_t queued_bytes;
};

/* An empty queue for a non-blocking socket, which is borrowed until finish. */
void pv_vtest_outgoing_init(struct pv_vtest_outgoing *outgoing, int socket_fd);

/* Drop what was not sent, descriptors included. The socket stays open. */
void pv_vtest_outgoing_finish(struct pv_vtest_outgoing *outgoing);

/*
 * Queue a reply: header {word_count, command}, the words, then fd if it is not -1 (taken, also on
 * failure), and send what can be sent. Returns 0 or -errno: the connection is over then.
 */
PV_NODISCARD int pv_vtest_outgoing_reply(struct pv_vtest_outgoing *outgoing, uint32_t command,
                                         const uint32_t *words, uint32_t word_count, int fd);

/* Send what can be sent. Returns 0 or -errno. */
PV_NODISCARD int pv_vtest_outgoing_flush(struct pv_vtest_outgoing *outgoing);

/* Whether something is left to send: flush when the socket is writable. */
bool pv_vtest_outgoing_is_waiting(const struct pv_vtest_outgoing *outgoing);

#endif
