/* SPDX-License-Identifier: MIT */
/*
 * Barriers: ownership transfers to and from the outside world become ordinary barriers
 * (vkhost/barrier.h), the rest passes through.
 */
#include "vkhost/barrier.h"

#include "venus/device.h"
#include "venus/handlers.h"

/* The device table of a decoded command buffer, NULL when the command is to be dropped. */
static const struct pv_vk_device_table *table_of(struct pv_wire_decoder *wire,
                                                 VkCommandBuffer decoded)
{
    return wire->poisoned ? NULL : PV_VENUS_OBJECT(decoded)->base.dispatch;
}

void pv_venus_vkCmdPipelineBarrier(struct pv_wire_decoder *wire,
                                   struct pv_wire_vkCmdPipelineBarrier *args)
{
    const struct pv_vk_device_table *vk = table_of(wire, args->commandBuffer);

    if (vk == NULL) {
        return;
    }
    pv_vkhost_barrier_buffers_edit(args->bufferMemoryBarrierCount, args->pBufferMemoryBarriers);
    pv_vkhost_barrier_images_edit(args->imageMemoryBarrierCount, args->pImageMemoryBarriers);
    pv_wire_unwrap_vkCmdPipelineBarrier(args);
    vk->CmdPipelineBarrier(args->commandBuffer, args->srcStageMask, args->dstStageMask,
                           args->dependencyFlags, args->memoryBarrierCount, args->pMemoryBarriers,
                           args->bufferMemoryBarrierCount, args->pBufferMemoryBarriers,
                           args->imageMemoryBarrierCount, args->pImageMemoryBarriers);
}

void pv_venus_vkCmdWaitEvents(struct pv_wire_decoder *wire, struct pv_wire_vkCmdWaitEvents *args)
{
    const struct pv_vk_device_table *vk = table_of(wire, args->commandBuffer);

    if (vk == NULL) {
        return;
    }
    pv_vkhost_barrier_buffers_edit(args->bufferMemoryBarrierCount, args->pBufferMemoryBarriers);
    pv_vkhost_barrier_images_edit(args->imageMemoryBarrierCount, args->pImageMemoryBarriers);
    pv_wire_unwrap_vkCmdWaitEvents(args);
    vk->CmdWaitEvents(args->commandBuffer, args->eventCount, args->pEvents, args->srcStageMask,
                      args->dstStageMask, args->memoryBarrierCount, args->pMemoryBarriers,
                      args->bufferMemoryBarrierCount, args->pBufferMemoryBarriers,
                      args->imageMemoryBarrierCount, args->pImageMemoryBarriers);
}

void pv_venus_vkCmdPipelineBarrier2(struct pv_wire_decoder *wire,
                                    struct pv_wire_vkCmdPipelineBarrier2 *args)
{
    const struct pv_vk_device_table *vk = table_of(wire, args->commandBuffer);

    if (vk == NULL) {
        return;
    }
    if (vk->CmdPipelineBarrier2 == NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_DRIVER);
        return;
    }
    pv_vkhost_barrier_dependency_edit(args->pDependencyInfo);
    pv_wire_unwrap_vkCmdPipelineBarrier2(args);
    vk->CmdPipelineBarrier2(args->commandBuffer, args->pDependencyInfo);
}

void pv_venus_vkCmdSetEvent2(struct pv_wire_decoder *wire, struct pv_wire_vkCmdSetEvent2 *args)
{
    const struct pv_vk_device_table *vk = table_of(wire, args->commandBuffer);

    if (vk == NULL) {
        return;
    }
    if (vk->CmdSetEvent2 == NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_DRIVER);
        return;
    }
    pv_vkhost_barrier_dependency_edit(args->pDependencyInfo);
    pv_wire_unwrap_vkCmdSetEvent2(args);
    vk->CmdSetEvent2(args->commandBuffer, args->event, args->pDependencyInfo);
}

void pv_venus_vkCmdWaitEvents2(struct pv_wire_decoder *wire, struct pv_wire_vkCmdWaitEvents2 *args)
{
    const struct pv_vk_device_table *vk = table_of(wire, args->commandBuffer);

    if (vk == NULL) {
        return;
    }
    if (vk->CmdWaitEvents2 == NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_DRIVER);
        return;
    }
    for (uint32_t i = 0; i < args->eventCount; i++) {
        pv_vkhost_barrier_dependency_edit(&args->pDependencyInfos[i]);
    }
    pv_wire_unwrap_vkCmdWaitEvents2(args);
    vk->CmdWaitEvents2(args->commandBuffer, args->eventCount, args->pEvents,
                       args->pDependencyInfos);
}
