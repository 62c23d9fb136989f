/* SPDX-License-Identifier: MIT */
/*
 * venus/queue.c: what reaches the driver of submissions of both kinds and of sparse binds, whose
 * waits, signals, values and device indices have to keep together when some are taken out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/venus_fixture.h"

/* Semaphores; IMPORTED has an imported payload whenever import() was called. */
enum { ONE = 10, IMPORTED = 11, THREE = 12, POISONED = 13, FENCE = 14, POOL = 15, COMMANDS = 16 };

static void prepare(void)
{
    const uint64_t ids[] = {COMMANDS};

    for (uint64_t id = ONE; id <= THREE; id++) {
        venus_create_semaphore(&b, VENUS_DEVICE, id);
    }
    venus_create_fence(&b, VENUS_DEVICE, FENCE, false);
    venus_create_command_pool(&b, VENUS_DEVICE, POOL, false);
    venus_allocate_command_buffers(&b, VENUS_DEVICE, POOL, 1, ids, false);
    run();
    fake_driver_fail_next("vkCreateSemaphore", VK_ERROR_OUT_OF_HOST_MEMORY);
    venus_create_semaphore(&b, VENUS_DEVICE, POISONED);
    run();
}

static void import(void)
{
    venus_import_semaphore(&b, VENUS_DEVICE, IMPORTED, 0);
    run();
}

/* ---- vkQueueSubmit ---- */

/* Fewer values than semaphores: a driver reads one for each. Legal where all are binary. */
static void test_too_few_values(void **state)
{
    const struct venus_submit one = {
        .wait_count = 3,
        .waits = {ONE, IMPORTED, THREE},
        .stages = {1, 2, 4},
        .value_count = 1,
        .wait_values = {100},
        .signal_count = 3,
        .signals = {ONE, IMPORTED, THREE},
        .signal_value_count = 1,
        .signal_values = {700},
    };
    struct fake_driver_submit seen;

    (void)state;
    venus_queue_submit(&b, VENUS_QUEUE, &one, true);
    assert_int_equal(result(), VK_SUCCESS);
    seen = fake_driver_last_submit();
    assert_int_equal(seen.wait_count, 3);
    assert_int_equal(seen.wait_value_count, 3);
    assert_int_equal(seen.wait_values[0], 100);
    assert_int_equal(seen.wait_values[1], 0);
    assert_int_equal(seen.wait_values[2], 0);
    assert_int_equal(seen.signal_count, 3);
    assert_int_equal(seen.signal_value_count, 3);
    assert_int_equal(seen.signal_values[0], 700);
    assert_int_equal(seen.signal_values[2], 0);
}

static void test_values_follow_their_semaphores(void **state)
{
    const struct venus_submit one = {
        .wait_count = 3,
        .waits = {ONE, IMPORTED, THREE},
        .stages = {1, 2, 4},
        .value_count = 4, /* one more than there are waits */
        .wait_values = {100, 200, 300, 400},
        .signal_count = 2,
        .signals = {POISONED, THREE},
        .signal_value_count = 2,
        .signal_values = {700, 800},
    };
    struct fake_driver_submit seen;

    (void)state;
    import();
    venus_queue_submit(&b, VENUS_QUEUE, &one, true);
    assert_int_equal(result(), VK_SUCCESS);
    seen = fake_driver_last_submit();
    assert_int_equal(seen.wait_count, 2);
    assert_int_equal(seen.wait_value_count, 2);
    assert_int_equal(seen.wait_values[0], 100);
    assert_int_equal(seen.wait_values[1], 300);
    assert_int_equal(seen.stages[1], 4);
    assert_int_equal(seen.signal_count, 1);
    assert_int_equal(seen.signal_values[0], 800);
}

/* VkDeviceGroupSubmitInfo of an index for each wait, or of as many as a guest likes. */
static void group_submit(uint32_t wait_count, const uint64_t *waits, uint32_t index_count,
                         const uint32_t *indices)
{
    venus_command(&b, PV_WIRE_COMMAND_vkQueueSubmit, true);
    venus_u64(&b, VENUS_QUEUE);
    venus_u32(&b, 1);
    venus_u64(&b, 1);
    venus_u32(&b, VK_STRUCTURE_TYPE_SUBMIT_INFO);
    venus_u64(&b, 1);
    venus_u32(&b, VK_STRUCTURE_TYPE_DEVICE_GROUP_SUBMIT_INFO);
    venus_u64(&b, 0);
    venus_u32(&b, index_count);
    venus_u64(&b, index_count);
    for (uint32_t i = 0; i < index_count; i++) {
        venus_u32(&b, indices[i]);
    }
    for (uint32_t i = 0; i < 2; i++) { /* command buffers, signals */
        venus_u32(&b, 0);
        venus_u64(&b, 0);
    }
    venus_u32(&b, wait_count);
    venus_ids(&b, wait_count, waits);
    venus_u64(&b, wait_count);
    for (uint32_t i = 0; i < wait_count; i++) {
        venus_u32(&b, 1u << i);
    }
    for (uint32_t i = 0; i < 2; i++) {
        venus_u32(&b, 0);
        venus_u64(&b, 0);
    }
    venus_u64(&b, 0);
}

/* Devices are groups of their own, and a driver reads an index for each wait, whatever the count.
 */
static void test_groups_of_one_device(void **state)
{
    static const uint64_t waits[] = {ONE, IMPORTED, THREE};
    static const uint32_t indices[] = {5, 6, 7};
    struct fake_driver_submit seen;

    (void)state;
    import();
    group_submit(3, waits, 3, indices);
    assert_int_equal(result(), VK_SUCCESS);
    seen = fake_driver_last_submit();
    assert_int_equal(seen.wait_count, 2);
    assert_int_equal(seen.stages[1], 4);
    assert_false(seen.has_group);
    for (uint32_t count = 0; count < 2; count++) {
        group_submit(3, waits, count, indices);
        assert_int_equal(result(), VK_SUCCESS);
        seen = fake_driver_last_submit();
        assert_int_equal(seen.wait_count, 3);
        assert_false(seen.has_group);
    }
}

static void test_handles(void **state)
{
    static const uint64_t bad[] = {99, FENCE, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        venus_queue_submit(
            &b, VENUS_QUEUE,
            &(struct venus_submit){.wait_count = 1, .waits = {bad[i]}, .stages = {1}}, true);
        assert_loses();
        venus_queue_submit(&b, VENUS_QUEUE,
                           &(struct venus_submit){.signal_count = 1, .signals = {bad[i]}}, true);
        assert_loses();
        venus_queue_submit(
            &b, VENUS_QUEUE,
            &(struct venus_submit){.command_buffer_count = 1, .command_buffers = {bad[i]}}, true);
        assert_loses();
        venus_queue_submit(&b, bad[i], &(struct venus_submit){.fence = FENCE}, true);
        assert_loses();
    }
    venus_queue_submit(&b, VENUS_QUEUE, &(struct venus_submit){.fence = ONE}, true);
    assert_loses();
    venus_queue_submit(&b, 0, &(struct venus_submit){.fence = FENCE}, true);
    assert_loses();
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroySemaphore, VENUS_DEVICE, ONE);
    venus_queue_submit(&b, VENUS_QUEUE, &(struct venus_submit){.signal_count = 1, .signals = {ONE}},
                       true);
    assert_loses();
}

/* NULL semaphores and command buffers are nothing to wait for, signal or run. */
static void test_nulls_are_taken_out(void **state)
{
    const struct venus_submit one = {
        .wait_count = 2,
        .waits = {0, ONE},
        .stages = {1, 2},
        .command_buffer_count = 2,
        .command_buffers = {0, COMMANDS},
        .signal_count = 2,
        .signals = {THREE, 0},
    };
    struct fake_driver_submit seen;

    (void)state;
    venus_queue_submit(&b, VENUS_QUEUE, &one, true);
    assert_int_equal(result(), VK_SUCCESS);
    seen = fake_driver_last_submit();
    assert_int_equal(seen.wait_count, 1);
    assert_int_equal(seen.stages[0], 2);
    assert_int_equal(seen.command_buffer_count, 1);
    assert_int_equal(seen.signal_count, 1);
}

static void test_the_drivers_answer(void **state)
{
    (void)state;
    fake_driver_fail_next("vkQueueSubmit", VK_ERROR_DEVICE_LOST);
    venus_queue_submit(&b, VENUS_QUEUE, &(struct venus_submit){.fence = FENCE}, true);
    assert_int_equal(result(), VK_ERROR_DEVICE_LOST);
    assert_false(venus_bench_is_lost(&bench)); /* the program is told, and goes on or ends */
}

/* ---- vkQueueSubmit2 ---- */

static void semaphore_infos(uint32_t count, const uint64_t *ids)
{
    venus_u32(&b, count);
    venus_u64(&b, count);
    for (uint32_t i = 0; i < count; i++) {
        venus_u32(&b, VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO);
        venus_u64(&b, 0);
        venus_u64(&b, ids[i]);
        venus_u64(&b, 100 * (i + 1)); /* value */
        venus_u64(&b, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT);
        venus_u32(&b, 0);
    }
}

static void submit2(const struct venus_submit *submit)
{
    venus_command(&b, PV_WIRE_COMMAND_vkQueueSubmit2, true);
    venus_u64(&b, VENUS_QUEUE);
    venus_u32(&b, 1);
    venus_info(&b, VK_STRUCTURE_TYPE_SUBMIT_INFO_2);
    venus_u32(&b, 0);
    semaphore_infos(submit->wait_count, submit->waits);
    venus_u32(&b, submit->command_buffer_count);
    venus_u64(&b, submit->command_buffer_count);
    for (uint32_t i = 0; i < submit->command_buffer_count; i++) {
        venus_u32(&b, VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO);
        venus_u64(&b, 0);
        venus_u64(&b, submit->command_buffers[i]);
        venus_u32(&b, 0);
    }
    semaphore_infos(submit->signal_count, submit->signals);
    venus_u64(&b, submit->fence);
}

static void test_submissions_of_the_second_kind(void **state)
{
    const struct venus_submit one = {
        .wait_count = 4,
        .waits = {IMPORTED, POISONED, 0, THREE},
        .command_buffer_count = 2,
        .command_buffers = {0, COMMANDS},
        .signal_count = 3,
        .signals = {POISONED, ONE, 0},
        .fence = FENCE,
    };
    struct fake_driver_call call;

    (void)state;
    import();
    submit2(&one);
    assert_int_equal(result(), VK_SUCCESS);
    call = fake_driver_last_call("vkQueueSubmit2");
    assert_int_equal(call.values[0], 1);
    assert_int_equal(call.values[1], 1);
    assert_int_equal(call.values[2], 1);
    assert_int_equal(call.values[3], 400); /* the value of the one that stayed */
    submit2(&(struct venus_submit){.wait_count = 2, .waits = {IMPORTED, THREE}});
    assert_int_equal(result(), VK_SUCCESS); /* the imported payload is used up */
    assert_int_equal(fake_driver_last_call("vkQueueSubmit2").values[0], 2);
    submit2(&(struct venus_submit){.wait_count = 1, .waits = {FENCE}});
    assert_loses();
    fake_driver_lack("vkQueueSubmit2");
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, VENUS_DEVICE);
    run();
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, VENUS_DEVICE);
    assert_int_equal(result(), VK_SUCCESS);
    venus_get_queue(&b, VENUS_DEVICE, 0, VENUS_QUEUE, 1);
    submit2(&(struct venus_submit){0});
    assert_loses();
}

/* ---- vkQueueBindSparse ---- */

/* No binds, as guests without sparse resources send it: waits and signals only. */
static void bind_sparse(const struct venus_submit *submit, uint32_t buffer_bind_count)
{
    venus_command(&b, PV_WIRE_COMMAND_vkQueueBindSparse, true);
    venus_u64(&b, VENUS_QUEUE);
    venus_u32(&b, 1);
    venus_u64(&b, 1);
    venus_u32(&b, VK_STRUCTURE_TYPE_BIND_SPARSE_INFO);
    if (submit->value_count > 0) {
        venus_u64(&b, 1);
        venus_u32(&b, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
        venus_u64(&b, 0);
        venus_u32(&b, submit->value_count);
        venus_ids(&b, submit->values_missing ? 0 : submit->value_count, submit->wait_values);
        venus_u32(&b, 0);
        venus_u64(&b, 0);
    } else {
        venus_u64(&b, 0);
    }
    venus_u32(&b, submit->wait_count);
    venus_ids(&b, submit->wait_count, submit->waits);
    venus_u32(&b, buffer_bind_count);
    venus_u64(&b, buffer_bind_count);
    for (uint32_t i = 0; i < buffer_bind_count; i++) {
        venus_u64(&b, 0);
        venus_u32(&b, 0);
        venus_u64(&b, 0);
    }
    for (uint32_t i = 0; i < 2; i++) {
        venus_u32(&b, 0);
        venus_u64(&b, 0);
    }
    venus_u32(&b, submit->signal_count);
    venus_ids(&b, submit->signal_count, submit->signals);
    venus_u64(&b, submit->fence);
}

static void test_sparse_binds(void **state)
{
    struct venus_submit one = {
        .wait_count = 2,
        .waits = {IMPORTED, THREE},
        .value_count = 2,
        .wait_values = {100, 200},
        .signal_count = 1,
        .signals = {ONE},
    };
    struct fake_driver_call call;

    (void)state;
    import();
    bind_sparse(&one, 0);
    assert_int_equal(result(), VK_SUCCESS);
    call = fake_driver_last_call("vkQueueBindSparse");
    assert_int_equal(call.values[0], 1);
    assert_int_equal(call.values[1], 1);
    assert_int_equal(call.values[2], 200); /* the value of the one that stayed */
    one.signals[0] = POISONED;
    bind_sparse(&one, 0);
    assert_int_equal(result(), VK_ERROR_DEVICE_LOST);
    assert_int_equal(fake_driver_last_call("vkQueueBindSparse").count, 1);
    one.signals[0] = ONE;
    one.values_missing = true; /* a count of values, and no values */
    bind_sparse(&one, 0);
    assert_loses();
    bind_sparse(&(struct venus_submit){0}, 1); /* guests are shown no sparse buffers */
    assert_loses();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_too_few_values),
        TEST(test_values_follow_their_semaphores),
        TEST(test_groups_of_one_device),
        TEST(test_handles),
        TEST(test_nulls_are_taken_out),
        TEST(test_the_drivers_answer),
        TEST(test_submissions_of_the_second_kind),
        TEST(test_sparse_binds),
    };

    fixture_prepare = prepare;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
