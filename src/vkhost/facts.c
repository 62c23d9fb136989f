/* SPDX-License-Identifier: MIT */
/*
 * Look-ups in the facts of a physical device.
 */
#include "vkhost/facts.h"

#include <string.h>

#define HOST_ACCESS_FLAGS                                                                          \
    ((VkMemoryPropertyFlags)(VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT                                   \
                             | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT                                \
                             | VK_MEMORY_PROPERTY_HOST_CACHED_BIT))
#define PLAIN_FLAGS                                                                                \
    (HOST_ACCESS_FLAGS                                                                             \
     | (VkMemoryPropertyFlags)(VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT                                 \
                               | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT))
#define VISIBLE_COHERENT                                                                           \
    ((VkMemoryPropertyFlags)(VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT                                   \
                             | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT))

bool pv_vkhost_facts_has_extension(const struct pv_vkhost_facts *facts, const char *name)
{
    for (uint32_t i = 0; i < facts->extension_count; i++) {
        if (strncmp(facts->extensions[i].extensionName, name, VK_MAX_EXTENSION_NAME_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

bool pv_vkhost_facts_type_is_plain(const struct pv_vkhost_facts *facts, uint32_t index)
{
    return (facts->memory.memoryTypes[index].propertyFlags & ~PLAIN_FLAGS) == 0;
}

bool pv_vkhost_facts_type_is_importable(const struct pv_vkhost_facts *facts, uint32_t index)
{
    const VkMemoryPropertyFlags flags = facts->memory.memoryTypes[index].propertyFlags;

    return (facts->import_type_bits >> index & 1) != 0
           && (flags & VISIBLE_COHERENT) == VISIBLE_COHERENT
           && pv_vkhost_facts_type_is_plain(facts, index);
}

VkMemoryPropertyFlags pv_vkhost_facts_type_guest_flags(const struct pv_vkhost_facts *facts,
                                                       uint32_t index)
{
    const VkMemoryPropertyFlags flags = facts->memory.memoryTypes[index].propertyFlags;

    return pv_vkhost_facts_type_is_importable(facts, index) ? flags : flags & ~HOST_ACCESS_FLAGS;
}
