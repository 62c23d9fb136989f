/* SPDX-License-Identifier: MIT */
/*
 * Classic 2D resources (dumb buffers, consoles, cursors): pictures of ours that the guest fills
 * from its own pages. They are shared memory, so that a Venus context can import one.
 */
#ifndef PV_GPU_TWOD_H
#define PV_GPU_TWOD_H

#include <stdbool.h>
#include <stdint.h>

struct pv_gpu_request;
struct pv_gpu_resource;
struct pv_gpu_rect;

#define PV_GPU_PIXEL_BYTES 4u

/* Whether it is one of the eight formats, all of 4 bytes a pixel. */
bool pv_gpu_format_is_known(uint32_t format);

/* Whether rect lies in an area of width_px x height_px; an empty rect may touch its end. */
bool pv_gpu_rect_is_inside(const struct pv_gpu_rect *rect, uint32_t width_px, uint32_t height_px);

/* RESOURCE_CREATE_2D (resource: NULL), TRANSFER_TO_HOST_2D, and the backing list commands, which
 * work on 2D resources and guest blobs. */
void pv_gpu_twod_handle_create(struct pv_gpu_request *request, struct pv_gpu_resource *resource);
void pv_gpu_twod_handle_transfer(struct pv_gpu_request *request, struct pv_gpu_resource *resource);
void pv_gpu_twod_handle_attach_backing(struct pv_gpu_request *request,
                                       struct pv_gpu_resource *resource);
void pv_gpu_twod_handle_detach_backing(struct pv_gpu_request *request,
                                       struct pv_gpu_resource *resource);

#endif
