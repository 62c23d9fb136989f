/* SPDX-License-Identifier: MIT */
/*
 * Submissions. They arrive with objects in place of handles, lose the waits on semaphores whose
 * imported payload is already signalled and whatever is poisoned, and go to the driver under the
 * queue's lock.
 */
#include "venus/queue.h"

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

static void filter_waits(VkSubmitInfo *submit)
{
    const VkTimelineSemaphoreSubmitInfo *values =
        pv_vkhost_chain_find(submit, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
    const VkDeviceGroupSubmitInfo *group =
        pv_vkhost_chain_find(submit, VK_STRUCTURE_TYPE_DEVICE_GROUP_SUBMIT_INFO);
    const bool has_values =
        values != NULL && values->waitSemaphoreValueCount >= submit->waitSemaphoreCount;
    const bool has_group = group != NULL && group->waitSemaphoreCount >= submit->waitSemaphoreCount;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < submit->waitSemaphoreCount; i++) {
        if (!keep_wait(submit->pWaitSemaphores[i])) {
            continue;
        }
        WRITABLE(VkSemaphore, submit->pWaitSemaphores)[kept] = submit->pWaitSemaphores[i];
        WRITABLE(VkPipelineStageFlags, submit->pWaitDstStageMask)
        [kept] = submit->pWaitDstStageMask[i];
        if (has_values) {
            WRITABLE(uint64_t, values->pWaitSemaphoreValues)
            [kept] = values->pWaitSemaphoreValues[i];
        }
        if (has_group) {
            WRITABLE(uint32_t, group->pWaitSemaphoreDeviceIndices)
            [kept] = group->pWaitSemaphoreDeviceIndices[i];
        }
        kept++;
    }
    if (has_values) {
        WRITABLE(VkTimelineSemaphoreSubmitInfo, values)->waitSemaphoreValueCount = kept;
    }
    if (has_group) {
        WRITABLE(VkDeviceGroupSubmitInfo, group)->waitSemaphoreCount = kept;
    }
    submit->waitSemaphoreCount = kept;
}

static void filter_signals(VkSubmitInfo *submit, struct pv_venus_queue *queue)
{
    const VkTimelineSemaphoreSubmitInfo *values =
        pv_vkhost_chain_find(submit, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
    const bool has_values =
        values != NULL && values->signalSemaphoreValueCount >= submit->signalSemaphoreCount;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < submit->signalSemaphoreCount; i++) {
        if (!keep_signal(submit->pSignalSemaphores[i], queue)) {
            continue;
        }
        WRITABLE(VkSemaphore, submit->pSignalSemaphores)[kept] = submit->pSignalSemaphores[i];
        if (has_values) {
            WRITABLE(uint64_t, values->pSignalSemaphoreValues)
            [kept] = values->pSignalSemaphoreValues[i];
        }
        kept++;
    }
    if (has_values) {
        WRITABLE(VkTimelineSemaphoreSubmitInfo, values)->signalSemaphoreValueCount = kept;
    }
    submit->signalSemaphoreCount = kept;
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

void pv_venus_vkQueueSubmit(struct pv_wire_decoder *wire, struct pv_wire_vkQueueSubmit *args)
{
    struct pv_venus_queue *queue = queue_of(args->queue);

    (void)wire;
    for (uint32_t i = 0; i < args->submitCount; i++) {
        VkSubmitInfo *submit = WRITABLE(VkSubmitInfo, &args->pSubmits[i]);

        filter_waits(submit);
        filter_command_buffers(submit);
        filter_signals(submit, queue);
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
        uint32_t kept = 0;

        for (uint32_t k = 0; k < bind->waitSemaphoreCount; k++) {
            if (keep_wait(bind->pWaitSemaphores[k])) {
                WRITABLE(VkSemaphore, bind->pWaitSemaphores)[kept++] = bind->pWaitSemaphores[k];
            }
        }
        bind->waitSemaphoreCount = kept;
        for (uint32_t k = 0; k < bind->signalSemaphoreCount; k++) {
            (void)keep_signal(bind->pSignalSemaphores[k], queue);
        }
    }
    pv_wire_unwrap_vkQueueBindSparse(args);
    pthread_mutex_lock(&queue->lock);
    args->ret = queue->object.device->table.QueueBindSparse(
        queue_handle(queue), args->bindInfoCount, args->pBindInfo, args->fence);
    pthread_mutex_unlock(&queue->lock);
}
