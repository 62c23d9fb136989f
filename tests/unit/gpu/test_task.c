/* SPDX-License-Identifier: MIT */
/*
 * gpu/task.c: order of what a worker is asked, and outcomes in any order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gpu/guest_context.h"
#include "support/gpu_bench.h"

static void test_outcomes_in_any_order(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *elements[5];
    const struct fake_call *calls[5];

    (void)state;
    bench_context(bench, 1, 4);
    for (uint32_t i = 0; i < 5; i++) {
        elements[i] = bench_blob(bench, 1, i + 1, i + 10, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
        calls[i] = fake_last(&bench->fake, FAKE_EXPORT, 0);
    }
    for (size_t i = 0; i < 5; i++) {
        const size_t at = (i * 2 + 4) % 5; /* last, second, fourth, first, third */

        fake_answer(&bench->fake, calls[at], 0);
        assert_int_equal(bench_answer(elements[at]), PV_GPU_OK_NODATA);
    }
    assert_null(pv_gpu_guest_context_find(bench->device, 1)->sent.first);
    assert_null(pv_gpu_guest_context_find(bench->device, 1)->sent.last);
    bench_close(bench);
}

static void test_order_of_one_context_is_kept(void **state)
{
    static const enum fake_op expected[] = {FAKE_CREATE, FAKE_SUBMIT, FAKE_EXPORT, FAKE_ATTACH,
                                            FAKE_SUBMIT, FAKE_LEAVE,  FAKE_SUBMIT};
    struct bench *bench = bench_open();

    (void)state;
    bench_2d(bench, 8, 4, 4);
    bench_context(bench, 1, 4);
    (void)bench_submit(bench, 1, 0, 0, 0, "abcd", 4);
    (void)bench_blob(bench, 1, 9, 1, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    (void)bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 8);
    (void)bench_submit(bench, 1, 0, 0, 0, "abcd", 4);
    (void)bench_resource(bench, PV_GPU_CMD_CTX_DETACH_RESOURCE, 1, 8);
    (void)bench_submit(bench, 1, 0, 0, 0, "abcd", 4);
    assert_int_equal(bench->fake.call_count, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < bench->fake.call_count; i++) {
        assert_int_equal(bench->fake.calls[i].op, expected[i]);
    }
    bench_close(bench);
}

static void test_a_chain_of_contexts_that_wait(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *last;

    (void)state;
    bench->fake.exports_have_fd = true;
    for (uint32_t i = 1; i <= 5; i++) {
        bench_context(bench, i, 4);
    }
    /* 2 imports from 1, then makes what 3 imports, and so on. */
    (void)bench_blob(bench, 1, 101, 1, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    for (uint32_t i = 2; i <= 5; i++) {
        (void)bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, i, 99 + i);
        (void)bench_blob(bench, i, 100 + i, 1, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    }
    last = bench_submit(bench, 5, 0, 0, 0, "last", 4);
    assert_int_equal(fake_count(&bench->fake, FAKE_EXPORT), 1);
    for (uint32_t i = 1; i <= 5; i++) {
        assert_int_equal(fake_count(&bench->fake, FAKE_EXPORT), i);
        assert_int_equal(bench_answer(last), i == 5 ? PV_GPU_OK_NODATA : 0);
        fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    }
    assert_int_equal(bench->device->held_count, 0);
    bench_close(bench);
}

static void test_the_chain_breaks_in_the_middle(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    for (uint32_t i = 1; i <= 3; i++) {
        bench_context(bench, i, 4);
    }
    (void)bench_blob(bench, 1, 101, 1, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    (void)bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 101);
    (void)bench_blob(bench, 2, 102, 1, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    (void)bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 3, 102);
    (void)bench_submit(bench, 3, PV_GPU_FLAG_FENCE | PV_GPU_FLAG_RING_IDX, 1, 1, "abcd", 4);
    fake_lose(&bench->fake, 2);
    assert_int_equal(fake_count(&bench->fake, FAKE_SUBMIT), 1); /* 3 goes on */
    fake_retire(&bench->fake, 3, 1, 1);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_int_equal(bench->device->held_count, 0);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes_in_any_order),
        cmocka_unit_test(test_order_of_one_context_is_kept),
        cmocka_unit_test(test_a_chain_of_contexts_that_wait),
        cmocka_unit_test(test_the_chain_breaks_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
