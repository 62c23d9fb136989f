/* SPDX-License-Identifier: MIT */
/*
 * Requests: their answers, and the one log line per kind of refusal; see request.h.
 */
#include "gpu/request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/fence.h"
#include "gpu/guest_context.h"
#include "gpu/limits.h"
#include "gpu/state.h"
#include "virtio/element.h"

struct pv_gpu_request *pv_gpu_request_create(struct pv_gpu_device *device,
                                             struct pv_virtio_element *element)
{
    struct pv_gpu_request *request;

    if (device->held_count >= PV_GPU_HELD_MAX) {
        return NULL;
    }
    request = calloc(1, sizeof(*request));
    if (request == NULL) {
        return NULL;
    }
    request->device = device;
    request->element = element;
    request->command_name = "command";
    request->next = device->requests;
    if (device->requests != NULL) {
        device->requests->previous = request;
    }
    device->requests = request;
    device->held_count++;
    return request;
}

static void free_request(struct pv_gpu_request *request)
{
    struct pv_gpu_device *device = request->device;

    if (request->previous != NULL) {
        request->previous->next = request->next;
    } else {
        device->requests = request->next;
    }
    if (request->next != NULL) {
        request->next->previous = request->previous;
    }
    device->held_count--;
    free(request);
}

void pv_gpu_request_complete(struct pv_gpu_request *request)
{
    request->element->ops->complete(request->element);
    free_request(request);
}

static void uncount(struct pv_gpu_request *request)
{
    if (request->held_by != NULL) {
        request->held_by->held_count--;
        request->held_by = NULL;
    }
    if (request->fence_of != NULL) {
        request->fence_of->fence_count--;
        request->fence_of = NULL;
    }
    if ((request->command.header.flags & PV_GPU_FLAG_FENCE) != 0) {
        request->device->fence_count--;
    }
}

void pv_gpu_request_finish(struct pv_gpu_request *request, uint32_t type, const void *payload,
                           size_t size_bytes)
{
    const struct pv_gpu_header *asked = &request->command.header;
    struct pv_virtio_element *element = request->element;
    struct pv_gpu_header header = {.type = type};

    if ((asked->flags & PV_GPU_FLAG_FENCE) != 0) {
        header.flags = PV_GPU_FLAG_FENCE;
        header.fence_id = asked->fence_id;
        header.context_id = asked->context_id;
    }
    uncount(request);
    /* Cursor requests have no room for an answer, and get none. */
    if (element->writable_bytes >= sizeof(header) + size_bytes) {
        (void)element->ops->write(element, &header, sizeof(header));
        if (size_bytes > 0) {
            (void)element->ops->write(element, payload, size_bytes);
        }
    } else if (element->writable_bytes >= sizeof(header)) {
        header.type = type < PV_GPU_ERR_UNSPEC ? PV_GPU_ERR_UNSPEC : type;
        (void)element->ops->write(element, &header, sizeof(header));
    }
    request->finished = true;
    if (request->timeline != NULL) {
        pv_gpu_timeline_flush(request->timeline);
    } else {
        pv_gpu_request_complete(request);
    }
}

void pv_gpu_request_finish_ok(struct pv_gpu_request *request)
{
    pv_gpu_request_finish(request, PV_GPU_OK_NODATA, NULL, 0);
}

/* Whether this kind of refusal (an error of a command) is met for the first time in this life. */
static bool is_new_kind(struct pv_gpu_device *device, uint32_t command, uint32_t error)
{
    /* Collisions only make a line quieter: 6 errors times up to 85 commands in 512 bits. */
    const uint32_t bit = (command * 7u + (command >> 8) * 131u + error) % 512u;
    const uint64_t mask = UINT64_C(1) << (bit % 64u);
    const bool is_new = (device->logged_errors[bit / 64u] & mask) == 0;

    device->logged_errors[bit / 64u] |= mask;
    return is_new;
}

void pv_gpu_request_fail(struct pv_gpu_request *request, uint32_t error, const char *format, ...)
{
    struct pv_gpu_device *device = request->device;
    const enum pv_base_log_level level = is_new_kind(device, request->command.header.type, error)
                                             ? PV_BASE_LOG_WARN
                                             : PV_BASE_LOG_DEBUG;

    device->error_count++;
    if (pv_base_log_is_on(device->log, "gpu.device", level)) {
        char why[160];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(why, sizeof(why), format, args);
        va_end(args);
        pv_base_log_guest(device->log, "gpu.device", level, "%s refused (0x%x): %s",
                          request->command_name, error, why);
    }
    pv_gpu_request_finish(request, error, NULL, 0);
}

void pv_gpu_request_fail_host(struct pv_gpu_request *request, int status, const char *what)
{
    const bool is_limit =
        status == -ENOMEM || status == -ENOSPC || status == -EAGAIN || status == -EMFILE;

    pv_gpu_request_fail(request, is_limit ? PV_GPU_ERR_OUT_OF_MEMORY : PV_GPU_ERR_UNSPEC, "%s: %s",
                        what, strerror(-status));
}

bool pv_gpu_request_hold(struct pv_gpu_request *request, struct pv_gpu_guest_context *context,
                         uint32_t max)
{
    if (request->held_by != NULL) {
        return true;
    }
    if (context->held_count >= max) {
        return false;
    }
    request->held_by = context;
    context->held_count++;
    return true;
}

void pv_gpu_request_drop_all(struct pv_gpu_device *device)
{
    while (device->requests != NULL) {
        struct pv_gpu_request *request = device->requests;

        request->element->ops->drop(request->element);
        free_request(request);
    }
}
