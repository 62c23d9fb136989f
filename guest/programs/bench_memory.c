/* SPDX-License-Identifier: MIT */
/* pv-bench: what memory and objects cost. Uploads, allocations, descriptors, buffers. */
#include "bench_measure.h"

#include <string.h>

#include "common/commands.h"
#include "common/report.h"

#define MIB          ((VkDeviceSize)1 << 20)
#define UPLOAD_BYTES (16 * MIB)
#define LARGE_BYTES  (4 * MIB)
#define SMALL_BYTES  ((VkDeviceSize)64 << 10)

struct memory {
    struct pv_prog_gpu *gpu;
    struct pv_prog_buffer host;
    struct pv_prog_buffer device;
    uint32_t type;
    VkDeviceSize size_bytes;
    VkDescriptorPool pool;
    VkDescriptorSet set;
};

static void upload(void *context, uint32_t count)
{
    struct memory *memory = context;
    const VkBufferCopy region = {0, 0, UPLOAD_BYTES};

    for (uint32_t i = 0; i < count; i++) {
        VkCommandBuffer commands = pv_prog_commands_begin(memory->gpu);

        memset(memory->host.mapped, (int)i, UPLOAD_BYTES);
        vkCmdCopyBuffer(commands, memory->host.buffer, memory->device.buffer, 1, &region);
        pv_prog_commands_run(memory->gpu, commands);
    }
}

void pv_prog_bench_upload(struct pv_prog_bench *bench)
{
    struct memory memory = {.gpu = bench->gpu};

    pv_prog_buffer_create_host(bench->gpu, UPLOAD_BYTES, 0, &memory.host);
    pv_prog_buffer_create(bench->gpu, UPLOAD_BYTES, VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                          VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, &memory.device);
    pv_prog_bench_measure(bench, "upload", "MiB", UPLOAD_BYTES / MIB, 0, upload, &memory);
    pv_prog_buffer_destroy(bench->gpu, &memory.device);
    pv_prog_buffer_destroy(bench->gpu, &memory.host);
}

/* Allocate, map, write every byte, unmap, free: what a program without a pool of its own does. */
static void allocate(void *context, uint32_t count)
{
    const struct memory *memory = context;
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = memory->size_bytes,
        .memoryTypeIndex = memory->type,
    };

    for (uint32_t i = 0; i < count; i++) {
        VkDeviceMemory object;
        void *mapped;

        PV_PROG_VK(vkAllocateMemory(memory->gpu->device, &info, NULL, &object));
        PV_PROG_VK(vkMapMemory(memory->gpu->device, object, 0, VK_WHOLE_SIZE, 0, &mapped));
        memset(mapped, (int)i, memory->size_bytes);
        vkUnmapMemory(memory->gpu->device, object);
        vkFreeMemory(memory->gpu->device, object, NULL);
    }
}

void pv_prog_bench_allocate(struct pv_prog_bench *bench)
{
    struct memory memory = {
        .gpu = bench->gpu,
        .type = pv_prog_memory_type_find(bench->gpu, UINT32_MAX, PV_PROG_MEMORY_HOST),
        .size_bytes = LARGE_BYTES,
    };

    pv_prog_bench_measure(bench, "allocate-4m", "allocation", 1, 0, allocate, &memory);
    memory.size_bytes = SMALL_BYTES;
    pv_prog_bench_measure(bench, "allocate-64k", "allocation", 1, 0, allocate, &memory);
}

static void update_set(void *context, uint32_t count)
{
    const struct memory *memory = context;
    const VkDescriptorBufferInfo buffers[] = {{memory->host.buffer, 0, 256},
                                              {memory->host.buffer, 256, 256}};
    VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = memory->set,
        .descriptorCount = 1,
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
    };

    for (uint32_t i = 0; i < count; i++) {
        write.pBufferInfo = &buffers[i & 1];
        vkUpdateDescriptorSets(memory->gpu->device, 1, &write, 0, NULL);
    }
    /* Updates travel on their own; a wait sees that they have been done. */
    PV_PROG_VK(vkDeviceWaitIdle(memory->gpu->device));
}

void pv_prog_bench_descriptors(struct pv_prog_bench *bench)
{
    struct pv_prog_gpu *gpu = bench->gpu;
    struct memory memory = {.gpu = gpu};
    const VkDescriptorSetLayoutBinding binding = {0, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1,
                                                  VK_SHADER_STAGE_COMPUTE_BIT, NULL};
    const VkDescriptorSetLayoutCreateInfo layout_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = 1,
        .pBindings = &binding,
    };
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1};
    const VkDescriptorPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = 1,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    VkDescriptorSetLayout layout;
    VkDescriptorSetAllocateInfo set_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorSetCount = 1,
        .pSetLayouts = &layout,
    };

    pv_prog_buffer_create_host(gpu, 4096, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, &memory.host);
    PV_PROG_VK(vkCreateDescriptorSetLayout(gpu->device, &layout_info, NULL, &layout));
    PV_PROG_VK(vkCreateDescriptorPool(gpu->device, &pool_info, NULL, &memory.pool));
    set_info.descriptorPool = memory.pool;
    PV_PROG_VK(vkAllocateDescriptorSets(gpu->device, &set_info, &memory.set));
    pv_prog_bench_measure(bench, "descriptor-updates", "call", 1, 0, update_set, &memory);
    vkDestroyDescriptorPool(gpu->device, memory.pool, NULL);
    vkDestroyDescriptorSetLayout(gpu->device, layout, NULL);
    pv_prog_buffer_destroy(gpu, &memory.host);
}

static void create_buffers(void *context, uint32_t count)
{
    const struct pv_prog_gpu *gpu = context;
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = 4096,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
    };

    for (uint32_t i = 0; i < count; i++) {
        VkBuffer buffer;

        PV_PROG_VK(vkCreateBuffer(gpu->device, &info, NULL, &buffer));
        vkDestroyBuffer(gpu->device, buffer, NULL);
    }
    PV_PROG_VK(vkDeviceWaitIdle(gpu->device));
}

void pv_prog_bench_objects(struct pv_prog_bench *bench)
{
    pv_prog_bench_measure(bench, "buffers", "object", 1, 0, create_buffers, bench->gpu);
}
