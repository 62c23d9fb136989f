/* SPDX-License-Identifier: MIT */
/* Buffers and images with memory of their own. */
#include "common/memory.h"

#include <string.h>

#include "common/report.h"

uint32_t pv_prog_memory_type_find(const struct pv_prog_gpu *gpu, uint32_t type_bits,
                                  VkMemoryPropertyFlags wanted)
{
    for (uint32_t i = 0; i < gpu->memory.memoryTypeCount; i++) {
        if ((type_bits & (1u << i)) != 0
            && (gpu->memory.memoryTypes[i].propertyFlags & wanted) == wanted) {
            return i;
        }
    }
    pv_prog_fail("no memory type of 0x%x has the properties 0x%x", type_bits, (unsigned)wanted);
}

VkDeviceMemory pv_prog_memory_allocate(const struct pv_prog_gpu *gpu,
                                       const VkMemoryRequirements *requirements,
                                       VkMemoryPropertyFlags wanted, const void *next)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = next,
        .allocationSize = requirements->size,
        .memoryTypeIndex = pv_prog_memory_type_find(gpu, requirements->memoryTypeBits, wanted),
    };
    VkDeviceMemory memory;

    PV_PROG_VK(vkAllocateMemory(gpu->device, &info, NULL, &memory));
    return memory;
}

void pv_prog_buffer_create(const struct pv_prog_gpu *gpu, VkDeviceSize size_bytes,
                           VkBufferUsageFlags usage, VkMemoryPropertyFlags wanted,
                           struct pv_prog_buffer *ret_buffer)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size_bytes,
        .usage = usage,
    };
    const bool has_address = (usage & VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT) != 0;
    const VkMemoryAllocateFlagsInfo flags = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
    };
    VkMemoryRequirements requirements;

    memset(ret_buffer, 0, sizeof(*ret_buffer));
    ret_buffer->size_bytes = size_bytes;
    PV_PROG_VK(vkCreateBuffer(gpu->device, &info, NULL, &ret_buffer->buffer));
    vkGetBufferMemoryRequirements(gpu->device, ret_buffer->buffer, &requirements);
    ret_buffer->memory =
        pv_prog_memory_allocate(gpu, &requirements, wanted, has_address ? &flags : NULL);
    PV_PROG_VK(vkBindBufferMemory(gpu->device, ret_buffer->buffer, ret_buffer->memory, 0));
    if ((wanted & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0) {
        PV_PROG_VK(
            vkMapMemory(gpu->device, ret_buffer->memory, 0, VK_WHOLE_SIZE, 0, &ret_buffer->mapped));
    }
    if (has_address) {
        const VkBufferDeviceAddressInfo address = {
            .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
            .buffer = ret_buffer->buffer,
        };

        ret_buffer->address = vkGetBufferDeviceAddress(gpu->device, &address);
    }
}

void pv_prog_buffer_create_host(const struct pv_prog_gpu *gpu, VkDeviceSize size_bytes,
                                VkBufferUsageFlags usage, struct pv_prog_buffer *ret_buffer)
{
    pv_prog_buffer_create(gpu, size_bytes,
                          usage | VK_BUFFER_USAGE_TRANSFER_SRC_BIT
                              | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                          PV_PROG_MEMORY_HOST, ret_buffer);
}

void pv_prog_buffer_destroy(const struct pv_prog_gpu *gpu, struct pv_prog_buffer *buffer)
{
    vkDestroyBuffer(gpu->device, buffer->buffer, NULL);
    vkFreeMemory(gpu->device, buffer->memory, NULL);
    memset(buffer, 0, sizeof(*buffer));
}

static void create_view(const struct pv_prog_gpu *gpu, VkImageType type,
                        struct pv_prog_image *image)
{
    VkImageViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
        .image = image->image,
        .viewType = image->layer_count > 1 ? VK_IMAGE_VIEW_TYPE_2D_ARRAY : VK_IMAGE_VIEW_TYPE_2D,
        .format = image->format,
        .subresourceRange = {image->aspect, 0, image->mip_count, 0, image->layer_count},
    };

    if (type == VK_IMAGE_TYPE_3D) {
        info.viewType = VK_IMAGE_VIEW_TYPE_3D;
    }
    PV_PROG_VK(vkCreateImageView(gpu->device, &info, NULL, &image->view));
}

void pv_prog_image_create(const struct pv_prog_gpu *gpu,
                          const struct pv_prog_image_options *options,
                          struct pv_prog_image *ret_image)
{
    const VkImageUsageFlags viewless =
        VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;
    const uint32_t depth = options->extent_px.depth == 0 ? 1 : options->extent_px.depth;
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = depth > 1 ? VK_IMAGE_TYPE_3D : VK_IMAGE_TYPE_2D,
        .format = options->format,
        .extent = {options->extent_px.width, options->extent_px.height, depth},
        .mipLevels = options->mip_count == 0 ? 1 : options->mip_count,
        .arrayLayers = options->layer_count == 0 ? 1 : options->layer_count,
        .samples = options->sample_count == 0 ? 1 : (VkSampleCountFlagBits)options->sample_count,
        .tiling = options->tiling,
        .usage = options->usage,
        .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED,
    };
    VkMemoryRequirements requirements;

    memset(ret_image, 0, sizeof(*ret_image));
    ret_image->format = info.format;
    ret_image->extent_px = info.extent;
    ret_image->mip_count = info.mipLevels;
    ret_image->layer_count = info.arrayLayers;
    ret_image->aspect = options->aspect == 0 ? VK_IMAGE_ASPECT_COLOR_BIT : options->aspect;
    PV_PROG_VK(vkCreateImage(gpu->device, &info, NULL, &ret_image->image));
    vkGetImageMemoryRequirements(gpu->device, ret_image->image, &requirements);
    ret_image->memory = pv_prog_memory_allocate(gpu, &requirements,
                                                options->tiling == VK_IMAGE_TILING_LINEAR
                                                    ? PV_PROG_MEMORY_HOST
                                                    : VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
                                                NULL);
    PV_PROG_VK(vkBindImageMemory(gpu->device, ret_image->image, ret_image->memory, 0));
    if ((options->usage & ~viewless) != 0) {
        create_view(gpu, info.imageType, ret_image);
    }
}

void pv_prog_image_destroy(const struct pv_prog_gpu *gpu, struct pv_prog_image *image)
{
    vkDestroyImageView(gpu->device, image->view, NULL);
    vkDestroyImage(gpu->device, image->image, NULL);
    vkFreeMemory(gpu->device, image->memory, NULL);
    memset(image, 0, sizeof(*image));
}
