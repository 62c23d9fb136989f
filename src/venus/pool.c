/* SPDX-License-Identifier: MIT */
/*
 * What is allocated from command pools and descriptor pools. The guest frees children one by one,
 * or all at once with the pool, whose life is generated code; the object lists of object.c follow.
 */
#include <string.h>

#include "venus/device.h"
#include "venus/handlers.h"

/* Children of one allocation: stock Mesa asks for a handful; the driver's cost bounds the rest. */
#define CHILDREN_MAX 65536u

void pv_venus_vkResetDescriptorPool(struct pv_wire_decoder *wire,
                                    struct pv_wire_vkResetDescriptorPool *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    struct pv_venus_object *pool = PV_VENUS_OBJECT(args->descriptorPool);

    if (wire->poisoned || pool == NULL) {
        args->ret = VK_ERROR_DEVICE_LOST;
        return;
    }
    if (!pv_venus_object_remove_children(pv_venus_decoder_of(wire), pool)) {
        return;
    }
    pv_wire_unwrap_vkResetDescriptorPool(args);
    args->ret = device->table.ResetDescriptorPool(args->device, args->descriptorPool, args->flags);
}

/*
 * Register count children of a pool, as poisoned ones if the allocation failed and the guest does
 * not wait to hear it. On a fault the rest stays unregistered; the pool frees their host handles
 * when it goes.
 */
static void add_children(struct pv_wire_decoder *wire, struct pv_venus_object *pool, uint32_t type,
                         VkResult result, uint32_t count, const uint64_t *ids,
                         const uint64_t *handles)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!pv_venus_object_created(pv_venus_decoder_of(wire), sizeof(struct pv_venus_object),
                                     result, ids[i], type, handles[i], pool)) {
            return;
        }
    }
}

static uint64_t *child_handles(struct pv_wire_decoder *wire, uint32_t count)
{
    uint64_t *handles;

    if (count > CHILDREN_MAX) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_LIMIT, count);
        return NULL;
    }
    handles = pv_base_arena_alloc(&wire->arena, sizeof(*handles) * count);
    if (handles == NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_MEMORY);
        return NULL;
    }
    return memset(handles, 0, sizeof(*handles) * count);
}

void pv_venus_vkAllocateCommandBuffers(struct pv_wire_decoder *wire,
                                       struct pv_wire_vkAllocateCommandBuffers *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    struct pv_venus_object *pool = PV_VENUS_OBJECT(args->pAllocateInfo->commandPool);
    const uint32_t count = args->pAllocateInfo->commandBufferCount;
    uint64_t *handles = child_handles(wire, count);

    if (handles == NULL) {
        return;
    }
    if (pool == NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_HANDLE);
        return;
    }
    args->ret = VK_ERROR_DEVICE_LOST;
    if (!wire->poisoned) {
        pv_wire_unwrap_vkAllocateCommandBuffers(args);
        args->ret = device->table.AllocateCommandBuffers(args->device, args->pAllocateInfo,
                                                         (VkCommandBuffer *)(void *)handles);
    }
    add_children(wire, pool, VK_OBJECT_TYPE_COMMAND_BUFFER, args->ret, count, args->pCommandBuffers,
                 handles);
}

void pv_venus_vkAllocateDescriptorSets(struct pv_wire_decoder *wire,
                                       struct pv_wire_vkAllocateDescriptorSets *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    struct pv_venus_object *pool = PV_VENUS_OBJECT(args->pAllocateInfo->descriptorPool);
    const uint32_t count = args->pAllocateInfo->descriptorSetCount;
    uint64_t *handles = child_handles(wire, count);

    if (handles == NULL
        || !pv_venus_objects_are_there(wire, count, args->pAllocateInfo->pSetLayouts)) {
        return;
    }
    if (pool == NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_HANDLE);
        return;
    }
    args->ret = VK_ERROR_DEVICE_LOST;
    if (!wire->poisoned) {
        pv_wire_unwrap_vkAllocateDescriptorSets(args);
        args->ret = device->table.AllocateDescriptorSets(args->device, args->pAllocateInfo,
                                                         (VkDescriptorSet *)(void *)handles);
    }
    add_children(wire, pool, VK_OBJECT_TYPE_DESCRIPTOR_SET, args->ret, count, args->pDescriptorSets,
                 handles);
}

/*
 * Take children out before the driver frees them. The array holds objects and is left with host
 * handles; returns how many remain in it. A child of another pool is refused.
 */
static uint32_t take_children(struct pv_venus_decoder *decoder, struct pv_venus_object *pool,
                              uint32_t count, uint64_t *array)
{
    struct pv_venus_object **objects = (struct pv_venus_object **)(void *)array;
    uint32_t object_count = 0;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct pv_venus_object *child = PV_VENUS_OBJECT(array[i]);

        if (child == NULL) {
            continue;
        }
        if (child->pool != pool) {
            pv_base_fault_raise_detail(&decoder->wire.fault, PV_BASE_FAULT_HANDLE, child->base.id);
            return 0;
        }
        objects[object_count++] = child;
    }
    if (!pv_venus_object_remove_from_pool(decoder, pool, object_count, objects)) {
        return 0;
    }
    for (uint32_t i = 0; i < object_count; i++) {
        struct pv_venus_object *child = objects[i];

        if (child->base.handle != 0) {
            array[kept++] = child->base.handle;
        }
        pv_venus_object_free(child);
    }
    return kept;
}

/* Refuse an array that names one child twice, before any of them is freed. */
static bool has_duplicates(struct pv_wire_decoder *wire, uint32_t count, const uint64_t *array)
{
    for (uint32_t i = 0; i < count; i++) {
        struct pv_venus_object *child = PV_VENUS_OBJECT(array[i]);

        if (child == NULL) {
            continue;
        }
        if (child->is_marked) {
            pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_HANDLE, child->base.id);
            return true;
        }
        child->is_marked = true;
    }
    return false;
}

void pv_venus_vkFreeCommandBuffers(struct pv_wire_decoder *wire,
                                   struct pv_wire_vkFreeCommandBuffers *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    struct pv_venus_object *pool = PV_VENUS_OBJECT(args->commandPool);
    uint64_t *array = (uint64_t *)(uintptr_t)args->pCommandBuffers;
    uint32_t count;

    if (pool == NULL || args->pCommandBuffers == NULL
        || has_duplicates(wire, args->commandBufferCount, array)) {
        return;
    }
    count = take_children(pv_venus_decoder_of(wire), pool, args->commandBufferCount, array);
    if (count > 0) {
        device->table.FreeCommandBuffers(pv_venus_device_handle(device),
                                         (VkCommandPool)(uintptr_t)pool->base.handle, count,
                                         (const VkCommandBuffer *)(const void *)array);
    }
}

void pv_venus_vkFreeDescriptorSets(struct pv_wire_decoder *wire,
                                   struct pv_wire_vkFreeDescriptorSets *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    struct pv_venus_object *pool = PV_VENUS_OBJECT(args->descriptorPool);
    uint64_t *array = (uint64_t *)(uintptr_t)args->pDescriptorSets;
    uint32_t count;

    args->ret = VK_SUCCESS;
    if (pool == NULL || args->pDescriptorSets == NULL
        || has_duplicates(wire, args->descriptorSetCount, array)) {
        return;
    }
    count = take_children(pv_venus_decoder_of(wire), pool, args->descriptorSetCount, array);
    if (count > 0) {
        args->ret = device->table.FreeDescriptorSets(
            pv_venus_device_handle(device), (VkDescriptorPool)(uintptr_t)pool->base.handle, count,
            (const VkDescriptorSet *)(const void *)array);
    }
}
