/* SPDX-License-Identifier: MIT */
/*
 * The bench; see venus_bench.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/venus_bench.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/shm.h"
#include "support/fake_vulkan.h"
#include "support/profile.h"
#include "venus_wire/commands.h"

#define POLL_NS 200000u

/* ---- events ---- */

static void on_fence(void *user, uint32_t ring_index, uint64_t fence_id)
{
    struct venus_bench *bench = user;

    pthread_mutex_lock(&bench->lock);
    if (bench->fence_count < VENUS_BENCH_FENCES_MAX) {
        bench->fences[bench->fence_count].ring_index = ring_index;
        bench->fences[bench->fence_count].id = fence_id;
        bench->fence_count++;
    }
    pthread_cond_broadcast(&bench->changed);
    pthread_mutex_unlock(&bench->lock);
}

static void on_lost(void *user, const char *reason)
{
    struct venus_bench *bench = user;

    pthread_mutex_lock(&bench->lock);
    bench->lost_count++;
    (void)snprintf(bench->reason, sizeof(bench->reason), "%s", reason);
    pthread_cond_broadcast(&bench->changed);
    pthread_mutex_unlock(&bench->lock);
}

static void on_ring(void *user, uint32_t resource_id, uint64_t status_offset_bytes, bool present)
{
    struct venus_bench *bench = user;

    (void)resource_id;
    (void)status_offset_bytes;
    (void)present;
    bench->ring_events++;
}

static const struct pv_venus_context_events events = {
    .fence_retired = on_fence,
    .lost = on_lost,
    .ring = on_ring,
};

static bool wait_locked(struct venus_bench *bench)
{
    struct timespec deadline;

    (void)clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += VENUS_BENCH_WAIT_MS / 1000;
    return pthread_cond_timedwait(&bench->changed, &bench->lock, &deadline) == 0;
}

void venus_bench_wait_lost(struct venus_bench *bench)
{
    bool in_time = true;

    pthread_mutex_lock(&bench->lock);
    while (bench->lost_count == 0 && in_time) {
        in_time = wait_locked(bench);
    }
    pthread_mutex_unlock(&bench->lock);
    assert_true(in_time);
    assert_true(pv_venus_context_is_lost(bench->context));
}

void venus_bench_wait_fences(struct venus_bench *bench, unsigned count)
{
    bool in_time = true;

    pthread_mutex_lock(&bench->lock);
    while (bench->fence_count < count && in_time) {
        in_time = wait_locked(bench);
    }
    pthread_mutex_unlock(&bench->lock);
    assert_true(in_time);
}

bool venus_bench_is_lost(struct venus_bench *bench)
{
    return pv_venus_context_is_lost(bench->context);
}

/* ---- the context ---- */

void venus_bench_init(struct venus_bench *bench, bool in_window)
{
    struct pv_venus_context_options options = {
        .size_bytes = sizeof(options),
        .name = "test",
        .placement = in_window ? PV_VENUS_PLACEMENT_WINDOW : PV_VENUS_PLACEMENT_FILE,
        .window_size_bytes = in_window ? VENUS_BENCH_WINDOW_BYTES : 0,
        .memory_max_bytes = VENUS_BENCH_MEMORY_BYTES,
        .events = &events,
        .events_user = bench,
        .get_instance_proc_addr = fake_driver_entry,
    };

    memset(bench, 0, sizeof(*bench));
    fake_driver_reset();
    bench->window_fd = -1;
    bench->next_resource_id = 1;
    bench->next_ring_id = 0x1000;
    (void)pthread_mutex_init(&bench->lock, NULL);
    (void)pthread_cond_init(&bench->changed, NULL);
    if (in_window) {
        assert_int_equal(pv_os_shm_create("window", VENUS_BENCH_WINDOW_BYTES, &bench->window_fd),
                         0);
    }
    options.window_fd = bench->window_fd;
    assert_int_equal(pv_venus_context_create(&options, &bench->context), 0);
}

void venus_bench_finish(struct venus_bench *bench)
{
    pv_venus_context_destroy(bench->context);
    if (bench->window_fd >= 0) {
        close(bench->window_fd);
    }
    (void)pthread_cond_destroy(&bench->changed);
    (void)pthread_mutex_destroy(&bench->lock);
    assert_true(bench->lost_count <= 1);
    assert_int_equal(fake_driver_misuses(), 0);
    assert_int_equal(pv_fake_vulkan.live_count, 0);
    assert_int_equal(fake_driver_finish(), 0);
}

void venus_bench_submit(struct venus_bench *bench, const struct venus_bytes *bytes)
{
    pv_venus_context_submit(bench->context, bytes->bytes, bytes->size_bytes);
}

uint32_t venus_bench_attach(struct venus_bench *bench, size_t size_bytes, bool is_shmem,
                            uint8_t **ret_memory, int *ret_fd)
{
    const uint32_t id = bench->next_resource_id++;
    void *memory;
    int fd;

    assert_int_equal(pv_os_shm_create("test", size_bytes, &fd), 0);
    assert_int_equal(
        pv_venus_context_attach(bench->context, id, fd, 0, size_bytes, false, is_shmem), 0);
    if (ret_memory != NULL) {
        assert_int_equal(pv_os_shm_map(fd, 0, size_bytes, &memory), 0);
        *ret_memory = memory;
    }
    if (ret_fd != NULL) {
        *ret_fd = fd;
    } else {
        close(fd);
    }
    return id;
}

/* ---- rings ---- */

static void prepare(struct venus_ring *ring, struct venus_bench *bench, size_t buffer_bytes)
{
    const size_t ring_bytes = 192 + buffer_bytes + 64;

    *ring = (struct venus_ring){.bench = bench};
    ring->reply_offset = (ring_bytes + 4095) & ~(uint64_t)4095;
    ring->reply_bytes = 65536;
    ring->memory_bytes = (size_t)(ring->reply_offset + ring->reply_bytes);
    ring->id = bench->next_ring_id++;
    ring->layout = (struct venus_layout){
        .size = ring_bytes,
        .idle_ns = 1000000,
        .tail = 64,
        .status = 128,
        .buffer = 192,
        .buffer_size = buffer_bytes,
        .extra = 192 + buffer_bytes,
        .extra_size = 4,
    };
}

void venus_ring_prepare(struct venus_ring *ring, struct venus_bench *bench, size_t buffer_bytes)
{
    prepare(ring, bench, buffer_bytes);
    ring->layout.resource_id =
        venus_bench_attach(bench, ring->memory_bytes, true, &ring->memory, NULL);
}

void venus_ring_prepare_in_window(struct venus_ring *ring, struct venus_bench *bench,
                                  size_t buffer_bytes, uint64_t offset_bytes)
{
    void *memory;

    prepare(ring, bench, buffer_bytes);
    ring->layout.resource_id = bench->next_resource_id++;
    assert_int_equal(pv_venus_context_attach(bench->context, ring->layout.resource_id, -1,
                                             offset_bytes, ring->memory_bytes, true, true),
                     0);
    assert_int_equal(pv_os_shm_map(bench->window_fd, offset_bytes, ring->memory_bytes, &memory), 0);
    ring->memory = memory;
}

void venus_ring_init(struct venus_ring *ring, struct venus_bench *bench, size_t buffer_bytes,
                     uint32_t monitor_us)
{
    venus_ring_prepare(ring, bench, buffer_bytes);
    ring->layout.monitor_us = monitor_us;
    bench->stream.size_bytes = 0;
    venus_create_ring(&bench->stream, ring->id, &ring->layout);
    venus_bench_submit(bench, &bench->stream);
    assert_false(venus_bench_is_lost(bench));
}

void venus_ring_finish(struct venus_ring *ring)
{
    if (ring->bench->context != NULL) {
        ring->bench->stream.size_bytes = 0;
        venus_destroy_ring(&ring->bench->stream, ring->id);
        venus_bench_submit(ring->bench, &ring->bench->stream);
    }
    pv_os_shm_unmap(ring->memory, ring->memory_bytes);
}

static _Atomic(uint32_t) *word_at(const struct venus_ring *ring, uint64_t offset_bytes)
{
    return (_Atomic(uint32_t) *)(void *)(ring->memory + ring->layout.offset + offset_bytes);
}

uint32_t venus_ring_word(const struct venus_ring *ring, uint64_t offset_bytes)
{
    return atomic_load(word_at(ring, offset_bytes));
}

void venus_ring_set_word(struct venus_ring *ring, uint64_t offset_bytes, uint32_t value)
{
    atomic_store(word_at(ring, offset_bytes), value);
}

uint32_t venus_ring_status(const struct venus_ring *ring)
{
    return venus_ring_word(ring, ring->layout.status);
}

void venus_ring_write(struct venus_ring *ring, const struct venus_bytes *bytes)
{
    const uint32_t mask = (uint32_t)ring->layout.buffer_size - 1;
    uint8_t *buffer = ring->memory + ring->layout.offset + ring->layout.buffer;

    assert_true(bytes->size_bytes <= ring->layout.buffer_size);
    for (size_t i = 0; i < bytes->size_bytes; i += 4) {
        memcpy(buffer + ((ring->tail + (uint32_t)i) & mask), bytes->bytes + i, 4);
    }
    ring->tail += (uint32_t)bytes->size_bytes;
    venus_ring_set_word(ring, ring->layout.tail, ring->tail);
}

void venus_ring_notify(struct venus_ring *ring)
{
    struct venus_bytes *notify = calloc(1, sizeof(*notify));

    assert_non_null(notify);
    venus_notify_ring(notify, ring->id);
    venus_bench_submit(ring->bench, notify);
    free(notify);
}

static void notify_if_idle(struct venus_ring *ring)
{
    if ((venus_ring_status(ring) & VENUS_IDLE) != 0) {
        venus_ring_notify(ring);
    }
}

void venus_ring_push(struct venus_ring *ring, const struct venus_bytes *bytes)
{
    venus_ring_write(ring, bytes);
    notify_if_idle(ring);
}

static uint64_t deadline_ns(void)
{
    return pv_os_clock_now_ns() + UINT64_C(1000000) * VENUS_BENCH_WAIT_MS;
}

bool venus_ring_drain(struct venus_ring *ring)
{
    const uint64_t end_ns = deadline_ns();

    while (venus_ring_word(ring, ring->layout.head) != ring->tail) {
        if ((venus_ring_status(ring) & VENUS_FATAL) != 0) {
            return false;
        }
        assert_true(pv_os_clock_now_ns() < end_ns);
        pv_os_clock_sleep_ns(POLL_NS);
    }
    return true;
}

/* Bytes anywhere in the free-running count of positions. */
static void put(struct venus_ring *ring, uint32_t position, const struct venus_bytes *bytes)
{
    const uint32_t mask = (uint32_t)ring->layout.buffer_size - 1;

    for (uint32_t i = 0; i < bytes->size_bytes; i++) {
        ring->memory[ring->layout.buffer + ((position + i) & mask)] = bytes->bytes[i];
    }
}

void venus_ring_run_up_to(struct venus_ring *ring, uint32_t position)
{
    const uint32_t buffer_bytes = (uint32_t)ring->layout.buffer_size;
    struct venus_bytes *bytes = &ring->bench->stream;
    uint64_t id = VENUS_FIRST_CACHE;

    while (ring->tail != position) {
        const uint32_t left_bytes = position - ring->tail;
        const uint32_t size_bytes = left_bytes < buffer_bytes ? left_bytes : buffer_bytes;
        const uint32_t data_bytes = size_bytes - 80;

        bytes->size_bytes = 0;
        venus_command(bytes, PV_WIRE_COMMAND_vkCreatePipelineCache, false);
        venus_u64(bytes, VENUS_DEVICE);
        venus_info(bytes, VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO);
        venus_u32(bytes, 0);
        venus_u64(bytes, data_bytes);
        venus_u64(bytes, data_bytes);
        put(ring, ring->tail, bytes);
        bytes->size_bytes = 0;
        venus_created(bytes, id++);
        put(ring, ring->tail + 56 + data_bytes, bytes);
        ring->tail += size_bytes;
        venus_ring_set_word(ring, ring->layout.tail, ring->tail);
        notify_if_idle(ring);
        assert_true(venus_ring_drain(ring));
    }
}

void venus_ring_wait_status(struct venus_ring *ring, uint32_t bits)
{
    const uint64_t end_ns = deadline_ns();

    while ((venus_ring_status(ring) & bits) == 0) {
        assert_true(pv_os_clock_now_ns() < end_ns);
        pv_os_clock_sleep_ns(POLL_NS);
    }
}

const uint32_t *venus_ring_call(struct venus_ring *ring, const struct venus_bytes *bytes)
{
    struct venus_bytes *set_reply = calloc(1, sizeof(*set_reply));

    assert_non_null(set_reply);
    memset(ring->memory + ring->reply_offset, 0xee, 64);
    venus_set_reply(set_reply, ring->layout.resource_id, ring->reply_offset, ring->reply_bytes);
    venus_ring_push(ring, set_reply);
    free(set_reply);
    venus_ring_push(ring, bytes);
    assert_true(venus_ring_drain(ring));
    return (const uint32_t *)(const void *)(ring->memory + ring->reply_offset);
}

int32_t venus_ring_result(struct venus_ring *ring, const struct venus_bytes *bytes)
{
    const uint32_t *reply = venus_ring_call(ring, bytes);
    uint32_t number;

    memcpy(&number, bytes->bytes, sizeof(number));
    assert_int_equal(reply[0], number);
    return (int32_t)reply[1];
}

void venus_ring_start(struct venus_ring *ring)
{
    struct venus_bytes *b = &ring->bench->stream;

    b->size_bytes = 0;
    venus_create_instance(b, VENUS_INSTANCE);
    assert_int_equal(venus_ring_result(ring, b), 0);
    b->size_bytes = 0;
    venus_enumerate_devices(b, VENUS_INSTANCE, VENUS_PHYSICAL_DEVICE);
    assert_int_equal(venus_ring_result(ring, b), 0);
    b->size_bytes = 0;
    venus_create_device(b, VENUS_PHYSICAL_DEVICE, VENUS_DEVICE);
    assert_int_equal(venus_ring_result(ring, b), 0);
    b->size_bytes = 0;
    venus_get_queue(b, VENUS_DEVICE, 0, VENUS_QUEUE, 1);
    venus_ring_push(ring, b);
    assert_true(venus_ring_drain(ring));
}

uint32_t venus_bench_visible_type(void)
{
    struct pv_vkhost_view *view = calloc(1, sizeof(*view));
    uint32_t type = 0;

    assert_non_null(view);
    pv_test_profile_view(&pv_fake_vulkan.facts, view);
    while (type < view->memory.type_count
           && (view->memory.types[type].flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) == 0) {
        type++;
    }
    assert_true(type < view->memory.type_count);
    free(view);
    return type;
}
