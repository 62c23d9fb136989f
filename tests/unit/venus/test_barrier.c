/* SPDX-License-Identifier: MIT */
/*
 * venus/barrier.c: what reaches the driver of a transfer to or from the outside world, in all five
 * commands that carry barriers; and barriers of what is dead, poisoned, foreign, or not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/venus_fixture.h"

enum { POOL = 10, COMMANDS = 11, BUFFER = 12, IMAGE = 13, EVENT = 14 };

struct barrier {
    uint64_t buffer; /* 0: none */
    uint32_t buffer_from;
    uint32_t buffer_to;
    uint64_t image; /* 0: none */
    uint32_t image_from;
    uint32_t image_to;
    bool has_acquire; /* VkExternalMemoryAcquireUnmodifiedEXT on the image */
};

/* As Mesa's window systems send an image to the compositor and take it back. */
static const struct barrier release = {
    .buffer = BUFFER,
    .buffer_from = 0,
    .buffer_to = VK_QUEUE_FAMILY_EXTERNAL,
    .image = IMAGE,
    .image_from = 0,
    .image_to = VK_QUEUE_FAMILY_FOREIGN_EXT,
};
static const struct barrier acquire = {
    .buffer = BUFFER,
    .buffer_from = VK_QUEUE_FAMILY_EXTERNAL,
    .buffer_to = 0,
    .image = IMAGE,
    .image_from = VK_QUEUE_FAMILY_FOREIGN_EXT,
    .image_to = 0,
    .has_acquire = true,
};
static const struct barrier between_queues = {
    .buffer = BUFFER,
    .buffer_from = 0,
    .buffer_to = 1,
    .image = IMAGE,
    .image_from = 1,
    .image_to = 0,
};

static void create_event(uint64_t device, uint64_t id)
{
    venus_command(&b, PV_WIRE_COMMAND_vkCreateEvent, false);
    venus_u64(&b, device);
    venus_info(&b, VK_STRUCTURE_TYPE_EVENT_CREATE_INFO);
    venus_u32(&b, 0);
    venus_created(&b, id);
}

static void prepare(void)
{
    const uint64_t ids[] = {COMMANDS};
    const struct venus_image image = {.width = 16, .height = 16};

    venus_create_command_pool(&b, VENUS_DEVICE, POOL, false);
    venus_allocate_command_buffers(&b, VENUS_DEVICE, POOL, 1, ids, false);
    venus_create_buffer(&b, VENUS_DEVICE, BUFFER, 64, false);
    venus_create_image(&b, VENUS_DEVICE, IMAGE, &image, false);
    create_event(VENUS_DEVICE, EVENT);
    run();
}

/* ---- the five commands ---- */

static void image_barrier_start(const struct barrier *barrier, uint32_t s_type)
{
    venus_u32(&b, s_type);
    if (barrier->has_acquire) {
        venus_u64(&b, 1);
        venus_u32(&b, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_ACQUIRE_UNMODIFIED_EXT);
        venus_u64(&b, 0);
        venus_u32(&b, 1);
    } else {
        venus_u64(&b, 0);
    }
}

static void image_barrier_end(const struct barrier *barrier)
{
    venus_u32(&b, VK_IMAGE_LAYOUT_GENERAL);
    venus_u32(&b, VK_IMAGE_LAYOUT_GENERAL);
    venus_u32(&b, barrier->image_from);
    venus_u32(&b, barrier->image_to);
    venus_u64(&b, barrier->image);
    venus_u32(&b, VK_IMAGE_ASPECT_COLOR_BIT);
    venus_u32(&b, 0);
    venus_u32(&b, 1);
    venus_u32(&b, 0);
    venus_u32(&b, 1);
}

static void buffer_barrier_end(const struct barrier *barrier)
{
    venus_u32(&b, barrier->buffer_from);
    venus_u32(&b, barrier->buffer_to);
    venus_u64(&b, barrier->buffer);
    venus_u64(&b, 0);
    venus_u64(&b, 64);
}

static void barriers(const struct barrier *barrier)
{
    venus_u32(&b, 0); /* VkMemoryBarrier */
    venus_u64(&b, 0);
    venus_u32(&b, barrier->buffer != 0);
    venus_u64(&b, barrier->buffer != 0);
    if (barrier->buffer != 0) {
        venus_u32(&b, VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER);
        venus_u64(&b, 0);
        venus_u64(&b, 0); /* access */
        buffer_barrier_end(barrier);
    }
    venus_u32(&b, barrier->image != 0);
    venus_u64(&b, barrier->image != 0);
    if (barrier->image != 0) {
        image_barrier_start(barrier, VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER);
        venus_u64(&b, 0);
        image_barrier_end(barrier);
    }
}

/* VkDependencyInfo behind a pointer, or the only one of an array. */
static void dependency(const struct barrier *barrier)
{
    venus_info(&b, VK_STRUCTURE_TYPE_DEPENDENCY_INFO);
    venus_u32(&b, 0);
    venus_u32(&b, 0);
    venus_u64(&b, 0);
    venus_u32(&b, barrier->buffer != 0);
    venus_u64(&b, barrier->buffer != 0);
    if (barrier->buffer != 0) {
        venus_u32(&b, VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER_2);
        venus_u64(&b, 0);
        for (uint32_t i = 0; i < 4; i++) {
            venus_u64(&b, 0); /* stages and access */
        }
        buffer_barrier_end(barrier);
    }
    venus_u32(&b, barrier->image != 0);
    venus_u64(&b, barrier->image != 0);
    if (barrier->image != 0) {
        image_barrier_start(barrier, VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2);
        for (uint32_t i = 0; i < 4; i++) {
            venus_u64(&b, 0);
        }
        image_barrier_end(barrier);
    }
}

static void pipeline_barrier(const struct barrier *barrier)
{
    venus_command(&b, PV_WIRE_COMMAND_vkCmdPipelineBarrier, false);
    venus_u64(&b, COMMANDS);
    venus_u32(&b, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
    venus_u32(&b, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
    venus_u32(&b, 0);
    barriers(barrier);
}

static void wait_events(const struct barrier *barrier)
{
    const uint64_t events[] = {EVENT};

    venus_command(&b, PV_WIRE_COMMAND_vkCmdWaitEvents, false);
    venus_u64(&b, COMMANDS);
    venus_u32(&b, 1);
    venus_ids(&b, 1, events);
    venus_u32(&b, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
    venus_u32(&b, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
    barriers(barrier);
}

static void pipeline_barrier2(const struct barrier *barrier)
{
    venus_command(&b, PV_WIRE_COMMAND_vkCmdPipelineBarrier2, false);
    venus_u64(&b, COMMANDS);
    dependency(barrier);
}

static void set_event2(const struct barrier *barrier)
{
    venus_command(&b, PV_WIRE_COMMAND_vkCmdSetEvent2, false);
    venus_u64(&b, COMMANDS);
    venus_u64(&b, EVENT);
    dependency(barrier);
}

static void wait_events2(const struct barrier *barrier)
{
    const uint64_t events[] = {EVENT};

    venus_command(&b, PV_WIRE_COMMAND_vkCmdWaitEvents2, false);
    venus_u64(&b, COMMANDS);
    venus_u32(&b, 1);
    venus_ids(&b, 1, events);
    dependency(barrier);
}

static const struct {
    const char *name;
    void (*send)(const struct barrier *barrier);
    uint32_t event_count;
    bool is_optional; /* a driver may lack it */
} commands[] = {
    {"vkCmdPipelineBarrier", pipeline_barrier, 0, false},
    {"vkCmdWaitEvents", wait_events, 1, false},
    {"vkCmdPipelineBarrier2", pipeline_barrier2, 0, true},
    {"vkCmdSetEvent2", set_event2, 1, true},
    {"vkCmdWaitEvents2", wait_events2, 1, true},
};

/* ---- tests ---- */

/* The host's driver knows nobody outside: both families are the same to it, so nothing moves. */
static void test_transfers_to_the_outside(void **state)
{
    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(commands); i++) {
        const struct barrier *both[] = {&release, &acquire};

        for (size_t k = 0; k < PV_ARRAY_LEN(both); k++) {
            struct fake_driver_call call;

            commands[i].send(both[k]);
            run();
            call = fake_driver_last_call(commands[i].name);
            assert_int_equal(call.count, k + 1);
            for (size_t n = 0; n < 4; n++) {
                assert_int_equal(call.values[n], VK_QUEUE_FAMILY_IGNORED);
            }
            assert_int_equal(call.values[4], 0); /* the chain's node is ours */
            assert_int_equal(call.values[5], commands[i].event_count);
        }
    }
}

static void test_transfers_between_queues_stay(void **state)
{
    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(commands); i++) {
        struct fake_driver_call call;

        commands[i].send(&between_queues);
        run();
        call = fake_driver_last_call(commands[i].name);
        assert_int_equal(call.values[0], 0);
        assert_int_equal(call.values[1], 1);
        assert_int_equal(call.values[2], 1);
        assert_int_equal(call.values[3], 0);
    }
}

static void test_no_barriers_at_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(commands); i++) {
        commands[i].send(&(struct barrier){0});
        run();
        assert_int_equal(fake_driver_last_call(commands[i].name).count, 1);
        assert_int_equal(fake_driver_last_call(commands[i].name).values[0], UINT64_MAX);
    }
}

/* A barrier about what could not be made is left out: the driver has no handle for it. */
static void test_poisoned(void **state)
{
    (void)state;
    fake_driver_fail_next("vkCreateBuffer", VK_ERROR_OUT_OF_HOST_MEMORY);
    venus_create_buffer(&b, VENUS_DEVICE, 30, 64, false);
    run();
    for (size_t i = 0; i < PV_ARRAY_LEN(commands); i++) {
        struct barrier barrier = release;

        barrier.buffer = 30;
        commands[i].send(&barrier);
        run();
        assert_int_equal(fake_driver_last_call(commands[i].name).count, 0);
    }
    assert_false(venus_bench_is_lost(&bench));
}

static void test_handles(void **state)
{
    static const uint64_t bad[] = {99, IMAGE, POOL, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(commands); i++) {
        for (size_t k = 0; k < PV_ARRAY_LEN(bad); k++) {
            struct barrier barrier = between_queues;

            barrier.buffer = bad[k];
            commands[i].send(&barrier);
            assert_loses();
        }
    }
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyImage, VENUS_DEVICE, IMAGE);
    pipeline_barrier(&release); /* freed */
    assert_loses();
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, 50);
    assert_int_equal(result(), VK_SUCCESS);
    venus_create_buffer(&b, 50, 51, 64, false);
    run();
    pipeline_barrier(&(struct barrier){.buffer = 51}); /* of another device */
    assert_loses();
}

/* Vulkan 1.1 and 1.2 drivers without VK_KHR_synchronization2: the guest was never shown it. */
static void test_a_driver_that_lacks_it(void **state)
{
    const uint64_t ids[] = {61};

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(commands); i++) {
        if (!commands[i].is_optional) {
            continue;
        }
        fake_driver_lack(commands[i].name);
        venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, VENUS_DEVICE);
        run();
        venus_create_device(&b, VENUS_PHYSICAL_DEVICE, VENUS_DEVICE);
        assert_int_equal(result(), VK_SUCCESS);
        prepare();
        venus_allocate_command_buffers(&b, VENUS_DEVICE, POOL, 1, ids, true);
        assert_int_equal(result(), VK_SUCCESS);
        commands[i].send(&release);
        assert_loses();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_transfers_to_the_outside),
        TEST(test_transfers_between_queues_stay),
        TEST(test_no_barriers_at_all),
        TEST(test_poisoned),
        TEST(test_handles),
        TEST(test_a_driver_that_lacks_it),
    };

    fixture_prepare = prepare;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
