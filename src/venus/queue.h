/* SPDX-License-Identifier: MIT */
/*
 * A VkQueue of the guest, and the timeline that the control queue's fences use on it.
 *
 * Threads: submissions come from ring threads and, for timeline fences, from the message thread;
 * `lock` keeps them apart, as Vulkan demands.
 */
#ifndef PV_VENUS_QUEUE_H
#define PV_VENUS_QUEUE_H

#include "venus/device.h"

struct pv_venus_timeline;

struct pv_venus_queue {
    struct pv_venus_object object; /* handle: VkQueue */
    pthread_mutex_t lock;
    uint32_t ring_index; /* 1 .. 63: the timeline that is bound to it */
    struct pv_venus_timeline *timeline;
};

/* Unbind its timeline (all fences retire) and finish the queue's struct; not freed. Any thread. */
void pv_venus_queue_finish(struct pv_venus_queue *queue);

#endif
