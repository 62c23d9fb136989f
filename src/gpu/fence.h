/* SPDX-License-Identifier: MIT */
/*
 * Fence timelines. A fenced request is given back only when its work is done, and only after all
 * fenced requests before it on the same timeline: Linux takes one answer as the end of all older
 * fences of that timeline. Different timelines are independent.
 *
 * There is one timeline per (context, ring), for fences with a ring index, and one for the fences
 * without: these are on the device's own timeline, save a command stream for a context with a
 * worker, which goes on ring 0 of that context. So no program's work can hold up the desktop's
 * fences (a stock Venus driver always names a ring).
 *
 * Source: virtio 1.3, 5.7.6.7; Linux 6.12 virtgpu_fence.c.
 */
#ifndef PV_GPU_FENCE_H
#define PV_GPU_FENCE_H

#include <stdbool.h>
#include <stdint.h>

struct pv_gpu_request;

/* Requests in order of arrival; all zero: empty. */
struct pv_gpu_timeline {
    struct pv_gpu_request *first;
    struct pv_gpu_request *last;
    bool is_walked; /* nothing is given back, and so freed, while the list is walked */
};

/* Put a fenced request at the end. */
void pv_gpu_timeline_push(struct pv_gpu_timeline *timeline, struct pv_gpu_request *request);

/*
 * Take a request out of its timeline, if it is in one: it will be given back as soon as it is
 * finished. For a request that is refused because too many wait already.
 */
void pv_gpu_timeline_remove(struct pv_gpu_request *request);

/* Give back the finished requests at the front. */
void pv_gpu_timeline_flush(struct pv_gpu_timeline *timeline);

/*
 * The worker is through with the fence: finish its request and every stream handed over before it.
 * Returns false when no stream with that fence is there (ignored).
 */
bool pv_gpu_timeline_retire(struct pv_gpu_timeline *timeline, uint64_t fence_id);

/*
 * The context is lost (error: PV_GPU_ERR_UNSPEC) or destroyed (PV_GPU_OK_NODATA): finish all
 * streams that were handed over. Requests that wait for something else stay.
 */
void pv_gpu_timeline_finish_streams(struct pv_gpu_timeline *timeline, uint32_t type);

/* The timeline goes away: its requests are no longer bound to any order. */
void pv_gpu_timeline_dissolve(struct pv_gpu_timeline *timeline);

#endif
