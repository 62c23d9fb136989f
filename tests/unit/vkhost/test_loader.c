/* SPDX-License-Identifier: MIT */
/*
 * vkhost/loader.c: no loader, an old one, and instances.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "support/fake_vulkan.h"
#include "vkhost/loader.h"

static void test_missing_loader(void **state)
{
    struct pv_vkhost_loader loader = {0};
    char reason[256] = "";

    (void)state;
    assert_int_equal(pv_vkhost_loader_open("/nonexistent/libvulkan.so", &loader, reason), -ENOENT);
    assert_non_null(strstr(reason, "/nonexistent/libvulkan.so"));
    assert_int_equal(pv_vkhost_loader_open("/nonexistent/libvulkan.so", &loader, NULL), -ENOENT);
    /* A library that is none. */
    assert_int_equal(pv_vkhost_loader_open("libm.so.6", &loader, reason), -ENOTSUP);
    pv_vkhost_loader_close(&loader);
}

static void test_old_loader(void **state)
{
    struct pv_vkhost_loader loader = {0};

    (void)state;
    pv_fake_vulkan_reset("lavapipe-25.0.7");
    pv_fake_vulkan.api_version = VK_API_VERSION_1_0;
    assert_int_equal(pv_vkhost_loader_init(pv_fake_vulkan_entry, &loader), -ENOTSUP);
    assert_null(loader.get_instance_proc_addr);
}

static void test_instance(void **state)
{
    struct pv_vkhost_loader loader;
    struct pv_vkhost_instance instance = {0};
    VkPhysicalDevice devices[PV_VKHOST_LOADER_DEVICES_MAX];
    uint32_t count;

    (void)state;
    pv_fake_vulkan_reset("lavapipe-25.0.7");
    assert_int_equal(pv_vkhost_loader_init(pv_fake_vulkan_entry, &loader), 0);
    assert_int_equal(
        pv_vkhost_instance_create(&loader, VK_API_VERSION_1_0, NULL, NULL, 0, &instance),
        VK_SUCCESS);
    assert_int_equal(instance.api_version, VK_API_VERSION_1_1);
    assert_int_equal(pv_vkhost_instance_devices_list(&instance, devices, &count), VK_SUCCESS);
    assert_int_equal(count, 1);
    pv_vkhost_instance_destroy(&instance);
    pv_vkhost_instance_destroy(&instance); /* a zeroed one is fine */
    assert_int_equal(pv_fake_vulkan.live_count, 0);

    assert_int_equal(
        pv_vkhost_instance_create(&loader, VK_API_VERSION_1_4, "x", NULL, 0, &instance),
        VK_SUCCESS);
    assert_int_equal(instance.api_version, VK_API_VERSION_1_3); /* the loader's */
    pv_vkhost_instance_destroy(&instance);
    pv_fake_vulkan.create_instance = VK_ERROR_INCOMPATIBLE_DRIVER;
    assert_int_equal(
        pv_vkhost_instance_create(&loader, VK_API_VERSION_1_3, "x", NULL, 0, &instance),
        VK_ERROR_INCOMPATIBLE_DRIVER);
    assert_null(instance.handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_loader),
        cmocka_unit_test(test_old_loader),
        cmocka_unit_test(test_instance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
