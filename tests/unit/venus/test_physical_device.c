/* SPDX-License-Identifier: MIT */
/*
 * venus/physical_device.c: each query answers with the view and not with the driver alone, in both
 * of its forms; counts that ask for too much; handles of other things.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/fake_vulkan.h"
#include "support/venus_fixture.h"

#define TILING_MODIFIER VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT

static void query(uint32_t number)
{
    venus_command(&b, number, true);
    venus_u64(&b, VENUS_PHYSICAL_DEVICE);
}

/* An output struct that is one sType and no chain, or a plain one. */
static void output(uint32_t s_type)
{
    venus_u64(&b, 1);
    if (s_type != 0) {
        venus_u32(&b, s_type);
        venus_u64(&b, 0);
    }
}

static void test_features(void **state)
{
    const uint32_t *words;

    (void)state;
    query(PV_WIRE_COMMAND_vkGetPhysicalDeviceFeatures);
    output(0);
    words = answer();
    assert_int_equal(words[3], VK_TRUE); /* robustBufferAccess */
    for (uint32_t i = 0; i < 2; i++) {   /* sparseBinding, sparseResidencyBuffer */
        const size_t at = offsetof(VkPhysicalDeviceFeatures, sparseBinding) / 4 + i;

        assert_int_equal(words[3 + at], VK_FALSE);
    }
    query(PV_WIRE_COMMAND_vkGetPhysicalDeviceFeatures2);
    output(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
    words = answer();
    assert_int_equal(words[3], VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
}

static void test_properties(void **state)
{
    uint32_t words[2][8];

    (void)state;
    query(PV_WIRE_COMMAND_vkGetPhysicalDeviceProperties);
    output(0);
    memcpy(words[0], answer() + 3, sizeof(words[0]));
    query(PV_WIRE_COMMAND_vkGetPhysicalDeviceProperties2);
    output(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
    memcpy(words[1], answer() + 6, sizeof(words[1]));
    assert_memory_equal(words[0], words[1], sizeof(words[0]));
    assert_int_equal(VK_API_VERSION_MAJOR(words[0][0]), 1);
    assert_int_equal(words[0][2], pv_fake_vulkan.facts.properties.vendorID);
    assert_int_equal(words[0][4], VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU); /* the driver says CPU */
}

/* Formats: LINEAR is the only modifier, and only where the driver samples linear images. */
static void test_formats(void **state)
{
    const uint32_t *words;

    (void)state;
    query(PV_WIRE_COMMAND_vkGetPhysicalDeviceFormatProperties);
    venus_u32(&b, VK_FORMAT_B8G8R8A8_UNORM);
    output(0);
    words = answer();
    assert_int_equal(words[3], VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT);
    assert_int_equal(words[4], VK_FORMAT_FEATURE_TRANSFER_SRC_BIT);

    for (uint32_t i = 0; i < 2; i++) {
        query(PV_WIRE_COMMAND_vkGetPhysicalDeviceFormatProperties2);
        venus_u32(&b, i == 0 ? VK_FORMAT_B8G8R8A8_UNORM : VK_FORMAT_R8_UNORM);
        venus_u64(&b, 1);
        venus_u32(&b, VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2);
        venus_u64(&b, 1);
        venus_u32(&b, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT);
        venus_u64(&b, 0);
        venus_u32(&b, 0);
        venus_u64(&b, 0); /* no room: how many? */
        words = answer();
        assert_int_equal(words[6], VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT);
        assert_int_equal(words[9], i == 0 ? 1 : 0);
    }
}

static void image_format(bool is_second, uint32_t tiling)
{
    query(is_second ? PV_WIRE_COMMAND_vkGetPhysicalDeviceImageFormatProperties2
                    : PV_WIRE_COMMAND_vkGetPhysicalDeviceImageFormatProperties);
    if (is_second) {
        venus_u64(&b, 1);
        venus_u32(&b, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2);
        if (tiling == TILING_MODIFIER) {
            venus_u64(&b, 1);
            venus_u32(&b, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT);
            venus_u64(&b, 0);
            venus_u64(&b, 0); /* LINEAR */
            venus_u32(&b, 0);
            venus_u32(&b, 0);
            venus_u64(&b, 0);
        } else {
            venus_u64(&b, 0);
        }
    }
    venus_u32(&b, VK_FORMAT_B8G8R8A8_UNORM);
    venus_u32(&b, VK_IMAGE_TYPE_2D);
    venus_u32(&b, tiling);
    venus_u32(&b, VK_IMAGE_USAGE_SAMPLED_BIT);
    venus_u32(&b, 0);
    output(is_second ? VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2 : 0);
}

static void test_image_formats(void **state)
{
    static const char name[] = "vkGetPhysicalDeviceImageFormatProperties2";
    const uint32_t *words;

    (void)state;
    image_format(false, VK_IMAGE_TILING_OPTIMAL);
    words = answer();
    assert_int_equal(words[1], VK_SUCCESS);
    assert_int_equal(words[4], 4096);
    assert_int_equal(fake_driver_last_call(name).values[0], VK_IMAGE_TILING_OPTIMAL);
    image_format(true, TILING_MODIFIER);
    words = answer();
    assert_int_equal(words[1], VK_SUCCESS);
    assert_int_equal(words[7], 4096);
    assert_int_equal(fake_driver_last_call(name).values[0], VK_IMAGE_TILING_LINEAR);
}

/* Room for more families than are shown, for fewer, and for none: the driver never writes more. */
static void test_queue_families(void **state)
{
    const uint32_t shown = 1;
    const uint32_t *words;

    (void)state;
    for (uint32_t form = 0; form < 2; form++) {
        for (uint32_t room = 0; room < 4; room++) {
            query(form == 0 ? PV_WIRE_COMMAND_vkGetPhysicalDeviceQueueFamilyProperties
                            : PV_WIRE_COMMAND_vkGetPhysicalDeviceQueueFamilyProperties2);
            venus_u64(&b, 1);
            venus_u32(&b, room);
            venus_u64(&b, room);
            for (uint32_t i = 0; i < room && form == 1; i++) {
                venus_u32(&b, VK_STRUCTURE_TYPE_QUEUE_FAMILY_PROPERTIES_2);
                venus_u64(&b, 0);
            }
            words = answer();
            assert_int_equal(words[3], shown);
            if (room > 0) {
                const uint32_t flags = words[form == 0 ? 6 : 9];

                assert_int_not_equal(flags & VK_QUEUE_GRAPHICS_BIT, 0);
                assert_int_equal(flags & (VK_QUEUE_PROTECTED_BIT | VK_QUEUE_SPARSE_BINDING_BIT), 0);
            }
        }
    }
    assert_int_equal(fake_driver_last_call("vkGetPhysicalDeviceQueueFamilyProperties2").values[0],
                     shown);
}

/* More outputs than the reply has room for are refused before anybody writes them. */
static void test_counts_past_the_reply(void **state)
{
    static const uint32_t counts[] = {65536, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(counts); i++) {
        query(PV_WIRE_COMMAND_vkGetPhysicalDeviceQueueFamilyProperties);
        venus_u64(&b, 1);
        venus_u32(&b, counts[i]);
        venus_u64(&b, counts[i]);
        venus_set_reply(&bench.stream, ring.layout.resource_id, ring.reply_offset, 64);
        venus_ring_push(&ring, &b);
        venus_bench_wait_lost(&bench);
        (void)fixture_teardown(NULL);
        (void)fixture_setup(NULL);
    }
}

static void array_sizes(void)
{
    venus_u64(&b, VK_MAX_MEMORY_TYPES);
    venus_u64(&b, VK_MAX_MEMORY_HEAPS);
}

/* The guest's memory, not the driver's: its heap ends at the limit of this context. */
static void test_memory(void **state)
{
    uint32_t first[64];
    const uint32_t *words;

    (void)state;
    query(PV_WIRE_COMMAND_vkGetPhysicalDeviceMemoryProperties);
    output(0);
    array_sizes();
    words = answer();
    assert_true(words[3] >= 1);
    memcpy(first, words + 3, sizeof(first));
    query(PV_WIRE_COMMAND_vkGetPhysicalDeviceMemoryProperties2);
    output(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2);
    array_sizes();
    words = answer() + 6;
    assert_memory_equal(first, words, sizeof(first));
    /* Number of types, 32 types of two words behind their number, the same for heaps. */
    assert_int_equal(words[3 + 64], 1);
    assert_int_equal(word64(words + 3 + 64 + 1 + 2), VENUS_BENCH_MEMORY_BYTES);
}

static void sparse(bool is_second, uint32_t tiling)
{
    query(is_second ? PV_WIRE_COMMAND_vkGetPhysicalDeviceSparseImageFormatProperties2
                    : PV_WIRE_COMMAND_vkGetPhysicalDeviceSparseImageFormatProperties);
    if (is_second) {
        venus_info(&b, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SPARSE_IMAGE_FORMAT_INFO_2);
    }
    venus_u32(&b, VK_FORMAT_B8G8R8A8_UNORM);
    venus_u32(&b, VK_IMAGE_TYPE_2D);
    venus_u32(&b, VK_SAMPLE_COUNT_1_BIT);
    venus_u32(&b, VK_IMAGE_USAGE_SAMPLED_BIT);
    venus_u32(&b, tiling);
    venus_u64(&b, 1);
    venus_u32(&b, 0);
    venus_u64(&b, 0);
}

/* A modifier is nothing that a driver without modifiers may be asked about. */
static void test_sparse_formats(void **state)
{
    (void)state;
    for (uint32_t form = 0; form < 2; form++) {
        sparse(form == 1, VK_IMAGE_TILING_OPTIMAL);
        assert_int_equal(answer()[3], 1);
        sparse(form == 1, TILING_MODIFIER);
        assert_int_equal(answer()[3], 0);
    }
    assert_int_equal(fake_driver_last_call("vkGetPhysicalDeviceSparseImageFormatProperties").count,
                     2);
    assert_int_equal(
        fake_driver_last_call("vkGetPhysicalDeviceSparseImageFormatProperties").values[0],
        VK_IMAGE_TILING_OPTIMAL);
}

static void extensions(uint32_t room, bool has_layer)
{
    query(PV_WIRE_COMMAND_vkEnumerateDeviceExtensionProperties);
    venus_u64(&b, has_layer ? 4 : 0);
    if (has_layer) {
        venus_u32(&b, 0x00746164);
    }
    venus_u64(&b, 1);
    venus_u32(&b, room);
    venus_u64(&b, room);
}

static void test_extensions(void **state)
{
    const uint32_t *words;
    uint32_t count;

    (void)state;
    extensions(0, false);
    words = answer();
    assert_int_equal(words[1], VK_SUCCESS);
    count = words[4];
    assert_true(count > 20);
    extensions(1, false);
    words = answer();
    assert_int_equal(words[1], VK_INCOMPLETE);
    assert_int_equal(words[4], 1);
    extensions(count, false);
    words = answer();
    assert_int_equal(words[1], VK_SUCCESS);
    assert_int_equal(words[4], count);
    extensions(0, true); /* layers are the guest's */
    assert_loses();
}

static void test_handles(void **state)
{
    static const uint64_t bad[] = {0, 99, VENUS_DEVICE, VENUS_INSTANCE, UINT64_MAX};
    static const uint32_t numbers[] = {PV_WIRE_COMMAND_vkGetPhysicalDeviceFeatures,
                                       PV_WIRE_COMMAND_vkGetPhysicalDeviceProperties,
                                       PV_WIRE_COMMAND_vkGetPhysicalDeviceMemoryProperties};

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        for (size_t k = 0; k < PV_ARRAY_LEN(numbers); k++) {
            venus_command(&b, numbers[k], true);
            venus_u64(&b, bad[i]);
            output(0);
            assert_loses();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_features),      TEST(test_properties),     TEST(test_formats),
        TEST(test_image_formats), TEST(test_queue_families), TEST(test_counts_past_the_reply),
        TEST(test_memory),        TEST(test_sparse_formats), TEST(test_extensions),
        TEST(test_handles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
