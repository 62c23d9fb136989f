/* SPDX-License-Identifier: MIT */
/*
 * pv-query: query pools of all kinds that Vulkan 1.3 has, and all ways to get at their results.
 *
 * The occlusion cases draw cells of the grid, 64 pixels each, so the counts are known.
 */
#include <string.h>

#include "common/commands.h"
#include "common/kernel.h"
#include "common/memory.h"
#include "common/options.h"
#include "common/report.h"
#include "render_grid.h"

#include "slow_comp.h"

enum { CELL_SAMPLES = 64, QUERIES = 8 };

static VkQueryPool create_pool(struct pv_prog_gpu *gpu, VkQueryType type, uint32_t count,
                               VkQueryPipelineStatisticFlags statistics)
{
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = type,
        .queryCount = count,
        .pipelineStatistics = statistics,
    };
    VkQueryPool pool;

    PV_PROG_VK(vkCreateQueryPool(gpu->device, &info, NULL, &pool));
    return pool;
}

static void reset_by_command(struct pv_prog_gpu *gpu, VkQueryPool pool, uint32_t first,
                             uint32_t count)
{
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);

    vkCmdResetQueryPool(commands, pool, first, count);
    pv_prog_commands_run(gpu, commands);
}

/* Query i sees i cells, i = 0 .. QUERIES - 1. One draw after each goes unseen. */
static void draw_counted(struct pv_prog_gpu *gpu, VkQueryPool pool, VkQueryControlFlags flags)
{
    struct pv_prog_grid grid;
    VkCommandBuffer commands;
    uint32_t cell = 0;

    pv_prog_grid_create(gpu, false, &grid);
    commands = pv_prog_grid_begin(gpu, &grid, false);
    for (uint32_t i = 0; i < QUERIES; i++) {
        vkCmdBeginQuery(commands, pool, i, flags);
        for (uint32_t n = 0; n < i; n++) {
            const struct pv_prog_grid_push push = {cell++, 0xffffffff};

            vkCmdPushConstants(commands, grid.layout, VK_SHADER_STAGE_VERTEX_BIT, 0, sizeof(push),
                               &push);
            vkCmdDraw(commands, 4, 1, 0, 0);
        }
        vkCmdEndQuery(commands, pool, i);
        vkCmdDraw(commands, 4, 1, 0, 0); /* unseen by any query */
    }
    pv_prog_grid_finish(gpu, &grid, commands);
    pv_prog_grid_destroy(gpu, &grid);
}

static void expect_samples(const char *name, uint64_t got, uint32_t cells, bool precise)
{
    const uint64_t want = (uint64_t)cells * CELL_SAMPLES;

    if (precise ? got != want : (got != 0) != (want != 0)) {
        pv_prog_fail("case %s: %llu samples passed, expected %llu", name, (unsigned long long)got,
                     (unsigned long long)want);
    }
}

/* Results to the host: 64 and 32 bits, with and without WAIT, with and without availability. */
static void run_occlusion(struct pv_prog_gpu *gpu, const char *name)
{
    const bool precise = gpu->enabled.core.occlusionQueryPrecise;
    VkQueryPool pool = create_pool(gpu, VK_QUERY_TYPE_OCCLUSION, QUERIES, 0);
    struct {
        uint64_t value;
        uint64_t available;
    } with[QUERIES];
    uint64_t plain[QUERIES];
    uint32_t narrow[QUERIES][3]; /* value, availability, one word that must stay */
    struct pv_prog_digest digest = pv_prog_digest_start();

    reset_by_command(gpu, pool, 0, QUERIES);
    draw_counted(gpu, pool, precise ? VK_QUERY_CONTROL_PRECISE_BIT : 0);
    PV_PROG_VK(vkGetQueryPoolResults(gpu->device, pool, 0, QUERIES, sizeof(plain), plain, 8,
                                     VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
    PV_PROG_VK(
        vkGetQueryPoolResults(gpu->device, pool, 0, QUERIES, sizeof(with), with, 16,
                              VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT));
    memset(narrow, 0x5a, sizeof(narrow));
    PV_PROG_VK(vkGetQueryPoolResults(gpu->device, pool, 2, QUERIES - 2, sizeof(narrow[0]) * 6,
                                     narrow, sizeof(narrow[0]),
                                     VK_QUERY_RESULT_WITH_AVAILABILITY_BIT));
    for (uint32_t i = 0; i < QUERIES; i++) {
        expect_samples(name, plain[i], i, precise);
        if (with[i].value != plain[i] || with[i].available == 0) {
            pv_prog_fail("case %s: query %u differs with its availability", name, i);
        }
        if (i >= 2
            && (narrow[i - 2][0] != (uint32_t)plain[i] || narrow[i - 2][1] == 0
                || narrow[i - 2][2] != 0x5a5a5a5a)) {
            pv_prog_fail("case %s: query %u differs in 32 bits", name, i);
        }
    }
    pv_prog_digest_add(&digest, plain, sizeof(plain));
    pv_prog_case_digest(name, digest);
    vkDestroyQueryPool(gpu->device, pool, NULL);
}

/* Results to a buffer, with availability, at a stride of their own. */
static void run_copy(struct pv_prog_gpu *gpu, const char *name)
{
    enum { STRIDE = 32, OFFSET = 64 };
    const bool precise = gpu->enabled.core.occlusionQueryPrecise;
    VkQueryPool pool = create_pool(gpu, VK_QUERY_TYPE_OCCLUSION, QUERIES, 0);
    struct pv_prog_buffer buffer;
    VkCommandBuffer commands;
    struct pv_prog_digest digest = pv_prog_digest_start();

    vkResetQueryPool(gpu->device, pool, 0, QUERIES);
    draw_counted(gpu, pool, precise ? VK_QUERY_CONTROL_PRECISE_BIT : 0);
    pv_prog_buffer_create_host(gpu, OFFSET + QUERIES * STRIDE, 0, &buffer);
    memset(buffer.mapped, 0x77, buffer.size_bytes);
    commands = pv_prog_commands_begin(gpu);
    vkCmdCopyQueryPoolResults(commands, pool, 0, QUERIES, buffer.buffer, OFFSET, STRIDE,
                              VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT
                                  | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT);
    pv_prog_commands_run(gpu, commands);
    for (uint32_t i = 0; i < QUERIES; i++) {
        uint64_t words[4];

        memcpy(words, (uint8_t *)buffer.mapped + OFFSET + i * STRIDE, sizeof(words));
        expect_samples(name, words[0], i, precise);
        if (words[1] == 0 || words[2] != 0x7777777777777777u) {
            pv_prog_fail("case %s: query %u is unavailable or wrote too far", name, i);
        }
        pv_prog_digest_add(&digest, words, 8);
    }
    pv_prog_case_digest(name, digest);
    pv_prog_buffer_destroy(gpu, &buffer);
    vkDestroyQueryPool(gpu->device, pool, NULL);
}

static void expect_unavailable(struct pv_prog_gpu *gpu, const char *name, VkQueryPool pool,
                               uint32_t query, const char *when)
{
    uint64_t words[2] = {0, 99};
    VkResult result =
        vkGetQueryPoolResults(gpu->device, pool, query, 1, sizeof(words), words, sizeof(words),
                              VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT);

    if ((result != VK_NOT_READY && result != VK_SUCCESS) || words[1] != 0) {
        pv_prog_fail("case %s: %s, query %u gave VkResult %d and availability %llu", name, when,
                     query, (int)result, (unsigned long long)words[1]);
    }
    result =
        vkGetQueryPoolResults(gpu->device, pool, query, 1, 8, words, 8, VK_QUERY_RESULT_64_BIT);
    if (result != VK_NOT_READY) {
        pv_prog_fail("case %s: %s, query %u gave VkResult %d", name, when, query, (int)result);
    }
}

/* A reset, by command or by host, makes results unavailable; others keep theirs. */
static void run_reset(struct pv_prog_gpu *gpu, const char *name)
{
    VkQueryPool pool = create_pool(gpu, VK_QUERY_TYPE_OCCLUSION, QUERIES, 0);
    uint64_t value = 0;

    vkResetQueryPool(gpu->device, pool, 0, QUERIES);
    expect_unavailable(gpu, name, pool, 3, "after the first reset");
    for (uint32_t round = 0; round < 2; round++) {
        draw_counted(gpu, pool, 0);
        PV_PROG_VK(
            vkGetQueryPoolResults(gpu->device, pool, 1, 1, 8, &value, 8, VK_QUERY_RESULT_64_BIT));
        expect_samples(name, value, 1, false);
        if (round == 0) {
            vkResetQueryPool(gpu->device, pool, 0, 4);
        } else {
            reset_by_command(gpu, pool, 0, 4);
        }
        expect_unavailable(gpu, name, pool, 0, "after a reset");
        expect_unavailable(gpu, name, pool, 3, "after a reset");
        PV_PROG_VK(
            vkGetQueryPoolResults(gpu->device, pool, 5, 1, 8, &value, 8, VK_QUERY_RESULT_64_BIT));
        expect_samples(name, value, 5, false);
        vkResetQueryPool(gpu->device, pool, 0, QUERIES);
    }
    pv_prog_case_ok(name);
    vkDestroyQueryPool(gpu->device, pool, NULL);
}

/* Timestamps rise, and WAIT works without any fence. Their values are nobody's business. */
static void run_timestamps(struct pv_prog_gpu *gpu, const char *name)
{
    enum { STAMPS = 6, WORDS = 64 * 1024 };
    const struct pv_prog_kernel_options options = {
        .code = pv_shader_slow_comp,
        .code_bytes = sizeof(pv_shader_slow_comp),
        .buffer_count = 1,
        .push_bytes = 8,
    };
    VkQueryPool pool;
    struct pv_prog_buffer buffer;
    const struct pv_prog_buffer *const buffers[] = {&buffer};
    struct pv_prog_kernel kernel;
    VkCommandBuffer commands;
    uint64_t stamps[STAMPS];

    if (gpu->family.timestampValidBits == 0) {
        pv_prog_case_skip(name, "no timestamps");
        return;
    }
    pool = create_pool(gpu, VK_QUERY_TYPE_TIMESTAMP, STAMPS, 0);
    pv_prog_buffer_create_host(gpu, WORDS * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, &buffer);
    pv_prog_kernel_create(gpu, &options, &kernel);
    pv_prog_kernel_bind(gpu, &kernel, buffers, 1);
    commands = pv_prog_commands_begin(gpu);
    vkCmdResetQueryPool(commands, pool, 0, STAMPS);
    for (uint32_t i = 0; i < STAMPS; i++) {
        if (i % 2 == 0) {
            vkCmdWriteTimestamp2(commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, pool, i);
        } else {
            vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool, i);
        }
        pv_prog_kernel_dispatch(commands, &kernel, (const uint32_t[]){i, 20}, 8, WORDS / 64);
        pv_prog_barrier_all(commands);
    }
    PV_PROG_VK(vkEndCommandBuffer(commands));
    pv_prog_commands_submit(gpu->queue, commands, VK_NULL_HANDLE);
    PV_PROG_VK(vkGetQueryPoolResults(gpu->device, pool, 0, STAMPS, sizeof(stamps), stamps, 8,
                                     VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
    PV_PROG_VK(vkQueueWaitIdle(gpu->queue));
    for (uint32_t i = 1; i < STAMPS; i++) {
        if (stamps[i] < stamps[i - 1]) {
            pv_prog_fail("case %s: timestamp %u is less than the one before", name, i);
        }
    }
    if (stamps[STAMPS - 1] == stamps[0]) {
        pv_prog_fail("case %s: no time passed", name);
    }
    pv_prog_case_ok(name);
    vkFreeCommandBuffers(gpu->device, gpu->pool, 1, &commands);
    pv_prog_kernel_destroy(gpu, &kernel);
    pv_prog_buffer_destroy(gpu, &buffer);
    vkDestroyQueryPool(gpu->device, pool, NULL);
}

/* What the input assembler saw is known; what else is counted is the device's, but repeatable. */
static void run_statistics(struct pv_prog_gpu *gpu, const char *name)
{
    const VkQueryPipelineStatisticFlags flags =
        VK_QUERY_PIPELINE_STATISTIC_INPUT_ASSEMBLY_VERTICES_BIT
        | VK_QUERY_PIPELINE_STATISTIC_INPUT_ASSEMBLY_PRIMITIVES_BIT
        | VK_QUERY_PIPELINE_STATISTIC_FRAGMENT_SHADER_INVOCATIONS_BIT;
    VkQueryPool pool;
    struct {
        uint64_t vertices;
        uint64_t primitives;
        uint64_t fragments;
        uint64_t available;
    } results[QUERIES];
    struct pv_prog_digest digest = pv_prog_digest_start();

    if (!gpu->enabled.core.pipelineStatisticsQuery) {
        pv_prog_case_skip(name, "no pipelineStatisticsQuery");
        return;
    }
    pool = create_pool(gpu, VK_QUERY_TYPE_PIPELINE_STATISTICS, QUERIES, flags);
    reset_by_command(gpu, pool, 0, QUERIES);
    draw_counted(gpu, pool, 0);
    PV_PROG_VK(vkGetQueryPoolResults(
        gpu->device, pool, 0, QUERIES, sizeof(results), results, sizeof(results[0]),
        VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT));
    for (uint32_t i = 0; i < QUERIES; i++) {
        if (results[i].vertices != i * 4 || results[i].primitives != i * 2
            || results[i].fragments < i * CELL_SAMPLES || results[i].available == 0) {
            pv_prog_fail("case %s: query %u has %llu vertices, %llu primitives, %llu fragments",
                         name, i, (unsigned long long)results[i].vertices,
                         (unsigned long long)results[i].primitives,
                         (unsigned long long)results[i].fragments);
        }
        pv_prog_digest_add(&digest, &results[i], 16);
    }
    pv_prog_case_digest(name, digest);
    vkDestroyQueryPool(gpu->device, pool, NULL);
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: pv-query [options]\n"
        "Count samples, take times and statistics in all ways.\n\n" PV_PROG_OPTION_HELP_TEXT;
    static const struct pv_prog_case cases[] = {
        {"occlusion", run_occlusion},   {"copy", run_copy},
        {"reset", run_reset},           {"timestamps", run_timestamps},
        {"statistics", run_statistics},
    };
    const struct pv_prog_gpu_options options = {.name = "pv-query"};

    return pv_prog_cases_main(argc, argv, usage, &options, cases, sizeof(cases) / sizeof(cases[0]));
}
