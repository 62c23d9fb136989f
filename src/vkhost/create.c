/* SPDX-License-Identifier: MIT */
/*
 * Rewriting create infos. The order is always the same: take the guest's external and modifier
 * structs out, decide what kind of resource it is, then chain what the driver wants to see.
 */
#include "vkhost/create.h"

#include <string.h>

#include "vkhost/chain.h"
#include "vkhost/format.h"
#include "vkhost/items.h"
#include "vkhost/query.h"

/* Of VK_MESA_venus_protocol: VkImportMemoryResourceInfoMESA. */
#define STYPE_IMPORT_MEMORY_RESOURCE_INFO ((VkStructureType)1000384002)
/* DRM_FORMAT_MOD_LINEAR of the kernel's drm_fourcc.h. */
#define MODIFIER_LINEAR UINT64_C(0)

/* ---- vkCreateDevice ---- */

static bool queues_are_shown(const struct pv_vkhost_view *view, const VkDeviceCreateInfo *info)
{
    uint32_t used[PV_VKHOST_QUEUE_FAMILIES_MAX] = {0};

    for (uint32_t i = 0; i < info->queueCreateInfoCount; i++) {
        const VkDeviceQueueCreateInfo *queue = &info->pQueueCreateInfos[i];
        const uint32_t family = queue->queueFamilyIndex;

        if (family >= view->queue_family_count || queue->flags != 0
            || queue->queueCount > view->facts->queue_families[family].queueCount - used[family]) {
            return false;
        }
        used[family] += queue->queueCount;
    }
    return true;
}

VkResult pv_vkhost_create_device_rewrite(const struct pv_vkhost_view *view,
                                         VkDeviceCreateInfo *info,
                                         struct pv_vkhost_create_device *rewrite)
{
    uint32_t item_count;
    const struct pv_vkhost_item *items = pv_vkhost_items_get(&item_count);
    uint32_t count = 0;

    if (!queues_are_shown(view, info)) {
        return VK_ERROR_INITIALIZATION_FAILED;
    }
    if (info->enabledExtensionCount > PV_VKHOST_EXTENSIONS_MAX) {
        return VK_ERROR_EXTENSION_NOT_PRESENT;
    }
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++) {
        const char *name = info->ppEnabledExtensionNames[i];

        if (!pv_vkhost_view_has_extension(view, name)) {
            return VK_ERROR_EXTENSION_NOT_PRESENT;
        }
        if (pv_vkhost_items_find(PV_VKHOST_ITEM_EXTENSION, name) == NULL) {
            rewrite->extensions[count++] = name;
        }
    }
    for (uint32_t i = 0; i < item_count; i++) {
        if (items[i].kind == PV_VKHOST_ITEM_HOST && pv_vkhost_item_is_on(&items[i], view->facts)
            && count < PV_VKHOST_CREATE_DEVICE_EXTENSIONS_MAX) {
            rewrite->extensions[count++] = items[i].name;
        }
    }
    info->enabledLayerCount = 0;
    info->ppEnabledLayerNames = NULL;
    info->enabledExtensionCount = count;
    info->ppEnabledExtensionNames = rewrite->extensions;
    pv_vkhost_query_features_chain_edit(view, info);
    return VK_SUCCESS;
}

/* ---- buffers ---- */

void pv_vkhost_create_buffer_rewrite(const struct pv_vkhost_view *view, VkBufferCreateInfo *info,
                                     struct pv_vkhost_create_buffer *rewrite)
{
    const VkExternalMemoryBufferCreateInfo *external =
        pv_vkhost_chain_remove(info, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO);

    info->flags &= ~(VkBufferCreateFlags)VK_BUFFER_CREATE_PROTECTED_BIT;
    if ((info->flags & VK_BUFFER_CREATE_SPARSE_BINDING_BIT) != 0) {
        rewrite->kind = PV_VKHOST_RESOURCE_SPARSE;
        return;
    }
    rewrite->kind = external != NULL && external->handleTypes != 0 ? PV_VKHOST_RESOURCE_EXTERNAL
                                                                   : PV_VKHOST_RESOURCE_LINEAR;
    if (view->facts->buffers_take_host_handle) {
        rewrite->external = (VkExternalMemoryBufferCreateInfo){
            .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
            .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
        };
        pv_vkhost_chain_prepend(info, &rewrite->external);
    }
}

/* ---- images ---- */

static bool modifiers_have_linear(const VkImageDrmFormatModifierListCreateInfoEXT *list)
{
    for (uint32_t i = 0; i < list->drmFormatModifierCount; i++) {
        if (list->pDrmFormatModifiers[i] == MODIFIER_LINEAR) {
            return true;
        }
    }
    return false;
}

/* Modifier tiling becomes LINEAR; demanded plane layouts are kept for the check afterwards. */
static VkResult modifier_rewrite(VkImageCreateInfo *info, struct pv_vkhost_create_image *rewrite,
                                 const VkImageDrmFormatModifierListCreateInfoEXT *list,
                                 const VkImageDrmFormatModifierExplicitCreateInfoEXT *layouts)
{
    rewrite->has_modifier = true;
    if (pv_vkhost_format_is_multi_planar(info->format)) {
        return VK_ERROR_FORMAT_NOT_SUPPORTED;
    }
    if (layouts != NULL) {
        if (layouts->drmFormatModifier != MODIFIER_LINEAR) {
            return VK_ERROR_FORMAT_NOT_SUPPORTED;
        }
        /* The driver's LINEAR image starts where its memory does. */
        if (layouts->drmFormatModifierPlaneCount != 1 || layouts->pPlaneLayouts == NULL
            || layouts->pPlaneLayouts[0].offset != 0) {
            return VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT;
        }
        rewrite->has_layout = true;
        rewrite->layout = layouts->pPlaneLayouts[0];
        if (info->arrayLayers <= 1) {
            rewrite->layout.arrayPitch = 0;
        }
        if (info->extent.depth <= 1) {
            rewrite->layout.depthPitch = 0;
        }
    } else if (list == NULL || !modifiers_have_linear(list)) {
        return VK_ERROR_FORMAT_NOT_SUPPORTED;
    }
    info->tiling = VK_IMAGE_TILING_LINEAR;
    return VK_SUCCESS;
}

/* Whether an OPTIMAL image of that shape can be LINEAR on about any driver. */
static bool shape_can_be_linear(const VkImageCreateInfo *info)
{
    const VkImageCreateFlags harmless = VK_IMAGE_CREATE_MUTABLE_FORMAT_BIT
                                        | VK_IMAGE_CREATE_EXTENDED_USAGE_BIT
                                        | VK_IMAGE_CREATE_ALIAS_BIT;

    return info->imageType == VK_IMAGE_TYPE_2D && info->mipLevels == 1 && info->arrayLayers == 1
           && info->samples == VK_SAMPLE_COUNT_1_BIT && (info->flags & ~harmless) == 0
           && (info->usage & VK_IMAGE_USAGE_TRANSIENT_ATTACHMENT_BIT) == 0
           && !pv_vkhost_format_is_depth_stencil(info->format)
           && !pv_vkhost_format_is_multi_planar(info->format);
}

/* What memory an image may have, once its modifiers are gone. */
static enum pv_vkhost_resource_kind image_kind_choose(VkImageCreateInfo *info, bool is_external)
{
    if ((info->flags & VK_IMAGE_CREATE_SPARSE_BINDING_BIT) != 0) {
        return PV_VKHOST_RESOURCE_SPARSE;
    }
    if (is_external && info->tiling == VK_IMAGE_TILING_OPTIMAL && shape_can_be_linear(info)) {
        /* Shared without a modifier: our pages take no other tiling, nor does anyone else know
         * how to read it. */
        info->tiling = VK_IMAGE_TILING_LINEAR;
    }
    if (info->tiling == VK_IMAGE_TILING_OPTIMAL) {
        return PV_VKHOST_RESOURCE_OPTIMAL;
    }
    return is_external ? PV_VKHOST_RESOURCE_EXTERNAL : PV_VKHOST_RESOURCE_LINEAR;
}

VkResult pv_vkhost_create_image_rewrite(const struct pv_vkhost_view *view, VkImageCreateInfo *info,
                                        struct pv_vkhost_create_image *rewrite)
{
    const VkExternalMemoryImageCreateInfo *external =
        pv_vkhost_chain_remove(info, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO);
    const VkImageDrmFormatModifierListCreateInfoEXT *list = pv_vkhost_chain_remove(
        info, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT);
    const VkImageDrmFormatModifierExplicitCreateInfoEXT *layouts = pv_vkhost_chain_remove(
        info, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT);
    VkResult result;

    memset(rewrite, 0, sizeof(*rewrite));
    info->flags &= ~(VkImageCreateFlags)VK_IMAGE_CREATE_PROTECTED_BIT;
    if (info->tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT) {
        result = modifier_rewrite(info, rewrite, list, layouts);
        if (result != VK_SUCCESS) {
            return result;
        }
    }
    rewrite->kind = image_kind_choose(info, external != NULL && external->handleTypes != 0);

    /* External images have to start UNDEFINED (VUID-VkImageCreateInfo-pNext-01443). */
    if (view->facts->images_take_host_handle && info->tiling == VK_IMAGE_TILING_LINEAR
        && rewrite->kind != PV_VKHOST_RESOURCE_SPARSE
        && info->initialLayout == VK_IMAGE_LAYOUT_UNDEFINED) {
        rewrite->external = (VkExternalMemoryImageCreateInfo){
            .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
            .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
        };
        pv_vkhost_chain_prepend(info, &rewrite->external);
    }
    return VK_SUCCESS;
}

VkResult pv_vkhost_create_image_layout_check(const struct pv_vkhost_create_image *rewrite,
                                             const VkSubresourceLayout *host)
{
    const VkSubresourceLayout *guest = &rewrite->layout;

    if (host->offset != guest->offset || host->rowPitch != guest->rowPitch
        || (guest->arrayPitch != 0 && host->arrayPitch != guest->arrayPitch)
        || (guest->depthPitch != 0 && host->depthPitch != guest->depthPitch)) {
        return VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT;
    }
    return VK_SUCCESS;
}

/* ---- memory ---- */

void pv_vkhost_create_memory_rewrite(const struct pv_vkhost_view *view, VkMemoryAllocateInfo *info,
                                     bool is_import, struct pv_vkhost_create_memory *rewrite)
{
    const VkExportMemoryAllocateInfo *export_info =
        pv_vkhost_chain_remove(info, VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
    VkMemoryAllocateFlagsInfo *flags_info;

    (void)pv_vkhost_chain_remove(info, STYPE_IMPORT_MEMORY_RESOURCE_INFO);
    (void)pv_vkhost_chain_remove(info, VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR);
    rewrite->export_types = export_info != NULL ? export_info->handleTypes : 0;
    rewrite->is_external = is_import || rewrite->export_types != 0;
    rewrite->backing =
        pv_vkhost_memory_backing_get(&view->memory, info->memoryTypeIndex, rewrite->is_external);
    if (rewrite->backing.kind == PV_VKHOST_MEMORY_NONE) {
        return;
    }
    info->memoryTypeIndex = rewrite->backing.host_index;
    if (rewrite->backing.kind == PV_VKHOST_MEMORY_IMPORT) {
        (void)pv_vkhost_chain_remove(info, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO);
        (void)pv_vkhost_chain_remove(info,
                                     VK_STRUCTURE_TYPE_MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO);
        flags_info = pv_vkhost_chain_find(info, VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO);
        if (flags_info != NULL) {
            flags_info->flags &=
                ~(VkMemoryAllocateFlags)VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_CAPTURE_REPLAY_BIT;
        }
    }
}

/* ---- sync ---- */

bool pv_vkhost_create_semaphore_rewrite(VkSemaphoreCreateInfo *info)
{
    const VkExportSemaphoreCreateInfo *export_info =
        pv_vkhost_chain_remove(info, VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO);

    return export_info != NULL && export_info->handleTypes != 0;
}

bool pv_vkhost_create_fence_rewrite(VkFenceCreateInfo *info)
{
    const VkExportFenceCreateInfo *export_info =
        pv_vkhost_chain_remove(info, VK_STRUCTURE_TYPE_EXPORT_FENCE_CREATE_INFO);

    return export_info != NULL && export_info->handleTypes != 0;
}
