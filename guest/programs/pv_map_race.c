/* SPDX-License-Identifier: MIT */
/*
 * pv-map-race: memory that is mapped for the first time while the GPU writes it.
 *
 * A program may do that, and many do: an allocator maps a whole block when its first piece needs a
 * mapping. A device that moves the pages at that moment must lose no write. Each trial allocates
 * new memory, starts GPU work that writes every word of it once, maps it after a delay that sweeps
 * over the time the work takes, waits for the work, and looks at each word.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/commands.h"
#include "common/kernel.h"
#include "common/memory.h"
#include "common/options.h"
#include "common/report.h"

#include "count_comp.h"
#include "slow_comp.h"

/* 2 MiB, or 8 for fills, which are fast: hundreds of pages, milliseconds of work on two cores. */
enum {
    SHADER_WORDS = 512 * 1024,
    FILL_WORDS = 2048 * 1024,
    FILL_PIECES = 512,
    SHADER_ROUNDS = 40,
    COUNT_ROUNDS = 24,
};

static uint32_t trial_count = 16; /* --trials */

enum work_kind {
    WORK_SHADER, /* each word once, by a shader */
    WORK_FILL,   /* each word once, by fills of small pieces */
    WORK_COUNT,  /* each word COUNT_ROUNDS times, each time one more: a lost write loses a count */
};

struct trial {
    VkBuffer buffer;
    VkDeviceMemory memory;
    VkCommandBuffer commands;
    VkFence fence;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Sleep for most of the time and spin for the rest: a sleep alone overshoots by some 60 us. */
static void sleep_until(uint64_t end_ns)
{
    uint64_t start_ns = now_ns();

    if (end_ns > start_ns + 200000) {
        const struct timespec time = {0, (long)((end_ns - start_ns - 100000) % 1000000000u)};

        nanosleep(&time, NULL);
    }
    while (now_ns() < end_ns) {
    }
}

static uint32_t words_of(enum work_kind kind)
{
    return kind == WORK_FILL ? FILL_WORDS : SHADER_WORDS;
}

/* Memory that is host visible, zeroed by the GPU, and not mapped. */
static void trial_open(struct pv_prog_gpu *gpu, enum work_kind kind, struct trial *ret_trial)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = words_of(kind) * 4,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    const VkFenceCreateInfo fence_info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkMemoryRequirements requirements;
    VkCommandBuffer clear = pv_prog_commands_begin(gpu);

    PV_PROG_VK(vkCreateBuffer(gpu->device, &info, NULL, &ret_trial->buffer));
    vkGetBufferMemoryRequirements(gpu->device, ret_trial->buffer, &requirements);
    ret_trial->memory = pv_prog_memory_allocate(gpu, &requirements, PV_PROG_MEMORY_HOST, NULL);
    PV_PROG_VK(vkBindBufferMemory(gpu->device, ret_trial->buffer, ret_trial->memory, 0));
    vkCmdFillBuffer(clear, ret_trial->buffer, 0, VK_WHOLE_SIZE, 0);
    pv_prog_commands_run(gpu, clear);
    PV_PROG_VK(vkCreateFence(gpu->device, &fence_info, NULL, &ret_trial->fence));
}

static void trial_close(struct pv_prog_gpu *gpu, struct trial *trial)
{
    vkFreeCommandBuffers(gpu->device, gpu->pool, 1, &trial->commands);
    vkDestroyFence(gpu->device, trial->fence, NULL);
    vkDestroyBuffer(gpu->device, trial->buffer, NULL);
    vkFreeMemory(gpu->device, trial->memory, NULL);
}

static void record(enum work_kind kind, const struct pv_prog_kernel *kernel, struct trial *trial,
                   uint32_t seed)
{
    const uint32_t push[2] = {seed, SHADER_ROUNDS};

    switch (kind) {
    case WORK_SHADER:
        pv_prog_kernel_dispatch(trial->commands, kernel, push, sizeof(push), SHADER_WORDS / 64);
        break;
    case WORK_FILL:
        for (uint32_t i = 0; i < FILL_PIECES; i++) {
            vkCmdFillBuffer(trial->commands, trial->buffer, i * (FILL_WORDS / FILL_PIECES * 4),
                            FILL_WORDS / FILL_PIECES * 4, seed + i);
        }
        break;
    case WORK_COUNT:
        for (uint32_t i = 0; i < COUNT_ROUNDS; i++) {
            pv_prog_kernel_dispatch(trial->commands, kernel, NULL, 0, SHADER_WORDS / 64);
            pv_prog_barrier_all(trial->commands);
        }
        break;
    }
    pv_prog_barrier_all(trial->commands);
    PV_PROG_VK(vkEndCommandBuffer(trial->commands));
}

static uint32_t want_word(enum work_kind kind, uint32_t index, uint32_t seed)
{
    uint32_t x = index ^ seed;

    if (kind == WORK_COUNT) {
        return COUNT_ROUNDS;
    }
    if (kind == WORK_FILL) {
        return seed + index / (FILL_WORDS / FILL_PIECES);
    }
    for (uint32_t n = 0; n < SHADER_ROUNDS; n++) {
        x = x * 1664525u + 1013904223u;
    }
    return x;
}

/*
 * One trial. Returns how long the GPU worked, in ns, if it was mapped only afterwards
 * (delay_ns is UINT64_MAX), else 0.
 */
static uint64_t run_trial(struct pv_prog_gpu *gpu, const char *name, enum work_kind kind,
                          const struct pv_prog_kernel *kernel, uint32_t seed, uint64_t delay_ns)
{
    struct trial trial;
    const uint32_t *words;
    uint64_t start_ns;
    uint64_t took_ns = 0;

    trial_open(gpu, kind, &trial);
    trial.commands = pv_prog_commands_begin(gpu);
    if (kernel != NULL) {
        const struct pv_prog_buffer buffer = {.buffer = trial.buffer};
        const struct pv_prog_buffer *const buffers[] = {&buffer};

        pv_prog_kernel_bind(gpu, kernel, buffers, 1);
    }
    record(kind, kernel, &trial, seed);
    start_ns = now_ns();
    pv_prog_commands_submit(gpu->queue, trial.commands, trial.fence);
    if (delay_ns == UINT64_MAX) {
        pv_prog_fence_wait(gpu, trial.fence, "a trial");
        took_ns = now_ns() - start_ns;
    } else {
        sleep_until(start_ns + delay_ns);
    }
    PV_PROG_VK(vkMapMemory(gpu->device, trial.memory, 0, VK_WHOLE_SIZE, 0, (void **)&words));
    pv_prog_fence_wait(gpu, trial.fence, "a trial");
    for (uint32_t i = 0; i < words_of(kind); i++) {
        if (words[i] != want_word(kind, i, seed)) {
            pv_prog_fail(
                "case %s: mapped %lld us after the submission (-1: after its end), word %u "
                "of %u is 0x%08x, expected 0x%08x",
                name, delay_ns == UINT64_MAX ? -1LL : (long long)delay_ns / 1000, i, words_of(kind),
                words[i], want_word(kind, i, seed));
        }
    }
    vkUnmapMemory(gpu->device, trial.memory);
    trial_close(gpu, &trial);
    return took_ns;
}

static void run(struct pv_prog_gpu *gpu, const char *name, enum work_kind kind,
                const struct pv_prog_kernel_options *options)
{
    struct pv_prog_kernel kernel;
    const struct pv_prog_kernel *used = NULL;
    uint64_t took_ns;

    if (options != NULL) {
        pv_prog_kernel_create(gpu, options, &kernel);
        used = &kernel;
    }
    run_trial(gpu, name, kind, used, 1, UINT64_MAX); /* the first use compiles shaders */
    took_ns = run_trial(gpu, name, kind, used, 2, UINT64_MAX);
    pv_prog_info(name, "%u trials over %llu us", trial_count, (unsigned long long)took_ns / 1000);
    for (uint32_t n = 0; n < trial_count; n++) {
        run_trial(gpu, name, kind, used, n + 3, took_ns * n / trial_count);
    }
    if (used != NULL) {
        pv_prog_kernel_destroy(gpu, &kernel);
    }
    pv_prog_case_ok(name);
}

static void run_shader(struct pv_prog_gpu *gpu, const char *name)
{
    run(gpu, name, WORK_SHADER,
        &(const struct pv_prog_kernel_options){.code = pv_shader_slow_comp,
                                               .code_bytes = sizeof(pv_shader_slow_comp),
                                               .buffer_count = 1,
                                               .push_bytes = 8});
}

static void run_fill(struct pv_prog_gpu *gpu, const char *name)
{
    run(gpu, name, WORK_FILL, NULL);
}

static void run_count(struct pv_prog_gpu *gpu, const char *name)
{
    run(gpu, name, WORK_COUNT,
        &(const struct pv_prog_kernel_options){.code = pv_shader_count_comp,
                                               .code_bytes = sizeof(pv_shader_count_comp),
                                               .buffer_count = 1});
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: pv-map-race [options]\n"
        "Map memory for the first time while the GPU writes it, and miss no write.\n\n"
        "  --trials N       maps per case, spread over the time of the work (default "
        "24)\n" PV_PROG_OPTION_HELP_TEXT;
    static const struct pv_prog_case cases[] = {
        {"shader", run_shader},
        {"fill", run_fill},
        {"count", run_count},
    };
    enum { TRIALS = PV_PROG_OPTION_OWN };
    static const struct option table[] = {
        {"trials", required_argument, NULL, TRIALS}, PV_PROG_OPTION_ENTRIES, {0}};
    const size_t case_count = sizeof(cases) / sizeof(cases[0]);
    struct pv_prog_options options = {0};
    struct pv_prog_gpu gpu;
    int value;

    while ((value = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (value == TRIALS) {
            trial_count = pv_prog_options_number("trials", optarg, 1, 1000000);
        } else {
            pv_prog_options_take(&options, value, optarg, usage);
        }
    }
    if (options.list) {
        pv_prog_cases_run(NULL, &options, cases, case_count);
        return PV_PROG_EXIT_OK;
    }
    pv_prog_gpu_open(&(struct pv_prog_gpu_options){.name = "pv-map-race",
                                                   .device_index = options.device_index,
                                                   .validate = options.validate},
                     &gpu);
    pv_prog_cases_run(&gpu, &options, cases, case_count);
    pv_prog_gpu_close(&gpu);
    return PV_PROG_EXIT_OK;
}
