/* SPDX-License-Identifier: MIT */
/*
 * Classic 2D resources; see twod.h. A row is width * 4 bytes, in the backing list and in ours.
 */
#include "gpu/twod.h"

#include <errno.h>

#include "base/checked.h"
#include "gpu/backing.h"
#include "gpu/limits.h"
#include "gpu/pages.h"
#include "gpu/request.h"
#include "gpu/resource.h"
#include "gpu/state.h"
#include "os/shm.h"

bool pv_gpu_format_is_known(uint32_t format)
{
    switch (format) {
    case PV_GPU_FORMAT_BGRA:
    case PV_GPU_FORMAT_BGRX:
    case PV_GPU_FORMAT_ARGB:
    case PV_GPU_FORMAT_XRGB:
    case PV_GPU_FORMAT_RGBA:
    case PV_GPU_FORMAT_XBGR:
    case PV_GPU_FORMAT_ABGR:
    case PV_GPU_FORMAT_RGBX:
        return true;
    default:
        return false;
    }
}

bool pv_gpu_rect_is_inside(const struct pv_gpu_rect *rect, uint32_t width_px, uint32_t height_px)
{
    return pv_base_range_is_inside(rect->x, rect->width, width_px)
           && pv_base_range_is_inside(rect->y, rect->height, height_px);
}

void pv_gpu_twod_handle_create(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    const struct pv_gpu_cmd_create_2d *command = &request->command.create_2d;
    struct pv_gpu_device *device = request->device;
    uint64_t size_bytes;
    int fd = -1;
    int r;

    if (pv_gpu_resource_id_is_taken(device, command->resource_id)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_RESOURCE_ID, "resource id %u is %s",
                            command->resource_id,
                            command->resource_id == 0 ? "not allowed" : "in use");
        return;
    }
    if (command->width == 0 || command->width > PV_GPU_SIDE_MAX_PX || command->height == 0
        || command->height > PV_GPU_SIDE_MAX_PX || !pv_gpu_format_is_known(command->format)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "a picture of %u x %u in format %u", command->width, command->height,
                            command->format);
        return;
    }
    /* At most 2^30, by the caps on the sides. */
    size_bytes = (uint64_t)command->width * command->height * PV_GPU_PIXEL_BYTES;
    (void)!pv_base_u64_align_up(size_bytes, pv_os_page_bytes(), &size_bytes);
    r = pv_gpu_resource_create(device, command->resource_id, PV_GPU_RESOURCE_2D, size_bytes,
                               &resource);
    if (r == 0) {
        r = pv_os_shm_create("pearvisor-2d", size_bytes, &fd);
        if (r == 0) {
            r = pv_gpu_pages_take_fd(resource, fd, size_bytes);
        }
        if (r < 0) {
            pv_gpu_resource_destroy(resource);
        }
    }
    if (r < 0) {
        pv_gpu_request_fail_host(request, r, "creating a 2D resource");
        return;
    }
    resource->width_px = command->width;
    resource->height_px = command->height;
    resource->format = command->format;
    pv_gpu_request_finish_ok(request);
}

/* Copy the rows of a rect that lies in the resource. Returns 0 or -errno. */
static int copy_rows(struct pv_gpu_resource *resource, const struct pv_gpu_rect *rect,
                     uint64_t source_bytes)
{
    const uint64_t stride_bytes = (uint64_t)resource->width_px * PV_GPU_PIXEL_BYTES;
    const uint64_t row_bytes = (uint64_t)rect->width * PV_GPU_PIXEL_BYTES;
    const uint64_t total_bytes = (rect->height - 1) * stride_bytes + row_bytes;
    uint64_t target_bytes = rect->y * stride_bytes + (uint64_t)rect->x * PV_GPU_PIXEL_BYTES;
    const bool is_one_piece = rect->width == resource->width_px;
    const uint32_t piece_count = is_one_piece ? 1 : rect->height;
    const size_t piece_bytes = (size_t)(is_one_piece ? total_bytes : row_bytes);
    int r = 0;

    /* All or nothing, so that a bad offset is refused before it has drawn half a picture. */
    if (!pv_base_range_is_inside(source_bytes, total_bytes, resource->backing.size_bytes)) {
        return -EFAULT;
    }
    r = pv_gpu_pages_map(resource);
    for (uint32_t i = 0; r == 0 && i < piece_count; i++) {
        r = pv_gpu_backing_copy_in(&resource->backing, resource->device->transport->guest_memory,
                                   source_bytes, resource->mapping + target_bytes, piece_bytes);
        source_bytes += stride_bytes;
        target_bytes += stride_bytes;
    }
    return r;
}

void pv_gpu_twod_handle_transfer(struct pv_gpu_request *request, struct pv_gpu_resource *resource)
{
    const struct pv_gpu_cmd_transfer_2d *command = &request->command.transfer_2d;
    int r = 0;

    if (resource->kind == PV_GPU_RESOURCE_GUEST) {
        /* Linux sends it for dumb buffers in guest memory too: the pages are the picture. */
        pv_gpu_request_finish_ok(request);
        return;
    }
    if (resource->kind != PV_GPU_RESOURCE_2D
        || !pv_gpu_rect_is_inside(&command->rect, resource->width_px, resource->height_px)) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "rect %u,%u %u x %u of resource %u", command->rect.x, command->rect.y,
                            command->rect.width, command->rect.height, resource->id);
        return;
    }
    if (resource->backing.entry_count == 0) {
        pv_gpu_request_fail(request, PV_GPU_ERR_UNSPEC, "resource %u has no backing", resource->id);
        return;
    }
    if (command->rect.width > 0 && command->rect.height > 0) {
        r = copy_rows(resource, &command->rect, command->offset);
    }
    if (r == -EFAULT) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "offset 0x%llx with this rect is not in the backing of resource %u",
                            (unsigned long long)command->offset, resource->id);
    } else if (r < 0) {
        pv_gpu_request_fail_host(request, r, "mapping a 2D resource");
    } else {
        pv_gpu_request_finish_ok(request);
    }
}

void pv_gpu_twod_handle_attach_backing(struct pv_gpu_request *request,
                                       struct pv_gpu_resource *resource)
{
    const struct pv_gpu_cmd_attach_backing *command = &request->command.attach_backing;
    struct pv_gpu_backing backing = {0};
    int r;

    if ((resource->kind != PV_GPU_RESOURCE_2D && resource->kind != PV_GPU_RESOURCE_GUEST)
        || resource->backing.entry_count > 0) {
        pv_gpu_request_fail(request, PV_GPU_ERR_UNSPEC, "resource %u %s", resource->id,
                            resource->backing.entry_count > 0 ? "has a backing already"
                                                              : "takes no backing");
        return;
    }
    r = pv_gpu_backing_read(request->device, request->element, command->entry_count, &backing);
    if (r == 0 && resource->kind == PV_GPU_RESOURCE_GUEST
        && backing.size_bytes < resource->size_bytes) {
        r = -EINVAL;
    }
    if (r < 0) {
        pv_gpu_backing_finish(request->device, &backing);
    }
    if (r == -EINVAL) {
        pv_gpu_request_fail(request, PV_GPU_ERR_INVALID_PARAMETER,
                            "a bad list of %u entries for resource %u", command->entry_count,
                            resource->id);
    } else if (r < 0) {
        pv_gpu_request_fail_host(request, r, "attaching a backing");
    } else {
        resource->backing = backing;
        pv_gpu_request_finish_ok(request);
    }
}

void pv_gpu_twod_handle_detach_backing(struct pv_gpu_request *request,
                                       struct pv_gpu_resource *resource)
{
    if (resource->backing.entry_count == 0) {
        pv_gpu_request_fail(request, PV_GPU_ERR_UNSPEC, "resource %u has no backing", resource->id);
        return;
    }
    pv_gpu_backing_finish(request->device, &resource->backing);
    pv_gpu_request_finish_ok(request);
}
