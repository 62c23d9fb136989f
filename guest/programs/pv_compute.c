/* SPDX-License-Identifier: MIT */
/*
 * pv-compute: compute shaders whose results are known.
 *
 * Each case runs on the GPU, is computed again on the CPU, must agree word by word, and prints a
 * digest of what the GPU wrote.
 */
#include <math.h>
#include <string.h>

#include "common/commands.h"
#include "common/kernel.h"
#include "common/memory.h"
#include "common/options.h"
#include "common/report.h"
#include "compute_cases.h"

#include "atomics_comp.h"
#include "float_comp.h"
#include "indirect_comp.h"
#include "mix_comp.h"
#include "push_comp.h"
#include "shared_comp.h"
#include "special_comp.h"
#include "step_comp.h"

#define WORD_COUNT 16384u

#define KERNEL(code_name, buffers, push)                                                           \
    {                                                                                              \
        .code = code_name, .code_bytes = sizeof(code_name), .buffer_count = (buffers),             \
        .push_bytes = (push)                                                                       \
    }

/* What most cases are: one kernel, words in, words out, the same number of both. */
struct stage {
    struct pv_prog_buffer source;
    struct pv_prog_buffer target;
    struct pv_prog_kernel kernel;
};

static uint32_t source_word(uint32_t i)
{
    return (i + 1) * 2246822519u ^ (i << 20);
}

static void stage_open(struct pv_prog_gpu *gpu, const struct pv_prog_kernel_options *options,
                       uint32_t source_words, uint32_t target_words, struct stage *ret_stage)
{
    const struct pv_prog_buffer *const buffers[] = {&ret_stage->source, &ret_stage->target};
    uint32_t *words;

    pv_prog_buffer_create_host(gpu, source_words * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
                               &ret_stage->source);
    pv_prog_buffer_create_host(gpu, target_words * 4,
                               VK_BUFFER_USAGE_STORAGE_BUFFER_BIT
                                   | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT,
                               &ret_stage->target);
    words = ret_stage->source.mapped;
    for (uint32_t i = 0; i < source_words; i++) {
        words[i] = source_word(i);
    }
    memset(ret_stage->target.mapped, 0, target_words * 4);
    pv_prog_kernel_create(gpu, options, &ret_stage->kernel);
    pv_prog_kernel_bind(gpu, &ret_stage->kernel, buffers, options->buffer_count);
}

static void stage_run(struct pv_prog_gpu *gpu, const struct stage *stage, uint32_t groups)
{
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);

    pv_prog_kernel_dispatch(commands, &stage->kernel, NULL, 0, groups);
    pv_prog_commands_run(gpu, commands);
}

/* Compare, print the digest, free everything. */
static void stage_close(struct pv_prog_gpu *gpu, const char *name, struct stage *stage,
                        const uint32_t *want, uint32_t word_count)
{
    struct pv_prog_digest digest = pv_prog_digest_start();

    pv_prog_expect_words(name, stage->target.mapped, want, word_count);
    pv_prog_digest_add(&digest, stage->target.mapped, word_count * 4);
    pv_prog_case_digest(name, digest);
    pv_prog_kernel_destroy(gpu, &stage->kernel);
    pv_prog_buffer_destroy(gpu, &stage->source);
    pv_prog_buffer_destroy(gpu, &stage->target);
}

static void run_mix(struct pv_prog_gpu *gpu, const char *name)
{
    static uint32_t want[WORD_COUNT];
    const struct pv_prog_kernel_options options = KERNEL(pv_shader_mix_comp, 2, 0);
    struct stage stage;

    stage_open(gpu, &options, WORD_COUNT, WORD_COUNT, &stage);
    for (uint32_t i = 0; i < WORD_COUNT; i++) {
        uint32_t x = source_word(i) ^ (i * 0x9e3779b9u);

        x ^= x >> 16;
        x *= 0x85ebca6bu;
        x ^= x >> 13;
        x *= 0xc2b2ae35u;
        x = (x << 7) | (x >> 25);
        x += (uint32_t)__builtin_popcount(x) * 977u + x % 1013u;
        x -= x / 7u;
        want[i] = x;
    }
    stage_run(gpu, &stage, WORD_COUNT / 64);
    stage_close(gpu, name, &stage, want, WORD_COUNT);
}

static void run_float(struct pv_prog_gpu *gpu, const char *name)
{
    static float want[WORD_COUNT];
    const struct pv_prog_kernel_options options = KERNEL(pv_shader_float_comp, 2, 0);
    struct stage stage;
    float *source;

    stage_open(gpu, &options, WORD_COUNT, WORD_COUNT, &stage);
    source = stage.source.mapped;
    for (uint32_t i = 0; i < WORD_COUNT; i++) {
        float x = source[i] = ((float)(i % 4001u) - 2000.0f) / 512.0f;

        for (int n = 0; n < 16; n++) {
            float scaled = x * 0.8125f;
            float moved = scaled + 0.3f;

            x = moved - (float)n * 0.0625f;
        }
        want[i] = x + floorf(x) * 0.5f + fabsf(x) + fminf(x, 0.25f) + fmaxf(x, -0.75f);
    }
    stage_run(gpu, &stage, WORD_COUNT / 64);
    /* As words: the sum in the shader is exact up to the same roundings, in the same order. */
    stage_close(gpu, name, &stage, (const uint32_t *)want, WORD_COUNT);
}

static void run_atomics(struct pv_prog_gpu *gpu, const char *name)
{
    const struct pv_prog_kernel_options options = KERNEL(pv_shader_atomics_comp, 2, 0);
    uint32_t want[5 * 256 + 1] = {0};
    struct stage stage;

    memset(&want[256], 0xff, 256 * 4); /* minima start at the top */
    stage_open(gpu, &options, WORD_COUNT, 5 * 256 + 1, &stage);
    memcpy(stage.target.mapped, want, sizeof(want));
    for (uint32_t i = 0; i < WORD_COUNT; i++) {
        uint32_t x = source_word(i);
        uint32_t *bin = &want[x & 255u];

        bin[0]++;
        bin[256] = x < bin[256] ? x : bin[256];
        bin[512] = x > bin[512] ? x : bin[512];
        bin[768] ^= x;
        bin[1024] |= x >> 3;
        want[1280] += x;
    }
    stage_run(gpu, &stage, WORD_COUNT / 64);
    stage_close(gpu, name, &stage, want, 5 * 256 + 1);
}

static void run_shared(struct pv_prog_gpu *gpu, const char *name)
{
    static uint32_t want[WORD_COUNT];
    const struct pv_prog_kernel_options options = KERNEL(pv_shader_shared_comp, 2, 0);
    struct stage stage;

    stage_open(gpu, &options, WORD_COUNT, WORD_COUNT, &stage);
    for (uint32_t i = 0; i < WORD_COUNT; i++) {
        want[i] = source_word(i) + (i % 128 == 0 ? 0 : want[i - 1]);
    }
    stage_run(gpu, &stage, WORD_COUNT / 128);
    stage_close(gpu, name, &stage, want, WORD_COUNT);
}

static void run_push(struct pv_prog_gpu *gpu, const char *name)
{
    enum { DISPATCHES = 64 };
    struct pv_prog_kernel_options options = KERNEL(pv_shader_push_comp, 1, 128);
    struct pv_prog_kernel kernel;
    struct pv_prog_buffer target;
    const struct pv_prog_buffer *const buffers[] = {&target};
    uint32_t want[DISPATCHES * 32];
    VkCommandBuffer commands;
    struct pv_prog_digest digest = pv_prog_digest_start();

    pv_prog_buffer_create_host(gpu, sizeof(want), VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, &target);
    pv_prog_kernel_create(gpu, &options, &kernel);
    pv_prog_kernel_bind(gpu, &kernel, buffers, 1);
    commands = pv_prog_commands_begin(gpu);
    for (uint32_t n = 0; n < DISPATCHES; n++) {
        uint32_t push[32];

        for (uint32_t i = 0; i < 31; i++) {
            push[i] = source_word(n * 31 + i);
        }
        push[31] = n * 32;
        for (uint32_t i = 0; i < 32; i++) {
            want[push[31] + i] = push[i % 31] * (i + 1) + push[31];
        }
        pv_prog_kernel_dispatch(commands, &kernel, push, sizeof(push), 1);
    }
    pv_prog_commands_run(gpu, commands);
    pv_prog_expect_words(name, target.mapped, want, DISPATCHES * 32);
    pv_prog_digest_add(&digest, target.mapped, sizeof(want));
    pv_prog_case_digest(name, digest);
    pv_prog_kernel_destroy(gpu, &kernel);
    pv_prog_buffer_destroy(gpu, &target);
}

static void run_special(struct pv_prog_gpu *gpu, const char *name)
{
    struct constants {
        uint32_t width;
        uint32_t factor;
        int32_t offset;
        VkBool32 negate;
        float ratio;
    };
    static const struct constants sets[] = {
        {16, 7, 100, VK_FALSE, 0.25f}, {64, 1, -9, VK_TRUE, 2.0f}, {32, 0, 0, VK_TRUE, 0.0f}};
    static const VkSpecializationMapEntry entries[] = {
        {0, offsetof(struct constants, width), 4},  {1, offsetof(struct constants, factor), 4},
        {2, offsetof(struct constants, offset), 4}, {3, offsetof(struct constants, negate), 4},
        {4, offsetof(struct constants, ratio), 4},
    };
    struct pv_prog_digest digest = pv_prog_digest_start();

    for (size_t n = 0; n < sizeof(sets) / sizeof(sets[0]); n++) {
        const struct constants *c = &sets[n];
        const VkSpecializationInfo info = {5, entries, sizeof(*c), c};
        struct pv_prog_kernel_options options = KERNEL(pv_shader_special_comp, 1, 0);
        struct pv_prog_buffer target;
        const struct pv_prog_buffer *const buffers[] = {&target};
        struct pv_prog_kernel kernel;
        uint32_t want[1024];
        VkCommandBuffer commands;

        options.specialization = &info;
        pv_prog_buffer_create_host(gpu, sizeof(want), VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, &target);
        pv_prog_kernel_create(gpu, &options, &kernel);
        pv_prog_kernel_bind(gpu, &kernel, buffers, 1);
        for (uint32_t i = 0; i < 1024; i++) {
            uint32_t x =
                i * c->factor + (uint32_t)c->offset + (uint32_t)((float)i * c->ratio) + c->width;

            want[i] = c->negate ? ~x : x;
        }
        commands = pv_prog_commands_begin(gpu);
        pv_prog_kernel_dispatch(commands, &kernel, NULL, 0, 1024 / c->width);
        pv_prog_commands_run(gpu, commands);
        pv_prog_expect_words(name, target.mapped, want, 1024);
        pv_prog_digest_add(&digest, target.mapped, sizeof(want));
        pv_prog_kernel_destroy(gpu, &kernel);
        pv_prog_buffer_destroy(gpu, &target);
    }
    pv_prog_case_digest(name, digest);
}

/* The GPU writes the sizes of eight dispatches, which then step the first words of a buffer. */
static void run_indirect(struct pv_prog_gpu *gpu, const char *name)
{
    enum { DISPATCHES = 8 };
    const struct pv_prog_kernel_options decide_options = KERNEL(pv_shader_indirect_comp, 2, 0);
    const struct pv_prog_kernel_options step_options = KERNEL(pv_shader_step_comp, 1, 4);
    struct stage decide;
    struct pv_prog_kernel step;
    struct pv_prog_buffer state;
    const struct pv_prog_buffer *const buffers[] = {&state};
    uint32_t want[DISPATCHES * 64] = {0};
    uint32_t *counts;
    VkCommandBuffer commands;
    struct pv_prog_digest digest = pv_prog_digest_start();

    stage_open(gpu, &decide_options, DISPATCHES, DISPATCHES * 4, &decide);
    counts = decide.source.mapped;
    pv_prog_buffer_create_host(gpu, sizeof(want), VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, &state);
    memset(state.mapped, 0, sizeof(want));
    pv_prog_kernel_create(gpu, &step_options, &step);
    pv_prog_kernel_bind(gpu, &step, buffers, 1);

    commands = pv_prog_commands_begin(gpu);
    pv_prog_kernel_dispatch(commands, &decide.kernel, NULL, 0, DISPATCHES);
    pv_prog_barrier_all(commands);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, step.pipeline);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, step.layout, 0, 1, &step.set,
                            0, NULL);
    for (uint32_t n = 0; n < DISPATCHES; n++) {
        counts[n] = (n * 5) % (DISPATCHES + 1); /* zero groups are allowed, and are in here */
        vkCmdPushConstants(commands, step.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 4, &n);
        vkCmdDispatchIndirect(commands, decide.target.buffer, n * 16);
        pv_prog_barrier_all(commands);
        for (uint32_t i = 0; i < counts[n] * 64; i++) {
            want[i] = want[i] * 1664525u + n;
        }
    }
    pv_prog_commands_run(gpu, commands);
    pv_prog_expect_words(name, state.mapped, want, DISPATCHES * 64);
    pv_prog_digest_add(&digest, state.mapped, sizeof(want));
    pv_prog_case_digest(name, digest);
    pv_prog_kernel_destroy(gpu, &step);
    pv_prog_buffer_destroy(gpu, &state);
    pv_prog_kernel_destroy(gpu, &decide.kernel);
    pv_prog_buffer_destroy(gpu, &decide.source);
    pv_prog_buffer_destroy(gpu, &decide.target);
}

/* Many dispatches that depend on each other: some hundred KiB of commands. */
static void run_chain(struct pv_prog_gpu *gpu, const char *name)
{
    enum { STEPS = 500, WORDS = 256 };
    const struct pv_prog_kernel_options options = KERNEL(pv_shader_step_comp, 1, 4);
    struct stage stage;
    uint32_t want[WORDS];
    VkCommandBuffer commands;
    struct pv_prog_digest digest = pv_prog_digest_start();

    stage_open(gpu, &options, WORDS, WORDS, &stage);
    for (uint32_t i = 0; i < WORDS; i++) {
        want[i] = source_word(i);
    }
    commands = pv_prog_commands_begin(gpu);
    for (uint32_t n = 0; n < STEPS; n++) {
        pv_prog_kernel_dispatch(commands, &stage.kernel, &n, 4, WORDS / 64);
        pv_prog_barrier_all(commands);
        for (uint32_t i = 0; i < WORDS; i++) {
            want[i] = want[i] * 1664525u + n;
        }
    }
    pv_prog_commands_run(gpu, commands);
    pv_prog_expect_words(name, stage.source.mapped, want, WORDS);
    pv_prog_digest_add(&digest, stage.source.mapped, sizeof(want));
    pv_prog_case_digest(name, digest);
    pv_prog_kernel_destroy(gpu, &stage.kernel);
    pv_prog_buffer_destroy(gpu, &stage.source);
    pv_prog_buffer_destroy(gpu, &stage.target);
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: pv-compute [options]\n"
        "Run compute shaders and compare them with the CPU.\n\n" PV_PROG_OPTION_HELP_TEXT;
    static const struct pv_prog_case cases[] = {
        {"mix", run_mix},
        {"float", run_float},
        {"atomics", run_atomics},
        {"shared", run_shared},
        {"push", run_push},
        {"special", run_special},
        {"indirect", run_indirect},
        {"chain", run_chain},
        {"sets", pv_prog_compute_sets},
        {"image", pv_prog_compute_image},
        {"address", pv_prog_compute_address},
        {"cache", pv_prog_compute_cache},
    };
    const struct pv_prog_gpu_options options = {.name = "pv-compute"};

    return pv_prog_cases_main(argc, argv, usage, &options, cases, sizeof(cases) / sizeof(cases[0]));
}
