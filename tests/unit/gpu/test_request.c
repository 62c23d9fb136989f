/* SPDX-License-Identifier: MIT */
/*
 * gpu/request.c: answers in whatever room there is, and what is counted where.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gpu/guest_context.h"
#include "gpu/request.h"
#include "support/gpu_bench.h"

static void test_host_errors_become_answers(void **state)
{
    static const struct {
        int status;
        uint32_t error;
    } cases[] = {
        {-ENOMEM, PV_GPU_ERR_OUT_OF_MEMORY}, {-ENOSPC, PV_GPU_ERR_OUT_OF_MEMORY},
        {-EAGAIN, PV_GPU_ERR_OUT_OF_MEMORY}, {-EMFILE, PV_GPU_ERR_OUT_OF_MEMORY},
        {-EIO, PV_GPU_ERR_UNSPEC},           {-EINVAL, PV_GPU_ERR_UNSPEC},
        {-12345, PV_GPU_ERR_UNSPEC},
    };
    struct bench *bench = bench_open();

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bench->fake.fail_with[FAKE_CREATE] = cases[i].status;
        assert_int_equal(
            bench_answer(BENCH(bench, struct pv_gpu_cmd_context_create,
                               .header = {.type = PV_GPU_CMD_CTX_CREATE, .context_id = 1},
                               .context_init = 4)),
            cases[i].error);
    }
    bench_close(bench);
}

static void test_a_hold_counts_once_and_ends_with_the_answer(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_guest_context *context;
    struct pv_gpu_request *request;

    (void)state;
    bench_context(bench, 1, 4);
    context = pv_gpu_guest_context_find(bench->device, 1);
    (void)bench_blob(bench, 1, 5, 1, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    assert_int_equal(context->held_count, 1);
    request = bench->device->requests;
    assert_true(pv_gpu_request_hold(request, context, 1));
    assert_int_equal(context->held_count, 1);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_int_equal(context->held_count, 0);
    bench_close(bench);
}

static void test_drop_all_tells_nobody(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *held;

    (void)state;
    bench_context(bench, 1, 4);
    held = bench_blob(bench, 1, 5, 1, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    bench->ops->reset(bench->device);
    assert_true(held->dropped);
    assert_false(held->completed);
    assert_int_equal(held->written_bytes, 0);
    bench_close(bench);
}

static void test_log_lines_of_guests_have_a_budget(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    assert_int_equal(pv_base_log_configure(&bench->log, "gpu.device=debug"), 0);
    for (int i = 0; i < 3 * PV_BASE_LOG_GUEST_LINES_MAX; i++) {
        (void)bench_map(bench, 55, 0);
    }
    assert_true(bench->log_lines <= PV_BASE_LOG_GUEST_LINES_MAX + 1);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_errors_become_answers),
        cmocka_unit_test(test_a_hold_counts_once_and_ends_with_the_answer),
        cmocka_unit_test(test_drop_all_tells_nobody),
        cmocka_unit_test(test_log_lines_of_guests_have_a_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
