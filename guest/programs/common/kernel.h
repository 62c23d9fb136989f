/* SPDX-License-Identifier: MIT */
/*
 * A compute pipeline with one descriptor set of storage buffers at bindings 0, 1, 2, ...
 *
 * Threads: any, one thread per object.
 */
#ifndef PV_PROG_COMMON_KERNEL_H
#define PV_PROG_COMMON_KERNEL_H

#include <vulkan/vulkan.h>

#include "common/gpu.h"
#include "common/memory.h"

/* Four storage buffers in one stage are what every Vulkan device offers. */
#define PV_PROG_KERNEL_BUFFERS_MAX 4u

struct pv_prog_kernel_options {
    const uint32_t *code; /* SPIR-V words; entry point "main" */
    size_t code_bytes;
    uint32_t buffer_count; /* storage buffers, at most PV_PROG_KERNEL_BUFFERS_MAX */
    uint32_t push_bytes;   /* push constants from offset 0 */
    const VkSpecializationInfo *specialization; /* NULL if none */
    VkPipelineCache cache;                      /* VK_NULL_HANDLE if none */
};

struct pv_prog_kernel {
    VkDescriptorSetLayout set_layout; /* VK_NULL_HANDLE without buffers, as the two below */
    VkDescriptorPool descriptor_pool;
    VkDescriptorSet set;
    VkPipelineLayout layout;
    VkPipeline pipeline;
};

/* Create a shader module; destroyed with vkDestroyShaderModule by the caller. */
VkShaderModule pv_prog_shader_create(const struct pv_prog_gpu *gpu, const uint32_t *code,
                                     size_t code_bytes);

/* Create a pipeline; options are borrowed for the call. */
void pv_prog_kernel_create(const struct pv_prog_gpu *gpu,
                           const struct pv_prog_kernel_options *options,
                           struct pv_prog_kernel *ret_kernel);

/* Put whole buffers at bindings 0 .. buffer_count - 1; no command that uses the set is pending. */
void pv_prog_kernel_bind(const struct pv_prog_gpu *gpu, const struct pv_prog_kernel *kernel,
                         const struct pv_prog_buffer *const *buffers, uint32_t buffer_count);

/* Record: bind pipeline and set, push `push_bytes` of constants (0 for none), dispatch x groups. */
void pv_prog_kernel_dispatch(VkCommandBuffer commands, const struct pv_prog_kernel *kernel,
                             const void *push, uint32_t push_bytes, uint32_t group_count_x);

/* Destroy all of it; a zeroed one is fine. */
void pv_prog_kernel_destroy(const struct pv_prog_gpu *gpu, struct pv_prog_kernel *kernel);

#endif
