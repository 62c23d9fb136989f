/* SPDX-License-Identifier: MIT */
/*
 * Device memory of the guest: the driver's own where nothing ever maps or shares it, else pages of
 * ours (pages.h) imported into the driver.
 */
#ifndef PV_VENUS_MEMORY_H
#define PV_VENUS_MEMORY_H

#include "venus/device.h"

struct pv_venus_memory {
    struct pv_venus_object object;
    struct pv_venus_pages *pages;     /* with a reference; NULL: the driver's own memory */
    uint64_t size_bytes;              /* as the guest asked */
    uint64_t charged_bytes;           /* against memory_max_bytes; of pages: pages->charged_bytes */
    struct pv_venus_memory_kind kind; /* what it can stand in for when the guest frees it */
    uint32_t host_index;              /* memory type of the driver */
    bool is_visible;                  /* the guest may map it */
    bool is_exportable;               /* the guest may export it */
};

/* Free the host memory and the pages of a removed memory object; the struct stays. */
void pv_venus_memory_finish(struct pv_venus_memory *memory);

#endif
