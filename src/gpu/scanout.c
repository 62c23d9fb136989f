/* SPDX-License-Identifier: MIT */
/*
 * Scanouts; see scanout.h.
 */
#include "gpu/scanout.h"

#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "gpu/cursor.h"
#include "gpu/frame.h"
#include "gpu/guest_context.h"
#include "gpu/limits.h"
#include "gpu/pages.h"
#include "gpu/request.h"
#include "gpu/resource.h"
#include "gpu/state.h"
#include "gpu/twod.h"

static void tell_changed(struct pv_gpu_device *device, uint32_t index)
{
    static const struct pv_gpu_frame_view off = {.fd = -1};
    const struct pv_gpu_frame *frame = device->scanouts[index].frame;

    device->sink_ops->scanout_changed(device->sink, index, frame != NULL ? &frame->view : &off);
}

static void drop_frame(struct pv_gpu_device *device, struct pv_gpu_scanout *scanout)
{
    pv_gpu_frame_destroy(scanout->frame);
    scanout->frame = NULL;
    pv_gpu_device_refund(device, scanout->charged_bytes, false);
    scanout->charged_bytes = 0;
}

static void switch_off(struct pv_gpu_device *device, uint32_t index)
{
    struct pv_gpu_scanout *scanout = &device->scanouts[index];

    scanout->source = (struct pv_gpu_source){0};
    if (scanout->frame != NULL) {
        drop_frame(device, scanout);
        tell_changed(device, index);
    }
}

/* Give the scanout a frame of the source's size, unless it has one. Returns 0 or -errno. */
static int fit_frame(struct pv_gpu_device *device, uint32_t index,
                     const struct pv_gpu_source *source)
{
    struct pv_gpu_scanout *scanout = &device->scanouts[index];
    const uint32_t width_px = source->rect.width;
    const uint32_t height_px = source->rect.height;
    const uint64_t size_bytes = pv_gpu_frame_size_bytes(width_px, height_px);
    struct pv_gpu_frame *frame;
    int r;

    if (scanout->frame != NULL && scanout->frame->view.width_px == width_px
        && scanout->frame->view.height_px == height_px
        && scanout->frame->view.format == source->format) {
        return 0;
    }
    if (!pv_gpu_device_charge(device, size_bytes, false)) {
        return -ENOMEM;
    }
    r = pv_gpu_frame_create(width_px, height_px, source->format, &frame);
    if (r < 0) {
        pv_gpu_device_refund(device, size_bytes, false);
        return r;
    }
    drop_frame(device, scanout);
    scanout->frame = frame;
    scanout->charged_bytes = size_bytes;
    tell_changed(device, index);
    return 0;
}

/*
 * What both settings have in common. Returns true when the caller goes on and looks at the
 * resource; false when the request was answered or waits.
 */
static bool begin_set(struct pv_gpu_request *request, struct pv_gpu_resource *resource,
                      uint32_t index, uint32_t resource_id)
{
    struct pv_gpu_device *device = request->device;
    struct pv_gpu_scanout *scanout;

    if (index >= device->scanout_count) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_SCANOUT_ID, "no scanout %u", index);
        return false;
    }
    scanout = &device->scanouts[index];
    if (resource_id == 0) {
        scanout->sequence++;
        switch_off(device, index);
        pv_gpu_request_finish_ok(request);
        return false;
    }
    if (resource == NULL) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_RESOURCE_ID, "no resource %u", resource_id);
        return false;
    }
    if (resource->busy != PV_GPU_RESOURCE_IDLE) {
        if (resource->owner != NULL
            && !pv_gpu_request_hold(request, resource->owner, PV_GPU_CONTEXT_HELD_MAX)) {
            pv_gpu_request_fail(request, PV_GPU_ERR_OUT_OF_MEMORY, "too much waits for context %u",
                                resource->owner->id);
            return false;
        }
        request->sequence = ++scanout->sequence;
        pv_gpu_resource_wait(resource, request);
        return false;
    }
    if (request->sequence != 0 && request->sequence != scanout->sequence) {
        pv_gpu_request_finish_ok(request); /* overtaken */
        return false;
    }
    return true;
}

/* The source is good: show it from the next flush on. */
static void end_set(struct pv_gpu_request *request, uint32_t index,
                    const struct pv_gpu_source *source)
{
    struct pv_gpu_device *device = request->device;
    struct pv_gpu_scanout *scanout = &device->scanouts[index];
    const int r = fit_frame(device, index, source);

    if (r < 0) {
        pv_gpu_request_fail_host(request, r, "making a frame");
        return;
    }
    scanout->sequence++;
    scanout->source = *source;
    scanout->source_is_new = true;
    pv_gpu_request_finish_ok(request);
}

static bool rect_can_be_shown(const struct pv_gpu_rect *rect, uint32_t width_px, uint32_t height_px)
{
    return rect->width > 0 && rect->height > 0 && rect->width <= PV_GPU_SIDE_MAX_PX
           && rect->height <= PV_GPU_SIDE_MAX_PX
           && pv_gpu_rect_is_inside(rect, width_px, height_px);
}

void pv_gpu_scanout_handle_set(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    const struct pv_gpu_cmd_set_scanout *command = &request->command.set_scanout;
    struct pv_gpu_source source;

    if (!begin_set(request, resource, command->scanout_id, command->resource_id)) {
        return;
    }
    if (resource->kind != PV_GPU_RESOURCE_2D
        || !rect_can_be_shown(&command->rect, resource->width_px, resource->height_px)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "rect %u,%u %u x %u of resource %u", command->rect.x, command->rect.y,
                            command->rect.width, command->rect.height, resource->id);
        return;
    }
    source = (struct pv_gpu_source){
        .resource = resource,
        .stride_bytes = resource->width_px * PV_GPU_PIXEL_BYTES,
        .format = resource->format,
        .rect = command->rect,
    };
    end_set(request, command->scanout_id, &source);
}

/* Whether the framebuffer that the guest describes lies in the blob; all in 64 bits. */
static bool framebuffer_fits(const struct pv_gpu_cmd_set_scanout_blob *command, uint64_t blob_bytes)
{
    const uint64_t row_bytes = (uint64_t)command->width * PV_GPU_PIXEL_BYTES;
    uint64_t size_bytes;

    if (command->width == 0 || command->height == 0 || command->strides[0] < row_bytes
        || !pv_base_u64_mul(command->strides[0], command->height - 1, &size_bytes)
        || !pv_base_u64_add(size_bytes, row_bytes, &size_bytes)) {
        return false;
    }
    return pv_base_range_is_inside(command->offsets[0], size_bytes, blob_bytes);
}

void pv_gpu_scanout_handle_set_blob(struct pv_gpu_request *request,
                                    struct pv_gpu_resource *resource)
{
    const struct pv_gpu_cmd_set_scanout_blob *command = &request->command.set_scanout_blob;
    struct pv_gpu_source source;

    if (!begin_set(request, resource, command->scanout_id, command->resource_id)) {
        return;
    }
    if (resource->kind == PV_GPU_RESOURCE_2D || !pv_gpu_format_is_known(command->format)
        || !framebuffer_fits(command, resource->size_bytes)
        || !rect_can_be_shown(&command->rect, command->width, command->height)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "a framebuffer of %u x %u, stride %u, offset %u, format %u in resource "
                            "%u",
                            command->width, command->height, command->strides[0],
                            command->offsets[0], command->format, resource->id);
        return;
    }
    if (!pv_gpu_pages_exist(resource)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_UNSPEC, "resource %u has no pages", resource->id);
        return;
    }
    source = (struct pv_gpu_source){
        .resource = resource,
        .offset_bytes = command->offsets[0],
        .stride_bytes = command->strides[0],
        .format = command->format,
        .rect = command->rect,
    };
    end_set(request, command->scanout_id, &source);
}

/* The part of a rect (in the framebuffer) that is shown, in the frame's coordinates. */
static struct pv_gpu_rect clip(const struct pv_gpu_rect *rect, const struct pv_gpu_rect *shown)
{
    const uint64_t left = rect->x > shown->x ? rect->x : shown->x;
    const uint64_t top = rect->y > shown->y ? rect->y : shown->y;
    const uint64_t rect_right = (uint64_t)rect->x + rect->width;
    const uint64_t rect_bottom = (uint64_t)rect->y + rect->height;
    const uint64_t shown_right = (uint64_t)shown->x + shown->width;
    const uint64_t shown_bottom = (uint64_t)shown->y + shown->height;
    const uint64_t right = rect_right < shown_right ? rect_right : shown_right;
    const uint64_t bottom = rect_bottom < shown_bottom ? rect_bottom : shown_bottom;

    if (left >= right || top >= bottom) {
        return (struct pv_gpu_rect){0};
    }
    return (struct pv_gpu_rect){
        .x = (uint32_t)(left - shown->x),
        .y = (uint32_t)(top - shown->y),
        .width = (uint32_t)(right - left),
        .height = (uint32_t)(bottom - top),
    };
}

/* Copy a part of the source into the frame and show it. Returns 0 or -errno. */
static int copy_damage(struct pv_gpu_scanout *scanout, const struct pv_gpu_rect *damage)
{
    const struct pv_gpu_source *source = &scanout->source;
    const size_t row_bytes = (size_t)damage->width * PV_GPU_PIXEL_BYTES;
    const uint32_t target_stride_bytes = scanout->frame->view.stride_bytes;
    uint8_t *target = pv_gpu_frame_begin(scanout->frame) + (size_t)damage->y * target_stride_bytes
                      + (size_t)damage->x * PV_GPU_PIXEL_BYTES;
    /* Inside the blob, which was checked when the source was set. */
    uint64_t offset_bytes = source->offset_bytes
                            + ((uint64_t)source->rect.y + damage->y) * source->stride_bytes
                            + ((uint64_t)source->rect.x + damage->x) * PV_GPU_PIXEL_BYTES;
    int r = 0;

    for (uint32_t row = 0; r == 0 && row < damage->height; row++) {
        r = pv_gpu_pages_read(source->resource, offset_bytes, target, row_bytes);
        target += target_stride_bytes;
        offset_bytes += source->stride_bytes;
    }
    if (r < 0) {
        pv_gpu_frame_cancel(scanout->frame, damage);
    } else {
        pv_gpu_frame_publish(scanout->frame, damage);
    }
    return r;
}

void pv_gpu_scanout_handle_flush(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    const struct pv_gpu_rect *rect = &request->command.flush.rect;
    struct pv_gpu_device *device = request->device;
    int r = 0;

    if (resource->kind == PV_GPU_RESOURCE_2D
        && !pv_gpu_rect_is_inside(rect, resource->width_px, resource->height_px)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "rect %u,%u %u x %u of resource %u", rect->x, rect->y, rect->width,
                            rect->height, resource->id);
        return;
    }
    for (uint32_t i = 0; r == 0 && i < device->scanout_count; i++) {
        struct pv_gpu_scanout *scanout = &device->scanouts[i];
        struct pv_gpu_rect damage;

        if (scanout->source.resource != resource) {
            continue;
        }
        damage = clip(scanout->source_is_new ? &scanout->source.rect : rect, &scanout->source.rect);
        if (damage.width == 0) {
            continue;
        }
        r = copy_damage(scanout, &damage);
        if (r == 0) {
            scanout->source_is_new = false;
            device->frame_count++;
            device->sink_ops->frame_changed(device->sink, i, &damage);
        }
    }
    if (r < 0) {
        pv_gpu_request_fail_host(request, r, "copying a frame");
    } else {
        pv_gpu_request_finish_ok(request);
    }
}

void pv_gpu_scanout_forget_resource(struct pv_gpu_device *device,
                                    const struct pv_gpu_resource *resource)
{
    for (uint32_t i = 0; i < device->scanout_count; i++) {
        if (device->scanouts[i].source.resource == resource) {
            switch_off(device, i);
        }
    }
}

void pv_gpu_scanout_clear_all(struct pv_gpu_device *device)
{
    for (uint32_t i = 0; i < device->scanout_count; i++) {
        device->scanouts[i].sequence = 0;
        switch_off(device, i);
        pv_gpu_cursor_hide(device, i);
        device->scanouts[i].cursor.sequence = 0;
    }
}
