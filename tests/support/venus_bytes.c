/* SPDX-License-Identifier: MIT */
/*
 * Venus commands by hand; see venus_bytes.h. Written from the protocol's rules and not from the
 * decoder: header, then arguments in C order; a pointer is a 64-bit 1 or 0 in front; a struct
 * starts with its sType and its pNext chain, whose headers come outermost first and bodies
 * innermost first.
 */
#include "support/venus_bytes.h"

#include <stdlib.h>
#include <string.h>

#include <vulkan/vulkan_core.h>

#include "venus_wire/commands.h"
#include "venus_wire/mesa.h"

static void add(struct venus_bytes *to, const void *bytes, size_t size_bytes)
{
    if (size_bytes > sizeof(to->bytes) - to->size_bytes) {
        abort();
    }
    memcpy(to->bytes + to->size_bytes, bytes, size_bytes);
    to->size_bytes += size_bytes;
}

void venus_u32(struct venus_bytes *to, uint32_t value)
{
    add(to, &value, sizeof(value));
}

void venus_u64(struct venus_bytes *to, uint64_t value)
{
    add(to, &value, sizeof(value));
}

void venus_command(struct venus_bytes *to, uint32_t number, bool reply)
{
    venus_u32(to, number);
    venus_u32(to, reply ? 1 : 0);
}

void venus_ids(struct venus_bytes *to, uint32_t count, const uint64_t *ids)
{
    venus_u64(to, count);
    for (uint32_t i = 0; i < count; i++) {
        venus_u64(to, ids[i]);
    }
}

/* The start of a struct behind a pointer, without a chain. */
void venus_info(struct venus_bytes *to, uint32_t s_type)
{
    venus_u64(to, 1);
    venus_u32(to, s_type);
    venus_u64(to, 0);
}

/* No allocation callbacks, and the id of what is created. */
void venus_created(struct venus_bytes *to, uint64_t id)
{
    venus_u64(to, 0);
    venus_u64(to, 1);
    venus_u64(to, id);
}

static void create(struct venus_bytes *to, uint32_t number, uint64_t parent, uint32_t s_type,
                   bool reply)
{
    venus_command(to, number, reply);
    venus_u64(to, parent);
    venus_info(to, s_type);
}

/* ---- transport ---- */

void venus_create_ring(struct venus_bytes *to, uint64_t ring, const struct venus_layout *layout)
{
    venus_command(to, PV_WIRE_COMMAND_vkCreateRingMESA, false);
    venus_u64(to, ring);
    venus_u64(to, 1);
    venus_u32(to, 1000384000);
    if (layout->monitor_us > 0) {
        venus_u64(to, 1);
        venus_u32(to, 1000384006);
    }
    venus_u64(to, 0);
    if (layout->monitor_us > 0) {
        venus_u32(to, layout->monitor_us);
    }
    venus_u32(to, 0);
    venus_u32(to, layout->resource_id);
    venus_u64(to, layout->offset);
    venus_u64(to, layout->size);
    venus_u64(to, layout->idle_ns);
    venus_u64(to, layout->head);
    venus_u64(to, layout->tail);
    venus_u64(to, layout->status);
    venus_u64(to, layout->buffer);
    venus_u64(to, layout->buffer_size);
    venus_u64(to, layout->extra);
    venus_u64(to, layout->extra_size);
}

static void one_u64(struct venus_bytes *to, uint32_t number, uint64_t value)
{
    venus_command(to, number, false);
    venus_u64(to, value);
}

void venus_destroy_ring(struct venus_bytes *to, uint64_t ring)
{
    one_u64(to, PV_WIRE_COMMAND_vkDestroyRingMESA, ring);
}

void venus_notify_ring(struct venus_bytes *to, uint64_t ring)
{
    one_u64(to, PV_WIRE_COMMAND_vkNotifyRingMESA, ring);
    venus_u64(to, 0);
}

void venus_set_reply(struct venus_bytes *to, uint32_t resource_id, uint64_t offset, uint64_t size)
{
    one_u64(to, PV_WIRE_COMMAND_vkSetReplyCommandStreamMESA, 1);
    venus_u32(to, resource_id);
    venus_u64(to, offset);
    venus_u64(to, size);
}

void venus_execute(struct venus_bytes *to, uint32_t resource_id, uint64_t offset, uint64_t size)
{
    venus_command(to, PV_WIRE_COMMAND_vkExecuteCommandStreamsMESA, false);
    venus_u32(to, 1);
    venus_u64(to, 1);
    venus_u32(to, resource_id);
    venus_u64(to, offset);
    venus_u64(to, size);
    venus_u64(to, 0);
    venus_u32(to, 0);
    venus_u64(to, 0);
    venus_u32(to, 0);
}

void venus_submit_seqno(struct venus_bytes *to, uint64_t ring, uint64_t seqno)
{
    one_u64(to, PV_WIRE_COMMAND_vkSubmitVirtqueueSeqnoMESA, ring);
    venus_u64(to, seqno);
}

void venus_wait_seqno(struct venus_bytes *to, uint64_t seqno)
{
    one_u64(to, PV_WIRE_COMMAND_vkWaitVirtqueueSeqnoMESA, seqno);
}

void venus_wait_ring(struct venus_bytes *to, uint64_t ring, uint64_t seqno)
{
    one_u64(to, PV_WIRE_COMMAND_vkWaitRingSeqnoMESA, ring);
    venus_u64(to, seqno);
}

void venus_instance_version(struct venus_bytes *to)
{
    venus_command(to, PV_WIRE_COMMAND_vkEnumerateInstanceVersion, true);
    venus_u64(to, 1);
}

/* ---- instance and device ---- */

void venus_create_instance(struct venus_bytes *to, uint64_t instance)
{
    venus_command(to, PV_WIRE_COMMAND_vkCreateInstance, true);
    venus_info(to, VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
    venus_u32(to, 0);
    venus_u64(to, 0); /* no VkApplicationInfo */
    venus_u32(to, 0);
    venus_u64(to, 0);
    venus_u32(to, 0);
    venus_u64(to, 0);
    venus_created(to, instance);
}

void venus_enumerate_devices(struct venus_bytes *to, uint64_t instance, uint64_t physical_device)
{
    venus_command(to, PV_WIRE_COMMAND_vkEnumeratePhysicalDevices, true);
    venus_u64(to, instance);
    venus_u64(to, 1);
    venus_u32(to, 1);
    venus_ids(to, 1, &physical_device);
}

void venus_create_device(struct venus_bytes *to, uint64_t physical_device, uint64_t device)
{
    const float priority = 1.0f;

    create(to, PV_WIRE_COMMAND_vkCreateDevice, physical_device,
           VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, true);
    venus_u32(to, 0);
    venus_u32(to, 1);
    venus_info(to, VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO); /* its 1: the array's length */
    venus_u32(to, 0);
    venus_u32(to, 0);
    venus_u32(to, 1);
    venus_u64(to, 1);
    add(to, &priority, sizeof(priority));
    venus_u32(to, 0);
    venus_u64(to, 0);
    venus_u32(to, 0);
    venus_u64(to, 0);
    venus_u64(to, 0);
    venus_created(to, device);
}

void venus_get_queue(struct venus_bytes *to, uint64_t device, uint32_t index, uint64_t queue,
                     uint32_t ring_index)
{
    venus_command(to, PV_WIRE_COMMAND_vkGetDeviceQueue2, false);
    venus_u64(to, device);
    venus_u64(to, 1);
    venus_u32(to, VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2);
    venus_u64(to, 1);
    venus_u32(to, 1000384005);
    venus_u64(to, 0);
    venus_u32(to, ring_index);
    venus_u32(to, 0);
    venus_u32(to, 0);
    venus_u32(to, index);
    venus_ids(to, 1, &queue);
}

void venus_destroy(struct venus_bytes *to, uint32_t number, uint64_t device, uint64_t object)
{
    one_u64(to, number, device);
    venus_u64(to, object);
    venus_u64(to, 0);
}

void venus_destroy_first(struct venus_bytes *to, uint32_t number, uint64_t object)
{
    one_u64(to, number, object);
    venus_u64(to, 0);
}

/* ---- memory and buffers ---- */

void venus_allocate(struct venus_bytes *to, uint64_t device, uint64_t memory, uint64_t size,
                    uint32_t type, uint32_t import_id, bool is_exportable, bool reply)
{
    venus_command(to, PV_WIRE_COMMAND_vkAllocateMemory, reply);
    venus_u64(to, device);
    venus_u64(to, 1);
    venus_u32(to, VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO);
    if (import_id != 0) {
        venus_u64(to, 1);
        venus_u32(to, 1000384002);
    }
    if (is_exportable) {
        venus_u64(to, 1);
        venus_u32(to, VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
    }
    venus_u64(to, 0);
    if (is_exportable) {
        venus_u32(to, VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT);
    }
    if (import_id != 0) {
        venus_u32(to, import_id);
    }
    venus_u64(to, size);
    venus_u32(to, type);
    venus_created(to, memory);
}

void venus_create_buffer(struct venus_bytes *to, uint64_t device, uint64_t buffer, uint64_t size,
                         bool reply)
{
    create(to, PV_WIRE_COMMAND_vkCreateBuffer, device, VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, reply);
    venus_u32(to, 0);
    venus_u64(to, size);
    venus_u32(to, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    venus_u32(to, 0);
    venus_u32(to, 0);
    venus_u64(to, 0);
    venus_created(to, buffer);
}

void venus_bind_buffer(struct venus_bytes *to, uint64_t device, uint64_t buffer, uint64_t memory,
                       uint64_t offset)
{
    venus_command(to, PV_WIRE_COMMAND_vkBindBufferMemory, true);
    venus_u64(to, device);
    venus_u64(to, buffer);
    venus_u64(to, memory);
    venus_u64(to, offset);
}

/* ---- fences, semaphores, pools ---- */

void venus_create_fence(struct venus_bytes *to, uint64_t device, uint64_t fence, bool reply)
{
    create(to, PV_WIRE_COMMAND_vkCreateFence, device, VK_STRUCTURE_TYPE_FENCE_CREATE_INFO, reply);
    venus_u32(to, 0);
    venus_created(to, fence);
}

void venus_fence_status(struct venus_bytes *to, uint64_t device, uint64_t fence)
{
    venus_command(to, PV_WIRE_COMMAND_vkGetFenceStatus, true);
    venus_u64(to, device);
    venus_u64(to, fence);
}

void venus_wait_fence(struct venus_bytes *to, uint64_t device, uint64_t fence, uint64_t timeout_ns,
                      bool reply)
{
    venus_command(to, PV_WIRE_COMMAND_vkWaitForFences, reply);
    venus_u64(to, device);
    venus_u32(to, 1);
    venus_ids(to, 1, &fence);
    venus_u32(to, 1);
    venus_u64(to, timeout_ns);
}

void venus_reset_fence_resource(struct venus_bytes *to, uint64_t device, uint64_t fence)
{
    one_u64(to, PV_WIRE_COMMAND_vkResetFenceResourceMESA, device);
    venus_u64(to, fence);
}

void venus_create_semaphore(struct venus_bytes *to, uint64_t device, uint64_t semaphore)
{
    create(to, PV_WIRE_COMMAND_vkCreateSemaphore, device, VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
           false);
    venus_u32(to, 0);
    venus_created(to, semaphore);
}

void venus_import_semaphore(struct venus_bytes *to, uint64_t device, uint64_t semaphore,
                            uint32_t resource_id)
{
    create(to, PV_WIRE_COMMAND_vkImportSemaphoreResourceMESA, device, 1000384004, false);
    venus_u64(to, semaphore);
    venus_u32(to, resource_id);
}

void venus_wait_semaphore(struct venus_bytes *to, uint64_t device, uint64_t semaphore)
{
    one_u64(to, PV_WIRE_COMMAND_vkWaitSemaphoreResourceMESA, device);
    venus_u64(to, semaphore);
}

void venus_create_command_pool(struct venus_bytes *to, uint64_t device, uint64_t pool, bool reply)
{
    create(to, PV_WIRE_COMMAND_vkCreateCommandPool, device,
           VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, reply);
    venus_u32(to, 0);
    venus_u32(to, 0);
    venus_created(to, pool);
}

void venus_allocate_command_buffers(struct venus_bytes *to, uint64_t device, uint64_t pool,
                                    uint32_t count, const uint64_t *ids, bool reply)
{
    create(to, PV_WIRE_COMMAND_vkAllocateCommandBuffers, device,
           VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, reply);
    venus_u64(to, pool);
    venus_u32(to, 0);
    venus_u32(to, count);
    venus_ids(to, count, ids);
}

void venus_free_command_buffers(struct venus_bytes *to, uint64_t device, uint64_t pool,
                                uint32_t count, const uint64_t *ids)
{
    one_u64(to, PV_WIRE_COMMAND_vkFreeCommandBuffers, device);
    venus_u64(to, pool);
    venus_u32(to, count);
    venus_ids(to, count, ids);
}

/* ---- images ---- */

static void image_chain(struct venus_bytes *to, const struct venus_image *image)
{
    if (image->external_types != 0) {
        venus_info(to, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO);
        to->size_bytes -= 8;
    }
    if (image->modifier_count > 0) {
        venus_info(to, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT);
        to->size_bytes -= 8;
    }
    if (image->has_layout) {
        venus_info(to, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT);
        to->size_bytes -= 8;
    }
    venus_u64(to, 0);
    if (image->has_layout) {
        venus_u64(to, image->modifiers[0]);
        venus_u32(to, 1);
        venus_u64(to, 1);
        venus_u64(to, image->offset);
        venus_u64(to, 0);
        venus_u64(to, image->row_bytes);
        venus_u64(to, 0);
        venus_u64(to, 0);
    }
    if (image->modifier_count > 0) {
        venus_u32(to, image->modifier_count);
        venus_ids(to, image->modifier_count, image->modifiers);
    }
    if (image->external_types != 0) {
        venus_u32(to, image->external_types);
    }
}

void venus_image_info(struct venus_bytes *to, const struct venus_image *image)
{
    venus_u64(to, 1);
    venus_u32(to, VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO);
    image_chain(to, image);
    venus_u32(to, image->flags);
    venus_u32(to, VK_IMAGE_TYPE_2D);
    venus_u32(to, image->format != 0 ? image->format : VK_FORMAT_B8G8R8A8_UNORM);
    venus_u32(to, image->width);
    venus_u32(to, image->height);
    venus_u32(to, 1);
    venus_u32(to, 1);
    venus_u32(to, 1);
    venus_u32(to, VK_SAMPLE_COUNT_1_BIT);
    venus_u32(to, image->tiling);
    venus_u32(to, VK_IMAGE_USAGE_SAMPLED_BIT);
    venus_u32(to, 0);
    venus_u32(to, 0);
    venus_u64(to, 0);
    venus_u32(to, VK_IMAGE_LAYOUT_UNDEFINED);
}

void venus_create_image(struct venus_bytes *to, uint64_t device, uint64_t id,
                        const struct venus_image *image, bool reply)
{
    venus_command(to, PV_WIRE_COMMAND_vkCreateImage, reply);
    venus_u64(to, device);
    venus_image_info(to, image);
    venus_created(to, id);
}

/* ---- submissions ---- */

static bool has_values(const struct venus_submit *submit)
{
    return submit->value_count > 0 || submit->signal_value_count > 0;
}

static void timeline_values(struct venus_bytes *to, const struct venus_submit *submit)
{
    venus_u32(to, submit->value_count);
    venus_ids(to, submit->values_missing ? 0 : submit->value_count, submit->wait_values);
    venus_u32(to, submit->signal_value_count);
    venus_ids(to, submit->signal_value_count, submit->signal_values);
}

void venus_queue_submit(struct venus_bytes *to, uint64_t queue, const struct venus_submit *submit,
                        bool reply)
{
    venus_command(to, PV_WIRE_COMMAND_vkQueueSubmit, reply);
    venus_u64(to, queue);
    venus_u32(to, 1);
    venus_u64(to, 1);
    venus_u32(to, VK_STRUCTURE_TYPE_SUBMIT_INFO);
    if (has_values(submit)) {
        venus_u64(to, 1);
        venus_u32(to, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
    }
    venus_u64(to, 0);
    if (has_values(submit)) {
        timeline_values(to, submit);
    }
    venus_u32(to, submit->wait_count);
    venus_ids(to, submit->wait_count, submit->waits);
    venus_u64(to, submit->wait_count);
    add(to, submit->stages, sizeof(uint32_t) * submit->wait_count);
    venus_u32(to, submit->command_buffer_count);
    venus_ids(to, submit->command_buffer_count, submit->command_buffers);
    venus_u32(to, submit->signal_count);
    venus_ids(to, submit->signal_count, submit->signals);
    venus_u64(to, submit->fence);
}
