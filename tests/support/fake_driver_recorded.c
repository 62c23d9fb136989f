/* SPDX-License-Identifier: MIT */
/*
 * The fake driver's barriers, second kind of submissions, and queries of its physical device: all
 * that leaves no object behind.
 *
 * Remembered values:
 * vkCmdPipelineBarrier, vkCmdWaitEvents, vkCmdPipelineBarrier2, vkCmdSetEvent2, vkCmdWaitEvents2:
 *   of the first buffer barrier its two queue families, of the first image barrier the same (all
 *   ones: there is none), whether the first image barrier has a chain, number of events.
 * vkQueueSubmit2: waits, command buffers, signals of its last batch, value of its first wait.
 * vkQueueBindSparse: waits, signals of its last batch, value of its first wait.
 * vkWaitSemaphores: time-out. vkGetPhysicalDeviceImageFormatProperties2: tiling.
 * vkGetPhysicalDeviceQueueFamilyProperties, ...2: capacity.
 */
#include <string.h>

#include "base/compiler.h"
#include "support/fake_driver_inside.h"
#include "support/fake_vulkan.h"
#include "vkhost/chain.h"

/* ---- barriers ---- */

#define NO_BARRIER UINT64_MAX

/* The device of a command buffer that is one of ours; NULL counts as misuse. */
static VkDevice device_of(VkCommandBuffer buffer)
{
    if (buffer == VK_NULL_HANDLE) {
        fake_driver_misuse();
        return VK_NULL_HANDLE;
    }
    fake_driver_check((uint64_t)(uintptr_t)buffer, VK_OBJECT_TYPE_COMMAND_BUFFER,
                      TO(VkDevice, FROM(buffer)->device));
    return TO(VkDevice, FROM(buffer)->device);
}

#define RECORD_BARRIERS(function, command_buffer, buffer_count, buffers, image_count, images,      \
                        event_count)                                                               \
    do {                                                                                           \
        const VkDevice device = device_of(command_buffer);                                         \
        uint64_t values[6] = {NO_BARRIER, NO_BARRIER, NO_BARRIER, NO_BARRIER, 0, event_count};     \
                                                                                                   \
        if ((buffer_count) > 0) {                                                                  \
            fake_driver_check((uint64_t)(uintptr_t)(buffers)[0].buffer, VK_OBJECT_TYPE_BUFFER,     \
                              device);                                                             \
            values[0] = (buffers)[0].srcQueueFamilyIndex;                                          \
            values[1] = (buffers)[0].dstQueueFamilyIndex;                                          \
        }                                                                                          \
        if ((image_count) > 0) {                                                                   \
            fake_driver_check((uint64_t)(uintptr_t)(images)[0].image, VK_OBJECT_TYPE_IMAGE,        \
                              device);                                                             \
            values[2] = (images)[0].srcQueueFamilyIndex;                                           \
            values[3] = (images)[0].dstQueueFamilyIndex;                                           \
            values[4] = (images)[0].pNext != NULL;                                                 \
        }                                                                                          \
        fake_driver_record(function, 6, values);                                                   \
    } while (0)

static void VKAPI_CALL barrier(VkCommandBuffer command_buffer, VkPipelineStageFlags source,
                               VkPipelineStageFlags destination, VkDependencyFlags flags,
                               uint32_t memory_count, const VkMemoryBarrier *memories,
                               uint32_t buffer_count, const VkBufferMemoryBarrier *buffers,
                               uint32_t image_count, const VkImageMemoryBarrier *images)
{
    (void)source;
    (void)destination;
    (void)flags;
    (void)memory_count;
    (void)memories;
    RECORD_BARRIERS("vkCmdPipelineBarrier", command_buffer, buffer_count, buffers, image_count,
                    images, 0);
}

static void VKAPI_CALL wait_events(VkCommandBuffer command_buffer, uint32_t event_count,
                                   const VkEvent *events, VkPipelineStageFlags source,
                                   VkPipelineStageFlags destination, uint32_t memory_count,
                                   const VkMemoryBarrier *memories, uint32_t buffer_count,
                                   const VkBufferMemoryBarrier *buffers, uint32_t image_count,
                                   const VkImageMemoryBarrier *images)
{
    (void)source;
    (void)destination;
    (void)memory_count;
    (void)memories;
    for (uint32_t i = 0; i < event_count; i++) {
        fake_driver_check((uint64_t)(uintptr_t)events[i], VK_OBJECT_TYPE_EVENT,
                          device_of(command_buffer));
    }
    RECORD_BARRIERS("vkCmdWaitEvents", command_buffer, buffer_count, buffers, image_count, images,
                    event_count);
}

static void record_dependency(const char *function, VkCommandBuffer command_buffer,
                              uint32_t event_count, const VkDependencyInfo *info)
{
    RECORD_BARRIERS(function, command_buffer, info->bufferMemoryBarrierCount,
                    info->pBufferMemoryBarriers, info->imageMemoryBarrierCount,
                    info->pImageMemoryBarriers, event_count);
}

static void VKAPI_CALL barrier2(VkCommandBuffer command_buffer, const VkDependencyInfo *info)
{
    record_dependency("vkCmdPipelineBarrier2", command_buffer, 0, info);
}

static void VKAPI_CALL set_event2(VkCommandBuffer command_buffer, VkEvent event,
                                  const VkDependencyInfo *info)
{
    fake_driver_check((uint64_t)(uintptr_t)event, VK_OBJECT_TYPE_EVENT, device_of(command_buffer));
    record_dependency("vkCmdSetEvent2", command_buffer, 1, info);
}

/* Of the last event's dependencies. */
static void VKAPI_CALL wait_events2(VkCommandBuffer command_buffer, uint32_t event_count,
                                    const VkEvent *events, const VkDependencyInfo *infos)
{
    for (uint32_t i = 0; i < event_count; i++) {
        fake_driver_check((uint64_t)(uintptr_t)events[i], VK_OBJECT_TYPE_EVENT,
                          device_of(command_buffer));
        record_dependency("vkCmdWaitEvents2", command_buffer, event_count, &infos[i]);
    }
}

/* ---- submissions ---- */

static VkResult VKAPI_CALL queue_submit2(VkQueue queue, uint32_t count, const VkSubmitInfo2 *infos,
                                         VkFence fence)
{
    const VkDevice device = TO(VkDevice, FROM(queue)->device);

    fake_driver_check((uint64_t)(uintptr_t)queue, VK_OBJECT_TYPE_QUEUE, device);
    if (fence != VK_NULL_HANDLE) {
        fake_driver_check((uint64_t)(uintptr_t)fence, VK_OBJECT_TYPE_FENCE, device);
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t values[] = {
            infos[i].waitSemaphoreInfoCount, infos[i].commandBufferInfoCount,
            infos[i].signalSemaphoreInfoCount,
            infos[i].waitSemaphoreInfoCount > 0 ? infos[i].pWaitSemaphoreInfos[0].value : 0};

        for (uint32_t k = 0; k < infos[i].waitSemaphoreInfoCount; k++) {
            fake_driver_check((uint64_t)(uintptr_t)infos[i].pWaitSemaphoreInfos[k].semaphore,
                              VK_OBJECT_TYPE_SEMAPHORE, device);
        }
        for (uint32_t k = 0; k < infos[i].commandBufferInfoCount; k++) {
            fake_driver_check((uint64_t)(uintptr_t)infos[i].pCommandBufferInfos[k].commandBuffer,
                              VK_OBJECT_TYPE_COMMAND_BUFFER, device);
        }
        for (uint32_t k = 0; k < infos[i].signalSemaphoreInfoCount; k++) {
            fake_driver_check((uint64_t)(uintptr_t)infos[i].pSignalSemaphoreInfos[k].semaphore,
                              VK_OBJECT_TYPE_SEMAPHORE, device);
        }
        fake_driver_record("vkQueueSubmit2", 4, values);
    }
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL bind_sparse(VkQueue queue, uint32_t count, const VkBindSparseInfo *infos,
                                       VkFence fence)
{
    const VkDevice device = TO(VkDevice, FROM(queue)->device);

    (void)fence;
    fake_driver_check((uint64_t)(uintptr_t)queue, VK_OBJECT_TYPE_QUEUE, device);
    for (uint32_t i = 0; i < count; i++) {
        const VkTimelineSemaphoreSubmitInfo *timeline =
            pv_vkhost_chain_find(&infos[i], VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
        const uint64_t values[] = {infos[i].waitSemaphoreCount, infos[i].signalSemaphoreCount,
                                   timeline != NULL && infos[i].waitSemaphoreCount > 0
                                       ? timeline->pWaitSemaphoreValues[0]
                                       : 0};

        for (uint32_t k = 0; k < infos[i].waitSemaphoreCount; k++) {
            fake_driver_check((uint64_t)(uintptr_t)infos[i].pWaitSemaphores[k],
                              VK_OBJECT_TYPE_SEMAPHORE, device);
        }
        fake_driver_record("vkQueueBindSparse", 3, values);
    }
    return VK_SUCCESS;
}

/* Over at once, unless told otherwise. */
static VkResult VKAPI_CALL wait_semaphores(VkDevice device, const VkSemaphoreWaitInfo *info,
                                           uint64_t timeout_ns)
{
    const uint64_t values[] = {timeout_ns};
    VkResult result = VK_SUCCESS;

    for (uint32_t i = 0; i < info->semaphoreCount; i++) {
        fake_driver_check((uint64_t)(uintptr_t)info->pSemaphores[i], VK_OBJECT_TYPE_SEMAPHORE,
                          device);
    }
    fake_driver_record("vkWaitSemaphores", 1, values);
    (void)fake_driver_fails_now("vkWaitSemaphores", &result);
    return result;
}

/* ---- the physical device ---- */

static void VKAPI_CALL get_features(VkPhysicalDevice device, VkPhysicalDeviceFeatures *features)
{
    (void)device;
    memset(features, 0, sizeof(*features));
    features->robustBufferAccess = VK_TRUE;
    features->sparseBinding = VK_TRUE;
    features->sparseResidencyBuffer = VK_TRUE;
}

static void VKAPI_CALL get_format2(VkPhysicalDevice device, VkFormat format,
                                   VkFormatProperties2 *properties)
{
    (void)device;
    properties->formatProperties.linearTilingFeatures =
        format == VK_FORMAT_B8G8R8A8_UNORM ? VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT : 0;
    properties->formatProperties.optimalTilingFeatures = VK_FORMAT_FEATURE_TRANSFER_SRC_BIT;
}

static VkResult VKAPI_CALL get_image_format2(VkPhysicalDevice device,
                                             const VkPhysicalDeviceImageFormatInfo2 *info,
                                             VkImageFormatProperties2 *properties)
{
    const uint64_t values[] = {info->tiling};

    (void)device;
    if (info->pNext != NULL) {
        return VK_ERROR_FORMAT_NOT_SUPPORTED; /* not as HOST_ALLOCATION */
    }
    fake_driver_record("vkGetPhysicalDeviceImageFormatProperties2", 1, values);
    properties->imageFormatProperties.maxExtent = (VkExtent3D){4096, 4096, 1};
    return VK_SUCCESS;
}

static void VKAPI_CALL get_queues2(VkPhysicalDevice device, uint32_t *count,
                                   VkQueueFamilyProperties2 *properties)
{
    const uint64_t values[] = {*count};

    (void)device;
    fake_driver_record("vkGetPhysicalDeviceQueueFamilyProperties2", 1, values);
    if (*count > pv_fake_vulkan.facts.queue_family_count) {
        *count = pv_fake_vulkan.facts.queue_family_count;
    }
    for (uint32_t i = 0; i < *count; i++) {
        properties[i].queueFamilyProperties = pv_fake_vulkan.facts.queue_families[i];
    }
}

static void VKAPI_CALL get_sparse(VkPhysicalDevice device, VkFormat format, VkImageType type,
                                  VkSampleCountFlagBits samples, VkImageUsageFlags usage,
                                  VkImageTiling tiling, uint32_t *count,
                                  VkSparseImageFormatProperties *properties)
{
    const uint64_t values[] = {tiling};

    (void)device;
    (void)format;
    (void)type;
    (void)samples;
    (void)usage;
    (void)properties;
    fake_driver_record("vkGetPhysicalDeviceSparseImageFormatProperties", 1, values);
    *count = properties == NULL ? 1 : 0;
}

static void VKAPI_CALL get_sparse2(VkPhysicalDevice device,
                                   const VkPhysicalDeviceSparseImageFormatInfo2 *info,
                                   uint32_t *count, VkSparseImageFormatProperties2 *properties)
{
    (void)properties;
    get_sparse(device, info->format, info->type, info->samples, info->usage, info->tiling, count,
               NULL);
}

PFN_vkVoidFunction fake_driver_recorded_entry(const char *name)
{
    static const struct {
        const char *name;
        PFN_vkVoidFunction function;
    } functions[] = {
        {"vkCmdPipelineBarrier", (PFN_vkVoidFunction)barrier},
        {"vkCmdWaitEvents", (PFN_vkVoidFunction)wait_events},
        {"vkCmdPipelineBarrier2", (PFN_vkVoidFunction)barrier2},
        {"vkCmdSetEvent2", (PFN_vkVoidFunction)set_event2},
        {"vkCmdWaitEvents2", (PFN_vkVoidFunction)wait_events2},
        {"vkQueueSubmit2", (PFN_vkVoidFunction)queue_submit2},
        {"vkQueueBindSparse", (PFN_vkVoidFunction)bind_sparse},
        {"vkWaitSemaphores", (PFN_vkVoidFunction)wait_semaphores},
        {"vkGetPhysicalDeviceFeatures", (PFN_vkVoidFunction)get_features},
        {"vkGetPhysicalDeviceFormatProperties2", (PFN_vkVoidFunction)get_format2},
        {"vkGetPhysicalDeviceImageFormatProperties2", (PFN_vkVoidFunction)get_image_format2},
        {"vkGetPhysicalDeviceQueueFamilyProperties2", (PFN_vkVoidFunction)get_queues2},
        {"vkGetPhysicalDeviceSparseImageFormatProperties", (PFN_vkVoidFunction)get_sparse},
        {"vkGetPhysicalDeviceSparseImageFormatProperties2", (PFN_vkVoidFunction)get_sparse2},
    };

    for (size_t i = 0; i < PV_ARRAY_LEN(functions); i++) {
        if (strcmp(functions[i].name, name) == 0) {
            return functions[i].function;
        }
    }
    return NULL;
}
