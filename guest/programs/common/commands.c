/* SPDX-License-Identifier: MIT */
/* One-time command buffers, waits with a limit, and wide barriers. */
#include "common/commands.h"

#include "common/report.h"

void pv_prog_commands_start(VkCommandBuffer commands, VkCommandBufferUsageFlags flags)
{
    const VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = flags,
    };

    PV_PROG_VK(vkBeginCommandBuffer(commands, &info));
}

VkCommandBuffer pv_prog_commands_begin(const struct pv_prog_gpu *gpu)
{
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = gpu->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VkCommandBuffer commands;

    PV_PROG_VK(vkAllocateCommandBuffers(gpu->device, &info, &commands));
    pv_prog_commands_start(commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT);
    return commands;
}

void pv_prog_commands_submit(VkQueue queue, VkCommandBuffer commands, VkFence fence)
{
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &commands,
    };

    PV_PROG_VK(vkQueueSubmit(queue, 1, &info, fence));
}

void pv_prog_fence_wait(const struct pv_prog_gpu *gpu, VkFence fence, const char *what)
{
    VkResult result = vkWaitForFences(gpu->device, 1, &fence, VK_TRUE, PV_PROG_WAIT_NS);

    if (result == VK_TIMEOUT) {
        pv_prog_fail("%s did not end within %u s", what, (unsigned)(PV_PROG_WAIT_NS / 1000000000));
    }
    PV_PROG_VK(result);
}

void pv_prog_commands_run(const struct pv_prog_gpu *gpu, VkCommandBuffer commands)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence;

    pv_prog_barrier_all(commands);
    PV_PROG_VK(vkEndCommandBuffer(commands));
    PV_PROG_VK(vkCreateFence(gpu->device, &info, NULL, &fence));
    pv_prog_commands_submit(gpu->queue, commands, fence);
    pv_prog_fence_wait(gpu, fence, "a command buffer");
    vkDestroyFence(gpu->device, fence, NULL);
    vkFreeCommandBuffers(gpu->device, gpu->pool, 1, &commands);
}

void pv_prog_barrier_all(VkCommandBuffer commands)
{
    const VkMemoryBarrier2 barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
        .srcStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_2_HOST_BIT,
        .srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_2_HOST_BIT,
        .dstAccessMask = VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT,
    };
    const VkDependencyInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
        .memoryBarrierCount = 1,
        .pMemoryBarriers = &barrier,
    };

    vkCmdPipelineBarrier2(commands, &info);
}

void pv_prog_barrier_image(VkCommandBuffer commands, const struct pv_prog_image *image,
                           VkImageLayout old_layout, VkImageLayout new_layout)
{
    const VkImageMemoryBarrier2 barrier = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
        .srcStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
        .srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
        .dstAccessMask = VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT,
        .oldLayout = old_layout,
        .newLayout = new_layout,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .image = image->image,
        .subresourceRange = {image->aspect, 0, VK_REMAINING_MIP_LEVELS, 0,
                             VK_REMAINING_ARRAY_LAYERS},
    };
    const VkDependencyInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
        .imageMemoryBarrierCount = 1,
        .pImageMemoryBarriers = &barrier,
    };

    vkCmdPipelineBarrier2(commands, &info);
}

void pv_prog_image_read(VkCommandBuffer commands, const struct pv_prog_image *image,
                        VkBuffer buffer)
{
    const VkBufferImageCopy region = {
        .imageSubresource = {image->aspect, 0, 0, 1},
        .imageExtent = image->extent_px,
    };

    vkCmdCopyImageToBuffer(commands, image->image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, buffer, 1,
                           &region);
}
