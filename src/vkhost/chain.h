/* SPDX-License-Identifier: MIT */
/*
 * pNext chains: find, take out and put in nodes. Chains come from the decoder (bounded, free of
 * loops) or from ourselves, and lie in memory that we may write although Vulkan types say const.
 *
 * Threads: any; nothing here is shared.
 */
#ifndef PV_VKHOST_CHAIN_H
#define PV_VKHOST_CHAIN_H

#include <stddef.h>

#include <vulkan/vulkan_core.h>

/*
 * What all extensible structs begin with. Compilers may assume that differently typed structs do
 * not overlap; chains are all about looking at one through another, hence may_alias.
 */
struct pv_vkhost_chain_node {
    VkStructureType type;
    struct pv_vkhost_chain_node *next;
} __attribute__((may_alias));

/* The first node of that type behind `base` (a struct that starts with sType, pNext), or NULL. */
static inline void *pv_vkhost_chain_find(const void *base, VkStructureType type)
{
    struct pv_vkhost_chain_node *node = ((const struct pv_vkhost_chain_node *)base)->next;

    while (node != NULL && node->type != type) {
        node = node->next;
    }
    return node;
}

/* Unlink the first node of that type. Returns it (its pNext untouched), or NULL. */
static inline void *pv_vkhost_chain_remove(void *base, VkStructureType type)
{
    struct pv_vkhost_chain_node *previous = base;

    while (previous->next != NULL) {
        struct pv_vkhost_chain_node *node = previous->next;

        if (node->type == type) {
            previous->next = node->next;
            return node;
        }
        previous = node;
    }
    return NULL;
}

/* Put `node` first in the chain of `base`. node must live until the host call has returned. */
static inline void pv_vkhost_chain_prepend(void *base, void *node)
{
    struct pv_vkhost_chain_node *first = base;
    struct pv_vkhost_chain_node *added = node;

    added->next = first->next;
    first->next = added;
}

/* Last node of a chain; `base` itself when there is none. */
static inline struct pv_vkhost_chain_node *pv_vkhost_chain_last(void *base)
{
    struct pv_vkhost_chain_node *node = base;

    while (node->next != NULL) {
        node = node->next;
    }
    return node;
}

#endif
