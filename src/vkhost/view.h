/* SPDX-License-Identifier: MIT */
/*
 * What the guest sees of one physical device: built once from the driver's facts, read-only
 * afterwards. Which items differ from the driver's own report is written in vkhost/items.c, one row
 * each; vkhost/memory.h holds the memory types, vkhost/query.h edits query results, vkhost/create.h
 * rewrites create infos on their way to the driver.
 *
 * Threads: any number of readers once built.
 */
#ifndef PV_VKHOST_VIEW_H
#define PV_VKHOST_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>

#include "base/compiler.h"
#include "vkhost/facts.h"
#include "vkhost/memory.h"

/* An extension that the codec can carry, with the version that it was generated from. */
struct pv_vkhost_view_codec_extension {
    const char *name;
    uint32_t spec_version;
};

struct pv_vkhost_view_options {
    /* What the codec can carry; borrowed for the build only. */
    const struct pv_vkhost_view_codec_extension *codec_extensions;
    size_t codec_extension_count;
    uint32_t api_version_max;    /* VK_MAKE_API_VERSION; the codec's registry. 0: no cap */
    uint64_t memory_limit_bytes; /* of memory that we have to back; 0: none */
    uint64_t page_bytes;         /* the host's page size */
};

struct pv_vkhost_view {
    const struct pv_vkhost_facts *facts; /* borrowed, must outlive the view */
    uint32_t api_version;                /* of the device, capped */
    VkPhysicalDeviceType device_type;
    char device_name[VK_MAX_PHYSICAL_DEVICE_NAME_SIZE];
    uint32_t extension_count;
    VkExtensionProperties extensions[PV_VKHOST_EXTENSIONS_MAX]; /* the guest's list */
    uint32_t queue_family_count; /* families keep the driver's indices; the last may be left out */
    /*
     * Other pages may be mapped under imported memory and the driver follows: true for CPU drivers,
     * whose threads use our addresses. GPU drivers pin the pages that they were given, so there
     * memory cannot move to a VM's window when the guest maps it (docs/architecture.md, way 3).
     */
    bool pages_can_move;
    struct pv_vkhost_memory_map memory;
};

/*
 * Build the view.
 *
 * facts        borrowed for the life of the view
 * ret_reason   size 256: on failure one sentence for the user; may be NULL
 *
 * Returns 0, or -ENOTSUP when this driver cannot serve a guest (below Vulkan 1.1, or pages cannot
 * be imported): such a device is not listed for the guest.
 */
PV_NODISCARD int pv_vkhost_view_build(struct pv_vkhost_view *ret_view,
                                      const struct pv_vkhost_facts *facts,
                                      const struct pv_vkhost_view_options *options,
                                      char ret_reason[256]);

/* Whether the guest is shown an extension. */
bool pv_vkhost_view_has_extension(const struct pv_vkhost_view *view, const char *name);

#endif
