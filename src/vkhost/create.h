/* SPDX-License-Identifier: MIT */
/*
 * Create infos on their way from the guest to the driver: whatever we synthesise is taken out or
 * replaced by plain Vulkan. Infos are decoded copies in the arena and are edited in place (guest
 * pointers never get here); nodes that are put in live in the caller's rewrite struct, which must
 * outlive the host call.
 *
 * Threads: any; the view is read-only.
 */
#ifndef PV_VKHOST_CREATE_H
#define PV_VKHOST_CREATE_H

#include <stdbool.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>

#include "base/compiler.h"
#include "vkhost/view.h"

/* ---- vkCreateDevice ---- */

/* Extensions that the host device is created with: the guest's and a few of ours. */
#define PV_VKHOST_CREATE_DEVICE_EXTENSIONS_MAX (PV_VKHOST_EXTENSIONS_MAX + 8)

struct pv_vkhost_create_device {
    const char *extensions[PV_VKHOST_CREATE_DEVICE_EXTENSIONS_MAX];
};

/*
 * Names of synthesised and hidden extensions go out, ours come in; features that the guest is not
 * shown are cleared. Returns VK_SUCCESS, VK_ERROR_EXTENSION_NOT_PRESENT for a name that the guest
 * is not shown, VK_ERROR_INITIALIZATION_FAILED for a queue family that it is not shown.
 */
PV_NODISCARD VkResult pv_vkhost_create_device_rewrite(const struct pv_vkhost_view *view,
                                                      VkDeviceCreateInfo *info,
                                                      struct pv_vkhost_create_device *rewrite);

/* ---- vkCreateBuffer, vkGetDeviceBufferMemoryRequirements ---- */

struct pv_vkhost_create_buffer {
    enum pv_vkhost_resource_kind kind; /* keep with the buffer: requirements are edited with it */
    VkExternalMemoryBufferCreateInfo external; /* chained in where the driver takes it */
};

/*
 * Rewrite a decoded create info for the driver, in place: external structs out, ours in.
 *
 * info     borrowed; its chain may point into *rewrite, which lives until the driver was called
 * rewrite  its kind is always set
 */
void pv_vkhost_create_buffer_rewrite(const struct pv_vkhost_view *view, VkBufferCreateInfo *info,
                                     struct pv_vkhost_create_buffer *rewrite);

/* ---- vkCreateImage, vkGetDeviceImage(Sparse)MemoryRequirements ---- */

struct pv_vkhost_create_image {
    enum pv_vkhost_resource_kind kind; /* keep with the image */
    bool has_modifier; /* keep: the guest made it with DRM_FORMAT_MODIFIER tiling; aspects of
                          subresource queries need pv_vkhost_create_aspect_translate */
    bool has_layout;   /* the guest demands `layout`: check it once the host image exists */
    VkSubresourceLayout layout;
    VkExternalMemoryImageCreateInfo external;
};

/*
 * Returns VK_SUCCESS, or what the guest is to be told: VK_ERROR_FORMAT_NOT_SUPPORTED for a modifier
 * list without LINEAR, VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT for plane layouts that
 * cannot be.
 */
PV_NODISCARD VkResult pv_vkhost_create_image_rewrite(const struct pv_vkhost_view *view,
                                                     VkImageCreateInfo *info,
                                                     struct pv_vkhost_create_image *rewrite);

/*
 * Compare the demanded layout with the host image's (vkGetImageSubresourceLayout of COLOR, mip 0,
 * layer 0). Returns VK_SUCCESS or VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT: the host
 * image is then to be destroyed. Only when has_layout.
 */
PV_NODISCARD VkResult pv_vkhost_create_image_layout_check(
    const struct pv_vkhost_create_image *rewrite, const VkSubresourceLayout *host);

/* MEMORY_PLANE_0 of a modifier image is COLOR of the host's LINEAR one. */
static inline VkImageAspectFlags pv_vkhost_create_aspect_translate(bool has_modifier,
                                                                   VkImageAspectFlags aspects)
{
    return has_modifier && aspects == VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT
               ? (VkImageAspectFlags)VK_IMAGE_ASPECT_COLOR_BIT
               : aspects;
}

/* ---- vkAllocateMemory ---- */

struct pv_vkhost_create_memory {
    struct pv_vkhost_memory_backing backing;      /* NONE: answer VK_ERROR_OUT_OF_DEVICE_MEMORY */
    bool is_external;                             /* exported, or imported from a resource */
    VkExternalMemoryHandleTypeFlags export_types; /* of the guest's VkExportMemoryAllocateInfo */
};

/*
 * Choose the backing, set info->memoryTypeIndex to the host's, and take out of the chain what does
 * not belong there: export and resource-import structs always, dedicated and capture-replay ones
 * when pages of ours are imported. The caller chains VkImportMemoryHostPointerInfoEXT itself.
 *
 * is_import   the guest imports a resource (VkImportMemoryResourceInfoMESA was found)
 */
void pv_vkhost_create_memory_rewrite(const struct pv_vkhost_view *view, VkMemoryAllocateInfo *info,
                                     bool is_import, struct pv_vkhost_create_memory *rewrite);

/* ---- vkCreateSemaphore, vkCreateFence ---- */

/* Takes the export struct out. Returns whether the guest may export a sync file from it. */
bool pv_vkhost_create_semaphore_rewrite(VkSemaphoreCreateInfo *info);

/* The same for fences. */
bool pv_vkhost_create_fence_rewrite(VkFenceCreateInfo *info);

#endif
