/* SPDX-License-Identifier: MIT */
/*
 * vkhost/probe.c: facts of a driver come back as they are; a type that is named for imports and
 * then refuses one does not count; nothing is left behind.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "support/fake_vulkan.h"
#include "vkhost/probe.h"

static struct pv_vkhost_facts facts;

static int probe(const char *profile, uint32_t refused, VkResult create_device, char *reason)
{
    struct pv_vkhost_loader loader;
    struct pv_vkhost_instance instance;
    VkPhysicalDevice devices[PV_VKHOST_LOADER_DEVICES_MAX];
    uint32_t count;
    int r;

    pv_fake_vulkan_reset(profile);
    pv_fake_vulkan.imports_refused = refused;
    pv_fake_vulkan.create_device = create_device;
    assert_int_equal(pv_vkhost_loader_init(pv_fake_vulkan_entry, &loader), 0);
    assert_int_equal(
        pv_vkhost_instance_create(&loader, VK_API_VERSION_1_3, NULL, NULL, 0, &instance),
        VK_SUCCESS);
    assert_int_equal(pv_vkhost_instance_devices_list(&instance, devices, &count), VK_SUCCESS);
    r = pv_vkhost_probe_run(&instance, devices[0], &facts, reason);
    pv_vkhost_instance_destroy(&instance);
    assert_int_equal(pv_fake_vulkan.live_count, 0);
    return r;
}

static void test_facts_come_back(void **state)
{
    const struct pv_vkhost_facts *driver = &pv_fake_vulkan.facts;

    (void)state;
    assert_int_equal(probe("nvidia-h200-580.159", 0, VK_SUCCESS, NULL), 0);
    assert_string_equal(facts.properties.deviceName, "NVIDIA H200");
    assert_int_equal(facts.extension_count, driver->extension_count);
    assert_memory_equal(&facts.memory, &driver->memory, sizeof(facts.memory));
    assert_int_equal(facts.queue_family_count, 5);
    assert_int_equal(facts.import_alignment_bytes, 4096);
    assert_int_equal(facts.max_allocation_bytes, driver->max_allocation_bytes);
    assert_int_equal(facts.import_type_bits, 0xc);
    assert_int_equal(facts.buffer_type_bits, 0x1f);
    assert_int_equal(facts.linear_type_bits, 0x1f);
    assert_int_equal(facts.optimal_type_bits, 0x3);
    assert_true(facts.has_timeline);
    assert_true(facts.has_features2);
    /* Declaring host memory changes what the driver asks for: leave it. */
    assert_false(facts.buffers_take_host_handle);
    assert_false(facts.images_take_host_handle);
}

static void test_refused_imports_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(probe("nvidia-h200-580.159", 0x4, VK_SUCCESS, NULL), 0);
    assert_int_equal(pv_fake_vulkan.import_count, 2);
    assert_int_equal(facts.import_type_bits, 0x8);
    assert_int_equal(probe("nvidia-h200-580.159", UINT32_MAX, VK_SUCCESS, NULL), 0);
    assert_int_equal(facts.import_type_bits, 0);
}

static void test_large_alignment_is_met(void **state)
{
    (void)state;
    assert_int_equal(probe("kosmickrisp-26", 0, VK_SUCCESS, NULL), 0);
    assert_int_equal(facts.import_alignment_bytes, 16384);
    assert_int_equal(facts.import_type_bits, 1);
}

static void test_failures(void **state)
{
    char reason[256] = "";

    (void)state;
    assert_int_equal(probe("lavapipe-25.0.7", 0, VK_ERROR_OUT_OF_DEVICE_MEMORY, reason), -EIO);
    assert_non_null(strstr(reason, "create a device"));
    assert_int_equal(probe("lavapipe-25.0.7", 0, VK_ERROR_OUT_OF_DEVICE_MEMORY, NULL), -EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts_come_back),
        cmocka_unit_test(test_refused_imports_do_not_count),
        cmocka_unit_test(test_large_alignment_is_met),
        cmocka_unit_test(test_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
