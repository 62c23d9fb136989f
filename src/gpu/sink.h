/* SPDX-License-Identifier: MIT */
/*
 * What the virtio-gpu device tells whoever shows its screens (src/display): frames, geometry,
 * cursor, and the figures that a user may ask for. This is all of src/gpu that a display includes.
 *
 * A frame is shared memory that the device alone writes and that any number of readers, in other
 * processes too, may read while the guest goes on drawing:
 *
 *     page 0                  struct pv_gpu_frame_shared
 *     buffers_offset_bytes    buffer 0: height rows of stride bytes
 *     + buffer_bytes          buffer 1
 *
 * Its descriptor is for reading: no holder can write through it or map it writable.
 *
 * The device writes picture number n into buffer n & 1: it sets `begun` to n, writes, then sets
 * `finished` to n. A reader takes n from `finished`, copies buffer n & 1 and then reads `begun`:
 * the copy is whole as long as begun is not past n + 1. A reader that was overtaken tries again.
 * The geometry of a frame never changes; a new mode is a new frame.
 */
#ifndef PV_GPU_SINK_H
#define PV_GPU_SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpu/protocol.h"

#define PV_GPU_FRAME_MAGIC 0x46565650u /* "PVVF" */

/* The first bytes of a frame's memory. A reader checks them against the view that it was given. */
struct pv_gpu_frame_shared {
    uint32_t magic;
    uint32_t padding;
    _Atomic uint64_t begun;    /* number of the picture that is or was last written */
    _Atomic uint64_t finished; /* number of the last whole picture; 0: all black */
};

/* Where a frame is and what shape it has. */
struct pv_gpu_frame_view {
    int fd;              /* borrowed; -1: there is no frame */
    uint64_t size_bytes; /* of the whole memory */
    uint64_t buffers_offset_bytes;
    uint64_t buffer_bytes;
    uint32_t width_px; /* 0 when there is no frame */
    uint32_t height_px;
    uint32_t stride_bytes;
    uint32_t format; /* enum pv_gpu_format */
};

struct pv_gpu_cursor_view {
    struct pv_gpu_frame_view image; /* width 0: no cursor is shown */
    int32_t x_px;                   /* of the image's left upper corner, on its scanout */
    int32_t y_px;
    uint32_t hot_x_px;
    uint32_t hot_y_px;
};

/* Figures of a device, all current values. */
struct pv_gpu_statistics {
    uint32_t context_count;       /* Venus contexts, with a worker each */
    uint32_t empty_context_count; /* contexts without one */
    uint32_t lost_context_count;  /* lost and not destroyed yet */
    uint32_t resource_count;
    uint32_t held_count;        /* requests not answered yet */
    uint32_t fence_count;       /* of these, fenced ones */
    uint64_t memory_used_bytes; /* blobs and 2D resources, as charged against the limit */
    uint64_t memory_all_bytes;  /* these and all that workers allocated, against the same limit */
    uint64_t memory_limit_bytes;
    uint64_t window_used_bytes; /* mapped ranges */
    uint64_t window_size_bytes;
    uint64_t command_count; /* since the last reset */
    uint64_t error_count;   /* of these, answered with an error */
    uint64_t frame_count;   /* flushes that changed a scanout */
};

/*
 * All members are required. Called on the device's loop thread, no lock held; they do not wait and
 * do not call the device. Views and rectangles are borrowed until return.
 */
struct pv_gpu_sink_ops {
    /* A scanout has another frame now, or none (frame->fd -1: the screen is off). */
    void (*scanout_changed)(void *sink, uint32_t scanout_index,
                            const struct pv_gpu_frame_view *frame);
    /* Another whole picture is in the frame; damage: what differs from the one before. */
    void (*frame_changed)(void *sink, uint32_t scanout_index, const struct pv_gpu_rect *damage);
    /* The cursor of a scanout has moved or has another image. */
    void (*cursor_changed)(void *sink, uint32_t scanout_index,
                           const struct pv_gpu_cursor_view *cursor);
};

#endif
