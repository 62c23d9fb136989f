/* SPDX-License-Identifier: MIT */
/*
 * The resource table and the life of its entries; see resource.h.
 *
 * Who may free: only settle(), when no `leave` is in flight and nobody on the stack holds the
 * resource. Handlers that start leaves therefore hold it while they do, because a context may
 * answer from inside the call.
 */
#include "gpu/resource.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/blob.h"
#include "gpu/cursor.h"
#include "gpu/guest_context.h"
#include "gpu/limits.h"
#include "gpu/pages.h"
#include "gpu/scanout.h"
#include "gpu/state.h"

static uint32_t bucket_of(uint32_t id)
{
    /* Fibonacci hashing: the high bits of the product are well mixed. */
    return (uint32_t)(id * UINT32_C(2654435769)) >> 20;
}

static_assert(PV_GPU_RESOURCE_BUCKETS == 1u << 12, "bucket_of takes 12 bits");

static struct pv_gpu_resource *find_any(struct pv_gpu_device *device, uint32_t id)
{
    struct pv_gpu_resource *resource = device->resources[bucket_of(id)];

    while (resource != NULL && resource->id != id) {
        resource = resource->next;
    }
    return resource;
}

struct pv_gpu_resource *pv_gpu_resource_find(struct pv_gpu_device *device, uint32_t id)
{
    struct pv_gpu_resource *resource = find_any(device, id);

    return resource != NULL && !resource->is_leaving ? resource : NULL;
}

bool pv_gpu_resource_id_is_taken(struct pv_gpu_device *device, uint32_t id)
{
    return id == 0 || find_any(device, id) != NULL;
}

int pv_gpu_resource_create(struct pv_gpu_device *device, uint32_t id,
                           enum pv_gpu_resource_kind kind, uint64_t size_bytes,
                           struct pv_gpu_resource **ret_resource)
{
    struct pv_gpu_resource *resource;
    struct pv_gpu_resource **bucket = &device->resources[bucket_of(id)];
    uint64_t charged_bytes;

    if (pv_gpu_resource_id_is_taken(device, id)) {
        return -EEXIST;
    }
    if (device->resource_count >= PV_GPU_RESOURCE_MAX) {
        return -ENOMEM;
    }
    resource = calloc(1, sizeof(*resource));
    if (resource == NULL) {
        return -ENOMEM;
    }
    /* The guest's own memory costs us nothing. */
    charged_bytes = kind == PV_GPU_RESOURCE_GUEST ? 0 : size_bytes;
    if (!pv_gpu_device_charge(device, charged_bytes, kind == PV_GPU_RESOURCE_DEVICE)) {
        free(resource);
        return -ENOMEM;
    }
    resource->device = device;
    resource->id = id;
    resource->kind = kind;
    resource->size_bytes = size_bytes;
    resource->charged_bytes = charged_bytes;
    resource->charged_by_worker = kind == PV_GPU_RESOURCE_DEVICE;
    resource->fd = -1;
    resource->map_info = PV_GPU_MAP_CACHE_CACHED;
    resource->next = *bucket;
    *bucket = resource;
    device->resource_count++;
    *ret_resource = resource;
    return 0;
}

void pv_gpu_resource_destroy(struct pv_gpu_resource *resource)
{
    struct pv_gpu_device *device = resource->device;
    struct pv_gpu_resource **link = &device->resources[bucket_of(resource->id)];

    while (*link != resource) {
        link = &(*link)->next;
    }
    *link = resource->next;
    device->resource_count--;
    pv_gpu_scanout_forget_resource(device, resource);
    pv_gpu_pages_drop(resource);
    if (resource->is_mapped
        && pv_gpu_window_release(&device->window, resource->window_offset_bytes) < 0) {
        pv_base_log_guest(device->log, "gpu.window", PV_BASE_LOG_WARN,
                          "pages of a range could not be freed: it stays unused");
    }
    pv_gpu_device_refund(device, resource->charged_bytes, resource->charged_by_worker);
    pv_gpu_backing_finish(device, &resource->backing);
    pv_gpu_attachment_finish(resource);
    free(resource);
}

void pv_gpu_resource_destroy_all(struct pv_gpu_device *device)
{
    for (size_t i = 0; i < PV_GPU_RESOURCE_BUCKETS; i++) {
        while (device->resources[i] != NULL) {
            pv_gpu_resource_destroy(device->resources[i]);
        }
    }
}

void pv_gpu_resource_wait(struct pv_gpu_resource *resource, struct pv_gpu_request *request)
{
    request->resource_next = NULL;
    if (resource->waiting_last != NULL) {
        resource->waiting_last->resource_next = request;
    } else {
        resource->waiting_first = request;
    }
    resource->waiting_last = request;
}

static struct pv_gpu_request *pop_waiting(struct pv_gpu_resource *resource)
{
    struct pv_gpu_request *request = resource->waiting_first;

    if (request != NULL) {
        resource->waiting_first = request->resource_next;
        if (resource->waiting_first == NULL) {
            resource->waiting_last = NULL;
        }
        request->resource_next = NULL;
    }
    return request;
}

void pv_gpu_resource_run_waiting(struct pv_gpu_resource *resource)
{
    pv_gpu_resource_hold(resource);
    while (resource->busy == PV_GPU_RESOURCE_IDLE && !resource->is_leaving
           && resource->waiting_first != NULL) {
        struct pv_gpu_request *request = pop_waiting(resource);

        request->handler(request, resource);
    }
    pv_gpu_resource_unhold(resource);
}

/* Nobody is left whom an UNREF or UNMAP waits for: end it. May free the resource. */
static void settle(struct pv_gpu_resource *resource)
{
    struct pv_gpu_request *request = resource->end_request;

    if (resource->leaving_count > 0 || resource->hold_count > 0) {
        return;
    }
    if (resource->is_leaving) {
        /* The guest reuses the window's hole as soon as it sees the answer: free it before. */
        pv_gpu_resource_destroy(resource);
        pv_gpu_request_finish_ok(request);
    } else if (resource->busy == PV_GPU_RESOURCE_UNMAPPING) {
        resource->end_request = NULL;
        pv_gpu_blob_end_unmap(resource, request);
    }
}

void pv_gpu_resource_hold(struct pv_gpu_resource *resource)
{
    resource->hold_count++;
}

void pv_gpu_resource_unhold(struct pv_gpu_resource *resource)
{
    resource->hold_count--;
    settle(resource);
}

void pv_gpu_resource_left(struct pv_gpu_resource *resource)
{
    resource->leaving_count--;
    settle(resource);
}

void pv_gpu_resource_forget_context(struct pv_gpu_device *device,
                                    const struct pv_gpu_guest_context *context)
{
    pv_gpu_resource_lose_context(device, context);
    for (size_t i = 0; i < PV_GPU_RESOURCE_BUCKETS; i++) {
        for (struct pv_gpu_resource *resource = device->resources[i]; resource != NULL;
             resource = resource->next) {
            pv_gpu_attachment_remove(resource, context);
            if (resource->owner == context) {
                resource->owner = NULL;
            }
        }
    }
}

void pv_gpu_resource_lose_context(struct pv_gpu_device *device,
                                  const struct pv_gpu_guest_context *context)
{
    for (size_t i = 0; i < PV_GPU_RESOURCE_BUCKETS; i++) {
        for (struct pv_gpu_resource *resource = device->resources[i]; resource != NULL;
             resource = resource->next) {
            if (resource->owner != context || resource->kind != PV_GPU_RESOURCE_DEVICE) {
                continue;
            }
            if (resource->fd < 0 && !resource->is_mapped) {
                resource->is_dead = true;
            } else if (resource->charged_by_worker) {
                pv_gpu_device_take_over(device, resource->charged_bytes);
                resource->charged_by_worker = false;
            }
        }
    }
}

void pv_gpu_resource_unref(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    struct pv_gpu_request *waiting;

    pv_gpu_resource_hold(resource);
    resource->is_leaving = true;
    resource->end_request = request;
    /* These came after the UNREF. */
    while ((waiting = pop_waiting(resource)) != NULL) {
        if (waiting->barrier != NULL) {
            pv_gpu_attachment_stop_waiting(waiting);
        }
        pv_gpu_request_fail(waiting, PV_GPU_ERR_INVALID_RESOURCE_ID,
                            "resource %u was given up before", resource->id);
    }
    pv_gpu_scanout_forget_resource(resource->device, resource);
    pv_gpu_attachment_leave_all(resource);
    pv_gpu_resource_unhold(resource);
}

void pv_gpu_resource_assign_uuid(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    struct pv_gpu_resp_uuid response = {0};

    /* A name that no other device of this guest gives out: random bytes of this device, then the
     * id; marked as a version 8 (custom) UUID. */
    memcpy(response.uuid, resource->device->uuid_seed, sizeof(resource->device->uuid_seed));
    memcpy(response.uuid + 12, &resource->id, sizeof(resource->id));
    response.uuid[6] = (uint8_t)((response.uuid[6] & 0x0f) | 0x80);
    response.uuid[8] = 0x80;
    pv_gpu_request_finish(request, PV_GPU_OK_UUID, &response, sizeof(response));
}
