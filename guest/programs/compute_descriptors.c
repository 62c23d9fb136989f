/* SPDX-License-Identifier: MIT */
/*
 * Cases of pv-compute that go through more than one plain set of storage buffers: descriptor
 * arrays, dynamic offsets, texel buffers, update templates, storage images, device addresses, and
 * a pipeline cache.
 */
#include "compute_cases.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/commands.h"
#include "common/kernel.h"
#include "common/memory.h"
#include "common/report.h"

#include "address_comp.h"
#include "image_comp.h"
#include "count_comp.h"
#include "sets_comp.h"

#define LANES      64u
#define IMAGE_SIDE 32u

static void fill_words(uint32_t *words, uint32_t count, uint32_t seed)
{
    for (uint32_t i = 0; i < count; i++) {
        words[i] = (i + seed) * 2654435761u ^ (seed << 24);
    }
}

static VkDescriptorSetLayout create_set_layout(struct pv_prog_gpu *gpu,
                                               const VkDescriptorSetLayoutBinding *bindings,
                                               uint32_t count)
{
    const VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = count,
        .pBindings = bindings,
    };
    VkDescriptorSetLayout layout;

    PV_PROG_VK(vkCreateDescriptorSetLayout(gpu->device, &info, NULL, &layout));
    return layout;
}

static VkDescriptorPool create_pool(struct pv_prog_gpu *gpu, uint32_t set_count,
                                    const VkDescriptorPoolSize *sizes, uint32_t size_count)
{
    const VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = set_count,
        .poolSizeCount = size_count,
        .pPoolSizes = sizes,
    };
    VkDescriptorPool pool;

    PV_PROG_VK(vkCreateDescriptorPool(gpu->device, &info, NULL, &pool));
    return pool;
}

static void allocate_sets(struct pv_prog_gpu *gpu, VkDescriptorPool pool,
                          const VkDescriptorSetLayout *layouts, uint32_t count,
                          VkDescriptorSet *ret_sets)
{
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = pool,
        .descriptorSetCount = count,
        .pSetLayouts = layouts,
    };

    PV_PROG_VK(vkAllocateDescriptorSets(gpu->device, &info, ret_sets));
}

/* A compute pipeline over given set layouts. */
static void create_pipeline(struct pv_prog_gpu *gpu, const uint32_t *code, size_t code_bytes,
                            const VkDescriptorSetLayout *layouts, uint32_t layout_count,
                            VkPipelineLayout *ret_layout, VkPipeline *ret_pipeline)
{
    const VkPipelineLayoutCreateInfo layout_info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = layout_count,
        .pSetLayouts = layouts,
    };
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .pName = "main",
            },
    };

    PV_PROG_VK(vkCreatePipelineLayout(gpu->device, &layout_info, NULL, ret_layout));
    info.layout = *ret_layout;
    info.stage.module = pv_prog_shader_create(gpu, code, code_bytes);
    PV_PROG_VK(vkCreateComputePipelines(gpu->device, VK_NULL_HANDLE, 1, &info, NULL, ret_pipeline));
    vkDestroyShaderModule(gpu->device, info.stage.module, NULL);
}

static VkBufferView create_texels(struct pv_prog_gpu *gpu, VkBuffer buffer)
{
    const VkBufferViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = buffer,
        .format = VK_FORMAT_R32_UINT,
        .range = LANES * 4,
    };
    VkBufferView view;

    PV_PROG_VK(vkCreateBufferView(gpu->device, &info, NULL, &view));
    return view;
}

/* Write the array of set 0 through an update template: one flat struct, no write structs. */
static void update_by_template(struct pv_prog_gpu *gpu, VkDescriptorSet set,
                               VkDescriptorSetLayout layout, const struct pv_prog_buffer *sources)
{
    VkDescriptorBufferInfo infos[3];
    const VkDescriptorUpdateTemplateEntry entry = {
        .dstBinding = 0,
        .descriptorCount = 3,
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .stride = sizeof(infos[0]),
    };
    const VkDescriptorUpdateTemplateCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_UPDATE_TEMPLATE_CREATE_INFO,
        .descriptorUpdateEntryCount = 1,
        .pDescriptorUpdateEntries = &entry,
        .templateType = VK_DESCRIPTOR_UPDATE_TEMPLATE_TYPE_DESCRIPTOR_SET,
        .descriptorSetLayout = layout,
    };
    VkDescriptorUpdateTemplate update;

    for (uint32_t i = 0; i < 3; i++) {
        infos[i] = (VkDescriptorBufferInfo){sources[i].buffer, 0, VK_WHOLE_SIZE};
    }
    PV_PROG_VK(vkCreateDescriptorUpdateTemplate(gpu->device, &info, NULL, &update));
    vkUpdateDescriptorSetWithTemplate(gpu->device, set, update, infos);
    vkDestroyDescriptorUpdateTemplate(gpu->device, update, NULL);
}

static void update_second_set(struct pv_prog_gpu *gpu, VkDescriptorSet set, VkBuffer weights,
                              const VkBufferView *texels)
{
    const VkDescriptorBufferInfo info = {weights, 0, 16};
    const VkWriteDescriptorSet writes[3] = {
        {
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = set,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC,
            .pBufferInfo = &info,
        },
        {
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = set,
            .dstBinding = 1,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER,
            .pTexelBufferView = &texels[0],
        },
        {
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = set,
            .dstBinding = 2,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER,
            .pTexelBufferView = &texels[1],
        },
    };

    vkUpdateDescriptorSets(gpu->device, 3, writes, 0, NULL);
}

void pv_prog_compute_sets(struct pv_prog_gpu *gpu, const char *name)
{
    enum { ROUNDS = 4, STRIDE = 256 }; /* no device asks for more alignment than 256 */
    static const VkDescriptorSetLayoutBinding first[] = {
        {0, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 3, VK_SHADER_STAGE_COMPUTE_BIT, NULL},
    };
    static const VkDescriptorSetLayoutBinding second[] = {
        {0, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL},
        {1, VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL},
        {2, VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL},
    };
    static const VkDescriptorPoolSize sizes[] = {
        {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 3},
        {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC, 1},
        {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, 1},
        {VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER, 1},
    };
    struct pv_prog_buffer sources[3];
    struct pv_prog_buffer weights;
    struct pv_prog_buffer texel_buffers[2]; /* read, written */
    VkBufferView texels[2];
    VkDescriptorSetLayout layouts[2];
    VkDescriptorPool pool;
    VkDescriptorSet sets[2];
    VkPipelineLayout layout;
    VkPipeline pipeline;
    struct pv_prog_digest digest = pv_prog_digest_start();

    for (uint32_t i = 0; i < 3; i++) {
        pv_prog_buffer_create_host(gpu, LANES * 4, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, &sources[i]);
        fill_words(sources[i].mapped, LANES, i + 1);
    }
    for (uint32_t i = 0; i < 2; i++) {
        pv_prog_buffer_create_host(gpu, LANES * 4,
                                   i == 0 ? VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT
                                          : VK_BUFFER_USAGE_STORAGE_TEXEL_BUFFER_BIT,
                                   &texel_buffers[i]);
        texels[i] = create_texels(gpu, texel_buffers[i].buffer);
    }
    fill_words(texel_buffers[0].mapped, LANES, 9);
    pv_prog_buffer_create_host(gpu, ROUNDS * STRIDE, VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, &weights);
    fill_words(weights.mapped, ROUNDS * STRIDE / 4, 77);
    layouts[0] = create_set_layout(gpu, first, 1);
    layouts[1] = create_set_layout(gpu, second, 3);
    pool = create_pool(gpu, 2, sizes, 4);
    allocate_sets(gpu, pool, layouts, 2, sets);
    update_by_template(gpu, sets[0], layouts[0], sources);
    update_second_set(gpu, sets[1], weights.buffer, texels);
    create_pipeline(gpu, pv_shader_sets_comp, sizeof(pv_shader_sets_comp), layouts, 2, &layout,
                    &pipeline);

    for (uint32_t n = 0; n < ROUNDS; n++) {
        const uint32_t offset = n * STRIDE;
        const uint32_t *w = (const uint32_t *)weights.mapped + offset / 4;
        VkCommandBuffer commands = pv_prog_commands_begin(gpu);
        uint32_t want[LANES];

        vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
        vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 2, sets, 1,
                                &offset);
        vkCmdDispatch(commands, 1, 1, 1);
        pv_prog_commands_run(gpu, commands);
        for (uint32_t i = 0; i < LANES; i++) {
            want[i] = ((const uint32_t *)texel_buffers[0].mapped)[i] + w[3];
            for (uint32_t k = 0; k < 3; k++) {
                want[i] += ((const uint32_t *)sources[k].mapped)[i] * w[k];
            }
        }
        pv_prog_expect_words(name, texel_buffers[1].mapped, want, LANES);
        pv_prog_digest_add(&digest, texel_buffers[1].mapped, LANES * 4);
    }
    pv_prog_case_digest(name, digest);

    vkDestroyPipeline(gpu->device, pipeline, NULL);
    vkDestroyPipelineLayout(gpu->device, layout, NULL);
    vkDestroyDescriptorPool(gpu->device, pool, NULL);
    for (uint32_t i = 0; i < 2; i++) {
        vkDestroyDescriptorSetLayout(gpu->device, layouts[i], NULL);
        vkDestroyBufferView(gpu->device, texels[i], NULL);
        pv_prog_buffer_destroy(gpu, &texel_buffers[i]);
    }
    pv_prog_buffer_destroy(gpu, &weights);
    for (uint32_t i = 0; i < 3; i++) {
        pv_prog_buffer_destroy(gpu, &sources[i]);
    }
}

static void update_images(struct pv_prog_gpu *gpu, VkDescriptorSet set,
                          const struct pv_prog_image *images)
{
    const VkDescriptorImageInfo infos[2] = {
        {VK_NULL_HANDLE, images[0].view, VK_IMAGE_LAYOUT_GENERAL},
        {VK_NULL_HANDLE, images[1].view, VK_IMAGE_LAYOUT_GENERAL},
    };
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = set,
        .descriptorCount = 2,
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_IMAGE,
        .pImageInfo = infos,
    };

    vkUpdateDescriptorSets(gpu->device, 1, &write, 0, NULL);
}

static void record_image(VkCommandBuffer commands, const struct pv_prog_image *images,
                         const struct pv_prog_buffer *words, VkPipelineLayout layout,
                         VkPipeline pipeline, VkDescriptorSet set)
{
    const VkBufferImageCopy region = {
        .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
        .imageExtent = {IMAGE_SIDE, IMAGE_SIDE, 1},
    };

    for (uint32_t i = 0; i < 2; i++) {
        pv_prog_barrier_image(commands, &images[i], VK_IMAGE_LAYOUT_UNDEFINED,
                              VK_IMAGE_LAYOUT_GENERAL);
    }
    vkCmdCopyBufferToImage(commands, words->buffer, images[0].image, VK_IMAGE_LAYOUT_GENERAL, 1,
                           &region);
    pv_prog_barrier_all(commands);
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &set, 0, NULL);
    vkCmdDispatch(commands, IMAGE_SIDE / 8, IMAGE_SIDE / 8, 1);
    pv_prog_barrier_all(commands);
    vkCmdCopyImageToBuffer(commands, images[1].image, VK_IMAGE_LAYOUT_GENERAL, words->buffer, 1,
                           &region);
}

void pv_prog_compute_image(struct pv_prog_gpu *gpu, const char *name)
{
    enum { PIXELS = IMAGE_SIDE * IMAGE_SIDE };
    static const VkDescriptorSetLayoutBinding bindings[] = {
        {0, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL},
        {1, VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL},
    };
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, 2};
    const struct pv_prog_image_options image_options = {
        .format = VK_FORMAT_R32_UINT,
        .extent_px = {IMAGE_SIDE, IMAGE_SIDE, 1},
        .usage = VK_IMAGE_USAGE_STORAGE_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT
                 | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
    };
    struct pv_prog_image images[2];
    struct pv_prog_buffer words;
    VkDescriptorSetLayout set_layout = create_set_layout(gpu, bindings, 2);
    VkDescriptorPool pool = create_pool(gpu, 1, &size, 1);
    VkDescriptorSet set;
    VkPipelineLayout layout;
    VkPipeline pipeline;
    uint32_t want[PIXELS];
    VkCommandBuffer commands;
    struct pv_prog_digest digest = pv_prog_digest_start();

    pv_prog_buffer_create_host(gpu, PIXELS * 4, 0, &words);
    fill_words(words.mapped, PIXELS, 3);
    for (uint32_t i = 0; i < 2; i++) {
        pv_prog_image_create(gpu, &image_options, &images[i]);
    }
    for (uint32_t i = 0; i < PIXELS; i++) {
        want[i] = ((const uint32_t *)words.mapped)[PIXELS - 1 - i] * 3u + i % IMAGE_SIDE * 7u
                  + i / IMAGE_SIDE;
    }
    allocate_sets(gpu, pool, &set_layout, 1, &set);
    update_images(gpu, set, images);
    create_pipeline(gpu, pv_shader_image_comp, sizeof(pv_shader_image_comp), &set_layout, 1,
                    &layout, &pipeline);
    commands = pv_prog_commands_begin(gpu);
    record_image(commands, images, &words, layout, pipeline, set);
    pv_prog_commands_run(gpu, commands);
    pv_prog_expect_words(name, words.mapped, want, PIXELS);
    pv_prog_digest_add(&digest, words.mapped, PIXELS * 4);
    pv_prog_case_digest(name, digest);

    vkDestroyPipeline(gpu->device, pipeline, NULL);
    vkDestroyPipelineLayout(gpu->device, layout, NULL);
    vkDestroyDescriptorPool(gpu->device, pool, NULL);
    vkDestroyDescriptorSetLayout(gpu->device, set_layout, NULL);
    pv_prog_image_destroy(gpu, &images[0]);
    pv_prog_image_destroy(gpu, &images[1]);
    pv_prog_buffer_destroy(gpu, &words);
}

void pv_prog_compute_address(struct pv_prog_gpu *gpu, const char *name)
{
    enum { WORDS = 1024 };
    const struct pv_prog_kernel_options options = {
        .code = pv_shader_address_comp,
        .code_bytes = sizeof(pv_shader_address_comp),
        .push_bytes = 16,
    };
    struct pv_prog_buffer source;
    struct pv_prog_buffer target;
    struct pv_prog_kernel kernel;
    uint32_t want[WORDS];
    VkCommandBuffer commands;
    struct pv_prog_digest digest = pv_prog_digest_start();

    if (!gpu->enabled.v12.bufferDeviceAddress) {
        pv_prog_case_skip(name, "no bufferDeviceAddress");
        return;
    }
    pv_prog_buffer_create_host(gpu, WORDS * 4, VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT, &source);
    pv_prog_buffer_create_host(gpu, WORDS * 4, VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT, &target);
    fill_words(source.mapped, WORDS, 5);
    for (uint32_t i = 0; i < WORDS; i++) {
        want[i] = ((const uint32_t *)source.mapped)[i] * 2654435761u + i;
    }
    pv_prog_kernel_create(gpu, &options, &kernel);
    commands = pv_prog_commands_begin(gpu);
    pv_prog_kernel_dispatch(commands, &kernel,
                            (const VkDeviceAddress[]){source.address, target.address}, 16,
                            WORDS / 64);
    pv_prog_commands_run(gpu, commands);
    pv_prog_expect_words(name, target.mapped, want, WORDS);
    pv_prog_digest_add(&digest, target.mapped, WORDS * 4);
    pv_prog_case_digest(name, digest);
    pv_prog_kernel_destroy(gpu, &kernel);
    pv_prog_buffer_destroy(gpu, &source);
    pv_prog_buffer_destroy(gpu, &target);
}

static VkPipelineCache create_cache(struct pv_prog_gpu *gpu, const void *data, size_t size_bytes)
{
    const VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = size_bytes,
        .pInitialData = data,
    };
    VkPipelineCache cache;

    PV_PROG_VK(vkCreatePipelineCache(gpu->device, &info, NULL, &cache));
    return cache;
}

/* What a cache holds is the driver's business: only that it makes the round trip is checked. */
void pv_prog_compute_cache(struct pv_prog_gpu *gpu, const char *name)
{
    struct pv_prog_kernel_options options = {
        .code = pv_shader_count_comp,
        .code_bytes = sizeof(pv_shader_count_comp),
        .buffer_count = 1,
    };
    VkPipelineCache caches[2];
    struct pv_prog_kernel kernels[2];
    size_t size_bytes = 0;
    void *data;

    caches[0] = create_cache(gpu, NULL, 0);
    options.cache = caches[0];
    pv_prog_kernel_create(gpu, &options, &kernels[0]);
    PV_PROG_VK(vkGetPipelineCacheData(gpu->device, caches[0], &size_bytes, NULL));
    data = malloc(size_bytes);
    if (data == NULL || size_bytes < sizeof(VkPipelineCacheHeaderVersionOne)) {
        pv_prog_fail("case %s: the cache has %zu bytes", name, size_bytes);
    }
    PV_PROG_VK(vkGetPipelineCacheData(gpu->device, caches[0], &size_bytes, data));
    if (((const VkPipelineCacheHeaderVersionOne *)data)->headerVersion
        != VK_PIPELINE_CACHE_HEADER_VERSION_ONE) {
        pv_prog_fail("case %s: the cache does not start with a version 1 header", name);
    }
    caches[1] = create_cache(gpu, data, size_bytes);
    options.cache = caches[1];
    pv_prog_kernel_create(gpu, &options, &kernels[1]);
    PV_PROG_VK(vkMergePipelineCaches(gpu->device, caches[0], 1, &caches[1]));
    free(data);
    for (uint32_t i = 0; i < 2; i++) {
        pv_prog_kernel_destroy(gpu, &kernels[i]);
        vkDestroyPipelineCache(gpu->device, caches[i], NULL);
    }
    pv_prog_case_ok(name);
}
