/* SPDX-License-Identifier: MIT */
/*
 * The "threads" case of pv-render: each thread makes pipelines, descriptor pools and buffers of
 * its own and records a secondary command buffer, all at the same time. Mesa's Venus gives each
 * thread that makes pipelines a ring of its own.
 */
#include "render_cases.h"

#include <pthread.h>
#include <string.h>

#include "common/commands.h"
#include "common/draw.h"
#include "common/report.h"
#include "render_grid.h"

enum { THREADS = 4, PIPELINES = 3, CELLS = PV_PROG_GRID_CELLS / THREADS };

struct worker {
    pthread_t thread;
    struct pv_prog_gpu *gpu;
    struct pv_prog_grid *grid; /* shared; each worker writes `want` of its own cells */
    uint32_t index;
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkPipeline pipelines[PIPELINES];
};

/* Make and destroy some objects, so that several rings create and destroy at once. */
static void churn(struct worker *worker)
{
    for (uint32_t n = 0; n < 20; n++) {
        struct pv_prog_buffer buffer;

        pv_prog_buffer_create_host(worker->gpu, 4096 + n * 512, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                                   &buffer);
        memset(buffer.mapped, (int)n, buffer.size_bytes);
        pv_prog_buffer_destroy(worker->gpu, &buffer);
    }
}

static void record(struct worker *worker)
{
    static const VkFormat format = PV_PROG_GRID_FORMAT;
    const VkCommandBufferInheritanceRenderingInfo rendering = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_RENDERING_INFO,
        .colorAttachmentCount = 1,
        .pColorAttachmentFormats = &format,
        .rasterizationSamples = VK_SAMPLE_COUNT_1_BIT,
    };
    const VkCommandBufferInheritanceInfo inheritance = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO,
        .pNext = &rendering,
    };
    const VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_RENDER_PASS_CONTINUE_BIT
                 | VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
        .pInheritanceInfo = &inheritance,
    };
    struct pv_prog_grid *grid = worker->grid;

    PV_PROG_VK(vkBeginCommandBuffer(worker->commands, &info));
    pv_prog_draw_set_area(worker->commands, (VkExtent2D){grid->target.extent_px.width,
                                                         grid->target.extent_px.height});
    for (uint32_t i = 0; i < CELLS; i++) {
        const uint32_t cell = worker->index * CELLS + i;
        const uint32_t pipeline = i % PIPELINES;
        const struct pv_prog_grid_push push = {cell, cell * 0x01234567u};

        vkCmdBindPipeline(worker->commands, VK_PIPELINE_BIND_POINT_GRAPHICS,
                          worker->pipelines[pipeline]);
        vkCmdPushConstants(worker->commands, grid->layout, VK_SHADER_STAGE_VERTEX_BIT, 0,
                           sizeof(push), &push);
        vkCmdDraw(worker->commands, 4, 1, 0, 0);
        grid->want[cell] = push.color ^ (worker->index * PIPELINES + pipeline + 1) * 0x010f1f3fu;
    }
    PV_PROG_VK(vkEndCommandBuffer(worker->commands));
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct pv_prog_gpu *gpu = worker->gpu;
    const VkCommandPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = gpu->queue_family,
    };
    VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .level = VK_COMMAND_BUFFER_LEVEL_SECONDARY,
        .commandBufferCount = 1,
    };

    PV_PROG_VK(vkCreateCommandPool(gpu->device, &pool_info, NULL, &worker->pool));
    info.commandPool = worker->pool;
    PV_PROG_VK(vkAllocateCommandBuffers(gpu->device, &info, &worker->commands));
    for (uint32_t i = 0; i < PIPELINES; i++) {
        worker->pipelines[i] = pv_prog_grid_pipeline_create(
            gpu, worker->grid, (worker->index * PIPELINES + i + 1) * 0x010f1f3fu);
    }
    record(worker);
    churn(worker);
    return NULL;
}

void pv_prog_render_threads(struct pv_prog_gpu *gpu, const char *name)
{
    struct pv_prog_grid grid;
    struct worker workers[THREADS];
    VkCommandBuffer secondaries[THREADS];
    VkCommandBuffer commands;

    pv_prog_grid_create(gpu, false, &grid);
    memset(workers, 0, sizeof(workers));
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i].gpu = gpu;
        workers[i].grid = &grid;
        workers[i].index = i;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            pv_prog_fail("case %s: cannot start a thread", name);
        }
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        secondaries[i] = workers[i].commands;
    }
    commands = pv_prog_grid_begin(gpu, &grid, true);
    vkCmdExecuteCommands(commands, THREADS, secondaries);
    pv_prog_grid_finish(gpu, &grid, commands);
    pv_prog_grid_check(&grid, name);
    for (uint32_t i = 0; i < THREADS; i++) {
        vkDestroyCommandPool(gpu->device, workers[i].pool, NULL);
        for (uint32_t k = 0; k < PIPELINES; k++) {
            vkDestroyPipeline(gpu->device, workers[i].pipelines[k], NULL);
        }
    }
    pv_prog_grid_destroy(gpu, &grid);
}
