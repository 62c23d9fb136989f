/* SPDX-License-Identifier: MIT */
/*
 * Backing lists: the guest pages behind a 2D resource or a guest-memory blob, as runs of
 * guest-physical addresses. The list is copied once and checked; the memory behind it belongs to
 * the guest, is translated at each use and may have gone by then.
 */
#ifndef PV_GPU_BACKING_H
#define PV_GPU_BACKING_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "gpu/protocol.h"

struct pv_gpu_device;
struct pv_virtio_element;
struct pv_guestmem_space;

/* All zero: no backing. */
struct pv_gpu_backing {
    struct pv_gpu_backing_entry *entries;
    uint64_t *starts; /* of each entry in the whole, ascending: look-ups halve */
    uint32_t entry_count;
    uint64_t size_bytes; /* sum of the entries */
};

/*
 * Copy entry_count entries out of the element (its readable part stands at the first one) and
 * check them: none empty, each backed by guest memory now, the sum without overflow.
 *
 * Returns 0 with a backing; -EINVAL when the list is bad or shorter than entry_count; -ENOMEM when
 * a cap (PV_GPU_BACKING_ENTRY_MAX, PV_GPU_BACKING_TOTAL_MAX) or memory is exhausted.
 */
PV_NODISCARD int pv_gpu_backing_read(struct pv_gpu_device *device,
                                     struct pv_virtio_element *element, uint32_t entry_count,
                                     struct pv_gpu_backing *ret_backing);

/* Free the list. Accepts an all-zero one. */
void pv_gpu_backing_finish(struct pv_gpu_device *device, struct pv_gpu_backing *backing);

/*
 * Copy bytes of the whole out of guest memory. Returns 0, or -EFAULT when the range does not lie
 * in the backing or a page of it is gone (what was copied until then stays).
 */
PV_NODISCARD int pv_gpu_backing_copy_in(const struct pv_gpu_backing *backing,
                                        struct pv_guestmem_space *space, uint64_t offset_bytes,
                                        void *ret_bytes, size_t size_bytes);

#endif
