/* SPDX-License-Identifier: MIT */
/* Where the scenes stand at a frame: 4x4 matrices, column by column, as GLSL wants them. */
#ifndef PV_PROG_COMMON_SCENE_TRANSFORM_H
#define PV_PROG_COMMON_SCENE_TRANSFORM_H

#include <stdint.h>
#include <vulkan/vulkan.h>

/* The triangle: turned in the plane, undistorted at any shape of the target. */
void pv_prog_scene_transform_flat(VkExtent2D extent_px, uint32_t frame, float ret_matrix[16]);

/* The cube: turned about two axes, seen in perspective. */
void pv_prog_scene_transform_solid(VkExtent2D extent_px, uint32_t frame, float ret_matrix[16]);

#endif
