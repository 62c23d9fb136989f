/* SPDX-License-Identifier: MIT */
/*
 * A picture of 32 x 32 cells, 8 x 8 pixels each, every cell in one exact colour: whatever draws
 * it, the CPU knows each pixel. Used by several cases of pv-render.
 *
 * Threads: one thread per object; pipelines may be created by others.
 */
#ifndef PV_PROG_RENDER_GRID_H
#define PV_PROG_RENDER_GRID_H

#include <stdbool.h>
#include <vulkan/vulkan.h>

#include "common/gpu.h"
#include "common/memory.h"

#define PV_PROG_GRID_SIDE  32u /* as in shaders/grid.vert */
#define PV_PROG_GRID_CELLS (PV_PROG_GRID_SIDE * PV_PROG_GRID_SIDE)
/* Each instance after the first of a draw adds this to the colour; as in shaders/grid.vert. */
#define PV_PROG_GRID_COLOR_STEP 0x00030711u
#define PV_PROG_GRID_FORMAT     VK_FORMAT_R8G8B8A8_UNORM

/* What vkCmdPushConstants carries, for the vertex stage. */
struct pv_prog_grid_push {
    uint32_t cell;
    uint32_t color;
};

struct pv_prog_grid {
    struct pv_prog_image target;
    struct pv_prog_buffer pixels;     /* what the GPU drew, after pv_prog_grid_finish */
    VkDescriptorSetLayout set_layout; /* one uniform buffer; used only by a pipeline with sets */
    VkPipelineLayout layout;
    VkPipeline pipeline;
    uint32_t want[PV_PROG_GRID_CELLS]; /* the colour of each cell; the caller fills it */
};

/*
 * Create a grid.
 *
 * with_set    the pipeline's fragment shader mixes in a word from a descriptor of set 0
 */
void pv_prog_grid_create(struct pv_prog_gpu *gpu, bool with_set, struct pv_prog_grid *ret_grid);

/*
 * Create one more pipeline of the grid's layout, owned by the caller.
 *
 * mask        a specialization constant, mixed into every colour
 */
VkPipeline pv_prog_grid_pipeline_create(struct pv_prog_gpu *gpu, const struct pv_prog_grid *grid,
                                        uint32_t mask);

/* Start recording; rendering has begun and the pipeline is bound (not with `secondary`). */
VkCommandBuffer pv_prog_grid_begin(struct pv_prog_gpu *gpu, struct pv_prog_grid *grid,
                                   bool secondary);

/* End rendering, read the target back, run and wait. */
void pv_prog_grid_finish(struct pv_prog_gpu *gpu, struct pv_prog_grid *grid,
                         VkCommandBuffer commands);

/* Compare all pixels with grid->want and print the digest, or fail at a difference. */
void pv_prog_grid_check(const struct pv_prog_grid *grid, const char *name);

/* Destroy all of it. */
void pv_prog_grid_destroy(struct pv_prog_gpu *gpu, struct pv_prog_grid *grid);

#endif
