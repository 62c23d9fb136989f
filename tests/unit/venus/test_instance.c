/* SPDX-License-Identifier: MIT */
/*
 * venus/instance.c: version and lists, an instance that cannot be, devices enumerated with too
 * little room, under other ids, in groups, and drivers that cannot serve a guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/fake_vulkan.h"
#include "support/venus_fixture.h"
#include "venus_wire/info.h"

/* As fixture_setup, without instance. */
static int setup(void **state)
{
    (void)state;
    venus_bench_init(&bench, false);
    venus_ring_init(&ring, &bench, 65536, 0);
    b.size_bytes = 0;
    return 0;
}

#define EARLY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

static void again(void)
{
    (void)fixture_teardown(NULL);
    (void)setup(NULL);
}

static void create_instance(uint32_t layers, uint32_t extensions)
{
    venus_command(&b, PV_WIRE_COMMAND_vkCreateInstance, true);
    venus_info(&b, VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
    venus_u32(&b, 0);
    venus_u64(&b, 0);
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t count = i == 0 ? layers : extensions;

        venus_u32(&b, count);
        venus_u64(&b, count);
        for (uint32_t k = 0; k < count; k++) {
            venus_u64(&b, 4);
            venus_u32(&b, 0x00746164); /* "dat" */
        }
    }
    venus_created(&b, VENUS_INSTANCE);
}

/* Device ids that the guest offers; count is its room. */
static void enumerate(uint32_t count, const uint64_t *ids, bool has_ids)
{
    venus_command(&b, PV_WIRE_COMMAND_vkEnumeratePhysicalDevices, true);
    venus_u64(&b, VENUS_INSTANCE);
    venus_u64(&b, 1);
    venus_u32(&b, count);
    venus_ids(&b, has_ids ? count : 0, ids);
}

static void enumerate_groups(uint32_t count)
{
    venus_command(&b, PV_WIRE_COMMAND_vkEnumeratePhysicalDeviceGroups, true);
    venus_u64(&b, VENUS_INSTANCE);
    venus_u64(&b, 1);
    venus_u32(&b, count);
    venus_u64(&b, count);
    for (uint32_t i = 0; i < count; i++) {
        venus_u32(&b, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_GROUP_PROPERTIES);
        venus_u64(&b, 0);
        venus_u64(&b, VK_MAX_DEVICE_GROUP_SIZE); /* handles travel both ways */
        for (uint32_t k = 0; k < VK_MAX_DEVICE_GROUP_SIZE; k++) {
            venus_u64(&b, 0);
        }
    }
}

/* ---- before there is an instance ---- */

static void test_version_and_extensions(void **state)
{
    const uint32_t *words;

    (void)state;
    venus_instance_version(&b);
    words = answer();
    assert_int_equal(words[1], VK_SUCCESS);
    assert_int_equal(words[4], PV_WIRE_VK_XML_VERSION);
    venus_command(&b, PV_WIRE_COMMAND_vkEnumerateInstanceExtensionProperties, true);
    venus_u64(&b, 0);
    venus_u64(&b, 1);
    venus_u32(&b, 5);
    venus_u64(&b, 0);
    words = answer();
    assert_int_equal(words[1], VK_SUCCESS);
    assert_int_equal(words[4], 0); /* window systems are the guest's */
}

static void test_layers_and_extensions_are_refused(void **state)
{
    (void)state;
    create_instance(1, 0);
    venus_ring_push(&ring, &b);
    venus_bench_wait_lost(&bench);
    again();
    create_instance(0, 1);
    venus_ring_push(&ring, &b);
    venus_bench_wait_lost(&bench);
    again();
    create_instance(0, 0);
    assert_int_equal(result(), VK_SUCCESS);
}

/* A host without a driver: the guest is told, may try again, and nothing leaks. */
static void test_a_host_that_has_none(void **state)
{
    const uint64_t id = VENUS_PHYSICAL_DEVICE;

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        pv_fake_vulkan.create_instance = VK_ERROR_INCOMPATIBLE_DRIVER;
        create_instance(0, 0);
        assert_int_not_equal(result(), VK_SUCCESS);
        assert_int_equal(pv_fake_vulkan.live_count, 0);
    }
    pv_fake_vulkan.create_instance = VK_SUCCESS;
    create_instance(0, 0);
    assert_int_equal(result(), VK_SUCCESS);
    enumerate(1, &id, true);
    assert_int_equal(result(), VK_SUCCESS);
}

/* A driver below Vulkan 1.1, or one that imports no pages, is left out; the guest sees no device.
 */
static void test_devices_that_cannot_serve(void **state)
{
    const uint64_t id = VENUS_PHYSICAL_DEVICE;

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t *words;

        if (i == 0) {
            pv_fake_vulkan.facts.properties.apiVersion = VK_API_VERSION_1_0;
        } else {
            pv_fake_vulkan.imports_refused = UINT32_MAX;
            pv_fake_vulkan.named_import_bits = 0;
        }
        create_instance(0, 0);
        assert_int_equal(result(), VK_SUCCESS);
        enumerate(1, &id, true);
        words = answer();
        assert_int_equal(words[1], VK_SUCCESS);
        assert_int_equal(words[4], 0);
        enumerate_groups(4);
        assert_int_equal(answer()[4], 0);
        venus_create_device(&b, VENUS_PHYSICAL_DEVICE, VENUS_DEVICE);
        venus_ring_push(&ring, &b);
        venus_bench_wait_lost(&bench);
        again();
    }
}

/* ---- with an instance ---- */

static void test_enumeration(void **state)
{
    static const uint64_t ids[] = {VENUS_PHYSICAL_DEVICE, 78};
    const uint32_t *words;

    (void)state;
    enumerate(0, ids, false); /* how many? */
    words = answer();
    assert_int_equal(words[1], VK_SUCCESS);
    assert_int_equal(words[4], 1);
    enumerate(2, ids, true); /* room for more than there are */
    words = answer();
    assert_int_equal(words[1], VK_SUCCESS);
    assert_int_equal(words[4], 1);
    assert_int_equal(word64(words + 7), VENUS_PHYSICAL_DEVICE);
    venus_create_device(&b, 78, 50); /* an id that stands for nothing */
    assert_loses();
    enumerate(1, (const uint64_t[]){0}, true);
    assert_loses();
    enumerate(1, (const uint64_t[]){VENUS_QUEUE}, true);
    assert_loses();
}

/* Two rings of a program may ask at once; both get the same device. */
static void test_enumeration_again_and_again(void **state)
{
    static const uint64_t ids[] = {VENUS_PHYSICAL_DEVICE};

    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        enumerate(1, ids, true);
        assert_int_equal(result(), VK_SUCCESS);
    }
    enumerate(1, (const uint64_t[]){77}, true);
    assert_loses();
}

/* Each device is a group of its own, under the guest's id for it. */
static void test_groups(void **state)
{
    const uint32_t *words;

    (void)state;
    enumerate_groups(0);
    words = answer();
    assert_int_equal(words[1], VK_SUCCESS);
    assert_int_equal(words[4], 1);
    enumerate_groups(3);
    words = answer();
    assert_int_equal(words[1], VK_SUCCESS);
    assert_int_equal(words[4], 1);
    assert_int_equal(words[7], VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_GROUP_PROPERTIES);
    assert_int_equal(words[10], 1); /* devices in it */
    assert_int_equal(word64(words + 13), VENUS_PHYSICAL_DEVICE);
}

/* Groups before devices: their devices have no id yet. */
static void test_groups_before_devices(void **state)
{
    (void)state;
    create_instance(0, 0);
    assert_int_equal(result(), VK_SUCCESS);
    enumerate_groups(0);
    assert_int_equal(answer()[4], 1);
    enumerate_groups(1);
    venus_ring_push(&ring, &b);
    venus_bench_wait_lost(&bench);
}

static void test_destroyed_instances(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyInstance, VENUS_INSTANCE);
        run();
        assert_int_equal(pv_fake_vulkan.live_count, 0);
        assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_DEVICE), 0);
        venus_ring_start(&ring);
        b.size_bytes = 0;
    }
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyInstance, VENUS_INSTANCE);
    enumerate(0, NULL, false);
    assert_loses();
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyInstance, VENUS_DEVICE);
    assert_loses();
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyInstance, 0);
    assert_loses();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EARLY_TEST(test_version_and_extensions),
        EARLY_TEST(test_layers_and_extensions_are_refused),
        EARLY_TEST(test_a_host_that_has_none),
        EARLY_TEST(test_devices_that_cannot_serve),
        TEST(test_enumeration),
        TEST(test_enumeration_again_and_again),
        TEST(test_groups),
        EARLY_TEST(test_groups_before_devices),
        TEST(test_destroyed_instances),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
