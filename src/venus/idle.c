/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a device that may never be idle; see idle.h.
 */
#include "venus/idle.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "os/clock.h"
#include "venus/device.h"
#include "venus/state.h"

/* Who waits looks up this often whether the context is stopping. */
#define SLICE_NS 50000000

struct pv_venus_idle {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done; /* under lock */
};

static void *idle_main(void *user)
{
    const struct pv_venus_device *device = user;
    struct pv_venus_idle *idle = device->idle;

    (void)device->table.DeviceWaitIdle(pv_venus_device_handle(device));
    pthread_mutex_lock(&idle->lock);
    idle->is_done = true;
    pthread_cond_broadcast(&idle->changed);
    pthread_mutex_unlock(&idle->lock);
    return NULL;
}

static void idle_free(struct pv_venus_device *device)
{
    (void)pthread_cond_destroy(&device->idle->changed);
    (void)pthread_mutex_destroy(&device->idle->lock);
    free(device->idle);
    device->idle = NULL;
}

/* False: there is no thread to be had. */
static bool idle_start(struct pv_venus_device *device)
{
    pthread_condattr_t attributes;

    device->idle = calloc(1, sizeof(*device->idle));
    if (device->idle == NULL) {
        return false;
    }
    (void)pthread_mutex_init(&device->idle->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&device->idle->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (pthread_create(&device->idle->thread, NULL, idle_main, device) != 0) {
        idle_free(device);
        return false;
    }
    return true;
}

static bool wait_done(const struct pv_venus_context *context, struct pv_venus_idle *idle,
                      bool is_the_end)
{
    const uint64_t end_ns = pv_os_clock_now_ns() + context->idle_grace_ns;
    bool is_done;

    pthread_mutex_lock(&idle->lock);
    while (!idle->is_done && pv_os_clock_now_ns() < end_ns
           && (is_the_end || !atomic_load(&context->stopping))) {
        struct timespec deadline;

        (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_nsec += SLICE_NS;
        if (deadline.tv_nsec >= 1000000000) {
            deadline.tv_nsec -= 1000000000;
            deadline.tv_sec++;
        }
        (void)pthread_cond_timedwait(&idle->changed, &idle->lock, &deadline);
    }
    is_done = idle->is_done;
    pthread_mutex_unlock(&idle->lock);
    return is_done;
}

bool pv_venus_idle_wait(struct pv_venus_device *device, bool is_the_end)
{
    if (device->idle == NULL && !idle_start(device)) {
        (void)device->table.DeviceWaitIdle(pv_venus_device_handle(device));
        return true;
    }
    if (!wait_done(device->context, device->idle, is_the_end)) {
        return false;
    }
    (void)pthread_join(device->idle->thread, NULL);
    idle_free(device);
    return true;
}
