/* SPDX-License-Identifier: MIT */
/*
 * gpu/info.c: display information, EDID and capset, and their hostile twins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "support/gpu_bench.h"

static void test_display_info(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *element =
        BENCH(bench, struct pv_gpu_header, .type = PV_GPU_CMD_GET_DISPLAY_INFO);
    const struct pv_gpu_resp_display_info *info;

    (void)state;
    assert_int_equal(bench_answer(element), PV_GPU_OK_DISPLAY_INFO);
    assert_int_equal(element->written_bytes, 408);
    info = bench_payload(element);
    assert_int_equal(info->modes[0].rect.width, 1024);
    assert_int_equal(info->modes[0].rect.height, 768);
    assert_int_equal(info->modes[0].enabled, 1);
    assert_int_equal(info->modes[1].enabled, 0);
    bench_close(bench);
}

static struct bench_element *edid(struct bench *bench, uint32_t scanout_id)
{
    return BENCH(bench, struct pv_gpu_cmd_get_edid, .header.type = PV_GPU_CMD_GET_EDID,
                 .scanout_id = scanout_id);
}

static void test_edid_is_that_of_the_mode(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *element = edid(bench, 0);
    const struct pv_gpu_resp_edid *answer;

    (void)state;
    assert_int_equal(bench_answer(element), PV_GPU_OK_EDID);
    assert_int_equal(element->written_bytes, 1056);
    answer = bench_payload(element);
    assert_int_equal(answer->size_bytes, 128);
    assert_int_equal(answer->edid[56] | ((answer->edid[58] >> 4) << 8), 1024);
    bench_close(bench);
}

static void test_edid_of_other_scanouts_is_refused(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    assert_int_equal(bench_answer(edid(bench, 1)), PV_GPU_ERR_INVALID_SCANOUT_ID);
    assert_int_equal(bench_answer(edid(bench, 16)), PV_GPU_ERR_INVALID_SCANOUT_ID);
    assert_int_equal(bench_answer(edid(bench, UINT32_MAX)), PV_GPU_ERR_INVALID_SCANOUT_ID);
    bench_close(bench);
}

static struct bench_element *capset_info(struct bench *bench, uint32_t index)
{
    return BENCH(bench, struct pv_gpu_cmd_get_capset_info,
                 .header.type = PV_GPU_CMD_GET_CAPSET_INFO, .index = index);
}

static struct bench_element *capset(struct bench *bench, uint32_t id, uint32_t version)
{
    return BENCH(bench, struct pv_gpu_cmd_get_capset, .header.type = PV_GPU_CMD_GET_CAPSET,
                 .capset_id = id, .version = version);
}

static void test_capset(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *element = capset_info(bench, 0);
    const struct pv_gpu_resp_capset_info *info;

    (void)state;
    assert_int_equal(bench_answer(element), PV_GPU_OK_CAPSET_INFO);
    assert_int_equal(element->written_bytes, 40);
    info = bench_payload(element);
    assert_int_equal(info->id, PV_GPU_CAPSET_ID_VENUS);
    assert_int_equal(info->max_version, 0);
    assert_int_equal(info->max_size_bytes, 16);
    assert_int_equal(info->padding, 0);
    element = capset(bench, PV_GPU_CAPSET_ID_VENUS, 0);
    assert_int_equal(bench_answer(element), PV_GPU_OK_CAPSET);
    assert_int_equal(element->written_bytes, 24 + 16);
    assert_int_equal(((const uint8_t *)bench_payload(element))[1], 0xc1);
    bench_close(bench);
}

static void test_capsets_that_are_not_there(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    assert_int_equal(bench_answer(capset_info(bench, 1)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(capset_info(bench, UINT32_MAX)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(capset(bench, 0, 0)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(capset(bench, 1, 0)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(capset(bench, 4, 1)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(capset(bench, 4, UINT32_MAX)), PV_GPU_ERR_INVALID_PARAMETER);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_display_info),
        cmocka_unit_test(test_edid_is_that_of_the_mode),
        cmocka_unit_test(test_edid_of_other_scanouts_is_refused),
        cmocka_unit_test(test_capset),
        cmocka_unit_test(test_capsets_that_are_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
