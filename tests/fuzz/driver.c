/* SPDX-License-Identifier: MIT */
/*
 * The fuzzers' driver; see driver.h. The profile of the fakes is made here as well, without a file
 * to be read: one memory type for everything, as lavapipe has.
 */
#include "fuzz/driver.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "support/fake_driver.h"
#include "support/fake_vulkan.h"
#include "support/profile.h"
#include "vkhost/facts.h"

/* Function tables ask for some 600 names, three times per input, by pointers that stay the same. */
#define CACHE_SLOTS 4096u

#define HANDLE(type, object)  ((type)(uintptr_t)(object))
#define OBJECT(handle)        ((void *)(uintptr_t)(handle))
#define IMAGE_BYTES           65536u
#define IMAGE_ALIGNMENT_BYTES 64u

void pv_test_profile_load(const char *name, struct pv_vkhost_facts *ret_facts)
{
    /* Few: the view is built for each input. Those that it or commands look at. */
    static const char *const extensions[] = {
        "VK_EXT_external_memory_host", "VK_EXT_image_drm_format_modifier",
        "VK_EXT_transform_feedback",   "VK_EXT_conditional_rendering",
        "VK_KHR_external_memory_fd",   "VK_KHR_external_semaphore_fd",
        "VK_KHR_external_fence_fd",    "VK_KHR_timeline_semaphore",
        "VK_KHR_synchronization2",     "VK_KHR_dynamic_rendering",
        "VK_KHR_push_descriptor",      "VK_EXT_extended_dynamic_state3",
        "VK_KHR_maintenance5",         "VK_EXT_mutable_descriptor_type",
        "VK_KHR_pipeline_library",     "VK_EXT_custom_border_color",
    };
    struct pv_vkhost_facts *facts = ret_facts;

    memset(facts, 0, sizeof(*facts));
    (void)snprintf(facts->properties.deviceName, sizeof(facts->properties.deviceName), "%s", name);
    facts->properties.apiVersion = VK_API_VERSION_1_3;
    facts->properties.limits.maxPushConstantsSize = 256;
    facts->max_allocation_bytes = UINT64_C(1) << 31;
    facts->memory.memoryHeapCount = 1;
    facts->memory.memoryHeaps[0].size = UINT64_C(1) << 32;
    facts->memory.memoryHeaps[0].flags = VK_MEMORY_HEAP_DEVICE_LOCAL_BIT;
    facts->memory.memoryTypeCount = 1;
    facts->memory.memoryTypes[0].propertyFlags =
        VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
        | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    facts->import_alignment_bytes = 4096;
    facts->import_type_bits = 1;
    facts->buffer_type_bits = 1;
    facts->linear_type_bits = 1;
    facts->optimal_type_bits = 1;
    facts->has_timeline = true;
    facts->has_sync2 = true;
    facts->has_features2 = true;
    facts->queue_family_count = 1;
    facts->queue_families[0].queueFlags =
        VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT;
    facts->queue_families[0].queueCount = 1;
    facts->bgra8_unorm_linear = 0xdd83;
    facts->bgra8_srgb_linear = 0xdd81;
    for (size_t i = 0; i < PV_ARRAY_LEN(extensions); i++) {
        (void)snprintf(facts->extensions[i].extensionName, VK_MAX_EXTENSION_NAME_SIZE, "%s",
                       extensions[i]);
        facts->extensions[i].specVersion = 1;
    }
    facts->extension_count = PV_ARRAY_LEN(extensions);
}

static void on_misuse(void)
{
    fuzz_stop(__FILE__, __LINE__, "the driver gets handles that are alive and its own");
}

void fuzz_driver_reset(void)
{
    static struct pv_vkhost_facts facts;

    (void)fake_driver_finish();
    fake_driver_watch_misuses(on_misuse);
    memset(&pv_fake_vulkan, 0, sizeof(pv_fake_vulkan));
    if (facts.extension_count == 0) {
        pv_test_profile_load("fuzz", &facts);
    }
    pv_fake_vulkan.facts = facts;
    pv_fake_vulkan.api_version = VK_API_VERSION_1_3;
    pv_fake_vulkan.named_import_bits = facts.import_type_bits;
}

void fuzz_driver_fail_next(struct fuzz_input *in)
{
    static const char *const names[] = {
        "vkCreateDevice",           "vkQueueSubmit",       "vkCreateFence",
        "vkAllocateMemory",         "vkCreateBuffer",      "vkCreateSemaphore",
        "vkAllocateCommandBuffers", "vkCreateCommandPool", "vkCreatePipelineCache",
    };
    const uint8_t which = fuzz_u8(in);

    fake_driver_fail_next(names[which % PV_ARRAY_LEN(names)],
                          (which & 0x80) != 0 ? VK_ERROR_OUT_OF_HOST_MEMORY : VK_ERROR_DEVICE_LOST);
}

void fuzz_driver_check(void)
{
    FUZZ_CHECK(fake_driver_misuses() == 0);
    FUZZ_CHECK(pv_fake_vulkan.live_count == 0);
    FUZZ_CHECK(fake_driver_finish() == 0);
}

/* ---- what creates and destroys ---- */

#define PLAIN(Name, Type)                                                                          \
    static VkResult VKAPI_CALL create_##Name(VkDevice device, const void *info,                    \
                                             const VkAllocationCallbacks *allocator,               \
                                             Vk##Name *ret_object)                                 \
    {                                                                                              \
        (void)info;                                                                                \
        (void)allocator;                                                                           \
        *ret_object =                                                                              \
            HANDLE(Vk##Name, fake_driver_object_make(VK_OBJECT_TYPE_##Type, device, NULL));        \
        return VK_SUCCESS;                                                                         \
    }                                                                                              \
                                                                                                   \
    static void VKAPI_CALL destroy_##Name(VkDevice device, Vk##Name object,                        \
                                          const VkAllocationCallbacks *allocator)                  \
    {                                                                                              \
        (void)allocator;                                                                           \
        fake_driver_object_end(VK_OBJECT_TYPE_##Type, device, OBJECT(object));                     \
    }

PLAIN(BufferView, BUFFER_VIEW)
PLAIN(DescriptorPool, DESCRIPTOR_POOL)
PLAIN(DescriptorSetLayout, DESCRIPTOR_SET_LAYOUT)
PLAIN(DescriptorUpdateTemplate, DESCRIPTOR_UPDATE_TEMPLATE)
PLAIN(Event, EVENT)
PLAIN(Framebuffer, FRAMEBUFFER)
PLAIN(Image, IMAGE)
PLAIN(ImageView, IMAGE_VIEW)
PLAIN(PipelineLayout, PIPELINE_LAYOUT)
PLAIN(QueryPool, QUERY_POOL)
PLAIN(RenderPass, RENDER_PASS)
PLAIN(Sampler, SAMPLER)
PLAIN(SamplerYcbcrConversion, SAMPLER_YCBCR_CONVERSION)
PLAIN(ShaderModule, SHADER_MODULE)
PLAIN(Pipeline, PIPELINE)

/* Graphics and compute pipelines: infos are not looked at. */
static VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache, uint32_t count,
                                            const void *infos,
                                            const VkAllocationCallbacks *allocator,
                                            VkPipeline *pipelines)
{
    if (cache != VK_NULL_HANDLE) {
        (void)fake_driver_object_check(VK_OBJECT_TYPE_PIPELINE_CACHE, device, OBJECT(cache));
    }
    for (uint32_t i = 0; i < count; i++) {
        (void)create_Pipeline(device, infos, allocator, &pipelines[i]);
    }
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL allocate_sets(VkDevice device, const VkDescriptorSetAllocateInfo *info,
                                         VkDescriptorSet *sets)
{
    (void)fake_driver_object_check(VK_OBJECT_TYPE_DESCRIPTOR_POOL, device,
                                   OBJECT(info->descriptorPool));
    for (uint32_t i = 0; i < info->descriptorSetCount; i++) {
        sets[i] =
            HANDLE(VkDescriptorSet, fake_driver_object_make(VK_OBJECT_TYPE_DESCRIPTOR_SET, device,
                                                            OBJECT(info->descriptorPool)));
    }
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL free_sets(VkDevice device, VkDescriptorPool pool, uint32_t count,
                                     const VkDescriptorSet *sets)
{
    (void)pool;
    for (uint32_t i = 0; i < count; i++) {
        fake_driver_object_end(VK_OBJECT_TYPE_DESCRIPTOR_SET, device, OBJECT(sets[i]));
    }
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL reset_pool(VkDevice device, VkDescriptorPool pool,
                                      VkDescriptorPoolResetFlags flags)
{
    (void)flags;
    fake_driver_pool_reset(VK_OBJECT_TYPE_DESCRIPTOR_POOL, device, OBJECT(pool));
    return VK_SUCCESS;
}

/* ---- buffers: the younger forms ---- */

static void VKAPI_CALL buffer_requirements2(VkDevice device,
                                            const VkBufferMemoryRequirementsInfo2 *info,
                                            VkMemoryRequirements2 *requirements)
{
    const PFN_vkGetBufferMemoryRequirements get =
        (PFN_vkGetBufferMemoryRequirements)fake_driver_entry(NULL, "vkGetBufferMemoryRequirements");

    get(device, info->buffer, &requirements->memoryRequirements);
}

static VkResult VKAPI_CALL bind_buffers2(VkDevice device, uint32_t count,
                                         const VkBindBufferMemoryInfo *infos)
{
    const PFN_vkBindBufferMemory bind =
        (PFN_vkBindBufferMemory)fake_driver_entry(NULL, "vkBindBufferMemory");

    for (uint32_t i = 0; i < count; i++) {
        (void)bind(device, infos[i].buffer, infos[i].memory, infos[i].memoryOffset);
    }
    return VK_SUCCESS;
}

/* ---- images ---- */

static void VKAPI_CALL image_requirements(VkDevice device, VkImage image,
                                          VkMemoryRequirements *requirements)
{
    (void)device;
    (void)image; /* the probe's is one */
    *requirements = (VkMemoryRequirements){IMAGE_BYTES, IMAGE_ALIGNMENT_BYTES, 1};
}

static void VKAPI_CALL image_requirements2(VkDevice device,
                                           const VkImageMemoryRequirementsInfo2 *info,
                                           VkMemoryRequirements2 *requirements)
{
    image_requirements(device, info->image, &requirements->memoryRequirements);
}

static void VKAPI_CALL device_image_requirements(VkDevice device, const void *info,
                                                 VkMemoryRequirements2 *requirements)
{
    (void)info;
    image_requirements(device, VK_NULL_HANDLE, &requirements->memoryRequirements);
}

static void VKAPI_CALL image_layout(VkDevice device, VkImage image,
                                    const VkImageSubresource *subresource,
                                    VkSubresourceLayout *layout)
{
    (void)subresource;
    (void)fake_driver_object_check(VK_OBJECT_TYPE_IMAGE, device, OBJECT(image));
    *layout = (VkSubresourceLayout){.size = IMAGE_BYTES, .rowPitch = 256};
}

static VkResult VKAPI_CALL bind_image(VkDevice device, VkImage image, VkDeviceMemory memory,
                                      VkDeviceSize offset_bytes)
{
    (void)offset_bytes;
    (void)fake_driver_object_check(VK_OBJECT_TYPE_IMAGE, device, OBJECT(image));
    (void)fake_driver_object_check(VK_OBJECT_TYPE_DEVICE_MEMORY, device, OBJECT(memory));
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL bind_images2(VkDevice device, uint32_t count,
                                        const VkBindImageMemoryInfo *infos)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)bind_image(device, infos[i].image, infos[i].memory, infos[i].memoryOffset);
    }
    return VK_SUCCESS;
}

/* ---- what waits, and what needs no more than success ---- */

static VkResult VKAPI_CALL wait_fences(VkDevice device, uint32_t count, const VkFence *fences,
                                       VkBool32 all, uint64_t timeout_ns)
{
    const PFN_vkGetFenceStatus status =
        (PFN_vkGetFenceStatus)fake_driver_entry(NULL, "vkGetFenceStatus");

    (void)all;
    (void)timeout_ns;
    for (uint32_t i = 0; i < count; i++) {
        if (status(device, fences[i]) != VK_SUCCESS) {
            return VK_ERROR_DEVICE_LOST;
        }
    }
    return VK_SUCCESS;
}

/* On our hosts' calling conventions further arguments are harmless, and 0 is VK_SUCCESS. */
static uint64_t VKAPI_CALL succeed(void)
{
    return 0;
}

/* ---- entry points ---- */

static PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice device, const char *name)
{
    (void)device;
    return fuzz_driver_entry(NULL, name);
}

static PFN_vkVoidFunction find(const char *name)
{
#define CREATES(Name)                                                                              \
    {"vkCreate" #Name, (PFN_vkVoidFunction)create_##Name},                                         \
    {                                                                                              \
        "vkDestroy" #Name, (PFN_vkVoidFunction)destroy_##Name                                      \
    }
    static const struct {
        const char *name;
        PFN_vkVoidFunction function;
    } functions[] = {
        CREATES(BufferView),
        CREATES(DescriptorPool),
        CREATES(DescriptorSetLayout),
        CREATES(DescriptorUpdateTemplate),
        CREATES(Event),
        CREATES(Framebuffer),
        CREATES(Image),
        CREATES(ImageView),
        CREATES(PipelineLayout),
        CREATES(QueryPool),
        CREATES(RenderPass),
        CREATES(Sampler),
        CREATES(SamplerYcbcrConversion),
        CREATES(ShaderModule),
        {"vkCreateRenderPass2", (PFN_vkVoidFunction)create_RenderPass},
        {"vkCreateGraphicsPipelines", (PFN_vkVoidFunction)create_pipelines},
        {"vkCreateComputePipelines", (PFN_vkVoidFunction)create_pipelines},
        {"vkDestroyPipeline", (PFN_vkVoidFunction)destroy_Pipeline},
        {"vkAllocateDescriptorSets", (PFN_vkVoidFunction)allocate_sets},
        {"vkFreeDescriptorSets", (PFN_vkVoidFunction)free_sets},
        {"vkResetDescriptorPool", (PFN_vkVoidFunction)reset_pool},
        {"vkGetBufferMemoryRequirements2", (PFN_vkVoidFunction)buffer_requirements2},
        {"vkBindBufferMemory2", (PFN_vkVoidFunction)bind_buffers2},
        {"vkBindImageMemory2", (PFN_vkVoidFunction)bind_images2},
        {"vkGetImageMemoryRequirements", (PFN_vkVoidFunction)image_requirements},
        {"vkGetImageMemoryRequirements2", (PFN_vkVoidFunction)image_requirements2},
        {"vkGetDeviceImageMemoryRequirements", (PFN_vkVoidFunction)device_image_requirements},
        {"vkGetDeviceBufferMemoryRequirements", (PFN_vkVoidFunction)device_image_requirements},
        {"vkGetImageSubresourceLayout", (PFN_vkVoidFunction)image_layout},
        {"vkBindImageMemory", (PFN_vkVoidFunction)bind_image},
        {"vkWaitForFences", (PFN_vkVoidFunction)wait_fences},
        {"vkGetDeviceProcAddr", (PFN_vkVoidFunction)get_device_proc},
    };
    PFN_vkVoidFunction function;

    for (size_t i = 0; i < PV_ARRAY_LEN(functions); i++) {
        if (strcmp(functions[i].name, name) == 0) {
            return functions[i].function;
        }
    }
    function = fake_driver_entry(NULL, name);
    return function != NULL ? function : (PFN_vkVoidFunction)succeed;
}

PFN_vkVoidFunction VKAPI_CALL fuzz_driver_entry(VkInstance instance, const char *name)
{
    static struct {
        const char *name;
        PFN_vkVoidFunction function;
    } cache[CACHE_SLOTS];
    size_t slot = ((uintptr_t)name >> 1) * 2654435761u % CACHE_SLOTS;

    (void)instance;
    while (cache[slot].name != NULL && cache[slot].name != name) {
        slot = (slot + 1) % CACHE_SLOTS;
    }
    if (cache[slot].name == NULL) {
        cache[slot].name = name;
        cache[slot].function = find(name);
    }
    return cache[slot].function;
}
