/* SPDX-License-Identifier: MIT */
/* Compute pipelines over storage buffers. */
#include "common/kernel.h"

#include <string.h>

#include "common/report.h"

VkShaderModule pv_prog_shader_create(const struct pv_prog_gpu *gpu, const uint32_t *code,
                                     size_t code_bytes)
{
    const VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = code_bytes,
        .pCode = code,
    };
    VkShaderModule module;

    PV_PROG_VK(vkCreateShaderModule(gpu->device, &info, NULL, &module));
    return module;
}

static void create_set(const struct pv_prog_gpu *gpu, uint32_t buffer_count,
                       struct pv_prog_kernel *kernel)
{
    VkDescriptorSetLayoutBinding bindings[PV_PROG_KERNEL_BUFFERS_MAX];
    const VkDescriptorSetLayoutCreateInfo layout_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = buffer_count,
        .pBindings = bindings,
    };
    const VkDescriptorPoolSize pool_size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, buffer_count};
    const VkDescriptorPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = 1,
        .poolSizeCount = 1,
        .pPoolSizes = &pool_size,
    };
    VkDescriptorSetAllocateInfo set_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorSetCount = 1,
        .pSetLayouts = &kernel->set_layout,
    };

    for (uint32_t i = 0; i < buffer_count; i++) {
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    }
    PV_PROG_VK(vkCreateDescriptorSetLayout(gpu->device, &layout_info, NULL, &kernel->set_layout));
    PV_PROG_VK(vkCreateDescriptorPool(gpu->device, &pool_info, NULL, &kernel->descriptor_pool));
    set_info.descriptorPool = kernel->descriptor_pool;
    PV_PROG_VK(vkAllocateDescriptorSets(gpu->device, &set_info, &kernel->set));
}

void pv_prog_kernel_create(const struct pv_prog_gpu *gpu,
                           const struct pv_prog_kernel_options *options,
                           struct pv_prog_kernel *ret_kernel)
{
    const VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0, options->push_bytes};
    const VkPipelineLayoutCreateInfo layout_info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = options->buffer_count != 0 ? 1 : 0,
        .pSetLayouts = &ret_kernel->set_layout,
        .pushConstantRangeCount = options->push_bytes != 0 ? 1 : 0,
        .pPushConstantRanges = &range,
    };
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .pName = "main",
                .pSpecializationInfo = options->specialization,
            },
    };

    memset(ret_kernel, 0, sizeof(*ret_kernel));
    if (options->buffer_count != 0) {
        create_set(gpu, options->buffer_count, ret_kernel);
    }
    PV_PROG_VK(vkCreatePipelineLayout(gpu->device, &layout_info, NULL, &ret_kernel->layout));
    info.layout = ret_kernel->layout;
    info.stage.module = pv_prog_shader_create(gpu, options->code, options->code_bytes);
    PV_PROG_VK(vkCreateComputePipelines(gpu->device, options->cache, 1, &info, NULL,
                                        &ret_kernel->pipeline));
    vkDestroyShaderModule(gpu->device, info.stage.module, NULL);
}

void pv_prog_kernel_bind(const struct pv_prog_gpu *gpu, const struct pv_prog_kernel *kernel,
                         const struct pv_prog_buffer *const *buffers, uint32_t buffer_count)
{
    VkDescriptorBufferInfo infos[PV_PROG_KERNEL_BUFFERS_MAX];
    const VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
        .dstSet = kernel->set,
        .descriptorCount = buffer_count, /* runs on over the bindings after 0: all are alike */
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .pBufferInfo = infos,
    };

    for (uint32_t i = 0; i < buffer_count; i++) {
        infos[i] = (VkDescriptorBufferInfo){buffers[i]->buffer, 0, VK_WHOLE_SIZE};
    }
    vkUpdateDescriptorSets(gpu->device, 1, &write, 0, NULL);
}

void pv_prog_kernel_dispatch(VkCommandBuffer commands, const struct pv_prog_kernel *kernel,
                             const void *push, uint32_t push_bytes, uint32_t group_count_x)
{
    vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->pipeline);
    if (kernel->set != VK_NULL_HANDLE) {
        vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->layout, 0, 1,
                                &kernel->set, 0, NULL);
    }
    if (push_bytes != 0) {
        vkCmdPushConstants(commands, kernel->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, push_bytes,
                           push);
    }
    vkCmdDispatch(commands, group_count_x, 1, 1);
}

void pv_prog_kernel_destroy(const struct pv_prog_gpu *gpu, struct pv_prog_kernel *kernel)
{
    vkDestroyPipeline(gpu->device, kernel->pipeline, NULL);
    vkDestroyPipelineLayout(gpu->device, kernel->layout, NULL);
    vkDestroyDescriptorPool(gpu->device, kernel->descriptor_pool, NULL);
    vkDestroyDescriptorSetLayout(gpu->device, kernel->set_layout, NULL);
    memset(kernel, 0, sizeof(*kernel));
}
