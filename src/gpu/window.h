/* SPDX-License-Identifier: MIT */
/*
 * The host-visible window: one shared-memory object that the guest sees whole, and a table of the
 * ranges in use. Mapping a blob is an entry here, nothing else. The guest kernel chooses the
 * offsets, at steps of its page size; they are checked like everything it says.
 *
 * A range reads as zeroes when it is claimed: its pages are freed when the range is released, and
 * once more at the claim (a guest can write to the whole window at any time). Where freeing fails,
 * the range is quarantined: it is not given out before the next reset.
 *
 * Data: an array ordered by offset, searched by halving; inserting moves the tail, which is at most
 * PV_GPU_RESOURCE_MAX entries of 24 bytes.
 */
#ifndef PV_GPU_WINDOW_H
#define PV_GPU_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct pv_gpu_window_range {
    uint64_t offset_bytes;
    uint64_t size_bytes;
    bool quarantined;
};

struct pv_gpu_window {
    int fd; /* borrowed; -1: there is no window */
    uint64_t size_bytes;
    uint64_t used_bytes;
    struct pv_gpu_window_range *ranges;
    size_t range_count;
    size_t range_capacity;
};

/* fd is borrowed for the window's life. */
void pv_gpu_window_init(struct pv_gpu_window *window, int fd, uint64_t size_bytes);

/* Accepts an all-zero window. The pages stay as they are. */
void pv_gpu_window_finish(struct pv_gpu_window *window);

/*
 * Take a range for a blob. size_bytes is rounded up to the guest's page.
 *
 * Returns 0 with the range reading as zeroes; -EINVAL for a size of 0 or an offset that is not a
 * multiple of the guest's page; -ERANGE when it does not lie in the window; -EEXIST when it
 * overlaps a live or quarantined range; -ENODEV without a window; -ENOMEM; -errno when the pages
 * cannot be freed.
 */
PV_NODISCARD int pv_gpu_window_claim(struct pv_gpu_window *window, uint64_t offset_bytes,
                                     uint64_t size_bytes);

/*
 * Free a range that starts at offset_bytes. Returns 0; -ENOENT when no live range starts there;
 * -errno when its pages could not be freed and it is now quarantined.
 */
int pv_gpu_window_release(struct pv_gpu_window *window, uint64_t offset_bytes);

/* Forget all ranges and free all pages (reset). Returns 0 or -errno (pages could not be freed). */
int pv_gpu_window_clear(struct pv_gpu_window *window);

#endif
