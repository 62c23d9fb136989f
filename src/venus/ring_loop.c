/* SPDX-License-Identifier: MIT */
/*
 * A ring's thread: it looks for work, copies it out of the ring, runs it, and tells the guest when
 * it goes to sleep; see ring.h for the theory.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "os/clock.h"
#include "venus/object.h"
#include "venus/ring_internal.h"

/* Looks without a pause before the thread yields between them: an answer inside a guest's own
 * polling is what makes synchronous calls fast. */
#define SPIN_COUNT 64u
/* How long a ring looks before it sleeps: as long as its guest's pauses have been of late, so that
 * one that submits and waits finds it awake, and one that draws a frame now and then costs little
 * (as KVM does with halted CPUs, Documentation/virt/kvm/halt-polling.rst). Stock Mesa looks at a
 * fence for about 100 us before it sleeps 160 us, so a ring that wakes late costs much more than
 * its own delay. */
#define AWAKE_MIN_NS 10000u
#define AWAKE_MAX_NS 200000u
/* A sleep is this part of the pause so far, so that no answer is late by more than that part. */
#define SLEEP_PART   4u
#define SLEEP_MIN_NS 10000u
#define SLEEP_MAX_NS 320000u

bool pv_venus_ring_should_stop(const struct pv_venus_ring *ring)
{
    return atomic_load_explicit(&ring->stop, memory_order_acquire)
           || atomic_load_explicit(&ring->context->lost, memory_order_acquire);
}

struct timespec pv_venus_ring_deadline(uint64_t timeout_ns)
{
    struct timespec deadline;

    (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_nsec += (long)(timeout_ns % 1000000000u);
    deadline.tv_sec += (time_t)(timeout_ns / 1000000000u);
    if (deadline.tv_nsec >= 1000000000) {
        deadline.tv_nsec -= 1000000000;
        deadline.tv_sec++;
    }
    return deadline;
}

static void after_command(struct pv_venus_ring *ring, size_t consumed_bytes)
{
    struct pv_venus_context *context = ring->context;

    ring->ring_thread.position = ring->ring_thread.batch_start + (uint32_t)consumed_bytes;
    atomic_store_explicit(ring->head, ring->ring_thread.position, memory_order_release);
    atomic_store_explicit(&ring->done, ring->ring_thread.position, memory_order_seq_cst);
    if (PV_UNLIKELY(atomic_load_explicit(&context->seqno_wait, memory_order_seq_cst))) {
        pthread_mutex_lock(&context->lock);
        pthread_cond_broadcast(&context->changed);
        pthread_mutex_unlock(&context->lock);
    }
}

/* Copy [position, tail) out of the ring buffer; the only read of these bytes. */
static void copy_batch(struct pv_venus_ring *ring, uint32_t size_bytes)
{
    const uint32_t start = ring->ring_thread.position & (ring->buffer_size_bytes - 1);
    const uint32_t to_end = ring->buffer_size_bytes - start;
    const uint32_t first_bytes = size_bytes < to_end ? size_bytes : to_end;

    memcpy(ring->ring_thread.copy, ring->buffer + start, first_bytes);
    memcpy(ring->ring_thread.copy + first_bytes, ring->buffer, size_bytes - first_bytes);
}

bool pv_venus_ring_is_cut_off(struct pv_venus_ring *ring)
{
    struct pv_venus_context *context = ring->context;

    if (!pv_venus_pages_are_gone(ring->pages)) {
        return false;
    }
    pv_base_log_guest(context->log, "venus.ring", PV_BASE_LOG_DEBUG,
                      "%s: the memory of ring %#llx is gone, and so the ring", context->name,
                      (unsigned long long)ring->id);
    pthread_mutex_lock(&context->lock);
    atomic_store_explicit(&ring->stop, true, memory_order_release);
    pthread_cond_broadcast(&context->changed);
    pthread_mutex_unlock(&context->lock);
    return true;
}

static bool run_batch(struct pv_venus_ring *ring, uint32_t tail)
{
    struct pv_venus_decoder *decoder = &ring->ring_thread.decoder;
    const uint32_t size_bytes = tail - ring->ring_thread.position;
    bool good;

    if (size_bytes > ring->buffer_size_bytes || (size_bytes & 3) != 0) {
        if (!pv_venus_ring_is_cut_off(ring)) {
            pv_venus_context_lose(ring->context, "ring tail is out of range");
        }
        return false;
    }
    copy_batch(ring, size_bytes);
    if (pv_venus_ring_is_cut_off(ring)) {
        return false;
    }
    ring->ring_thread.batch_start = ring->ring_thread.position;
    pv_venus_batch_begin(decoder);
    good = pv_venus_stream_run(decoder, ring->ring_thread.copy, size_bytes, after_command, "ring");
    pv_venus_batch_end(decoder);
    return good;
}

static bool has_work(const struct pv_venus_ring *ring, uint32_t *ret_tail)
{
    *ret_tail = atomic_load_explicit(ring->tail, memory_order_seq_cst);
    return *ret_tail != ring->ring_thread.position;
}

/* Sleep until notified; timeout_ns 0: without limit. Clears the notification. */
static void sleep_until_notified(struct pv_venus_ring *ring, uint64_t timeout_ns)
{
    struct pv_venus_context *context = ring->context;
    const struct timespec deadline = pv_venus_ring_deadline(timeout_ns);

    pthread_mutex_lock(&context->lock);
    while (!ring->notified && !pv_venus_ring_should_stop(ring)) {
        if (timeout_ns == 0) {
            pthread_cond_wait(&ring->wake, &context->lock);
        } else if (pthread_cond_timedwait(&ring->wake, &context->lock, &deadline) == ETIMEDOUT) {
            break;
        }
    }
    ring->notified = false;
    pthread_mutex_unlock(&context->lock);
}

/* Nothing has come for the idle timeout: tell the guest, then sleep until it does. */
static void go_idle(struct pv_venus_ring *ring)
{
    /* 0 is the look right after IDLE was set, the last one has no limit. */
    static const uint64_t looks_ns[] = {1000000, 4000000, 20000000, 0};
    uint32_t tail;

    atomic_fetch_or_explicit(ring->status, PV_VENUS_RING_STATUS_IDLE, memory_order_seq_cst);
    for (size_t i = 0; i < PV_ARRAY_LEN(looks_ns) && !has_work(ring, &tail); i++) {
        sleep_until_notified(ring, looks_ns[i]);
        if (pv_venus_ring_should_stop(ring)) {
            break;
        }
    }
    atomic_fetch_and_explicit(ring->status, ~PV_VENUS_RING_STATUS_IDLE, memory_order_seq_cst);
}

/* Work has come after this long: would staying awake have met it? */
static void learn_pause(struct pv_venus_ring *ring, uint64_t pause_ns)
{
    uint64_t *awake_ns = &ring->ring_thread.awake_ns;

    if (pause_ns > AWAKE_MAX_NS) {
        *awake_ns = *awake_ns / 2 > AWAKE_MIN_NS ? *awake_ns / 2 : AWAKE_MIN_NS;
    } else if (pause_ns > *awake_ns) {
        *awake_ns = pause_ns * 2 < AWAKE_MAX_NS ? pause_ns * 2 : AWAKE_MAX_NS;
    }
}

static void relax(uint32_t look)
{
    if (look >= SPIN_COUNT) {
        (void)sched_yield();
        return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void sleep_for_a_part_of(uint64_t pause_ns)
{
    const uint64_t part_ns = pause_ns / SLEEP_PART;

    pv_os_clock_sleep_ns(part_ns < SLEEP_MIN_NS   ? SLEEP_MIN_NS
                         : part_ns > SLEEP_MAX_NS ? SLEEP_MAX_NS
                                                  : part_ns);
}

static bool wait_for_work(struct pv_venus_ring *ring, uint32_t *ret_tail)
{
    uint64_t start_ns;

    if (has_work(ring, ret_tail)) {
        return true;
    }
    start_ns = pv_os_clock_now_ns();
    for (uint32_t look = 0;; look++) {
        const uint64_t pause_ns = pv_os_clock_now_ns() - start_ns;

        if (has_work(ring, ret_tail)) {
            learn_pause(ring, pause_ns);
            return true;
        }
        if (pv_venus_ring_should_stop(ring)) {
            return false;
        }
        if (pause_ns < ring->ring_thread.awake_ns) {
            relax(look);
        } else if (pause_ns < ring->idle_timeout_ns) {
            sleep_for_a_part_of(pause_ns);
        } else {
            learn_pause(ring, UINT64_MAX);
            go_idle(ring);
            return has_work(ring, ret_tail) || !pv_venus_ring_should_stop(ring);
        }
    }
}

void *pv_venus_ring_main(void *user)
{
    struct pv_venus_ring *ring = user;
    uint32_t tail;

    pv_os_clock_sleep_precisely();
    ring->ring_thread.awake_ns = AWAKE_MIN_NS;
    /* Not before this ring is known. */
    pthread_mutex_lock(&ring->context->lock);
    pthread_mutex_unlock(&ring->context->lock);
    while (wait_for_work(ring, &tail)) {
        if (tail != ring->ring_thread.position && !run_batch(ring, tail)) {
            break;
        }
    }
    return NULL;
}
