/* SPDX-License-Identifier: MIT */
/*
 * The little that we have to know about formats: which have depth or stencil, and which several
 * planes. Values outside the known ranges count as plain colour.
 */
#ifndef PV_VKHOST_FORMAT_H
#define PV_VKHOST_FORMAT_H

#include <stdbool.h>

#include <vulkan/vulkan_core.h>

/* Whether it has depth, stencil or both. */
static inline bool pv_vkhost_format_is_depth_stencil(VkFormat format)
{
    return format >= VK_FORMAT_D16_UNORM && format <= VK_FORMAT_D32_SFLOAT_S8_UINT;
}

/* Whether it has two planes or three. */
static inline bool pv_vkhost_format_is_multi_planar(VkFormat format)
{
    switch (format) {
    case VK_FORMAT_G8B8G8R8_422_UNORM:
    case VK_FORMAT_B8G8R8G8_422_UNORM:
    case VK_FORMAT_R10X6_UNORM_PACK16:
    case VK_FORMAT_R10X6G10X6_UNORM_2PACK16:
    case VK_FORMAT_R10X6G10X6B10X6A10X6_UNORM_4PACK16:
    case VK_FORMAT_G10X6B10X6G10X6R10X6_422_UNORM_4PACK16:
    case VK_FORMAT_B10X6G10X6R10X6G10X6_422_UNORM_4PACK16:
    case VK_FORMAT_R12X4_UNORM_PACK16:
    case VK_FORMAT_R12X4G12X4_UNORM_2PACK16:
    case VK_FORMAT_R12X4G12X4B12X4A12X4_UNORM_4PACK16:
    case VK_FORMAT_G12X4B12X4G12X4R12X4_422_UNORM_4PACK16:
    case VK_FORMAT_B12X4G12X4R12X4G12X4_422_UNORM_4PACK16:
    case VK_FORMAT_G16B16G16R16_422_UNORM:
    case VK_FORMAT_B16G16R16G16_422_UNORM:
        return false; /* of the YCbCr range, but one plane */
    default:
        return (format >= VK_FORMAT_G8B8G8R8_422_UNORM
                && format <= VK_FORMAT_G16_B16_R16_3PLANE_444_UNORM)
               || (format >= VK_FORMAT_G8_B8R8_2PLANE_444_UNORM
                   && format <= VK_FORMAT_G16_B16R16_2PLANE_444_UNORM);
    }
}

#endif
