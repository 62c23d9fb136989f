/* SPDX-License-Identifier: MIT */
/*
 * The guest's contexts. One with a capset is run by a worker behind gpu/context.h and asked things
 * through its tasks (task.h); one without (capset 0, which KMS-only programs get) is a name that
 * resources can be attached to, and nothing more.
 *
 * A lost context stays, as a name, until the guest destroys it: every command to it is answered
 * with an error. Fences of a lost context are answered with an error, too (Linux signals them all
 * the same); those of a context that the guest destroys end well.
 */
#ifndef PV_GPU_GUEST_CONTEXT_H
#define PV_GPU_GUEST_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpu/context.h"
#include "gpu/fence.h"
#include "gpu/request.h"
#include "gpu/task.h"

struct pv_gpu_guest_context {
    struct pv_gpu_device *device;
    struct pv_gpu_guest_context *next; /* in its bucket */
    uint32_t id;
    uint32_t capset_id;            /* 0: an empty context, without a worker */
    char name[64];                 /* printable ASCII */
    struct pv_gpu_context *worker; /* NULL: an empty context, or being created or destroyed */
    bool is_lost;
    struct pv_gpu_request *end_request; /* the CTX_DESTROY that waits for the worker's end */
    bool is_sending;                    /* tasks are being sent further up the stack */
    struct pv_gpu_task_list unsent;
    struct pv_gpu_task_list sent; /* EXPORT, PLACE and LEAVE that wait for their outcome */
    struct pv_gpu_timeline timelines[PV_GPU_RING_COUNT];
    uint32_t fence_count; /* fenced streams not finished */
    uint32_t held_count;  /* requests that the worker keeps waiting */
    uint64_t submit_count;
    size_t listed_index; /* in the listing that is being made (statistics.c) */
};

/* Context by id, NULL if there is none. */
struct pv_gpu_guest_context *pv_gpu_guest_context_find(struct pv_gpu_device *device, uint32_t id);

/* Destroy all of them (reset), after all requests: tasks are freed, workers destroyed. The one
 * place that waits for workers, PV_RENDER_END_MS for all together: their guest does nothing
 * meanwhile. */
void pv_gpu_guest_context_destroy_all(struct pv_gpu_device *device);

/* CTX_CREATE, CTX_DESTROY, SUBMIT_3D. They name no resource: it is NULL. */
void pv_gpu_guest_context_handle_create(struct pv_gpu_request *request,
                                        struct pv_gpu_resource *resource);
void pv_gpu_guest_context_handle_destroy(struct pv_gpu_request *request,
                                         struct pv_gpu_resource *resource);
void pv_gpu_guest_context_handle_submit(struct pv_gpu_request *request,
                                        struct pv_gpu_resource *resource);

#endif
