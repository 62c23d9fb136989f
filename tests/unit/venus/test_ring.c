/* SPDX-License-Identifier: MIT */
/*
 * venus/ring.c: a fault is fatal for all rings, and for one that is born with it; the ends of rings
 * and of the context while a ring waits for something. Layouts are in test_transport.c.
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

/* The context ends while a ring waits for memory that was never attached: no fault of anybody. */
static void test_the_context_ends_while_it_waits_for_memory(void **state)
{
    const uint64_t before_ns = pv_os_clock_now_ns();
    struct venus_ring ring;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_set_reply(&b, 999, 0, 64);
    venus_ring_push(&ring, &b);
    pv_os_clock_sleep_ns(5000000);
    pv_venus_context_destroy(bench.context);
    bench.context = NULL;
    assert_int_equal(bench.lost_count, 0);
    assert_true(pv_os_clock_now_ns() - before_ns < UINT64_C(2000000000));
    pv_os_shm_unmap(ring.memory, ring.memory_bytes);
}

/* A ring that waits for the GPU for ever can be destroyed all the same. */
static void test_destroy_while_it_waits_for_the_gpu(void **state)
{
    struct venus_ring ring;
    uint64_t before_ns;

    (void)state;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_ring_start(&ring);
    fake_driver_hold_fences();
    reset();
    venus_create_fence(&b, VENUS_DEVICE, 10, false);
    venus_queue_submit(&b, VENUS_QUEUE, &(struct venus_submit){.fence = 10}, false);
    venus_wait_fence(&b, VENUS_DEVICE, 10, UINT64_MAX, false);
    venus_ring_push(&ring, &b);
    while (fake_driver_held() == 0) {
        pv_os_clock_sleep_ns(100000);
    }
    before_ns = pv_os_clock_now_ns();
    venus_ring_finish(&ring);
    assert_true(pv_os_clock_now_ns() - before_ns < UINT64_C(2000000000));
    assert_false(venus_bench_is_lost(&bench));
    assert_int_equal(bench.ring_events, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_fault_is_fatal_for_all_rings),
        TEST(test_a_ring_that_is_born_broken),
        TEST(test_destroy_while_it_waits),
        TEST(test_the_context_ends_while_it_waits),
        TEST(test_the_context_ends_while_it_waits_for_memory),
        TEST(test_destroy_while_it_waits_for_the_gpu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
