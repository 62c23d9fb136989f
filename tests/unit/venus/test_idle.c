/* SPDX-License-Identifier: MIT */
/*
 * venus/idle.c: a guest destroys a device whose work never ends. Its context is lost, its rings and
 * the context's end do not hang, and the driver is asked for nothing of that device.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "os/clock.h"
#include "support/venus_fixture.h"
#include "venus/instance.h"
#include "venus/state.h"

#define GRACE_NS   UINT64_C(50000000)
#define PROMPT_NS  UINT64_C(5000000000)
#define DISTANT_NS UINT64_C(3600000000000)

static void get_stuck(void)
{
    bench.context->idle_grace_ns = GRACE_NS;
    fake_driver_hold_fences();
    pv_venus_context_fence(bench.context, 1, 1);
    assert_int_equal(fake_driver_held(), 1);
    fake_driver_stick(true);
}

/* The work ends after all, before the context does: or its end would leave it, a leak that
 * sanitizers see. */
static void get_unstuck(void)
{
    bench.context->idle_grace_ns = DISTANT_NS;
    fake_driver_stick(false);
}

/* Lost, and the device stays until the end of the context, which comes when the work has ended. */
static void test_a_device_that_never_ends(void **state)
{
    (void)state;
    get_stuck();
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, VENUS_DEVICE);
    venus_ring_push(&ring, &b);
    venus_bench_wait_lost(&bench);
    venus_ring_wait_status(&ring, VENUS_FATAL);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_DEVICE), 1);
    assert_int_equal(fake_driver_misuses(), 0);
    get_unstuck();
}

static void test_its_instance(void **state)
{
    (void)state;
    get_stuck();
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyInstance, VENUS_INSTANCE);
    venus_ring_push(&ring, &b);
    venus_bench_wait_lost(&bench);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_DEVICE), 1);
    assert_int_equal(fake_driver_misuses(), 0);
    get_unstuck();
}

/* One device of two has gone with its instance when the other one turns out to be at work. A ring
 * that was about to destroy the first one does not touch it any more. */
static void test_its_instance_half_way(void **state)
{
    (void)state;
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, 50); /* younger: it goes first */
    assert_int_equal(result(), VK_SUCCESS);
    get_stuck();
    pthread_mutex_lock(&bench.context->remove_lock); /* as another ring does that waits */
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, 50);
    venus_ring_push(&ring, &b);
    while (pv_base_id_table_find(bench.context->objects, 50) != NULL) {
        pv_os_clock_sleep_ns(1000000);
    }
    pv_venus_instance_finish(bench.context, false);
    pthread_mutex_unlock(&bench.context->remove_lock);
    assert_true(pv_venus_context_is_lost(bench.context));
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_DEVICE), 1);
    get_unstuck();
}

static void *unstick_later(void *user)
{
    (void)user;
    pv_os_clock_sleep_ns(300000000);
    fake_driver_stick(false);
    return NULL;
}

/* The end of the context does not wait for a ring that waits. */
static void test_the_end_in_between(void **state)
{
    const uint64_t before_ns = pv_os_clock_now_ns();
    pthread_t thread;

    get_stuck();
    bench.context->idle_grace_ns = DISTANT_NS;
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, VENUS_DEVICE);
    venus_ring_push(&ring, &b);
    pv_os_clock_sleep_ns(20000000);
    assert_int_equal(pthread_create(&thread, NULL, unstick_later, NULL), 0);
    (void)fixture_teardown(state);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(pv_os_clock_now_ns() - before_ns < PROMPT_NS);
    (void)fixture_setup(state);
}

/* Slow is not stuck. */
static void test_a_device_that_ends_late(void **state)
{
    pthread_t thread;

    (void)state;
    get_stuck();
    bench.context->idle_grace_ns = DISTANT_NS;
    assert_int_equal(pthread_create(&thread, NULL, unstick_later, NULL), 0);
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, VENUS_DEVICE);
    run();
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_DEVICE), 0);
    assert_int_equal(bench.fence_count, 1);
    assert_int_equal(fake_driver_misuses(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_device_that_never_ends), TEST(test_its_instance),
        TEST(test_its_instance_half_way),    TEST(test_the_end_in_between),
        TEST(test_a_device_that_ends_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
