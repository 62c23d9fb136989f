/* SPDX-License-Identifier: MIT */
/*
 * Fences and semaphores, and the sync files that the guest believes in.
 *
 * The guest keeps imported sync files to itself and tells us only that a semaphore "imports an
 * already signalled one" (vkImportSemaphoreResourceMESA with resource 0): `imported` is then set,
 * and the next wait on the semaphore is taken out of its submission. No driver support is needed.
 */
#ifndef PV_VENUS_SYNC_H
#define PV_VENUS_SYNC_H

#include "venus/queue.h"

struct pv_venus_semaphore {
    struct pv_venus_object object;
    atomic_bool imported;
    /* The queue that was last told to signal it; waits of our own go there. Batch-protected. */
    _Atomic(struct pv_venus_queue *) signal_queue;
};

struct pv_venus_fence {
    struct pv_venus_object object;
    /* Host fences that were exchanged while pending; destroyed with the fence. */
    VkFence *retired;
    uint32_t retired_count;
};

/* Whether a wait on the semaphore is to be taken out now; clears the flag. */
bool pv_venus_semaphore_take_imported(struct pv_venus_semaphore *semaphore);

/* Destroy the host fences of a removed fence; the struct stays. */
void pv_venus_fence_finish(struct pv_venus_fence *fence);

#endif
