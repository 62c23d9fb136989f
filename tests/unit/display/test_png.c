/* SPDX-License-Identifier: MIT */
/*
 * display/png.c: colours of every format, the cursor over them, and the file.
 */
#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "display/png.h"
#include "gpu/protocol.h"

/* One pixel with red 10, green 20, blue 30 and a fourth byte. */
static void pixel(uint32_t format, uint8_t fourth, uint8_t ret[4])
{
    static const struct {
        uint32_t format;
        uint8_t bytes[4]; /* 0: fourth */
    } orders[] = {
        {PV_GPU_FORMAT_BGRA, {30, 20, 10, 0}}, {PV_GPU_FORMAT_BGRX, {30, 20, 10, 0}},
        {PV_GPU_FORMAT_ARGB, {0, 10, 20, 30}}, {PV_GPU_FORMAT_XRGB, {0, 10, 20, 30}},
        {PV_GPU_FORMAT_RGBA, {10, 20, 30, 0}}, {PV_GPU_FORMAT_XBGR, {0, 30, 20, 10}},
        {PV_GPU_FORMAT_ABGR, {0, 30, 20, 10}}, {PV_GPU_FORMAT_RGBX, {10, 20, 30, 0}},
    };

    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        if (orders[i].format == format) {
            for (size_t j = 0; j < 4; j++) {
                ret[j] = orders[i].bytes[j] != 0 ? orders[i].bytes[j] : fourth;
            }
            return;
        }
    }
    fail();
}

static const uint32_t formats[] = {1, 2, 3, 4, 67, 68, 121, 134};

static void test_every_format_of_a_frame(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        uint8_t bytes[4];
        struct pv_display_screen screen = {
            .frame = {.width_px = 1, .height_px = 1, .format = formats[i], .pixels = bytes}};
        uint8_t *colours;

        pixel(formats[i], 0, bytes); /* no alpha: a screen is opaque all the same */
        assert_int_equal(pv_display_screen_compose(&screen, &colours), 0);
        assert_int_equal(colours[0], 10);
        assert_int_equal(colours[1], 20);
        assert_int_equal(colours[2], 30);
        free(colours);
    }
}

static void test_every_format_of_a_cursor(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        uint8_t below[4] = {100, 100, 100, 0};
        uint8_t above[4];
        struct pv_display_screen screen = {
            .frame = {.width_px = 1, .height_px = 1, .format = 1, .pixels = below},
            .cursor = {.width_px = 1, .height_px = 1, .format = formats[i], .pixels = above}};
        uint8_t *colours;

        pixel(formats[i], 255, above);
        assert_int_equal(pv_display_screen_compose(&screen, &colours), 0);
        assert_int_equal(colours[0], 10);
        assert_int_equal(colours[2], 30);
        free(colours);
        pixel(formats[i], 51, above); /* a fifth, premultiplied */
        assert_int_equal(pv_display_screen_compose(&screen, &colours), 0);
        assert_int_equal(colours[0], 10 + 80);
        assert_int_equal(colours[2], 30 + 80);
        free(colours);
        memset(above, 0, sizeof(above));
        assert_int_equal(pv_display_screen_compose(&screen, &colours), 0);
        assert_int_equal(colours[0], 100);
        free(colours);
        memset(above, 255, sizeof(above));
        above[formats[i] == 3 || formats[i] == 4 || formats[i] == 68 || formats[i] == 121 ? 0 : 3] =
            128; /* brighter than its alpha allows */
        assert_int_equal(pv_display_screen_compose(&screen, &colours), 0);
        assert_int_equal(colours[0], 255);
        free(colours);
    }
}

static void test_a_cursor_over_the_edges(void **state)
{
    static const int32_t places[] = {-3, -2, 0, 3, 4, INT32_MIN, INT32_MAX};
    uint8_t below[4 * 4 * 4] = {0};
    uint8_t above[3 * 3 * 4];

    (void)state;
    memset(above, 255, sizeof(above));
    for (size_t i = 0; i < 7; i++) {
        for (size_t j = 0; j < 7; j++) {
            struct pv_display_screen screen = {
                .frame = {.width_px = 4, .height_px = 4, .format = 2, .pixels = below},
                .cursor = {.width_px = 3, .height_px = 3, .format = 2, .pixels = above},
                .cursor_x_px = places[i],
                .cursor_y_px = places[j],
            };
            uint8_t *colours;

            assert_int_equal(pv_display_screen_compose(&screen, &colours), 0);
            assert_int_equal(
                colours[0],
                places[i] <= 0 && places[i] >= -2 && places[j] <= 0 && places[j] >= -2 ? 255 : 0);
            assert_int_equal(colours[4 * 4 * 3 - 1], places[i] == 3 && places[j] == 3 ? 255 : 0);
            free(colours);
        }
    }
}

static void test_formats_that_are_none(void **state)
{
    uint8_t bytes[4] = {0};
    struct pv_display_screen screen = {
        .frame = {.width_px = 1, .height_px = 1, .format = 5, .pixels = bytes}};
    uint8_t *colours;

    (void)state;
    assert_int_equal(pv_display_screen_compose(&screen, &colours), -EINVAL);
    screen.frame.format = 1;
    screen.cursor = screen.frame;
    screen.cursor.format = 0;
    assert_int_equal(pv_display_screen_compose(&screen, &colours), -EINVAL);
    screen.cursor.pixels = NULL;
    assert_int_equal(pv_display_screen_compose(&screen, &colours), 0);
    free(colours);
}

static void test_the_file_reads_back(void **state)
{
    char directory[] = "/tmp/pv-png-XXXXXX";
    char path[64];
    uint8_t pixels[7 * 5 * 4];
    uint8_t back[7 * 5 * 3];
    const struct pv_display_screen screen = {
        .frame = {.width_px = 7, .height_px = 5, .format = PV_GPU_FORMAT_BGRX, .pixels = pixels}};
    png_image image = {.version = PNG_IMAGE_VERSION};

    (void)state;
    for (size_t i = 0; i < sizeof(pixels); i++) {
        pixels[i] = (uint8_t)(i * 7);
    }
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/screen.png", directory);
    assert_int_equal(pv_display_png_write(path, &screen), 0);
    assert_int_equal(pv_display_png_write(path, &screen), 0); /* over the old one */
    assert_true(png_image_begin_read_from_file(&image, path));
    image.format = PNG_FORMAT_RGB;
    assert_int_equal(image.width, 7);
    assert_int_equal(image.height, 5);
    assert_true(png_image_finish_read(&image, NULL, back, 0, NULL));
    for (size_t i = 0; i < 35; i++) {
        assert_int_equal(back[i * 3], pixels[i * 4 + 2]);
        assert_int_equal(back[i * 3 + 2], pixels[i * 4]);
    }
    assert_int_equal(remove(path), 0);
    assert_int_equal(remove(directory), 0); /* empty: nothing temporary is left */
    assert_int_equal(pv_display_png_write(path, &screen), -ENOENT);
    assert_int_equal(pv_display_png_write("/proc/pv.png", &screen), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_format_of_a_frame),
        cmocka_unit_test(test_every_format_of_a_cursor),
        cmocka_unit_test(test_a_cursor_over_the_edges),
        cmocka_unit_test(test_formats_that_are_none),
        cmocka_unit_test(test_the_file_reads_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
