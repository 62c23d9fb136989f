/* SPDX-License-Identifier: MIT */
/*
 * Building the guest's memory types, and translating requirements and indices.
 *
 * How a host type becomes a guest type:
 *   - one with flags beyond the plain five (protected, device-coherent, RDMA) is not shown;
 *   - HOST_VISIBLE stays where our pages can be imported and the type is HOST_COHERENT; such a type
 *     is IMPORT in both backings;
 *   - any other loses HOST_VISIBLE, HOST_COHERENT and HOST_CACHED and is DEVICE in `plain`.
 * Then, if no type is DEVICE_LOCAL without being HOST_VISIBLE, one is added, DEVICE in `plain` on
 * the driver's first DEVICE_LOCAL type. All such types are IMPORT in `external`, on the type that
 * suits LINEAR colour images best. Two types may end up with equal flags; that is allowed.
 */
#include "vkhost/memory.h"

#include <errno.h>
#include <string.h>

#include "vkhost/chain.h"
#include "vkhost/items.h"

#define DEVICE_LOCAL ((VkMemoryPropertyFlags)VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT)

static bool bits_have(uint32_t bits, uint32_t index)
{
    return (bits >> index & 1) != 0;
}

/* Sample bits of 0 mean "not known". */
static bool sample_bits_have(uint32_t bits, uint32_t index)
{
    return bits == 0 || bits_have(bits, index);
}

/*
 * The importable type for memory that leaves its context: window-system images are LINEAR and are
 * read by the CPU for the screen, so cached is better than uncached, device-local better than not.
 * Returns the number of types when there is none.
 */
static uint32_t export_type_choose(const struct pv_vkhost_facts *facts)
{
    const uint32_t count = facts->memory.memoryTypeCount;
    uint32_t best = count;
    int best_score = -1;

    for (uint32_t i = 0; i < count; i++) {
        const VkMemoryPropertyFlags flags = facts->memory.memoryTypes[i].propertyFlags;
        int score;

        if (!pv_vkhost_facts_type_is_importable(facts, i)
            || !sample_bits_have(facts->linear_type_bits, i)) {
            continue;
        }
        score = ((flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0 ? 2 : 0)
                + ((flags & DEVICE_LOCAL) != 0 ? 1 : 0);
        if (score > best_score) {
            best = i;
            best_score = score;
        }
    }
    return best;
}

/* Put a type where the order rule wants it: in front of the first strict superset. */
static void type_insert(struct pv_vkhost_memory_map *map, const struct pv_vkhost_memory_type *type)
{
    uint32_t index = 0;

    if (map->type_count == VK_MAX_MEMORY_TYPES) {
        return;
    }
    while (index < map->type_count
           && !((map->types[index].flags & type->flags) == type->flags
                && map->types[index].flags != type->flags)) {
        index++;
    }
    memmove(&map->types[index + 1], &map->types[index],
            (map->type_count - index) * sizeof(map->types[0]));
    map->types[index] = *type;
    map->type_count++;
}

static bool type_is_device_only(const struct pv_vkhost_memory_type *type)
{
    return type->flags == DEVICE_LOCAL;
}

/* Guest form of host type `index`. False when it is not shown. */
static bool type_translate(const struct pv_vkhost_facts *facts, uint32_t index,
                           struct pv_vkhost_memory_type *ret_type)
{
    const VkMemoryType *host = &facts->memory.memoryTypes[index];

    if (!pv_vkhost_facts_type_is_plain(facts, index)) {
        return false;
    }
    *ret_type = (struct pv_vkhost_memory_type){
        .flags = pv_vkhost_facts_type_guest_flags(facts, index),
        .heap_index = host->heapIndex,
        .plain = {.host_index = index},
    };
    if (pv_vkhost_facts_type_is_importable(facts, index)) {
        ret_type->plain.kind = PV_VKHOST_MEMORY_IMPORT;
        ret_type->external = ret_type->plain;
    } else {
        ret_type->plain.kind = PV_VKHOST_MEMORY_DEVICE;
    }
    return true;
}

/* The driver's first DEVICE_LOCAL type that optimal images can live in; its first type if none. */
static uint32_t device_type_choose(const struct pv_vkhost_facts *facts)
{
    for (uint32_t i = 0; i < facts->memory.memoryTypeCount; i++) {
        const VkMemoryPropertyFlags flags = facts->memory.memoryTypes[i].propertyFlags;

        if ((flags & DEVICE_LOCAL) != 0 && pv_vkhost_facts_type_is_plain(facts, i)
            && (flags & VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT) == 0
            && sample_bits_have(facts->optimal_type_bits, i)) {
            return i;
        }
    }
    return 0;
}

static void properties_fill(struct pv_vkhost_memory_map *map, const struct pv_vkhost_facts *facts,
                            uint64_t limit_bytes)
{
    VkPhysicalDeviceMemoryProperties *properties = &map->properties;

    properties->memoryTypeCount = map->type_count;
    properties->memoryHeapCount = facts->memory.memoryHeapCount;
    memcpy(properties->memoryHeaps, facts->memory.memoryHeaps, sizeof(properties->memoryHeaps));
    for (uint32_t i = 0; i < map->type_count; i++) {
        const struct pv_vkhost_memory_type *type = &map->types[i];
        VkMemoryHeap *heap = &properties->memoryHeaps[type->heap_index];

        properties->memoryTypes[i].propertyFlags = type->flags;
        properties->memoryTypes[i].heapIndex = type->heap_index;
        if (limit_bytes != 0 && type->plain.kind == PV_VKHOST_MEMORY_IMPORT
            && heap->size > limit_bytes) {
            heap->size = limit_bytes;
        }
    }
}

int pv_vkhost_memory_map_init(struct pv_vkhost_memory_map *ret_map,
                              const struct pv_vkhost_facts *facts, uint64_t limit_bytes,
                              uint64_t page_bytes)
{
    struct pv_vkhost_memory_map *map = ret_map;
    const uint32_t export_type = export_type_choose(facts);
    struct pv_vkhost_memory_type type;

    if (export_type == facts->memory.memoryTypeCount) {
        return -ENOTSUP;
    }
    memset(map, 0, sizeof(*map));
    map->page_bytes = page_bytes;

    for (uint32_t i = 0; i < facts->memory.memoryTypeCount; i++) {
        if (type_translate(facts, i, &type)) {
            type_insert(map, &type);
        }
    }
    if (pv_vkhost_items_is_on(PV_VKHOST_ITEM_ID_DEVICE_LOCAL_TYPE, facts)) {
        const uint32_t host_index = device_type_choose(facts);

        if (map->type_count == VK_MAX_MEMORY_TYPES) {
            map->type_count--; /* the last one is the least plain: a superset of others */
        }
        type = (struct pv_vkhost_memory_type){
            .flags = DEVICE_LOCAL,
            .heap_index = facts->memory.memoryTypes[host_index].heapIndex,
            .plain = {.kind = PV_VKHOST_MEMORY_DEVICE, .host_index = host_index},
        };
        type_insert(map, &type);
    }
    for (uint32_t i = 0; i < map->type_count; i++) {
        if (type_is_device_only(&map->types[i])) {
            map->types[i].external.kind = PV_VKHOST_MEMORY_IMPORT;
            map->types[i].external.host_index = export_type;
        }
    }
    properties_fill(map, facts, limit_bytes);
    return 0;
}

struct pv_vkhost_memory_backing pv_vkhost_memory_backing_get(const struct pv_vkhost_memory_map *map,
                                                             uint32_t guest_index, bool external)
{
    if (guest_index >= map->type_count) {
        return (struct pv_vkhost_memory_backing){.kind = PV_VKHOST_MEMORY_NONE};
    }
    return external ? map->types[guest_index].external : map->types[guest_index].plain;
}

uint32_t pv_vkhost_memory_bits_translate(const struct pv_vkhost_memory_map *map, uint32_t host_bits,
                                         enum pv_vkhost_resource_kind kind)
{
    uint32_t guest_bits = 0;

    for (uint32_t i = 0; i < map->type_count; i++) {
        const struct pv_vkhost_memory_type *type = &map->types[i];
        bool fits = false;

        switch (kind) {
        case PV_VKHOST_RESOURCE_LINEAR:
            fits = bits_have(host_bits, type->plain.host_index);
            break;
        case PV_VKHOST_RESOURCE_OPTIMAL:
        case PV_VKHOST_RESOURCE_SPARSE:
            fits = type->plain.kind == PV_VKHOST_MEMORY_DEVICE
                   && bits_have(host_bits, type->plain.host_index);
            break;
        case PV_VKHOST_RESOURCE_EXTERNAL:
            fits = type->external.kind == PV_VKHOST_MEMORY_IMPORT
                   && bits_have(host_bits, type->external.host_index);
            break;
        }
        if (fits) {
            guest_bits |= UINT32_C(1) << i;
        }
    }
    return guest_bits;
}

uint32_t pv_vkhost_memory_resource_bits(const struct pv_vkhost_memory_map *map)
{
    return pv_vkhost_memory_bits_translate(map, UINT32_MAX, PV_VKHOST_RESOURCE_EXTERNAL);
}

void pv_vkhost_memory_requirements_edit(const struct pv_vkhost_memory_map *map,
                                        enum pv_vkhost_resource_kind kind,
                                        VkMemoryRequirements *requirements)
{
    requirements->memoryTypeBits =
        pv_vkhost_memory_bits_translate(map, requirements->memoryTypeBits, kind);
    if (kind == PV_VKHOST_RESOURCE_EXTERNAL
        && requirements->size <= UINT64_MAX - (map->page_bytes - 1)) {
        requirements->size = (requirements->size + map->page_bytes - 1) & ~(map->page_bytes - 1);
    }
}

void pv_vkhost_memory_requirements2_edit(const struct pv_vkhost_memory_map *map,
                                         enum pv_vkhost_resource_kind kind,
                                         VkMemoryRequirements2 *requirements)
{
    VkMemoryDedicatedRequirements *dedicated =
        pv_vkhost_chain_find(requirements, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS);

    pv_vkhost_memory_requirements_edit(map, kind, &requirements->memoryRequirements);
    if (dedicated != NULL && kind != PV_VKHOST_RESOURCE_OPTIMAL) {
        dedicated->prefersDedicatedAllocation = VK_FALSE;
        dedicated->requiresDedicatedAllocation = VK_FALSE;
    }
}

bool pv_vkhost_memory_bind_is_valid(const VkMemoryRequirements *host, uint32_t host_index,
                                    uint64_t size_bytes, uint64_t offset_bytes, uint64_t base_bytes)
{
    return host_index < VK_MAX_MEMORY_TYPES && bits_have(host->memoryTypeBits, host_index)
           && offset_bytes <= size_bytes && host->size <= size_bytes - offset_bytes
           && base_bytes <= UINT64_MAX - offset_bytes
           && (host->alignment == 0 || (base_bytes + offset_bytes) % host->alignment == 0);
}
