/* SPDX-License-Identifier: MIT */
/*
 * What the cube of scene.c is made of: vertices, indices, a texture, a light and a descriptor set.
 *
 * Threads: one thread per object.
 */
#ifndef PV_PROG_COMMON_SCENE_CUBE_H
#define PV_PROG_COMMON_SCENE_CUBE_H

#include <vulkan/vulkan.h>

#include "common/gpu.h"
#include "common/memory.h"

struct pv_prog_scene_cube {
    struct pv_prog_buffer vertices;
    struct pv_prog_buffer indices;
    struct pv_prog_buffer light;
    struct pv_prog_image texture;
    VkSampler sampler;
    VkDescriptorSetLayout set_layout; /* set 0 of the pipeline layout */
    VkDescriptorPool descriptor_pool;
    VkDescriptorSet set;
};

/* The shape of a vertex, for the pipeline. */
extern const VkPipelineVertexInputStateCreateInfo pv_prog_scene_cube_vertex_input;

/* Create all of it; the upload of the texture waits for gpu->queue. */
void pv_prog_scene_cube_create(struct pv_prog_gpu *gpu, struct pv_prog_scene_cube *ret_cube);

/* Destroy all of it; a zeroed one is fine. */
void pv_prog_scene_cube_destroy(struct pv_prog_gpu *gpu, struct pv_prog_scene_cube *cube);

/* Record the bindings and the draw; the pipeline is bound, its constants are pushed. */
void pv_prog_scene_cube_draw(const struct pv_prog_scene_cube *cube, VkCommandBuffer commands,
                             VkPipelineLayout layout);

#endif
