/* SPDX-License-Identifier: MIT */
/*
 * Messages from a worker to the device.
 *
 * Threads: the loop's.
 */
#ifndef PV_RENDER_INCOMING_H
#define PV_RENDER_INCOMING_H

#include "render/context_internal.h"

/*
 * Receive and serve what the worker has sent, up to a number of packets that keeps other workers
 * from waiting; the loop calls again for the rest. A worker that breaks the protocol, or is gone,
 * makes the context lost. Calls the context's events: the caller holds a `depth`.
 */
void pv_render_incoming_receive(struct pv_gpu_context *context);

#endif
