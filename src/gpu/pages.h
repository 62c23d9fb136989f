/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a resource: a descriptor of its own, a range of the window, or the guest's memory;
 * how a context maps them, and how we read them.
 *
 * A descriptor that comes from a worker is not trusted: it must be sealed against shrinking and
 * large enough, or a worker could make our next read fault.
 */
#ifndef PV_GPU_PAGES_H
#define PV_GPU_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "gpu/context.h"

struct pv_gpu_device;
struct pv_gpu_resource;

/* Whether one more descriptor may be kept open for a resource. */
bool pv_gpu_pages_has_room_for_fd(const struct pv_gpu_device *device);

/* Take fd as the resource's pages. Returns 0; -EMFILE at the cap, -EINVAL for an fd that is smaller
 * than pages_bytes or not sealed (the fd is closed then). */
PV_NODISCARD int pv_gpu_pages_take_fd(struct pv_gpu_resource *resource, int fd,
                                      uint64_t pages_bytes);

/* Close the fd and our view of the pages, whatever they are. */
void pv_gpu_pages_drop(struct pv_gpu_resource *resource);

/* Where the pages are, for a context. False when it has none that a worker can map. */
bool pv_gpu_pages_memory(const struct pv_gpu_resource *resource, struct pv_gpu_memory *ret_memory);

/* Whether pv_gpu_pages_read can find anything: pages that exist now. */
bool pv_gpu_pages_exist(const struct pv_gpu_resource *resource);

/* Make our own view of the pages, unless there is one: resource->mapping. Not for GUEST. Returns 0
 * or -errno. */
PV_NODISCARD int pv_gpu_pages_map(struct pv_gpu_resource *resource);

/*
 * Copy bytes of the resource, wherever they are, to host memory. Returns 0; -EFAULT when the range
 * is not inside or pages are gone; -errno when they cannot be mapped.
 */
PV_NODISCARD int pv_gpu_pages_read(struct pv_gpu_resource *resource, uint64_t offset_bytes,
                                   void *ret_bytes, size_t size_bytes);

#endif
