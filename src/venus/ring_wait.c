/* SPDX-License-Identifier: MIT */
/*
 * The waits between the control queue and a ring: each has positions or sequence numbers that the
 * other may wait for, and a guest may make both wait for each other.
 */
#include "venus/ring_internal.h"

/* How often the message thread looks whether the ring that it waits for can still make progress:
 * the guest may take back a tail that it has shown. */
#define SEQNO_LOOK_NS 50000000u

void pv_venus_ring_submit_virtqueue_seqno(struct pv_venus_ring *ring, uint64_t seqno)
{
    pthread_mutex_lock(&ring->context->lock);
    ring->virtqueue_seqno = seqno;
    ring->notified = true;
    pthread_cond_signal(&ring->wake);
    pthread_cond_broadcast(&ring->context->changed);
    pthread_mutex_unlock(&ring->context->lock);
}

bool pv_venus_ring_wait_virtqueue_seqno(struct pv_venus_ring *ring, uint64_t seqno)
{
    struct pv_venus_context *context = ring->context;
    bool reached;

    pthread_mutex_lock(&context->lock);
    ring->waits_for_virtqueue = true;
    ring->wanted_virtqueue_seqno = seqno;
    /* The message thread may be waiting for this very ring: let it look. */
    pthread_cond_broadcast(&context->changed);
    while (ring->virtqueue_seqno < seqno && !pv_venus_ring_should_stop(ring)) {
        pthread_cond_wait(&context->changed, &context->lock);
    }
    reached = ring->virtqueue_seqno >= seqno;
    ring->waits_for_virtqueue = false;
    pthread_mutex_unlock(&context->lock);
    return reached;
}

static bool has_reached(const struct pv_venus_ring *ring, uint32_t seqno)
{
    return (int32_t)(atomic_load_explicit(&ring->done, memory_order_seq_cst) - seqno) >= 0;
}

bool pv_venus_ring_wait_seqno(struct pv_venus_ring *ring, uint32_t seqno,
                              struct pv_base_fault *fault)
{
    struct pv_venus_context *context = ring->context;
    bool reached;

    if (has_reached(ring, seqno)) {
        return true;
    }
    pthread_mutex_lock(&context->lock);
    atomic_store_explicit(&context->seqno_wait, true, memory_order_seq_cst);
    while (!(reached = has_reached(ring, seqno)) && !pv_venus_ring_should_stop(ring)) {
        /* For a number that only we can say, or a resource that only we can attach. */
        const bool ring_waits_for_us =
            (ring->waits_for_virtqueue && ring->virtqueue_seqno < ring->wanted_virtqueue_seqno)
            || pv_venus_resource_is_awaited(&ring->ring_thread.decoder);
        const uint32_t tail = atomic_load_explicit(ring->tail, memory_order_seq_cst);
        const struct timespec deadline = pv_venus_ring_deadline(SEQNO_LOOK_NS);

        if (pv_venus_pages_are_gone(ring->pages)) {
            break; /* its thread will see it too */
        }
        /* Each side waits for the other, or for bytes that nobody has written. */
        if (ring_waits_for_us || (int32_t)(tail - seqno) < 0) {
            pv_base_fault_raise_detail(fault, PV_BASE_FAULT_STATE, seqno);
            break;
        }
        /* The ring may sleep, and the notification that would wake it be queued behind us. */
        ring->notified = true;
        pthread_cond_signal(&ring->wake);
        (void)pthread_cond_timedwait(&context->changed, &context->lock, &deadline);
    }
    atomic_store_explicit(&context->seqno_wait, false, memory_order_seq_cst);
    pthread_mutex_unlock(&context->lock);
    return reached;
}
