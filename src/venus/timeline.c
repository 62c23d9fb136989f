/* SPDX-License-Identifier: MIT */
/*
 * Timelines; see timeline.h. VkFences are kept for reuse, so a steady stream of fences creates
 * none.
 */
#include "venus/timeline.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "os/clock.h"

/* The waiting thread looks up this often whether the context is stopping. */
#define WAIT_SLICE_NS UINT64_C(200000000)

struct pending {
    struct pending *next;
    VkFence fence;
    uint64_t fence_id;
};

struct pv_venus_timeline {
    struct pv_venus_context *context;
    struct pv_venus_device *device;
    struct pv_venus_queue *queue;
    uint32_t ring_index;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    bool stop;
    uint32_t count;
    struct pending *first; /* oldest */
    struct pending **last;
    struct pending *spare;
};

static struct pending *take_first(struct pv_venus_timeline *timeline)
{
    struct pending *pending;

    pthread_mutex_lock(&timeline->lock);
    while (timeline->first == NULL && !timeline->stop) {
        pthread_cond_wait(&timeline->changed, &timeline->lock);
    }
    pending = timeline->first;
    if (pending != NULL) {
        timeline->first = pending->next;
        if (timeline->first == NULL) {
            timeline->last = &timeline->first;
        }
    }
    pthread_mutex_unlock(&timeline->lock);
    return pending;
}

static void *timeline_main(void *user)
{
    struct pv_venus_timeline *timeline = user;
    const struct pv_vk_device_table *vk = &timeline->device->table;
    const VkDevice device = pv_venus_device_handle(timeline->device);
    struct pending *pending;

    while ((pending = take_first(timeline)) != NULL) {
        VkResult result;

        do {
            result = vk->WaitForFences(device, 1, &pending->fence, VK_TRUE, WAIT_SLICE_NS);
        } while (result == VK_TIMEOUT
                 && !atomic_load_explicit(&timeline->context->stopping, memory_order_relaxed));
        timeline->context->events->fence_retired(timeline->context->events_user,
                                                 timeline->ring_index, pending->fence_id);
        pthread_mutex_lock(&timeline->lock);
        pending->next = timeline->spare;
        timeline->spare = pending;
        timeline->count--;
        pthread_cond_broadcast(&timeline->changed);
        pthread_mutex_unlock(&timeline->lock);
    }
    return NULL;
}

int pv_venus_timeline_create(struct pv_venus_queue *queue)
{
    struct pv_venus_timeline *timeline = calloc(1, sizeof(*timeline));
    pthread_condattr_t attributes;
    int r;

    if (timeline == NULL) {
        return -ENOMEM;
    }
    timeline->context = queue->object.device->context;
    timeline->device = queue->object.device;
    timeline->queue = queue;
    timeline->ring_index = queue->ring_index;
    timeline->last = &timeline->first;
    (void)pthread_mutex_init(&timeline->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&timeline->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    r = -pthread_create(&timeline->thread, NULL, timeline_main, timeline);
    if (r < 0) {
        (void)pthread_cond_destroy(&timeline->changed);
        (void)pthread_mutex_destroy(&timeline->lock);
        free(timeline);
        return r;
    }
    queue->timeline = timeline;
    return 0;
}

void pv_venus_timeline_destroy(struct pv_venus_timeline *timeline)
{
    if (timeline == NULL) {
        return;
    }
    pthread_mutex_lock(&timeline->lock);
    timeline->stop = true;
    pthread_cond_broadcast(&timeline->changed);
    pthread_mutex_unlock(&timeline->lock);
    (void)pthread_join(timeline->thread, NULL);
    while (timeline->spare != NULL) {
        struct pending *pending = timeline->spare;

        timeline->spare = pending->next;
        if (!timeline->device->is_abandoned) {
            timeline->device->table.DestroyFence(pv_venus_device_handle(timeline->device),
                                                 pending->fence, NULL);
        }
        free(pending);
    }
    (void)pthread_cond_destroy(&timeline->changed);
    (void)pthread_mutex_destroy(&timeline->lock);
    free(timeline);
}

static bool is_ending(const struct pv_venus_timeline *timeline)
{
    return atomic_load(&timeline->context->stopping) || atomic_load(&timeline->context->lost);
}

/*
 * Wait until one more fence may be outstanding. The GPU may never be through with those that are;
 * who loses the context then has no way to wake us, so look now and then. False: give up; without
 * an end of the context, it did not come back with any in all that time.
 */
static bool wait_for_room_locked(struct pv_venus_timeline *timeline)
{
    const uint64_t end_ns = pv_os_clock_now_ns() + timeline->context->idle_grace_ns;

    while (timeline->count >= PV_VENUS_TIMELINE_FENCE_MAX && !is_ending(timeline)
           && pv_os_clock_now_ns() < end_ns) {
        struct timespec deadline;

        (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_nsec += (long)WAIT_SLICE_NS;
        if (deadline.tv_nsec >= 1000000000) {
            deadline.tv_nsec -= 1000000000;
            deadline.tv_sec++;
        }
        (void)pthread_cond_timedwait(&timeline->changed, &timeline->lock, &deadline);
    }
    return timeline->count < PV_VENUS_TIMELINE_FENCE_MAX;
}

/* A VkFence ready for use, waiting for room if too many are outstanding. NULL: give up. Sets
 * *ret_is_stuck when there was no room for too long. */
static struct pending *take_spare(struct pv_venus_timeline *timeline, bool *ret_is_stuck)
{
    const struct pv_vk_device_table *vk = &timeline->device->table;
    const VkDevice device = pv_venus_device_handle(timeline->device);
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    struct pending *pending;

    pthread_mutex_lock(&timeline->lock);
    if (!wait_for_room_locked(timeline)) {
        pthread_mutex_unlock(&timeline->lock);
        *ret_is_stuck = !is_ending(timeline);
        return NULL;
    }
    timeline->count++;
    pending = timeline->spare;
    if (pending != NULL) {
        timeline->spare = pending->next;
    }
    pthread_mutex_unlock(&timeline->lock);
    if (pending != NULL) {
        if (vk->ResetFences(device, 1, &pending->fence) == VK_SUCCESS) {
            return pending;
        }
        vk->DestroyFence(device, pending->fence, NULL);
    } else {
        pending = malloc(sizeof(*pending));
    }
    if (pending != NULL && vk->CreateFence(device, &info, NULL, &pending->fence) != VK_SUCCESS) {
        free(pending);
        pending = NULL;
    }
    if (pending == NULL) {
        pthread_mutex_lock(&timeline->lock);
        timeline->count--;
        pthread_mutex_unlock(&timeline->lock);
    }
    return pending;
}

static bool submit_fence(struct pv_venus_timeline *timeline, uint64_t fence_id, bool *ret_is_stuck)
{
    struct pending *pending = take_spare(timeline, ret_is_stuck);
    VkResult result;

    if (pending == NULL) {
        return false;
    }
    pthread_mutex_lock(&timeline->queue->lock);
    result = timeline->device->table.QueueSubmit(
        (VkQueue)(uintptr_t)timeline->queue->object.base.handle, 0, NULL, pending->fence);
    pthread_mutex_unlock(&timeline->queue->lock);

    pthread_mutex_lock(&timeline->lock);
    if (result == VK_SUCCESS) {
        pending->fence_id = fence_id;
        pending->next = NULL;
        *timeline->last = pending;
        timeline->last = &pending->next;
        pthread_cond_broadcast(&timeline->changed);
    } else {
        pending->next = timeline->spare;
        timeline->spare = pending;
        timeline->count--;
    }
    pthread_mutex_unlock(&timeline->lock);
    return result == VK_SUCCESS;
}

bool pv_venus_timeline_fence(struct pv_venus_context *context, uint32_t ring_index,
                             uint64_t fence_id)
{
    struct pv_venus_queue *queue;
    bool submitted = false;
    bool is_stuck = false;

    /* The lock keeps the queue from being unbound meanwhile. */
    pthread_mutex_lock(&context->timeline_lock);
    queue = context->timelines[ring_index];
    if (queue != NULL) {
        submitted = submit_fence(queue->timeline, fence_id, &is_stuck);
    }
    pthread_mutex_unlock(&context->timeline_lock);
    if (is_stuck) {
        pv_venus_context_lose(context, "too many fences wait for the GPU");
    }
    return submitted;
}
