/* SPDX-License-Identifier: MIT */
/* The grid of cells: see render_grid.h. */
#include "render_grid.h"

#include <string.h>

#include "common/commands.h"
#include "common/draw.h"
#include "common/report.h"

#include "grid_frag.h"
#include "grid_set_frag.h"
#include "grid_vert.h"

#define CELL_PX 8u
#define SIDE_PX (PV_PROG_GRID_SIDE * CELL_PX)
#define PIXELS  (SIDE_PX * SIDE_PX)
#define EXTENT  ((VkExtent2D){SIDE_PX, SIDE_PX})

static VkPipeline create_pipeline(struct pv_prog_gpu *gpu, const struct pv_prog_grid *grid,
                                  bool with_set, uint32_t mask)
{
    static const VkSpecializationMapEntry entry = {0, 0, 4};
    const VkSpecializationInfo specialization = {1, &entry, sizeof(mask), &mask};
    struct pv_prog_draw_options options = {
        .vertex_code = pv_shader_grid_vert,
        .vertex_code_bytes = sizeof(pv_shader_grid_vert),
        .fragment_code = pv_shader_grid_frag,
        .fragment_code_bytes = sizeof(pv_shader_grid_frag),
        .fragment_specialization = &specialization,
        .topology = VK_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP,
        .layout = grid->layout,
        .color_format = PV_PROG_GRID_FORMAT,
    };

    if (with_set) {
        options.fragment_code = pv_shader_grid_set_frag;
        options.fragment_code_bytes = sizeof(pv_shader_grid_set_frag);
        options.fragment_specialization = NULL;
    }
    return pv_prog_draw_pipeline_create(gpu, &options);
}

VkPipeline pv_prog_grid_pipeline_create(struct pv_prog_gpu *gpu, const struct pv_prog_grid *grid,
                                        uint32_t mask)
{
    return create_pipeline(gpu, grid, false, mask);
}

void pv_prog_grid_create(struct pv_prog_gpu *gpu, bool with_set, struct pv_prog_grid *ret_grid)
{
    const struct pv_prog_image_options target = {
        .format = PV_PROG_GRID_FORMAT,
        .extent_px = {SIDE_PX, SIDE_PX, 1},
        .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
    };
    const VkDescriptorSetLayoutBinding binding = {0, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 1,
                                                  VK_SHADER_STAGE_FRAGMENT_BIT, NULL};
    const VkDescriptorSetLayoutCreateInfo set_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = 1,
        .pBindings = &binding,
    };
    const VkPushConstantRange range = {VK_SHADER_STAGE_VERTEX_BIT, 0,
                                       sizeof(struct pv_prog_grid_push)};
    const VkPipelineLayoutCreateInfo layout_info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &ret_grid->set_layout,
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &range,
    };

    memset(ret_grid, 0, sizeof(*ret_grid));
    pv_prog_image_create(gpu, &target, &ret_grid->target);
    pv_prog_buffer_create_host(gpu, PIXELS * 4, 0, &ret_grid->pixels);
    PV_PROG_VK(vkCreateDescriptorSetLayout(gpu->device, &set_info, NULL, &ret_grid->set_layout));
    PV_PROG_VK(vkCreatePipelineLayout(gpu->device, &layout_info, NULL, &ret_grid->layout));
    ret_grid->pipeline = create_pipeline(gpu, ret_grid, with_set, 0);
}

VkCommandBuffer pv_prog_grid_begin(struct pv_prog_gpu *gpu, struct pv_prog_grid *grid,
                                   bool secondary)
{
    const VkRenderingAttachmentInfo color = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO,
        .imageView = grid->target.view,
        .imageLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
        .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
        .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
    };
    const VkRenderingInfo info = {
        .sType = VK_STRUCTURE_TYPE_RENDERING_INFO,
        .flags = secondary ? VK_RENDERING_CONTENTS_SECONDARY_COMMAND_BUFFERS_BIT : 0,
        .renderArea = {{0, 0}, EXTENT},
        .layerCount = 1,
        .colorAttachmentCount = 1,
        .pColorAttachments = &color,
    };
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);

    pv_prog_barrier_image(commands, &grid->target, VK_IMAGE_LAYOUT_UNDEFINED,
                          VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
    vkCmdBeginRendering(commands, &info);
    if (!secondary) {
        pv_prog_draw_set_area(commands, EXTENT);
        vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, grid->pipeline);
    }
    return commands;
}

void pv_prog_grid_finish(struct pv_prog_gpu *gpu, struct pv_prog_grid *grid,
                         VkCommandBuffer commands)
{
    vkCmdEndRendering(commands);
    pv_prog_barrier_image(commands, &grid->target, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                          VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    pv_prog_image_read(commands, &grid->target, grid->pixels.buffer);
    pv_prog_commands_run(gpu, commands);
}

void pv_prog_grid_check(const struct pv_prog_grid *grid, const char *name)
{
    const uint32_t *got = grid->pixels.mapped;
    struct pv_prog_digest digest = pv_prog_digest_start();

    for (uint32_t i = 0; i < PIXELS; i++) {
        const uint32_t x = i % SIDE_PX;
        const uint32_t y = i / SIDE_PX;
        const uint32_t want = grid->want[y / CELL_PX * PV_PROG_GRID_SIDE + x / CELL_PX];

        if (got[i] != want) {
            pv_prog_fail("case %s: pixel %u,%u is 0x%08x, expected 0x%08x", name, x, y, got[i],
                         want);
        }
    }
    pv_prog_digest_add(&digest, got, PIXELS * 4);
    pv_prog_case_digest(name, digest);
}

void pv_prog_grid_destroy(struct pv_prog_gpu *gpu, struct pv_prog_grid *grid)
{
    vkDestroyPipeline(gpu->device, grid->pipeline, NULL);
    vkDestroyPipelineLayout(gpu->device, grid->layout, NULL);
    vkDestroyDescriptorSetLayout(gpu->device, grid->set_layout, NULL);
    pv_prog_buffer_destroy(gpu, &grid->pixels);
    pv_prog_image_destroy(gpu, &grid->target);
}
