/* SPDX-License-Identifier: MIT */
/*
 * Command pools and descriptor pools with what is allocated from them. The guest frees children
 * one by one, or all at once with the pool; the object lists of object.c follow.
 */
#include <stdlib.h>

#include "venus/device.h"
#include "venus/handlers.h"

/* Children of one allocation: stock Mesa asks for a handful; the driver's cost bounds the rest. */
#define CHILDREN_MAX 65536u

/* ---- pools ---- */

void pv_venus_vkCreateCommandPool(struct pv_wire_decoder *wire,
                                  struct pv_wire_vkCreateCommandPool *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    VkCommandPool handle = VK_NULL_HANDLE;

    args->ret = device->table.CreateCommandPool(pv_venus_device_handle(device), args->pCreateInfo,
                                                NULL, &handle);
    if (args->ret != VK_SUCCESS && (wire->flags & 1u) != 0) {
        return;
    }
    if (pv_venus_object_create(decoder, sizeof(struct pv_venus_object), *args->pCommandPool,
                               VK_OBJECT_TYPE_COMMAND_POOL, (uint64_t)(uintptr_t)handle,
                               args->ret != VK_SUCCESS, &device->object)
        == NULL) {
        device->table.DestroyCommandPool(pv_venus_device_handle(device), handle, NULL);
    }
}

void pv_venus_vkDestroyCommandPool(struct pv_wire_decoder *wire,
                                   struct pv_wire_vkDestroyCommandPool *args)
{
    struct pv_venus_object *pool = PV_VENUS_OBJECT(args->commandPool);
    struct pv_venus_device *device = pv_venus_device_of(args->device);

    if (pool == NULL || !pv_venus_object_remove(pv_venus_decoder_of(wire), pool)) {
        return;
    }
    device->table.DestroyCommandPool(pv_venus_device_handle(device),
                                     (VkCommandPool)(uintptr_t)pool->base.handle, NULL);
    pv_venus_object_free(pool);
}

void pv_venus_vkResetCommandPool(struct pv_wire_decoder *wire,
                                 struct pv_wire_vkResetCommandPool *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);

    if (wire->poisoned) {
        args->ret = VK_ERROR_DEVICE_LOST;
        return;
    }
    pv_wire_unwrap_vkResetCommandPool(args);
    args->ret = device->table.ResetCommandPool(args->device, args->commandPool, args->flags);
}

void pv_venus_vkCreateDescriptorPool(struct pv_wire_decoder *wire,
                                     struct pv_wire_vkCreateDescriptorPool *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    VkDescriptorPool handle = VK_NULL_HANDLE;

    args->ret = device->table.CreateDescriptorPool(pv_venus_device_handle(device),
                                                   args->pCreateInfo, NULL, &handle);
    if (args->ret != VK_SUCCESS && (wire->flags & 1u) != 0) {
        return;
    }
    if (pv_venus_object_create(decoder, sizeof(struct pv_venus_object), *args->pDescriptorPool,
                               VK_OBJECT_TYPE_DESCRIPTOR_POOL, (uint64_t)(uintptr_t)handle,
                               args->ret != VK_SUCCESS, &device->object)
        == NULL) {
        device->table.DestroyDescriptorPool(pv_venus_device_handle(device), handle, NULL);
    }
}

void pv_venus_vkDestroyDescriptorPool(struct pv_wire_decoder *wire,
                                      struct pv_wire_vkDestroyDescriptorPool *args)
{
    struct pv_venus_object *pool = PV_VENUS_OBJECT(args->descriptorPool);
    struct pv_venus_device *device = pv_venus_device_of(args->device);

    if (pool == NULL || !pv_venus_object_remove(pv_venus_decoder_of(wire), pool)) {
        return;
    }
    device->table.DestroyDescriptorPool(pv_venus_device_handle(device),
                                        (VkDescriptorPool)(uintptr_t)pool->base.handle, NULL);
    pv_venus_object_free(pool);
}

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

/* ---- children ---- */

/*
 * Register count children of a pool. handles NULL: all poisoned. On a fault the rest stays
 * unregistered; the pool frees their host handles when it goes.
 */
static void add_children(struct pv_venus_decoder *decoder, struct pv_venus_object *pool,
                         uint32_t type, uint32_t count, const uint64_t *ids,
                         const uint64_t *handles)
{
    for (uint32_t i = 0; i < count; i++) {
        if (pv_venus_object_create(decoder, sizeof(struct pv_venus_object), ids[i], type,
                                   handles != NULL ? handles[i] : 0, handles == NULL, pool)
            == NULL) {
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
    }
    return handles;
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
    if (args->ret == VK_SUCCESS) {
        add_children(pv_venus_decoder_of(wire), pool, VK_OBJECT_TYPE_COMMAND_BUFFER, count,
                     args->pCommandBuffers, handles);
    } else if ((wire->flags & 1u) == 0) {
        add_children(pv_venus_decoder_of(wire), pool, VK_OBJECT_TYPE_COMMAND_BUFFER, count,
                     args->pCommandBuffers, NULL);
    }
}

void pv_venus_vkAllocateDescriptorSets(struct pv_wire_decoder *wire,
                                       struct pv_wire_vkAllocateDescriptorSets *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    struct pv_venus_object *pool = PV_VENUS_OBJECT(args->pAllocateInfo->descriptorPool);
    const uint32_t count = args->pAllocateInfo->descriptorSetCount;
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
        pv_wire_unwrap_vkAllocateDescriptorSets(args);
        args->ret = device->table.AllocateDescriptorSets(args->device, args->pAllocateInfo,
                                                         (VkDescriptorSet *)(void *)handles);
    }
    if (args->ret == VK_SUCCESS) {
        add_children(pv_venus_decoder_of(wire), pool, VK_OBJECT_TYPE_DESCRIPTOR_SET, count,
                     args->pDescriptorSets, handles);
    } else if ((wire->flags & 1u) == 0) {
        add_children(pv_venus_decoder_of(wire), pool, VK_OBJECT_TYPE_DESCRIPTOR_SET, count,
                     args->pDescriptorSets, NULL);
    }
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
