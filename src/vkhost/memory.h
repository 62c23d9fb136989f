/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory types and what stands behind each.
 *
 * Every guest type has two backings: `plain` for memory that stays in its context, and `external`
 * for memory that is exported, or imported from a resource. A backing is either IMPORT (pages of
 * ours, imported at host type host_index with VK_EXT_external_memory_host) or DEVICE (allocated by
 * the driver, never mapped, never shared). So one guest type that is DEVICE_LOCAL and not
 * HOST_VISIBLE serves optimal images from driver memory and swapchain images from pages of ours.
 *
 * Guest types follow the order rule of VkPhysicalDeviceMemoryProperties: a type whose flags are a
 * strict subset of another's comes first. Guest indices therefore differ from the host's; the only
 * places where either crosses the boundary are the functions of this file.
 *
 * memoryTypeBits for the guest depend on the host's bits and on the kind of resource, nothing else
 * (Mesa caches them by create info).
 */
#ifndef PV_VKHOST_MEMORY_H
#define PV_VKHOST_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>

#include "base/compiler.h"
#include "vkhost/facts.h"

enum pv_vkhost_memory_kind {
    PV_VKHOST_MEMORY_NONE,   /* no such memory: allocation is refused */
    PV_VKHOST_MEMORY_IMPORT, /* our pages */
    PV_VKHOST_MEMORY_DEVICE, /* the driver's own */
};

struct pv_vkhost_memory_backing {
    enum pv_vkhost_memory_kind kind;
    uint32_t host_index; /* memory type of the driver */
};

struct pv_vkhost_memory_type {
    VkMemoryPropertyFlags flags; /* as the guest sees them */
    uint32_t heap_index;         /* heaps have the driver's indices */
    struct pv_vkhost_memory_backing plain;
    struct pv_vkhost_memory_backing external;
};

/* What decides which memory a resource may be bound to. */
enum pv_vkhost_resource_kind {
    PV_VKHOST_RESOURCE_LINEAR,   /* buffers and LINEAR images: imported pages will do */
    PV_VKHOST_RESOURCE_OPTIMAL,  /* OPTIMAL images: driver memory only */
    PV_VKHOST_RESOURCE_SPARSE,   /* sparse buffers and images: driver memory only */
    PV_VKHOST_RESOURCE_EXTERNAL, /* exportable or importable: shown page-rounded, never dedicated */
};

struct pv_vkhost_memory_map {
    uint32_t type_count;
    struct pv_vkhost_memory_type types[VK_MAX_MEMORY_TYPES];
    VkPhysicalDeviceMemoryProperties properties; /* the guest's answer */
    uint64_t page_bytes;                         /* sizes of external resources: multiples of it */
};

/*
 * Build the map.
 *
 * limit_bytes   heaps that hold IMPORT types are not shown larger than this; 0: no limit
 * page_bytes    host page size, or the import alignment if larger; a power of two
 *
 * Returns 0, or -ENOTSUP when no type can be imported: such a driver cannot serve a guest.
 */
PV_NODISCARD int pv_vkhost_memory_map_init(struct pv_vkhost_memory_map *ret_map,
                                           const struct pv_vkhost_facts *facts,
                                           uint64_t limit_bytes, uint64_t page_bytes);

/*
 * What stands behind a guest type index (which comes from the guest). kind is NONE for an index
 * out of range, and for external memory of a type that cannot be shared.
 */
struct pv_vkhost_memory_backing pv_vkhost_memory_backing_get(const struct pv_vkhost_memory_map *map,
                                                             uint32_t guest_index, bool external);

/* Translate the host's memoryTypeBits for a resource. */
uint32_t pv_vkhost_memory_bits_translate(const struct pv_vkhost_memory_map *map, uint32_t host_bits,
                                         enum pv_vkhost_resource_kind kind);

/* Bits of guest types that can be imported from a resource (vkGetMemoryResourcePropertiesMESA). */
uint32_t pv_vkhost_memory_resource_bits(const struct pv_vkhost_memory_map *map);

/* Edit the host's answer about a resource of that kind. Keep a copy of the original for the bind
 * check below. */
void pv_vkhost_memory_requirements_edit(const struct pv_vkhost_memory_map *map,
                                        enum pv_vkhost_resource_kind kind,
                                        VkMemoryRequirements *requirements);

/* The same with a chain: VkMemoryDedicatedRequirements. */
void pv_vkhost_memory_requirements2_edit(const struct pv_vkhost_memory_map *map,
                                         enum pv_vkhost_resource_kind kind,
                                         VkMemoryRequirements2 *requirements);

/*
 * Whether a resource with these requirements (the host's own, unedited) may be bound at an offset
 * of a host memory object. Drivers do not check, and would write past the end.
 *
 * host_index    memory type of the host memory
 * size_bytes    bytes of host memory that belong to this guest memory object
 * offset_bytes  from the start of the guest memory object
 * base_bytes    where the guest memory object starts within the host memory
 */
bool pv_vkhost_memory_bind_is_valid(const VkMemoryRequirements *host, uint32_t host_index,
                                    uint64_t size_bytes, uint64_t offset_bytes,
                                    uint64_t base_bytes);

#endif
