/* SPDX-License-Identifier: MIT */
/*
 * A renderer's context on the fake driver, its events as something to wait for, and guests' rings
 * in real shared memory.
 *
 * Threads: all calls on the test's thread; the context's threads only record events.
 */
#ifndef PV_TESTS_VENUS_BENCH_H
#define PV_TESTS_VENUS_BENCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/fake_driver.h"
#include "support/venus_bytes.h"
#include "venus/context.h"

#define VENUS_BENCH_FENCES_MAX   4096
#define VENUS_BENCH_WINDOW_BYTES ((size_t)4 << 20)
#define VENUS_BENCH_MEMORY_BYTES ((uint64_t)1 << 20)
/* Longer than anything here takes; reached only by a test that fails. */
#define VENUS_BENCH_WAIT_MS 10000

#define VENUS_IDLE  1u
#define VENUS_FATAL 2u
#define VENUS_ALIVE 4u

/* Ids that venus_bench_start makes. */
enum {
    VENUS_INSTANCE = 1,
    VENUS_PHYSICAL_DEVICE = 2,
    VENUS_DEVICE = 3,
    VENUS_QUEUE = 4,
};

struct venus_bench {
    struct pv_venus_context *context;
    int window_fd; /* -1: placement in files */
    uint32_t next_resource_id;
    uint64_t next_ring_id;
    struct venus_bytes stream; /* of the message thread, for whoever needs one */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned lost_count;
    char reason[256];
    unsigned ring_events;
    unsigned fence_count;
    struct {
        uint32_t ring_index;
        uint64_t id;
    } fences[VENUS_BENCH_FENCES_MAX]; /* as they retired */
};

/* in_window: exported memory moves to a window of VENUS_BENCH_WINDOW_BYTES, else it stays in files.
 */
void venus_bench_init(struct venus_bench *bench, bool in_window);

/* Destroys the context; fails the test when the driver was misused or has objects left. */
void venus_bench_finish(struct venus_bench *bench);

/* Run one command stream on the message thread, which is the caller's. */
void venus_bench_submit(struct venus_bench *bench, const struct venus_bytes *bytes);

/* New shared memory, attached. Returns its id; *ret_memory (to be unmapped) and *ret_fd (to be
 * closed) may be NULL. */
uint32_t venus_bench_attach(struct venus_bench *bench, size_t size_bytes, bool is_shmem,
                            uint8_t **ret_memory, int *ret_fd);

/* Wait for events; fail the test after VENUS_BENCH_WAIT_MS. */
void venus_bench_wait_lost(struct venus_bench *bench);
void venus_bench_wait_fences(struct venus_bench *bench, unsigned count);

bool venus_bench_is_lost(struct venus_bench *bench);

/* A ring, its reply stream behind it in the same memory. */
struct venus_ring {
    struct venus_bench *bench;
    uint64_t id;
    struct venus_layout layout;
    uint8_t *memory;
    size_t memory_bytes;
    uint32_t tail;
    uint64_t reply_offset;
    uint64_t reply_bytes;
};

/* buffer_bytes: a power of two. Monitored when monitor_us is not 0. */
void venus_ring_init(struct venus_ring *ring, struct venus_bench *bench, size_t buffer_bytes,
                     uint32_t monitor_us);

/* The same without creating it; the layout may be changed before venus_create_ring. */
void venus_ring_prepare(struct venus_ring *ring, struct venus_bench *bench, size_t buffer_bytes);

/* The same in the window, at a page's start; bench is one with a window. */
void venus_ring_prepare_in_window(struct venus_ring *ring, struct venus_bench *bench,
                                  size_t buffer_bytes, uint64_t offset_bytes);

/* Destroy the ring, if the context still lives, and unmap its memory. */
void venus_ring_finish(struct venus_ring *ring);

uint32_t venus_ring_word(const struct venus_ring *ring, uint64_t offset_bytes);
void venus_ring_set_word(struct venus_ring *ring, uint64_t offset_bytes, uint32_t value);
uint32_t venus_ring_status(const struct venus_ring *ring);

/* Put bytes into the buffer and move the tail; no notification. */
void venus_ring_write(struct venus_ring *ring, const struct venus_bytes *bytes);

void venus_ring_notify(struct venus_ring *ring);

/* Write, and notify as a guest does. */
void venus_ring_push(struct venus_ring *ring, const struct venus_bytes *bytes);

/* Wait until head has reached the tail. Returns false when the ring is FATAL. */
bool venus_ring_drain(struct venus_ring *ring);

/*
 * Bring a started ring's tail to a position (80 bytes or more ahead), by few commands as long as
 * its buffer: with 16 MiB, 2^32 is half a second away. Leaves pipeline caches from
 * VENUS_FIRST_CACHE on.
 */
#define VENUS_FIRST_CACHE UINT64_C(0x100000)
void venus_ring_run_up_to(struct venus_ring *ring, uint32_t position);

/* Wait until status has one of these bits. */
void venus_ring_wait_status(struct venus_ring *ring, uint32_t bits);

/* Push a command that replies and wait. Returns the reply: 32-bit words from the number on. */
const uint32_t *venus_ring_call(struct venus_ring *ring, const struct venus_bytes *bytes);

/* The VkResult in the reply to a command that has one. */
int32_t venus_ring_result(struct venus_ring *ring, const struct venus_bytes *bytes);

/* Make instance, physical device, device and queue (timeline 1). */
void venus_ring_start(struct venus_ring *ring);

/* A memory type that the guest may map. */
uint32_t venus_bench_visible_type(void);

#endif
