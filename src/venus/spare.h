/* SPDX-License-Identifier: MIT */
/*
 * Spare memory: what a guest has freed and may soon want again. Importing pages costs the driver
 * far more than they are worth (a GPU's driver pins each of them: milliseconds for 4 MiB), so plain
 * allocations are kept for the next one of the same kind, in the same device of the same context,
 * and handed out zeroed. Exported and imported memory is never kept: others may still see it.
 *
 * What is kept counts against limits of its own, not against the guest's memory limit: nothing that
 * a guest may allocate is refused because of it.
 *
 * Threads: any. The lock is taken before the context's resource lock.
 */
#ifndef PV_VENUS_SPARE_H
#define PV_VENUS_SPARE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>

#include "base/compiler.h"
#include "venus/pages.h"

/* Of one device: staging buffers come and go by the dozen, and a driver has 4096 allocations. */
#define PV_VENUS_SPARE_COUNT_MAX 64u
#define PV_VENUS_SPARE_MAX_BYTES ((uint64_t)64 << 20)
/* One of them: what is larger lives longer, and zeroing it costs as much as new pages do. */
#define PV_VENUS_SPARE_EACH_MAX_BYTES ((uint64_t)16 << 20)
/* Of all workers of a VM. */
#define PV_VENUS_SPARE_VM_MAX_BYTES ((uint64_t)256 << 20)

struct pv_venus_device;

/* Allocations of equal kinds can stand in for each other. */
struct pv_venus_memory_kind {
    bool can_be_spare; /* pages of ours, not shared, and made with nothing but what stands here */
    uint32_t host_index;
    VkMemoryAllocateFlags flags;
    float priority;      /* of VkMemoryPriorityAllocateInfoEXT; negative: none */
    uint64_t size_bytes; /* of the pages */
};

struct pv_venus_spare {
    struct pv_venus_memory_kind kind;
    VkDeviceMemory handle;
    struct pv_venus_pages *pages; /* with a reference */
};

struct pv_venus_spares {
    pthread_mutex_t lock;
    uint32_t count;
    uint64_t total_bytes;
    struct pv_venus_spare list[PV_VENUS_SPARE_COUNT_MAX]; /* oldest first */
};

/* Ready an empty list of a new device; pv_venus_spares_finish ends it. */
void pv_venus_spares_init(struct pv_venus_spares *spares);

/*
 * What kind an allocation is of. info: as the driver gets it, with no import of ours chained in
 * yet; is_shared: exportable or imported; size_bytes: of its pages.
 */
struct pv_venus_memory_kind pv_venus_memory_kind_get(const VkMemoryAllocateInfo *info,
                                                     bool is_shared, uint64_t size_bytes);

/*
 * Keep freed memory. True: handle and pages are taken over, and the guest's charge for them is
 * given back as soon as no resource shows them. False: they are still the caller's.
 */
PV_NODISCARD bool pv_venus_spares_put(struct pv_venus_device *device,
                                      const struct pv_venus_spare *spare);

/* Memory of that kind, zeroed and uncharged. True: handle and pages are the caller's. */
PV_NODISCARD bool pv_venus_spares_take(struct pv_venus_device *device,
                                       const struct pv_venus_memory_kind *kind,
                                       struct pv_venus_spare *ret_spare);

/* Free all of it. Returns whether there was any. */
bool pv_venus_spares_drop(struct pv_venus_device *device);

/* The same at the device's end. */
void pv_venus_spares_finish(struct pv_venus_device *device);

#endif
