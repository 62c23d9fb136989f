/* SPDX-License-Identifier: MIT */
/*
 * The fuzzers' driver; see driver.h. The profile of the fakes is made here as well, without a file
 * to be read: one memory type for everything, as lavapipe has.
 */
#include "fuzz/driver.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "support/fake_driver_inside.h"
#include "support/fake_vulkan.h"
#include "support/profile.h"
#include "vkhost/facts.h"

/* Function tables ask for some 600 names, three times per input, by pointers that stay the same. */
#define CACHE_SLOTS 4096u

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

/* ---- what the fake driver does not make ---- */

FAKE_DRIVER_PLAIN(BufferView, BUFFER_VIEW, buffer_view)
FAKE_DRIVER_PLAIN(DescriptorUpdateTemplate, DESCRIPTOR_UPDATE_TEMPLATE, update_template)
FAKE_DRIVER_PLAIN(Framebuffer, FRAMEBUFFER, framebuffer)
FAKE_DRIVER_PLAIN(ImageView, IMAGE_VIEW, image_view)
FAKE_DRIVER_PLAIN(PipelineLayout, PIPELINE_LAYOUT, pipeline_layout)
FAKE_DRIVER_PLAIN(QueryPool, QUERY_POOL, query_pool)
FAKE_DRIVER_PLAIN(RenderPass, RENDER_PASS, render_pass)
FAKE_DRIVER_PLAIN(Sampler, SAMPLER, sampler)
FAKE_DRIVER_PLAIN(SamplerYcbcrConversion, SAMPLER_YCBCR_CONVERSION, ycbcr_conversion)
FAKE_DRIVER_PLAIN(ShaderModule, SHADER_MODULE, shader_module)

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
#define CREATES(Name, name)                                                                        \
    {"vkCreate" #Name, (PFN_vkVoidFunction)create_##name},                                         \
    {                                                                                              \
        "vkDestroy" #Name, (PFN_vkVoidFunction)destroy_##name                                      \
    }
    static const struct {
        const char *name;
        PFN_vkVoidFunction function;
    } functions[] = {
        CREATES(BufferView, buffer_view),
        CREATES(DescriptorUpdateTemplate, update_template),
        CREATES(Framebuffer, framebuffer),
        CREATES(ImageView, image_view),
        CREATES(PipelineLayout, pipeline_layout),
        CREATES(QueryPool, query_pool),
        CREATES(RenderPass, render_pass),
        CREATES(Sampler, sampler),
        CREATES(SamplerYcbcrConversion, ycbcr_conversion),
        CREATES(ShaderModule, shader_module),
        {"vkCreateRenderPass2", (PFN_vkVoidFunction)create_render_pass},
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
