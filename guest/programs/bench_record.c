/* SPDX-License-Identifier: MIT */
/*
 * pv-bench: what commands cost when the GPU has next to nothing to do. Each count is one command
 * buffer of COMMANDS commands: begun, recorded, submitted, waited for.
 */
#include "bench_measure.h"
#include "common/commands.h"
#include "common/draw.h"
#include "common/report.h"
#include "render_grid.h"

#define COMMANDS 10000u

struct record {
    struct pv_prog_gpu *gpu;
    struct pv_prog_buffer buffers[2];
    struct pv_prog_grid grid;
    VkPipeline other_pipeline;
    VkDescriptorPool descriptor_pool;
    VkDescriptorSet sets[2];
};

static void record_copies(void *context, uint32_t count)
{
    struct record *record = context;

    for (uint32_t i = 0; i < count; i++) {
        VkCommandBuffer commands = pv_prog_commands_begin(record->gpu);

        for (uint32_t n = 0; n < COMMANDS; n++) {
            const VkBufferCopy region = {(n & 63) * 64, (n & 63) * 64, 64};

            vkCmdCopyBuffer(commands, record->buffers[0].buffer, record->buffers[1].buffer, 1,
                            &region);
        }
        pv_prog_commands_run(record->gpu, commands);
    }
}

void pv_prog_bench_copies(struct pv_prog_bench *bench)
{
    struct record record = {.gpu = bench->gpu};

    for (int i = 0; i < 2; i++) {
        pv_prog_buffer_create_host(bench->gpu, 4096, 0, &record.buffers[i]);
    }
    pv_prog_bench_measure(bench, "small-copies", "command", COMMANDS, 0, record_copies, &record);
    for (int i = 0; i < 2; i++) {
        pv_prog_buffer_destroy(bench->gpu, &record.buffers[i]);
    }
}

static void record_barriers(void *context, uint32_t count)
{
    const struct pv_prog_gpu *gpu = context;

    for (uint32_t i = 0; i < count; i++) {
        VkCommandBuffer commands = pv_prog_commands_begin(gpu);

        for (uint32_t n = 0; n < COMMANDS; n++) {
            pv_prog_barrier_all(commands);
        }
        pv_prog_commands_run(gpu, commands);
    }
}

void pv_prog_bench_barriers(struct pv_prog_bench *bench)
{
    pv_prog_bench_measure(bench, "barriers", "command", COMMANDS, 0, record_barriers, bench->gpu);
}

/* Rendering that was begun by pv_prog_grid_begin ends, and its commands run. */
static void run_rendering(const struct record *record, VkCommandBuffer commands)
{
    vkCmdEndRendering(commands);
    pv_prog_commands_run(record->gpu, commands);
}

/* A strip of four vertices over 64 pixels: enough to be a draw. */
static void record_draws(void *context, uint32_t count)
{
    struct record *record = context;
    const struct pv_prog_grid_push push = {.cell = 5, .color = 0xff102030u};

    for (uint32_t i = 0; i < count; i++) {
        VkCommandBuffer commands = pv_prog_grid_begin(record->gpu, &record->grid, false);

        vkCmdPushConstants(commands, record->grid.layout, VK_SHADER_STAGE_VERTEX_BIT, 0,
                           sizeof(push), &push);
        for (uint32_t n = 0; n < COMMANDS; n++) {
            vkCmdDraw(commands, 4, 1, 0, n & 511);
        }
        run_rendering(record, commands);
    }
}

void pv_prog_bench_draws(struct pv_prog_bench *bench)
{
    struct record record = {.gpu = bench->gpu};

    pv_prog_grid_create(bench->gpu, false, &record.grid);
    pv_prog_bench_measure(bench, "draws", "draw", COMMANDS, 0, record_draws, &record);
    pv_prog_grid_destroy(bench->gpu, &record.grid);
}

#define STATES_PER_DRAW 5u

/* All that programs set between two draws, every time another. */
static void record_states(void *context, uint32_t count)
{
    struct record *record = context;
    const VkPipeline pipelines[] = {record->grid.pipeline, record->other_pipeline};
    const VkRect2D scissor = {{0, 0}, {256, 256}};
    const VkViewport viewport = {0.0f, 0.0f, 256.0f, 256.0f, 0.0f, 1.0f};

    for (uint32_t i = 0; i < count; i++) {
        VkCommandBuffer commands = pv_prog_grid_begin(record->gpu, &record->grid, false);

        for (uint32_t n = 0; n < COMMANDS / (STATES_PER_DRAW + 1); n++) {
            const struct pv_prog_grid_push push = {.cell = n & 511, .color = 0xff000000u | n};

            vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, pipelines[n & 1]);
            vkCmdSetViewport(commands, 0, 1, &viewport);
            vkCmdSetScissor(commands, 0, 1, &scissor);
            vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_GRAPHICS, record->grid.layout,
                                    0, 1, &record->sets[n & 1], 0, NULL);
            vkCmdPushConstants(commands, record->grid.layout, VK_SHADER_STAGE_VERTEX_BIT, 0,
                               sizeof(push), &push);
            vkCmdDraw(commands, 4, 1, 0, 0);
        }
        run_rendering(record, commands);
    }
}

static void create_sets(struct record *record)
{
    const struct pv_prog_gpu *gpu = record->gpu;
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 2};
    const VkDescriptorPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = 2,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    const VkDescriptorSetLayout layouts[] = {record->grid.set_layout, record->grid.set_layout};
    VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorSetCount = 2,
        .pSetLayouts = layouts,
    };

    PV_PROG_VK(vkCreateDescriptorPool(gpu->device, &pool_info, NULL, &record->descriptor_pool));
    info.descriptorPool = record->descriptor_pool;
    PV_PROG_VK(vkAllocateDescriptorSets(gpu->device, &info, record->sets));
    for (int i = 0; i < 2; i++) {
        const VkDescriptorBufferInfo buffer = {record->buffers[i].buffer, 0, 16};
        const VkWriteDescriptorSet write = {
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = record->sets[i],
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER,
            .pBufferInfo = &buffer,
        };

        vkUpdateDescriptorSets(gpu->device, 1, &write, 0, NULL);
    }
}

void pv_prog_bench_states(struct pv_prog_bench *bench)
{
    struct pv_prog_gpu *gpu = bench->gpu;
    struct record record = {.gpu = gpu};

    for (int i = 0; i < 2; i++) {
        pv_prog_buffer_create_host(gpu, 256, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT,
                                   &record.buffers[i]);
    }
    pv_prog_grid_create(gpu, true, &record.grid);
    record.other_pipeline = pv_prog_grid_pipeline_create(gpu, &record.grid, 0x0000ff00u);
    create_sets(&record);
    pv_prog_bench_measure(bench, "states", "command",
                          COMMANDS / (STATES_PER_DRAW + 1) * (STATES_PER_DRAW + 1), 0,
                          record_states, &record);
    vkDestroyDescriptorPool(gpu->device, record.descriptor_pool, NULL);
    vkDestroyPipeline(gpu->device, record.other_pipeline, NULL);
    pv_prog_grid_destroy(gpu, &record.grid);
    for (int i = 0; i < 2; i++) {
        pv_prog_buffer_destroy(gpu, &record.buffers[i]);
    }
}
