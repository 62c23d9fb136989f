/* SPDX-License-Identifier: MIT */
/*
 * gpu/statistics.c: figures agree with what happened.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "support/gpu_bench.h"

static void test_figures(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_context_statistics contexts[4];
    struct pv_gpu_statistics figures;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    bench_context(bench, 3, 0);
    bench_2d(bench, 1, 16, 16);
    bench_shmem(bench, 1, 2, 0x3000);
    (void)bench_map(bench, 2, 0);
    (void)bench_submit(bench, 1, PV_GPU_FLAG_FENCE | PV_GPU_FLAG_RING_IDX, 1, 1, NULL, 0);
    fake_lose(&bench->fake, 2);
    (void)bench_map(bench, 77, 0);
    pv_gpu_device_get_statistics(bench->device, &figures);
    assert_int_equal(figures.context_count, 2);
    assert_int_equal(figures.empty_context_count, 1);
    assert_int_equal(figures.lost_context_count, 1);
    assert_int_equal(figures.resource_count, 2);
    assert_int_equal(figures.held_count, 1);
    assert_int_equal(figures.fence_count, 1);
    assert_int_equal(figures.memory_used_bytes, 4096 + 0x3000);
    assert_int_equal(figures.memory_limit_bytes, BENCH_MEMORY_LIMIT);
    assert_int_equal(figures.window_used_bytes, 0x3000);
    assert_int_equal(figures.window_size_bytes, BENCH_WINDOW_BYTES);
    assert_int_equal(figures.command_count, 8);
    assert_int_equal(figures.error_count, 1);
    assert_int_equal(pv_gpu_device_get_contexts(bench->device, contexts, 4), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(contexts[i].name, "bench");
        assert_int_equal(contexts[i].memory_bytes, contexts[i].context_id == 1 ? 0x3000 : 0);
        assert_int_equal(contexts[i].lost, contexts[i].context_id == 2);
        assert_int_equal(contexts[i].submit_count, contexts[i].context_id == 1 ? 1 : 0);
    }
    assert_int_equal(pv_gpu_device_get_contexts(bench->device, contexts, 2), 2);
    fake_retire(&bench->fake, 1, 1, 1);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
