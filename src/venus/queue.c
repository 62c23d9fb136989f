/* SPDX-License-Identifier: MIT */
/*
 * Submissions. They arrive with objects in place of handles, lose the waits on semaphores whose
 * imported payload is already signalled and whatever is poisoned, and go to the driver under the
 * queue's lock.
 */
#include "venus/queue.h"

#include <string.h>

#include "venus/handlers.h"
#include "venus/sync.h"
#include "venus/timeline.h"
#include "vkhost/chain.h"

void pv_venus_queue_finish(struct pv_venus_queue *queue)
{
    struct pv_venus_context *context = queue->object.device->context;

    pthread_mutex_lock(&context->timeline_lock);
    if (context->timelines[queue->ring_index] == queue) {
        context->timelines[queue->ring_index] = NULL;
    }
    pthread_mutex_unlock(&context->timeline_lock);
    pv_venus_timeline_destroy(queue->timeline);
    (void)pthread_mutex_destroy(&queue->lock);
}

static struct pv_venus_queue *queue_of(VkQueue decoded)
{
    return (struct pv_venus_queue *)(void *)decoded;
}

static VkQueue queue_handle(const struct pv_venus_queue *queue)
{
    return (VkQueue)(uintptr_t)queue->object.base.handle;
}

/* Whether a wait stays in the submission. */
static bool keep_wait(VkSemaphore decoded)
{
    struct pv_venus_semaphore *semaphore = (struct pv_venus_semaphore *)PV_VENUS_OBJECT(decoded);

    return semaphore != NULL && !semaphore->object.base.poisoned
           && !pv_venus_semaphore_take_imported(semaphore);
}

static bool keep_signal(VkSemaphore decoded, struct pv_venus_queue *queue)
{
    struct pv_venus_semaphore *semaphore = (struct pv_venus_semaphore *)PV_VENUS_OBJECT(decoded);

    if (semaphore == NULL || semaphore->object.base.poisoned) {
        return false;
    }
    atomic_store_explicit(&semaphore->signal_queue, queue, memory_order_relaxed);
    return true;
}

static bool keep_command_buffer(VkCommandBuffer decoded)
{
    return decoded != VK_NULL_HANDLE && !PV_VENUS_OBJECT(decoded)->base.poisoned;
}

/* All arrays below are decoded copies in the arena: writing them through const types is fine. */
#define WRITABLE(type, pointer) ((type *)(uintptr_t)(pointer))

/* Arrays of plain numbers are still in the stream, which is not ours to write: a copy that is. */
static uint32_t *numbers_copy(struct pv_wire_decoder *wire, const uint32_t *numbers, uint32_t count)
{
    uint32_t *copy = pv_base_arena_alloc(&wire->arena, sizeof(*copy) * count);

    if (copy == NULL) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_MEMORY, count);
        return NULL;
    }
    return memcpy(copy, numbers, sizeof(*copy) * count);
}

/* Drivers read one value for each semaphore, if there are values at all. */
static bool complete(struct pv_wire_decoder *wire, uint32_t needed_count, uint32_t *count,
                     const uint64_t **values)
{
    uint64_t *all;

    if (*count > 0 && *values == NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_POINTER);
        return false;
    }
    if (*count == 0 || *count >= needed_count) {
        return true;
    }
    all = pv_wire_array_alloc(wire, needed_count, sizeof(*all), 0);
    if (all == NULL) {
        return false;
    }
    memset(all, 0, sizeof(*all) * needed_count);
    memcpy(all, *values, sizeof(*all) * *count);
    *values = all;
    *count = needed_count;
    return true;
}

/* The values of a submission, as many as it has semaphores or none. False with the fault raised. */
static bool find_values(struct pv_wire_decoder *wire, const void *submit, uint32_t wait_count,
                        uint32_t signal_count, VkTimelineSemaphoreSubmitInfo **ret_values)
{
    VkTimelineSemaphoreSubmitInfo *values =
        pv_vkhost_chain_find(submit, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);

    *ret_values = values;
    return values == NULL
           || (complete(wire, wait_count, &values->waitSemaphoreValueCount,
                        &values->pWaitSemaphoreValues)
               && complete(wire, signal_count, &values->signalSemaphoreValueCount,
                           &values->pSignalSemaphoreValues));
}

/* Take waits out, with what belongs to them; stages and values may be NULL. */
static void filter_waits(uint32_t *count, const VkSemaphore *semaphores, uint32_t *stages,
                         VkTimelineSemaphoreSubmitInfo *values)
{
    const bool has_values = values != NULL && values->waitSemaphoreValueCount > 0;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < *count; i++) {
        if (!keep_wait(semaphores[i])) {
            continue;
        }
        WRITABLE(VkSemaphore, semaphores)[kept] = semaphores[i];
        if (stages != NULL) {
            stages[kept] = stages[i];
        }
        if (has_values) {
            WRITABLE(uint64_t, values->pWaitSemaphoreValues)
            [kept] = values->pWaitSemaphoreValues[i];
        }
        kept++;
    }
    if (has_values) {
        values->waitSemaphoreValueCount = kept;
    }
    *count = kept;
}

static void filter_signals(uint32_t *count, const VkSemaphore *semaphores,
                           VkTimelineSemaphoreSubmitInfo *values, struct pv_venus_queue *queue)
{
    const bool has_values = values != NULL && values->signalSemaphoreValueCount > 0;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < *count; i++) {
        if (!keep_signal(semaphores[i], queue)) {
            continue;
        }
        WRITABLE(VkSemaphore, semaphores)[kept] = semaphores[i];
        if (has_values) {
            WRITABLE(uint64_t, values->pSignalSemaphoreValues)
            [kept] = values->pSignalSemaphoreValues[i];
        }
        kept++;
    }
    if (has_values) {
        values->signalSemaphoreValueCount = kept;
    }
    *count = kept;
}

static void filter_command_buffers(VkSubmitInfo *submit)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < submit->commandBufferCount; i++) {
        if (keep_command_buffer(submit->pCommandBuffers[i])) {
            WRITABLE(VkCommandBuffer, submit->pCommandBuffers)
            [kept++] = submit->pCommandBuffers[i];
        }
    }
    submit->commandBufferCount = kept;
}

static bool filter_submit(struct pv_wire_decoder *wire, VkSubmitInfo *submit,
                          struct pv_venus_queue *queue)
{
    VkTimelineSemaphoreSubmitInfo *values;
    uint32_t *stages = NULL;

    if (!find_values(wire, submit, submit->waitSemaphoreCount, submit->signalSemaphoreCount,
                     &values)) {
        return false;
    }
    if (submit->waitSemaphoreCount > 0) {
        stages = numbers_copy(wire, submit->pWaitDstStageMask, submit->waitSemaphoreCount);
        if (stages == NULL) {
            return false;
        }
        submit->pWaitDstStageMask = stages;
    }
    /* Groups are of one device: its index, for which a driver reads as many numbers as there are
     * semaphores, whatever the struct's own counts say, is 0 without it too. */
    (void)pv_vkhost_chain_remove(submit, VK_STRUCTURE_TYPE_DEVICE_GROUP_SUBMIT_INFO);
    filter_waits(&submit->waitSemaphoreCount, submit->pWaitSemaphores, stages, values);
    filter_command_buffers(submit);
    filter_signals(&submit->signalSemaphoreCount, submit->pSignalSemaphores, values, queue);
    return true;
}

void pv_venus_vkQueueSubmit(struct pv_wire_decoder *wire, struct pv_wire_vkQueueSubmit *args)
{
    struct pv_venus_queue *queue = queue_of(args->queue);

    for (uint32_t i = 0; i < args->submitCount; i++) {
        if (!filter_submit(wire, WRITABLE(VkSubmitInfo, &args->pSubmits[i]), queue)) {
            return;
        }
    }
    pv_wire_unwrap_vkQueueSubmit(args);
    pthread_mutex_lock(&queue->lock);
    args->ret = queue->object.device->table.QueueSubmit(queue_handle(queue), args->submitCount,
                                                        args->pSubmits, args->fence);
    pthread_mutex_unlock(&queue->lock);
}

static void filter_submit2(VkSubmitInfo2 *submit, struct pv_venus_queue *queue)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < submit->waitSemaphoreInfoCount; i++) {
        if (keep_wait(submit->pWaitSemaphoreInfos[i].semaphore)) {
            WRITABLE(VkSemaphoreSubmitInfo, submit->pWaitSemaphoreInfos)
            [kept++] = submit->pWaitSemaphoreInfos[i];
        }
    }
    submit->waitSemaphoreInfoCount = kept;
    kept = 0;
    for (uint32_t i = 0; i < submit->commandBufferInfoCount; i++) {
        if (keep_command_buffer(submit->pCommandBufferInfos[i].commandBuffer)) {
            WRITABLE(VkCommandBufferSubmitInfo, submit->pCommandBufferInfos)
            [kept++] = submit->pCommandBufferInfos[i];
        }
    }
    submit->commandBufferInfoCount = kept;
    kept = 0;
    for (uint32_t i = 0; i < submit->signalSemaphoreInfoCount; i++) {
        if (keep_signal(submit->pSignalSemaphoreInfos[i].semaphore, queue)) {
            WRITABLE(VkSemaphoreSubmitInfo, submit->pSignalSemaphoreInfos)
            [kept++] = submit->pSignalSemaphoreInfos[i];
        }
    }
    submit->signalSemaphoreInfoCount = kept;
}

void pv_venus_vkQueueSubmit2(struct pv_wire_decoder *wire, struct pv_wire_vkQueueSubmit2 *args)
{
    struct pv_venus_queue *queue = queue_of(args->queue);

    for (uint32_t i = 0; i < args->submitCount; i++) {
        filter_submit2(WRITABLE(VkSubmitInfo2, &args->pSubmits[i]), queue);
    }
    pv_wire_unwrap_vkQueueSubmit2(args);
    if (queue->object.device->table.QueueSubmit2 == NULL) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_DRIVER);
        return;
    }
    pthread_mutex_lock(&queue->lock);
    args->ret = queue->object.device->table.QueueSubmit2(queue_handle(queue), args->submitCount,
                                                         args->pSubmits, args->fence);
    pthread_mutex_unlock(&queue->lock);
}

void pv_venus_vkQueueBindSparse(struct pv_wire_decoder *wire,
                                struct pv_wire_vkQueueBindSparse *args)
{
    struct pv_venus_queue *queue = queue_of(args->queue);

    if (wire->poisoned) {
        args->ret = VK_ERROR_DEVICE_LOST;
        return;
    }
    for (uint32_t i = 0; i < args->bindInfoCount; i++) {
        const VkBindSparseInfo *bind = &args->pBindInfo[i];

        /* Guests are not shown sparse resources: nobody has checked these spans. */
        if (bind->bufferBindCount > 0 || bind->imageOpaqueBindCount > 0
            || bind->imageBindCount > 0) {
            pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_DRIVER, i);
            return;
        }
    }
    for (uint32_t i = 0; i < args->bindInfoCount; i++) {
        VkBindSparseInfo *bind = WRITABLE(VkBindSparseInfo, &args->pBindInfo[i]);
        VkTimelineSemaphoreSubmitInfo *values;

        if (!find_values(wire, bind, bind->waitSemaphoreCount, bind->signalSemaphoreCount,
                         &values)) {
            return;
        }
        filter_waits(&bind->waitSemaphoreCount, bind->pWaitSemaphores, NULL, values);
        filter_signals(&bind->signalSemaphoreCount, bind->pSignalSemaphores, values, queue);
    }
    pv_wire_unwrap_vkQueueBindSparse(args);
    pthread_mutex_lock(&queue->lock);
    args->ret = queue->object.device->table.QueueBindSparse(
        queue_handle(queue), args->bindInfoCount, args->pBindInfo, args->fence);
    pthread_mutex_unlock(&queue->lock);
}
