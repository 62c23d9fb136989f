/* SPDX-License-Identifier: MIT */
/*
 * pv-timeline: who waits for whom: timeline and binary semaphores, fences, events, with submit and
 * submit2, from one thread and from several (timeline_threads.c).
 *
 * A wrong order shows in the words that the commands leave behind; a lost signal shows as a
 * time-out, which is a failure with a sentence.
 */
#include "timeline_cases.h"

#include <string.h>
#include <time.h>

#include "common/commands.h"
#include "common/kernel.h"
#include "common/memory.h"
#include "common/options.h"
#include "common/report.h"

#include "step_comp.h"

enum { WORDS = 256 };

VkSemaphore pv_prog_timeline_create(const struct pv_prog_gpu *gpu, uint64_t initial_value)
{
    const VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
        .initialValue = initial_value,
    };
    const VkSemaphoreCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
        .pNext = &type,
    };
    VkSemaphore semaphore;

    PV_PROG_VK(vkCreateSemaphore(gpu->device, &info, NULL, &semaphore));
    return semaphore;
}

static VkSemaphore create_binary(const struct pv_prog_gpu *gpu)
{
    const VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    VkSemaphore semaphore;

    PV_PROG_VK(vkCreateSemaphore(gpu->device, &info, NULL, &semaphore));
    return semaphore;
}

static VkFence create_fence(const struct pv_prog_gpu *gpu, VkFenceCreateFlags flags)
{
    const VkFenceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO,
        .flags = flags,
    };
    VkFence fence;

    PV_PROG_VK(vkCreateFence(gpu->device, &info, NULL, &fence));
    return fence;
}

static VkResult wait_value(const struct pv_prog_gpu *gpu, VkSemaphore semaphore, uint64_t value,
                           uint64_t timeout_ns)
{
    const VkSemaphoreWaitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = &semaphore,
        .pValues = &value,
    };

    return vkWaitSemaphores(gpu->device, &info, timeout_ns);
}

void pv_prog_timeline_wait(const struct pv_prog_gpu *gpu, VkSemaphore semaphore, uint64_t value)
{
    VkResult result = wait_value(gpu, semaphore, value, PV_PROG_WAIT_NS);

    if (result == VK_TIMEOUT) {
        pv_prog_fail("a timeline did not reach %llu in time", (unsigned long long)value);
    }
    PV_PROG_VK(result);
}

void pv_prog_timeline_submit(VkQueue queue, VkCommandBuffer commands, VkSemaphore wait,
                             uint64_t wait_value, VkSemaphore signal, uint64_t signal_value,
                             VkFence fence)
{
    const VkSemaphoreSubmitInfo wait_info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
        .semaphore = wait,
        .value = wait_value,
        .stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
    };
    const VkSemaphoreSubmitInfo signal_info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
        .semaphore = signal,
        .value = signal_value,
        .stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
    };
    const VkCommandBufferSubmitInfo commands_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO,
        .commandBuffer = commands,
    };
    const VkSubmitInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
        .waitSemaphoreInfoCount = wait != VK_NULL_HANDLE ? 1 : 0,
        .pWaitSemaphoreInfos = &wait_info,
        .commandBufferInfoCount = commands != VK_NULL_HANDLE ? 1 : 0,
        .pCommandBufferInfos = &commands_info,
        .signalSemaphoreInfoCount = signal != VK_NULL_HANDLE ? 1 : 0,
        .pSignalSemaphoreInfos = &signal_info,
    };

    PV_PROG_VK(vkQueueSubmit2(queue, 1, &info, fence));
}

static void expect_counter(const struct pv_prog_gpu *gpu, const char *name, VkSemaphore semaphore,
                           uint64_t want)
{
    uint64_t got;

    PV_PROG_VK(vkGetSemaphoreCounterValue(gpu->device, semaphore, &got));
    if (got != want) {
        pv_prog_fail("case %s: the counter is %llu, expected %llu", name, (unsigned long long)got,
                     (unsigned long long)want);
    }
}

static void expect_result(const char *name, VkResult got, VkResult want, const char *what)
{
    if (got != want) {
        pv_prog_fail("case %s: %s gave VkResult %d, expected %d", name, what, (int)got, (int)want);
    }
}

static void host_signal(const struct pv_prog_gpu *gpu, VkSemaphore semaphore, uint64_t value)
{
    const VkSemaphoreSignalInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
        .semaphore = semaphore,
        .value = value,
    };

    PV_PROG_VK(vkSignalSemaphore(gpu->device, &info));
}

/* Counters and waits of the host alone, for one and for all of several. */
static void run_host(struct pv_prog_gpu *gpu, const char *name)
{
    VkSemaphore semaphores[2] = {pv_prog_timeline_create(gpu, 5), pv_prog_timeline_create(gpu, 0)};
    const uint64_t values[2] = {7, 1};
    VkSemaphoreWaitInfo both = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 2,
        .pSemaphores = semaphores,
        .pValues = values,
    };

    expect_counter(gpu, name, semaphores[0], 5);
    expect_result(name, wait_value(gpu, semaphores[0], 5, 0), VK_SUCCESS, "a wait for now");
    expect_result(name, wait_value(gpu, semaphores[0], 6, 0), VK_TIMEOUT, "a look ahead");
    expect_result(name, wait_value(gpu, semaphores[0], 6, 2000000), VK_TIMEOUT, "a short wait");
    host_signal(gpu, semaphores[0], 7);
    expect_counter(gpu, name, semaphores[0], 7);
    expect_result(name, vkWaitSemaphores(gpu->device, &both, 1000000), VK_TIMEOUT, "all of two");
    both.flags = VK_SEMAPHORE_WAIT_ANY_BIT;
    expect_result(name, vkWaitSemaphores(gpu->device, &both, 1000000), VK_SUCCESS, "any of two");
    both.flags = 0;
    host_signal(gpu, semaphores[1], UINT64_C(0x100000000));
    expect_result(name, vkWaitSemaphores(gpu->device, &both, 0), VK_SUCCESS, "both of two");
    expect_counter(gpu, name, semaphores[1], UINT64_C(0x100000000));
    vkDestroySemaphore(gpu->device, semaphores[0], NULL);
    vkDestroySemaphore(gpu->device, semaphores[1], NULL);
    pv_prog_case_ok(name);
}

/* Steps of a generator in submissions of their own: the order of all of them shows at the end. */
struct chain {
    struct pv_prog_buffer state;
    struct pv_prog_kernel kernel;
    uint32_t want[WORDS];
};

static void chain_open(struct pv_prog_gpu *gpu, struct chain *ret_chain)
{
    const struct pv_prog_kernel_options options = {
        .code = pv_shader_step_comp,
        .code_bytes = sizeof(pv_shader_step_comp),
        .buffer_count = 1,
        .push_bytes = 4,
    };
    const struct pv_prog_buffer *const buffers[] = {&ret_chain->state};

    pv_prog_buffer_create_host(gpu, WORDS * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                               &ret_chain->state);
    for (uint32_t i = 0; i < WORDS; i++) {
        ((uint32_t *)ret_chain->state.mapped)[i] = ret_chain->want[i] = i * 40503u;
    }
    pv_prog_kernel_create(gpu, &options, &ret_chain->kernel);
    pv_prog_kernel_bind(gpu, &ret_chain->kernel, buffers, 1);
}

/* A command buffer with one step; the mirror steps too, so call in the order of execution. */
static VkCommandBuffer chain_step(struct pv_prog_gpu *gpu, struct chain *chain, uint32_t increment)
{
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);

    pv_prog_barrier_all(commands);
    pv_prog_kernel_dispatch(commands, &chain->kernel, &increment, 4, WORDS / 64);
    pv_prog_barrier_all(commands);
    PV_PROG_VK(vkEndCommandBuffer(commands));
    for (uint32_t i = 0; i < WORDS; i++) {
        chain->want[i] = chain->want[i] * 1664525u + increment;
    }
    return commands;
}

/* All submissions are over. */
static void chain_close(struct pv_prog_gpu *gpu, const char *name, struct chain *chain,
                        VkCommandBuffer *commands, uint32_t count)
{
    struct pv_prog_digest digest = pv_prog_digest_start();

    pv_prog_expect_words(name, chain->state.mapped, chain->want, WORDS);
    pv_prog_digest_add(&digest, chain->state.mapped, WORDS * 4);
    pv_prog_case_digest(name, digest);
    if (count != 0) {
        vkFreeCommandBuffers(gpu->device, gpu->pool, count, commands);
    }
    pv_prog_kernel_destroy(gpu, &chain->kernel);
    pv_prog_buffer_destroy(gpu, &chain->state);
}

/* Work is submitted that waits for a value which the host signals later. */
static void run_wait_first(struct pv_prog_gpu *gpu, const char *name)
{
    VkSemaphore semaphore = pv_prog_timeline_create(gpu, 0);
    VkFence fence = create_fence(gpu, 0);
    const struct timespec pause = {0, 20000000};
    struct chain chain;
    VkCommandBuffer commands;

    chain_open(gpu, &chain);
    commands = chain_step(gpu, &chain, 11);
    pv_prog_timeline_submit(gpu->queue, commands, semaphore, 10, semaphore, 20, fence);
    host_signal(gpu, semaphore, 9);
    nanosleep(&pause, NULL);
    expect_result(name, vkGetFenceStatus(gpu->device, fence), VK_NOT_READY, "a held fence");
    expect_counter(gpu, name, semaphore, 9);
    if (*(const uint32_t *)chain.state.mapped == chain.want[0]) {
        pv_prog_fail("case %s: the work did not wait", name);
    }
    host_signal(gpu, semaphore, 10);
    pv_prog_fence_wait(gpu, fence, "released work");
    pv_prog_timeline_wait(gpu, semaphore, 20);
    expect_counter(gpu, name, semaphore, 20);
    chain_close(gpu, name, &chain, &commands, 1);
    vkDestroyFence(gpu->device, fence, NULL);
    vkDestroySemaphore(gpu->device, semaphore, NULL);
}

/* A hundred submissions, each waiting for the one before, over all queues in turn. */
static void run_chain(struct pv_prog_gpu *gpu, const char *name)
{
    enum { STEPS = 100 };
    VkSemaphore semaphore = pv_prog_timeline_create(gpu, 0);
    VkCommandBuffer commands[STEPS];
    struct chain chain;

    chain_open(gpu, &chain);
    for (uint32_t n = 0; n < STEPS; n++) {
        commands[n] = chain_step(gpu, &chain, n);
        pv_prog_timeline_submit(gpu->queues[n % gpu->queue_count], commands[n], semaphore, n,
                                semaphore, n + 1, VK_NULL_HANDLE);
    }
    pv_prog_timeline_wait(gpu, semaphore, STEPS);
    PV_PROG_VK(vkDeviceWaitIdle(gpu->device));
    chain_close(gpu, name, &chain, commands, STEPS);
    vkDestroySemaphore(gpu->device, semaphore, NULL);
}

/* The later work is submitted first, to another queue. */
static void run_queues(struct pv_prog_gpu *gpu, const char *name)
{
    VkSemaphore semaphore;
    VkCommandBuffer commands[2];
    struct chain chain;

    if (gpu->queue_count < 2) {
        pv_prog_case_skip(name, "one queue");
        return;
    }
    semaphore = pv_prog_timeline_create(gpu, 0);
    chain_open(gpu, &chain);
    commands[0] = chain_step(gpu, &chain, 5);
    commands[1] = chain_step(gpu, &chain, 6);
    pv_prog_timeline_submit(gpu->queues[1], commands[1], semaphore, 1, semaphore, 2,
                            VK_NULL_HANDLE);
    pv_prog_timeline_submit(gpu->queues[0], commands[0], VK_NULL_HANDLE, 0, semaphore, 1,
                            VK_NULL_HANDLE);
    pv_prog_timeline_wait(gpu, semaphore, 2);
    PV_PROG_VK(vkDeviceWaitIdle(gpu->device));
    chain_close(gpu, name, &chain, commands, 2);
    vkDestroySemaphore(gpu->device, semaphore, NULL);
}

/* Binary semaphores between submissions of the older kind, several batches in one call. */
static void run_binary(struct pv_prog_gpu *gpu, const char *name)
{
    enum { STEPS = 6 };
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    VkSemaphore semaphores[STEPS];
    VkCommandBuffer commands[STEPS];
    VkSubmitInfo infos[STEPS];
    VkFence fence = create_fence(gpu, 0);
    struct chain chain;

    chain_open(gpu, &chain);
    for (uint32_t n = 0; n < STEPS; n++) {
        semaphores[n] = create_binary(gpu);
        commands[n] = chain_step(gpu, &chain, n * 3);
        infos[n] = (VkSubmitInfo){
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .waitSemaphoreCount = n == 0 ? 0 : 1,
            .pWaitSemaphores = n == 0 ? NULL : &semaphores[n - 1],
            .pWaitDstStageMask = &stage,
            .commandBufferCount = 1,
            .pCommandBuffers = &commands[n],
            .signalSemaphoreCount = n + 1 == STEPS ? 0 : 1,
            .pSignalSemaphores = &semaphores[n],
        };
    }
    PV_PROG_VK(vkQueueSubmit(gpu->queue, 2, infos, VK_NULL_HANDLE));
    PV_PROG_VK(vkQueueSubmit(gpu->queue, STEPS - 2, infos + 2, fence));
    pv_prog_fence_wait(gpu, fence, "a chain of binary semaphores");
    PV_PROG_VK(vkQueueWaitIdle(gpu->queue));
    chain_close(gpu, name, &chain, commands, STEPS);
    for (uint32_t n = 0; n < STEPS; n++) {
        vkDestroySemaphore(gpu->device, semaphores[n], NULL);
    }
    vkDestroyFence(gpu->device, fence, NULL);
}

/* Fences: born signalled, held back, one of several, all of several, used again. */
static void run_fences(struct pv_prog_gpu *gpu, const char *name)
{
    VkFence fences[3] = {create_fence(gpu, VK_FENCE_CREATE_SIGNALED_BIT), create_fence(gpu, 0),
                         create_fence(gpu, 0)};
    VkSemaphore semaphore = pv_prog_timeline_create(gpu, 0);

    expect_result(name, vkGetFenceStatus(gpu->device, fences[0]), VK_SUCCESS, "a born fence");
    expect_result(name, vkGetFenceStatus(gpu->device, fences[1]), VK_NOT_READY, "a new fence");
    PV_PROG_VK(vkResetFences(gpu->device, 1, &fences[0]));
    expect_result(name, vkGetFenceStatus(gpu->device, fences[0]), VK_NOT_READY, "a reset fence");
    for (uint64_t round = 1; round < 20; round++) {
        PV_PROG_VK(vkQueueSubmit(gpu->queue, 0, NULL, fences[0])); /* no work at all */
        pv_prog_timeline_submit(gpu->queue, VK_NULL_HANDLE, semaphore, round, VK_NULL_HANDLE, 0,
                                fences[1]);
        pv_prog_fence_wait(gpu, fences[0], "a fence of an empty submission");
        expect_result(name, vkWaitForFences(gpu->device, 2, fences, VK_TRUE, 1000000), VK_TIMEOUT,
                      "all of two fences");
        expect_result(name, vkWaitForFences(gpu->device, 2, fences, VK_FALSE, 0), VK_SUCCESS,
                      "any of two fences");
        host_signal(gpu, semaphore, round);
        pv_prog_timeline_submit(gpu->queue, VK_NULL_HANDLE, VK_NULL_HANDLE, 0, VK_NULL_HANDLE, 0,
                                fences[2]);
        expect_result(name, vkWaitForFences(gpu->device, 3, fences, VK_TRUE, PV_PROG_WAIT_NS),
                      VK_SUCCESS, "all of three fences");
        PV_PROG_VK(vkResetFences(gpu->device, 3, fences));
    }
    for (uint32_t i = 0; i < 3; i++) {
        vkDestroyFence(gpu->device, fences[i], NULL);
    }
    vkDestroySemaphore(gpu->device, semaphore, NULL);
    pv_prog_case_ok(name);
}

/* Record: set by the GPU with the newer commands, waited for, reset with the older ones. */
static void record_events(VkCommandBuffer commands, VkEvent by_host, VkEvent by_gpu,
                          struct chain *chain, uint32_t round)
{
    const VkMemoryBarrier2 barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
        .srcStageMask = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
        .srcAccessMask = VK_ACCESS_2_SHADER_WRITE_BIT,
        .dstStageMask = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT,
        .dstAccessMask = VK_ACCESS_2_SHADER_READ_BIT | VK_ACCESS_2_SHADER_WRITE_BIT,
    };
    const VkDependencyInfo dependency = {
        .sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
        .memoryBarrierCount = 1,
        .pMemoryBarriers = &barrier,
    };

    vkCmdWaitEvents(commands, 1, &by_host, VK_PIPELINE_STAGE_HOST_BIT,
                    VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, NULL, 0, NULL, 0, NULL);
    pv_prog_kernel_dispatch(commands, &chain->kernel, &round, 4, WORDS / 64);
    vkCmdSetEvent2(commands, by_gpu, &dependency);
    vkCmdWaitEvents2(commands, 1, &by_gpu, &dependency);
    pv_prog_kernel_dispatch(commands, &chain->kernel, &round, 4, WORDS / 64);
    pv_prog_barrier_all(commands);
    vkCmdResetEvent(commands, by_host, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
    for (uint32_t i = 0; i < WORDS; i++) {
        chain->want[i] = (chain->want[i] * 1664525u + round) * 1664525u + round;
    }
}

static void run_events(struct pv_prog_gpu *gpu, const char *name)
{
    enum { ROUNDS = 5 };
    const VkEventCreateInfo info = {.sType = VK_STRUCTURE_TYPE_EVENT_CREATE_INFO};
    VkEvent by_host;
    VkEvent by_gpu;
    struct chain chain;

    PV_PROG_VK(vkCreateEvent(gpu->device, &info, NULL, &by_host));
    PV_PROG_VK(vkCreateEvent(gpu->device, &info, NULL, &by_gpu));
    chain_open(gpu, &chain);
    expect_result(name, vkGetEventStatus(gpu->device, by_host), VK_EVENT_RESET, "a new event");
    for (uint32_t round = 0; round < ROUNDS; round++) {
        VkCommandBuffer commands = pv_prog_commands_begin(gpu);

        PV_PROG_VK(vkSetEvent(gpu->device, by_host));
        expect_result(name, vkGetEventStatus(gpu->device, by_host), VK_EVENT_SET, "a set event");
        record_events(commands, by_host, by_gpu, &chain, round);
        pv_prog_commands_run(gpu, commands);
        expect_result(name, vkGetEventStatus(gpu->device, by_gpu), VK_EVENT_SET,
                      "an event that the GPU set");
        expect_result(name, vkGetEventStatus(gpu->device, by_host), VK_EVENT_RESET,
                      "an event that the GPU reset");
        PV_PROG_VK(vkResetEvent(gpu->device, by_gpu));
        expect_result(name, vkGetEventStatus(gpu->device, by_gpu), VK_EVENT_RESET,
                      "an event that the host reset");
    }
    chain_close(gpu, name, &chain, NULL, 0);
    vkDestroyEvent(gpu->device, by_host, NULL);
    vkDestroyEvent(gpu->device, by_gpu, NULL);
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: pv-timeline [options]\n"
        "Wait and signal in all ways; a lost signal is a failure.\n\n" PV_PROG_OPTION_HELP_TEXT;
    static const struct pv_prog_case cases[] = {
        {"host", run_host},
        {"wait-first", run_wait_first},
        {"chain", run_chain},
        {"queues", run_queues},
        {"binary", run_binary},
        {"fences", run_fences},
        {"events", run_events},
        {"threads", pv_prog_timeline_threads},
        {"sleeper", pv_prog_timeline_sleeper},
    };
    const struct pv_prog_gpu_options options = {.name = "pv-timeline"};

    return pv_prog_cases_main(argc, argv, usage, &options, cases, sizeof(cases) / sizeof(cases[0]));
}
