/* SPDX-License-Identifier: MIT */
/*
 * The worker's half of the message boundary: serve one context until the device closes its end.
 */
#ifndef PV_RENDER_WORKER_H
#define PV_RENDER_WORKER_H

#include "base/compiler.h"

/*
 * Read messages from a SOCK_SEQPACKET socket and drive a Venus context with them.
 *
 * fd       owned; closed on return
 * sandbox  NULL, or a line about the sandbox that this process is in, logged (level info) once the
 *          device has said what is to be logged; borrowed for the call
 *
 * Returns 0 when the device closed the socket, -EPROTO when a message made no sense, or -errno.
 * Threads: call on a thread that does nothing else; it becomes the context's message thread.
 */
PV_NODISCARD int pv_render_worker_run(int fd, const char *sandbox);

#endif
