/* SPDX-License-Identifier: MIT */
/*
 * gpu/cursor.c: image and position, from requests that have no room for an answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gpu/limits.h"
#include "support/gpu_bench.h"

static struct bench_element *send(struct bench *bench, uint32_t type, uint32_t scanout, uint32_t id,
                                  uint32_t x, uint32_t y)
{
    const struct pv_gpu_cmd_cursor command = {
        .header.type = type,
        .scanout_id = scanout,
        .x = x,
        .y = y,
        .resource_id = id,
        .hot_x = 3,
        .hot_y = 4,
    };

    return bench_send_raw(bench, PV_GPU_QUEUE_CURSOR, &command, sizeof(command), NULL, 0, 0);
}

static void test_an_image_is_copied_when_it_is_set(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *element;

    (void)state;
    bench_2d(bench, 1, 64, 64);
    element = send(bench, PV_GPU_CMD_UPDATE_CURSOR, 0, 1, 10, 20);
    assert_true(element->completed);
    assert_int_equal(element->written_bytes, 0);
    assert_int_equal(bench->sink.cursor_changes, 1);
    assert_int_equal(bench->sink.cursor.image.width_px, 64);
    assert_int_equal(bench->sink.cursor.image.format, PV_GPU_FORMAT_BGRX);
    assert_int_equal(bench->sink.cursor.x_px, 10);
    assert_int_equal(bench->sink.cursor.hot_y_px, 4);
    /* It stays when the resource goes. */
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, 1)),
                     PV_GPU_OK_NODATA);
    (void)send(bench, PV_GPU_CMD_MOVE_CURSOR, 0, 0, (uint32_t)-5, 7);
    assert_int_equal(bench->sink.cursor.x_px, -5);
    assert_int_equal(bench->sink.cursor.image.width_px, 64);
    (void)send(bench, PV_GPU_CMD_UPDATE_CURSOR, 0, 0, 1, 1);
    assert_int_equal(bench->sink.cursor.image.width_px, 0);
    assert_int_equal(bench->sink.cursor.image.fd, -1);
    assert_int_equal(bench->device->memory_used_bytes, 0);
    bench_close(bench);
}

static void test_bad_values(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_2d(bench, 1, 64, 64);
    bench_2d(bench, 2, PV_GPU_CURSOR_SIDE_MAX_PX + 1, 4);
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 3, 0x1000); /* smaller than 64 x 64 pixels, and not mapped */
    (void)send(bench, PV_GPU_CMD_UPDATE_CURSOR, 1, 1, 0, 0);
    (void)send(bench, PV_GPU_CMD_UPDATE_CURSOR, 16, 1, 0, 0);
    (void)send(bench, PV_GPU_CMD_UPDATE_CURSOR, UINT32_MAX, 0, 0, 0);
    (void)send(bench, PV_GPU_CMD_MOVE_CURSOR, UINT32_MAX, 0, 0, 0);
    (void)send(bench, PV_GPU_CMD_UPDATE_CURSOR, 0, 9, 0, 0);
    (void)send(bench, PV_GPU_CMD_UPDATE_CURSOR, 0, 2, 0, 0);
    (void)send(bench, PV_GPU_CMD_UPDATE_CURSOR, 0, 3, 0, 0);
    assert_int_equal(bench->sink.cursor_changes, 0);
    assert_int_equal(bench->device->error_count, 7);
    assert_true(bench_still_answers(bench));
    bench_close(bench);
}

static void test_each_command_has_its_queue(void **state)
{
    const struct pv_gpu_cmd_cursor cursor = {.header.type = PV_GPU_CMD_MOVE_CURSOR};
    const struct pv_gpu_header info = {.type = PV_GPU_CMD_GET_DISPLAY_INFO};
    struct bench *bench = bench_open();

    (void)state;
    assert_int_equal(bench_answer(bench_send(bench, &cursor, sizeof(cursor))), PV_GPU_ERR_UNSPEC);
    assert_int_equal(
        bench_answer(bench_send_raw(bench, PV_GPU_QUEUE_CURSOR, &info, sizeof(info), NULL, 0, 512)),
        PV_GPU_ERR_UNSPEC);
    bench_close(bench);
}

static void test_a_pending_image(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *early;
    const struct bench_element *late;

    (void)state;
    bench->fake.exports_have_fd = true;
    bench_context(bench, 1, 4);
    (void)bench_blob(bench, 1, 2, 5, 64 * 64 * 4, PV_GPU_BLOB_FLAG_SHAREABLE);
    early = send(bench, PV_GPU_CMD_UPDATE_CURSOR, 0, 2, 1, 1);
    late = send(bench, PV_GPU_CMD_UPDATE_CURSOR, 0, 2, 2, 2);
    assert_false(early->completed);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_true(early->completed && late->completed);
    assert_int_equal(bench->sink.cursor_changes, 1); /* the early one was overtaken */
    assert_int_equal(bench->sink.cursor.x_px, 2);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_image_is_copied_when_it_is_set),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_each_command_has_its_queue),
        cmocka_unit_test(test_a_pending_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
