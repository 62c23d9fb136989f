/* SPDX-License-Identifier: MIT */
/*
 * Which contexts may use a resource. An attachment is *told* once the context's worker knows the
 * pages (or an `attach` that says so is in its queue); before that it waits for them to get a
 * place.
 */
#ifndef PV_GPU_ATTACHMENT_H
#define PV_GPU_ATTACHMENT_H

#include <stdbool.h>

#include "base/compiler.h"
#include "gpu/request.h"

struct pv_gpu_resource;
struct pv_gpu_guest_context;
struct pv_gpu_task;

struct pv_gpu_attachment {
    struct pv_gpu_guest_context *context;
    bool told;
    /* Made beforehand, so that leaving cannot fail for want of memory; NULL for empty contexts and
     * once it is used: an attachment is told, and leaves, once at most. */
    struct pv_gpu_task *leave;
};

/* The attachment of a context, NULL if there is none. Valid until the list changes. */
struct pv_gpu_attachment *pv_gpu_attachment_find(struct pv_gpu_resource *resource,
                                                 const struct pv_gpu_guest_context *context);

/* Add one (there is none yet). Returns 0 or -ENOMEM. */
PV_NODISCARD int pv_gpu_attachment_add(struct pv_gpu_resource *resource,
                                       struct pv_gpu_guest_context *context, bool told);

/* Forget one (if there is one); the worker is not told. */
void pv_gpu_attachment_remove(struct pv_gpu_resource *resource,
                              const struct pv_gpu_guest_context *context);

/* Forget all and free the list; no worker is told. */
void pv_gpu_attachment_finish(struct pv_gpu_resource *resource);

/* The pages have a place now: tell every context that has not been told. */
void pv_gpu_attachment_tell_all(struct pv_gpu_resource *resource);

/* Have every told context leave; resource->leaving_count says how many are still to answer. */
void pv_gpu_attachment_leave_all(struct pv_gpu_resource *resource);

/*
 * The resource that a waiting ATTACH names is going: its context's tasks go on without it. The
 * request (with a barrier) is still the caller's to end.
 */
void pv_gpu_attachment_stop_waiting(struct pv_gpu_request *request);

/* CTX_ATTACH_RESOURCE and CTX_DETACH_RESOURCE. */
void pv_gpu_attachment_attach(struct pv_gpu_request *request, struct pv_gpu_resource *resource);
void pv_gpu_attachment_detach(struct pv_gpu_request *request, struct pv_gpu_resource *resource);

#endif
