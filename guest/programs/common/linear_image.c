/* SPDX-License-Identifier: MIT */
/* Shared LINEAR images: VK_EXT_image_drm_format_modifier over dma-buf memory. */
#include "common/linear_image.h"

#include <fcntl.h>
#include <string.h>

#include "common/memory.h"
#include "common/report.h"

/* DRM_FORMAT_MOD_LINEAR of the kernel's drm_fourcc.h, which is not needed for anything else. */
#define MODIFIER_LINEAR UINT64_C(0)
#define DMA_BUF         VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT

const char *const pv_prog_linear_image_extensions[PV_PROG_LINEAR_IMAGE_EXTENSION_COUNT] = {
    VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
    VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
    VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME,
    VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME,
};

/* Whether the format lists LINEAR with one plane. */
static bool lists_linear(const struct pv_prog_gpu *gpu, VkFormat format)
{
    VkDrmFormatModifierPropertiesEXT modifiers[64];
    VkDrmFormatModifierPropertiesListEXT list = {
        .sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT,
    };
    VkFormatProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2,
        .pNext = &list,
    };

    vkGetPhysicalDeviceFormatProperties2(gpu->physical, format, &properties);
    if (list.drmFormatModifierCount > 64) {
        list.drmFormatModifierCount = 64;
    }
    list.pDrmFormatModifierProperties = modifiers;
    vkGetPhysicalDeviceFormatProperties2(gpu->physical, format, &properties);
    for (uint32_t i = 0; i < list.drmFormatModifierCount; i++) {
        if (modifiers[i].drmFormatModifier == MODIFIER_LINEAR
            && modifiers[i].drmFormatModifierPlaneCount == 1) {
            return true;
        }
    }
    return false;
}

const char *pv_prog_linear_image_missing(const struct pv_prog_gpu *gpu, VkFormat format,
                                         VkImageUsageFlags usage)
{
    const VkExternalMemoryFeatureFlags both =
        VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
    const VkPhysicalDeviceExternalImageFormatInfo external = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
        .handleType = DMA_BUF,
    };
    const VkPhysicalDeviceImageDrmFormatModifierInfoEXT modifier = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
        .pNext = &external,
        .drmFormatModifier = MODIFIER_LINEAR,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    const VkPhysicalDeviceImageFormatInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
        .pNext = &modifier,
        .format = format,
        .type = VK_IMAGE_TYPE_2D,
        .tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
        .usage = usage,
    };
    VkExternalImageFormatProperties external_properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES,
    };
    VkImageFormatProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2,
        .pNext = &external_properties,
    };

    for (uint32_t i = 0; i < PV_PROG_LINEAR_IMAGE_EXTENSION_COUNT; i++) {
        if (!pv_prog_gpu_has_extension(gpu, pv_prog_linear_image_extensions[i])) {
            return pv_prog_linear_image_extensions[i];
        }
    }
    if (!lists_linear(gpu, format)) {
        return "modifier LINEAR for the format";
    }
    if (vkGetPhysicalDeviceImageFormatProperties2(gpu->physical, &info, &properties)
        != VK_SUCCESS) {
        return "LINEAR images of this usage";
    }
    if ((external_properties.externalMemoryProperties.externalMemoryFeatures & both) != both) {
        return "export and import of LINEAR images";
    }
    return NULL;
}

static void create_image(const struct pv_prog_gpu *gpu, const void *modifier_info,
                         VkImageUsageFlags usage, struct pv_prog_linear_image *image)
{
    const VkExternalMemoryImageCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
        .pNext = modifier_info,
        .handleTypes = DMA_BUF,
    };
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .pNext = &external,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = image->layout.format,
        .extent = {image->layout.extent_px.width, image->layout.extent_px.height, 1},
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
        .usage = usage,
        .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
    };

    PV_PROG_VK(vkCreateImage(gpu->device, &info, NULL, &image->image));
}

static void create_view(const struct pv_prog_gpu *gpu, VkImageUsageFlags usage,
                        struct pv_prog_linear_image *image)
{
    const VkImageViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = image->image,
        .viewType = VK_IMAGE_VIEW_TYPE_2D,
        .format = image->layout.format,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };

    if ((usage & VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT) != 0) {
        PV_PROG_VK(vkCreateImageView(gpu->device, &info, NULL, &image->view));
    }
}

/* A device-local type if the bits hold one, as window systems choose; else any. */
static VkMemoryPropertyFlags preferred_flags(const struct pv_prog_gpu *gpu, uint32_t type_bits)
{
    for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++) {
        if ((type_bits & (1u << i)) != 0
            && (gpu->memory.memoryTypes[i].propertyFlags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT)
                   != 0) {
            return VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
        }
    }
    return 0;
}

/* The modifier that the driver chose, and where the pixels are. */
static void read_layout(const struct pv_prog_gpu *gpu, struct pv_prog_linear_image *image)
{
    const VkImageSubresource subresource = {VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT, 0, 0};
    PFN_vkGetImageDrmFormatModifierPropertiesEXT get_modifier =
        (PFN_vkGetImageDrmFormatModifierPropertiesEXT)pv_prog_gpu_function(
            gpu, "vkGetImageDrmFormatModifierPropertiesEXT");
    VkImageDrmFormatModifierPropertiesEXT modifier = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_PROPERTIES_EXT,
        .drmFormatModifier = ~MODIFIER_LINEAR,
    };
    VkSubresourceLayout layout;

    PV_PROG_VK(get_modifier(gpu->device, image->image, &modifier));
    if (modifier.drmFormatModifier != MODIFIER_LINEAR) {
        pv_prog_fail("an image made with modifier LINEAR says it has 0x%llx",
                     (unsigned long long)modifier.drmFormatModifier);
    }
    vkGetImageSubresourceLayout(gpu->device, image->image, &subresource, &layout);
    image->layout.offset_bytes = layout.offset;
    image->layout.pitch_bytes = layout.rowPitch;
    if (layout.rowPitch < (uint64_t)image->layout.extent_px.width * 4) {
        pv_prog_fail("a LINEAR image of %u pixels has rows of %llu bytes",
                     image->layout.extent_px.width, (unsigned long long)layout.rowPitch);
    }
}

void pv_prog_linear_image_create(const struct pv_prog_gpu *gpu, VkFormat format,
                                 VkExtent2D extent_px, VkImageUsageFlags usage,
                                 struct pv_prog_linear_image *ret_image)
{
    static const uint64_t linear = MODIFIER_LINEAR;
    const VkImageDrmFormatModifierListCreateInfoEXT modifiers = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT,
        .drmFormatModifierCount = 1,
        .pDrmFormatModifiers = &linear,
    };
    VkMemoryDedicatedAllocateInfo dedicated = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
    };
    const VkExportMemoryAllocateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .pNext = &dedicated,
        .handleTypes = DMA_BUF,
    };
    VkMemoryRequirements requirements;

    memset(ret_image, 0, sizeof(*ret_image));
    ret_image->layout.format = format;
    ret_image->layout.extent_px = extent_px;
    create_image(gpu, &modifiers, usage, ret_image);
    dedicated.image = ret_image->image;
    vkGetImageMemoryRequirements(gpu->device, ret_image->image, &requirements);
    ret_image->layout.size_bytes = requirements.size;
    ret_image->memory = pv_prog_memory_allocate(
        gpu, &requirements, preferred_flags(gpu, requirements.memoryTypeBits), &export);
    PV_PROG_VK(vkBindImageMemory(gpu->device, ret_image->image, ret_image->memory, 0));
    read_layout(gpu, ret_image);
    create_view(gpu, usage, ret_image);
}

int pv_prog_linear_image_export(const struct pv_prog_gpu *gpu,
                                const struct pv_prog_linear_image *image)
{
    PFN_vkGetMemoryFdKHR get_fd =
        (PFN_vkGetMemoryFdKHR)pv_prog_gpu_function(gpu, "vkGetMemoryFdKHR");
    const VkMemoryGetFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
        .memory = image->memory,
        .handleType = DMA_BUF,
    };
    int fd = -1;

    PV_PROG_VK(get_fd(gpu->device, &info, &fd));
    return fd;
}

void pv_prog_linear_image_import(const struct pv_prog_gpu *gpu,
                                 const struct pv_prog_linear_layout *layout, int fd,
                                 VkImageUsageFlags usage, struct pv_prog_linear_image *ret_image)
{
    const VkSubresourceLayout plane = {
        .offset = layout->offset_bytes,
        .rowPitch = layout->pitch_bytes,
    };
    const VkImageDrmFormatModifierExplicitCreateInfoEXT explicit_layout = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT,
        .drmFormatModifier = MODIFIER_LINEAR,
        .drmFormatModifierPlaneCount = 1,
        .pPlaneLayouts = &plane,
    };
    PFN_vkGetMemoryFdPropertiesKHR get_properties =
        (PFN_vkGetMemoryFdPropertiesKHR)pv_prog_gpu_function(gpu, "vkGetMemoryFdPropertiesKHR");
    VkMemoryFdPropertiesKHR properties = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR,
    };
    VkMemoryDedicatedAllocateInfo dedicated = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
    };
    const VkImportMemoryFdInfoKHR import = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
        .pNext = &dedicated,
        .handleType = DMA_BUF,
        .fd = fcntl(fd, F_DUPFD_CLOEXEC, 3), /* a successful import keeps it */
    };
    VkMemoryRequirements requirements;

    memset(ret_image, 0, sizeof(*ret_image));
    ret_image->layout = *layout;
    create_image(gpu, &explicit_layout, usage, ret_image);
    dedicated.image = ret_image->image;
    vkGetImageMemoryRequirements(gpu->device, ret_image->image, &requirements);
    PV_PROG_VK(get_properties(gpu->device, DMA_BUF, fd, &properties));
    if ((requirements.memoryTypeBits & properties.memoryTypeBits) == 0) {
        pv_prog_fail("the image fits the memory types 0x%x, the dma-buf 0x%x",
                     requirements.memoryTypeBits, properties.memoryTypeBits);
    }
    requirements.memoryTypeBits &= properties.memoryTypeBits;
    if (requirements.size > layout->size_bytes) {
        pv_prog_fail("the imported image needs %llu bytes, the exported one has %llu",
                     (unsigned long long)requirements.size, (unsigned long long)layout->size_bytes);
    }
    requirements.size = layout->size_bytes;
    ret_image->memory = pv_prog_memory_allocate(
        gpu, &requirements, preferred_flags(gpu, requirements.memoryTypeBits), &import);
    PV_PROG_VK(vkBindImageMemory(gpu->device, ret_image->image, ret_image->memory, 0));
    create_view(gpu, usage, ret_image);
}

static void transfer(VkCommandBuffer commands, const struct pv_prog_linear_image *image,
                     VkImageLayout old_layout, VkImageLayout new_layout, uint32_t from, uint32_t to)
{
    const VkImageMemoryBarrier2 barrier = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
        .srcStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
        .srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
        .dstAccessMask = VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT,
        .oldLayout = old_layout,
        .newLayout = new_layout,
        .srcQueueFamilyIndex = from,
        .dstQueueFamilyIndex = to,
        .image = image->image,
        .subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
    };
    const VkDependencyInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
        .imageMemoryBarrierCount = 1,
        .pImageMemoryBarriers = &barrier,
    };

    vkCmdPipelineBarrier2(commands, &info);
}

void pv_prog_linear_image_release(const struct pv_prog_gpu *gpu, VkCommandBuffer commands,
                                  const struct pv_prog_linear_image *image,
                                  VkImageLayout old_layout)
{
    transfer(commands, image, old_layout, VK_IMAGE_LAYOUT_GENERAL, gpu->queue_family,
             VK_QUEUE_FAMILY_FOREIGN_EXT);
}

void pv_prog_linear_image_acquire(const struct pv_prog_gpu *gpu, VkCommandBuffer commands,
                                  const struct pv_prog_linear_image *image,
                                  VkImageLayout new_layout)
{
    transfer(commands, image, VK_IMAGE_LAYOUT_GENERAL, new_layout, VK_QUEUE_FAMILY_FOREIGN_EXT,
             gpu->queue_family);
}

void pv_prog_linear_image_destroy(const struct pv_prog_gpu *gpu, struct pv_prog_linear_image *image)
{
    vkDestroyImageView(gpu->device, image->view, NULL);
    vkDestroyImage(gpu->device, image->image, NULL);
    vkFreeMemory(gpu->device, image->memory, NULL);
    memset(image, 0, sizeof(*image));
}
