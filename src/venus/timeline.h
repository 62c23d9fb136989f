/* SPDX-License-Identifier: MIT */
/*
 * Fences of the control queue: one timeline per bound VkQueue. A fence is an empty submission with
 * a VkFence; a thread per timeline waits for them in order and reports each.
 *
 * Threads: bind and unbind on any decoder's thread, fence on the message thread.
 */
#ifndef PV_VENUS_TIMELINE_H
#define PV_VENUS_TIMELINE_H

#include "venus/queue.h"

/* Fences that one timeline may have outstanding; past it the message thread waits for the GPU,
 * for PV_VENUS_IDLE_GRACE_NS; if none is done by then, the context is lost. */
#define PV_VENUS_TIMELINE_FENCE_MAX 1024

/* Start a timeline for the queue. Returns 0 or -errno. */
PV_NODISCARD int pv_venus_timeline_create(struct pv_venus_queue *queue);

/* Wait for what is outstanding, report it, and end the timeline. Accepts NULL. */
void pv_venus_timeline_destroy(struct pv_venus_timeline *timeline);

/*
 * Put a fence after all that has been submitted to the queue bound to ring_index. Returns false
 * when there is none or the device is lost: the caller reports the fence itself.
 */
bool pv_venus_timeline_fence(struct pv_venus_context *context, uint32_t ring_index,
                             uint64_t fence_id);

#endif
