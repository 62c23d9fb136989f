/* SPDX-License-Identifier: MIT */
/*
 * gpu/frame.c: the hidden buffer is written, the shown one is whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gpu/frame.h"
#include "gpu/protocol.h"

static const uint8_t *shown(const struct pv_gpu_frame *frame)
{
    return (const uint8_t *)frame->shared + frame->view.buffers_offset_bytes
           + (frame->shared->finished & 1) * frame->view.buffer_bytes;
}

static void fill(struct pv_gpu_frame *frame, uint8_t *pixels, const struct pv_gpu_rect *rect,
                 uint8_t value)
{
    for (uint32_t y = 0; y < rect->height; y++) {
        memset(pixels + (rect->y + y) * frame->view.stride_bytes + rect->x * 4, value,
               rect->width * 4);
    }
}

static void draw(struct pv_gpu_frame *frame, struct pv_gpu_rect rect, uint8_t value)
{
    fill(frame, pv_gpu_frame_begin(frame), &rect, value);
    pv_gpu_frame_publish(frame, &rect);
}

static void test_pictures_add_up(void **state)
{
    struct pv_gpu_frame *frame;

    (void)state;
    assert_int_equal(pv_gpu_frame_create(16, 16, PV_GPU_FORMAT_BGRX, &frame), 0);
    assert_int_equal(frame->shared->magic, PV_GPU_FRAME_MAGIC);
    assert_int_equal(shown(frame)[0], 0);
    draw(frame, (struct pv_gpu_rect){0, 0, 16, 16}, 1);
    draw(frame, (struct pv_gpu_rect){0, 0, 4, 4}, 2);
    draw(frame, (struct pv_gpu_rect){8, 8, 4, 4}, 3);
    draw(frame, (struct pv_gpu_rect){15, 15, 1, 1}, 4);
    assert_int_equal(frame->shared->finished, 4);
    assert_int_equal(shown(frame)[0], 2);
    assert_int_equal(shown(frame)[4 * 4], 1);
    assert_int_equal(shown(frame)[8 * 64 + 8 * 4], 3);
    assert_int_equal(shown(frame)[15 * 64 + 15 * 4], 4);
    pv_gpu_frame_destroy(frame);
}

static void test_an_unfinished_picture_is_not_shown(void **state)
{
    struct pv_gpu_frame *frame;
    const struct pv_gpu_rect whole = {0, 0, 8, 8};
    uint8_t *pixels;

    (void)state;
    assert_int_equal(pv_gpu_frame_create(8, 8, PV_GPU_FORMAT_BGRX, &frame), 0);
    draw(frame, whole, 7);
    pixels = pv_gpu_frame_begin(frame);
    assert_int_equal(frame->shared->begun, 2);
    assert_int_equal(frame->shared->finished, 1);
    fill(frame, pixels, &whole, 9);
    assert_int_equal(shown(frame)[0], 7);
    pv_gpu_frame_cancel(frame, &whole);
    assert_int_equal(shown(frame)[0], 7);
    draw(frame, (struct pv_gpu_rect){0, 0, 1, 1}, 5);
    assert_int_equal(shown(frame)[0], 5);
    assert_int_equal(shown(frame)[4], 7); /* what was cancelled has gone */
    pv_gpu_frame_destroy(frame);
}

static void test_size_has_no_overflow(void **state)
{
    (void)state;
    assert_true(pv_gpu_frame_size_bytes(16384, 16384) > UINT64_C(2) << 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures_add_up),
        cmocka_unit_test(test_an_unfinished_picture_is_not_shown),
        cmocka_unit_test(test_size_has_no_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
