/* SPDX-License-Identifier: MIT */
/*
 * Keeping ALIVE set; see monitor.h.
 */
#include "venus/monitor.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "venus/ring.h"

/* A guest that asks for more than one report in 10 ms only wastes the host's time. */
#define PERIOD_MIN_US 10000u

struct pv_venus_monitor {
    struct pv_venus_context *context;
    pthread_t thread;
    pthread_cond_t wake; /* with context->lock */
    bool stop;           /* under context->lock */
    uint64_t period_us;  /* under context->lock */
};

static void set_alive_locked(struct pv_venus_context *context)
{
    for (size_t i = 0; i < PV_VENUS_RING_MAX; i++) {
        struct pv_venus_ring *ring = context->rings[i];

        if (ring != NULL && pv_venus_ring_is_monitored(ring)) {
            pv_venus_ring_set_status(ring, PV_VENUS_RING_STATUS_ALIVE);
        }
    }
}

static void *monitor_main(void *user)
{
    struct pv_venus_monitor *monitor = user;
    struct pv_venus_context *context = monitor->context;

    pthread_mutex_lock(&context->lock);
    while (!monitor->stop) {
        struct timespec deadline;
        uint64_t ns;

        set_alive_locked(context);
        (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
        /* Half the period: the guest looks once in a period, at a moment of its own. */
        ns = (uint64_t)deadline.tv_nsec + monitor->period_us * 500u;
        deadline.tv_sec += (time_t)(ns / 1000000000u);
        deadline.tv_nsec = (long)(ns % 1000000000u);
        (void)pthread_cond_timedwait(&monitor->wake, &context->lock, &deadline);
    }
    pthread_mutex_unlock(&context->lock);
    return NULL;
}

int pv_venus_monitor_start(struct pv_venus_context *context, uint32_t period_us)
{
    const uint64_t period = period_us > PERIOD_MIN_US ? period_us : PERIOD_MIN_US;
    struct pv_venus_monitor *monitor = context->monitor;
    pthread_condattr_t attributes;
    int r;

    if (monitor != NULL) {
        pthread_mutex_lock(&context->lock);
        monitor->period_us = period < monitor->period_us ? period : monitor->period_us;
        pthread_cond_signal(&monitor->wake);
        pthread_mutex_unlock(&context->lock);
        return 0;
    }
    monitor = calloc(1, sizeof(*monitor));
    if (monitor == NULL) {
        return -ENOMEM;
    }
    monitor->context = context;
    monitor->period_us = period;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&monitor->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    r = -pthread_create(&monitor->thread, NULL, monitor_main, monitor);
    if (r < 0) {
        (void)pthread_cond_destroy(&monitor->wake);
        free(monitor);
        return r;
    }
    context->monitor = monitor;
    return 0;
}

void pv_venus_monitor_stop(struct pv_venus_context *context)
{
    struct pv_venus_monitor *monitor = context->monitor;

    if (monitor == NULL) {
        return;
    }
    pthread_mutex_lock(&context->lock);
    monitor->stop = true;
    pthread_cond_signal(&monitor->wake);
    pthread_mutex_unlock(&context->lock);
    (void)pthread_join(monitor->thread, NULL);
    (void)pthread_cond_destroy(&monitor->wake);
    free(monitor);
    context->monitor = NULL;
}
