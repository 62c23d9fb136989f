/* SPDX-License-Identifier: MIT */
/*
 * Images that other devices, processes and screens can share: one plane, modifier LINEAR, memory
 * exported or imported as a dma-buf.
 *
 * Outside the device that holds it, an image belongs to the "foreign" queue family: release it
 * there after writing, acquire it from there before reading.
 *
 * Threads: any, one thread per object.
 */
#ifndef PV_PROG_COMMON_LINEAR_IMAGE_H
#define PV_PROG_COMMON_LINEAR_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

#include "common/gpu.h"

/* What a device must enable; PV_PROG_LINEAR_IMAGE_EXTENSION_COUNT names. */
extern const char *const pv_prog_linear_image_extensions[];
#define PV_PROG_LINEAR_IMAGE_EXTENSION_COUNT 4u

/* All that somebody else needs to import the image, besides the fd. */
struct pv_prog_linear_layout {
    VkFormat format;
    VkExtent2D extent_px;
    uint64_t offset_bytes;
    uint64_t pitch_bytes;
    uint64_t size_bytes; /* of the memory */
};

struct pv_prog_linear_image {
    struct pv_prog_linear_layout layout;
    VkImage image;
    VkImageView view; /* VK_NULL_HANDLE without COLOR_ATTACHMENT usage */
    VkDeviceMemory memory;
};

/*
 * Whether the device can export and import such an image.
 *
 * usage       what the image is to be used for
 *
 * Returns NULL if it can, else a literal that says what is missing.
 */
const char *pv_prog_linear_image_missing(const struct pv_prog_gpu *gpu, VkFormat format,
                                         VkImageUsageFlags usage);

/*
 * Create an exportable image with dedicated memory. Ends the program on failure.
 *
 * gpu         opened with the extensions above
 */
void pv_prog_linear_image_create(const struct pv_prog_gpu *gpu, VkFormat format,
                                 VkExtent2D extent_px, VkImageUsageFlags usage,
                                 struct pv_prog_linear_image *ret_image);

/* Export the memory. Returns a dma-buf fd, owned by the caller. */
int pv_prog_linear_image_export(const struct pv_prog_gpu *gpu,
                                const struct pv_prog_linear_image *image);

/*
 * Create an image over somebody else's memory.
 *
 * layout      from the exporter, borrowed for the call
 * fd          a dma-buf; stays the caller's
 */
void pv_prog_linear_image_import(const struct pv_prog_gpu *gpu,
                                 const struct pv_prog_linear_layout *layout, int fd,
                                 VkImageUsageFlags usage, struct pv_prog_linear_image *ret_image);

/* Record the release of an image to others; its layout becomes GENERAL. */
void pv_prog_linear_image_release(const struct pv_prog_gpu *gpu, VkCommandBuffer commands,
                                  const struct pv_prog_linear_image *image,
                                  VkImageLayout old_layout);

/* Record the acquisition of an image that others released; its layout becomes new_layout. */
void pv_prog_linear_image_acquire(const struct pv_prog_gpu *gpu, VkCommandBuffer commands,
                                  const struct pv_prog_linear_image *image,
                                  VkImageLayout new_layout);

/* Destroy the image, its view and its memory (the exporter's or the imported reference). */
void pv_prog_linear_image_destroy(const struct pv_prog_gpu *gpu,
                                  struct pv_prog_linear_image *image);

#endif
