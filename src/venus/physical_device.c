/* SPDX-License-Identifier: MIT */
/*
 * Queries about a physical device: asked of the driver, then edited to the guest's view, or
 * answered from the view alone (vkhost/query.h). The 1.0 forms share the code of the 1.1 ones.
 */
#include <stdlib.h>

#include "venus/device.h"
#include "venus/handlers.h"
#include "vkhost/query.h"

struct target {
    const struct pv_vkhost_view *view;
    const struct pv_vk_instance_table *vk;
    VkPhysicalDevice handle;
};

static struct target target_of(VkPhysicalDevice decoded)
{
    const struct pv_venus_physical_device *device = pv_venus_physical_device_of(decoded);

    return (struct target){
        .view = &device->view,
        .vk = device->object.base.dispatch,
        .handle = (VkPhysicalDevice)(uintptr_t)device->object.base.handle,
    };
}

void pv_venus_vkGetPhysicalDeviceFeatures(struct pv_wire_decoder *wire,
                                          struct pv_wire_vkGetPhysicalDeviceFeatures *args)
{
    const struct target target = target_of(args->physicalDevice);

    (void)wire;
    target.vk->GetPhysicalDeviceFeatures(target.handle, args->pFeatures);
    pv_vkhost_query_features_edit(target.view, args->pFeatures);
}

void pv_venus_vkGetPhysicalDeviceFeatures2(struct pv_wire_decoder *wire,
                                           struct pv_wire_vkGetPhysicalDeviceFeatures2 *args)
{
    const struct target target = target_of(args->physicalDevice);

    (void)wire;
    target.vk->GetPhysicalDeviceFeatures2(target.handle, args->pFeatures);
    pv_vkhost_query_features_edit(target.view, &args->pFeatures->features);
    pv_vkhost_query_features_chain_edit(target.view, args->pFeatures);
}

void pv_venus_vkGetPhysicalDeviceProperties(struct pv_wire_decoder *wire,
                                            struct pv_wire_vkGetPhysicalDeviceProperties *args)
{
    const struct target target = target_of(args->physicalDevice);

    (void)wire;
    target.vk->GetPhysicalDeviceProperties(target.handle, args->pProperties);
    pv_vkhost_query_properties_edit(target.view, args->pProperties);
}

void pv_venus_vkGetPhysicalDeviceProperties2(struct pv_wire_decoder *wire,
                                             struct pv_wire_vkGetPhysicalDeviceProperties2 *args)
{
    const struct target target = target_of(args->physicalDevice);

    (void)wire;
    target.vk->GetPhysicalDeviceProperties2(target.handle, args->pProperties);
    pv_vkhost_query_properties2_edit(target.view, args->pProperties);
}

void pv_venus_vkGetPhysicalDeviceFormatProperties(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetPhysicalDeviceFormatProperties *args)
{
    const struct target target = target_of(args->physicalDevice);
    VkFormatProperties2 properties = {.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2};

    (void)wire;
    pv_vkhost_query_format_get(target.view, target.handle,
                               target.vk->GetPhysicalDeviceFormatProperties2, args->format,
                               &properties);
    *args->pFormatProperties = properties.formatProperties;
}

void pv_venus_vkGetPhysicalDeviceFormatProperties2(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetPhysicalDeviceFormatProperties2 *args)
{
    const struct target target = target_of(args->physicalDevice);

    (void)wire;
    pv_vkhost_query_format_get(target.view, target.handle,
                               target.vk->GetPhysicalDeviceFormatProperties2, args->format,
                               args->pFormatProperties);
}

void pv_venus_vkGetPhysicalDeviceImageFormatProperties(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetPhysicalDeviceImageFormatProperties *args)
{
    const struct target target = target_of(args->physicalDevice);
    VkPhysicalDeviceImageFormatInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
        .format = args->format,
        .type = args->type,
        .tiling = args->tiling,
        .usage = args->usage,
        .flags = args->flags,
    };
    VkImageFormatProperties2 properties = {.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2};

    (void)wire;
    args->ret = pv_vkhost_query_image_format_get(target.view, target.handle,
                                                 target.vk->GetPhysicalDeviceImageFormatProperties2,
                                                 &info, &properties);
    *args->pImageFormatProperties = properties.imageFormatProperties;
}

void pv_venus_vkGetPhysicalDeviceImageFormatProperties2(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetPhysicalDeviceImageFormatProperties2 *args)
{
    const struct target target = target_of(args->physicalDevice);

    (void)wire;
    /* The info is a decoded copy in the arena. */
    args->ret = pv_vkhost_query_image_format_get(
        target.view, target.handle, target.vk->GetPhysicalDeviceImageFormatProperties2,
        (VkPhysicalDeviceImageFormatInfo2 *)(uintptr_t)args->pImageFormatInfo,
        args->pImageFormatProperties);
}

void pv_venus_vkGetPhysicalDeviceQueueFamilyProperties(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetPhysicalDeviceQueueFamilyProperties *args)
{
    const struct target target = target_of(args->physicalDevice);
    uint32_t *count = args->pQueueFamilyPropertyCount;

    (void)wire;
    if (args->pQueueFamilyProperties == NULL) {
        *count = target.view->queue_family_count;
        return;
    }
    if (*count > target.view->queue_family_count) {
        *count = target.view->queue_family_count;
    }
    target.vk->GetPhysicalDeviceQueueFamilyProperties(target.handle, count,
                                                      args->pQueueFamilyProperties);
    for (uint32_t i = 0; i < *count; i++) {
        pv_vkhost_query_queue_family_edit(target.view, i, &args->pQueueFamilyProperties[i]);
    }
}

void pv_venus_vkGetPhysicalDeviceQueueFamilyProperties2(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetPhysicalDeviceQueueFamilyProperties2 *args)
{
    const struct target target = target_of(args->physicalDevice);
    uint32_t *count = args->pQueueFamilyPropertyCount;

    (void)wire;
    if (args->pQueueFamilyProperties == NULL) {
        *count = target.view->queue_family_count;
        return;
    }
    if (*count > target.view->queue_family_count) {
        *count = target.view->queue_family_count;
    }
    target.vk->GetPhysicalDeviceQueueFamilyProperties2(target.handle, count,
                                                       args->pQueueFamilyProperties);
    for (uint32_t i = 0; i < *count; i++) {
        pv_vkhost_query_queue_family_edit(target.view, i,
                                          &args->pQueueFamilyProperties[i].queueFamilyProperties);
    }
}

void pv_venus_vkGetPhysicalDeviceMemoryProperties(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetPhysicalDeviceMemoryProperties *args)
{
    (void)wire;
    pv_vkhost_query_memory_properties_get(target_of(args->physicalDevice).view,
                                          args->pMemoryProperties);
}

void pv_venus_vkGetPhysicalDeviceMemoryProperties2(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetPhysicalDeviceMemoryProperties2 *args)
{
    (void)wire;
    pv_vkhost_query_memory_properties_get(target_of(args->physicalDevice).view,
                                          &args->pMemoryProperties->memoryProperties);
}

void pv_venus_vkGetPhysicalDeviceSparseImageFormatProperties(
    struct pv_wire_decoder *wire,
    struct pv_wire_vkGetPhysicalDeviceSparseImageFormatProperties *args)
{
    const struct target target = target_of(args->physicalDevice);

    (void)wire;
    if (args->tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT) {
        *args->pPropertyCount = 0;
        return;
    }
    target.vk->GetPhysicalDeviceSparseImageFormatProperties(
        target.handle, args->format, args->type, args->samples, args->usage, args->tiling,
        args->pPropertyCount, args->pProperties);
}

void pv_venus_vkGetPhysicalDeviceSparseImageFormatProperties2(
    struct pv_wire_decoder *wire,
    struct pv_wire_vkGetPhysicalDeviceSparseImageFormatProperties2 *args)
{
    const struct target target = target_of(args->physicalDevice);

    (void)wire;
    if (args->pFormatInfo->tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT) {
        *args->pPropertyCount = 0;
        return;
    }
    target.vk->GetPhysicalDeviceSparseImageFormatProperties2(
        target.handle, args->pFormatInfo, args->pPropertyCount, args->pProperties);
}

void pv_venus_vkGetPhysicalDeviceExternalBufferProperties(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetPhysicalDeviceExternalBufferProperties *args)
{
    (void)wire;
    pv_vkhost_query_external_buffer_get(target_of(args->physicalDevice).view,
                                        args->pExternalBufferInfo, args->pExternalBufferProperties);
}

void pv_venus_vkGetPhysicalDeviceExternalFenceProperties(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetPhysicalDeviceExternalFenceProperties *args)
{
    (void)wire;
    pv_vkhost_query_external_fence_get(target_of(args->physicalDevice).view,
                                       args->pExternalFenceInfo, args->pExternalFenceProperties);
}

void pv_venus_vkGetPhysicalDeviceExternalSemaphoreProperties(
    struct pv_wire_decoder *wire,
    struct pv_wire_vkGetPhysicalDeviceExternalSemaphoreProperties *args)
{
    (void)wire;
    pv_vkhost_query_external_semaphore_get(target_of(args->physicalDevice).view,
                                           args->pExternalSemaphoreInfo,
                                           args->pExternalSemaphoreProperties);
}

void pv_venus_vkEnumerateDeviceExtensionProperties(
    struct pv_wire_decoder *wire, struct pv_wire_vkEnumerateDeviceExtensionProperties *args)
{
    if (args->pLayerName != NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_POINTER);
        return;
    }
    args->ret = pv_vkhost_query_extensions_get(target_of(args->physicalDevice).view,
                                               args->pPropertyCount, args->pProperties);
}
