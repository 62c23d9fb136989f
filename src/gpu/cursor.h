/* SPDX-License-Identifier: MIT */
/*
 * The cursor of a scanout: an image that is copied when the guest sets it, and a position.
 * Requests arrive on the cursor queue and, from Linux, have no room for an answer.
 */
#ifndef PV_GPU_CURSOR_H
#define PV_GPU_CURSOR_H

#include <stdint.h>

struct pv_gpu_device;
struct pv_gpu_request;
struct pv_gpu_resource;

/* UPDATE_CURSOR (resource: NULL hides; queues by itself) and MOVE_CURSOR (resource: NULL). */
void pv_gpu_cursor_handle_update(struct pv_gpu_request *request, struct pv_gpu_resource *resource);
void pv_gpu_cursor_handle_move(struct pv_gpu_request *request, struct pv_gpu_resource *resource);

/* Show no cursor on a scanout. */
void pv_gpu_cursor_hide(struct pv_gpu_device *device, uint32_t scanout_index);

#endif
