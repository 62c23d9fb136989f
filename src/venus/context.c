/* SPDX-License-Identifier: MIT */
/*
 * Life and death of a Venus context; see context.h.
 */
#include "venus/context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "venus/idle.h"
#include "venus/instance.h"
#include "venus/monitor.h"
#include "venus/object.h"
#include "venus/ring.h"
#include "venus/timeline.h"
#include "venus_wire/info.h"

int pv_venus_context_create(const struct pv_venus_context_options *options,
                            struct pv_venus_context **ret_context)
{
    pthread_condattr_t attributes;
    struct pv_venus_context *context;

    if (options->size_bytes != sizeof(*options)) {
        return -EINVAL;
    }
    context = calloc(1, sizeof(*context));
    if (context == NULL) {
        return -ENOMEM;
    }
    context->log = options->log;
    (void)snprintf(context->name, sizeof(context->name), "%s", options->name);
    context->placement = options->placement;
    context->window_fd = options->window_fd;
    context->window_size_bytes = options->window_size_bytes;
    context->memory_max_bytes = options->memory_max_bytes;
    context->account = options->account;
    context->account_slot = options->account_slot;
    if (context->account == NULL) {
        context->own_account = calloc(1, sizeof(*context->own_account));
        context->account = context->own_account;
        context->account_slot = 0;
    }
    context->events = options->events;
    context->events_user = options->events_user;
    context->get_instance_proc_addr = options->get_instance_proc_addr;
    context->idle_grace_ns = PV_VENUS_IDLE_GRACE_NS;
    context->trace = pv_base_log_is_on(options->log, "venus.command", PV_BASE_LOG_DEBUG);
    (void)pthread_mutex_init(&context->remove_lock, NULL);
    (void)pthread_mutex_init(&context->lock, NULL);
    (void)pthread_mutex_init(&context->resource_lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&context->changed, &attributes);
    (void)pthread_cond_init(&context->resource_added, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&context->timeline_lock, NULL);
    (void)pthread_mutex_init(&context->device_lock, NULL);
    if (context->account == NULL || pv_base_id_table_create(&context->objects) < 0
        || pv_base_id_table_create(&context->resources) < 0) {
        pv_venus_context_destroy(context);
        return -ENOMEM;
    }
    pv_base_id_table_publish_count(context->objects, &pv_venus_figures(context)->object_count);
    pv_venus_decoder_init(&context->decoder, context, NULL, PV_VENUS_RING_MAX);
    *ret_context = context;
    return 0;
}

void pv_venus_context_destroy(struct pv_venus_context *context)
{
    if (context == NULL) {
        return;
    }
    atomic_store(&context->stopping, true);
    pthread_mutex_lock(&context->resource_lock);
    pthread_cond_broadcast(&context->resource_added);
    pthread_mutex_unlock(&context->resource_lock);
    pv_venus_monitor_stop(context);
    for (size_t i = 0; i < PV_VENUS_RING_MAX; i++) {
        if (context->rings[i] != NULL) {
            pv_venus_ring_destroy(context, context->rings[i]);
        }
    }
    if (context->objects != NULL) {
        pv_venus_instance_finish(context, true);
    }
    if (context->resources != NULL) {
        pv_venus_resource_finish_all(context);
    }
    pv_venus_decoder_finish(&context->decoder);
    pv_base_id_table_destroy(context->resources);
    pv_base_id_table_destroy(context->objects);
    (void)pthread_mutex_destroy(&context->device_lock);
    (void)pthread_mutex_destroy(&context->timeline_lock);
    (void)pthread_cond_destroy(&context->resource_added);
    (void)pthread_mutex_destroy(&context->resource_lock);
    (void)pthread_cond_destroy(&context->changed);
    (void)pthread_mutex_destroy(&context->lock);
    (void)pthread_mutex_destroy(&context->remove_lock);
    free(context->own_account);
    free(context);
}

void pv_venus_context_lose(struct pv_venus_context *context, const char *reason)
{
    bool is_ending;

    if (atomic_exchange(&context->lost, true)) {
        return;
    }
    /* At its end everything that waits gives up: that is no fault, and nobody asks any more. */
    is_ending = atomic_load(&context->stopping);
    if (!is_ending) {
        pv_base_log_guest(context->log, "venus.context", PV_BASE_LOG_INFO, "%s: context lost: %s",
                          context->name, reason);
    }
    pthread_mutex_lock(&context->lock);
    for (size_t i = 0; i < PV_VENUS_RING_MAX; i++) {
        if (context->rings[i] != NULL) {
            pv_venus_ring_set_status(context->rings[i], PV_VENUS_RING_STATUS_FATAL);
            pv_venus_ring_wake_locked(context->rings[i]);
        }
    }
    pthread_cond_broadcast(&context->changed);
    pthread_mutex_unlock(&context->lock);
    pthread_mutex_lock(&context->resource_lock);
    pthread_cond_broadcast(&context->resource_added);
    pthread_mutex_unlock(&context->resource_lock);
    if (!is_ending) {
        context->events->lost(context->events_user, reason);
    }
}

void pv_venus_context_fail(struct pv_venus_context *context, const struct pv_wire_decoder *wire,
                           const char *where, size_t offset_bytes)
{
    char reason[256];

    (void)snprintf(reason, sizeof(reason), "%s at %s+%zu: %s (%#llx)",
                   pv_wire_command_name(wire->command), where, offset_bytes,
                   pv_base_fault_kind_name(wire->fault.kind),
                   (unsigned long long)wire->fault.detail);
    pv_venus_context_lose(context, reason);
}

void pv_venus_context_submit(struct pv_venus_context *context, const void *bytes, size_t size_bytes)
{
    if (atomic_load(&context->lost) || size_bytes == 0) {
        return;
    }
    if ((size_bytes & 3) != 0) {
        pv_venus_context_lose(context, "submitted stream is not a multiple of 4 bytes");
        return;
    }
    pv_venus_batch_begin(&context->decoder);
    (void)pv_venus_stream_run(&context->decoder, bytes, size_bytes, NULL, "submit");
    pv_venus_batch_end(&context->decoder);
}

void pv_venus_context_fence(struct pv_venus_context *context, uint32_t ring_index,
                            uint64_t fence_id)
{
    if (atomic_load(&context->lost) || ring_index == 0 || ring_index >= PV_VENUS_TIMELINE_COUNT
        || !pv_venus_timeline_fence(context, ring_index, fence_id)) {
        context->events->fence_retired(context->events_user, ring_index, fence_id);
    }
}

bool pv_venus_context_is_lost(const struct pv_venus_context *context)
{
    return atomic_load(&context->lost);
}
