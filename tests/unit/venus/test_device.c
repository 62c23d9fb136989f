/* SPDX-License-Identifier: MIT */
/*
 * venus/device.c: devices and queues at their limits, and devices that go with everything of theirs
 * in the order that drivers want. What objects of other devices do is in test_object.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/venus_fixture.h"

/* More than a program needs; each costs the host a real device. */
#define DEVICE_MAX 64u

static void test_the_most_devices(void **state)
{
    (void)state;
    for (uint64_t id = 100; id < 100 + DEVICE_MAX - 1; id++) { /* one is there already */
        venus_create_device(&b, VENUS_PHYSICAL_DEVICE, id);
        assert_int_equal(result(), VK_SUCCESS);
    }
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_DEVICE), DEVICE_MAX);
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, 50);
    assert_int_equal(result(), VK_ERROR_TOO_MANY_OBJECTS);
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, 100);
    run();
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, 50);
    assert_int_equal(result(), VK_SUCCESS);
}

/* An id that is taken or none: the driver's device goes again. */
static void test_ids(void **state)
{
    static const uint64_t bad[] = {0, VENUS_DEVICE, VENUS_QUEUE};

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        venus_create_device(&b, VENUS_PHYSICAL_DEVICE, bad[i]);
        assert_loses();
    }
    venus_create_device(&b, VENUS_DEVICE, 50); /* not a physical device */
    assert_loses();
    venus_create_device(&b, 0, 50);
    assert_loses();
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, VENUS_PHYSICAL_DEVICE);
    assert_loses();
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, VENUS_DEVICE);
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, VENUS_DEVICE); /* twice */
    assert_loses();
}

/* vkCreateDevice with a queue family and an extension of the test's choice. */
static void create_with(uint32_t family, const char *extension)
{
    const size_t length = extension != NULL ? strlen(extension) + 1 : 0;

    venus_command(&b, PV_WIRE_COMMAND_vkCreateDevice, true);
    venus_u64(&b, VENUS_PHYSICAL_DEVICE);
    venus_info(&b, VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
    venus_u32(&b, 0);
    venus_u32(&b, 1);
    venus_info(&b, VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
    venus_u32(&b, 0);
    venus_u32(&b, family);
    venus_u32(&b, 1);
    venus_u64(&b, 1);
    venus_u32(&b, 0x3f800000); /* 1.0f */
    venus_u32(&b, 0);
    venus_u64(&b, 0);
    venus_u32(&b, extension != NULL);
    venus_u64(&b, extension != NULL);
    if (extension != NULL) {
        venus_u64(&b, length);
        memcpy(b.bytes + b.size_bytes, extension, length);
        memset(b.bytes + b.size_bytes + length, 0, 4);
        b.size_bytes += (length + 3) & ~(size_t)3;
    }
    venus_u64(&b, 0); /* no features */
    venus_created(&b, 50);
}

/* What the guest was not shown it cannot have, and the driver is not asked. */
static void test_what_is_not_shown(void **state)
{
    (void)state;
    create_with(0, "VK_KHR_ray_tracing_pipeline");
    assert_int_equal(result(), VK_ERROR_EXTENSION_NOT_PRESENT);
    create_with(0, "");
    assert_int_equal(result(), VK_ERROR_EXTENSION_NOT_PRESENT);
    create_with(1, NULL);
    assert_int_equal(result(), VK_ERROR_INITIALIZATION_FAILED);
    create_with(UINT32_MAX, NULL);
    assert_int_equal(result(), VK_ERROR_INITIALIZATION_FAILED);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_DEVICE), 1);
    create_with(0, "VK_KHR_timeline_semaphore");
    assert_int_equal(result(), VK_SUCCESS);
}

/* ---- queues ---- */

static void get_queue(uint32_t family, uint32_t index, bool has_timeline)
{
    const uint64_t id = 60;

    venus_command(&b, PV_WIRE_COMMAND_vkGetDeviceQueue2, false);
    venus_u64(&b, 50);
    venus_u64(&b, 1);
    venus_u32(&b, VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2);
    if (has_timeline) {
        venus_u64(&b, 1);
        venus_u32(&b, 1000384005);
    }
    venus_u64(&b, 0);
    if (has_timeline) {
        venus_u32(&b, 2);
    }
    venus_u32(&b, 0);
    venus_u32(&b, family);
    venus_u32(&b, index);
    venus_ids(&b, 1, &id);
}

static void second_device(void)
{
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, 50);
    assert_int_equal(result(), VK_SUCCESS);
}

static void test_queues(void **state)
{
    static const struct {
        uint32_t family;
        uint32_t index;
        bool has_timeline;
    } bad[] = {
        {0, 1, true},  {0, UINT32_MAX, true}, {1, 0, true},  {15, 0, true},
        {16, 0, true}, {UINT32_MAX, 0, true}, {0, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        second_device();
        get_queue(bad[i].family, bad[i].index, bad[i].has_timeline);
        assert_loses();
    }
    second_device();
    get_queue(0, 0, true);
    run();
    get_queue(0, 0, true); /* the same queue under two ids would have two locks */
    assert_loses();
    second_device();
    venus_get_queue(&b, 50, 0, 60, 1); /* the timeline is the first device's */
    assert_loses();
    second_device();
    venus_get_queue(&b, 50, 0, VENUS_QUEUE, 2); /* the id is taken */
    assert_loses();
}

/* Children, a pool with its own, mapped memory, fences outstanding: the fake driver counts whatever
 * is still alive when its device goes, or is used afterwards. */
static void test_a_device_goes_with_everything(void **state)
{
    static const uint64_t ids[] = {30, 31};
    const struct venus_image image = {.width = 8, .height = 8};

    (void)state;
    fake_driver_hold_fences();
    venus_allocate(&b, VENUS_DEVICE, 10, 4096, venus_bench_visible_type(), 0, false, false);
    venus_create_buffer(&b, VENUS_DEVICE, 11, 64, false);
    venus_create_image(&b, VENUS_DEVICE, 12, &image, false);
    venus_create_fence(&b, VENUS_DEVICE, 13, false);
    venus_queue_submit(&b, VENUS_QUEUE, &(struct venus_submit){.fence = 13}, false);
    venus_reset_fence_resource(&b, VENUS_DEVICE, 13);
    venus_create_command_pool(&b, VENUS_DEVICE, 14, false);
    venus_allocate_command_buffers(&b, VENUS_DEVICE, 14, 2, ids, false);
    fake_driver_fail_next("vkCreateSemaphore", VK_ERROR_OUT_OF_HOST_MEMORY);
    venus_create_semaphore(&b, VENUS_DEVICE, 15);
    run();
    pv_venus_context_fence(bench.context, 1, 1);
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, VENUS_DEVICE);
    run();
    assert_int_equal(fake_driver_misuses(), 0);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_DEVICE), 0);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_DEVICE_MEMORY), 0);
    assert_int_equal(bench.fence_count, 1);
    /* All ids are free again. */
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, VENUS_DEVICE);
    assert_int_equal(result(), VK_SUCCESS);
    for (uint64_t id = 10; id < 16; id++) {
        venus_create_buffer(&b, VENUS_DEVICE, id, 64, true);
        assert_int_equal(result(), VK_SUCCESS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_most_devices),
        TEST(test_ids),
        TEST(test_what_is_not_shown),
        TEST(test_queues),
        TEST(test_a_device_goes_with_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
