/* SPDX-License-Identifier: MIT */
/*
 * Buffers and images with memory of their own. Simple on purpose: one allocation each. The case
 * that places many resources in one allocation does so by hand (copy_memory.c).
 *
 * Threads: any, one thread per object.
 */
#ifndef PV_PROG_COMMON_MEMORY_H
#define PV_PROG_COMMON_MEMORY_H

#include <vulkan/vulkan.h>

#include "common/gpu.h"

#define PV_PROG_MEMORY_HOST                                                                        \
    (VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)

struct pv_prog_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    VkDeviceSize size_bytes;
    void *mapped;            /* the whole buffer while it lives; NULL if not host visible */
    VkDeviceAddress address; /* 0 unless created with SHADER_DEVICE_ADDRESS usage */
};

struct pv_prog_image_options {
    VkFormat format;
    VkExtent3D extent_px;  /* depth 0 means 1 */
    uint32_t mip_count;    /* 0 means 1 */
    uint32_t layer_count;  /* 0 means 1; more make an array view */
    uint32_t sample_count; /* 0 means 1 */
    VkImageTiling tiling;  /* OPTIMAL if left zero */
    VkImageUsageFlags usage;
    VkImageAspectFlags aspect; /* 0 means COLOR */
};

struct pv_prog_image {
    VkImage image;
    VkImageView view; /* all mips and layers; VK_NULL_HANDLE for transfer-only usage */
    VkDeviceMemory memory;
    VkFormat format;
    VkExtent3D extent_px;
    VkImageAspectFlags aspect;
    uint32_t mip_count;
    uint32_t layer_count;
};

/*
 * Find a memory type.
 *
 * type_bits   memoryTypeBits of the requirements
 * wanted      every one of these properties must be there
 *
 * Returns the first index that fits; ends the program with status 1 if there is none.
 */
uint32_t pv_prog_memory_type_find(const struct pv_prog_gpu *gpu, uint32_t type_bits,
                                  VkMemoryPropertyFlags wanted);

/*
 * Allocate memory for some requirements.
 *
 * next        pNext of VkMemoryAllocateInfo, or NULL
 * wanted      as above
 *
 * Returns the memory, owned by the caller.
 */
VkDeviceMemory pv_prog_memory_allocate(const struct pv_prog_gpu *gpu,
                                       const VkMemoryRequirements *requirements,
                                       VkMemoryPropertyFlags wanted, const void *next);

/*
 * Create a buffer and its memory; map it if `wanted` includes HOST_VISIBLE.
 *
 * size_bytes  not 0
 * ret_buffer  written; destroyed with pv_prog_buffer_destroy
 */
void pv_prog_buffer_create(const struct pv_prog_gpu *gpu, VkDeviceSize size_bytes,
                           VkBufferUsageFlags usage, VkMemoryPropertyFlags wanted,
                           struct pv_prog_buffer *ret_buffer);

/* Host-visible buffer with TRANSFER_SRC and TRANSFER_DST usage besides `usage`. */
void pv_prog_buffer_create_host(const struct pv_prog_gpu *gpu, VkDeviceSize size_bytes,
                                VkBufferUsageFlags usage, struct pv_prog_buffer *ret_buffer);

/* Destroy a buffer and its memory; a zeroed one is fine. */
void pv_prog_buffer_destroy(const struct pv_prog_gpu *gpu, struct pv_prog_buffer *buffer);

/*
 * Create an image, its memory (device local if possible) and a view of all of it.
 *
 * options     borrowed for the call
 * ret_image   written; destroyed with pv_prog_image_destroy
 */
void pv_prog_image_create(const struct pv_prog_gpu *gpu,
                          const struct pv_prog_image_options *options,
                          struct pv_prog_image *ret_image);

/* Destroy an image, its view and its memory; a zeroed one is fine. */
void pv_prog_image_destroy(const struct pv_prog_gpu *gpu, struct pv_prog_image *image);

#endif
