/* SPDX-License-Identifier: MIT */
/*
 * The fake driver's buffers, images, pipelines, events and descriptor sets. Images are 4 bytes per
 * pixel, rows one after the other. What a real driver would write past the end of memory is misuse.
 *
 * Remembered values: vkCreateImage: tiling, flags, sType of its chain (0: none).
 * vkGetImageMemoryRequirements2: plane of its chain. vkGetImageSubresourceLayout, ...2,
 * vkGetDeviceImageSubresourceLayout: aspects. vkGetDeviceImageMemoryRequirements: plane, tiling.
 * vkBindImageMemory2: number of binds, whether the first has a chain.
 * vkCreateGraphicsPipelines, vkCreateComputePipelines: number.
 * vkFreeDescriptorSets, vkAllocateDescriptorSets: number.
 */
#include <string.h>

#include "base/compiler.h"
#include "support/fake_driver_inside.h"
#include "vkhost/chain.h"

static void requirements_of(uint64_t size_bytes, VkMemoryRequirements *requirements)
{
    *requirements = (VkMemoryRequirements){
        .size = size_bytes,
        .alignment = 64,
        .memoryTypeBits = 1,
    };
}

static void check_bind(uint64_t resource, VkObjectType type, VkDeviceMemory memory,
                       uint64_t offset_bytes, VkDevice device)
{
    fake_driver_check(resource, type, device);
    fake_driver_check((uint64_t)(uintptr_t)memory, VK_OBJECT_TYPE_DEVICE_MEMORY, device);
    if (offset_bytes > FROM(memory)->size_bytes
        || FROM(resource)->size_bytes > FROM(memory)->size_bytes - offset_bytes) {
        fake_driver_misuse();
    }
}

/* ---- buffers ---- */

static void VKAPI_CALL buffer_requirements2(VkDevice device,
                                            const VkBufferMemoryRequirementsInfo2 *info,
                                            VkMemoryRequirements2 *requirements)
{
    fake_driver_check((uint64_t)(uintptr_t)info->buffer, VK_OBJECT_TYPE_BUFFER, device);
    requirements_of(FROM(info->buffer)->size_bytes, &requirements->memoryRequirements);
}

static void VKAPI_CALL device_buffer_requirements(VkDevice device,
                                                  const VkDeviceBufferMemoryRequirements *info,
                                                  VkMemoryRequirements2 *requirements)
{
    (void)device;
    requirements_of(info->pCreateInfo->size, &requirements->memoryRequirements);
}

static VkResult VKAPI_CALL bind_buffers2(VkDevice device, uint32_t count,
                                         const VkBindBufferMemoryInfo *infos)
{
    const uint64_t values[] = {count};

    for (uint32_t i = 0; i < count; i++) {
        check_bind((uint64_t)(uintptr_t)infos[i].buffer, VK_OBJECT_TYPE_BUFFER, infos[i].memory,
                   infos[i].memoryOffset, device);
    }
    fake_driver_record("vkBindBufferMemory2", 1, values);
    return VK_SUCCESS;
}

static VkDeviceAddress VKAPI_CALL buffer_address(VkDevice device,
                                                 const VkBufferDeviceAddressInfo *info)
{
    fake_driver_check((uint64_t)(uintptr_t)info->buffer, VK_OBJECT_TYPE_BUFFER, device);
    return FAKE_DRIVER_ADDRESS;
}

/* ---- images ---- */

static VkResult VKAPI_CALL create_image(VkDevice device, const VkImageCreateInfo *info,
                                        const VkAllocationCallbacks *allocator, VkImage *image)
{
    const struct pv_vkhost_chain_node *next = info->pNext;
    const uint64_t values[] = {info->tiling, info->flags, next != NULL ? (uint64_t)next->type : 0};
    struct fake_object *object;
    const VkResult result =
        fake_object_make("vkCreateImage", VK_OBJECT_TYPE_IMAGE, device, &object);

    (void)allocator;
    fake_driver_record("vkCreateImage", 3, values);
    if (object != NULL) {
        object->row_bytes = 4ull * info->extent.width;
        object->size_bytes = object->row_bytes * info->extent.height;
        *image = TO(VkImage, object);
    }
    return result;
}

static void VKAPI_CALL destroy_image(VkDevice device, VkImage image,
                                     const VkAllocationCallbacks *allocator)
{
    (void)allocator;
    fake_object_end(TO(void *, image), VK_OBJECT_TYPE_IMAGE, device);
}

static void VKAPI_CALL image_requirements(VkDevice device, VkImage image,
                                          VkMemoryRequirements *requirements)
{
    fake_driver_check((uint64_t)(uintptr_t)image, VK_OBJECT_TYPE_IMAGE, device);
    requirements_of(FROM(image)->size_bytes, requirements);
}

static void VKAPI_CALL image_requirements2(VkDevice device,
                                           const VkImageMemoryRequirementsInfo2 *info,
                                           VkMemoryRequirements2 *requirements)
{
    const VkImagePlaneMemoryRequirementsInfo *plane =
        pv_vkhost_chain_find(info, VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO);
    const uint64_t values[] = {plane != NULL ? plane->planeAspect : 0};

    fake_driver_record("vkGetImageMemoryRequirements2", 1, values);
    image_requirements(device, info->image, &requirements->memoryRequirements);
}

static void VKAPI_CALL device_image_requirements(VkDevice device,
                                                 const VkDeviceImageMemoryRequirements *info,
                                                 VkMemoryRequirements2 *requirements)
{
    const VkExtent3D *extent = &info->pCreateInfo->extent;
    const uint64_t values[] = {info->planeAspect, info->pCreateInfo->tiling};

    (void)device;
    fake_driver_record("vkGetDeviceImageMemoryRequirements", 2, values);
    requirements_of(4ull * extent->width * extent->height, &requirements->memoryRequirements);
}

static VkResult VKAPI_CALL bind_image(VkDevice device, VkImage image, VkDeviceMemory memory,
                                      VkDeviceSize offset_bytes)
{
    check_bind((uint64_t)(uintptr_t)image, VK_OBJECT_TYPE_IMAGE, memory, offset_bytes, device);
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL bind_images2(VkDevice device, uint32_t count,
                                        const VkBindImageMemoryInfo *infos)
{
    const uint64_t values[] = {count, count > 0 && infos[0].pNext != NULL};

    for (uint32_t i = 0; i < count; i++) {
        (void)bind_image(device, infos[i].image, infos[i].memory, infos[i].memoryOffset);
    }
    fake_driver_record("vkBindImageMemory2", 2, values);
    return VK_SUCCESS;
}

static void layout_of(uint64_t row_bytes, uint64_t size_bytes, VkSubresourceLayout *layout)
{
    *layout = (VkSubresourceLayout){.size = size_bytes, .rowPitch = row_bytes};
}

static void VKAPI_CALL image_layout(VkDevice device, VkImage image,
                                    const VkImageSubresource *subresource,
                                    VkSubresourceLayout *layout)
{
    const uint64_t values[] = {subresource->aspectMask};

    fake_driver_record("vkGetImageSubresourceLayout", 1, values);
    fake_driver_check((uint64_t)(uintptr_t)image, VK_OBJECT_TYPE_IMAGE, device);
    layout_of(FROM(image)->row_bytes, FROM(image)->size_bytes, layout);
}

static void VKAPI_CALL image_layout2(VkDevice device, VkImage image,
                                     const VkImageSubresource2 *subresource,
                                     VkSubresourceLayout2 *layout)
{
    const uint64_t values[] = {subresource->imageSubresource.aspectMask};

    fake_driver_record("vkGetImageSubresourceLayout2", 1, values);
    fake_driver_check((uint64_t)(uintptr_t)image, VK_OBJECT_TYPE_IMAGE, device);
    layout_of(FROM(image)->row_bytes, FROM(image)->size_bytes, &layout->subresourceLayout);
}

static void VKAPI_CALL device_image_layout(VkDevice device,
                                           const VkDeviceImageSubresourceInfo *info,
                                           VkSubresourceLayout2 *layout)
{
    const VkExtent3D *extent = &info->pCreateInfo->extent;
    const uint64_t values[] = {info->pSubresource->imageSubresource.aspectMask,
                               info->pCreateInfo->tiling};

    (void)device;
    fake_driver_record("vkGetDeviceImageSubresourceLayout", 2, values);
    layout_of(4ull * extent->width, 4ull * extent->width * extent->height,
              &layout->subresourceLayout);
}

/* ---- pipelines ---- */

/* All but the last are made when the call is one that fails. */
static VkResult create_pipelines(const char *function, VkDevice device, uint32_t count,
                                 VkPipeline *pipelines)
{
    const uint64_t values[] = {count};
    VkResult result = VK_SUCCESS;
    const bool is_short = fake_driver_fails_now(function, &result);

    fake_driver_record(function, 1, values);
    for (uint32_t i = 0; i < count; i++) {
        struct fake_object *object = NULL;

        if (!is_short || i + 1 < count) {
            (void)fake_object_make(function, VK_OBJECT_TYPE_PIPELINE, device, &object);
        }
        pipelines[i] = TO(VkPipeline, object);
    }
    return result;
}

static VkResult VKAPI_CALL create_graphics(VkDevice device, VkPipelineCache cache, uint32_t count,
                                           const VkGraphicsPipelineCreateInfo *infos,
                                           const VkAllocationCallbacks *allocator,
                                           VkPipeline *pipelines)
{
    (void)cache;
    (void)infos;
    (void)allocator;
    return create_pipelines("vkCreateGraphicsPipelines", device, count, pipelines);
}

static VkResult VKAPI_CALL create_compute(VkDevice device, VkPipelineCache cache, uint32_t count,
                                          const VkComputePipelineCreateInfo *infos,
                                          const VkAllocationCallbacks *allocator,
                                          VkPipeline *pipelines)
{
    (void)cache;
    (void)infos;
    (void)allocator;
    return create_pipelines("vkCreateComputePipelines", device, count, pipelines);
}

static void VKAPI_CALL destroy_pipeline(VkDevice device, VkPipeline pipeline,
                                        const VkAllocationCallbacks *allocator)
{
    (void)allocator;
    fake_object_end(TO(void *, pipeline), VK_OBJECT_TYPE_PIPELINE, device);
}

/* ---- events, descriptor sets, and the resets of pools ---- */

FAKE_DRIVER_PLAIN(Event, EVENT, event)
FAKE_DRIVER_PLAIN(DescriptorPool, DESCRIPTOR_POOL, descriptor_pool)
FAKE_DRIVER_PLAIN(DescriptorSetLayout, DESCRIPTOR_SET_LAYOUT, set_layout)

static VkResult VKAPI_CALL allocate_sets(VkDevice device, const VkDescriptorSetAllocateInfo *info,
                                         VkDescriptorSet *sets)
{
    const uint64_t values[] = {info->descriptorSetCount};
    VkResult result;

    fake_driver_check((uint64_t)(uintptr_t)info->descriptorPool, VK_OBJECT_TYPE_DESCRIPTOR_POOL,
                      device);
    fake_driver_record("vkAllocateDescriptorSets", 1, values);
    if (fake_driver_fails_now("vkAllocateDescriptorSets", &result)) {
        return result;
    }
    for (uint32_t i = 0; i < info->descriptorSetCount; i++) {
        struct fake_object *object;

        fake_driver_check((uint64_t)(uintptr_t)info->pSetLayouts[i],
                          VK_OBJECT_TYPE_DESCRIPTOR_SET_LAYOUT, device);
        (void)fake_object_make("a set", VK_OBJECT_TYPE_DESCRIPTOR_SET, device, &object);
        object->pool = FROM(info->descriptorPool);
        sets[i] = TO(VkDescriptorSet, object);
    }
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL free_sets(VkDevice device, VkDescriptorPool pool, uint32_t count,
                                     const VkDescriptorSet *sets)
{
    const uint64_t values[] = {count};

    fake_driver_record("vkFreeDescriptorSets", 1, values);
    for (uint32_t i = 0; i < count; i++) {
        if (FROM(sets[i])->pool != FROM(pool)) {
            fake_driver_misuse();
        }
        fake_object_end(TO(void *, sets[i]), VK_OBJECT_TYPE_DESCRIPTOR_SET, device);
    }
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL reset_descriptor_pool(VkDevice device, VkDescriptorPool pool,
                                                 VkDescriptorPoolResetFlags flags)
{
    (void)flags;
    fake_driver_check((uint64_t)(uintptr_t)pool, VK_OBJECT_TYPE_DESCRIPTOR_POOL, device);
    fake_object_end_children(FROM(pool));
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL reset_command_pool(VkDevice device, VkCommandPool pool,
                                              VkCommandPoolResetFlags flags)
{
    const uint64_t values[] = {flags};

    fake_driver_check((uint64_t)(uintptr_t)pool, VK_OBJECT_TYPE_COMMAND_POOL, device);
    fake_driver_record("vkResetCommandPool", 1, values);
    return VK_SUCCESS;
}

PFN_vkVoidFunction fake_driver_resource_entry(const char *name)
{
    static const struct {
        const char *name;
        PFN_vkVoidFunction function;
    } functions[] = {
        {"vkGetBufferMemoryRequirements2", (PFN_vkVoidFunction)buffer_requirements2},
        {"vkGetDeviceBufferMemoryRequirements", (PFN_vkVoidFunction)device_buffer_requirements},
        {"vkBindBufferMemory2", (PFN_vkVoidFunction)bind_buffers2},
        {"vkGetBufferDeviceAddress", (PFN_vkVoidFunction)buffer_address},
        {"vkCreateImage", (PFN_vkVoidFunction)create_image},
        {"vkDestroyImage", (PFN_vkVoidFunction)destroy_image},
        {"vkGetImageMemoryRequirements", (PFN_vkVoidFunction)image_requirements},
        {"vkGetImageMemoryRequirements2", (PFN_vkVoidFunction)image_requirements2},
        {"vkGetDeviceImageMemoryRequirements", (PFN_vkVoidFunction)device_image_requirements},
        {"vkBindImageMemory", (PFN_vkVoidFunction)bind_image},
        {"vkBindImageMemory2", (PFN_vkVoidFunction)bind_images2},
        {"vkGetImageSubresourceLayout", (PFN_vkVoidFunction)image_layout},
        {"vkGetImageSubresourceLayout2", (PFN_vkVoidFunction)image_layout2},
        {"vkGetDeviceImageSubresourceLayout", (PFN_vkVoidFunction)device_image_layout},
        {"vkCreateGraphicsPipelines", (PFN_vkVoidFunction)create_graphics},
        {"vkCreateComputePipelines", (PFN_vkVoidFunction)create_compute},
        {"vkDestroyPipeline", (PFN_vkVoidFunction)destroy_pipeline},
        {"vkCreateEvent", (PFN_vkVoidFunction)create_event},
        {"vkDestroyEvent", (PFN_vkVoidFunction)destroy_event},
        {"vkCreateDescriptorPool", (PFN_vkVoidFunction)create_descriptor_pool},
        {"vkDestroyDescriptorPool", (PFN_vkVoidFunction)destroy_descriptor_pool},
        {"vkResetDescriptorPool", (PFN_vkVoidFunction)reset_descriptor_pool},
        {"vkCreateDescriptorSetLayout", (PFN_vkVoidFunction)create_set_layout},
        {"vkDestroyDescriptorSetLayout", (PFN_vkVoidFunction)destroy_set_layout},
        {"vkAllocateDescriptorSets", (PFN_vkVoidFunction)allocate_sets},
        {"vkFreeDescriptorSets", (PFN_vkVoidFunction)free_sets},
        {"vkResetCommandPool", (PFN_vkVoidFunction)reset_command_pool},
    };

    for (size_t i = 0; i < PV_ARRAY_LEN(functions); i++) {
        if (strcmp(functions[i].name, name) == 0) {
            return functions[i].function;
        }
    }
    return NULL;
}
