/* SPDX-License-Identifier: MIT */
/*
 * pv-copy: transfers and memory.
 *
 * Each case keeps a mirror on the CPU of what the GPU should hold and compares byte by byte. This
 * file has the buffer cases; copy_image.c and copy_memory.c have the others.
 */
#include <stdlib.h>
#include <string.h>

#include "common/commands.h"
#include "common/memory.h"
#include "common/options.h"
#include "common/report.h"
#include "copy_cases.h"

#define TRANSFER (VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT)

static void print_digest(const char *name, const void *bytes, size_t size_bytes)
{
    struct pv_prog_digest digest = pv_prog_digest_start();

    pv_prog_digest_add(&digest, bytes, size_bytes);
    pv_prog_case_digest(name, digest);
}

/* Fills with whole and partial ranges, the last one to the end of the buffer. */
static void run_fill(struct pv_prog_gpu *gpu, const char *name)
{
    enum { WORDS = 8192 };
    struct pv_prog_buffer host;
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);
    static uint32_t want[WORDS];

    pv_prog_buffer_create_host(gpu, WORDS * 4, 0, &host);
    vkCmdFillBuffer(commands, host.buffer, 0, VK_WHOLE_SIZE, 0x01020304);
    pv_prog_barrier_all(commands);
    for (uint32_t i = 0; i < WORDS; i++) {
        want[i] = 0x01020304;
    }
    for (uint32_t n = 1; n < 64; n++) {
        uint32_t first = n * 97 % 4000;
        uint32_t count = n == 63 ? WORDS - first : n * 13;
        uint32_t value = n * 0x9e3779b9u;

        vkCmdFillBuffer(commands, host.buffer, first * 4, n == 63 ? VK_WHOLE_SIZE : count * 4,
                        value);
        pv_prog_barrier_all(commands);
        for (uint32_t i = 0; i < count && n != 63; i++) {
            want[first + i] = value;
        }
        for (uint32_t i = first; i < WORDS && n == 63; i++) {
            want[i] = value;
        }
    }
    pv_prog_commands_run(gpu, commands);
    pv_prog_expect_words(name, host.mapped, want, WORDS);
    print_digest(name, host.mapped, WORDS * 4);
    pv_prog_buffer_destroy(gpu, &host);
}

/* vkCmdUpdateBuffer carries its bytes in the command stream: small, odd, and the largest ones. */
static void run_update(struct pv_prog_gpu *gpu, const char *name)
{
    enum { SIZE = 65536 + 4096, SMALL = 40 };
    struct pv_prog_buffer host;
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);
    uint8_t *want = calloc(1, SIZE);
    uint8_t *data = malloc(65536);

    if (want == NULL || data == NULL) {
        pv_prog_fail("out of memory");
    }
    pv_prog_buffer_create_host(gpu, SIZE, 0, &host);
    memset(host.mapped, 0, SIZE);
    for (uint32_t i = 0; i < 65536; i++) {
        data[i] = (uint8_t)(i * 31 + (i >> 8));
    }
    vkCmdUpdateBuffer(commands, host.buffer, 4096, 65536, data);
    memcpy(want + 4096, data, 65536);
    pv_prog_barrier_all(commands);
    for (uint32_t n = 1; n <= SMALL; n++) {
        uint32_t offset = n * 1236;

        vkCmdUpdateBuffer(commands, host.buffer, offset, n * 4, data + n * 8);
        pv_prog_barrier_all(commands);
        memcpy(want + offset, data + n * 8, n * 4);
    }
    pv_prog_commands_run(gpu, commands);
    pv_prog_expect_words(name, host.mapped, (const uint32_t *)want, SIZE / 4);
    print_digest(name, host.mapped, SIZE);
    pv_prog_buffer_destroy(gpu, &host);
    free(want);
    free(data);
}

/* One command buffer of more than 1 MiB: each of 24 updates carries 64 KiB. */
static void run_update_big(struct pv_prog_gpu *gpu, const char *name)
{
    enum { PIECES = 24, PIECE_WORDS = 16384 };
    struct pv_prog_buffer host;
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);
    uint32_t *want = malloc(PIECES * PIECE_WORDS * 4);

    if (want == NULL) {
        pv_prog_fail("out of memory");
    }
    for (uint32_t i = 0; i < PIECES * PIECE_WORDS; i++) {
        want[i] = i * 2246822519u ^ (i >> 7);
    }
    pv_prog_buffer_create_host(gpu, PIECES * PIECE_WORDS * 4, 0, &host);
    for (uint32_t n = 0; n < PIECES; n++) {
        vkCmdUpdateBuffer(commands, host.buffer, n * PIECE_WORDS * 4, PIECE_WORDS * 4,
                          want + n * PIECE_WORDS);
    }
    pv_prog_commands_run(gpu, commands);
    pv_prog_expect_words(name, host.mapped, want, PIECES * PIECE_WORDS);
    print_digest(name, host.mapped, PIECES * PIECE_WORDS * 4);
    pv_prog_buffer_destroy(gpu, &host);
    free(want);
}

/* Regions of odd offsets and sizes, through a device-local buffer, by both kinds of command. */
static void run_buffer(struct pv_prog_gpu *gpu, const char *name)
{
    enum { SIZE = 1 << 20, REGIONS = 100 };
    struct pv_prog_buffer from;
    struct pv_prog_buffer local;
    struct pv_prog_buffer to;
    VkBufferCopy regions[REGIONS];
    VkBufferCopy2 regions2[REGIONS];
    uint8_t *want = calloc(1, SIZE);
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);
    VkCopyBufferInfo2 info = {
        .sType = VK_STRUCTURE_TYPE_COPY_BUFFER_INFO_2,
        .regionCount = REGIONS,
        .pRegions = regions2,
    };

    if (want == NULL) {
        pv_prog_fail("out of memory");
    }
    pv_prog_buffer_create_host(gpu, SIZE, 0, &from);
    pv_prog_buffer_create(gpu, SIZE, TRANSFER, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, &local);
    pv_prog_buffer_create_host(gpu, SIZE, 0, &to);
    for (uint32_t i = 0; i < SIZE; i++) {
        ((uint8_t *)from.mapped)[i] = (uint8_t)(i * 7 + (i >> 9));
    }
    memset(to.mapped, 0, SIZE);
    for (uint32_t n = 0; n < REGIONS; n++) {
        regions[n] = (VkBufferCopy){n * 10007, n * 10009 + 1, n * 97 + 1};
        regions2[n] = (VkBufferCopy2){
            .sType = VK_STRUCTURE_TYPE_BUFFER_COPY_2,
            .srcOffset = regions[n].dstOffset,
            .dstOffset = (REGIONS - 1 - n) * 10011,
            .size = regions[n].size,
        };
        memcpy(want + regions2[n].dstOffset, (uint8_t *)from.mapped + regions[n].srcOffset,
               regions[n].size);
    }
    vkCmdCopyBuffer(commands, from.buffer, local.buffer, REGIONS, regions);
    pv_prog_barrier_all(commands);
    info.srcBuffer = local.buffer;
    info.dstBuffer = to.buffer;
    vkCmdCopyBuffer2(commands, &info);
    pv_prog_commands_run(gpu, commands);
    pv_prog_expect_words(name, to.mapped, (const uint32_t *)want, SIZE / 4);
    print_digest(name, to.mapped, SIZE);
    pv_prog_buffer_destroy(gpu, &from);
    pv_prog_buffer_destroy(gpu, &local);
    pv_prog_buffer_destroy(gpu, &to);
    free(want);
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: pv-copy [options]\n"
        "Copy, fill, blit and clear, and compare with the CPU.\n\n" PV_PROG_OPTION_HELP_TEXT;
    static const struct pv_prog_case cases[] = {
        {"fill", run_fill},
        {"update", run_update},
        {"update-big", run_update_big},
        {"buffer", run_buffer},
        {"buffer-image", pv_prog_copy_buffer_image},
        {"layers", pv_prog_copy_layers},
        {"image-image", pv_prog_copy_image_image},
        {"blit", pv_prog_copy_blit},
        {"clear", pv_prog_copy_clear},
        {"clear-depth", pv_prog_copy_clear_depth},
        {"linear", pv_prog_copy_linear},
        {"types", pv_prog_copy_types},
        {"remap", pv_prog_copy_remap},
        {"persistent", pv_prog_copy_persistent},
        {"small", pv_prog_copy_small},
        {"suballocated", pv_prog_copy_suballocated},
    };
    const struct pv_prog_gpu_options options = {.name = "pv-copy"};

    return pv_prog_cases_main(argc, argv, usage, &options, cases, sizeof(cases) / sizeof(cases[0]));
}
