/* SPDX-License-Identifier: MIT */
/*
 * Backing lists; see backing.h.
 */
#include "gpu/backing.h"

#include <errno.h>
#include <stdlib.h>

#include "base/checked.h"
#include "gpu/limits.h"
#include "gpu/state.h"
#include "guestmem/space.h"
#include "virtio/element.h"

static int check(struct pv_gpu_device *device, struct pv_gpu_backing *backing)
{
    struct pv_guestmem_space *space = device->transport->guest_memory;

    for (uint32_t i = 0; i < backing->entry_count; i++) {
        const struct pv_gpu_backing_entry *entry = &backing->entries[i];

        backing->starts[i] = backing->size_bytes;
        if (entry->size_bytes == 0
            || !pv_guestmem_space_is_backed(space, entry->addr, entry->size_bytes)
            || !pv_base_u64_add(backing->size_bytes, entry->size_bytes, &backing->size_bytes)) {
            return -EINVAL;
        }
    }
    return 0;
}

int pv_gpu_backing_read(struct pv_gpu_device *device, struct pv_virtio_element *element,
                        uint32_t entry_count, struct pv_gpu_backing *ret_backing)
{
    struct pv_gpu_backing backing = {.entry_count = entry_count};
    const size_t list_bytes = (size_t)entry_count * sizeof(backing.entries[0]);
    int r = 0;

    /* The count must fit in the bytes that are there before it costs any memory. */
    if (entry_count == 0 || list_bytes > element->readable_bytes) {
        return -EINVAL;
    }
    if (entry_count > PV_GPU_BACKING_ENTRY_MAX
        || device->backing_entry_count + entry_count > PV_GPU_BACKING_TOTAL_MAX) {
        return -ENOMEM;
    }
    backing.entries = malloc(list_bytes);
    backing.starts = malloc((size_t)entry_count * sizeof(backing.starts[0]));
    if (backing.entries == NULL || backing.starts == NULL) {
        r = -ENOMEM;
    } else if (element->ops->read(element, backing.entries, list_bytes) != list_bytes) {
        r = -EINVAL;
    } else {
        r = check(device, &backing);
    }
    if (r < 0) {
        free(backing.entries);
        free(backing.starts);
        return r;
    }
    device->backing_entry_count += entry_count;
    *ret_backing = backing;
    return 0;
}

void pv_gpu_backing_finish(struct pv_gpu_device *device, struct pv_gpu_backing *backing)
{
    device->backing_entry_count -= backing->entry_count;
    free(backing->entries);
    free(backing->starts);
    *backing = (struct pv_gpu_backing){0};
}

/* The entry that holds a byte of the whole; offset_bytes < backing->size_bytes. */
static uint32_t entry_of(const struct pv_gpu_backing *backing, uint64_t offset_bytes)
{
    uint32_t low = 0;
    uint32_t high = backing->entry_count;

    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;

        if (backing->starts[middle] <= offset_bytes) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

int pv_gpu_backing_copy_in(const struct pv_gpu_backing *backing, struct pv_guestmem_space *space,
                           uint64_t offset_bytes, void *ret_bytes, size_t size_bytes)
{
    uint8_t *bytes = ret_bytes;
    uint32_t index;

    if (!pv_base_range_is_inside(offset_bytes, size_bytes, backing->size_bytes)) {
        return -EFAULT;
    }
    if (size_bytes == 0) {
        return 0;
    }
    index = entry_of(backing, offset_bytes);
    while (size_bytes > 0) {
        const struct pv_gpu_backing_entry *entry = &backing->entries[index];
        const uint64_t skip_bytes = offset_bytes - backing->starts[index];
        const uint64_t left_bytes = entry->size_bytes - skip_bytes;
        const size_t step_bytes = left_bytes < size_bytes ? (size_t)left_bytes : size_bytes;

        if (pv_guestmem_space_copy_in(space, entry->addr + skip_bytes, bytes, step_bytes)
            != step_bytes) {
            return -EFAULT;
        }
        bytes += step_bytes;
        offset_bytes += step_bytes;
        size_bytes -= step_bytes;
        index++;
    }
    return 0;
}
