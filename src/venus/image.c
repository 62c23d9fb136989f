/* SPDX-License-Identifier: MIT */
/*
 * Images: creation with modifiers turned into LINEAR tiling, requirements and layouts in the
 * guest's terms, and checked binds.
 */
#include <stdlib.h>

#include "venus/buffer.h"
#include "venus/handlers.h"
#include "venus/memory.h"
#include "vkhost/chain.h"

/* DRM_FORMAT_MOD_LINEAR of the kernel's drm_fourcc.h. */
#define MODIFIER_LINEAR UINT64_C(0)

static struct pv_venus_image *image_of(VkImage decoded)
{
    return (struct pv_venus_image *)PV_VENUS_OBJECT(decoded);
}

/* The guest demanded a plane layout: the driver's has to be the same, or the image goes. */
static VkResult check_layout(struct pv_venus_device *device, VkImage handle,
                             const struct pv_vkhost_create_image *rewrite)
{
    const VkImageSubresource subresource = {.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT};
    VkSubresourceLayout layout;
    VkResult result;

    device->table.GetImageSubresourceLayout(pv_venus_device_handle(device), handle, &subresource,
                                            &layout);
    result = pv_vkhost_create_image_layout_check(rewrite, &layout);
    if (result != VK_SUCCESS) {
        device->table.DestroyImage(pv_venus_device_handle(device), handle, NULL);
    }
    return result;
}

void pv_venus_vkCreateImage(struct pv_wire_decoder *wire, struct pv_wire_vkCreateImage *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    VkImageCreateInfo *info = (VkImageCreateInfo *)(uintptr_t)args->pCreateInfo;
    struct pv_vkhost_create_image rewrite;
    struct pv_venus_image *image;
    VkImage handle = VK_NULL_HANDLE;

    pv_wire_unwrap_vkCreateImage(args);
    args->ret = pv_vkhost_create_image_rewrite(&device->physical_device->view, info, &rewrite);
    if (args->ret == VK_SUCCESS) {
        args->ret = device->table.CreateImage(args->device, info, NULL, &handle);
    }
    if (args->ret == VK_SUCCESS && rewrite.has_layout) {
        args->ret = check_layout(device, handle, &rewrite);
    }
    if (args->ret != VK_SUCCESS) {
        handle = VK_NULL_HANDLE;
        if (pv_wire_reply_is_wanted(wire)) {
            return;
        }
    }
    image = pv_venus_object_alloc(decoder, sizeof(*image), *args->pImage, VK_OBJECT_TYPE_IMAGE,
                                  (uint64_t)(uintptr_t)handle, args->ret != VK_SUCCESS,
                                  &device->object);
    if (image != NULL) {
        image->kind = rewrite.kind;
        image->has_modifier = rewrite.has_modifier;
        image->is_disjoint = (info->flags & VK_IMAGE_CREATE_DISJOINT_BIT) != 0;
    }
    if (image == NULL || !pv_venus_object_publish(decoder, &image->object)) {
        device->table.DestroyImage(args->device, handle, NULL);
        free(image);
    }
}

void pv_venus_vkDestroyImage(struct pv_wire_decoder *wire, struct pv_wire_vkDestroyImage *args)
{
    struct pv_venus_object *object = PV_VENUS_OBJECT(args->image);
    struct pv_venus_device *device = pv_venus_device_of(args->device);

    if (object == NULL || !pv_venus_object_remove(pv_venus_decoder_of(wire), object)) {
        return;
    }
    device->table.DestroyImage(pv_venus_device_handle(device),
                               (VkImage)(uintptr_t)object->base.handle, NULL);
    pv_venus_object_free(object);
}

/* ---- memory requirements ---- */

void pv_venus_vkGetImageMemoryRequirements(struct pv_wire_decoder *wire,
                                           struct pv_wire_vkGetImageMemoryRequirements *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    const struct pv_venus_image *image = image_of(args->image);

    if (wire->poisoned || image == NULL) {
        return;
    }
    pv_wire_unwrap_vkGetImageMemoryRequirements(args);
    device->table.GetImageMemoryRequirements(args->device, args->image, args->pMemoryRequirements);
    pv_vkhost_memory_requirements_edit(&device->physical_device->view.memory, image->kind,
                                       args->pMemoryRequirements);
}

/* MEMORY_PLANE_0 of a modifier image names the whole of the host's LINEAR one. */
static void drop_memory_plane(void *base, const struct pv_venus_image *image)
{
    if (image->has_modifier) {
        (void)pv_vkhost_chain_remove(base, VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO);
    }
}

void pv_venus_vkGetImageMemoryRequirements2(struct pv_wire_decoder *wire,
                                            struct pv_wire_vkGetImageMemoryRequirements2 *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    const struct pv_venus_image *image = image_of(args->pInfo->image);

    if (wire->poisoned || image == NULL) {
        return;
    }
    pv_wire_unwrap_vkGetImageMemoryRequirements2(args);
    drop_memory_plane((void *)(uintptr_t)args->pInfo, image);
    device->table.GetImageMemoryRequirements2(args->device, args->pInfo, args->pMemoryRequirements);
    pv_vkhost_memory_requirements2_edit(&device->physical_device->view.memory, image->kind,
                                        args->pMemoryRequirements);
}

void pv_venus_vkGetDeviceImageMemoryRequirements(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetDeviceImageMemoryRequirements *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    const struct pv_vkhost_view *view = &device->physical_device->view;
    VkDeviceImageMemoryRequirements *info =
        (VkDeviceImageMemoryRequirements *)(uintptr_t)args->pInfo;
    struct pv_vkhost_create_image rewrite;

    if (device->table.GetDeviceImageMemoryRequirements == NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_DRIVER);
        return;
    }
    pv_wire_unwrap_vkGetDeviceImageMemoryRequirements(args);
    if (pv_vkhost_create_image_rewrite(view, (VkImageCreateInfo *)(uintptr_t)info->pCreateInfo,
                                       &rewrite)
        != VK_SUCCESS) {
        return;
    }
    if (rewrite.has_modifier) {
        info->planeAspect = VK_IMAGE_ASPECT_NONE;
    }
    device->table.GetDeviceImageMemoryRequirements(args->device, info, args->pMemoryRequirements);
    pv_vkhost_memory_requirements2_edit(&view->memory, rewrite.kind, args->pMemoryRequirements);
}

/* ---- binds ---- */

static bool bind_is_valid(struct pv_venus_device *device, const struct pv_venus_image *image,
                          const VkBindImagePlaneMemoryInfo *plane,
                          const struct pv_venus_memory *memory, uint64_t offset_bytes)
{
    VkImagePlaneMemoryRequirementsInfo plane_info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO,
    };
    VkImageMemoryRequirementsInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2,
    };
    VkMemoryRequirements2 host = {.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};

    if (image == NULL || memory == NULL) {
        return false;
    }
    info.image = (VkImage)(uintptr_t)image->object.base.handle;
    if (image->is_disjoint && !image->has_modifier) {
        plane_info.planeAspect = plane != NULL ? plane->planeAspect : VK_IMAGE_ASPECT_PLANE_0_BIT;
        info.pNext = &plane_info;
    }
    device->table.GetImageMemoryRequirements2(pv_venus_device_handle(device), &info, &host);
    return pv_vkhost_memory_bind_is_valid(
        &host.memoryRequirements, memory->host_index,
        memory->pages != NULL ? memory->pages->size_bytes : memory->size_bytes, offset_bytes, 0);
}

void pv_venus_vkBindImageMemory(struct pv_wire_decoder *wire,
                                struct pv_wire_vkBindImageMemory *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);

    if (wire->poisoned
        || !bind_is_valid(device, image_of(args->image), NULL,
                          (const struct pv_venus_memory *)PV_VENUS_OBJECT(args->memory),
                          args->memoryOffset)) {
        args->ret = wire->poisoned ? VK_ERROR_DEVICE_LOST : VK_ERROR_OUT_OF_DEVICE_MEMORY;
        return;
    }
    pv_wire_unwrap_vkBindImageMemory(args);
    args->ret =
        device->table.BindImageMemory(args->device, args->image, args->memory, args->memoryOffset);
}

void pv_venus_vkBindImageMemory2(struct pv_wire_decoder *wire,
                                 struct pv_wire_vkBindImageMemory2 *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);

    args->ret = VK_ERROR_DEVICE_LOST;
    if (wire->poisoned) {
        return;
    }
    for (uint32_t i = 0; i < args->bindInfoCount; i++) {
        const VkBindImageMemoryInfo *bind = &args->pBindInfos[i];
        const struct pv_venus_image *image = image_of(bind->image);

        if (!bind_is_valid(
                device, image,
                pv_vkhost_chain_find(bind, VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO),
                (const struct pv_venus_memory *)PV_VENUS_OBJECT(bind->memory),
                bind->memoryOffset)) {
            args->ret = VK_ERROR_OUT_OF_DEVICE_MEMORY;
            return;
        }
        if (image->has_modifier) {
            (void)pv_vkhost_chain_remove((void *)(uintptr_t)bind,
                                         VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO);
        }
    }
    pv_wire_unwrap_vkBindImageMemory2(args);
    args->ret = device->table.BindImageMemory2(args->device, args->bindInfoCount, args->pBindInfos);
}

/* ---- layouts ---- */

void pv_venus_vkGetImageSubresourceLayout(struct pv_wire_decoder *wire,
                                          struct pv_wire_vkGetImageSubresourceLayout *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    const struct pv_venus_image *image = image_of(args->image);
    VkImageSubresource subresource = *args->pSubresource;

    if (wire->poisoned || image == NULL) {
        return;
    }
    subresource.aspectMask =
        pv_vkhost_create_aspect_translate(image->has_modifier, subresource.aspectMask);
    pv_wire_unwrap_vkGetImageSubresourceLayout(args);
    device->table.GetImageSubresourceLayout(args->device, args->image, &subresource, args->pLayout);
}

void pv_venus_vkGetImageSubresourceLayout2(struct pv_wire_decoder *wire,
                                           struct pv_wire_vkGetImageSubresourceLayout2 *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    const struct pv_venus_image *image = image_of(args->image);
    VkImageSubresource2 *subresource = (VkImageSubresource2 *)(uintptr_t)args->pSubresource;

    if (wire->poisoned || image == NULL) {
        return;
    }
    if (device->table.GetImageSubresourceLayout2 == NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_DRIVER);
        return;
    }
    subresource->imageSubresource.aspectMask = pv_vkhost_create_aspect_translate(
        image->has_modifier, subresource->imageSubresource.aspectMask);
    pv_wire_unwrap_vkGetImageSubresourceLayout2(args);
    device->table.GetImageSubresourceLayout2(args->device, args->image, subresource, args->pLayout);
}

void pv_venus_vkGetDeviceImageSubresourceLayout(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetDeviceImageSubresourceLayout *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    const VkDeviceImageSubresourceInfo *info = args->pInfo;
    VkImageSubresource2 *subresource = (VkImageSubresource2 *)(uintptr_t)info->pSubresource;
    struct pv_vkhost_create_image rewrite;

    if (device->table.GetDeviceImageSubresourceLayout == NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_DRIVER);
        return;
    }
    pv_wire_unwrap_vkGetDeviceImageSubresourceLayout(args);
    if (pv_vkhost_create_image_rewrite(&device->physical_device->view,
                                       (VkImageCreateInfo *)(uintptr_t)info->pCreateInfo, &rewrite)
        != VK_SUCCESS) {
        return;
    }
    subresource->imageSubresource.aspectMask = pv_vkhost_create_aspect_translate(
        rewrite.has_modifier, subresource->imageSubresource.aspectMask);
    device->table.GetDeviceImageSubresourceLayout(args->device, info, args->pLayout);
}

void pv_venus_vkGetImageDrmFormatModifierPropertiesEXT(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetImageDrmFormatModifierPropertiesEXT *args)
{
    const struct pv_venus_image *image = image_of(args->image);

    (void)wire;
    args->ret = image != NULL && image->has_modifier ? VK_SUCCESS : VK_ERROR_UNKNOWN;
    args->pProperties->drmFormatModifier = MODIFIER_LINEAR;
}
