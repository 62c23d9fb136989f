/* SPDX-License-Identifier: MIT */
/*
 * venus/sync.c, queue.c and timeline.c: fences and semaphores through their lives, submissions that
 * lose what is imported or poisoned, and fences of the control queue behind a queue's work.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "os/clock.h"
#include "support/venus_fixture.h"
#include "venus/timeline.h"
#include "venus_wire/commands.h"

/* As src/venus/sync.c has it. */
#define RETIRED 4096u

static void submit(const struct venus_submit *one)
{
    venus_queue_submit(&b, VENUS_QUEUE, one, true);
    assert_int_equal(result(), VK_SUCCESS);
}

/* ---- fences ---- */

static void test_a_fence(void **state)
{
    (void)state;
    fake_driver_hold_fences();
    venus_create_fence(&b, VENUS_DEVICE, 10, false);
    run();
    venus_fence_status(&b, VENUS_DEVICE, 10);
    assert_int_equal(result(), VK_NOT_READY);
    submit(&(struct venus_submit){.fence = 10});
    venus_wait_fence(&b, VENUS_DEVICE, 10, 0, true);
    assert_int_equal(result(), VK_TIMEOUT);
    venus_wait_fence(&b, VENUS_DEVICE, 10, 1000000, true);
    assert_int_equal(result(), VK_TIMEOUT);
    assert_int_equal(fake_driver_signal(1), 1);
    venus_wait_fence(&b, VENUS_DEVICE, 10, UINT64_MAX, true);
    assert_int_equal(result(), VK_SUCCESS);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyFence, VENUS_DEVICE, 10);
    run();
}

/* Poisoned: whoever waits for it is told that the device is lost, and does not wait. */
static void test_a_poisoned_fence(void **state)
{
    (void)state;
    fake_driver_fail_next("vkCreateFence", VK_ERROR_OUT_OF_HOST_MEMORY);
    venus_create_fence(&b, VENUS_DEVICE, 10, false);
    run();
    submit(&(struct venus_submit){.fence = 10});
    venus_fence_status(&b, VENUS_DEVICE, 10);
    assert_int_equal(result(), VK_ERROR_DEVICE_LOST);
    venus_wait_fence(&b, VENUS_DEVICE, 10, UINT64_MAX, true);
    assert_int_equal(result(), VK_ERROR_DEVICE_LOST);
    venus_reset_fence_resource(&b, VENUS_DEVICE, 10);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyFence, VENUS_DEVICE, 10);
    run();
}

/* A wait without end on a ring: the context's end is not held up by it. */
static void test_a_wait_that_never_ends(void **state)
{
    uint64_t before_ns;

    (void)state;
    fake_driver_hold_fences();
    venus_create_fence(&b, VENUS_DEVICE, 10, false);
    run();
    submit(&(struct venus_submit){.fence = 10});
    venus_wait_fence(&b, VENUS_DEVICE, 10, UINT64_MAX, false);
    venus_ring_push(&ring, &b);
    before_ns = pv_os_clock_now_ns();
    pv_venus_context_destroy(bench.context);
    bench.context = NULL;
    assert_true(pv_os_clock_now_ns() - before_ns < UINT64_C(2000000000));
}

/* A sync file was taken out of a pending fence, once per frame, for longer than a day. */
static void test_exported_fences(void **state)
{
    (void)state;
    fake_driver_hold_fences();
    venus_create_fence(&b, VENUS_DEVICE, 10, false);
    run();
    for (uint32_t frame = 0; frame < 5000; frame++) {
        b.size_bytes = 0;
        venus_queue_submit(&b, VENUS_QUEUE, &(struct venus_submit){.fence = 10}, false);
        venus_reset_fence_resource(&b, VENUS_DEVICE, 10);
        run();
        if (fake_driver_held() > 2) {
            (void)fake_driver_signal(1);
        }
    }
    assert_true(fake_driver_live(VK_OBJECT_TYPE_FENCE) < 10);
    venus_fence_status(&b, VENUS_DEVICE, 10);
    assert_int_equal(result(), VK_NOT_READY);
    (void)fake_driver_signal(UINT32_MAX);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyFence, VENUS_DEVICE, 10);
    run();
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_FENCE), 0);
}

/* The same, and the GPU finishes none of them. */
static void test_exchanges_at_the_cap(void **state)
{
    (void)state;
    fake_driver_hold_fences();
    venus_create_fence(&b, VENUS_DEVICE, 10, false);
    run();
    for (uint32_t i = 0; i < RETIRED; i++) {
        venus_queue_submit(&b, VENUS_QUEUE, &(struct venus_submit){.fence = 10}, false);
        venus_reset_fence_resource(&b, VENUS_DEVICE, 10);
        run();
    }
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_FENCE), RETIRED + 1);
    venus_queue_submit(&b, VENUS_QUEUE, &(struct venus_submit){.fence = 10}, false);
    venus_reset_fence_resource(&b, VENUS_DEVICE, 10);
    venus_ring_push(&ring, &b);
    venus_bench_wait_lost(&bench);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_FENCE), RETIRED + 1);
}

static void test_a_signalled_fence_is_reset(void **state)
{
    (void)state;
    venus_create_fence(&b, VENUS_DEVICE, 10, false);
    run();
    submit(&(struct venus_submit){.fence = 10});
    venus_reset_fence_resource(&b, VENUS_DEVICE, 10);
    run();
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_FENCE), 1);
    venus_fence_status(&b, VENUS_DEVICE, 10);
    assert_int_equal(result(), VK_NOT_READY);
    venus_reset_fence_resource(&b, VENUS_DEVICE, 0);
    run();
}

/* ---- semaphores ---- */

/* "Imported and already signalled": the next wait on it is taken out, with its stage and value. */
static void test_imported_waits_are_taken_out(void **state)
{
    const struct venus_submit one = {
        .wait_count = 3,
        .waits = {20, 21, 22},
        .stages = {1, 2, 4},
        .value_count = 3,
        .wait_values = {100, 200, 300},
        .signal_count = 1,
        .signals = {20},
    };
    struct fake_driver_submit seen;

    (void)state;
    for (uint64_t id = 20; id < 23; id++) {
        venus_create_semaphore(&b, VENUS_DEVICE, id);
    }
    venus_import_semaphore(&b, VENUS_DEVICE, 21, 0);
    run();
    submit(&one);
    seen = fake_driver_last_submit();
    assert_int_equal(seen.wait_count, 2);
    assert_int_equal(seen.stages[0], 1);
    assert_int_equal(seen.stages[1], 4);
    assert_int_equal(seen.wait_values[0], 100);
    assert_int_equal(seen.wait_values[1], 300);
    assert_int_equal(seen.signal_count, 1);
    submit(&one); /* only the next one */
    assert_int_equal(fake_driver_last_submit().wait_count, 3);
}

static void test_poisoned_parts_are_taken_out(void **state)
{
    const struct venus_submit one = {
        .wait_count = 2,
        .waits = {20, 21},
        .stages = {1, 2},
        .signal_count = 2,
        .signals = {20, 21},
    };
    struct fake_driver_submit seen;

    (void)state;
    venus_create_semaphore(&b, VENUS_DEVICE, 20);
    run();
    fake_driver_fail_next("vkCreateSemaphore", VK_ERROR_OUT_OF_HOST_MEMORY);
    venus_create_semaphore(&b, VENUS_DEVICE, 21);
    run();
    submit(&one);
    seen = fake_driver_last_submit();
    assert_int_equal(seen.wait_count, 1);
    assert_int_equal(seen.signal_count, 1);
    assert_int_equal(seen.stages[0], 1);
}

/* Waits that the guest does itself go to the queue that was told to signal. */
static void test_a_wait_of_the_guests_own(void **state)
{
    (void)state;
    venus_create_semaphore(&b, VENUS_DEVICE, 20);
    run();
    submit(&(struct venus_submit){.signal_count = 1, .signals = {20}});
    venus_wait_semaphore(&b, VENUS_DEVICE, 20);
    run();
    assert_int_equal(fake_driver_last_submit().wait_count, 1);
    submit(&(struct venus_submit){.signal_count = 1, .signals = {20}});
    venus_import_semaphore(&b, VENUS_DEVICE, 20, 0);
    venus_wait_semaphore(&b, VENUS_DEVICE, 20); /* of what was imported: nothing to do */
    run();
    assert_int_equal(fake_driver_last_submit().wait_count, 0);

    venus_create_semaphore(&b, VENUS_DEVICE, 21);
    venus_wait_semaphore(&b, VENUS_DEVICE, 21); /* nobody was ever told to signal it */
    assert_loses();
    venus_import_semaphore(&b, VENUS_DEVICE, 0, 0);
    assert_loses();
    venus_create_semaphore(&b, VENUS_DEVICE, 20);
    venus_import_semaphore(&b, VENUS_DEVICE, 20, 5); /* a resource: not in this protocol's use */
    assert_loses();
}

/* A count of values, and no values. */
static void test_values_that_are_missing(void **state)
{
    const struct venus_submit one = {
        .wait_count = 2,
        .waits = {20, 20},
        .value_count = 2,
        .values_missing = true,
    };

    (void)state;
    venus_create_semaphore(&b, VENUS_DEVICE, 20);
    venus_queue_submit(&b, VENUS_QUEUE, &one, false);
    assert_loses();
    assert_int_equal(fake_driver_misuses(), 0);
}

/* ---- fences of the control queue ---- */

static void test_timelines_retire_in_order(void **state)
{
    (void)state;
    fake_driver_hold_fences();
    for (uint64_t id = 1; id <= 50; id++) {
        pv_venus_context_fence(bench.context, 1, id);
    }
    pv_venus_context_fence(bench.context, 0, 1000); /* of the CPU: at once */
    pv_venus_context_fence(bench.context, 2, 1001); /* of a timeline without a queue: at once */
    venus_bench_wait_fences(&bench, 2);
    assert_int_equal(bench.fences[0].id, 1000);
    assert_int_equal(bench.fences[1].id, 1001);
    assert_int_equal(fake_driver_held(), 50);
    for (uint32_t i = 0; i < 50; i += 5) {
        assert_int_equal(fake_driver_signal(5), 5);
        venus_bench_wait_fences(&bench, 2 + i + 5);
    }
    for (uint32_t i = 0; i < 50; i++) {
        assert_int_equal(bench.fences[2 + i].ring_index, 1);
        assert_int_equal(bench.fences[2 + i].id, i + 1);
    }
    /* The driver's fences are used again. */
    pv_venus_context_fence(bench.context, 1, 51);
    assert_true(fake_driver_live(VK_OBJECT_TYPE_FENCE) <= 51);
    (void)fake_driver_signal(1);
    venus_bench_wait_fences(&bench, 53);
}

static void test_a_driver_that_takes_no_fence(void **state)
{
    (void)state;
    fake_driver_fail_next("vkQueueSubmit", VK_ERROR_DEVICE_LOST);
    pv_venus_context_fence(bench.context, 1, 1);
    venus_bench_wait_fences(&bench, 1);
    fake_driver_fail_next("vkCreateFence", VK_ERROR_OUT_OF_HOST_MEMORY);
    pv_venus_context_fence(bench.context, 1, 2); /* takes the spare one of before */
    pv_venus_context_fence(bench.context, 1, 3);
    venus_bench_wait_fences(&bench, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(bench.fences[i].ring_index, 1);
    }
}

/* The device goes with fences outstanding: they retire, and its timeline is free again. */
static void test_a_device_goes_before_its_fences(void **state)
{
    (void)state;
    fake_driver_hold_fences();
    for (uint64_t id = 1; id <= 20; id++) {
        pv_venus_context_fence(bench.context, 1, id);
    }
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, VENUS_DEVICE);
    run();
    venus_bench_wait_fences(&bench, 20);
    assert_int_equal(bench.fences[19].id, 20);
    pv_venus_context_fence(bench.context, 1, 21);
    venus_bench_wait_fences(&bench, 21);
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, VENUS_DEVICE);
    assert_int_equal(result(), 0);
    venus_get_queue(&b, VENUS_DEVICE, 0, VENUS_QUEUE, 1);
    run();
}

/* All that was promised is kept, whatever the GPU does. */
static void test_a_context_ends_before_its_fences(void **state)
{
    (void)state;
    fake_driver_hold_fences();
    for (uint64_t id = 1; id <= 20; id++) {
        pv_venus_context_fence(bench.context, 1, id);
    }
    pv_venus_context_destroy(bench.context);
    bench.context = NULL;
    assert_int_equal(bench.fence_count, 20);
}

static void test_many_fences(void **state)
{
    const uint32_t count = 3 * PV_VENUS_TIMELINE_FENCE_MAX;

    (void)state;
    for (uint64_t id = 1; id <= count; id++) {
        pv_venus_context_fence(bench.context, 1, id);
    }
    venus_bench_wait_fences(&bench, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(bench.fences[i].id, i + 1);
    }
    assert_true(fake_driver_live(VK_OBJECT_TYPE_FENCE) <= PV_VENUS_TIMELINE_FENCE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_fence),
        TEST(test_a_poisoned_fence),
        TEST(test_a_wait_that_never_ends),
        TEST(test_exported_fences),
        TEST(test_exchanges_at_the_cap),
        TEST(test_a_signalled_fence_is_reset),
        TEST(test_imported_waits_are_taken_out),
        TEST(test_poisoned_parts_are_taken_out),
        TEST(test_a_wait_of_the_guests_own),
        TEST(test_values_that_are_missing),
        TEST(test_timelines_retire_in_order),
        TEST(test_a_driver_that_takes_no_fence),
        TEST(test_a_device_goes_before_its_fences),
        TEST(test_a_context_ends_before_its_fences),
        TEST(test_many_fences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
