/* SPDX-License-Identifier: MIT */
/*
 * Cases of pv-copy about memory: every host-visible type, mapping parts and mapping again, a map
 * that stays while the GPU writes, many small allocations, many resources in one allocation.
 * Nothing here prints how many memory types there are: a device may show a view of its own.
 */
#include "copy_cases.h"

#include <stdlib.h>
#include <string.h>

#include "common/commands.h"
#include "common/memory.h"
#include "common/report.h"

#define TRANSFER (VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT)

static VkBuffer create_plain_buffer(struct pv_prog_gpu *gpu, VkDeviceSize size_bytes,
                                    VkMemoryRequirements *ret_requirements)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size_bytes,
        .usage = TRANSFER,
    };
    VkBuffer buffer;

    PV_PROG_VK(vkCreateBuffer(gpu->device, &info, NULL, &buffer));
    vkGetBufferMemoryRequirements(gpu->device, buffer, ret_requirements);
    return buffer;
}

static VkDeviceMemory allocate_type(struct pv_prog_gpu *gpu, VkDeviceSize size_bytes, uint32_t type)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = size_bytes,
        .memoryTypeIndex = type,
    };
    VkDeviceMemory memory;

    PV_PROG_VK(vkAllocateMemory(gpu->device, &info, NULL, &memory));
    return memory;
}

static void record_copy(VkCommandBuffer commands, VkBuffer from, VkBuffer to,
                        VkDeviceSize size_bytes)
{
    const VkBufferCopy region = {0, 0, size_bytes};

    vkCmdCopyBuffer(commands, from, to, 1, &region);
    pv_prog_barrier_all(commands);
}

/* Through one memory type: CPU writes if it can, GPU copies in and out, result in `back`. */
static void pass_through_type(struct pv_prog_gpu *gpu, uint32_t type, uint32_t word_count,
                              const struct pv_prog_buffer *source,
                              const struct pv_prog_buffer *back)
{
    const VkMemoryPropertyFlags flags = gpu->memory.memoryTypes[type].propertyFlags;
    VkMemoryRequirements requirements;
    VkBuffer buffer = create_plain_buffer(gpu, word_count * 4, &requirements);
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkCommandBuffer commands;
    VkMappedMemoryRange range = {
        .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
        .size = VK_WHOLE_SIZE,
    };

    if ((requirements.memoryTypeBits & (1u << type)) == 0
        || (flags & VK_MEMORY_PROPERTY_PROTECTED_BIT) != 0
        || (flags & VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD) != 0) {
        vkDestroyBuffer(gpu->device, buffer, NULL);
        memcpy(back->mapped, source->mapped, word_count * 4);
        return;
    }
    memory = allocate_type(gpu, requirements.size, type);
    range.memory = memory;
    PV_PROG_VK(vkBindBufferMemory(gpu->device, buffer, memory, 0));
    commands = pv_prog_commands_begin(gpu);
    if ((flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0) {
        uint32_t *words;

        PV_PROG_VK(vkMapMemory(gpu->device, memory, 0, VK_WHOLE_SIZE, 0, (void **)&words));
        memcpy(words, source->mapped, word_count * 4);
        PV_PROG_VK(vkFlushMappedMemoryRanges(gpu->device, 1, &range));
        vkUnmapMemory(gpu->device, memory);
    } else {
        record_copy(commands, source->buffer, buffer, word_count * 4);
    }
    record_copy(commands, buffer, back->buffer, word_count * 4);
    vkCmdFillBuffer(commands, buffer, 0, VK_WHOLE_SIZE, type + 1);
    pv_prog_commands_run(gpu, commands);
    if ((flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0) {
        const uint32_t *words;

        PV_PROG_VK(vkMapMemory(gpu->device, memory, 0, VK_WHOLE_SIZE, 0, (void **)&words));
        PV_PROG_VK(vkInvalidateMappedMemoryRanges(gpu->device, 1, &range));
        for (uint32_t i = 0; i < word_count; i++) {
            if (words[i] != type + 1) {
                pv_prog_fail("case types: a fill did not reach a mapping of memory type %u", type);
            }
        }
    } /* freeing mapped memory is allowed, and unmaps it */
    vkDestroyBuffer(gpu->device, buffer, NULL);
    vkFreeMemory(gpu->device, memory, NULL);
}

void pv_prog_copy_types(struct pv_prog_gpu *gpu, const char *name)
{
    enum { WORDS = 5000 };
    struct pv_prog_buffer source;
    struct pv_prog_buffer back;
    struct pv_prog_digest digest = pv_prog_digest_start();

    pv_prog_buffer_create_host(gpu, WORDS * 4, 0, &source);
    pv_prog_buffer_create_host(gpu, WORDS * 4, 0, &back);
    for (uint32_t i = 0; i < WORDS; i++) {
        ((uint32_t *)source.mapped)[i] = i * 2654435761u;
    }
    for (uint32_t type = 0; type < gpu->memory.memoryTypeCount; type++) {
        memset(back.mapped, 0, WORDS * 4);
        pass_through_type(gpu, type, WORDS, &source, &back);
        pv_prog_expect_words(name, back.mapped, source.mapped, WORDS);
    }
    pv_prog_digest_add(&digest, back.mapped, WORDS * 4);
    pv_prog_case_digest(name, digest);
    pv_prog_buffer_destroy(gpu, &source);
    pv_prog_buffer_destroy(gpu, &back);
}

/* Map a part, write, unmap; map another part at its own offset; the GPU sees all of them. */
void pv_prog_copy_remap(struct pv_prog_gpu *gpu, const char *name)
{
    enum { PARTS = 8, PART_BYTES = 12288, WORDS = PARTS * PART_BYTES / 4 };
    VkMemoryRequirements requirements;
    VkBuffer buffer = create_plain_buffer(gpu, WORDS * 4, &requirements);
    VkDeviceMemory memory = pv_prog_memory_allocate(gpu, &requirements, PV_PROG_MEMORY_HOST, NULL);
    struct pv_prog_buffer back;
    static uint32_t want[WORDS];
    VkCommandBuffer commands;
    struct pv_prog_digest digest = pv_prog_digest_start();

    PV_PROG_VK(vkBindBufferMemory(gpu->device, buffer, memory, 0));
    for (uint32_t n = 0; n < PARTS; n++) {
        uint32_t part = (n * 3 + 1) % PARTS;
        uint32_t *words;

        PV_PROG_VK(
            vkMapMemory(gpu->device, memory, part * PART_BYTES, PART_BYTES, 0, (void **)&words));
        for (uint32_t i = 0; i < PART_BYTES / 4; i++) {
            words[i] = want[part * PART_BYTES / 4 + i] = i * 77u + part;
        }
        vkUnmapMemory(gpu->device, memory);
    }
    pv_prog_buffer_create_host(gpu, WORDS * 4, 0, &back);
    commands = pv_prog_commands_begin(gpu);
    record_copy(commands, buffer, back.buffer, WORDS * 4);
    pv_prog_commands_run(gpu, commands);
    pv_prog_expect_words(name, back.mapped, want, WORDS);
    pv_prog_digest_add(&digest, back.mapped, WORDS * 4);
    pv_prog_case_digest(name, digest);
    vkDestroyBuffer(gpu->device, buffer, NULL);
    vkFreeMemory(gpu->device, memory, NULL);
    pv_prog_buffer_destroy(gpu, &back);
}

/* One mapping for the whole case; GPU and CPU write in turn, each sees the other's last word. */
void pv_prog_copy_persistent(struct pv_prog_gpu *gpu, const char *name)
{
    enum { ROUNDS = 40, WORDS = 4096 };
    struct pv_prog_buffer shared;
    struct pv_prog_buffer local;
    static uint32_t want[WORDS];
    struct pv_prog_digest digest = pv_prog_digest_start();

    pv_prog_buffer_create_host(gpu, WORDS * 4, 0, &shared);
    pv_prog_buffer_create(gpu, WORDS * 4, TRANSFER, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, &local);
    memset(shared.mapped, 0, WORDS * 4);
    for (uint32_t n = 0; n < ROUNDS; n++) {
        VkCommandBuffer commands = pv_prog_commands_begin(gpu);
        uint32_t *words = shared.mapped;

        for (uint32_t i = n; i < WORDS; i += 7) {
            words[i] = want[i] = n * 65537u + i;
        }
        record_copy(commands, shared.buffer, local.buffer, WORDS * 4);
        vkCmdFillBuffer(commands, local.buffer, n * 256, 256, ~n);
        for (uint32_t i = 0; i < 64; i++) {
            want[n * 64 + i] = ~n;
        }
        pv_prog_barrier_all(commands);
        record_copy(commands, local.buffer, shared.buffer, WORDS * 4);
        pv_prog_commands_run(gpu, commands);
        pv_prog_expect_words(name, shared.mapped, want, WORDS);
    }
    pv_prog_digest_add(&digest, shared.mapped, WORDS * 4);
    pv_prog_case_digest(name, digest);
    pv_prog_buffer_destroy(gpu, &shared);
    pv_prog_buffer_destroy(gpu, &local);
}

/* Many live allocations of odd small sizes, half of them freed and made anew. */
void pv_prog_copy_small(struct pv_prog_gpu *gpu, const char *name)
{
    enum { COUNT = 128 };
    static struct pv_prog_buffer buffers[COUNT];
    VkCommandBuffer commands;
    struct pv_prog_digest digest = pv_prog_digest_start();

    for (uint32_t n = 0; n < COUNT; n++) {
        pv_prog_buffer_create_host(gpu, 4 + n * 52, 0, &buffers[n]);
    }
    for (uint32_t n = 0; n < COUNT; n += 2) {
        pv_prog_buffer_destroy(gpu, &buffers[n]);
    }
    for (uint32_t n = 0; n < COUNT; n += 2) {
        pv_prog_buffer_create_host(gpu, 4 + n * 52, 0, &buffers[n]);
    }
    commands = pv_prog_commands_begin(gpu);
    for (uint32_t n = 0; n < COUNT; n++) {
        vkCmdFillBuffer(commands, buffers[n].buffer, 0, VK_WHOLE_SIZE, n * 0x01010101u);
    }
    pv_prog_commands_run(gpu, commands);
    for (uint32_t n = 0; n < COUNT; n++) {
        const uint32_t *words = buffers[n].mapped;

        for (uint32_t i = 0; i < (4 + n * 52) / 4; i++) {
            if (words[i] != n * 0x01010101u) {
                pv_prog_fail("case %s: word %u of buffer %u is 0x%08x", name, i, n, words[i]);
            }
        }
        pv_prog_digest_add(&digest, words, 4 + n * 52);
        pv_prog_buffer_destroy(gpu, &buffers[n]);
    }
    pv_prog_case_digest(name, digest);
}

/* Many buffers in one allocation, mapped once as a whole. */
void pv_prog_copy_suballocated(struct pv_prog_gpu *gpu, const char *name)
{
    enum { COUNT = 48 };
    VkBuffer buffers[COUNT];
    VkDeviceSize offsets[COUNT];
    VkDeviceSize end = 0;
    VkMemoryRequirements all = {.memoryTypeBits = ~0u};
    VkDeviceMemory memory;
    VkBindBufferMemoryInfo binds[COUNT];
    VkCommandBuffer commands;
    uint8_t *bytes;
    struct pv_prog_digest digest = pv_prog_digest_start();

    for (uint32_t n = 0; n < COUNT; n++) {
        VkMemoryRequirements requirements;

        buffers[n] = create_plain_buffer(gpu, 4 + n * 516, &requirements);
        end = (end + requirements.alignment - 1) / requirements.alignment * requirements.alignment;
        offsets[n] = end;
        end += requirements.size;
        all.memoryTypeBits &= requirements.memoryTypeBits;
    }
    all.size = end;
    memory = pv_prog_memory_allocate(gpu, &all, PV_PROG_MEMORY_HOST, NULL);
    for (uint32_t n = 0; n < COUNT; n++) {
        binds[n] = (VkBindBufferMemoryInfo){
            .sType = VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO,
            .buffer = buffers[n],
            .memory = memory,
            .memoryOffset = offsets[n],
        };
    }
    PV_PROG_VK(vkBindBufferMemory2(gpu->device, COUNT, binds));
    PV_PROG_VK(vkMapMemory(gpu->device, memory, 0, VK_WHOLE_SIZE, 0, (void **)&bytes));
    memset(bytes, 0xaa, end);
    commands = pv_prog_commands_begin(gpu);
    for (uint32_t n = 0; n < COUNT; n++) {
        vkCmdFillBuffer(commands, buffers[n], 0, VK_WHOLE_SIZE, n);
    }
    pv_prog_commands_run(gpu, commands);
    for (uint32_t n = 0; n < COUNT; n++) {
        uint32_t size_bytes = 4 + n * 516;

        for (uint32_t i = 0; i < size_bytes; i += 4) {
            uint32_t word;

            memcpy(&word, bytes + offsets[n] + i, 4);
            if (word != n) {
                pv_prog_fail("case %s: byte %u of buffer %u is 0x%08x", name, i, n, word);
            }
        }
        /* Not one byte past the end: a neighbour may live there. */
        if (bytes[offsets[n] + size_bytes] != 0xaa && n + 1 < COUNT
            && offsets[n + 1] > offsets[n] + size_bytes) {
            pv_prog_fail("case %s: the fill of buffer %u went past its end", name, n);
        }
        pv_prog_digest_add(&digest, bytes + offsets[n], size_bytes);
        vkDestroyBuffer(gpu->device, buffers[n], NULL);
    }
    vkUnmapMemory(gpu->device, memory);
    vkFreeMemory(gpu->device, memory, NULL);
    pv_prog_case_digest(name, digest);
}
