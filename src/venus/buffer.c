/* SPDX-License-Identifier: MIT */
/*
 * Buffers: creation, memory requirements in the guest's terms, and checked binds.
 */
#include "venus/buffer.h"

#include <stdlib.h>

#include "venus/handlers.h"
#include "venus/memory.h"

void pv_venus_vkCreateBuffer(struct pv_wire_decoder *wire, struct pv_wire_vkCreateBuffer *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    struct pv_vkhost_create_buffer rewrite;
    struct pv_venus_buffer *buffer;
    VkBuffer handle = VK_NULL_HANDLE;

    pv_wire_unwrap_vkCreateBuffer(args);
    pv_vkhost_create_buffer_rewrite(&device->physical_device->view,
                                    (VkBufferCreateInfo *)(uintptr_t)args->pCreateInfo, &rewrite);
    args->ret = device->table.CreateBuffer(args->device, args->pCreateInfo, NULL, &handle);
    if (args->ret != VK_SUCCESS && pv_wire_reply_is_wanted(wire)) {
        return;
    }
    buffer = pv_venus_object_alloc(decoder, sizeof(*buffer), *args->pBuffer, VK_OBJECT_TYPE_BUFFER,
                                   (uint64_t)(uintptr_t)handle, args->ret != VK_SUCCESS,
                                   &device->object);
    if (buffer != NULL) {
        buffer->kind = rewrite.kind;
    }
    if (buffer == NULL || !pv_venus_object_publish(decoder, &buffer->object)) {
        device->table.DestroyBuffer(args->device, handle, NULL);
        free(buffer);
    }
}

void pv_venus_vkDestroyBuffer(struct pv_wire_decoder *wire, struct pv_wire_vkDestroyBuffer *args)
{
    struct pv_venus_object *object = PV_VENUS_OBJECT(args->buffer);
    struct pv_venus_device *device = pv_venus_device_of(args->device);

    if (object == NULL || !pv_venus_object_remove(pv_venus_decoder_of(wire), object)) {
        return;
    }
    device->table.DestroyBuffer(pv_venus_device_handle(device),
                                (VkBuffer)(uintptr_t)object->base.handle, NULL);
    pv_venus_object_free(object);
}

void pv_venus_vkGetBufferMemoryRequirements(struct pv_wire_decoder *wire,
                                            struct pv_wire_vkGetBufferMemoryRequirements *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    const struct pv_venus_buffer *buffer =
        (const struct pv_venus_buffer *)PV_VENUS_OBJECT(args->buffer);

    if (wire->poisoned || buffer == NULL) {
        return;
    }
    pv_wire_unwrap_vkGetBufferMemoryRequirements(args);
    device->table.GetBufferMemoryRequirements(args->device, args->buffer,
                                              args->pMemoryRequirements);
    pv_vkhost_memory_requirements_edit(&device->physical_device->view.memory, buffer->kind,
                                       args->pMemoryRequirements);
}

void pv_venus_vkGetBufferMemoryRequirements2(struct pv_wire_decoder *wire,
                                             struct pv_wire_vkGetBufferMemoryRequirements2 *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    const struct pv_venus_buffer *buffer =
        (const struct pv_venus_buffer *)PV_VENUS_OBJECT(args->pInfo->buffer);

    if (wire->poisoned || buffer == NULL) {
        return;
    }
    pv_wire_unwrap_vkGetBufferMemoryRequirements2(args);
    device->table.GetBufferMemoryRequirements2(args->device, args->pInfo,
                                               args->pMemoryRequirements);
    pv_vkhost_memory_requirements2_edit(&device->physical_device->view.memory, buffer->kind,
                                        args->pMemoryRequirements);
}

void pv_venus_vkGetDeviceBufferMemoryRequirements(
    struct pv_wire_decoder *wire, struct pv_wire_vkGetDeviceBufferMemoryRequirements *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    const struct pv_vkhost_view *view = &device->physical_device->view;
    struct pv_vkhost_create_buffer rewrite;

    if (device->table.GetDeviceBufferMemoryRequirements == NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_DRIVER);
        return;
    }
    pv_wire_unwrap_vkGetDeviceBufferMemoryRequirements(args);
    pv_vkhost_create_buffer_rewrite(view, (VkBufferCreateInfo *)(uintptr_t)args->pInfo->pCreateInfo,
                                    &rewrite);
    device->table.GetDeviceBufferMemoryRequirements(args->device, args->pInfo,
                                                    args->pMemoryRequirements);
    pv_vkhost_memory_requirements2_edit(&view->memory, rewrite.kind, args->pMemoryRequirements);
}

/* Whether the bind stays inside of the memory; objects, not handles. */
static bool bind_is_valid(struct pv_venus_device *device, const struct pv_venus_object *buffer,
                          const struct pv_venus_memory *memory, uint64_t offset_bytes)
{
    VkMemoryRequirements host;

    if (buffer == NULL || memory == NULL) {
        return false;
    }
    device->table.GetBufferMemoryRequirements(pv_venus_device_handle(device),
                                              (VkBuffer)(uintptr_t)buffer->base.handle, &host);
    return pv_vkhost_memory_bind_is_valid(
        &host, memory->host_index,
        memory->pages != NULL ? memory->pages->size_bytes : memory->size_bytes, offset_bytes, 0);
}

void pv_venus_vkBindBufferMemory(struct pv_wire_decoder *wire,
                                 struct pv_wire_vkBindBufferMemory *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);

    if (wire->poisoned
        || !bind_is_valid(device, PV_VENUS_OBJECT(args->buffer),
                          (const struct pv_venus_memory *)PV_VENUS_OBJECT(args->memory),
                          args->memoryOffset)) {
        args->ret = wire->poisoned ? VK_ERROR_DEVICE_LOST : VK_ERROR_OUT_OF_DEVICE_MEMORY;
        return;
    }
    pv_wire_unwrap_vkBindBufferMemory(args);
    args->ret = device->table.BindBufferMemory(args->device, args->buffer, args->memory,
                                               args->memoryOffset);
}

void pv_venus_vkBindBufferMemory2(struct pv_wire_decoder *wire,
                                  struct pv_wire_vkBindBufferMemory2 *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);

    args->ret = VK_ERROR_DEVICE_LOST;
    if (wire->poisoned) {
        return;
    }
    for (uint32_t i = 0; i < args->bindInfoCount; i++) {
        const VkBindBufferMemoryInfo *bind = &args->pBindInfos[i];

        if (!bind_is_valid(device, PV_VENUS_OBJECT(bind->buffer),
                           (const struct pv_venus_memory *)PV_VENUS_OBJECT(bind->memory),
                           bind->memoryOffset)) {
            args->ret = VK_ERROR_OUT_OF_DEVICE_MEMORY;
            return;
        }
    }
    pv_wire_unwrap_vkBindBufferMemory2(args);
    args->ret =
        device->table.BindBufferMemory2(args->device, args->bindInfoCount, args->pBindInfos);
}
