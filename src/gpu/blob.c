/* SPDX-License-Identifier: MIT */
/*
 * Blob resources; see blob.h.
 */
#include "gpu/blob.h"

#include <errno.h>
#include <stdbool.h>

#include "gpu/guest_context.h"
#include "gpu/limits.h"
#include "gpu/pages.h"
#include "gpu/resource.h"
#include "gpu/state.h"
#include "gpu/task.h"

static void create_guest(struct pv_gpu_request *request)
{
    const struct pv_gpu_cmd_create_blob *command = &request->command.create_blob;
    struct pv_gpu_device *device = request->device;
    struct pv_gpu_backing backing = {0};
    struct pv_gpu_resource *resource;
    int r = pv_gpu_backing_read(device, request->element, command->entry_count, &backing);

    if (r == -EINVAL || (r == 0 && backing.size_bytes < command->size_bytes)) {
        pv_gpu_backing_finish(device, &backing);
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "a bad list of %u entries for %llu bytes", command->entry_count,
                            (unsigned long long)command->size_bytes);
        return;
    }
    if (r == 0) {
        r = pv_gpu_resource_create(device, command->resource_id, PV_GPU_RESOURCE_GUEST,
                                   command->size_bytes, &resource);
    }
    if (r < 0) {
        pv_gpu_backing_finish(device, &backing);
        pv_gpu_request_fail_host(request, r, "creating a guest blob");
        return;
    }
    resource->backing = backing;
    resource->blob_flags = command->blob_flags;
    pv_gpu_request_finish_ok(request);
}

/* Ask the worker for the memory object; the resource is busy until it answers. */
static void start_export(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    const uint64_t blob_id = request->command.create_blob.blob_id;
    struct pv_gpu_guest_context *context = resource->owner;
    const bool held = pv_gpu_request_hold(request, context, PV_GPU_CONTEXT_HELD_CREATE_MAX);
    struct pv_gpu_task *task =
        pv_gpu_task_create(PV_GPU_TASK_EXPORT, held ? request : NULL, resource);

    if (task == NULL) {
        pv_gpu_resource_destroy(resource);
        pv_gpu_request_fail_host(request, -ENOMEM, "creating a blob");
        return;
    }
    task->blob_id = blob_id;
    resource->busy = PV_GPU_RESOURCE_EXPORTING;
    if (!held) {
        pv_gpu_request_finish_ok(request);
    }
    pv_gpu_task_post(context, task);
}

static void create_host(struct pv_gpu_request *request)
{
    const struct pv_gpu_cmd_create_blob *command = &request->command.create_blob;
    struct pv_gpu_device *device = request->device;
    struct pv_gpu_guest_context *context =
        pv_gpu_guest_context_find(device, command->header.context_id);
    const bool is_shmem = command->blob_id == 0;
    struct pv_gpu_resource *resource = NULL;
    int r;

    if (context == NULL || (!is_shmem && context->capset_id == 0)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_CONTEXT_ID, "no context %u with memory",
                            command->header.context_id);
        return;
    }
    if (command->entry_count != 0
        || (is_shmem && (command->blob_flags & PV_GPU_BLOB_FLAG_MAPPABLE) == 0)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "host memory with %u entries and flags 0x%x", command->entry_count,
                            command->blob_flags);
        return;
    }
    if (context->is_lost) {
        pv_gpu_request_fail(request, PV_GPU_ERR_UNSPEC, "context %u is lost", context->id);
        return;
    }
    r = pv_gpu_resource_create(device, command->resource_id,
                               is_shmem ? PV_GPU_RESOURCE_SHMEM : PV_GPU_RESOURCE_DEVICE,
                               command->size_bytes, &resource);
    if (r == 0) {
        resource->blob_flags = command->blob_flags;
        resource->owner = context;
        r = pv_gpu_attachment_add(resource, context, false);
        if (r < 0) {
            pv_gpu_resource_destroy(resource);
        }
    }
    if (r < 0) {
        pv_gpu_request_fail_host(request, r, "creating a blob");
        return;
    }
    if (is_shmem) {
        pv_gpu_request_finish_ok(request);
    } else {
        start_export(request, resource);
    }
}

void pv_gpu_blob_handle_create(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    const struct pv_gpu_cmd_create_blob *command = &request->command.create_blob;

    (void)resource;
    if (pv_gpu_resource_id_is_taken(request->device, command->resource_id)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_RESOURCE_ID, "resource id %u is %s",
                            command->resource_id,
                            command->resource_id == 0 ? "not allowed" : "in use");
        return;
    }
    if (command->size_bytes == 0 || command->size_bytes % PV_GPU_GUEST_PAGE_BYTES != 0
        || (command->blob_flags & ~PV_GPU_BLOB_FLAG_MASK) != 0) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "a blob of %llu bytes with flags 0x%x",
                            (unsigned long long)command->size_bytes, command->blob_flags);
        return;
    }
    if (command->blob_mem == PV_GPU_BLOB_MEM_GUEST) {
        create_guest(request);
    } else if (command->blob_mem == PV_GPU_BLOB_MEM_HOST3D) {
        create_host(request);
    } else {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER, "no memory of kind %u here",
                            command->blob_mem);
    }
}

void pv_gpu_blob_end_export(struct pv_gpu_resource *resource, struct pv_gpu_request *request,
                            int status, const struct pv_gpu_exported *exported)
{
    int r = status;

    if (r == 0) {
        const uint32_t map_info = exported->map_info & PV_GPU_MAP_CACHE_MASK;
        struct pv_gpu_attachment *attachment =
            resource->owner != NULL ? pv_gpu_attachment_find(resource, resource->owner) : NULL;

        if (attachment != NULL) {
            attachment->told = true;
        }
        if (map_info >= PV_GPU_MAP_CACHE_CACHED && map_info <= 3) {
            resource->map_info = map_info;
        }
        if (exported->fd >= 0) {
            r = pv_gpu_pages_take_fd(resource, exported->fd,
                                     exported->size_bytes > resource->size_bytes
                                         ? exported->size_bytes
                                         : resource->size_bytes);
        }
    }
    resource->busy = PV_GPU_RESOURCE_IDLE;
    if (r < 0) {
        resource->is_dead = true;
        pv_base_log_debug(resource->device->log, "gpu.resource", "resource %u is dead: %d",
                          resource->id, r);
    }
    if (request != NULL && r < 0) {
        pv_gpu_request_fail_host(request, r, "exporting the memory of a blob");
    } else if (request != NULL) {
        pv_gpu_request_finish_ok(request);
    }
    pv_gpu_resource_run_waiting(resource);
}

static void finish_map(struct pv_gpu_request *request, const struct pv_gpu_resource *resource)
{
    const struct pv_gpu_resp_map_info response = {.map_info = resource->map_info};

    pv_gpu_request_finish(request, PV_GPU_OK_MAP_INFO, &response, sizeof(response));
}

/* Whether a context other than the owner maps the pages where they are now. */
static bool is_used_by_others(const struct pv_gpu_resource *resource)
{
    for (size_t i = 0; i < resource->attachment_count; i++) {
        if (resource->attachments[i].told && resource->attachments[i].context != resource->owner) {
            return true;
        }
    }
    return false;
}

/* Have the owner's worker move the pages into the range just claimed. */
static void start_place(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    struct pv_gpu_task *task = pv_gpu_task_create(PV_GPU_TASK_PLACE, request, resource);

    if (task == NULL || !pv_gpu_request_hold(request, resource->owner, PV_GPU_CONTEXT_HELD_MAX)) {
        pv_gpu_task_destroy(task);
        (void)pv_gpu_window_release(&resource->device->window, resource->window_offset_bytes);
        pv_gpu_request_fail(request, PV_GPU_ERR_OUT_OF_MEMORY, "too much waits for context %u",
                            resource->owner->id);
        return;
    }
    resource->busy = PV_GPU_RESOURCE_PLACING;
    pv_gpu_task_post(resource->owner, task);
}

/* Whether a MAP_BLOB makes sense; answers it if not. */
static bool may_map(struct pv_gpu_request *request, const struct pv_gpu_resource *resource)
{
    const bool is_device = resource->kind == PV_GPU_RESOURCE_DEVICE;

    if ((!is_device && resource->kind != PV_GPU_RESOURCE_SHMEM)
        || (resource->blob_flags & PV_GPU_BLOB_FLAG_MAPPABLE) == 0) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER, "resource %u cannot be mapped",
                            resource->id);
        return false;
    }
    if (resource->is_mapped || (is_device && is_used_by_others(resource))) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER, "resource %u is %s",
                            resource->id,
                            resource->is_mapped ? "mapped already" : "used by other contexts");
        return false;
    }
    if (resource->is_dead || !request->device->window_is_mapped
        || (is_device && (resource->owner == NULL || resource->owner->is_lost))) {
        pv_gpu_request_fail(request, PV_GPU_ERR_UNSPEC, "resource %u: %s", resource->id,
                            request->device->window_is_mapped ? "its memory is lost"
                                                              : "the window is not there");
        return false;
    }
    return true;
}

void pv_gpu_blob_handle_map(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    struct pv_gpu_device *device = request->device;
    const uint64_t offset_bytes = request->command.map_blob.offset_bytes;
    int r;

    if (!may_map(request, resource)) {
        return;
    }
    r = pv_gpu_window_claim(&device->window, offset_bytes, resource->size_bytes);
    if (r == -EINVAL || r == -ERANGE || r == -EEXIST) {
        pv_gpu_request_fail(
            request, PV_GPU_ERR_INVALID_PARAMETER, "no room for %llu bytes at 0x%llx of the window",
            (unsigned long long)resource->size_bytes, (unsigned long long)offset_bytes);
        return;
    }
    if (r < 0) {
        pv_gpu_request_fail_host(request, r, "claiming a range of the window");
        return;
    }
    resource->window_offset_bytes = offset_bytes;
    if (resource->kind == PV_GPU_RESOURCE_DEVICE) {
        start_place(request, resource);
        return;
    }
    resource->is_mapped = true;
    pv_gpu_attachment_tell_all(resource);
    finish_map(request, resource);
}

void pv_gpu_blob_end_place(struct pv_gpu_resource *resource, struct pv_gpu_request *request,
                           int status)
{
    resource->busy = PV_GPU_RESOURCE_IDLE;
    if (status < 0) {
        (void)pv_gpu_window_release(&resource->device->window, resource->window_offset_bytes);
        pv_gpu_request_fail_host(request, status, "placing a blob in the window");
    } else {
        /* The pages are the window's now; those that were exported are stale. */
        pv_gpu_pages_drop(resource);
        resource->is_mapped = true;
        pv_gpu_attachment_tell_all(resource);
        finish_map(request, resource);
    }
    pv_gpu_resource_run_waiting(resource);
}

void pv_gpu_blob_handle_unmap(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    if (!resource->is_mapped) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER, "resource %u is not mapped",
                            resource->id);
        return;
    }
    pv_gpu_resource_hold(resource);
    resource->busy = PV_GPU_RESOURCE_UNMAPPING;
    resource->end_request = request;
    pv_gpu_attachment_leave_all(resource);
    pv_gpu_resource_unhold(resource);
}

void pv_gpu_blob_end_unmap(struct pv_gpu_resource *resource, struct pv_gpu_request *request)
{
    pv_gpu_pages_drop(resource);
    resource->is_mapped = false;
    resource->is_dead = true;
    resource->busy = PV_GPU_RESOURCE_IDLE;
    if (pv_gpu_window_release(&resource->device->window, resource->window_offset_bytes) < 0) {
        pv_base_log_guest(resource->device->log, "gpu.window", PV_BASE_LOG_WARN,
                          "pages of a range could not be freed: it stays unused");
    }
    pv_gpu_request_finish_ok(request);
    pv_gpu_resource_run_waiting(resource);
}
