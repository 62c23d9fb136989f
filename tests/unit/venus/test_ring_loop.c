/* SPDX-License-Identifier: MIT */
/*
 * venus/ring_loop.c: head after each command, both wraps, going idle and waking with and without a
 * notification, tails and heads that lie, and memory that is taken away.
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
#include "support/venus_context_fixture.h"
#include "venus_wire/commands.h"

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

/* The guest's store of tail and its look at status may pass each other (Mesa 25.0.7 on x86): the
 * ring has gone idle, the guest has not seen it, and no notification comes. */
static void test_the_idle_race(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    for (uint32_t i = 0; i < 30; i++) {
        const uint64_t awake_ns = pv_os_clock_now_ns();

        venus_ring_wait_status(&ring, VENUS_IDLE);
        reset();
        venus_instance_version(&b);
        b.bytes[4] = 0;
        venus_ring_write(&ring, &b); /* and no notification */
        if (pv_os_clock_now_ns() - awake_ns > 20000000) {
            venus_ring_notify(&ring); /* a busy machine: its looks at the tail may be over */
        }
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

/* ---- the wrap at 2^32 ---- */

/* Answers and positions, command by command, while a batch and its words lie across 2^32. */
static void test_commands_across_the_wrap(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 16u << 20, 0);
    venus_ring_start(&ring);
    venus_ring_run_up_to(&ring, UINT32_MAX - 99);
    for (uint32_t i = 0; i < 20; i++) {
        const uint32_t before = ring.tail;

        reset();
        venus_set_reply(&b, ring.layout.resource_id, ring.reply_offset + 64 * i, 64);
        venus_instance_version(&b);
        memset(ring.memory + ring.reply_offset + 64 * i, 0xee, 64);
        venus_ring_push(&ring, &b);
        assert_true(venus_ring_drain(&ring));
        assert_int_equal(venus_ring_word(&ring, 0), (uint32_t)(before + 52));
        assert_int_equal(ring.memory[ring.reply_offset + 64 * i],
                         PV_WIRE_COMMAND_vkEnumerateInstanceVersion);
    }
    assert_true(ring.tail < 1000);
    /* Going idle and waking work on both sides of it. */
    venus_ring_wait_status(&ring, VENUS_IDLE);
    reset();
    venus_instance_version(&b);
    assert_int_equal(venus_ring_result(&ring, &b), 0);
    assert_false(venus_bench_is_lost(&bench));
    /* A tail that goes back is out of range, across the wrap too. */
    venus_ring_set_word(&ring, ring.layout.tail, UINT32_MAX - 7);
    venus_ring_notify(&ring);
    venus_bench_wait_lost(&bench);
    assert_non_null(strstr(bench.reason, "tail"));
    venus_ring_finish(&ring);
}

/* ---- memory that is taken away ---- */

/* A guest program dies with work in its ring: its memory goes first, and is no longer the guest's
 * to answer for. Nothing is lost, and nobody waits for the ring. */
static void test_its_memory_goes_when_it_has_worked(void **state)
{
    struct venus_ring ring;
    struct venus_ring other;

    (void)state;
    venus_bench_finish(&bench);
    venus_bench_init(&bench, true);
    venus_ring_prepare_in_window(&ring, &bench, 4096, 0);
    venus_create_ring(&b, ring.id, &ring.layout);
    venus_bench_submit(&bench, &b);
    venus_ring_init(&other, &bench, 4096, 0);
    venus_ring_start(&other);
    reset();
    venus_instance_version(&b);
    assert_int_equal(venus_ring_result(&ring, &b), 0);
    assert_int_equal(pv_venus_context_leave(bench.context, ring.layout.resource_id), 0);
    venus_ring_notify(&ring);
    pv_os_clock_sleep_ns(20000000);
    assert_int_equal(bench.lost_count, 0);
    /* What was in it will never be done: told at once, and no deadlock. */
    reset();
    venus_wait_ring(&b, ring.id, ring.tail + 64);
    venus_bench_submit(&bench, &b);
    assert_false(venus_bench_is_lost(&bench));
    reset();
    venus_instance_version(&b);
    assert_int_equal(venus_ring_result(&other, &b), 0);
    venus_ring_finish(&ring);
    assert_false(venus_bench_is_lost(&bench));
    venus_ring_finish(&other);
}

/* At any moment of its work. */
static void test_its_memory_goes_while_it_works(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 60; i++) {
        struct venus_ring ring;

        venus_bench_finish(&bench);
        venus_bench_init(&bench, true);
        venus_ring_prepare_in_window(&ring, &bench, 65536, 0);
        ring.layout.idle_ns = 100000000;
        reset();
        venus_create_ring(&b, ring.id, &ring.layout);
        venus_bench_submit(&bench, &b);
        venus_ring_start(&ring);
        reset();
        for (uint32_t k = 0; k < 200; k++) {
            venus_set_reply(&b, ring.layout.resource_id, ring.reply_offset, 64);
            venus_create_buffer(&b, VENUS_DEVICE, 100, 64, true);
            venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyBuffer, VENUS_DEVICE, 100);
        }
        venus_ring_write(&ring, &b);
        pv_os_clock_sleep_ns(i * 3000);
        assert_int_equal(pv_venus_context_leave(bench.context, ring.layout.resource_id), 0);
        pv_os_clock_sleep_ns(1000000);
        assert_int_equal(bench.lost_count, 0);
        pv_venus_context_destroy(bench.context);
        bench.context = NULL;
        assert_int_equal(bench.lost_count, 0);
        venus_ring_finish(&ring);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_head_after_each_command),
        TEST(test_the_buffers_end),
        TEST(test_the_idle_race),
        TEST(test_a_notification_wakes),
        TEST(test_idle_not_too_soon),
        TEST(test_tails_out_of_range),
        TEST(test_a_head_that_lies),
        TEST(test_commands_across_the_wrap),
        TEST(test_its_memory_goes_when_it_has_worked),
        TEST(test_its_memory_goes_while_it_works),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
