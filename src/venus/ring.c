/* SPDX-License-Identifier: MIT */
/*
 * Life of rings: layouts, memory, the thread's start and end; see ring.h for the theory.
 */
#include "venus/ring_internal.h"

#include <stdlib.h>

#include "base/checked.h"
#include "venus/object.h"

/* A guest that asks for more would have a thread poll for it all the time. */
#define IDLE_TIMEOUT_MAX_NS UINT64_C(100000000)

static bool layout_is_good(const struct pv_venus_ring_layout *layout, uint64_t resource_bytes)
{
    const struct {
        uint64_t offset_bytes;
        uint64_t size_bytes;
    } parts[] = {
        {layout->head_offset_bytes, 4},
        {layout->tail_offset_bytes, 4},
        {layout->status_offset_bytes, 4},
        {layout->buffer_offset_bytes, layout->buffer_size_bytes},
        {layout->extra_offset_bytes, layout->extra_size_bytes},
    };

    if (layout->id == 0
        || !pv_base_range_is_inside(layout->offset_bytes, layout->size_bytes, resource_bytes)
        || (layout->offset_bytes & 3) != 0 || layout->buffer_size_bytes < 4
        || layout->buffer_size_bytes > PV_VENUS_RING_BUFFER_MAX_BYTES
        || (layout->buffer_size_bytes & (layout->buffer_size_bytes - 1)) != 0) {
        return false;
    }
    for (size_t i = 0; i < PV_ARRAY_LEN(parts); i++) {
        if (((parts[i].offset_bytes | parts[i].size_bytes) & 3) != 0
            || !pv_base_range_is_inside(parts[i].offset_bytes, parts[i].size_bytes,
                                        layout->size_bytes)) {
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            if (parts[i].offset_bytes < parts[k].offset_bytes + parts[k].size_bytes
                && parts[k].offset_bytes < parts[i].offset_bytes + parts[i].size_bytes) {
                return false;
            }
        }
    }
    return true;
}

static struct pv_venus_ring *ring_alloc(struct pv_venus_context *context,
                                        const struct pv_venus_ring_layout *layout,
                                        struct pv_venus_pages *pages, size_t index)
{
    struct pv_venus_ring *ring = calloc(1, sizeof(*ring));
    uint8_t *base = (uint8_t *)pages->memory + layout->offset_bytes;
    pthread_condattr_t attributes;

    if (ring == NULL) {
        return NULL;
    }
    if (!pv_venus_copy_charge(context, layout->buffer_size_bytes)) {
        free(ring);
        return NULL;
    }
    ring->ring_thread.copy = malloc(layout->buffer_size_bytes);
    if (ring->ring_thread.copy == NULL) {
        pv_venus_copy_refund(context, layout->buffer_size_bytes);
        free(ring);
        return NULL;
    }
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&ring->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    ring->id = layout->id;
    ring->context = context;
    ring->pages = pages;
    ring->resource_id = layout->resource_id;
    ring->monitored = layout->monitored;
    ring->idle_timeout_ns = layout->idle_timeout_ns < IDLE_TIMEOUT_MAX_NS ? layout->idle_timeout_ns
                                                                          : IDLE_TIMEOUT_MAX_NS;
    ring->head = (_Atomic(uint32_t) *)(void *)(base + layout->head_offset_bytes);
    ring->tail = (_Atomic(uint32_t) *)(void *)(base + layout->tail_offset_bytes);
    ring->status = (_Atomic(uint32_t) *)(void *)(base + layout->status_offset_bytes);
    ring->buffer = base + layout->buffer_offset_bytes;
    ring->buffer_size_bytes = (uint32_t)layout->buffer_size_bytes;
    ring->extra = base + layout->extra_offset_bytes;
    ring->extra_size_bytes = layout->extra_size_bytes;
    pv_venus_decoder_init(&ring->ring_thread.decoder, context, ring, index);
    return ring;
}

static void ring_free(struct pv_venus_ring *ring)
{
    pv_venus_decoder_finish(&ring->ring_thread.decoder);
    (void)pthread_cond_destroy(&ring->wake);
    pv_venus_pages_unref(ring->pages);
    free(ring->ring_thread.copy);
    pv_venus_copy_refund(ring->context, ring->buffer_size_bytes);
    free(ring);
}

static struct pv_venus_ring **free_slot(struct pv_venus_context *context)
{
    for (size_t i = 0; i < PV_VENUS_RING_MAX; i++) {
        if (context->rings[i] == NULL) {
            return &context->rings[i];
        }
    }
    return NULL;
}

/* Start the thread, which runs from when the ring is known: its first command may lose the context,
 * and that sets FATAL in all rings that are. */
static bool start(struct pv_venus_context *context, struct pv_venus_ring **slot,
                  struct pv_venus_ring *ring)
{
    bool started;

    pv_venus_objects_prepare_for_ring(context);
    pthread_mutex_lock(&context->lock);
    started = pthread_create(&ring->thread, NULL, pv_venus_ring_main, ring) == 0;
    if (started) {
        *slot = ring;
        (void)atomic_fetch_add_explicit(&pv_venus_figures(context)->ring_count, 1,
                                        memory_order_relaxed);
        if (atomic_load(&context->lost)) {
            pv_venus_ring_set_status(ring, PV_VENUS_RING_STATUS_FATAL);
        }
    } else {
        (void)atomic_fetch_sub_explicit(&context->ring_count, 1, memory_order_seq_cst);
    }
    pthread_mutex_unlock(&context->lock);
    return started;
}

bool pv_venus_ring_create(struct pv_venus_context *context,
                          const struct pv_venus_ring_layout *layout, struct pv_base_fault *fault)
{
    struct pv_venus_ring **slot = free_slot(context);
    struct pv_venus_pages *pages;
    struct pv_venus_ring *ring;

    if (slot == NULL) {
        pv_base_fault_raise_detail(fault, PV_BASE_FAULT_LIMIT, PV_VENUS_RING_MAX);
        return false;
    }
    if (pv_venus_ring_find(context, layout->id) != NULL) {
        pv_base_fault_raise_detail(fault, PV_BASE_FAULT_ID, layout->id);
        return false;
    }
    pages = pv_venus_resource_shmem_ref(context, layout->resource_id);
    if (pages == NULL) {
        pv_base_fault_raise_detail(fault, PV_BASE_FAULT_RESOURCE, layout->resource_id);
        return false;
    }
    if (!layout_is_good(layout, pages->size_bytes)) {
        pv_venus_pages_unref(pages);
        pv_base_fault_raise_detail(fault, PV_BASE_FAULT_RANGE, layout->id);
        return false;
    }
    ring = ring_alloc(context, layout, pages, (size_t)(slot - context->rings));
    if (ring == NULL) {
        pv_venus_pages_unref(pages);
        pv_base_fault_raise(fault, PV_BASE_FAULT_MEMORY);
        return false;
    }
    if (atomic_load(ring->head) != 0
        || (atomic_load(ring->status) & ~PV_VENUS_RING_STATUS_ALIVE) != 0) {
        ring_free(ring);
        pv_base_fault_raise(fault, PV_BASE_FAULT_RANGE);
        return false;
    }
    if (!start(context, slot, ring)) {
        ring_free(ring);
        pv_base_fault_raise(fault, PV_BASE_FAULT_MEMORY);
        return false;
    }
    context->events->ring(context->events_user, ring->resource_id,
                          layout->offset_bytes + layout->status_offset_bytes, true);
    return true;
}

struct pv_venus_ring *pv_venus_ring_find(struct pv_venus_context *context, uint64_t ring_id)
{
    for (size_t i = 0; i < PV_VENUS_RING_MAX; i++) {
        if (context->rings[i] != NULL && context->rings[i]->id == ring_id) {
            return context->rings[i];
        }
    }
    return NULL;
}

void pv_venus_ring_destroy(struct pv_venus_context *context, struct pv_venus_ring *ring)
{
    const uint8_t *status = (const uint8_t *)ring->status;

    pthread_mutex_lock(&context->lock);
    atomic_store_explicit(&ring->stop, true, memory_order_release);
    pthread_cond_signal(&ring->wake);
    pthread_cond_broadcast(&context->changed);
    pthread_mutex_unlock(&context->lock);
    pthread_mutex_lock(&context->resource_lock);
    pthread_cond_broadcast(&context->resource_added);
    pthread_mutex_unlock(&context->resource_lock);
    (void)pthread_join(ring->thread, NULL);

    /* Rings that remove objects look at this ring's batch under remove_lock (object.c). */
    pthread_mutex_lock(&context->remove_lock);
    pthread_mutex_lock(&context->lock);
    for (size_t i = 0; i < PV_VENUS_RING_MAX; i++) {
        if (context->rings[i] == ring) {
            context->rings[i] = NULL;
        }
    }
    pthread_mutex_unlock(&context->lock);
    pthread_mutex_unlock(&context->remove_lock);
    (void)atomic_fetch_sub_explicit(&pv_venus_figures(context)->ring_count, 1,
                                    memory_order_relaxed);
    (void)atomic_fetch_sub_explicit(&context->ring_count, 1, memory_order_seq_cst);
    context->events->ring(context->events_user, ring->resource_id,
                          (uint64_t)(status - (const uint8_t *)ring->pages->memory), false);
    ring_free(ring);
}

void pv_venus_ring_notify(struct pv_venus_ring *ring)
{
    pthread_mutex_lock(&ring->context->lock);
    ring->notified = true;
    pthread_cond_signal(&ring->wake);
    pthread_mutex_unlock(&ring->context->lock);
}

bool pv_venus_ring_write_extra(struct pv_venus_ring *ring, uint64_t offset_bytes, uint32_t value)
{
    if ((offset_bytes & 3) != 0
        || !pv_base_range_is_inside(offset_bytes, sizeof(value), ring->extra_size_bytes)) {
        return false;
    }
    atomic_store_explicit((_Atomic(uint32_t) *)(void *)(ring->extra + offset_bytes), value,
                          memory_order_release);
    return true;
}

void pv_venus_ring_set_status(struct pv_venus_ring *ring, uint32_t bits)
{
    atomic_fetch_or_explicit(ring->status, bits, memory_order_seq_cst);
}

void pv_venus_ring_wake_locked(struct pv_venus_ring *ring)
{
    pthread_cond_signal(&ring->wake);
}

bool pv_venus_ring_is_monitored(const struct pv_venus_ring *ring)
{
    return ring->monitored;
}

struct pv_venus_decoder *pv_venus_ring_decoder(struct pv_venus_ring *ring)
{
    return &ring->ring_thread.decoder;
}
