/* SPDX-License-Identifier: MIT */
/*
 * Rings; see ring.h for the theory.
 */
#include "venus/ring.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/checked.h"
#include "os/clock.h"
#include "venus/object.h"

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
/* First sleep, doubled each time up to the last. */
#define SLEEP_MIN_NS 10000u
#define SLEEP_MAX_NS 320000u
/* A guest that asks for more would have a thread poll for it all the time. */
#define IDLE_TIMEOUT_MAX_NS UINT64_C(100000000)
/* How often the message thread looks whether the ring that it waits for can still make progress:
 * the guest may take back a tail that it has shown. */
#define SEQNO_LOOK_NS 50000000u

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
        uint64_t awake_ns;    /* how long to look before sleeping, see AWAKE_MAX_NS */
    } ring_thread;

    /* Guarded by context->lock. */
    pthread_cond_t wake;
    bool notified;
    uint64_t virtqueue_seqno;
    bool waits_for_virtqueue;
    uint64_t wanted_virtqueue_seqno;
};

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

static bool run_batch(struct pv_venus_ring *ring, uint32_t tail)
{
    struct pv_venus_decoder *decoder = &ring->ring_thread.decoder;
    const uint32_t size_bytes = tail - ring->ring_thread.position;
    bool good;

    if (size_bytes > ring->buffer_size_bytes || (size_bytes & 3) != 0) {
        pv_venus_context_lose(ring->context, "ring tail is out of range");
        return false;
    }
    copy_batch(ring, size_bytes);
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

bool pv_venus_ring_should_stop(const struct pv_venus_ring *ring)
{
    return atomic_load_explicit(&ring->stop, memory_order_acquire)
           || atomic_load_explicit(&ring->context->lost, memory_order_acquire);
}

static struct timespec deadline_in(uint64_t timeout_ns)
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

/* Sleep until notified; timeout_ns 0: without limit. Clears the notification. */
static void sleep_until_notified(struct pv_venus_ring *ring, uint64_t timeout_ns)
{
    struct pv_venus_context *context = ring->context;
    const struct timespec deadline = deadline_in(timeout_ns);

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

static bool wait_for_work(struct pv_venus_ring *ring, uint32_t *ret_tail)
{
    uint64_t sleep_ns = SLEEP_MIN_NS;
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
            pv_os_clock_sleep_ns(sleep_ns);
            sleep_ns = sleep_ns * 2 < SLEEP_MAX_NS ? sleep_ns * 2 : SLEEP_MAX_NS;
        } else {
            learn_pause(ring, UINT64_MAX);
            go_idle(ring);
            return has_work(ring, ret_tail) || !pv_venus_ring_should_stop(ring);
        }
    }
}

static void *ring_main(void *user)
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
    started = pthread_create(&ring->thread, NULL, ring_main, ring) == 0;
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
        const bool ring_waits_for_us =
            ring->waits_for_virtqueue && ring->virtqueue_seqno < ring->wanted_virtqueue_seqno;
        const uint32_t tail = atomic_load_explicit(ring->tail, memory_order_seq_cst);
        const struct timespec deadline = deadline_in(SEQNO_LOOK_NS);

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
