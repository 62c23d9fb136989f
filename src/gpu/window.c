/* SPDX-License-Identifier: MIT */
/*
 * The table of window ranges; see window.h.
 */
#include "gpu/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "gpu/limits.h"
#include "gpu/protocol.h"
#include "os/shm.h"

void pv_gpu_window_init(struct pv_gpu_window *window, int fd, uint64_t size_bytes)
{
    *window = (struct pv_gpu_window){.fd = fd, .size_bytes = fd >= 0 ? size_bytes : 0};
}

void pv_gpu_window_finish(struct pv_gpu_window *window)
{
    free(window->ranges);
    window->ranges = NULL;
    window->range_count = 0;
    window->range_capacity = 0;
}

/* Index of the first range that starts at or after offset_bytes. */
static size_t lower_bound(const struct pv_gpu_window *window, uint64_t offset_bytes)
{
    size_t low = 0;
    size_t high = window->range_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (window->ranges[middle].offset_bytes < offset_bytes) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int grow(struct pv_gpu_window *window)
{
    const size_t capacity = window->range_capacity > 0 ? 2 * window->range_capacity : 64;
    struct pv_gpu_window_range *ranges;

    /* Quarantined ranges outlive their resources, so the cap is here too. */
    if (window->range_count >= 2 * (size_t)PV_GPU_RESOURCE_MAX) {
        return -ENOMEM;
    }
    if (window->range_count < window->range_capacity) {
        return 0;
    }
    ranges = realloc(window->ranges, capacity * sizeof(*ranges));
    if (ranges == NULL) {
        return -ENOMEM;
    }
    window->ranges = ranges;
    window->range_capacity = capacity;
    return 0;
}

int pv_gpu_window_claim(struct pv_gpu_window *window, uint64_t offset_bytes, uint64_t size_bytes)
{
    uint64_t rounded_bytes;
    size_t index;
    int r;

    if (window->fd < 0) {
        return -ENODEV;
    }
    if (size_bytes == 0 || offset_bytes % PV_GPU_GUEST_PAGE_BYTES != 0) {
        return -EINVAL;
    }
    if (!pv_base_u64_align_up(size_bytes, PV_GPU_GUEST_PAGE_BYTES, &rounded_bytes)
        || !pv_base_range_is_inside(offset_bytes, rounded_bytes, window->size_bytes)) {
        return -ERANGE;
    }
    index = lower_bound(window, offset_bytes);
    if (index < window->range_count
        && window->ranges[index].offset_bytes < offset_bytes + rounded_bytes) {
        return -EEXIST;
    }
    if (index > 0
        && window->ranges[index - 1].offset_bytes + window->ranges[index - 1].size_bytes
               > offset_bytes) {
        return -EEXIST;
    }
    r = grow(window);
    if (r == 0) {
        r = pv_os_shm_punch(window->fd, offset_bytes, rounded_bytes);
    }
    if (r < 0) {
        return r;
    }
    memmove(&window->ranges[index + 1], &window->ranges[index],
            (window->range_count - index) * sizeof(window->ranges[0]));
    window->ranges[index] = (struct pv_gpu_window_range){
        .offset_bytes = offset_bytes,
        .size_bytes = rounded_bytes,
    };
    window->range_count++;
    window->used_bytes += rounded_bytes;
    return 0;
}

int pv_gpu_window_release(struct pv_gpu_window *window, uint64_t offset_bytes)
{
    const size_t index = lower_bound(window, offset_bytes);
    struct pv_gpu_window_range *range;
    int r;

    if (index >= window->range_count) {
        return -ENOENT;
    }
    range = &window->ranges[index];
    if (range->offset_bytes != offset_bytes || range->quarantined) {
        return -ENOENT;
    }
    window->used_bytes -= range->size_bytes;
    r = pv_os_shm_punch(window->fd, offset_bytes, range->size_bytes);
    if (r < 0) {
        range->quarantined = true;
        return r;
    }
    memmove(range, range + 1, (window->range_count - index - 1) * sizeof(*range));
    window->range_count--;
    return 0;
}

int pv_gpu_window_clear(struct pv_gpu_window *window)
{
    window->range_count = 0;
    window->used_bytes = 0;
    if (window->fd < 0) {
        return 0;
    }
    return pv_os_shm_punch(window->fd, 0, window->size_bytes);
}
