/* SPDX-License-Identifier: MIT */
/*
 * The guest's contexts: table, commands, and what their workers report; see guest_context.h.
 */
#include "gpu/guest_context.h"

#include <errno.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/text.h"
#include "gpu/limits.h"
#include "gpu/resource.h"
#include "gpu/state.h"
#include "virtio/element.h"

static struct pv_gpu_guest_context **bucket_of(struct pv_gpu_device *device, uint32_t id)
{
    return &device->contexts[id % PV_GPU_CONTEXT_BUCKETS];
}

struct pv_gpu_guest_context *pv_gpu_guest_context_find(struct pv_gpu_device *device, uint32_t id)
{
    struct pv_gpu_guest_context *context = *bucket_of(device, id);

    while (context != NULL && context->id != id) {
        context = context->next;
    }
    return context;
}

/* Requests outlive the context that they were counted against. */
static void uncount_requests(const struct pv_gpu_guest_context *context)
{
    for (struct pv_gpu_request *request = context->device->requests; request != NULL;
         request = request->next) {
        if (request->held_by == context) {
            request->held_by = NULL;
        }
        if (request->fence_of == context) {
            request->fence_of = NULL;
        }
    }
}

static void unlink_context(struct pv_gpu_guest_context *context)
{
    struct pv_gpu_guest_context **link = bucket_of(context->device, context->id);

    while (*link != context) {
        link = &(*link)->next;
    }
    *link = context->next;
    context->device->context_count--;
}

static void unlink_ending(struct pv_gpu_guest_context *context)
{
    struct pv_gpu_guest_context **link = &context->device->ending_contexts;

    while (*link != context) {
        link = &(*link)->next;
    }
    *link = context->next;
}

static void destroy_worker(struct pv_gpu_guest_context *context)
{
    if (context->worker != NULL) {
        context->device->context_ops->destroy(context->worker);
        context->worker = NULL;
    }
}

/* Its worker has ended, or was none: end what waits for it. */
static void finish_destroy(struct pv_gpu_guest_context *context)
{
    struct pv_gpu_device *device = context->device;
    struct pv_gpu_request *request = context->end_request;

    destroy_worker(context);
    context->is_lost = true;
    pv_gpu_resource_forget_context(device, context);
    pv_gpu_task_fail_all(context);
    for (size_t i = 0; i < PV_GPU_RING_COUNT; i++) {
        pv_gpu_timeline_finish_streams(&context->timelines[i], PV_GPU_OK_NODATA);
        pv_gpu_timeline_dissolve(&context->timelines[i]);
    }
    uncount_requests(context);
    free(context);
    pv_gpu_request_finish_ok(request);
}

/* What the worker reports. */

static void on_fence_retired(void *user, uint32_t ring_index, uint64_t fence_id)
{
    struct pv_gpu_guest_context *context = user;

    if (ring_index >= PV_GPU_RING_COUNT
        || !pv_gpu_timeline_retire(&context->timelines[ring_index], fence_id)) {
        pv_base_log_guest(context->device->log, "gpu.context", PV_BASE_LOG_DEBUG,
                          "context %u: no fence %llu on ring %u", context->id,
                          (unsigned long long)fence_id, ring_index);
    }
}

static void on_done(void *user, uint64_t cookie, int status, const struct pv_gpu_exported *exported)
{
    pv_gpu_task_done(user, cookie, status, exported);
}

static void on_lost(void *user, const char *reason)
{
    struct pv_gpu_guest_context *context = user;

    if (context->is_lost) {
        return;
    }
    if (context->end_request != NULL) {
        unlink_ending(context);
        finish_destroy(context);
        return;
    }
    context->is_lost = true;
    /* Whoever ran it has warned; this adds the guest's name for it. */
    pv_base_log_guest(context->device->log, "gpu.context", PV_BASE_LOG_INFO,
                      "context %u (%s) is lost: %s", context->id, context->name, reason);
    pv_gpu_resource_lose_context(context->device, context);
    pv_gpu_task_fail_all(context);
    for (size_t i = 0; i < PV_GPU_RING_COUNT; i++) {
        pv_gpu_timeline_finish_streams(&context->timelines[i], PV_GPU_ERR_UNSPEC);
    }
}

static const struct pv_gpu_context_events context_events = {
    .fence_retired = on_fence_retired,
    .done = on_done,
    .lost = on_lost,
};

/* Commands. */

void pv_gpu_guest_context_handle_create(struct pv_gpu_request *request,
                                        struct pv_gpu_resource *resource)
{
    const struct pv_gpu_cmd_context_create *command = &request->command.context_create;
    struct pv_gpu_device *device = request->device;
    const uint32_t id = command->header.context_id;
    const uint32_t capset_id = command->context_init & PV_GPU_CONTEXT_INIT_CAPSET_MASK;
    struct pv_gpu_guest_context **bucket = bucket_of(device, id);
    struct pv_gpu_guest_context *context;
    int r = 0;

    (void)resource;
    if (id == 0 || pv_gpu_guest_context_find(device, id) != NULL) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_CONTEXT_ID, "context id %u is %s", id,
                            id == 0 ? "not allowed" : "in use");
        return;
    }
    if (command->name_bytes > sizeof(command->name)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER, "a name of %u bytes",
                            command->name_bytes);
        return;
    }
    if (capset_id != 0 && (device->context_ops == NULL || capset_id != device->capset_id)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER, "no capset %u here", capset_id);
        return;
    }
    if (device->context_count >= PV_GPU_CONTEXT_MAX) {
        pv_gpu_request_fail(request, PV_GPU_ERR_OUT_OF_MEMORY, "there are %u contexts already",
                            device->context_count);
        return;
    }
    context = calloc(1, sizeof(*context));
    if (context == NULL) {
        pv_gpu_request_fail_host(request, -ENOMEM, "creating a context");
        return;
    }
    context->device = device;
    context->id = id;
    context->capset_id = capset_id;
    pv_base_text_copy(context->name, sizeof(context->name), command->name, command->name_bytes);
    if (capset_id != 0) {
        r = device->context_ops->create(device->context_backend, id, capset_id, context->name,
                                        &context_events, context, &context->worker);
    }
    if (r < 0) {
        free(context);
        pv_gpu_request_fail_host(request, r, "starting a context");
        return;
    }
    context->next = *bucket;
    *bucket = context;
    device->context_count++;
    pv_base_log_guest(device->log, "gpu.context", PV_BASE_LOG_INFO,
                      "context %u (%s) with capset %u", id, context->name, capset_id);
    pv_gpu_request_finish_ok(request);
}

void pv_gpu_guest_context_handle_destroy(struct pv_gpu_request *request,
                                         struct pv_gpu_resource *resource)
{
    struct pv_gpu_device *device = request->device;
    const uint32_t id = request->command.header.context_id;
    struct pv_gpu_guest_context *context = pv_gpu_guest_context_find(device, id);

    (void)resource;
    if (context == NULL) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_CONTEXT_ID, "no context %u", id);
        return;
    }
    /* From here on nothing finds it; then what waits for it ends. */
    unlink_context(context);
    pv_base_log_guest(device->log, "gpu.context", PV_BASE_LOG_INFO, "context %u (%s) destroyed", id,
                      context->name);
    context->end_request = request;
    /* Nobody finds it any more to make them ready, and another context may get its id. */
    pv_gpu_task_forget_unready(context);
    if (context->worker != NULL && device->context_ops->end != NULL
        && device->context_ops->end(context->worker)) {
        context->next = device->ending_contexts;
        device->ending_contexts = context;
    } else {
        finish_destroy(context);
    }
}

static void free_context(struct pv_gpu_guest_context *context)
{
    destroy_worker(context);
    pv_gpu_task_free_all(context);
    free(context);
}

void pv_gpu_guest_context_destroy_all(struct pv_gpu_device *device)
{
    for (size_t i = 0; i < PV_GPU_CONTEXT_BUCKETS; i++) {
        while (device->contexts[i] != NULL) {
            struct pv_gpu_guest_context *context = device->contexts[i];

            unlink_context(context);
            free_context(context);
        }
    }
    while (device->ending_contexts != NULL) {
        struct pv_gpu_guest_context *context = device->ending_contexts;

        unlink_ending(context);
        free_context(context);
    }
    if (device->context_ops != NULL && device->context_ops->settle != NULL) {
        device->context_ops->settle(device->context_backend);
    }
}

/* The stream of a SUBMIT_3D as a task; NULL with *ret_error set when it cannot be made. */
static struct pv_gpu_task *read_stream(struct pv_gpu_request *request, size_t size_bytes,
                                       uint32_t *ret_error)
{
    struct pv_gpu_task *task = pv_gpu_task_create(PV_GPU_TASK_SUBMIT, request, NULL);

    *ret_error = PV_GPU_ERR_OUT_OF_MEMORY;
    if (task == NULL || size_bytes == 0) {
        return task;
    }
    task->size_bytes = size_bytes;
    if (size_bytes > PV_GPU_SUBMIT_FREE_BYTES) {
        if (!pv_gpu_device_charge(request->device, size_bytes, false)) {
            pv_gpu_task_destroy(task);
            return NULL;
        }
        task->charged_device = request->device;
    }
    task->bytes = malloc(size_bytes);
    if (task->bytes == NULL) {
        pv_gpu_task_destroy(task);
        return NULL;
    }
    if (request->element->ops->read(request->element, task->bytes, size_bytes) != size_bytes) {
        pv_gpu_task_destroy(task);
        *ret_error = PV_GPU_ERR_INVALID_PARAMETER;
        return NULL;
    }
    return task;
}

void pv_gpu_guest_context_handle_submit(struct pv_gpu_request *request,
                                        struct pv_gpu_resource *resource)
{
    const struct pv_gpu_cmd_submit *command = &request->command.submit;
    const bool fenced = (command->header.flags & PV_GPU_FLAG_FENCE) != 0;
    const uint32_t id = command->header.context_id;
    struct pv_gpu_guest_context *context = pv_gpu_guest_context_find(request->device, id);
    const size_t readable_bytes = request->element->readable_bytes - sizeof(*command);
    struct pv_gpu_task *task;
    uint32_t error;

    (void)resource;
    if (context == NULL) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_CONTEXT_ID, "no context %u", id);
        return;
    }
    /* The count must fit in the bytes that are there before it costs any memory. */
    if (command->size_bytes > readable_bytes || command->size_bytes % 4 != 0
        || command->size_bytes > PV_GPU_SUBMIT_MAX_BYTES) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "a stream of %u bytes in a request that holds %zu", command->size_bytes,
                            readable_bytes);
        return;
    }
    if (command->size_bytes == 0 && (!fenced || context->capset_id == 0)) {
        pv_gpu_request_finish_ok(request);
        return;
    }
    if (context->capset_id == 0) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "context %u has no capset: it runs no streams", id);
        return;
    }
    if (context->is_lost) {
        pv_gpu_request_fail(request, PV_GPU_ERR_UNSPEC, "context %u is lost", id);
        return;
    }
    /* A refused one must not wait behind the others: it would hold the queue all the same. The
     * program's older fences then signal early, which is its own loss. */
    if (fenced && context->fence_count >= PV_GPU_CONTEXT_FENCE_MAX) {
        pv_gpu_timeline_remove(request);
        pv_gpu_request_fail(request, PV_GPU_ERR_OUT_OF_MEMORY,
                            "context %u has %u fences that have not retired", id,
                            context->fence_count);
        return;
    }
    /* Tasks of this context wait for another one, which may take its time. */
    if (context->unsent.first != NULL
        && !pv_gpu_request_hold(request, context, PV_GPU_CONTEXT_HELD_MAX)) {
        pv_gpu_timeline_remove(request);
        pv_gpu_request_fail(request, PV_GPU_ERR_OUT_OF_MEMORY, "too much waits for context %u", id);
        return;
    }
    task = read_stream(request, command->size_bytes, &error);
    if (task == NULL) {
        pv_gpu_request_fail(request, error, "the stream could not be read");
        return;
    }
    if (fenced) {
        request->fence_of = context;
        context->fence_count++;
    }
    pv_gpu_task_post(context, task);
}
