/* SPDX-License-Identifier: MIT */
/* Pictures as PPM files (P6): the simplest format that every viewer and image library reads. */
#ifndef PV_PROG_COMMON_PPM_H
#define PV_PROG_COMMON_PPM_H

#include <vulkan/vulkan.h>

/*
 * Write a picture; ends the program with status 1 and a sentence if that fails.
 *
 * path        replaced if it exists
 * pixels      rows of extent_px.width pixels of 4 bytes, tightly packed, borrowed for the call
 * format      B8G8R8A8 or R8G8B8A8, UNORM; alpha is dropped
 */
void pv_prog_ppm_write(const char *path, const void *pixels, VkExtent2D extent_px, VkFormat format);

#endif
