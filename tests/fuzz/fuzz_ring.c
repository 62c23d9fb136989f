/* SPDX-License-Identifier: MIT */
/*
 * Target: the decoder, in a live context on the fuzzers' driver. The input is a list of records
 * (ring_records.h): command streams on the control queue, commands in rings that guests wrote,
 * indirect streams, and the calls that the device makes meanwhile. The driver's books are the
 * second oracle after the sanitizers: no dead or foreign handle reaches it, nothing is left.
 *
 * A ring's thread is waited for after each write, so one input does the same each time; a ring that
 * waits for something that the input never sends is left to itself after a moment.
 */
#include "fuzz/fuzz.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/driver.h"
#include "fuzz/ring_records.h"
#include "os/clock.h"
#include "os/shm.h"
#include "support/venus_bytes.h"
#include "venus/context.h"

#define RECORDS_MAX  256u
#define WINDOW_BYTES ((uint64_t)1 << 20)
#define MEMORY_BYTES ((uint64_t)1 << 20)
/* How long a ring may take for one write, in fact some 50 us; and all of an input together. */
#define DRAIN_NS     UINT64_C(20000000)
#define DRAIN_MAX_NS UINT64_C(200000000)

/* Resource 1: the rings, replies and streams. */
#define RINGS        4u
#define RING_STRIDE  0x8000u
#define RING_BUFFER  0x4000u
#define HEAD_OFFSET  0u
#define TAIL_OFFSET  64u
#define STATE_OFFSET 128u
#define DATA_OFFSET  192u
#define STATUS_FATAL 2u
#define STATUS_IDLE  1u

struct ring {
    bool is_there;
    uint32_t tail;
};

struct fuzz_ring {
    struct pv_base_log log;
    struct pv_venus_context *context;
    int window_fd;
    int shmem_fd;
    uint8_t *shmem;
    struct ring rings[RINGS];
    uint32_t next_resource_id;
    uint64_t drained_ns; /* waited for rings, so far */
    atomic_uint lost_count;
    atomic_uint fence_count;
    unsigned fences_sent;
    struct venus_bytes stream; /* of this thread, for whoever needs one */
    struct venus_bytes outer;
};

/* ---- events ---- */

static void on_fence(void *user, uint32_t ring_index, uint64_t fence_id)
{
    struct fuzz_ring *fuzz = user;

    (void)ring_index;
    (void)fence_id;
    atomic_fetch_add(&fuzz->fence_count, 1);
}

static void on_lost(void *user, const char *reason)
{
    struct fuzz_ring *fuzz = user;

    FUZZ_CHECK(strlen(reason) > 0);
    atomic_fetch_add(&fuzz->lost_count, 1);
}

static void on_ring(void *user, uint32_t resource_id, uint64_t status_offset_bytes, bool present)
{
    (void)user;
    (void)resource_id;
    (void)status_offset_bytes;
    (void)present;
}

static const struct pv_venus_context_events events = {
    .fence_retired = on_fence,
    .lost = on_lost,
    .ring = on_ring,
};

/* ---- rings ---- */

static _Atomic(uint32_t) *word_at(const struct fuzz_ring *fuzz, uint32_t index, uint32_t offset)
{
    return (_Atomic(uint32_t) *)(void *)(fuzz->shmem + (size_t)index * RING_STRIDE + offset);
}

static void submit(struct fuzz_ring *fuzz, const struct venus_bytes *bytes)
{
    pv_venus_context_submit(fuzz->context, bytes->bytes, bytes->size_bytes);
}

/* A ring of the usual layout; the input may change every word of it. */
static void ring_create(struct fuzz_ring *fuzz, uint32_t index, struct fuzz_input *in)
{
    struct venus_layout layout = {
        .resource_id = 1,
        .offset = (uint64_t)index * RING_STRIDE,
        .size = RING_STRIDE,
        .head = HEAD_OFFSET,
        .tail = TAIL_OFFSET,
        .status = STATE_OFFSET,
        .buffer = DATA_OFFSET,
        .buffer_size = RING_BUFFER,
        .extra = DATA_OFFSET + RING_BUFFER,
        .extra_size = 64,
    };
    uint64_t *const words[] = {&layout.offset,      &layout.size,  &layout.idle_ns,
                               &layout.head,        &layout.tail,  &layout.status,
                               &layout.buffer,      &layout.extra, &layout.extra_size,
                               &layout.buffer_size, &layout.size};
    bool is_changed = false;

    while (fuzz_left_bytes(in) >= 2) {
        const uint8_t which = fuzz_u8(in);

        if (which == 255) {
            layout.monitor_us = 1 + fuzz_u16(in) * 100u;
            continue;
        }
        *words[which % 11] ^= fuzz_size(in);
        is_changed = true;
    }
    if (!is_changed) {
        memset(fuzz->shmem + (size_t)index * RING_STRIDE, 0, DATA_OFFSET);
    }
    fuzz->stream.size_bytes = 0;
    venus_create_ring(&fuzz->stream, RING_RECORDS_RING_ID + index, &layout);
    submit(fuzz, &fuzz->stream);
    fuzz->rings[index].is_there = !is_changed;
    fuzz->rings[index].tail = 0;
}

static void ring_destroy(struct fuzz_ring *fuzz, uint32_t index)
{
    fuzz->stream.size_bytes = 0;
    venus_destroy_ring(&fuzz->stream, RING_RECORDS_RING_ID + index);
    submit(fuzz, &fuzz->stream);
    fuzz->rings[index].is_there = false;
}

static void ring_notify(struct fuzz_ring *fuzz, uint32_t index)
{
    fuzz->stream.size_bytes = 0;
    venus_notify_ring(&fuzz->stream, RING_RECORDS_RING_ID + index);
    submit(fuzz, &fuzz->stream);
}

/* Until head has reached the tail, the ring is dead, or the moment is over. */
static void ring_drain(struct fuzz_ring *fuzz, uint32_t index)
{
    const uint64_t begun_ns = pv_os_clock_now_ns();
    const uint64_t end_ns = begun_ns + (fuzz->drained_ns < DRAIN_MAX_NS ? DRAIN_NS : 0);

    while (atomic_load(word_at(fuzz, index, HEAD_OFFSET)) != fuzz->rings[index].tail
           && (atomic_load(word_at(fuzz, index, STATE_OFFSET)) & STATUS_FATAL) == 0
           && !pv_venus_context_is_lost(fuzz->context) && pv_os_clock_now_ns() < end_ns) {
        (void)sched_yield();
    }
    fuzz->drained_ns += pv_os_clock_now_ns() - begun_ns;
}

static void ring_write(struct fuzz_ring *fuzz, uint32_t index, const uint8_t *bytes,
                       size_t size_bytes)
{
    struct ring *ring = &fuzz->rings[index];
    uint8_t *buffer = fuzz->shmem + (size_t)index * RING_STRIDE + DATA_OFFSET;

    if (!ring->is_there) {
        struct fuzz_input none = {NULL, NULL};

        ring_create(fuzz, index, &none);
    }
    if (size_bytes > RING_BUFFER) {
        size_bytes = RING_BUFFER;
    }
    for (size_t i = 0; i < size_bytes; i++) {
        buffer[(ring->tail + i) % RING_BUFFER] = bytes[i];
    }
    ring->tail += (uint32_t)size_bytes;
    atomic_store(word_at(fuzz, index, TAIL_OFFSET), ring->tail);
    if ((atomic_load(word_at(fuzz, index, STATE_OFFSET)) & STATUS_IDLE) != 0) {
        ring_notify(fuzz, index);
    }
    ring_drain(fuzz, index);
}

/* ---- records ---- */

/* From memory of the exact size, so that a sanitizer sees a read past the end. */
static void submit_exact(struct fuzz_ring *fuzz, const uint8_t *bytes, size_t size_bytes)
{
    uint8_t *copy = malloc(size_bytes + (size_bytes == 0));

    FUZZ_CHECK(copy != NULL);
    if (size_bytes > 0) {
        memcpy(copy, bytes, size_bytes);
    }
    pv_venus_context_submit(fuzz->context, copy, size_bytes);
    free(copy);
}

/* Bytes behind the rings of resource 1, run by vkExecuteCommandStreamsMESA. */
static void run_stream(struct fuzz_ring *fuzz, uint8_t aux, const uint8_t *bytes, size_t size_bytes)
{
    const uint64_t offset = RING_RECORDS_STREAM_OFFSET + (uint64_t)(aux >> 4) * 4;

    memcpy(fuzz->shmem + offset, bytes, size_bytes);
    fuzz->outer.size_bytes = 0;
    venus_execute(&fuzz->outer, 1, offset, size_bytes);
    if ((aux & 8) != 0) {
        ring_write(fuzz, aux % RINGS, fuzz->outer.bytes, fuzz->outer.size_bytes);
    } else {
        submit(fuzz, &fuzz->outer);
    }
}

static void attach(struct fuzz_ring *fuzz, struct fuzz_input *in)
{
    const uint8_t flags = fuzz_u8(in);
    const uint64_t size_bytes = (uint64_t)(1 + flags % 16) * 4096;
    const bool in_window = (flags & 0x20) != 0;
    const uint64_t offset = in_window ? (uint64_t)fuzz_u8(in) * 4096 : 0;
    const int fd = in_window ? fuzz->window_fd : fuzz_memfd(size_bytes, true);

    (void)!pv_venus_context_attach(fuzz->context,
                                   (flags & 0x40) != 0 ? fuzz_u8(in) : fuzz->next_resource_id++, fd,
                                   offset, size_bytes, in_window, (flags & 0x80) != 0);
    if (!in_window) {
        close(fd);
    }
}

static void export_blob(struct fuzz_ring *fuzz, struct fuzz_input *in)
{
    struct pv_venus_exported exported = {.fd = -1};
    const uint8_t flags = fuzz_u8(in);
    const uint64_t blob_id = fuzz_u16(in);

    (void)!pv_venus_context_export_blob(fuzz->context, fuzz->next_resource_id++, blob_id,
                                        fuzz_size(in), (flags & 1) != 0, (flags & 2) != 0,
                                        &exported);
    if (exported.fd >= 0) {
        close(exported.fd);
    }
}

/* Whatever a guest may write into its own memory, control words included, at any moment. */
static void poke(struct fuzz_ring *fuzz, const uint8_t *bytes, size_t size_bytes)
{
    size_t at;

    if (size_bytes < 4) {
        return;
    }
    at = (size_t)(bytes[0] | bytes[1] << 8) * 4 % RING_RECORDS_SHMEM_BYTES;
    size_bytes -= 2;
    if (size_bytes > RING_RECORDS_SHMEM_BYTES - at) {
        size_bytes = RING_RECORDS_SHMEM_BYTES - at;
    }
    for (size_t i = 0; i + 4 <= size_bytes; i += 4) {
        uint32_t word;

        memcpy(&word, bytes + 2 + i, 4);
        atomic_store((_Atomic(uint32_t) *)(void *)(fuzz->shmem + at + i), word);
    }
}

static void run_record(struct fuzz_ring *fuzz, uint8_t kind, uint8_t aux, const uint8_t *bytes,
                       size_t size_bytes)
{
    struct fuzz_input in = {bytes, bytes + size_bytes};
    const size_t whole_bytes = size_bytes & ~(size_t)3;

    switch (kind % RING_RECORDS_KINDS) {
    case RING_RECORD_SUBMIT:
        submit_exact(fuzz, bytes, aux == 255 ? size_bytes : whole_bytes);
        break;
    case RING_RECORD_RING:
        ring_write(fuzz, aux % RINGS, bytes, whole_bytes);
        break;
    case RING_RECORD_STREAM:
        run_stream(fuzz, aux, bytes, whole_bytes);
        break;
    case RING_RECORD_CREATE_RING:
        ring_create(fuzz, aux % RINGS, &in);
        break;
    case RING_RECORD_DESTROY_RING:
        ring_destroy(fuzz, aux % RINGS);
        break;
    case RING_RECORD_ATTACH:
        attach(fuzz, &in);
        break;
    case RING_RECORD_LEAVE:
        (void)!pv_venus_context_leave(fuzz->context, aux);
        break;
    case RING_RECORD_EXPORT:
        export_blob(fuzz, &in);
        break;
    case RING_RECORD_PLACE:
        (void)!pv_venus_context_place(fuzz->context, aux, fuzz_size(&in));
        break;
    case RING_RECORD_FENCE:
        fuzz->fences_sent++;
        pv_venus_context_fence(fuzz->context, aux, fuzz_u8(&in));
        break;
    case RING_RECORD_POKE:
        poke(fuzz, bytes, size_bytes);
        ring_notify(fuzz, aux % RINGS);
        break;
    default:
        fuzz_driver_fail_next(&in);
        break;
    }
}

/* ---- one input ---- */

static void start_guest(struct fuzz_ring *fuzz, bool has_queue)
{
    struct venus_bytes *b = &fuzz->stream;

    b->size_bytes = 0;
    venus_set_reply(b, 1, RING_RECORDS_REPLY_OFFSET, RING_RECORDS_REPLY_BYTES);
    venus_create_instance(b, RING_RECORDS_INSTANCE);
    venus_enumerate_devices(b, RING_RECORDS_INSTANCE, RING_RECORDS_PHYSICAL_DEVICE);
    venus_create_device(b, RING_RECORDS_PHYSICAL_DEVICE, RING_RECORDS_DEVICE);
    /* A queue has a thread, which takes longer than most inputs. */
    if (has_queue) {
        venus_get_queue(b, RING_RECORDS_DEVICE, 0, RING_RECORDS_QUEUE, 1);
    }
    submit(fuzz, b);
    FUZZ_CHECK(!pv_venus_context_is_lost(fuzz->context));
}

static void set_up(struct fuzz_ring *fuzz, bool in_window)
{
    struct pv_venus_context_options options = {
        .size_bytes = sizeof(options),
        .log = &fuzz->log,
        .name = "fuzz",
        .placement = in_window ? PV_VENUS_PLACEMENT_WINDOW : PV_VENUS_PLACEMENT_FILE,
        .window_size_bytes = in_window ? WINDOW_BYTES : 0,
        .memory_max_bytes = MEMORY_BYTES,
        .events = &events,
        .events_user = fuzz,
        .get_instance_proc_addr = fuzz_driver_entry,
    };
    void *memory;

    memset(fuzz, 0, offsetof(struct fuzz_ring, stream));
    fuzz_log_init(&fuzz->log);
    fuzz_driver_reset();
    fuzz->next_resource_id = 2;
    fuzz->window_fd = fuzz_memfd(WINDOW_BYTES, true);
    fuzz->shmem_fd = fuzz_memfd(RING_RECORDS_SHMEM_BYTES, true);
    FUZZ_CHECK(fuzz->window_fd >= 0 && fuzz->shmem_fd >= 0);
    FUZZ_CHECK(pv_os_shm_map(fuzz->shmem_fd, 0, RING_RECORDS_SHMEM_BYTES, &memory) == 0);
    fuzz->shmem = memory;
    options.window_fd = in_window ? fuzz->window_fd : -1;
    FUZZ_CHECK(pv_venus_context_create(&options, &fuzz->context) == 0);
    FUZZ_CHECK(pv_venus_context_attach(fuzz->context, 1, fuzz->shmem_fd, 0,
                                       RING_RECORDS_SHMEM_BYTES, false, true)
               == 0);
}

/* A loss is told, by the ring that caused it maybe, and no longer once the context is going. */
static void wait_for_the_loss(struct fuzz_ring *fuzz)
{
    for (uint32_t i = 0; i < 10000 && atomic_load(&fuzz->lost_count) == 0; i++) {
        pv_os_clock_sleep_ns(100000);
    }
    FUZZ_CHECK(atomic_load(&fuzz->lost_count) == 1);
}

static void tear_down(struct fuzz_ring *fuzz)
{
    if (pv_venus_context_is_lost(fuzz->context)) {
        wait_for_the_loss(fuzz);
    }
    pv_venus_context_destroy(fuzz->context);
    pv_os_shm_unmap(fuzz->shmem, RING_RECORDS_SHMEM_BYTES);
    close(fuzz->window_fd);
    close(fuzz->shmem_fd);
    FUZZ_CHECK(atomic_load(&fuzz->lost_count) <= 1);
    FUZZ_CHECK(atomic_load(&fuzz->fence_count) <= fuzz->fences_sent);
    fuzz_driver_check();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static struct fuzz_ring fuzz;
    struct fuzz_input in = {bytes, bytes + size_bytes};
    const uint8_t options = fuzz_u8(&in);

    fuzz_begin();
    set_up(&fuzz, (options & RING_RECORDS_IN_WINDOW) != 0);
    if ((options & RING_RECORDS_BARE) == 0) {
        start_guest(&fuzz, (options & RING_RECORDS_QUEUED) != 0);
    }
    for (unsigned i = 0; i < RECORDS_MAX && fuzz_left_bytes(&in) > 0; i++) {
        const uint8_t kind = fuzz_u8(&in);
        const uint8_t aux = fuzz_u8(&in);
        const struct fuzz_input part = fuzz_part(&in);
        size_t part_bytes = fuzz_left_bytes(&part);

        if (part_bytes > RING_RECORDS_PAYLOAD_MAX) {
            part_bytes = RING_RECORDS_PAYLOAD_MAX;
        }
        run_record(&fuzz, kind, aux, part.at, part_bytes);
    }
    tear_down(&fuzz);
    fuzz_end();
    return 0;
}
