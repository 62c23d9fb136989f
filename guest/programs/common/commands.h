/* SPDX-License-Identifier: MIT */
/*
 * Command buffers that are recorded, run and waited for, and the barriers that most cases need.
 * The barriers are wide (all commands, all memory): the programs test a transport, not a
 * scheduler, and must be right on every driver.
 */
#ifndef PV_PROG_COMMON_COMMANDS_H
#define PV_PROG_COMMON_COMMANDS_H

#include <vulkan/vulkan.h>

#include "common/gpu.h"
#include "common/memory.h"

/* Thirty seconds, for slow guests and many programs at once. A longer wait is a hang. */
#define PV_PROG_WAIT_NS UINT64_C(30000000000)

/* Start recording a one-time command buffer of gpu->pool. Ended by pv_prog_commands_run. */
VkCommandBuffer pv_prog_commands_begin(const struct pv_prog_gpu *gpu);

/*
 * End, submit to gpu->queue, wait (at most PV_PROG_WAIT_NS, or the program fails) and free.
 * Host reads of what the commands wrote to host-coherent memory are ordered after it: the wait
 * for a fence is not enough by the memory model, so a barrier to the host ends the commands.
 */
void pv_prog_commands_run(const struct pv_prog_gpu *gpu, VkCommandBuffer commands);

/* Start recording into a command buffer that the caller allocated. */
void pv_prog_commands_start(VkCommandBuffer commands, VkCommandBufferUsageFlags flags);

/* Submit one command buffer with a fence (may be VK_NULL_HANDLE) and no semaphores. */
void pv_prog_commands_submit(VkQueue queue, VkCommandBuffer commands, VkFence fence);

/* Wait for one fence; a time-out fails the program with a sentence that holds `what`. */
void pv_prog_fence_wait(const struct pv_prog_gpu *gpu, VkFence fence, const char *what);

/* Everything before happens, and is visible, before everything after; the host included. */
void pv_prog_barrier_all(VkCommandBuffer commands);

/* The same for one image (all mips and layers), with a change of layout. */
void pv_prog_barrier_image(VkCommandBuffer commands, const struct pv_prog_image *image,
                           VkImageLayout old_layout, VkImageLayout new_layout);

/* Copy mip 0, layer 0 of an image in TRANSFER_SRC_OPTIMAL to a buffer, tightly packed. */
void pv_prog_image_read(VkCommandBuffer commands, const struct pv_prog_image *image,
                        VkBuffer buffer);

#endif
