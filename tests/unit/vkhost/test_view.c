/* SPDX-License-Identifier: MIT */
/*
 * vkhost/view.c against the recorded profiles: what stock Mesa wants before it shows a swapchain,
 * for each driver; and devices that cannot serve a guest.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "support/profile.h"
#include "venus_wire/info.h"
#include "vkhost/items.h"
#include "vkhost/query.h"

static const char *const profiles[] = {
    "lavapipe-25.0.7", "lavapipe-26.2.6", "nvidia-h200-580.159", "moltenvk-1.4.2", "kosmickrisp-26",
};

static struct pv_vkhost_facts facts;
static struct pv_vkhost_view view;

/* vn_physical_device.c of Mesa 25.0.7: external memory, swapchain, synchronization2, fence fds. */
static void test_gates_of_mesa_are_open(void **state)
{
    static const char *const names[] = {
        "VK_EXT_external_memory_dma_buf",   "VK_KHR_external_memory_fd",
        "VK_EXT_image_drm_format_modifier", "VK_EXT_queue_family_foreign",
        "VK_KHR_external_semaphore_fd",     "VK_KHR_external_fence_fd",
        "VK_KHR_synchronization2",          "VK_KHR_timeline_semaphore",
        "VK_KHR_image_format_list",
    };

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(profiles); i++) {
        pv_test_profile_load(profiles[i], &facts);
        pv_test_profile_view(&facts, &view);
        for (size_t k = 0; k < PV_ARRAY_LEN(names); k++) {
            assert_true(pv_vkhost_view_has_extension(&view, names[k]));
        }
        assert_true(view.api_version >= VK_API_VERSION_1_3);
        assert_true(view.api_version <= PV_WIRE_VK_XML_VERSION);
    }
}

static void test_semaphores_and_fences_take_sync_files(void **state)
{
    const VkPhysicalDeviceExternalSemaphoreInfo semaphore_info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
        .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
    };
    const VkPhysicalDeviceExternalFenceInfo fence_info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_FENCE_INFO,
        .handleType = VK_EXTERNAL_FENCE_HANDLE_TYPE_SYNC_FD_BIT,
    };

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(profiles); i++) {
        VkExternalSemaphoreProperties semaphore = {0};
        VkExternalFenceProperties fence = {0};

        pv_test_profile_load(profiles[i], &facts);
        pv_test_profile_view(&facts, &view);
        pv_vkhost_query_external_semaphore_get(&view, &semaphore_info, &semaphore);
        pv_vkhost_query_external_fence_get(&view, &fence_info, &fence);
        assert_int_equal(semaphore.externalSemaphoreFeatures, 3);
        assert_int_equal(fence.externalFenceFeatures, 3);
    }
}

/* wsi_common.c wants a DEVICE_LOCAL type for its images; vn_feedback.c a HOST_COHERENT one. */
static void test_memory_types_that_mesa_wants(void **state)
{
    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(profiles); i++) {
        VkMemoryPropertyFlags images = 0;
        bool has_hidden = false;
        bool has_coherent = false;
        bool has_cached = false;
        uint32_t bits;

        pv_test_profile_load(profiles[i], &facts);
        pv_test_profile_view(&facts, &view);
        bits = pv_vkhost_memory_bits_translate(&view.memory, facts.linear_type_bits,
                                               PV_VKHOST_RESOURCE_EXTERNAL);
        for (uint32_t k = 0; k < view.memory.type_count; k++) {
            const VkMemoryPropertyFlags flags = view.memory.types[k].flags;

            if ((bits >> k & 1) != 0) {
                images |= flags;
                has_hidden |= flags == VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
            }
            has_coherent |= (flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0;
            has_cached |= (flags & 0xe) == 0xe;
            /* Every type that can be mapped is pages of ours, and coherent. */
            if ((flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0) {
                assert_true((flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) != 0);
                assert_int_equal(view.memory.types[k].plain.kind, PV_VKHOST_MEMORY_IMPORT);
            }
        }
        assert_true((images & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) != 0);
        assert_true(has_hidden);
        assert_true(has_coherent);
        assert_true(has_cached);
        assert_int_not_equal(pv_vkhost_memory_bits_translate(&view.memory, facts.optimal_type_bits,
                                                             PV_VKHOST_RESOURCE_OPTIMAL),
                             0);
        assert_int_not_equal(pv_vkhost_memory_bits_translate(&view.memory, facts.buffer_type_bits,
                                                             PV_VKHOST_RESOURCE_LINEAR),
                             0);
    }
}

static void test_nothing_hidden_is_shown(void **state)
{
    uint32_t count;
    const struct pv_vkhost_item *items = pv_vkhost_items_get(&count);

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(profiles); i++) {
        pv_test_profile_load(profiles[i], &facts);
        pv_test_profile_view(&facts, &view);
        for (uint32_t k = 0; k < count; k++) {
            if (items[k].kind == PV_VKHOST_ITEM_HIDDEN) {
                assert_false(pv_vkhost_view_has_extension(&view, items[k].name));
            }
        }
        for (uint32_t k = 0; k < view.extension_count; k++) {

            assert_true(view.extensions[k].specVersion > 0);
            for (uint32_t m = 0; m < k; m++) {
                assert_string_not_equal(view.extensions[k].extensionName,
                                        view.extensions[m].extensionName);
            }
        }
    }
}

static void test_cpu_driver_is_shown_as_virtual_gpu(void **state)
{
    (void)state;
    pv_test_profile_load("lavapipe-25.0.7", &facts);
    pv_test_profile_view(&facts, &view);
    assert_int_equal(view.device_type, VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU);
    assert_string_equal(view.device_name, "lavapipe (LLVM 19.1.7, 256 bits)");
    pv_test_profile_load("nvidia-h200-580.159", &facts);
    pv_test_profile_view(&facts, &view);
    assert_int_equal(view.device_type, VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU);
    assert_string_equal(view.device_name, "NVIDIA H200");
}

/* By what a driver reports, not by its name. */
static void test_names_decide_nothing_but_the_name(void **state)
{
    static struct pv_vkhost_view renamed;

    (void)state;
    pv_test_profile_load("nvidia-h200-580.159", &facts);
    pv_test_profile_view(&facts, &view);
    strcpy(facts.properties.deviceName, "llvmpipe");
    strcpy(facts.driver_name, "llvmpipe");
    facts.driver_id = VK_DRIVER_ID_MESA_LLVMPIPE;
    pv_test_profile_view(&facts, &renamed);
    assert_string_equal(renamed.device_name, "lavapipe");
    assert_memory_equal(&renamed.memory, &view.memory, sizeof(view.memory));
    assert_memory_equal(renamed.extensions, view.extensions, sizeof(view.extensions));
    assert_int_equal(renamed.device_type, view.device_type);
}

static void test_trailing_families_without_transfer_are_left_out(void **state)
{
    const VkMemoryPropertyFlags types[] = {0xf};

    (void)state;
    pv_test_profile_make(types, 1, 1, &facts);
    facts.queue_family_count = 3;
    facts.queue_families[1].queueFlags = VK_QUEUE_COMPUTE_BIT;
    facts.queue_families[2].queueFlags = VK_QUEUE_VIDEO_DECODE_BIT_KHR;
    pv_test_profile_view(&facts, &view);
    assert_int_equal(view.queue_family_count, 2);
    facts.queue_families[0].queueFlags = 0;
    facts.queue_families[1].queueFlags = 0;
    assert_int_equal(pv_test_profile_view_try(&facts, &view, NULL), -ENOTSUP);
}

static void test_unusable_devices_are_told_apart(void **state)
{
    const VkMemoryPropertyFlags types[] = {0xf};
    char reason[256];

    (void)state;
    pv_test_profile_make(types, 1, 1, &facts);
    facts.properties.apiVersion = VK_API_VERSION_1_0;
    assert_int_equal(pv_test_profile_view_try(&facts, &view, reason), -ENOTSUP);
    assert_non_null(strstr(reason, "older than Vulkan 1.1"));
    pv_test_profile_make(types, 1, 0, &facts);
    facts.import_alignment_bytes = 0;
    assert_int_equal(pv_test_profile_view_try(&facts, &view, reason), -ENOTSUP);
    assert_non_null(strstr(reason, "VK_EXT_external_memory_host"));
    pv_test_profile_make(types, 1, 0, &facts);
    assert_int_equal(pv_test_profile_view_try(&facts, &view, reason), -ENOTSUP);
    assert_non_null(strstr(reason, "imports no shared memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gates_of_mesa_are_open),
        cmocka_unit_test(test_semaphores_and_fences_take_sync_files),
        cmocka_unit_test(test_memory_types_that_mesa_wants),
        cmocka_unit_test(test_nothing_hidden_is_shown),
        cmocka_unit_test(test_cpu_driver_is_shown_as_virtual_gpu),
        cmocka_unit_test(test_names_decide_nothing_but_the_name),
        cmocka_unit_test(test_trailing_families_without_transfer_are_left_out),
        cmocka_unit_test(test_unusable_devices_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
