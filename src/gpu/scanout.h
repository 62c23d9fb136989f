/* SPDX-License-Identifier: MIT */
/*
 * Scanouts: which resource is a screen's picture, and the copies that the screen shows.
 *
 * The picture is copied at RESOURCE_FLUSH into the scanout's own frame, so that a reader never sees
 * what the guest is drawing just then, and a resource may go away while its last picture stays.
 *
 * A SET_SCANOUT of a busy resource waits for it. A later SET_SCANOUT of the same scanout that does
 * not have to wait wins: each scanout numbers its settings, and an overtaken one does nothing.
 */
#ifndef PV_GPU_SCANOUT_H
#define PV_GPU_SCANOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "gpu/protocol.h"
#include "gpu/sink.h"

struct pv_gpu_device;
struct pv_gpu_frame;
struct pv_gpu_request;
struct pv_gpu_resource;

/* A picture inside a resource. */
struct pv_gpu_source {
    struct pv_gpu_resource *resource; /* NULL: none */
    uint64_t offset_bytes;            /* of pixel 0,0 of the framebuffer */
    uint32_t stride_bytes;
    uint32_t format;
    struct pv_gpu_rect rect; /* the part that is shown, in the framebuffer */
};

struct pv_gpu_cursor {
    struct pv_gpu_frame *image; /* NULL: hidden */
    uint64_t charged_bytes;
    int32_t x_px;
    int32_t y_px;
    uint32_t hot_x_px;
    uint32_t hot_y_px;
    uint64_t sequence; /* of the newest image */
};

struct pv_gpu_scanout {
    uint32_t width_px; /* mode that the guest is told */
    uint32_t height_px;
    struct pv_gpu_source source;
    bool source_is_new;         /* not copied since it was set: the next flush copies all of it */
    struct pv_gpu_frame *frame; /* NULL: off */
    uint64_t charged_bytes;
    uint64_t sequence; /* of the newest setting */
    struct pv_gpu_cursor cursor;
};

/* SET_SCANOUT, SET_SCANOUT_BLOB (resource: NULL when off; they queue by themselves), and
 * RESOURCE_FLUSH. */
void pv_gpu_scanout_handle_set(struct pv_gpu_request *request, struct pv_gpu_resource *resource);
void pv_gpu_scanout_handle_set_blob(struct pv_gpu_request *request,
                                    struct pv_gpu_resource *resource);
void pv_gpu_scanout_handle_flush(struct pv_gpu_request *request, struct pv_gpu_resource *resource);

/* The resource goes away: scanouts that show it are switched off. */
void pv_gpu_scanout_forget_resource(struct pv_gpu_device *device,
                                    const struct pv_gpu_resource *resource);

/* Switch all off and hide all cursors (reset). */
void pv_gpu_scanout_clear_all(struct pv_gpu_device *device);

#endif
