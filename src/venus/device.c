/* SPDX-License-Identifier: MIT */
/*
 * vkCreateDevice, vkDestroyDevice and vkGetDeviceQueue2, and the end of a device with all that the
 * guest left on it.
 */
#include "venus/device.h"

#include <stdlib.h>

#include "venus/handlers.h"
#include "venus/idle.h"
#include "venus/instance.h"
#include "venus/memory.h"
#include "venus/queue.h"
#include "venus/sync.h"
#include "venus/timeline.h"
#include "venus_wire/info.h"
#include "vkhost/chain.h"
#include "vkhost/create.h"

static void device_unlink(struct pv_venus_device *device)
{
    struct pv_venus_context *context = device->context;

    pthread_mutex_lock(&context->device_lock);
    for (struct pv_venus_device **link = &context->devices; *link != NULL;
         link = &(*link)->next_device) {
        if (*link == device) {
            *link = device->next_device;
            break;
        }
    }
    pthread_mutex_unlock(&context->device_lock);
}

static void device_link(struct pv_venus_device *device)
{
    struct pv_venus_context *context = device->context;

    pthread_mutex_lock(&context->device_lock);
    device->next_device = context->devices;
    context->devices = device;
    pthread_mutex_unlock(&context->device_lock);
}

/* Devices of one context: programs make one or two, tests a few more. */
#define DEVICE_MAX 64u

static uint32_t device_count(struct pv_venus_context *context)
{
    uint32_t count = 0;

    pthread_mutex_lock(&context->device_lock);
    for (const struct pv_venus_device *device = context->devices; device != NULL;
         device = device->next_device) {
        count++;
    }
    pthread_mutex_unlock(&context->device_lock);
    return count;
}

/* Make a host device known. False with the fault raised: it is still the caller's. */
static bool register_device(struct pv_venus_decoder *decoder,
                            struct pv_venus_physical_device *physical_device,
                            const VkDeviceCreateInfo *info, VkDevice handle, uint64_t id)
{
    const struct pv_vk_instance_table *vk = physical_device->object.base.dispatch;
    struct pv_venus_device *device =
        pv_venus_object_alloc(decoder, sizeof(*device), id, VK_OBJECT_TYPE_DEVICE,
                              (uint64_t)(uintptr_t)handle, false, NULL);

    if (device == NULL) {
        return false;
    }
    device->context = decoder->context;
    device->physical_device = physical_device;
    (void)pthread_mutex_init(&device->lock, NULL);
    pv_venus_spares_init(&device->spares);
    pv_vk_device_table_load(&device->table, handle, vk->GetDeviceProcAddr);
    device->object.base.dispatch = &device->table;
    device->object.device = device;
    for (uint32_t i = 0; i < info->queueCreateInfoCount; i++) {
        /* The view has refused families that it does not show. */
        if (info->pQueueCreateInfos[i].queueFamilyIndex < PV_VKHOST_QUEUE_FAMILIES_MAX) {
            device->queue_counts[info->pQueueCreateInfos[i].queueFamilyIndex] =
                info->pQueueCreateInfos[i].queueCount;
        }
    }
    device_link(device);
    if (!pv_venus_object_publish(decoder, &device->object)) {
        device_unlink(device);
        pv_venus_spares_finish(device);
        (void)pthread_mutex_destroy(&device->lock);
        free(device);
        return false;
    }
    return true;
}

void pv_venus_vkCreateDevice(struct pv_wire_decoder *wire, struct pv_wire_vkCreateDevice *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);
    struct pv_venus_physical_device *physical_device =
        pv_venus_physical_device_of(args->physicalDevice);
    const struct pv_vk_instance_table *vk = physical_device->object.base.dispatch;
    struct pv_vkhost_create_device *rewrite = malloc(sizeof(*rewrite));
    VkDevice handle = VK_NULL_HANDLE;

    if (rewrite == NULL) {
        args->ret = VK_ERROR_OUT_OF_HOST_MEMORY;
        return;
    }
    pv_wire_unwrap_vkCreateDevice(args);
    if (device_count(decoder->context) >= DEVICE_MAX) {
        free(rewrite);
        args->ret = VK_ERROR_TOO_MANY_OBJECTS;
        return;
    }
    args->ret = pv_vkhost_create_device_rewrite(
        &physical_device->view, (VkDeviceCreateInfo *)(uintptr_t)args->pCreateInfo, rewrite);
    if (args->ret == VK_SUCCESS) {
        args->ret =
            vk->CreateDevice((VkPhysicalDevice)(uintptr_t)physical_device->object.base.handle,
                             args->pCreateInfo, NULL, &handle);
    }
    free(rewrite);
    if (args->ret != VK_SUCCESS) {
        return;
    }
    if (!register_device(decoder, physical_device, args->pCreateInfo, handle, *args->pDevice)) {
        PFN_vkDestroyDevice destroy =
            (PFN_vkDestroyDevice)vk->GetDeviceProcAddr(handle, "vkDestroyDevice");

        destroy(handle, NULL);
    }
}

/* The host handle of a type that the generated destroyer needs no pool for. */
static void object_destroy_host(struct pv_venus_device *device, struct pv_venus_object *object)
{
    if (object->base.handle != 0) {
        pv_wire_object_destroy_host(object->base.type, &device->table,
                                    (uint64_t)(uintptr_t)pv_venus_device_handle(device),
                                    object->base.handle);
    }
}

void pv_venus_device_object_finish(struct pv_venus_device *device, struct pv_venus_object *object)
{
    switch (object->base.type) {
    case VK_OBJECT_TYPE_QUEUE:
        pv_venus_queue_finish((struct pv_venus_queue *)object);
        break;
    case VK_OBJECT_TYPE_FENCE:
        pv_venus_fence_finish((struct pv_venus_fence *)object);
        break;
    case VK_OBJECT_TYPE_DEVICE_MEMORY:
        pv_venus_memory_finish((struct pv_venus_memory *)object);
        break;
    default:
        object_destroy_host(device, object);
        break;
    }
    pv_venus_object_free(object);
}

/* Queues go first, so that no fence is waited for on a dying device; memory goes last. */
static unsigned int finish_order(const struct pv_venus_object *object)
{
    switch (object->base.type) {
    case VK_OBJECT_TYPE_QUEUE:
        return 0;
    case VK_OBJECT_TYPE_DEVICE_MEMORY:
        return 2;
    default:
        return 1;
    }
}

static void remove_from_table(struct pv_venus_context *context, struct pv_venus_object *object)
{
    for (struct pv_venus_object *child = object->children; child != NULL; child = child->next) {
        (void)pv_base_id_table_remove_exact(context->objects, &child->base);
    }
    (void)pv_base_id_table_remove_exact(context->objects, &object->base);
}

void pv_venus_device_abandon(struct pv_venus_device *device)
{
    device_unlink(device);
    device->is_abandoned = true;
    for (struct pv_venus_object *object = device->objects; object != NULL; object = object->next) {
        if (object->base.type == VK_OBJECT_TYPE_QUEUE) {
            pv_venus_queue_finish((struct pv_venus_queue *)object);
        }
    }
}

bool pv_venus_device_finish(struct pv_venus_device *device, bool is_the_end)
{
    const VkDevice handle = pv_venus_device_handle(device);

    if (!pv_venus_idle_wait(device, is_the_end)) {
        pv_venus_context_lose(device->context, "a device was destroyed whose work does not end");
        return false;
    }
    device_unlink(device);
    for (unsigned int order = 0; order <= 2; order++) {
        struct pv_venus_object *next;

        for (struct pv_venus_object *object = device->objects; object != NULL; object = next) {
            next = object->next;
            if (finish_order(object) != order) {
                continue;
            }
            if (object->previous != NULL) {
                object->previous->next = object->next;
            } else {
                device->objects = object->next;
            }
            if (object->next != NULL) {
                object->next->previous = object->previous;
            }
            remove_from_table(device->context, object);
            pv_venus_device_object_finish(device, object);
        }
    }
    pv_venus_spares_finish(device);
    device->table.DestroyDevice(handle, NULL);
    (void)pthread_mutex_destroy(&device->lock);
    free(device);
    return true;
}

void pv_venus_vkDestroyDevice(struct pv_wire_decoder *wire, struct pv_wire_vkDestroyDevice *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);

    if (device == NULL || !pv_venus_object_remove(pv_venus_decoder_of(wire), &device->object)) {
        return;
    }
    /* Objects of the device that other rings know, or have made since. */
    while (pv_venus_object_hide_all(device) > 0) {
        pv_venus_object_wait(pv_venus_decoder_of(wire));
        if (pv_venus_object_may_be_gone(pv_venus_decoder_of(wire)->context)) {
            /* The instance went meanwhile, and the device with it. */
            pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_STATE);
            return;
        }
    }
    (void)!pv_venus_device_finish(device, false);
}

/* Whether the guest has that queue already: two objects of one queue would not share its lock. */
static bool has_queue(struct pv_venus_device *device, VkQueue handle)
{
    bool found = false;

    pthread_mutex_lock(&device->lock);
    for (const struct pv_venus_object *object = device->objects; object != NULL && !found;
         object = object->next) {
        found = object->base.type == VK_OBJECT_TYPE_QUEUE
                && object->base.handle == (uint64_t)(uintptr_t)handle;
    }
    pthread_mutex_unlock(&device->lock);
    return found;
}

void pv_venus_vkGetDeviceQueue2(struct pv_wire_decoder *wire,
                                struct pv_wire_vkGetDeviceQueue2 *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);
    struct pv_venus_context *context = decoder->context;
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    const VkDeviceQueueTimelineInfoMESA *timeline =
        pv_vkhost_chain_remove((VkDeviceQueueInfo2 *)(uintptr_t)args->pQueueInfo,
                               VK_STRUCTURE_TYPE_DEVICE_QUEUE_TIMELINE_INFO_MESA);
    struct pv_venus_queue *queue;
    VkQueue handle = VK_NULL_HANDLE;

    if (timeline == NULL || timeline->ringIdx == 0
        || timeline->ringIdx >= PV_VENUS_TIMELINE_COUNT) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_RANGE);
        return;
    }
    if (args->pQueueInfo->queueFamilyIndex >= PV_VKHOST_QUEUE_FAMILIES_MAX
        || args->pQueueInfo->queueIndex
               >= device->queue_counts[args->pQueueInfo->queueFamilyIndex]) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_RANGE, args->pQueueInfo->queueIndex);
        return;
    }
    device->table.GetDeviceQueue2(pv_venus_device_handle(device), args->pQueueInfo, &handle);
    if (handle == VK_NULL_HANDLE) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_RANGE, args->pQueueInfo->queueIndex);
        return;
    }
    if (has_queue(device, handle)) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_STATE, args->pQueueInfo->queueIndex);
        return;
    }
    queue = pv_venus_object_alloc(decoder, sizeof(*queue), *args->pQueue, VK_OBJECT_TYPE_QUEUE,
                                  (uint64_t)(uintptr_t)handle, false, &device->object);
    if (queue == NULL) {
        return;
    }
    (void)pthread_mutex_init(&queue->lock, NULL);
    queue->ring_index = timeline->ringIdx;
    if (pv_venus_timeline_create(queue) < 0) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_MEMORY);
        (void)pthread_mutex_destroy(&queue->lock);
        free(queue);
        return;
    }
    pthread_mutex_lock(&context->timeline_lock);
    if (context->timelines[queue->ring_index] != NULL) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_ID, queue->ring_index);
    } else {
        context->timelines[queue->ring_index] = queue;
    }
    pthread_mutex_unlock(&context->timeline_lock);
    if (pv_base_fault_is_raised(&wire->fault)
        || !pv_venus_object_publish(decoder, &queue->object)) {
        pv_venus_queue_finish(queue);
        free(queue);
    }
}
