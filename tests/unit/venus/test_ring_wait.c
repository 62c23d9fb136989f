/* SPDX-License-Identifier: MIT */
/*
 * venus/ring_wait.c: the control queue waits for a ring, a ring for the control queue, both for
 * each other; positions on both sides of 2^32, and such that nobody wrote.
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

/* ---- around 2^32 ---- */

/* Positions before and after 2^32 are in order: what was reached stays reached. */
static void test_positions_around_the_wrap(void **state)
{
    struct venus_ring ring;
    uint32_t before;

    (void)state;
    venus_ring_init(&ring, &bench, 16u << 20, 0);
    venus_ring_start(&ring);
    venus_ring_run_up_to(&ring, UINT32_MAX - 63);
    for (uint32_t i = 0; i < 8; i++) {
        reset();
        venus_instance_version(&b);
        b.bytes[4] = 0;
        venus_wait_seqno(&b, 0);
        before = ring.tail;
        venus_ring_write(&ring, &b); /* 32 bytes; the notification is queued behind the wait */
        reset();
        venus_wait_ring(&b, ring.id, ring.tail);
        venus_wait_ring(&b, ring.id, before);
        venus_wait_ring(&b, ring.id, before - 64);
        venus_bench_submit(&bench, &b);
        assert_false(venus_bench_is_lost(&bench));
        assert_int_equal(venus_ring_word(&ring, 0), ring.tail);
    }
    assert_int_equal(ring.tail, 192);
    reset();
    venus_wait_ring(&b, ring.id, UINT32_MAX - 63); /* long reached */
    venus_bench_submit(&bench, &b);
    assert_false(venus_bench_is_lost(&bench));
    reset();
    venus_wait_ring(&b, ring.id, ring.tail + 4); /* nobody wrote it */
    venus_bench_submit(&bench, &b);
    venus_bench_wait_lost(&bench);
    venus_ring_finish(&ring);
}

/* The same with the position that nobody wrote on the other side. */
static void test_a_position_beyond_the_wrap(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 16u << 20, 0);
    venus_ring_start(&ring);
    venus_ring_run_up_to(&ring, UINT32_MAX - 15);
    reset();
    venus_wait_seqno(&b, 7);
    venus_ring_push(&ring, &b); /* up to 2^32 exactly: tail is 0, and done is not */
    assert_int_equal(ring.tail, 0);
    reset();
    venus_wait_ring(&b, ring.id, 4);
    venus_bench_submit(&bench, &b);
    venus_bench_wait_lost(&bench);
    venus_ring_finish(&ring);
}

/* Sequence numbers of the control queue have 64 bits: no wrap at 2^32. */
static void test_seqnos_past_32_bits(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_submit_seqno(&b, ring.id, UINT32_MAX);
    venus_bench_submit(&bench, &b);
    reset();
    venus_wait_seqno(&b, UINT32_MAX);
    venus_ring_push(&ring, &b);
    assert_true(venus_ring_drain(&ring));
    reset();
    venus_wait_seqno(&b, UINT64_C(0x100000001));
    venus_ring_push(&ring, &b);
    reset();
    venus_submit_seqno(&b, ring.id, UINT64_C(0x100000000));
    venus_bench_submit(&bench, &b);
    pv_os_clock_sleep_ns(5000000);
    assert_int_not_equal(venus_ring_word(&ring, 0), ring.tail);
    reset();
    venus_submit_seqno(&b, ring.id, UINT64_C(0x100000001));
    venus_bench_submit(&bench, &b);
    assert_true(venus_ring_drain(&ring));
    venus_ring_finish(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_seqno_before_and_after_the_wait), TEST(test_control_queue_waits_for_a_ring),
        TEST(test_a_deadlock_is_a_fault),           TEST(test_a_deadlock_over_an_attach_is_a_fault),
        TEST(test_a_position_that_nobody_wrote),    TEST(test_positions_around_the_wrap),
        TEST(test_a_position_beyond_the_wrap),      TEST(test_seqnos_past_32_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
