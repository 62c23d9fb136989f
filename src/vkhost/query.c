/* SPDX-License-Identifier: MIT */
/*
 * Editing query results. Output chains keep all their nodes; a node of ours (VkFormatProperties3)
 * is appended for one host call at most and taken off again.
 */
#include "vkhost/query.h"

#include <string.h>

#include "vkhost/chain.h"
#include "vkhost/format.h"
#include "vkhost/items.h"

/* DRM_FORMAT_MOD_LINEAR of the kernel's drm_fourcc.h. */
#define MODIFIER_LINEAR UINT64_C(0)

/* Guest pages: a mapping begins at the start of one. */
#define MAP_ALIGNMENT_MAX_BYTES ((size_t)4096)

/* Handle types that a guest can have for memory: both are names for a resource of our device. */
#define GUEST_MEMORY_HANDLES                                                                       \
    ((VkExternalMemoryHandleTypeFlags)(VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT                \
                                       | VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT))

/* ---- properties ---- */

void pv_vkhost_query_properties_edit(const struct pv_vkhost_view *view,
                                     VkPhysicalDeviceProperties *properties)
{
    properties->apiVersion = view->api_version;
    properties->deviceType = view->device_type;
    memcpy(properties->deviceName, view->device_name, sizeof(properties->deviceName));
    if (properties->limits.minMemoryMapAlignment > MAP_ALIGNMENT_MAX_BYTES) {
        properties->limits.minMemoryMapAlignment = MAP_ALIGNMENT_MAX_BYTES;
    }
}

/* No allocation can be larger than the largest heap that is shown. */
static VkDeviceSize allocation_size_cap(const struct pv_vkhost_view *view, VkDeviceSize size)
{
    const VkPhysicalDeviceMemoryProperties *memory = &view->memory.properties;
    VkDeviceSize largest = 0;

    for (uint32_t i = 0; i < memory->memoryHeapCount; i++) {
        if (memory->memoryHeaps[i].size > largest) {
            largest = memory->memoryHeaps[i].size;
        }
    }
    return size < largest ? size : largest;
}

void pv_vkhost_query_properties2_edit(const struct pv_vkhost_view *view,
                                      VkPhysicalDeviceProperties2 *properties)
{
    pv_vkhost_query_properties_edit(view, &properties->properties);
    for (struct pv_vkhost_chain_node *node = properties->pNext; node != NULL; node = node->next) {
        switch (node->type) {
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES: {
            VkPhysicalDeviceIDProperties *id = (void *)node;

            id->deviceLUIDValid = VK_FALSE;
            memset(id->deviceLUID, 0, sizeof(id->deviceLUID));
            id->deviceNodeMask = 0;
            break;
        }
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES: {
            VkPhysicalDeviceVulkan11Properties *core = (void *)node;

            core->deviceLUIDValid = VK_FALSE;
            memset(core->deviceLUID, 0, sizeof(core->deviceLUID));
            core->deviceNodeMask = 0;
            core->protectedNoFault = VK_FALSE;
            core->maxMemoryAllocationSize =
                allocation_size_cap(view, core->maxMemoryAllocationSize);
            break;
        }
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES: {
            VkPhysicalDeviceMaintenance3Properties *maintenance = (void *)node;

            maintenance->maxMemoryAllocationSize =
                allocation_size_cap(view, maintenance->maxMemoryAllocationSize);
            break;
        }
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROTECTED_MEMORY_PROPERTIES:
            ((VkPhysicalDeviceProtectedMemoryProperties *)(void *)node)->protectedNoFault =
                VK_FALSE;
            break;
        default:
            break;
        }
    }
}

/* ---- features ---- */

void pv_vkhost_query_features_edit(const struct pv_vkhost_view *view,
                                   VkPhysicalDeviceFeatures *features)
{
    (void)view;
    features->sparseBinding = VK_FALSE;
    features->sparseResidencyBuffer = VK_FALSE;
    features->sparseResidencyImage2D = VK_FALSE;
    features->sparseResidencyImage3D = VK_FALSE;
    features->sparseResidency2Samples = VK_FALSE;
    features->sparseResidency4Samples = VK_FALSE;
    features->sparseResidency8Samples = VK_FALSE;
    features->sparseResidency16Samples = VK_FALSE;
    features->sparseResidencyAliased = VK_FALSE;
}

void pv_vkhost_query_features_chain_edit(const struct pv_vkhost_view *view, void *base)
{
    (void)view;
    for (struct pv_vkhost_chain_node *node = ((struct pv_vkhost_chain_node *)base)->next;
         node != NULL; node = node->next) {
        switch (node->type) {
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROTECTED_MEMORY_FEATURES:
            ((VkPhysicalDeviceProtectedMemoryFeatures *)(void *)node)->protectedMemory = VK_FALSE;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES:
            ((VkPhysicalDeviceVulkan11Features *)(void *)node)->protectedMemory = VK_FALSE;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_HOST_IMAGE_COPY_FEATURES:
            ((VkPhysicalDeviceHostImageCopyFeatures *)(void *)node)->hostImageCopy = VK_FALSE;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_4_FEATURES:
            ((VkPhysicalDeviceVulkan14Features *)(void *)node)->hostImageCopy = VK_FALSE;
            break;
        case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAP_MEMORY_PLACED_FEATURES_EXT: {
            VkPhysicalDeviceMapMemoryPlacedFeaturesEXT *placed = (void *)node;

            placed->memoryMapPlaced = VK_FALSE;
            placed->memoryMapRangePlaced = VK_FALSE;
            placed->memoryUnmapReserve = VK_FALSE;
            break;
        }
        default:
            break;
        }
    }
}

/* ---- memory, queue families, extensions ---- */

void pv_vkhost_query_memory_properties_get(const struct pv_vkhost_view *view,
                                           VkPhysicalDeviceMemoryProperties *ret_properties)
{
    *ret_properties = view->memory.properties;
}

void pv_vkhost_query_queue_family_edit(const struct pv_vkhost_view *view, uint32_t index,
                                       VkQueueFamilyProperties *properties)
{
    (void)view;
    (void)index;
    properties->queueFlags &= PV_VKHOST_ITEMS_QUEUE_FLAGS;
}

VkResult pv_vkhost_query_extensions_get(const struct pv_vkhost_view *view, uint32_t *count,
                                        VkExtensionProperties *properties)
{
    if (properties == NULL) {
        *count = view->extension_count;
        return VK_SUCCESS;
    }
    if (*count > view->extension_count) {
        *count = view->extension_count;
    }
    memcpy(properties, view->extensions, *count * sizeof(*properties));
    return *count < view->extension_count ? VK_INCOMPLETE : VK_SUCCESS;
}

/* ---- external handles ---- */

static void external_memory_answer(VkExternalMemoryHandleTypeFlags handle_type,
                                   VkExternalMemoryProperties *ret_properties)
{
    memset(ret_properties, 0, sizeof(*ret_properties));
    if (handle_type != 0 && (handle_type & ~GUEST_MEMORY_HANDLES) == 0) {
        ret_properties->externalMemoryFeatures =
            VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
        ret_properties->exportFromImportedHandleTypes = GUEST_MEMORY_HANDLES;
        ret_properties->compatibleHandleTypes = GUEST_MEMORY_HANDLES;
    }
}

void pv_vkhost_query_external_buffer_get(const struct pv_vkhost_view *view,
                                         const VkPhysicalDeviceExternalBufferInfo *info,
                                         VkExternalBufferProperties *ret_properties)
{
    const bool is_sparse = (info->flags & VK_BUFFER_CREATE_SPARSE_BINDING_BIT) != 0;

    (void)view;
    external_memory_answer(is_sparse ? 0 : (VkExternalMemoryHandleTypeFlags)info->handleType,
                           &ret_properties->externalMemoryProperties);
}

void pv_vkhost_query_external_semaphore_get(const struct pv_vkhost_view *view,
                                            const VkPhysicalDeviceExternalSemaphoreInfo *info,
                                            VkExternalSemaphoreProperties *ret_properties)
{
    const VkSemaphoreTypeCreateInfo *type =
        pv_vkhost_chain_find(info, VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
    const bool is_binary = type == NULL || type->semaphoreType == VK_SEMAPHORE_TYPE_BINARY;

    (void)view;
    ret_properties->exportFromImportedHandleTypes = 0;
    ret_properties->compatibleHandleTypes = 0;
    ret_properties->externalSemaphoreFeatures = 0;
    if (is_binary && info->handleType == VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT) {
        ret_properties->exportFromImportedHandleTypes =
            VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT;
        ret_properties->compatibleHandleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT;
        ret_properties->externalSemaphoreFeatures = VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT
                                                    | VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT;
    }
}

void pv_vkhost_query_external_fence_get(const struct pv_vkhost_view *view,
                                        const VkPhysicalDeviceExternalFenceInfo *info,
                                        VkExternalFenceProperties *ret_properties)
{
    (void)view;
    ret_properties->exportFromImportedHandleTypes = 0;
    ret_properties->compatibleHandleTypes = 0;
    ret_properties->externalFenceFeatures = 0;
    if (info->handleType == VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT) {
        ret_properties->exportFromImportedHandleTypes = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT;
        ret_properties->compatibleHandleTypes = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT;
        ret_properties->externalFenceFeatures =
            VK_EXTERNAL_FENCE_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_FENCE_FEATURE_IMPORTABLE_BIT;
    }
}

/* ---- formats ---- */

void pv_vkhost_query_format_get(const struct pv_vkhost_view *view, VkPhysicalDevice physical_device,
                                PFN_vkGetPhysicalDeviceFormatProperties2 host, VkFormat format,
                                VkFormatProperties2 *properties)
{
    VkDrmFormatModifierPropertiesListEXT *list =
        pv_vkhost_chain_find(properties, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT);
    VkDrmFormatModifierPropertiesList2EXT *list2 = pv_vkhost_chain_find(
        properties, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_2_EXT);
    /* The driver may know these structs and would count its own modifiers: it is shown no room. */
    VkDrmFormatModifierPropertiesEXT *array =
        list != NULL ? list->pDrmFormatModifierProperties : NULL;
    VkDrmFormatModifierProperties2EXT *array2 =
        list2 != NULL ? list2->pDrmFormatModifierProperties : NULL;
    const uint32_t capacity = list != NULL ? list->drmFormatModifierCount : 0;
    const uint32_t capacity2 = list2 != NULL ? list2->drmFormatModifierCount : 0;
    VkFormatProperties3 own = {.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_3};
    VkFormatProperties3 *wide =
        pv_vkhost_chain_find(properties, VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_3);
    struct pv_vkhost_chain_node *last = NULL;
    VkFormatFeatureFlags2 features;
    uint32_t count;

    if (list != NULL) {
        list->pDrmFormatModifierProperties = NULL;
    }
    if (list2 != NULL) {
        list2->pDrmFormatModifierProperties = NULL;
    }
    if (view->facts->has_features2 && wide == NULL) {
        last = pv_vkhost_chain_last(properties);
        last->next = (void *)&own;
        wide = &own;
    }
    host(physical_device, format, properties);
    if (last != NULL) {
        last->next = NULL;
    }

    features = view->facts->has_features2 && wide != NULL && wide->linearTilingFeatures != 0
                   ? wide->linearTilingFeatures
                   : properties->formatProperties.linearTilingFeatures;
    count = features != 0 && !pv_vkhost_format_is_multi_planar(format) ? 1 : 0;
    if (list != NULL) {
        list->pDrmFormatModifierProperties = array;
        list->drmFormatModifierCount = array != NULL && capacity < count ? capacity : count;
        if (array != NULL && list->drmFormatModifierCount == 1) {
            array[0] = (VkDrmFormatModifierPropertiesEXT){
                .drmFormatModifier = MODIFIER_LINEAR,
                .drmFormatModifierPlaneCount = 1,
                .drmFormatModifierTilingFeatures =
                    properties->formatProperties.linearTilingFeatures,
            };
        }
    }
    if (list2 != NULL) {
        list2->pDrmFormatModifierProperties = array2;
        list2->drmFormatModifierCount = array2 != NULL && capacity2 < count ? capacity2 : count;
        if (array2 != NULL && list2->drmFormatModifierCount == 1) {
            array2[0] = (VkDrmFormatModifierProperties2EXT){
                .drmFormatModifier = MODIFIER_LINEAR,
                .drmFormatModifierPlaneCount = 1,
                .drmFormatModifierTilingFeatures = features,
            };
        }
    }
}

VkResult pv_vkhost_query_image_format_get(const struct pv_vkhost_view *view,
                                          VkPhysicalDevice physical_device,
                                          PFN_vkGetPhysicalDeviceImageFormatProperties2 host,
                                          VkPhysicalDeviceImageFormatInfo2 *info,
                                          VkImageFormatProperties2 *properties)
{
    const VkPhysicalDeviceExternalImageFormatInfo *external =
        pv_vkhost_chain_remove(info, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO);
    const VkPhysicalDeviceImageDrmFormatModifierInfoEXT *modifier = pv_vkhost_chain_remove(
        info, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT);
    const VkExternalMemoryHandleTypeFlags handle_type =
        external != NULL ? (VkExternalMemoryHandleTypeFlags)external->handleType : 0;
    VkExternalImageFormatProperties *ret_external =
        pv_vkhost_chain_find(properties, VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES);
    VkResult result;

    (void)view;
    if ((handle_type & ~GUEST_MEMORY_HANDLES) != 0) {
        return VK_ERROR_FORMAT_NOT_SUPPORTED;
    }
    if (info->tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT) {
        if (modifier == NULL || modifier->drmFormatModifier != MODIFIER_LINEAR
            || pv_vkhost_format_is_multi_planar(info->format)) {
            return VK_ERROR_FORMAT_NOT_SUPPORTED;
        }
        info->tiling = VK_IMAGE_TILING_LINEAR;
    }
    /* Our pages hold LINEAR images only. */
    if (handle_type != 0 && info->tiling != VK_IMAGE_TILING_LINEAR) {
        return VK_ERROR_FORMAT_NOT_SUPPORTED;
    }
    result = host(physical_device, info, properties);
    if (ret_external != NULL) {
        external_memory_answer(result == VK_SUCCESS ? handle_type : 0,
                               &ret_external->externalMemoryProperties);
    }
    return result;
}
