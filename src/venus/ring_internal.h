/* SPDX-License-Identifier: MIT */
/*
 * What a ring is to ring.c (life), ring_loop.c (its thread) and ring_wait.c (seqnos); nobody else
 * includes it.
 */
#ifndef PV_VENUS_RING_INTERNAL_H
#define PV_VENUS_RING_INTERNAL_H

#include <time.h>

#include "venus/ring.h"

struct pv_venus_ring {
    uint64_t id;
    struct pv_venus_context *context;
    struct pv_venus_pages *pages; /* the resource's mapping, with a reference */
    uint32_t resource_id;
    bool monitored;
    uint64_t idle_timeout_ns;
    _Atomic(uint32_t) *head; /* for the guest, which may write it: never read here */
    _Atomic(uint32_t) *tail;
    _Atomic(uint32_t) *status;
    const uint8_t *buffer;
    uint32_t buffer_size_bytes;
    uint8_t *extra;
    uint64_t extra_size_bytes;
    pthread_t thread;
    atomic_bool stop;
    atomic_uint_least32_t done; /* what head was last set to, out of the guest's reach */

    struct {
        struct pv_venus_decoder decoder;
        uint32_t position;    /* bytes consumed, as head will be stored */
        uint32_t batch_start; /* position at the start of the batch in hand */
        uint8_t *copy;        /* buffer_size_bytes of private memory */
        uint64_t awake_ns;    /* how long to look before sleeping, see ring_loop.c */
    } ring_thread;

    /* Guarded by context->lock. */
    pthread_cond_t wake;
    bool notified;
    uint64_t virtqueue_seqno;
    bool waits_for_virtqueue;
    uint64_t wanted_virtqueue_seqno;
};

/* ring_loop.c: the thread; user is the ring. */
void *pv_venus_ring_main(void *user);

/* ring_loop.c: that moment of CLOCK_MONOTONIC, for waits with `wake` and `changed`. */
struct timespec pv_venus_ring_deadline(uint64_t timeout_ns);

#endif
