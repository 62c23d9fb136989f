/* SPDX-License-Identifier: MIT */
/*
 * Fences and semaphores; see sync.h. Waits that the guest sends are only sent when they are about
 * to be satisfied, so they block their ring; they wait in slices, because a context that ends must
 * not be held up by a guest that lies.
 */
#include "venus/sync.h"

#include <stdlib.h>

#include "venus/handlers.h"
#include "venus/ring.h"
#include "vkhost/create.h"

#define WAIT_SLICE_NS UINT64_C(100000000)
/* Exchanges of one fence while it was pending; a guest that does more than this is playing. */
#define RETIRED_MAX 4096u

bool pv_venus_semaphore_take_imported(struct pv_venus_semaphore *semaphore)
{
    return atomic_exchange_explicit(&semaphore->imported, false, memory_order_acq_rel);
}

/* ---- fences ---- */

void pv_venus_vkCreateFence(struct pv_wire_decoder *wire, struct pv_wire_vkCreateFence *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    VkFence handle = VK_NULL_HANDLE;

    (void)pv_vkhost_create_fence_rewrite((VkFenceCreateInfo *)(uintptr_t)args->pCreateInfo);
    args->ret =
        device->table.CreateFence(pv_venus_device_handle(device), args->pCreateInfo, NULL, &handle);
    if (!pv_venus_object_created(pv_venus_decoder_of(wire), sizeof(struct pv_venus_fence),
                                 args->ret, *args->pFence, VK_OBJECT_TYPE_FENCE,
                                 (uint64_t)(uintptr_t)handle, &device->object)) {
        device->table.DestroyFence(pv_venus_device_handle(device), handle, NULL);
    }
}

void pv_venus_fence_finish(struct pv_venus_fence *fence)
{
    struct pv_venus_device *device = fence->object.device;

    for (uint32_t i = 0; i < fence->retired_count; i++) {
        device->table.DestroyFence(pv_venus_device_handle(device), fence->retired[i], NULL);
    }
    free(fence->retired);
    device->table.DestroyFence(pv_venus_device_handle(device),
                               (VkFence)(uintptr_t)fence->object.base.handle, NULL);
}

void pv_venus_vkDestroyFence(struct pv_wire_decoder *wire, struct pv_wire_vkDestroyFence *args)
{
    struct pv_venus_fence *fence = (struct pv_venus_fence *)PV_VENUS_OBJECT(args->fence);

    if (fence == NULL || !pv_venus_object_remove(pv_venus_decoder_of(wire), &fence->object)) {
        return;
    }
    pv_venus_fence_finish(fence);
    pv_venus_object_free(&fence->object);
}

static bool is_stopping(struct pv_wire_decoder *wire)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);

    return atomic_load_explicit(&decoder->context->stopping, memory_order_relaxed)
           || atomic_load_explicit(&decoder->context->lost, memory_order_relaxed)
           || (decoder->ring != NULL && pv_venus_ring_should_stop(decoder->ring));
}

/* The next slice of a wait, and what is left of it. */
static uint64_t next_slice(uint64_t *left_ns)
{
    const uint64_t slice_ns = *left_ns < WAIT_SLICE_NS ? *left_ns : WAIT_SLICE_NS;

    if (*left_ns != UINT64_MAX) {
        *left_ns -= slice_ns;
    }
    return slice_ns;
}

void pv_venus_vkWaitForFences(struct pv_wire_decoder *wire, struct pv_wire_vkWaitForFences *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    uint64_t left_ns = args->timeout;

    if (wire->poisoned) {
        args->ret = VK_ERROR_DEVICE_LOST;
        return;
    }
    if (!pv_venus_objects_are_there(wire, args->fenceCount, args->pFences)) {
        return;
    }
    pv_wire_unwrap_vkWaitForFences(args);
    do {
        args->ret = device->table.WaitForFences(args->device, args->fenceCount, args->pFences,
                                                args->waitAll, next_slice(&left_ns));
    } while (args->ret == VK_TIMEOUT && left_ns > 0 && !is_stopping(wire));
}

/* A pending fence cannot be reset: put a fresh one in its place, keep the old until the end. */
static VkResult fence_exchange_locked(struct pv_venus_fence *fence)
{
    struct pv_venus_device *device = fence->object.device;
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    const VkFence pending = (VkFence)(uintptr_t)fence->object.base.handle;
    VkFence *retired;
    VkFence fresh;
    VkResult result;

    /* A program that exports one fence per frame does this for ever: take one that is through. */
    for (uint32_t i = 0; i < fence->retired_count; i++) {
        const VkFence old = fence->retired[i];

        if (device->table.GetFenceStatus(pv_venus_device_handle(device), old) == VK_SUCCESS
            && device->table.ResetFences(pv_venus_device_handle(device), 1, &old) == VK_SUCCESS) {
            fence->retired[i] = pending;
            fence->object.base.handle = (uint64_t)(uintptr_t)old;
            return VK_SUCCESS;
        }
    }
    if (fence->retired_count >= RETIRED_MAX) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    retired = realloc(fence->retired, sizeof(*retired) * (fence->retired_count + 1));
    if (retired == NULL) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    fence->retired = retired;
    result = device->table.CreateFence(pv_venus_device_handle(device), &info, NULL, &fresh);
    if (result == VK_SUCCESS) {
        fence->retired[fence->retired_count++] = pending;
        fence->object.base.handle = (uint64_t)(uintptr_t)fresh;
    }
    return result;
}

void pv_venus_vkResetFenceResourceMESA(struct pv_wire_decoder *wire,
                                       struct pv_wire_vkResetFenceResourceMESA *args)
{
    struct pv_venus_fence *fence = (struct pv_venus_fence *)PV_VENUS_OBJECT(args->fence);
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    VkFence handle;
    VkResult result;

    if (fence == NULL || fence->object.base.poisoned) {
        return;
    }
    handle = (VkFence)(uintptr_t)fence->object.base.handle;
    if (device->table.GetFenceStatus(pv_venus_device_handle(device), handle) == VK_NOT_READY) {
        pthread_mutex_lock(&device->lock);
        result = fence_exchange_locked(fence);
        pthread_mutex_unlock(&device->lock);
    } else {
        result = device->table.ResetFences(pv_venus_device_handle(device), 1, &handle);
    }
    if (result != VK_SUCCESS) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_DRIVER, (uint32_t)result);
    }
}

/* ---- semaphores ---- */

void pv_venus_vkCreateSemaphore(struct pv_wire_decoder *wire,
                                struct pv_wire_vkCreateSemaphore *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    VkSemaphore handle = VK_NULL_HANDLE;

    (void)pv_vkhost_create_semaphore_rewrite((VkSemaphoreCreateInfo *)(uintptr_t)args->pCreateInfo);
    args->ret = device->table.CreateSemaphore(pv_venus_device_handle(device), args->pCreateInfo,
                                              NULL, &handle);
    if (!pv_venus_object_created(pv_venus_decoder_of(wire), sizeof(struct pv_venus_semaphore),
                                 args->ret, *args->pSemaphore, VK_OBJECT_TYPE_SEMAPHORE,
                                 (uint64_t)(uintptr_t)handle, &device->object)) {
        device->table.DestroySemaphore(pv_venus_device_handle(device), handle, NULL);
    }
}

void pv_venus_vkWaitSemaphores(struct pv_wire_decoder *wire, struct pv_wire_vkWaitSemaphores *args)
{
    struct pv_venus_device *device = pv_venus_device_of(args->device);
    uint64_t left_ns = args->timeout;

    if (wire->poisoned) {
        args->ret = VK_ERROR_DEVICE_LOST;
        return;
    }
    if (device->table.WaitSemaphores == NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_DRIVER);
        return;
    }
    if (!pv_venus_objects_are_there(wire, args->pWaitInfo->semaphoreCount,
                                    args->pWaitInfo->pSemaphores)) {
        return;
    }
    pv_wire_unwrap_vkWaitSemaphores(args);
    do {
        args->ret =
            device->table.WaitSemaphores(args->device, args->pWaitInfo, next_slice(&left_ns));
    } while (args->ret == VK_TIMEOUT && left_ns > 0 && !is_stopping(wire));
}

void pv_venus_vkImportSemaphoreResourceMESA(struct pv_wire_decoder *wire,
                                            struct pv_wire_vkImportSemaphoreResourceMESA *args)
{
    const VkImportSemaphoreResourceInfoMESA *info = args->pImportSemaphoreResourceInfo;
    struct pv_venus_semaphore *semaphore =
        (struct pv_venus_semaphore *)PV_VENUS_OBJECT(info->semaphore);

    if (info->resourceId != 0 || semaphore == NULL) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_RESOURCE, info->resourceId);
        return;
    }
    atomic_store_explicit(&semaphore->imported, true, memory_order_release);
}

void pv_venus_vkWaitSemaphoreResourceMESA(struct pv_wire_decoder *wire,
                                          struct pv_wire_vkWaitSemaphoreResourceMESA *args)
{
    struct pv_venus_semaphore *semaphore =
        (struct pv_venus_semaphore *)PV_VENUS_OBJECT(args->semaphore);
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    VkSubmitInfo submit = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .waitSemaphoreCount = 1,
        .pWaitDstStageMask = &stage,
    };
    struct pv_venus_queue *queue;
    VkSemaphore handle;

    if (semaphore == NULL || semaphore->object.base.poisoned
        || pv_venus_semaphore_take_imported(semaphore)) {
        return;
    }
    /* Consume the payload on the queue that signals it, where the wait is over at once. */
    queue = atomic_load_explicit(&semaphore->signal_queue, memory_order_relaxed);
    if (queue == NULL) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_STATE, semaphore->object.base.id);
        return;
    }
    handle = (VkSemaphore)(uintptr_t)semaphore->object.base.handle;
    submit.pWaitSemaphores = &handle;
    pthread_mutex_lock(&queue->lock);
    (void)queue->object.device->table.QueueSubmit((VkQueue)(uintptr_t)queue->object.base.handle, 1,
                                                  &submit, VK_NULL_HANDLE);
    pthread_mutex_unlock(&queue->lock);
}
