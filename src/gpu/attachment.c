/* SPDX-License-Identifier: MIT */
/*
 * Which contexts may use a resource; see attachment.h.
 */
#include "gpu/attachment.h"

#include <errno.h>
#include <stdlib.h>

#include "gpu/guest_context.h"
#include "gpu/limits.h"
#include "gpu/pages.h"
#include "gpu/resource.h"
#include "gpu/state.h"
#include "gpu/task.h"

struct pv_gpu_attachment *pv_gpu_attachment_find(struct pv_gpu_resource *resource,
                                                 const struct pv_gpu_guest_context *context)
{
    for (size_t i = 0; i < resource->attachment_count; i++) {
        if (resource->attachments[i].context == context) {
            return &resource->attachments[i];
        }
    }
    return NULL;
}

int pv_gpu_attachment_add(struct pv_gpu_resource *resource, struct pv_gpu_guest_context *context,
                          bool told)
{
    struct pv_gpu_attachment attachment = {.context = context, .told = told};

    if (resource->device->attachment_count >= PV_GPU_ATTACHMENT_MAX) {
        return -ENOMEM;
    }
    if (resource->attachment_count == resource->attachment_capacity) {
        const size_t capacity =
            resource->attachment_capacity > 0 ? 2 * resource->attachment_capacity : 2;
        struct pv_gpu_attachment *list =
            realloc(resource->attachments, capacity * sizeof(*resource->attachments));

        if (list == NULL) {
            return -ENOMEM;
        }
        resource->attachments = list;
        resource->attachment_capacity = capacity;
    }
    if (context->capset_id != 0) {
        attachment.leave = pv_gpu_task_create(PV_GPU_TASK_LEAVE, NULL, resource);
        if (attachment.leave == NULL) {
            return -ENOMEM;
        }
    }
    resource->attachments[resource->attachment_count++] = attachment;
    resource->device->attachment_count++;
    return 0;
}

void pv_gpu_attachment_remove(struct pv_gpu_resource *resource,
                              const struct pv_gpu_guest_context *context)
{
    struct pv_gpu_attachment *attachment = pv_gpu_attachment_find(resource, context);

    if (attachment != NULL) {
        pv_gpu_task_destroy(attachment->leave);
        *attachment = resource->attachments[--resource->attachment_count];
        resource->device->attachment_count--;
    }
}

void pv_gpu_attachment_finish(struct pv_gpu_resource *resource)
{
    for (size_t i = 0; i < resource->attachment_count; i++) {
        pv_gpu_task_destroy(resource->attachments[i].leave);
    }
    resource->device->attachment_count -= (uint32_t)resource->attachment_count;
    free(resource->attachments);
    resource->attachments = NULL;
    resource->attachment_count = 0;
    resource->attachment_capacity = 0;
}

void pv_gpu_attachment_tell_all(struct pv_gpu_resource *resource)
{
    for (size_t i = 0; i < resource->attachment_count; i++) {
        struct pv_gpu_attachment *attachment = &resource->attachments[i];
        struct pv_gpu_task *task;

        if (attachment->told || attachment->context->capset_id == 0) {
            continue;
        }
        task = pv_gpu_task_create(PV_GPU_TASK_ATTACH, NULL, resource);
        if (task == NULL) {
            pv_base_log_guest(resource->device->log, "gpu.resource", PV_BASE_LOG_ERROR,
                              "no memory to attach resource %u to context %u", resource->id,
                              attachment->context->id);
            continue;
        }
        attachment->told = true;
        pv_gpu_task_post(attachment->context, task);
    }
}

/* Have one told context leave. The resource is not freed before the outcome. */
static void leave(struct pv_gpu_resource *resource, struct pv_gpu_attachment *attachment)
{
    struct pv_gpu_task *task = attachment->leave;

    attachment->leave = NULL;
    attachment->told = false;
    resource->leaving_count++;
    pv_gpu_task_post(attachment->context, task);
}

void pv_gpu_attachment_leave_all(struct pv_gpu_resource *resource)
{
    for (size_t i = 0; i < resource->attachment_count; i++) {
        if (resource->attachments[i].told) {
            leave(resource, &resource->attachments[i]);
        }
    }
}

/* Put an ATTACH that is not ready into the context's tasks; what comes after it there may use the
 * resource. The request waits for the resource. */
static void wait_for_resource(struct pv_gpu_request *request, struct pv_gpu_resource *resource,
                              struct pv_gpu_guest_context *context)
{
    struct pv_gpu_task *task;

    if (resource->owner != NULL
        && !pv_gpu_request_hold(request, resource->owner, PV_GPU_CONTEXT_HELD_MAX)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_OUT_OF_MEMORY, "too much waits for context %u",
                            resource->owner->id);
        return;
    }
    task = pv_gpu_task_create(PV_GPU_TASK_ATTACH, request, resource);
    if (task == NULL) {
        pv_gpu_request_fail_host(request, -ENOMEM, "attaching a resource");
        return;
    }
    task->ready = false;
    request->barrier = task;
    pv_gpu_task_post(context, task);
    pv_gpu_resource_wait(resource, request);
}

/* The resource is no longer busy: let the context's tasks go on, with the ATTACH or without. */
static void end_wait(struct pv_gpu_request *request, struct pv_gpu_resource *resource,
                     struct pv_gpu_guest_context *context)
{
    struct pv_gpu_task *task = request->barrier;
    struct pv_gpu_memory memory;
    const bool has_memory = pv_gpu_pages_memory(resource, &memory);

    task->ready = true;
    task->is_void = !has_memory;
    if (resource->is_dead) {
        task->status = -EIO;
    } else if (pv_gpu_attachment_find(resource, context) != NULL) {
        task->is_void = true;
    } else {
        task->status = pv_gpu_attachment_add(resource, context, has_memory);
    }
    pv_gpu_task_send_ready(context);
}

void pv_gpu_attachment_stop_waiting(struct pv_gpu_request *request)
{
    struct pv_gpu_task *task = request->barrier;

    request->barrier = NULL;
    task->request = NULL;
    task->resource = NULL;
    task->ready = true;
    task->is_void = true;
    pv_gpu_task_send_ready(
        pv_gpu_guest_context_find(request->device, request->command.header.context_id));
}

static void attach_now(struct pv_gpu_request *request, struct pv_gpu_resource *resource,
                       struct pv_gpu_guest_context *context)
{
    struct pv_gpu_memory memory;
    const bool told = context->capset_id != 0 && pv_gpu_pages_memory(resource, &memory);
    struct pv_gpu_task *task = NULL;

    if (told) {
        task = pv_gpu_task_create(PV_GPU_TASK_ATTACH, request, resource);
    }
    if ((told && task == NULL) || pv_gpu_attachment_add(resource, context, told) < 0) {
        pv_gpu_task_destroy(task);
        pv_gpu_request_fail_host(request, -ENOMEM, "attaching a resource");
        return;
    }
    if (told) {
        pv_gpu_task_post(context, task);
    } else {
        /* A worker hears of it once the pages have a place (pv_gpu_attachment_tell_all). */
        pv_gpu_request_finish_ok(request);
    }
}

void pv_gpu_attachment_attach(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    const uint32_t context_id = request->command.header.context_id;
    struct pv_gpu_guest_context *context = pv_gpu_guest_context_find(request->device, context_id);

    if (context == NULL || request->context_is_gone) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_CONTEXT_ID, "no context %u", context_id);
    } else if (request->barrier != NULL) {
        end_wait(request, resource, context);
    } else if (context->is_lost || resource->is_dead) {
        pv_gpu_request_fail(request, PV_GPU_ERR_UNSPEC, "the %s is lost",
                            context->is_lost ? "context" : "resource");
    } else if (pv_gpu_attachment_find(resource, context) != NULL) {
        /* The context that made it, above all: Linux attaches after it has mapped. */
        pv_gpu_request_finish_ok(request);
    } else if (resource->busy != PV_GPU_RESOURCE_IDLE && context->capset_id != 0) {
        wait_for_resource(request, resource, context);
    } else {
        attach_now(request, resource, context);
    }
}

void pv_gpu_attachment_detach(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    const uint32_t context_id = request->command.header.context_id;
    struct pv_gpu_guest_context *context = pv_gpu_guest_context_find(request->device, context_id);
    struct pv_gpu_attachment *attachment;

    if (context == NULL) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_CONTEXT_ID, "no context %u", context_id);
        return;
    }
    attachment = pv_gpu_attachment_find(resource, context);
    if (attachment == NULL) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "resource %u is not attached to context %u", resource->id, context_id);
        return;
    }
    pv_gpu_resource_hold(resource);
    if (attachment->told) {
        leave(resource, attachment);
    }
    pv_gpu_attachment_remove(resource, context);
    pv_gpu_resource_unhold(resource);
    pv_gpu_request_finish_ok(request);
}
