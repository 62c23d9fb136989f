/* SPDX-License-Identifier: MIT */
/*
 * The table of commands and the intake; see dispatch.h.
 */
#include "gpu/dispatch.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/compiler.h"
#include "gpu/attachment.h"
#include "gpu/blob.h"
#include "gpu/cursor.h"
#include "gpu/fence.h"
#include "gpu/guest_context.h"
#include "gpu/info.h"
#include "gpu/limits.h"
#include "gpu/request.h"
#include "gpu/resource.h"
#include "gpu/scanout.h"
#include "gpu/state.h"
#include "gpu/twod.h"
#include "virtio/element.h"

/* How the intake treats the resource that a command names. */
enum resource_use {
    USE_NONE, /* it names none, or makes one */
    USE_FREE, /* it must exist; being busy does not matter */
    USE_WAIT, /* it must exist; the command waits while it is busy */
    USE_END,  /* as USE_WAIT, and no cap may refuse it: it gives something up */
    USE_OWN,  /* the handler looks after it: id 0 may have a meaning, the order may be its own */
};

struct rule {
    uint16_t type;
    uint16_t size_bytes;    /* fixed part, header included */
    uint16_t payload_bytes; /* of the answer on success, without a capset's */
    uint16_t resource_offset_bytes;
    uint8_t queue_index;
    uint8_t use; /* enum resource_use */
    const char *name;
    pv_gpu_handler_fn *handler;
};

#define RULE(command, field, payload, queue, resource_id, resource_use, function)                  \
    {                                                                                              \
        .type = PV_GPU_CMD_##command,                                                              \
        .size_bytes = sizeof(((union pv_gpu_command_bytes *)NULL)->field),                         \
        .payload_bytes = payload,                                                                  \
        .resource_offset_bytes = offsetof(union pv_gpu_command_bytes, resource_id),                \
        .queue_index = PV_GPU_QUEUE_##queue, .use = resource_use, .name = #command,                \
        .handler = function                                                                        \
    }

/* Control commands, and no answer payload. */
#define PLAIN(command, field, use, function)                                                       \
    RULE(command, field, 0, CONTROL, field.resource_id, use, function)

static const struct rule rules[] = {
    RULE(GET_DISPLAY_INFO, header, sizeof(struct pv_gpu_resp_display_info), CONTROL, header.type,
         USE_NONE, pv_gpu_info_handle_display),
    PLAIN(RESOURCE_CREATE_2D, create_2d, USE_NONE, pv_gpu_twod_handle_create),
    PLAIN(RESOURCE_UNREF, resource, USE_END, pv_gpu_resource_unref),
    PLAIN(SET_SCANOUT, set_scanout, USE_OWN, pv_gpu_scanout_handle_set),
    PLAIN(RESOURCE_FLUSH, flush, USE_WAIT, pv_gpu_scanout_handle_flush),
    PLAIN(TRANSFER_TO_HOST_2D, transfer_2d, USE_WAIT, pv_gpu_twod_handle_transfer),
    PLAIN(RESOURCE_ATTACH_BACKING, attach_backing, USE_WAIT, pv_gpu_twod_handle_attach_backing),
    PLAIN(RESOURCE_DETACH_BACKING, resource, USE_END, pv_gpu_twod_handle_detach_backing),
    RULE(GET_CAPSET_INFO, get_capset_info, sizeof(struct pv_gpu_resp_capset_info), CONTROL,
         header.type, USE_NONE, pv_gpu_info_handle_capset_info),
    RULE(GET_CAPSET, get_capset, 0, CONTROL, header.type, USE_NONE, pv_gpu_info_handle_capset),
    RULE(GET_EDID, get_edid, sizeof(struct pv_gpu_resp_edid), CONTROL, header.type, USE_NONE,
         pv_gpu_info_handle_edid),
    RULE(RESOURCE_ASSIGN_UUID, resource, sizeof(struct pv_gpu_resp_uuid), CONTROL,
         resource.resource_id, USE_FREE, pv_gpu_resource_assign_uuid),
    PLAIN(RESOURCE_CREATE_BLOB, create_blob, USE_NONE, pv_gpu_blob_handle_create),
    PLAIN(SET_SCANOUT_BLOB, set_scanout_blob, USE_OWN, pv_gpu_scanout_handle_set_blob),
    RULE(CTX_CREATE, context_create, 0, CONTROL, header.type, USE_NONE,
         pv_gpu_guest_context_handle_create),
    RULE(CTX_DESTROY, header, 0, CONTROL, header.type, USE_NONE,
         pv_gpu_guest_context_handle_destroy),
    PLAIN(CTX_ATTACH_RESOURCE, resource, USE_FREE, pv_gpu_attachment_attach),
    PLAIN(CTX_DETACH_RESOURCE, resource, USE_END, pv_gpu_attachment_detach),
    RULE(SUBMIT_3D, submit, 0, CONTROL, header.type, USE_NONE, pv_gpu_guest_context_handle_submit),
    RULE(RESOURCE_MAP_BLOB, map_blob, sizeof(struct pv_gpu_resp_map_info), CONTROL,
         map_blob.resource_id, USE_WAIT, pv_gpu_blob_handle_map),
    PLAIN(RESOURCE_UNMAP_BLOB, resource, USE_END, pv_gpu_blob_handle_unmap),
    RULE(UPDATE_CURSOR, cursor, 0, CURSOR, cursor.resource_id, USE_OWN,
         pv_gpu_cursor_handle_update),
    RULE(MOVE_CURSOR, cursor, 0, CURSOR, header.type, USE_NONE, pv_gpu_cursor_handle_move),
};

static const struct rule *find_rule(uint32_t type)
{
    for (size_t i = 0; i < PV_ARRAY_LEN(rules); i++) {
        if (rules[i].type == type) {
            return &rules[i];
        }
    }
    return NULL;
}

/* Put a fenced request on its timeline. False when it names a ring that cannot be (answered). */
static bool join_timeline(struct pv_gpu_request *request)
{
    const struct pv_gpu_header *header = &request->command.header;
    struct pv_gpu_device *device = request->device;
    struct pv_gpu_guest_context *context;

    if ((header->flags & PV_GPU_FLAG_RING_IDX) != 0 && header->ring_index >= PV_GPU_RING_COUNT) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER, "no ring %u",
                            header->ring_index);
        return false;
    }
    if ((header->flags & PV_GPU_FLAG_FENCE) == 0) {
        return true;
    }
    context = pv_gpu_guest_context_find(device, header->context_id);
    if ((header->flags & PV_GPU_FLAG_RING_IDX) != 0) {
        if (context != NULL) {
            pv_gpu_timeline_push(&context->timelines[header->ring_index], request);
        }
    } else if (header->type == PV_GPU_CMD_SUBMIT_3D && context != NULL && context->capset_id != 0) {
        pv_gpu_timeline_push(&context->timelines[0], request);
    } else {
        pv_gpu_timeline_push(&device->timeline, request);
    }
    return true;
}

/* Give the command its resource, or have it wait for it, or refuse it. */
static void run(struct pv_gpu_request *request, const struct rule *rule)
{
    struct pv_gpu_device *device = request->device;
    struct pv_gpu_resource *resource = NULL;
    uint32_t resource_id;

    if (rule->use == USE_NONE) {
        rule->handler(request, NULL);
        return;
    }
    memcpy(&resource_id, (const uint8_t *)&request->command + rule->resource_offset_bytes,
           sizeof(resource_id));
    resource = pv_gpu_resource_find(device, resource_id);
    if (rule->use == USE_OWN) {
        rule->handler(request, resource);
        return;
    }
    if (resource == NULL) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_RESOURCE_ID, "no resource %u", resource_id);
        return;
    }
    if (rule->use == USE_FREE || resource->busy == PV_GPU_RESOURCE_IDLE) {
        rule->handler(request, resource);
        return;
    }
    if (rule->use == USE_WAIT && resource->owner != NULL
        && !pv_gpu_request_hold(request, resource->owner, PV_GPU_CONTEXT_HELD_MAX)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_OUT_OF_MEMORY, "too much waits for context %u",
                            resource->owner->id);
        return;
    }
    pv_gpu_resource_wait(resource, request);
}

/* Copy the header and then the rest of the fixed part. Returns the rule, or NULL (answered). */
static const struct rule *read_command(struct pv_gpu_request *request, uint32_t queue_index)
{
    struct pv_virtio_element *element = request->element;
    struct pv_gpu_header *header = &request->command.header;
    const struct rule *rule;
    size_t rest_bytes;

    if (element->ops->read(element, header, sizeof(*header)) != sizeof(*header)) {
        *header = (struct pv_gpu_header){0};
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "a request of %zu bytes has no header", element->readable_bytes);
        return NULL;
    }
    if ((header->flags & PV_GPU_FLAG_FENCE) != 0) {
        request->device->fence_count++;
    }
    rule = find_rule(header->type);
    if (rule == NULL || rule->queue_index != queue_index) {
        pv_gpu_request_fail(request, PV_GPU_ERR_UNSPEC, "command 0x%x on queue %u", header->type,
                            queue_index);
        return NULL;
    }
    request->command_name = rule->name;
    request->handler = rule->handler;
    rest_bytes = rule->size_bytes - sizeof(*header);
    if (element->ops->read(element, header + 1, rest_bytes) != rest_bytes) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER, "%zu bytes, not %u",
                            element->readable_bytes, rule->size_bytes);
        return NULL;
    }
    return rule;
}

/* Whether the answer fits; a control command without room for one is refused before it acts. */
static bool has_room_for_answer(struct pv_gpu_request *request, const struct rule *rule)
{
    size_t need_bytes = sizeof(struct pv_gpu_header) + rule->payload_bytes;

    if (rule->queue_index == PV_GPU_QUEUE_CURSOR) {
        return true; /* Linux gives these no room at all */
    }
    if (rule->type == PV_GPU_CMD_GET_CAPSET) {
        need_bytes += request->device->capset_bytes;
    }
    if (request->element->writable_bytes < need_bytes) {
        pv_gpu_request_fail(request, PV_GPU_ERR_UNSPEC, "room for %zu bytes of %zu",
                            request->element->writable_bytes, need_bytes);
        return false;
    }
    return true;
}

/* No request can be made: answer from the stack. */
static void refuse(struct pv_gpu_device *device, struct pv_virtio_element *element)
{
    struct pv_gpu_header asked = {0};
    struct pv_gpu_header header = {.type = PV_GPU_ERR_OUT_OF_MEMORY};

    device->error_count++;
    if (element->ops->read(element, &asked, sizeof(asked)) == sizeof(asked)
        && (asked.flags & PV_GPU_FLAG_FENCE) != 0) {
        header.flags = PV_GPU_FLAG_FENCE;
        header.fence_id = asked.fence_id;
        header.context_id = asked.context_id;
    }
    if (element->writable_bytes >= sizeof(header)) {
        (void)element->ops->write(element, &header, sizeof(header));
    }
    pv_base_log_guest(device->log, "gpu.device", PV_BASE_LOG_WARN,
                      "a request is refused: %u are held already", device->held_count);
    element->ops->complete(element);
}

void pv_gpu_dispatch_element(struct pv_gpu_device *device, uint32_t queue_index,
                             struct pv_virtio_element *element)
{
    struct pv_gpu_request *request = pv_gpu_request_create(device, element);
    const struct rule *rule;

    device->command_count++;
    if (request == NULL) {
        refuse(device, element);
        return;
    }
    rule = read_command(request, queue_index);
    if (rule == NULL || !has_room_for_answer(request, rule) || !join_timeline(request)) {
        return;
    }
    pv_base_log_debug(device->log, "gpu.command", "%s, context %u, fence %llu", rule->name,
                      request->command.header.context_id,
                      (request->command.header.flags & PV_GPU_FLAG_FENCE) != 0
                          ? (unsigned long long)request->command.header.fence_id
                          : 0);
    run(request, rule);
}
