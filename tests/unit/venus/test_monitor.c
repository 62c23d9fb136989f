/* SPDX-License-Identifier: MIT */
/*
 * venus/monitor.c: ALIVE is set again and again in monitored rings and in no other, as often as the
 * most impatient wants it, whatever the ring itself is doing.
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

/* The guest's period: half of the shortest that was asked for, and never less than 5 ms. */
static void test_the_shortest_period_counts(void **state)
{
    struct venus_ring slow;
    struct venus_ring quick;
    uint64_t before_ns;

    (void)state;
    venus_ring_init(&slow, &bench, 4096, UINT32_MAX); /* more than an hour */
    venus_ring_wait_status(&slow, VENUS_ALIVE);
    venus_ring_set_word(&slow, slow.layout.status, 0);
    pv_os_clock_sleep_ns(15000000);
    assert_int_equal(venus_ring_status(&slow) & VENUS_ALIVE, 0);
    venus_ring_init(&quick, &bench, 4096, 1);
    before_ns = pv_os_clock_now_ns();
    for (uint32_t i = 0; i < 4; i++) {
        venus_ring_wait_status(&slow, VENUS_ALIVE);
        venus_ring_set_word(&slow, slow.layout.status, 0);
        venus_ring_wait_status(&quick, VENUS_ALIVE);
        venus_ring_set_word(&quick, quick.layout.status, 0);
    }
    assert_true(pv_os_clock_now_ns() - before_ns >= 10000000);
    venus_ring_finish(&quick);
    venus_ring_finish(&slow);
}

static void test_a_period_of_nothing(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_prepare(&ring, &bench, 4096);
    ring.layout.monitor_us = 1;
    venus_create_ring(&b, ring.id, &ring.layout);
    memset(b.bytes + 16 + 8 + 4 + 8 + 4 + 8, 0, 4); /* the period itself */
    venus_bench_submit(&bench, &b);
    venus_bench_wait_lost(&bench);
    assert_int_equal(bench.ring_events, 0);
    venus_ring_finish(&ring);
}

/* With the last monitored ring gone there is nothing to report, and the context ends in no time. */
static void test_the_end_does_not_wait_for_the_period(void **state)
{
    struct venus_ring ring;
    uint64_t before_ns;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 60000000);
    venus_ring_wait_status(&ring, VENUS_ALIVE);
    before_ns = pv_os_clock_now_ns();
    venus_ring_finish(&ring);
    pv_venus_context_destroy(bench.context);
    bench.context = NULL;
    assert_true(pv_os_clock_now_ns() - before_ns < UINT64_C(2000000000));
}

/* FATAL stays when ALIVE is set: a guest looks at both. */
static void test_alive_beside_fatal(void **state)
{
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 20000);
    venus_command(&b, 0x7fffffff, false);
    venus_ring_push(&ring, &b);
    venus_ring_wait_status(&ring, VENUS_FATAL);
    for (uint32_t i = 0; i < 2; i++) {
        venus_ring_set_word(&ring, ring.layout.status, VENUS_FATAL);
        venus_ring_wait_status(&ring, VENUS_ALIVE);
        assert_int_not_equal(venus_ring_status(&ring) & VENUS_FATAL, 0);
    }
    venus_ring_finish(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_alive_is_kept),
        TEST(test_alive_while_a_command_waits),
        TEST(test_the_shortest_period_counts),
        TEST(test_a_period_of_nothing),
        TEST(test_the_end_does_not_wait_for_the_period),
        TEST(test_alive_beside_fatal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
