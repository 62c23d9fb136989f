/* SPDX-License-Identifier: MIT */
/*
 * Graphics pipelines with the usual defaults: one colour target, dynamic viewport and scissor, no
 * culling, no blending, depth test if there is a depth format.
 *
 * Threads: any.
 */
#ifndef PV_PROG_COMMON_DRAW_H
#define PV_PROG_COMMON_DRAW_H

#include <vulkan/vulkan.h>

#include "common/gpu.h"

struct pv_prog_draw_options {
    const uint32_t *vertex_code;
    size_t vertex_code_bytes;
    const uint32_t *fragment_code;
    size_t fragment_code_bytes;
    const VkSpecializationInfo *fragment_specialization;      /* NULL if none */
    const VkPipelineVertexInputStateCreateInfo *vertex_input; /* NULL: no buffers */
    VkPrimitiveTopology topology;
    VkPipelineLayout layout;
    VkRenderPass render_pass; /* subpass 0 of it; VK_NULL_HANDLE: dynamic rendering */
    VkFormat color_format;
    VkFormat depth_format; /* VK_FORMAT_UNDEFINED: no depth */
    uint32_t sample_count; /* 0 means 1 */
};

/* Create a graphics pipeline, owned by the caller; options are borrowed for the call. */
VkPipeline pv_prog_draw_pipeline_create(const struct pv_prog_gpu *gpu,
                                        const struct pv_prog_draw_options *options);

/* Record a viewport and a scissor that cover a whole target. */
void pv_prog_draw_set_area(VkCommandBuffer commands, VkExtent2D extent_px);

#endif
