/* SPDX-License-Identifier: MIT */
/*
 * venus/timeline.c: many fences in order, more of them than a timeline may have outstanding,
 * several timelines that do not hold each other up, and the ends of context, device and driver in
 * between. Submissions beside the fences are in test_sync.c.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "os/clock.h"
#include "support/venus_fixture.h"
#include "venus/idle.h"
#include "venus/state.h"
#include "venus/timeline.h"

#define MAX PV_VENUS_TIMELINE_FENCE_MAX

/* The message thread at its next fence. */
static void *put_fence(void *user)
{
    const uint64_t *id = user;

    pv_venus_context_fence(bench.context, 1, *id);
    return NULL;
}

static void second_device(void)
{
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, 5);
    assert_int_equal(result(), VK_SUCCESS);
    venus_get_queue(&b, 5, 0, 6, 2);
    run();
}

/* Not more than so many: the message thread waits for the GPU, and goes on when it has done one. */
static void test_the_most_that_are_outstanding(void **state)
{
    uint64_t id = MAX + 1;
    pthread_t thread;

    (void)state;
    fake_driver_hold_fences();
    for (uint64_t i = 1; i <= MAX; i++) {
        pv_venus_context_fence(bench.context, 1, i);
    }
    assert_int_equal(fake_driver_held(), MAX);
    assert_int_equal(pthread_create(&thread, NULL, put_fence, &id), 0);
    pv_os_clock_sleep_ns(20000000);
    assert_int_equal(fake_driver_held(), MAX);
    assert_int_equal(bench.fence_count, 0);
    assert_int_equal(fake_driver_signal(1), 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(fake_driver_held(), MAX);
    assert_int_equal(fake_driver_signal(MAX), MAX);
    venus_bench_wait_fences(&bench, MAX + 1);
    for (uint32_t i = 0; i <= MAX; i++) {
        assert_int_equal(bench.fences[i].id, i + 1);
    }
    assert_true(fake_driver_live(VK_OBJECT_TYPE_FENCE) <= MAX);
}

/* A GPU that never comes back, and a context that is lost: the message thread is not. */
static void test_the_context_is_lost_at_the_most(void **state)
{
    const uint64_t before_ns = pv_os_clock_now_ns();
    uint64_t id = MAX + 1;
    pthread_t thread;

    (void)state;
    fake_driver_hold_fences();
    for (uint64_t i = 1; i <= MAX; i++) {
        pv_venus_context_fence(bench.context, 1, i);
    }
    assert_int_equal(pthread_create(&thread, NULL, put_fence, &id), 0);
    pv_os_clock_sleep_ns(5000000);
    venus_command(&b, 0x7fffffff, false);
    venus_ring_push(&ring, &b);
    venus_bench_wait_lost(&bench);
    assert_int_equal(pthread_join(thread, NULL), 0);
    venus_bench_wait_fences(&bench, 1);
    assert_int_equal(bench.fences[0].id, MAX + 1); /* at once, as all later ones */
    assert_true(pv_os_clock_now_ns() - before_ns < UINT64_C(5000000000));
}

/* The same while nobody loses it: the message thread does, rather than wait for ever. */
static void test_a_gpu_that_never_comes_back(void **state)
{
    (void)state;
    bench.context->idle_grace_ns = 20000000;
    fake_driver_hold_fences();
    for (uint64_t i = 1; i <= MAX; i++) {
        pv_venus_context_fence(bench.context, 1, i);
    }
    assert_false(pv_venus_context_is_lost(bench.context));
    pv_venus_context_fence(bench.context, 1, MAX + 1);
    assert_true(pv_venus_context_is_lost(bench.context));
    venus_bench_wait_lost(&bench);
    venus_bench_wait_fences(&bench, 1);
    assert_int_equal(bench.fences[0].id, MAX + 1);
    bench.context->idle_grace_ns = PV_VENUS_IDLE_GRACE_NS;
}

static void test_two_timelines(void **state)
{
    (void)state;
    second_device();
    fake_driver_hold_fences();
    pv_venus_context_fence(bench.context, 1, 1);
    pv_venus_context_fence(bench.context, 2, 2);
    pv_venus_context_fence(bench.context, 2, 3);
    assert_int_equal(fake_driver_held(), 3);
    /* The device of the second goes, and its fences retire; the first still waits for its GPU. */
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, 5);
    venus_ring_push(&ring, &b);
    venus_bench_wait_fences(&bench, 2);
    assert_true(venus_ring_drain(&ring));
    (void)fake_driver_signal(UINT32_MAX);
    venus_bench_wait_fences(&bench, 3);
    for (uint32_t i = 0, last = 0; i < 3; i++) {
        if (bench.fences[i].ring_index == 2) {
            assert_true(bench.fences[i].id > last);
            last = (uint32_t)bench.fences[i].id;
        } else {
            assert_int_equal(bench.fences[i].id, 1);
        }
    }
}

/* The guest chooses the index: 0 is the CPU's, the last is 63, a bound one is somebody's. */
static void test_indices(void **state)
{
    static const uint32_t bad[] = {0, 64, UINT32_MAX, 1};

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        venus_create_device(&b, VENUS_PHYSICAL_DEVICE, 5);
        assert_int_equal(result(), VK_SUCCESS);
        venus_get_queue(&b, 5, 0, 6, bad[i]);
        assert_loses();
    }
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, 5);
    assert_int_equal(result(), VK_SUCCESS);
    venus_get_queue(&b, 5, 0, 6, 63);
    run();
    pv_venus_context_fence(bench.context, 63, 1);
    venus_bench_wait_fences(&bench, 1);
    assert_int_equal(bench.fences[0].ring_index, 63);
    /* Indices that no queue has retire at once, so that no guest waits for ever. */
    pv_venus_context_fence(bench.context, 62, 2);
    pv_venus_context_fence(bench.context, 64, 3);
    pv_venus_context_fence(bench.context, UINT32_MAX, 4);
    venus_bench_wait_fences(&bench, 4);
}

/* The driver's fences are used again; one that cannot be reset is replaced. */
static void test_fences_that_cannot_be_reset(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 20; id++) {
        if (id % 4 == 0) {
            fake_driver_fail_next("vkResetFences", VK_ERROR_OUT_OF_DEVICE_MEMORY);
        }
        pv_venus_context_fence(bench.context, 1, id);
        venus_bench_wait_fences(&bench, (unsigned)id);
    }
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(bench.fences[i].id, i + 1);
    }
    assert_true(fake_driver_live(VK_OBJECT_TYPE_FENCE) <= 2);
}

/* A lost GPU answers a wait with an error: its fences retire, the program learns it elsewhere. */
static void test_a_wait_that_fails(void **state)
{
    (void)state;
    fake_driver_hold_fences();
    fake_driver_fail_next("vkWaitForFences", VK_ERROR_DEVICE_LOST);
    pv_venus_context_fence(bench.context, 1, 1);
    venus_bench_wait_fences(&bench, 1);
    (void)fake_driver_signal(UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_most_that_are_outstanding),
        TEST(test_the_context_is_lost_at_the_most),
        TEST(test_a_gpu_that_never_comes_back),
        TEST(test_two_timelines),
        TEST(test_indices),
        TEST(test_fences_that_cannot_be_reset),
        TEST(test_a_wait_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
