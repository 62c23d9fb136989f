/* SPDX-License-Identifier: MIT */
/* pv-bench: what waiting costs. Submissions and their fences, states that are asked for. */
#include "bench_measure.h"

#include <stdlib.h>
#include <time.h>

#include "common/commands.h"
#include "common/report.h"

#define PAUSE_NS 400000
#define PAUSES   101u

struct submit {
    struct pv_prog_gpu *gpu;
    VkCommandBuffer commands; /* NULL: an empty submission */
    VkFence fence;
};

static VkFence create_fence(const struct pv_prog_gpu *gpu)
{
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence fence;

    PV_PROG_VK(vkCreateFence(gpu->device, &info, NULL, &fence));
    return fence;
}

static void submit_and_wait(void *context, uint32_t count)
{
    const struct submit *submit = context;
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &submit->commands,
    };

    for (uint32_t i = 0; i < count; i++) {
        PV_PROG_VK(vkQueueSubmit(submit->gpu->queue, submit->commands != NULL ? 1 : 0, &info,
                                 submit->fence));
        pv_prog_fence_wait(submit->gpu, submit->fence, "a submission");
        PV_PROG_VK(vkResetFences(submit->gpu->device, 1, &submit->fence));
    }
}

void pv_prog_bench_submit(struct pv_prog_bench *bench)
{
    struct pv_prog_gpu *gpu = bench->gpu;
    struct submit submit = {.gpu = gpu, .fence = create_fence(gpu)};
    struct pv_prog_buffer buffer;
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = gpu->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };

    pv_prog_bench_measure(bench, "submit-wait-empty", "submission", 1, 0, submit_and_wait, &submit);

    pv_prog_buffer_create_host(gpu, 4096, 0, &buffer);
    PV_PROG_VK(vkAllocateCommandBuffers(gpu->device, &info, &submit.commands));
    pv_prog_commands_start(submit.commands, 0);
    vkCmdFillBuffer(submit.commands, buffer.buffer, 0, 64, 7);
    PV_PROG_VK(vkEndCommandBuffer(submit.commands));
    pv_prog_bench_measure(bench, "submit-wait", "submission", 1, 0, submit_and_wait, &submit);

    vkFreeCommandBuffers(gpu->device, gpu->pool, 1, &submit.commands);
    pv_prog_buffer_destroy(gpu, &buffer);
    vkDestroyFence(gpu->device, submit.fence, NULL);
}

struct status {
    struct pv_prog_gpu *gpu;
    VkFence fence;
    VkQueryPool pool;
};

static void ask_fence(void *context, uint32_t count)
{
    const struct status *status = context;

    for (uint32_t i = 0; i < count; i++) {
        PV_PROG_VK(vkGetFenceStatus(status->gpu->device, status->fence));
    }
}

static void ask_query(void *context, uint32_t count)
{
    const struct status *status = context;
    uint64_t value;

    for (uint32_t i = 0; i < count; i++) {
        PV_PROG_VK(vkGetQueryPoolResults(status->gpu->device, status->pool, 0, 1, sizeof(value),
                                         &value, sizeof(value), VK_QUERY_RESULT_64_BIT));
    }
}

void pv_prog_bench_status(struct pv_prog_bench *bench)
{
    struct pv_prog_gpu *gpu = bench->gpu;
    struct status status = {.gpu = gpu, .fence = create_fence(gpu)};
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = 1,
    };
    VkCommandBuffer commands;

    PV_PROG_VK(vkQueueSubmit(gpu->queue, 0, NULL, status.fence));
    pv_prog_fence_wait(gpu, status.fence, "an empty submission");
    pv_prog_bench_measure(bench, "fence-status", "call", 1, 0, ask_fence, &status);
    if (gpu->family.timestampValidBits != 0) {
        PV_PROG_VK(vkCreateQueryPool(gpu->device, &info, NULL, &status.pool));
        commands = pv_prog_commands_begin(gpu);
        vkCmdResetQueryPool(commands, status.pool, 0, 1);
        vkCmdWriteTimestamp2(commands, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, status.pool, 0);
        pv_prog_commands_run(gpu, commands);
        pv_prog_bench_measure(bench, "query-results", "call", 1, 0, ask_query, &status);
        vkDestroyQueryPool(gpu->device, status.pool, NULL);
    }
    vkDestroyFence(gpu->device, status.fence, NULL);
}

/* A question that Mesa's Venus cannot answer by itself: one command there and its reply back. */
static void ask_support(void *context, uint32_t count)
{
    const struct pv_prog_gpu *gpu = context;
    const VkDescriptorSetLayoutBinding binding = {0, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1,
                                                  VK_SHADER_STAGE_COMPUTE_BIT, NULL};
    const VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = 1,
        .pBindings = &binding,
    };

    for (uint32_t i = 0; i < count; i++) {
        VkDescriptorSetLayoutSupport support = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_SUPPORT,
        };

        vkGetDescriptorSetLayoutSupport(gpu->device, &info, &support);
        if (!support.supported) {
            pv_prog_fail("a set layout of one buffer is said not to be supported");
        }
    }
}

static int compare(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

/* The same call after a pause, as in a program that draws a frame now and then: whoever serves it
 * has stopped polling meanwhile, and has to notice. */
static void ask_late(const struct pv_prog_bench *bench)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    uint64_t took_ns[PAUSES];

    for (uint32_t i = 0; i < PAUSES; i++) {
        uint64_t start_ns;

        (void)nanosleep(&pause, NULL);
        start_ns = pv_prog_bench_now_ns();
        ask_support(bench->gpu, 1);
        took_ns[i] = pv_prog_bench_now_ns() - start_ns;
    }
    qsort(took_ns, PAUSES, sizeof(took_ns[0]), compare);
    pv_prog_bench_say("round-trip-late", "call", took_ns[PAUSES / 2]);
}

void pv_prog_bench_round_trip(struct pv_prog_bench *bench)
{
    pv_prog_bench_measure(bench, "round-trip", "call", 1, 0, ask_support, bench->gpu);
    ask_late(bench);
}
