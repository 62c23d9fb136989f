/* SPDX-License-Identifier: MIT */
/*
 * gpu/dispatch.c: elements that are too short, too small, unknown or too many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gpu/limits.h"
#include "support/gpu_bench.h"

static const struct {
    uint32_t type;
    size_t size_bytes;
} commands[] = {
    {PV_GPU_CMD_GET_DISPLAY_INFO, 24},
    {PV_GPU_CMD_RESOURCE_CREATE_2D, 40},
    {PV_GPU_CMD_RESOURCE_UNREF, 32},
    {PV_GPU_CMD_SET_SCANOUT, 48},
    {PV_GPU_CMD_RESOURCE_FLUSH, 48},
    {PV_GPU_CMD_TRANSFER_TO_HOST_2D, 56},
    {PV_GPU_CMD_RESOURCE_ATTACH_BACKING, 32},
    {PV_GPU_CMD_RESOURCE_DETACH_BACKING, 32},
    {PV_GPU_CMD_GET_CAPSET_INFO, 32},
    {PV_GPU_CMD_GET_CAPSET, 32},
    {PV_GPU_CMD_GET_EDID, 32},
    {PV_GPU_CMD_RESOURCE_ASSIGN_UUID, 32},
    {PV_GPU_CMD_RESOURCE_CREATE_BLOB, 56},
    {PV_GPU_CMD_SET_SCANOUT_BLOB, 96},
    {PV_GPU_CMD_CTX_CREATE, 96},
    {PV_GPU_CMD_CTX_DESTROY, 24},
    {PV_GPU_CMD_CTX_ATTACH_RESOURCE, 32},
    {PV_GPU_CMD_CTX_DETACH_RESOURCE, 32},
    {PV_GPU_CMD_SUBMIT_3D, 32},
    {PV_GPU_CMD_RESOURCE_MAP_BLOB, 40},
    {PV_GPU_CMD_RESOURCE_UNMAP_BLOB, 32},
};

static void test_every_length_one_short(void **state)
{
    struct bench *bench = bench_open();
    uint8_t bytes[96] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        memcpy(bytes, &commands[i].type, sizeof(uint32_t));
        for (size_t length = 0; length < commands[i].size_bytes; length++) {
            const struct bench_element *element = bench_send(bench, bytes, length);

            assert_int_equal(bench_answer(element), PV_GPU_ERR_INVALID_PARAMETER);
        }
    }
    assert_int_equal(bench->device->held_count, 0);
    assert_true(bench_still_answers(bench));
    bench_close(bench);
}

/* Fields all zero, all ones, and each single byte at its maximum: nothing but an answer happens. */
static void test_fields_at_their_ends(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_context(bench, 1, 4);
    bench_2d(bench, 1, 8, 8);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        for (size_t at = 0; at <= commands[i].size_bytes; at++) {
            uint8_t bytes[96 + 64] = {0};

            if (at == commands[i].size_bytes) {
                memset(bytes, 0xff, commands[i].size_bytes);
            } else {
                bytes[at] = 0xff;
            }
            memcpy(bytes, &commands[i].type, sizeof(uint32_t));
            (void)bench_send(bench, bytes, commands[i].size_bytes);
            (void)bench_send(bench, bytes, sizeof(bytes)); /* and with something behind it */
        }
    }
    assert_true(bench_still_answers(bench));
    bench_close(bench);
}

static void test_unknown_commands(void **state)
{
    static const uint32_t types[] = {0,      1,      0x00ff,     0x010e,    0x01ff,
                                     0x0204, 0x0205, 0x0206,     0x020a,    0x0302,
                                     0x1100, 0x1200, 0x10000100, UINT32_MAX};
    struct bench *bench = bench_open();

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        uint8_t bytes[96] = {0};

        memcpy(bytes, &types[i], sizeof(types[i]));
        assert_int_equal(bench_answer(bench_send(bench, bytes, sizeof(bytes))), PV_GPU_ERR_UNSPEC);
    }
    bench_close(bench);
}

static void test_no_room_for_the_answer(void **state)
{
    const struct pv_gpu_header info = {.type = PV_GPU_CMD_GET_DISPLAY_INFO};
    const struct pv_gpu_cmd_create_2d create = {
        .header.type = PV_GPU_CMD_RESOURCE_CREATE_2D,
        .resource_id = 1,
        .format = 1,
        .width = 4,
        .height = 4,
    };
    struct bench *bench = bench_open();
    const struct bench_element *element;

    (void)state;
    element = bench_send_raw(bench, 0, &info, sizeof(info), NULL, 0, 407);
    assert_int_equal(bench_answer(element), PV_GPU_ERR_UNSPEC);
    assert_int_equal(element->written_bytes, 24);
    element = bench_send_raw(bench, 0, &info, sizeof(info), NULL, 0, 23);
    assert_true(element->completed);
    assert_int_equal(element->written_bytes, 0);
    element = bench_send_raw(bench, 0, &create, sizeof(create), NULL, 0, 0);
    assert_true(element->completed);
    assert_int_equal(bench->device->resource_count, 0); /* refused before it acts */
    bench_close(bench);
}

static void test_requests_held_are_capped(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *last;
    uint32_t context_id = 0;

    (void)state;
    while (bench->device->held_count < PV_GPU_HELD_MAX) {
        bench_context(bench, ++context_id, 4);
        for (uint32_t i = 0; i < PV_GPU_CONTEXT_FENCE_MAX; i++) {
            (void)bench_submit(bench, context_id, PV_GPU_FLAG_FENCE, 0, i + 1, NULL, 0);
        }
    }
    last = bench_submit(bench, 1, PV_GPU_FLAG_FENCE, 0, 77, NULL, 0);
    assert_int_equal(bench_answer(last), PV_GPU_ERR_OUT_OF_MEMORY);
    assert_int_equal(((const struct pv_gpu_header *)(const void *)last->written)->fence_id, 77);
    fake_retire(&bench->fake, 1, 0, 1);
    assert_true(bench_still_answers(bench));
    bench_close(bench);
}

static void test_one_log_line_per_kind_of_refusal(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    for (int i = 0; i < 100; i++) {
        (void)bench_map(bench, 55, 0);
    }
    assert_int_equal(bench->log_lines, 1);
    assert_non_null(strstr(bench->log_last, "RESOURCE_MAP_BLOB refused (0x1203): no resource 55"));
    (void)bench_flush(bench, 55, 0, 0, 1, 1);
    assert_int_equal(bench->log_lines, 2);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length_one_short),
        cmocka_unit_test(test_fields_at_their_ends),
        cmocka_unit_test(test_unknown_commands),
        cmocka_unit_test(test_no_room_for_the_answer),
        cmocka_unit_test(test_requests_held_are_capped),
        cmocka_unit_test(test_one_log_line_per_kind_of_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
