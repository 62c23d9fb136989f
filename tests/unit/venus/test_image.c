/* SPDX-License-Identifier: MIT */
/*
 * venus/image.c: modifier images as LINEAR ones of the driver, demanded layouts, requirements,
 * binds and layouts by all questions; and what is poisoned, freed, foreign, or does not fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/venus_fixture.h"

#define PAGE UINT64_C(4096)

#define TILING_MODIFIER VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT
#define PLANE_0         VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT
#define COLOR           VK_IMAGE_ASPECT_COLOR_BIT

enum { IMAGE = 10, MODIFIER = 11, MEMORY = 12, POISONED = 13, DEVICE2 = 14, FOREIGN = 15 };

/* 4 bytes per pixel: 2048 bytes in rows of 128. */
static const struct venus_image plain = {.width = 32, .height = 16};
static const struct venus_image linear_modifier = {
    .width = 32,
    .height = 16,
    .tiling = TILING_MODIFIER,
    .modifier_count = 2,
    .modifiers = {UINT64_C(0x0100000000000001), 0},
    .external_types = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
};

static void prepare(void)
{
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, DEVICE2);
    assert_int_equal(result(), VK_SUCCESS);
    venus_create_image(&b, VENUS_DEVICE, IMAGE, &plain, false);
    venus_create_image(&b, DEVICE2, FOREIGN, &plain, false);
    venus_create_image(&b, VENUS_DEVICE, MODIFIER, &linear_modifier, false);
    venus_allocate(&b, VENUS_DEVICE, MEMORY, PAGE, venus_bench_visible_type(), 0, false, false);
    run();
    fake_driver_fail_next("vkCreateImage", VK_ERROR_OUT_OF_HOST_MEMORY);
    venus_create_image(&b, VENUS_DEVICE, POISONED, &plain, false);
    run();
}

/* ---- creation ---- */

static void test_a_modifier_is_linear_tiling(void **state)
{
    struct fake_driver_call call;

    (void)state;
    venus_create_image(&b, VENUS_DEVICE, 20, &linear_modifier, true);
    assert_int_equal(result(), VK_SUCCESS);
    call = fake_driver_last_call("vkCreateImage");
    assert_int_equal(call.values[0], VK_IMAGE_TILING_LINEAR);
    assert_int_equal(call.values[2], 0); /* the guest's chain is not for this driver */
    venus_create_image(&b, VENUS_DEVICE, 21, &plain, true);
    assert_int_equal(result(), VK_SUCCESS);
    assert_int_equal(fake_driver_last_call("vkCreateImage").values[0], VK_IMAGE_TILING_OPTIMAL);
}

/* Compositor and client agree on rows: what the driver makes has to be what was demanded. */
static void test_a_demanded_layout(void **state)
{
    struct venus_image image = {
        .width = 32,
        .height = 16,
        .tiling = TILING_MODIFIER,
        .has_layout = true,
        .row_bytes = 128,
    };
    const unsigned before = fake_driver_live(VK_OBJECT_TYPE_IMAGE);

    (void)state;
    venus_create_image(&b, VENUS_DEVICE, 20, &image, true);
    assert_int_equal(result(), VK_SUCCESS);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_IMAGE), before + 1);

    image.row_bytes = 256; /* the driver's rows are closer: its image goes again */
    venus_create_image(&b, VENUS_DEVICE, 21, &image, true);
    assert_int_equal(result(), VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_IMAGE), before + 1);
    image.row_bytes = 128;
    image.offset = 64;
    venus_create_image(&b, VENUS_DEVICE, 21, &image, true);
    assert_int_equal(result(), VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT);
    image.offset = 0;
    image.modifiers[0] = 1;
    venus_create_image(&b, VENUS_DEVICE, 21, &image, true);
    assert_int_equal(result(), VK_ERROR_FORMAT_NOT_SUPPORTED);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_IMAGE), before + 1);

    /* Unasked: a poisoned image, which can be destroyed like any other. */
    image.modifiers[0] = 0;
    image.row_bytes = 256;
    venus_create_image(&b, VENUS_DEVICE, 21, &image, false);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyImage, VENUS_DEVICE, 21);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyImage, VENUS_DEVICE, 20);
    run();
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_IMAGE), before);
}

static void test_modifiers_without_linear(void **state)
{
    struct venus_image image = linear_modifier;

    (void)state;
    image.modifier_count = 1;
    venus_create_image(&b, VENUS_DEVICE, 20, &image, true);
    assert_int_equal(result(), VK_ERROR_FORMAT_NOT_SUPPORTED);
    image.modifier_count = 0; /* modifier tiling, and no modifier at all */
    venus_create_image(&b, VENUS_DEVICE, 20, &image, true);
    assert_int_equal(result(), VK_ERROR_FORMAT_NOT_SUPPORTED);
    fake_driver_fail_next("vkCreateImage", VK_ERROR_OUT_OF_DEVICE_MEMORY);
    venus_create_image(&b, VENUS_DEVICE, 20, &plain, true);
    assert_int_equal(result(), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    venus_create_image(&b, VENUS_DEVICE, 20, &plain, true);
    assert_int_equal(result(), VK_SUCCESS); /* the id is still free */
    venus_create_image(&b, VENUS_DEVICE, 20, &plain, false);
    assert_loses();
}

static void ask_modifier(uint64_t id)
{
    venus_command(&b, PV_WIRE_COMMAND_vkGetImageDrmFormatModifierPropertiesEXT, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_u64(&b, id);
    venus_info(&b, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_PROPERTIES_EXT);
}

static void test_which_modifier(void **state)
{
    const uint32_t *words;

    (void)state;
    ask_modifier(MODIFIER);
    words = answer();
    assert_int_equal(words[1], VK_SUCCESS);
    assert_int_equal(word64(words + 7), 0); /* LINEAR */
    ask_modifier(IMAGE);
    assert_int_equal(result(), VK_ERROR_UNKNOWN);
    ask_modifier(FOREIGN);
    assert_loses();
}

/* ---- requirements ---- */

static void ask(uint64_t id)
{
    venus_command(&b, PV_WIRE_COMMAND_vkGetImageMemoryRequirements, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_u64(&b, id);
    venus_u64(&b, 1);
}

/* plane 0: no VkImagePlaneMemoryRequirementsInfo. */
static void ask2(uint64_t id, uint32_t plane)
{
    venus_command(&b, PV_WIRE_COMMAND_vkGetImageMemoryRequirements2, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_u64(&b, 1);
    venus_u32(&b, VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2);
    if (plane != 0) {
        venus_u64(&b, 1);
        venus_u32(&b, VK_STRUCTURE_TYPE_IMAGE_PLANE_MEMORY_REQUIREMENTS_INFO);
        venus_u64(&b, 0);
        venus_u32(&b, plane);
    } else {
        venus_u64(&b, 0);
    }
    venus_u64(&b, id);
    venus_info(&b, VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2);
}

static void ask_device(const struct venus_image *image, uint32_t plane)
{
    venus_command(&b, PV_WIRE_COMMAND_vkGetDeviceImageMemoryRequirements, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_info(&b, VK_STRUCTURE_TYPE_DEVICE_IMAGE_MEMORY_REQUIREMENTS);
    venus_image_info(&b, image);
    venus_u32(&b, plane);
    venus_info(&b, VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2);
}

/* A modifier image may be shared, so the guest sees whole pages. */
static void test_requirements(void **state)
{
    const uint32_t visible = 1u << venus_bench_visible_type();
    const uint32_t *words;

    (void)state;
    ask(IMAGE);
    assert_int_equal(word64(answer() + 3), 2048);
    ask2(IMAGE, 0);
    assert_int_equal(word64(answer() + 6), 2048);
    ask(MODIFIER);
    words = answer();
    assert_int_equal(word64(words + 3), PAGE);
    assert_int_not_equal(words[7] & visible, 0);
    ask2(MODIFIER, PLANE_0);
    words = answer();
    assert_int_equal(word64(words + 6), PAGE);
    assert_int_not_equal(words[10] & visible, 0);
    /* A memory plane means nothing to a driver whose image is LINEAR. */
    assert_int_equal(fake_driver_last_call("vkGetImageMemoryRequirements2").values[0], 0);
    ask_device(&linear_modifier, PLANE_0);
    words = answer();
    assert_int_equal(word64(words + 6), PAGE);
    assert_int_not_equal(words[10] & visible, 0);
    assert_int_equal(fake_driver_last_call("vkGetDeviceImageMemoryRequirements").values[0], 0);
    assert_int_equal(fake_driver_last_call("vkGetDeviceImageMemoryRequirements").values[1],
                     VK_IMAGE_TILING_LINEAR);
}

static void test_requirements_of_what_cannot_be(void **state)
{
    struct venus_image image = linear_modifier;

    (void)state;
    image.modifier_count = 1;
    ask_device(&image, PLANE_0);
    assert_int_equal(word64(answer() + 6), 0);
    assert_int_equal(fake_driver_last_call("vkGetDeviceImageMemoryRequirements").count, 0);
    ask(POISONED);
    assert_int_equal(word64(answer() + 3), 0);
    ask2(POISONED, 0);
    assert_int_equal(word64(answer() + 6), 0);
    ask(FOREIGN);
    assert_loses();
    ask2(MEMORY, 0);
    assert_loses();
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyImage, VENUS_DEVICE, IMAGE);
    ask(IMAGE);
    assert_loses();
}

/* ---- binds ---- */

static void bind_one(uint64_t image, uint64_t memory, uint64_t offset)
{
    venus_command(&b, PV_WIRE_COMMAND_vkBindImageMemory, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_u64(&b, image);
    venus_u64(&b, memory);
    venus_u64(&b, offset);
}

static void bind2(uint64_t image, uint64_t memory, uint64_t offset, uint32_t plane)
{
    venus_command(&b, PV_WIRE_COMMAND_vkBindImageMemory2, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_u32(&b, 1);
    venus_u64(&b, 1);
    venus_u32(&b, VK_STRUCTURE_TYPE_BIND_IMAGE_MEMORY_INFO);
    if (plane != 0) {
        venus_u64(&b, 1);
        venus_u32(&b, VK_STRUCTURE_TYPE_BIND_IMAGE_PLANE_MEMORY_INFO);
        venus_u64(&b, 0);
        venus_u32(&b, plane);
    } else {
        venus_u64(&b, 0);
    }
    venus_u64(&b, image);
    venus_u64(&b, memory);
    venus_u64(&b, offset);
}

static void test_binds(void **state)
{
    (void)state;
    bind_one(IMAGE, MEMORY, PAGE - 2048);
    assert_int_equal(result(), VK_SUCCESS);
    bind2(MODIFIER, MEMORY, 0, PLANE_0);
    assert_int_equal(result(), VK_SUCCESS);
    assert_int_equal(fake_driver_last_call("vkBindImageMemory2").values[0], 1);
    assert_int_equal(fake_driver_last_call("vkBindImageMemory2").values[1], 0);
}

static void test_binds_that_do_not_fit(void **state)
{
    static const struct {
        uint64_t image;
        uint64_t memory;
        uint64_t offset;
        int32_t result;
    } bad[] = {
        {IMAGE, MEMORY, PAGE - 2048 + 64, VK_ERROR_OUT_OF_DEVICE_MEMORY},
        {IMAGE, MEMORY, PAGE, VK_ERROR_OUT_OF_DEVICE_MEMORY},
        {IMAGE, MEMORY, 1, VK_ERROR_OUT_OF_DEVICE_MEMORY},
        {IMAGE, MEMORY, UINT64_MAX - 2047, VK_ERROR_OUT_OF_DEVICE_MEMORY},
        {IMAGE, 0, 0, VK_ERROR_OUT_OF_DEVICE_MEMORY},
        {0, MEMORY, 0, VK_ERROR_OUT_OF_DEVICE_MEMORY},
        {POISONED, MEMORY, 0, VK_ERROR_DEVICE_LOST},
    };

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        bind_one(bad[i].image, bad[i].memory, bad[i].offset);
        assert_int_equal(result(), bad[i].result);
        bind2(bad[i].image, bad[i].memory, bad[i].offset, 0);
        assert_int_equal(result(), bad[i].result);
    }
    assert_int_equal(fake_driver_last_call("vkBindImageMemory2").count, 0);
    bind2(FOREIGN, MEMORY, 0, 0);
    assert_loses();
    bind2(IMAGE, IMAGE, 0, 0);
    assert_loses();
    bind_one(99, MEMORY, 0);
    assert_loses();
}

/* Each plane of a disjoint image is measured by itself. */
static void test_binds_of_planes(void **state)
{
    struct venus_image image = plain;

    (void)state;
    image.flags = VK_IMAGE_CREATE_DISJOINT_BIT;
    image.format = VK_FORMAT_G8_B8R8_2PLANE_420_UNORM;
    venus_create_image(&b, VENUS_DEVICE, 20, &image, true);
    assert_int_equal(result(), VK_SUCCESS);
    bind2(20, MEMORY, 0, VK_IMAGE_ASPECT_PLANE_1_BIT);
    assert_int_equal(result(), VK_SUCCESS);
    assert_int_equal(fake_driver_last_call("vkGetImageMemoryRequirements2").values[0],
                     VK_IMAGE_ASPECT_PLANE_1_BIT);
    assert_int_equal(fake_driver_last_call("vkBindImageMemory2").values[1], 1);
    bind2(20, MEMORY, 0, 0); /* without saying which */
    (void)result();
    assert_int_equal(fake_driver_last_call("vkGetImageMemoryRequirements2").values[0],
                     VK_IMAGE_ASPECT_PLANE_0_BIT);
}

/* ---- layouts ---- */

static void ask_layout(uint64_t id, uint32_t aspects)
{
    venus_command(&b, PV_WIRE_COMMAND_vkGetImageSubresourceLayout, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_u64(&b, id);
    venus_u64(&b, 1);
    venus_u32(&b, aspects);
    venus_u32(&b, 0);
    venus_u32(&b, 0);
    venus_u64(&b, 1);
}

static void subresource2(uint32_t aspects)
{
    venus_info(&b, VK_STRUCTURE_TYPE_IMAGE_SUBRESOURCE_2);
    venus_u32(&b, aspects);
    venus_u32(&b, 0);
    venus_u32(&b, 0);
}

static void ask_layout2(uint64_t id, uint32_t aspects)
{
    venus_command(&b, PV_WIRE_COMMAND_vkGetImageSubresourceLayout2, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_u64(&b, id);
    subresource2(aspects);
    venus_info(&b, VK_STRUCTURE_TYPE_SUBRESOURCE_LAYOUT_2);
}

static void ask_device_layout(const struct venus_image *image, uint32_t aspects)
{
    venus_command(&b, PV_WIRE_COMMAND_vkGetDeviceImageSubresourceLayout, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_info(&b, VK_STRUCTURE_TYPE_DEVICE_IMAGE_SUBRESOURCE_INFO);
    venus_image_info(&b, image);
    subresource2(aspects);
    venus_info(&b, VK_STRUCTURE_TYPE_SUBRESOURCE_LAYOUT_2);
}

static void test_layouts(void **state)
{
    struct venus_image impossible = linear_modifier;
    const uint32_t *words;

    (void)state;
    ask_layout(MODIFIER, PLANE_0);
    words = answer();
    assert_int_equal(word64(words + 3), 0);    /* offset */
    assert_int_equal(word64(words + 5), 2048); /* size */
    assert_int_equal(word64(words + 7), 128);  /* rows */
    assert_int_equal(fake_driver_last_call("vkGetImageSubresourceLayout").values[0], COLOR);
    ask_layout2(MODIFIER, PLANE_0);
    assert_int_equal(word64(answer() + 10), 128);
    assert_int_equal(fake_driver_last_call("vkGetImageSubresourceLayout2").values[0], COLOR);
    ask_device_layout(&linear_modifier, PLANE_0);
    assert_int_equal(word64(answer() + 10), 128);
    assert_int_equal(fake_driver_last_call("vkGetDeviceImageSubresourceLayout").values[0], COLOR);
    assert_int_equal(fake_driver_last_call("vkGetDeviceImageSubresourceLayout").values[1],
                     VK_IMAGE_TILING_LINEAR);

    /* Aspects of an image without a modifier are the driver's business. */
    ask_layout(IMAGE, VK_IMAGE_ASPECT_PLANE_1_BIT);
    (void)answer();
    assert_int_equal(fake_driver_last_call("vkGetImageSubresourceLayout").values[0],
                     VK_IMAGE_ASPECT_PLANE_1_BIT);

    impossible.modifier_count = 1;
    ask_device_layout(&impossible, PLANE_0);
    assert_int_equal(word64(answer() + 10), 0);
    assert_int_equal(fake_driver_last_call("vkGetDeviceImageSubresourceLayout").count, 1);
    ask_layout(POISONED, COLOR);
    assert_int_equal(word64(answer() + 7), 0);
    ask_layout(FOREIGN, COLOR);
    assert_loses();
    ask_layout2(99, COLOR);
    assert_loses();
}

static void test_a_driver_that_lacks_it(void **state)
{
    static const char *const names[] = {"vkGetImageSubresourceLayout2",
                                        "vkGetDeviceImageSubresourceLayout",
                                        "vkGetDeviceImageMemoryRequirements"};

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(names); i++) {
        fake_driver_lack(names[i]);
        venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, VENUS_DEVICE);
        run();
        venus_create_device(&b, VENUS_PHYSICAL_DEVICE, VENUS_DEVICE);
        assert_int_equal(result(), VK_SUCCESS);
        venus_create_image(&b, VENUS_DEVICE, IMAGE, &plain, false);
        run();
        switch (i) {
        case 0:
            ask_layout2(IMAGE, COLOR);
            break;
        case 1:
            ask_device_layout(&plain, COLOR);
            break;
        default:
            ask_device(&plain, 0);
            break;
        }
        assert_loses();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_modifier_is_linear_tiling),
        TEST(test_a_demanded_layout),
        TEST(test_modifiers_without_linear),
        TEST(test_which_modifier),
        TEST(test_requirements),
        TEST(test_requirements_of_what_cannot_be),
        TEST(test_binds),
        TEST(test_binds_that_do_not_fit),
        TEST(test_binds_of_planes),
        TEST(test_layouts),
        TEST(test_a_driver_that_lacks_it),
    };

    fixture_prepare = prepare;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
