/* SPDX-License-Identifier: MIT */
/*
 * Queue family ownership transfers to and from the outside world, in barriers. Memory is ours and
 * images that leave are LINEAR, so nothing has to happen: such a transfer becomes an ordinary
 * barrier (both families IGNORED), and VkExternalMemoryAcquireUnmodifiedEXT is taken out.
 *
 * Hot path: a call per pipeline barrier; no view needed, no branch beyond the two compares.
 */
#ifndef PV_VKHOST_BARRIER_H
#define PV_VKHOST_BARRIER_H

#include <stdint.h>

#include <vulkan/vulkan_core.h>

#include "vkhost/chain.h"

/* FOREIGN is ~2, EXTERNAL is ~1, IGNORED is ~0. */
static inline void pv_vkhost_barrier_families_edit(uint32_t *src, uint32_t *dst)
{
    if (*src - VK_QUEUE_FAMILY_FOREIGN_EXT <= 1u || *dst - VK_QUEUE_FAMILY_FOREIGN_EXT <= 1u) {
        *src = VK_QUEUE_FAMILY_IGNORED;
        *dst = VK_QUEUE_FAMILY_IGNORED;
    }
}

#define PV_VKHOST_BARRIER_EDIT(type)                                                               \
    for (uint32_t i = 0; i < count; i++) {                                                         \
        type *barrier = (type *)(size_t)&barriers[i]; /* decoded copies in the arena */            \
                                                                                                   \
        pv_vkhost_barrier_families_edit(&barrier->srcQueueFamilyIndex,                             \
                                        &barrier->dstQueueFamilyIndex);                            \
        if (barrier->pNext != NULL) {                                                              \
            pv_vkhost_chain_remove(barrier,                                                        \
                                   VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_ACQUIRE_UNMODIFIED_EXT);      \
        }                                                                                          \
    }

/* Edit all barriers of an array in place; it is a decoded copy. */
static inline void pv_vkhost_barrier_buffers_edit(uint32_t count,
                                                  const VkBufferMemoryBarrier *barriers)
{
    PV_VKHOST_BARRIER_EDIT(VkBufferMemoryBarrier)
}

/* See pv_vkhost_barrier_buffers_edit. */
static inline void pv_vkhost_barrier_images_edit(uint32_t count,
                                                 const VkImageMemoryBarrier *barriers)
{
    PV_VKHOST_BARRIER_EDIT(VkImageMemoryBarrier)
}

/* See pv_vkhost_barrier_buffers_edit. */
static inline void pv_vkhost_barrier_buffers2_edit(uint32_t count,
                                                   const VkBufferMemoryBarrier2 *barriers)
{
    PV_VKHOST_BARRIER_EDIT(VkBufferMemoryBarrier2)
}

/* See pv_vkhost_barrier_buffers_edit. */
static inline void pv_vkhost_barrier_images2_edit(uint32_t count,
                                                  const VkImageMemoryBarrier2 *barriers)
{
    PV_VKHOST_BARRIER_EDIT(VkImageMemoryBarrier2)
}

#undef PV_VKHOST_BARRIER_EDIT

/* vkCmdPipelineBarrier2, vkCmdSetEvent2, vkCmdWaitEvents2. */
static inline void pv_vkhost_barrier_dependency_edit(const VkDependencyInfo *info)
{
    pv_vkhost_barrier_buffers2_edit(info->bufferMemoryBarrierCount, info->pBufferMemoryBarriers);
    pv_vkhost_barrier_images2_edit(info->imageMemoryBarrierCount, info->pImageMemoryBarriers);
}

#endif
