/* SPDX-License-Identifier: MIT */
/*
 * pNext chains: find, take out and put in nodes. Chains come from the decoder (bounded, free of
 * loops) or from ourselves, and lie in memory that we may write although Vulkan types say const.
 *
 * Threads: any; nothing here is shared.
 */
#ifndef PV_VKHOST_CHAIN_H
#define PV_VKHOST_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

#include <vulkan/vulkan_core.h>

/* The first node of that type behind `base` (a struct that starts with sType, pNext), or NULL. */
static inline void *pv_vkhost_chain_find(const void *base, VkStructureType type)
{
    const VkBaseInStructure *node = ((const VkBaseInStructure *)base)->pNext;

    while (node != NULL && node->sType != type) {
        node = node->pNext;
    }
    return (void *)(size_t)node; /* arena memory, see above */
}

/* Unlink the first node of that type. Returns it (its pNext untouched), or NULL. */
static inline void *pv_vkhost_chain_remove(void *base, VkStructureType type)
{
    VkBaseOutStructure *previous = base;

    while (previous->pNext != NULL) {
        VkBaseOutStructure *node = previous->pNext;

        if (node->sType == type) {
            previous->pNext = node->pNext;
            return node;
        }
        previous = node;
    }
    return NULL;
}

/* Put `node` first in the chain of `base`. node must live until the host call has returned. */
static inline void pv_vkhost_chain_prepend(void *base, void *node)
{
    VkBaseOutStructure *first = base;
    VkBaseOutStructure *added = node;

    added->pNext = first->pNext;
    first->pNext = added;
}

#endif
