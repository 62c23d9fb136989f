/* SPDX-License-Identifier: MIT */
/*
 * Cases of pv-render that draw the grid: push constants, indirect draws, descriptor sets from
 * pools that are reset, and command buffers of all lengths.
 */
#include "render_cases.h"

#include <string.h>

#include "common/commands.h"
#include "common/memory.h"
#include "common/report.h"
#include "render_grid.h"

static uint32_t cell_color(uint32_t cell, uint32_t seed)
{
    return (cell + 1) * 2654435761u ^ seed * 0x9e3779b9u;
}

static void draw_cell(struct pv_prog_grid *grid, VkCommandBuffer commands, uint32_t cell,
                      uint32_t color)
{
    const struct pv_prog_grid_push push = {cell, color};

    vkCmdPushConstants(commands, grid->layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(push), &push);
    vkCmdDraw(commands, 4, 1, 0, 0);
    grid->want[cell] = color;
}

/* `draw_count` draws, cell after cell and round again: the last colour of a cell is seen. */
static void run_draws(struct pv_prog_gpu *gpu, const char *name, uint32_t draw_count)
{
    struct pv_prog_grid grid;
    VkCommandBuffer commands;

    pv_prog_grid_create(gpu, false, &grid);
    commands = pv_prog_grid_begin(gpu, &grid, false);
    for (uint32_t n = 0; n < draw_count; n++) {
        draw_cell(&grid, commands, n % PV_PROG_GRID_CELLS, cell_color(n, draw_count));
    }
    pv_prog_grid_finish(gpu, &grid, commands);
    pv_prog_grid_check(&grid, name);
    pv_prog_grid_destroy(gpu, &grid);
}

/* 20 draws: a command buffer that still fits a Venus ring directly (8 KiB). */
void pv_prog_render_push(struct pv_prog_gpu *gpu, const char *name)
{
    run_draws(gpu, name, 20);
}

/* 1024 draws of 84 bytes on the wire: past 8 KiB, so that it travels beside the ring. */
void pv_prog_render_long(struct pv_prog_gpu *gpu, const char *name)
{
    run_draws(gpu, name, PV_PROG_GRID_CELLS);
}

/* 13 rounds of the grid: more than 1 MiB on the wire. */
void pv_prog_render_huge(struct pv_prog_gpu *gpu, const char *name)
{
    run_draws(gpu, name, PV_PROG_GRID_CELLS * 13);
}

/* Expect `count` instances from `cell` on, as shaders/grid.vert colours them. */
static void want_instances(struct pv_prog_grid *grid, uint32_t cell, uint32_t count, uint32_t color,
                           uint32_t first_instance)
{
    for (uint32_t i = first_instance; i < first_instance + count; i++) {
        grid->want[cell + i] = color + i * PV_PROG_GRID_COLOR_STEP;
    }
}

/* Plain, indexed, multiple and counted indirect draws, their arguments written by the GPU. */
void pv_prog_render_indirect(struct pv_prog_gpu *gpu, const char *name)
{
    enum { ROW = PV_PROG_GRID_SIDE, COUNTED_AT = 256, COUNT_AT = 512 };
    const bool multiple =
        gpu->enabled.core.multiDrawIndirect && gpu->enabled.core.drawIndirectFirstInstance;
    const bool counted = multiple && gpu->enabled.v12.drawIndirectCount;
    const VkDrawIndirectCommand plain[4] = {{4, ROW, 0, 0},
                                            {4, ROW / 2, 0, multiple ? ROW * 2 : 0},
                                            {0, 0, 0, 0},
                                            {4, 3, 0, multiple ? ROW * 3 : 0}};
    const VkDrawIndexedIndirectCommand indexed = {4, ROW, 2, 0, 0};
    static const uint16_t indices[] = {9, 9, 0, 1, 2, 3};
    struct pv_prog_grid grid;
    struct pv_prog_buffer arguments;
    struct pv_prog_buffer index_buffer;
    struct pv_prog_grid_push push = {0, 0x11223344};
    const uint32_t two = 2;
    VkCommandBuffer commands;

    pv_prog_grid_create(gpu, false, &grid);
    pv_prog_buffer_create(gpu, 1024,
                          VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                          VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, &arguments);
    pv_prog_buffer_create_host(gpu, sizeof(indices), VK_BUFFER_USAGE_INDEX_BUFFER_BIT,
                               &index_buffer);
    memcpy(index_buffer.mapped, indices, sizeof(indices));
    commands = pv_prog_commands_begin(gpu);
    vkCmdUpdateBuffer(commands, arguments.buffer, 0, sizeof(plain), plain);
    vkCmdUpdateBuffer(commands, arguments.buffer, 128, sizeof(indexed), &indexed);
    vkCmdUpdateBuffer(commands, arguments.buffer, COUNTED_AT, sizeof(plain), plain);
    vkCmdUpdateBuffer(commands, arguments.buffer, COUNT_AT, 4, &two);
    pv_prog_commands_run(gpu, commands);

    commands = pv_prog_grid_begin(gpu, &grid, false);
    vkCmdPushConstants(commands, grid.layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(push), &push);
    vkCmdDrawIndirect(commands, arguments.buffer, 0, multiple ? 4 : 1, sizeof(plain[0]));
    for (uint32_t i = 0; i < (multiple ? 4u : 1u); i++) {
        want_instances(&grid, push.cell, plain[i].instanceCount, push.color,
                       plain[i].firstInstance);
    }
    push = (struct pv_prog_grid_push){ROW * 8, 0x55667788};
    vkCmdPushConstants(commands, grid.layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(push), &push);
    vkCmdBindIndexBuffer(commands, index_buffer.buffer, 0, VK_INDEX_TYPE_UINT16);
    vkCmdDrawIndexedIndirect(commands, arguments.buffer, 128, 1, sizeof(indexed));
    want_instances(&grid, push.cell, ROW, push.color, 0);
    if (counted) {
        push = (struct pv_prog_grid_push){ROW * 16, 0x99aabbcc};
        vkCmdPushConstants(commands, grid.layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(push),
                           &push);
        vkCmdDrawIndirectCount(commands, arguments.buffer, COUNTED_AT, arguments.buffer, COUNT_AT,
                               4, sizeof(plain[0]));
        want_instances(&grid, push.cell, plain[0].instanceCount, push.color, 0);
        want_instances(&grid, push.cell, plain[1].instanceCount, push.color,
                       plain[1].firstInstance);
    }
    pv_prog_grid_finish(gpu, &grid, commands);
    pv_prog_grid_check(&grid, name);
    pv_prog_buffer_destroy(gpu, &arguments);
    pv_prog_buffer_destroy(gpu, &index_buffer);
    pv_prog_grid_destroy(gpu, &grid);
}

enum { SETS = 64, WORD_STRIDE = 256 }; /* no device asks for more alignment than 256 */

static void write_set(struct pv_prog_gpu *gpu, VkDescriptorSet set, VkBuffer words, uint32_t index)
{
    const VkDescriptorBufferInfo info = {words, index * WORD_STRIDE, 4};
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = set,
        .descriptorCount = 1,
        .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
        .pBufferInfo = &info,
    };

    vkUpdateDescriptorSets(gpu->device, 1, &write, 0, NULL);
}

/* Copy the descriptor of one set to another. */
static void copy_set(struct pv_prog_gpu *gpu, VkDescriptorSet from, VkDescriptorSet to)
{
    const VkCopyDescriptorSet copy = {
        .sType = VK_STRUCTURE_TYPE_COPY_DESCRIPTOR_SET,
        .srcSet = from,
        .dstSet = to,
        .descriptorCount = 1,
    };

    vkUpdateDescriptorSets(gpu->device, 0, NULL, 1, &copy);
}

/* One round: all sets of the pool, each with a word of its own, the odd ones by copying. */
static void draw_round(struct pv_prog_gpu *gpu, struct pv_prog_grid *grid, VkDescriptorPool pool,
                       VkBuffer words, uint32_t round, VkDescriptorSet sets[SETS])
{
    VkDescriptorSetLayout layouts[SETS];
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = pool,
        .descriptorSetCount = SETS,
        .pSetLayouts = layouts,
    };
    VkCommandBuffer commands;

    for (uint32_t i = 0; i < SETS; i++) {
        layouts[i] = grid->set_layout;
    }
    PV_PROG_VK(vkAllocateDescriptorSets(gpu->device, &info, sets));
    for (uint32_t i = 0; i < SETS; i++) {
        if (i % 2 == 0) {
            write_set(gpu, sets[i], words, (i + round) % SETS);
        } else {
            copy_set(gpu, sets[i - 1], sets[i]);
        }
    }
    memset(grid->want, 0, sizeof(grid->want));
    commands = pv_prog_grid_begin(gpu, grid, false);
    for (uint32_t i = 0; i < SETS; i++) {
        const uint32_t cell = round * SETS % PV_PROG_GRID_CELLS + i;

        vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, grid->layout, 0, 1,
                                &sets[i], 0, NULL);
        draw_cell(grid, commands, cell, cell_color(i, round));
        grid->want[cell] ^= cell_color((i / 2 * 2 + round) % SETS, 1000);
    }
    pv_prog_grid_finish(gpu, grid, commands);
}

/* The same pool filled, drawn with and reset, again and again; sometimes freed set by set. */
void pv_prog_render_descriptors(struct pv_prog_gpu *gpu, const char *name)
{
    enum { ROUNDS = 12 };
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, SETS};
    const VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .flags = VK_DESCRIPTOR_POOL_CREATE_FREE_DESCRIPTOR_SET_BIT,
        .maxSets = SETS,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    struct pv_prog_grid grid;
    struct pv_prog_buffer words;
    VkDescriptorPool pool;
    VkDescriptorSet sets[SETS];

    pv_prog_grid_create(gpu, true, &grid);
    pv_prog_buffer_create_host(gpu, SETS * WORD_STRIDE, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, &words);
    for (uint32_t i = 0; i < SETS; i++) {
        ((uint32_t *)words.mapped)[i * WORD_STRIDE / 4] = cell_color(i, 1000);
    }
    PV_PROG_VK(vkCreateDescriptorPool(gpu->device, &info, NULL, &pool));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        draw_round(gpu, &grid, pool, words.buffer, round, sets);
        if (round + 1 < ROUNDS) {
            char round_name[64] = "descriptors-";

            round_name[12] = (char)('a' + round);
            pv_prog_grid_check(&grid, round_name);
        }
        if (round % 3 == 2) {
            PV_PROG_VK(vkFreeDescriptorSets(gpu->device, pool, SETS, sets));
        } else {
            PV_PROG_VK(vkResetDescriptorPool(gpu->device, pool, 0));
        }
    }
    pv_prog_grid_check(&grid, name);
    vkDestroyDescriptorPool(gpu->device, pool, NULL);
    pv_prog_buffer_destroy(gpu, &words);
    pv_prog_grid_destroy(gpu, &grid);
}
