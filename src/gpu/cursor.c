/* SPDX-License-Identifier: MIT */
/*
 * Cursors; see cursor.h.
 */
#include "gpu/cursor.h"

#include <errno.h>
#include <stdbool.h>

#include "gpu/frame.h"
#include "gpu/guest_context.h"
#include "gpu/limits.h"
#include "gpu/pages.h"
#include "gpu/request.h"
#include "gpu/resource.h"
#include "gpu/scanout.h"
#include "gpu/state.h"
#include "gpu/twod.h"

/* A blob carries no size of its own; as a cursor it is what Linux's cursor plane is. */
#define BLOB_SIDE_PX 64u

static void tell_changed(struct pv_gpu_device *device, uint32_t index)
{
    const struct pv_gpu_cursor *cursor = &device->scanouts[index].cursor;
    struct pv_gpu_cursor_view view = {
        .image = {.fd = -1},
        .x_px = cursor->x_px,
        .y_px = cursor->y_px,
        .hot_x_px = cursor->hot_x_px,
        .hot_y_px = cursor->hot_y_px,
    };

    if (cursor->image != NULL) {
        view.image = cursor->image->view;
    }
    device->sink_ops->cursor_changed(device->sink, index, &view);
}

static void drop_image(struct pv_gpu_device *device, struct pv_gpu_cursor *cursor)
{
    pv_gpu_frame_destroy(cursor->image);
    cursor->image = NULL;
    pv_gpu_device_refund(device, cursor->charged_bytes, false);
    cursor->charged_bytes = 0;
}

void pv_gpu_cursor_hide(struct pv_gpu_device *device, uint32_t scanout_index)
{
    struct pv_gpu_cursor *cursor = &device->scanouts[scanout_index].cursor;

    if (cursor->image != NULL) {
        drop_image(device, cursor);
        tell_changed(device, scanout_index);
    }
}

/* An image of that size to write to; returns 0 or -errno. */
static int fit_image(struct pv_gpu_device *device, struct pv_gpu_cursor *cursor, uint32_t width_px,
                     uint32_t height_px, uint32_t format)
{
    const uint64_t size_bytes = pv_gpu_frame_size_bytes(width_px, height_px);
    struct pv_gpu_frame *image;
    int r;

    if (cursor->image != NULL && cursor->image->view.width_px == width_px
        && cursor->image->view.height_px == height_px && cursor->image->view.format == format) {
        return 0;
    }
    if (!pv_gpu_device_charge(device, size_bytes, false)) {
        return -ENOMEM;
    }
    r = pv_gpu_frame_create(width_px, height_px, format, &image);
    if (r < 0) {
        pv_gpu_device_refund(device, size_bytes, false);
        return r;
    }
    drop_image(device, cursor);
    cursor->image = image;
    cursor->charged_bytes = size_bytes;
    return 0;
}

static int copy_image(struct pv_gpu_device *device, struct pv_gpu_cursor *cursor,
                      struct pv_gpu_resource *resource)
{
    const bool is_2d = resource->kind == PV_GPU_RESOURCE_2D;
    const struct pv_gpu_rect whole = {
        .width = is_2d ? resource->width_px : BLOB_SIDE_PX,
        .height = is_2d ? resource->height_px : BLOB_SIDE_PX,
    };
    const uint32_t format = is_2d ? resource->format : PV_GPU_FORMAT_BGRA;
    int r;

    if (whole.width > PV_GPU_CURSOR_SIDE_MAX_PX || whole.height > PV_GPU_CURSOR_SIDE_MAX_PX) {
        return -EINVAL;
    }
    r = fit_image(device, cursor, whole.width, whole.height, format);
    if (r == 0) {
        uint8_t *pixels = pv_gpu_frame_begin(cursor->image);

        r = pv_gpu_pages_read(resource, 0, pixels,
                              (size_t)whole.width * whole.height * PV_GPU_PIXEL_BYTES);
        if (r < 0) {
            pv_gpu_frame_cancel(cursor->image, &whole);
        } else {
            pv_gpu_frame_publish(cursor->image, &whole);
        }
    }
    return r;
}

static void take_position(struct pv_gpu_cursor *cursor, const struct pv_gpu_cmd_cursor *command)
{
    /* Linux sends plane coordinates, which are negative over the left and upper edge. */
    cursor->x_px = (int32_t)command->x;
    cursor->y_px = (int32_t)command->y;
}

/* The scanout's index if there is such a scanout; answers the request if not. */
static bool check_scanout(struct pv_gpu_request *request)
{
    const uint32_t index = request->command.cursor.scanout_id;

    if (index >= request->device->scanout_count) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_SCANOUT_ID, "no scanout %u", index);
        return false;
    }
    return true;
}

void pv_gpu_cursor_handle_update(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    const struct pv_gpu_cmd_cursor *command = &request->command.cursor;
    struct pv_gpu_device *device = request->device;
    struct pv_gpu_cursor *cursor;
    int r;

    if (!check_scanout(request)) {
        return;
    }
    cursor = &device->scanouts[command->scanout_id].cursor;
    if (command->resource_id == 0) {
        cursor->sequence++;
        take_position(cursor, command);
        pv_gpu_cursor_hide(device, command->scanout_id);
        pv_gpu_request_finish_ok(request);
        return;
    }
    if (resource == NULL) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_RESOURCE_ID, "no resource %u",
                            command->resource_id);
        return;
    }
    if (resource->busy != PV_GPU_RESOURCE_IDLE) {
        if (resource->owner != NULL
            && !pv_gpu_request_hold(request, resource->owner, PV_GPU_CONTEXT_HELD_MAX)) {
            pv_gpu_request_fail(request, PV_GPU_ERR_OUT_OF_MEMORY, "too much waits for context %u",
                                resource->owner->id);
            return;
        }
        request->sequence = ++cursor->sequence;
        pv_gpu_resource_wait(resource, request);
        return;
    }
    if (request->sequence != 0 && request->sequence != cursor->sequence) {
        pv_gpu_request_finish_ok(request); /* overtaken by a later update */
        return;
    }
    r = copy_image(device, cursor, resource);
    if (r == -EINVAL || r == -EFAULT) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER, "resource %u is no cursor",
                            resource->id);
        return;
    }
    if (r < 0) {
        pv_gpu_request_fail_host(request, r, "making a cursor");
        return;
    }
    cursor->sequence++;
    take_position(cursor, command);
    cursor->hot_x_px = command->hot_x;
    cursor->hot_y_px = command->hot_y;
    tell_changed(device, command->scanout_id);
    pv_gpu_request_finish_ok(request);
}

void pv_gpu_cursor_handle_move(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    const struct pv_gpu_cmd_cursor *command = &request->command.cursor;

    (void)resource;
    if (!check_scanout(request)) {
        return;
    }
    take_position(&request->device->scanouts[command->scanout_id].cursor, command);
    tell_changed(request->device, command->scanout_id);
    pv_gpu_request_finish_ok(request);
}
