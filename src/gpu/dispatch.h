/* SPDX-License-Identifier: MIT */
/*
 * The intake: from a queue element to the handler of its command.
 *
 * The fixed part is copied once and its size is known per command, so handlers read a struct that
 * cannot change. A command that names a resource is given it, or waits for it, or is refused here.
 */
#ifndef PV_GPU_DISPATCH_H
#define PV_GPU_DISPATCH_H

#include <stdint.h>

struct pv_gpu_device;
struct pv_virtio_element;

/* Take one element of a queue (PV_GPU_QUEUE_*); it is the device's from here on. */
void pv_gpu_dispatch_element(struct pv_gpu_device *device, uint32_t queue_index,
                             struct pv_virtio_element *element);

#endif
