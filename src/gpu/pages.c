/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a resource; see pages.h.
 */
#include "gpu/pages.h"

#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "gpu/backing.h"
#include "gpu/limits.h"
#include "gpu/resource.h"
#include "gpu/state.h"
#include "os/shm.h"
#include "os/socket.h"

bool pv_gpu_pages_has_room_for_fd(const struct pv_gpu_device *device)
{
    return device->resource_fd_count < PV_GPU_RESOURCE_FD_MAX;
}

int pv_gpu_pages_take_fd(struct pv_gpu_resource *resource, int fd, uint64_t pages_bytes)
{
    uint64_t file_bytes = 0;
    int r = pv_os_shm_size(fd, &file_bytes);

    if (r == 0 && (file_bytes < pages_bytes || !pv_os_shm_is_sealed(fd))) {
        r = -EINVAL;
    }
    if (r == 0 && !pv_gpu_pages_has_room_for_fd(resource->device)) {
        r = -EMFILE;
    }
    if (r < 0) {
        pv_os_fds_close(&fd, 1);
        return r;
    }
    resource->fd = fd;
    resource->pages_bytes = pages_bytes;
    resource->device->resource_fd_count++;
    return 0;
}

static void drop_mapping(struct pv_gpu_resource *resource)
{
    pv_os_shm_unmap(resource->mapping, resource->mapping_bytes);
    resource->mapping = NULL;
    resource->mapping_bytes = 0;
    resource->mapping_delta_bytes = 0;
}

void pv_gpu_pages_drop(struct pv_gpu_resource *resource)
{
    drop_mapping(resource);
    if (resource->fd >= 0) {
        pv_os_fds_close(&resource->fd, 1);
        resource->fd = -1;
        resource->pages_bytes = 0;
        resource->device->resource_fd_count--;
    }
}

bool pv_gpu_pages_memory(const struct pv_gpu_resource *resource, struct pv_gpu_memory *ret_memory)
{
    if (resource->is_dead) {
        return false;
    }
    if (resource->is_mapped) {
        uint64_t size_bytes = 0;

        /* Cannot overflow: the range was claimed with this size. */
        (void)!pv_base_u64_align_up(resource->size_bytes, PV_GPU_GUEST_PAGE_BYTES, &size_bytes);
        *ret_memory = (struct pv_gpu_memory){
            .fd = resource->device->window.fd,
            .offset_bytes = resource->window_offset_bytes,
            .size_bytes = size_bytes,
            .in_window = true,
            .is_shmem = resource->kind == PV_GPU_RESOURCE_SHMEM,
        };
        return true;
    }
    if (resource->fd >= 0) {
        *ret_memory = (struct pv_gpu_memory){
            .fd = resource->fd,
            .size_bytes = resource->pages_bytes,
        };
        return true;
    }
    return false;
}

bool pv_gpu_pages_exist(const struct pv_gpu_resource *resource)
{
    struct pv_gpu_memory memory;

    return resource->kind == PV_GPU_RESOURCE_GUEST || pv_gpu_pages_memory(resource, &memory);
}

int pv_gpu_pages_map(struct pv_gpu_resource *resource)
{
    const uint64_t host_page_bytes = pv_os_page_bytes();
    struct pv_gpu_memory memory;
    uint64_t delta_bytes;
    uint64_t total_bytes;
    void *mapping;
    int r;

    if (resource->mapping != NULL) {
        return 0;
    }
    if (!pv_gpu_pages_memory(resource, &memory)) {
        return -EFAULT;
    }
    /* A guest with 4 KiB pages packs blobs closer than a host with larger ones can map. */
    delta_bytes = memory.offset_bytes & (host_page_bytes - 1);
    if (!pv_base_u64_add(delta_bytes, memory.size_bytes, &total_bytes)
        || !pv_base_u64_align_up(total_bytes, host_page_bytes, &total_bytes)
        || total_bytes > SIZE_MAX) {
        return -EFAULT;
    }
    r = pv_os_shm_map(memory.fd, memory.offset_bytes - delta_bytes, (size_t)total_bytes, &mapping);
    if (r < 0) {
        return r;
    }
    resource->mapping = mapping;
    resource->mapping_bytes = (size_t)total_bytes;
    resource->mapping_delta_bytes = (size_t)delta_bytes;
    return 0;
}

int pv_gpu_pages_read(struct pv_gpu_resource *resource, uint64_t offset_bytes, void *ret_bytes,
                      size_t size_bytes)
{
    int r;

    if (!pv_base_range_is_inside(offset_bytes, size_bytes, resource->size_bytes)) {
        return -EFAULT;
    }
    if (resource->kind == PV_GPU_RESOURCE_GUEST) {
        return pv_gpu_backing_copy_in(&resource->backing, resource->device->transport->guest_memory,
                                      offset_bytes, ret_bytes, size_bytes);
    }
    r = pv_gpu_pages_map(resource);
    if (r < 0) {
        return r;
    }
    memcpy(ret_bytes, resource->mapping + resource->mapping_delta_bytes + offset_bytes, size_bytes);
    return 0;
}
