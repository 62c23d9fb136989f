/* SPDX-License-Identifier: MIT */
/*
 * venus/ring.c and monitor.c: head after each command, both wraps, going idle and waking with and
 * without a notification, FATAL, ALIVE, and the waits between control queue and ring.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "os/clock.h"
#include "os/shm.h"
#include "support/venus_bench.h"
#include "venus_wire/commands.h"

static struct venus_bench bench;
static struct venus_bytes b;

static void reset(void)
{
    b.size_bytes = 0;
}

static int setup(void **state)
{
    (void)state;
    venus_bench_init(&bench, false);
    reset();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    venus_bench_finish(&bench);
    return 0;
}

/* Head moves per command: a guest may reuse the bytes of the first while the second still runs. */
static void test_head_after_each_command(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_set_reply(&b, ring.layout.resource_id, ring.reply_offset, 64);
    venus_wait_seqno(&b, 1);
    venus_instance_version(&b);
    venus_ring_push(&ring, &b);
    while (venus_ring_word(&ring, 0) != 36) {
        pv_os_clock_sleep_ns(100000);
    }
    assert_int_equal(ring.memory[ring.reply_offset], 0);
    reset();
    venus_submit_seqno(&b, ring.id, 1);
    venus_bench_submit(&bench, &b);
    assert_true(venus_ring_drain(&ring));
    assert_int_equal(ring.memory[ring.reply_offset], PV_WIRE_COMMAND_vkEnumerateInstanceVersion);
    venus_ring_finish(&ring);
    assert_int_equal(bench.ring_events, 2);
}

/* Commands of 16 bytes in a buffer of 64: a batch passes the end at every fourth of them. */
static void test_the_buffers_end(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 64, 0);
    for (uint32_t i = 0; i < 100; i++) {
        reset();
        venus_instance_version(&b); /* 16 bytes */
        b.bytes[4] = 0;             /* unanswered */
        if (i % 3 == 0) {
            venus_wait_seqno(&b, 0); /* 16 more */
        }
        venus_ring_push(&ring, &b);
        assert_true(venus_ring_drain(&ring));
    }
    reset();
    /* 36 bytes, so that 64-bit values lie across the end too. */
    for (uint32_t i = 0; i < 20; i++) {
        reset();
        venus_set_reply(&b, ring.layout.resource_id, ring.reply_offset + 8 * i, 64);
        venus_ring_push(&ring, &b);
        assert_true(venus_ring_drain(&ring));
        reset();
        venus_instance_version(&b);
        venus_ring_push(&ring, &b);
        assert_true(venus_ring_drain(&ring));
        assert_int_equal(ring.memory[ring.reply_offset + 8 * i],
                         PV_WIRE_COMMAND_vkEnumerateInstanceVersion);
    }
    venus_ring_finish(&ring);
}

/* Bytes anywhere in the free-running count of a ring's positions. */
static void put(struct venus_ring *ring, uint32_t position, const struct venus_bytes *bytes)
{
    const uint32_t mask = (uint32_t)ring->layout.buffer_size - 1;

    for (uint32_t i = 0; i < bytes->size_bytes; i++) {
        ring->memory[ring->layout.buffer + ((position + i) & mask)] = bytes->bytes[i];
    }
}

/* Positions wrap at 2^32: 257 commands that are as long as their buffer of 16 MiB. */
static void test_positions_wrap(void **state)
{
    const uint32_t buffer_bytes = 16u << 20;
    const uint32_t data_bytes = buffer_bytes - 80;
    struct venus_ring ring;
    uint32_t start;

    (void)state;
    venus_ring_init(&ring, &bench, buffer_bytes, 0);
    venus_ring_start(&ring);
    start = ring.tail;
    reset();
    venus_command(&b, PV_WIRE_COMMAND_vkCreatePipelineCache, false);
    venus_u64(&b, VENUS_DEVICE);
    venus_u64(&b, 1);
    venus_u32(&b, VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO);
    venus_u64(&b, 0);
    venus_u32(&b, 0);
    venus_u64(&b, data_bytes);
    venus_u64(&b, data_bytes);
    put(&ring, start, &b);
    /* Each command starts where the one before did, so only the id at its end changes. */
    for (uint64_t id = 100; id < 100 + 257; id++) {
        reset();
        venus_u64(&b, 0);
        venus_u64(&b, 1);
        venus_u64(&b, id);
        put(&ring, start + 56 + data_bytes, &b);
        ring.tail += buffer_bytes;
        venus_ring_set_word(&ring, ring.layout.tail, ring.tail);
        assert_true(venus_ring_drain(&ring));
    }
    assert_true(ring.tail < start + 2 * buffer_bytes);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_PIPELINE_CACHE), 257);
    reset();
    venus_instance_version(&b);
    assert_int_equal(venus_ring_result(&ring, &b), 0);
    venus_ring_finish(&ring);
}

/* The guest's store of tail and its look at status may pass each other (Mesa 25.0.7 on x86): the
 * ring has gone idle, the guest has not seen it, and no notification comes. */
static void test_the_idle_race(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    for (uint32_t i = 0; i < 30; i++) {
        venus_ring_wait_status(&ring, VENUS_IDLE);
        reset();
        venus_instance_version(&b);
        b.bytes[4] = 0;
        venus_ring_write(&ring, &b); /* and no notification */
        assert_true(venus_ring_drain(&ring));
    }
    venus_ring_finish(&ring);
}

/* Asleep for good: only a notification wakes it, and it is enough. */
static void test_a_notification_wakes(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_ring_wait_status(&ring, VENUS_IDLE);
    pv_os_clock_sleep_ns(60000000); /* its looks at the tail are over: 1, 4 and 20 ms */
    for (uint32_t i = 0; i < 5; i++) {
        reset();
        venus_notify_ring(&b, ring.id);
        venus_bench_submit(&bench, &b); /* nothing to do: harmless */
    }
    reset();
    venus_instance_version(&b);
    assert_int_equal(venus_ring_result(&ring, &b), 0);
    venus_ring_finish(&ring);
}

/* Not before the guest's own time-out has passed: its notifications are throttled by that. */
static void test_idle_not_too_soon(void **state)
{
    struct venus_ring ring;
    uint64_t before_ns;

    (void)state;
    venus_ring_prepare(&ring, &bench, 4096);
    ring.layout.idle_ns = 50000000;
    venus_create_ring(&b, ring.id, &ring.layout);
    before_ns = pv_os_clock_now_ns();
    venus_bench_submit(&bench, &b);
    venus_ring_wait_status(&ring, VENUS_IDLE);
    assert_true(pv_os_clock_now_ns() - before_ns >= 50000000);
    venus_ring_finish(&ring);
}

static void test_alive_is_kept(void **state)
{
    struct venus_ring plain;
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&plain, &bench, 4096, 0);
    venus_ring_init(&ring, &bench, 4096, 20000);
    for (uint32_t i = 0; i < 5; i++) {
        venus_ring_wait_status(&ring, VENUS_ALIVE);
        venus_ring_set_word(&ring, ring.layout.status, 0);
    }
    assert_int_equal(venus_ring_status(&plain) & VENUS_ALIVE, 0);
    venus_ring_finish(&ring);
    venus_ring_finish(&plain);
}

/* ALIVE says that the renderer lives, not that the ring is quick. */
static void test_alive_while_a_command_waits(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 20000);
    venus_wait_seqno(&b, 1);
    venus_ring_push(&ring, &b);
    for (uint32_t i = 0; i < 3; i++) {
        venus_ring_wait_status(&ring, VENUS_ALIVE);
        venus_ring_set_word(&ring, ring.layout.status, 0);
    }
    venus_ring_finish(&ring);
}

/* A fault on one ring ends all of the context, with one sentence. */
static void test_a_fault_is_fatal_for_all_rings(void **state)
{
    struct venus_ring rings[3];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        venus_ring_init(&rings[i], &bench, 4096, 0);
    }
    venus_command(&b, 0x7fffffff, false);
    venus_ring_push(&rings[1], &b);
    venus_bench_wait_lost(&bench);
    for (size_t i = 0; i < 3; i++) {
        venus_ring_wait_status(&rings[i], VENUS_FATAL);
    }
    assert_int_equal(bench.lost_count, 1);
    assert_non_null(strstr(bench.reason, "ring+0"));
    for (size_t i = 0; i < 3; i++) {
        venus_ring_finish(&rings[i]);
    }
}

/* The very first look at the ring finds a tail out of range: FATAL all the same. */
static void test_a_ring_that_is_born_broken(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 50; i++) {
        struct venus_ring ring;

        if (i > 0) {
            venus_bench_finish(&bench);
            venus_bench_init(&bench, false);
        }
        venus_ring_prepare(&ring, &bench, 4096);
        venus_ring_set_word(&ring, ring.layout.tail, 4100);
        reset();
        venus_create_ring(&b, ring.id, &ring.layout);
        venus_bench_submit(&bench, &b);
        venus_ring_wait_status(&ring, VENUS_FATAL);
        venus_bench_wait_lost(&bench);
        venus_ring_finish(&ring);
    }
}

static void test_tails_out_of_range(void **state)
{
    static const uint32_t tails[] = {1,          2,          3,          4098,      4100,
                                     0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        struct venus_ring ring;

        venus_ring_init(&ring, &bench, 4096, 0);
        venus_ring_set_word(&ring, ring.layout.tail, tails[i]);
        venus_ring_wait_status(&ring, VENUS_FATAL);
        venus_bench_wait_lost(&bench);
        venus_ring_finish(&ring);
        venus_bench_finish(&bench);
        venus_bench_init(&bench, false);
    }
}

/* The guest writes what is ours to write. It can only deceive itself. */
static void test_a_head_that_lies(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    for (uint32_t i = 0; i < 20; i++) {
        reset();
        venus_instance_version(&b);
        b.bytes[4] = 0;
        venus_ring_push(&ring, &b);
        assert_true(venus_ring_drain(&ring));
        venus_ring_set_word(&ring, ring.layout.head, i * 0x10000000);
        reset();
        venus_wait_ring(&b, ring.id, ring.tail);
        venus_bench_submit(&bench, &b); /* it has been reached, whatever head says */
        venus_ring_set_word(&ring, ring.layout.head, ring.tail);
    }
    assert_false(venus_bench_is_lost(&bench));
    venus_ring_finish(&ring);
}

/* ---- control queue and ring ---- */

static void test_seqno_before_and_after_the_wait(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_submit_seqno(&b, ring.id, 1);
    venus_bench_submit(&bench, &b);
    reset();
    venus_wait_seqno(&b, 1);
    venus_ring_push(&ring, &b);
    assert_true(venus_ring_drain(&ring));

    reset();
    venus_wait_seqno(&b, 2);
    venus_ring_push(&ring, &b);
    reset();
    venus_submit_seqno(&b, ring.id, 2);
    venus_bench_submit(&bench, &b);
    assert_true(venus_ring_drain(&ring));
    venus_ring_finish(&ring);
}

static void test_control_queue_waits_for_a_ring(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    for (uint32_t i = 0; i < 50; i++) {
        reset();
        venus_set_reply(&b, ring.layout.resource_id, ring.reply_offset, 64);
        venus_instance_version(&b);
        memset(ring.memory + ring.reply_offset, 0xee, 16);
        venus_ring_write(&ring, &b); /* the notification is queued behind the wait */
        reset();
        venus_wait_ring(&b, ring.id, ring.tail);
        venus_bench_submit(&bench, &b);
        assert_int_equal(venus_ring_word(&ring, 0), ring.tail);
        assert_int_equal(ring.memory[ring.reply_offset],
                         PV_WIRE_COMMAND_vkEnumerateInstanceVersion);
    }
    venus_ring_finish(&ring);
}

/* Each waits for the other: nothing would ever happen again. */
static void test_a_deadlock_is_a_fault(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_wait_seqno(&b, 7);
    venus_ring_push(&ring, &b);
    reset();
    venus_wait_ring(&b, ring.id, ring.tail);
    venus_bench_submit(&bench, &b);
    venus_bench_wait_lost(&bench);
    venus_ring_wait_status(&ring, VENUS_FATAL);
    venus_ring_finish(&ring);
}

/* The same with a resource: only the control queue, which waits, could attach it. */
static void test_a_deadlock_over_an_attach_is_a_fault(void **state)
{
    const uint64_t begun_ns = pv_os_clock_now_ns();
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_set_reply(&b, 500, 0, 64);
    venus_ring_push(&ring, &b);
    reset();
    venus_wait_ring(&b, ring.id, ring.tail);
    venus_bench_submit(&bench, &b);
    venus_bench_wait_lost(&bench);
    assert_non_null(strstr(bench.reason, "vkWaitRingSeqnoMESA"));
    assert_true(pv_os_clock_now_ns() - begun_ns < UINT64_C(4000000000));
    venus_ring_finish(&ring);
}

static void test_a_position_that_nobody_wrote(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_wait_ring(&b, ring.id, 4);
    venus_bench_submit(&bench, &b);
    venus_bench_wait_lost(&bench);
    venus_ring_finish(&ring);
}

/* What the ring has not done will never be done: a guest that does this is told so. */
static void test_destroy_while_it_waits(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_wait_seqno(&b, 7);
    venus_ring_push(&ring, &b);
    reset();
    venus_destroy_ring(&b, ring.id);
    venus_bench_submit(&bench, &b);
    assert_int_equal(bench.ring_events, 2);
    pv_os_shm_unmap(ring.memory, ring.memory_bytes);
}

/* The end of a context with a ring that waits: nobody waits for it. */
static void test_the_context_ends_while_it_waits(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_wait_seqno(&b, 7);
    venus_ring_push(&ring, &b);
    pv_venus_context_destroy(bench.context);
    bench.context = NULL;
    pv_os_shm_unmap(ring.memory, ring.memory_bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_head_after_each_command),
        TEST(test_the_buffers_end),
        TEST(test_positions_wrap),
        TEST(test_the_idle_race),
        TEST(test_a_notification_wakes),
        TEST(test_idle_not_too_soon),
        TEST(test_alive_is_kept),
        TEST(test_alive_while_a_command_waits),
        TEST(test_a_fault_is_fatal_for_all_rings),
        TEST(test_a_ring_that_is_born_broken),
        TEST(test_tails_out_of_range),
        TEST(test_a_head_that_lies),
        TEST(test_seqno_before_and_after_the_wait),
        TEST(test_control_queue_waits_for_a_ring),
        TEST(test_a_deadlock_is_a_fault),
        TEST(test_a_deadlock_over_an_attach_is_a_fault),
        TEST(test_a_position_that_nobody_wrote),
        TEST(test_destroy_while_it_waits),
        TEST(test_the_context_ends_while_it_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
