/* SPDX-License-Identifier: MIT */
/*
 * gpu/resource.c: ids, UNREF in every state, reset in every state, caps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gpu/limits.h"
#include "gpu/resource.h"
#include "support/gpu_bench.h"

static struct bench_element *unref(struct bench *bench, uint32_t id)
{
    return bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, id);
}

static void test_ids(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    assert_int_equal(bench_answer(unref(bench, 0)), PV_GPU_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(bench_answer(unref(bench, 1)), PV_GPU_ERR_INVALID_RESOURCE_ID);
    for (uint32_t i = 1; i < 300; i++) {
        bench_2d(bench, i * 4096u + 1u, 1, 1);
    }
    bench_2d(bench, UINT32_MAX, 1, 1);
    assert_int_equal(bench_answer(unref(bench, UINT32_MAX)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(unref(bench, 4097)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(unref(bench, 4097)), PV_GPU_ERR_INVALID_RESOURCE_ID);
    bench_2d(bench, 4097, 1, 1); /* reuse after the answer */
    bench_close(bench);
}

/* Every state that a blob can be in when the guest gives it up, or resets. */
enum blob_state {
    STATE_EXPORTING,
    STATE_EXPORTED,
    STATE_PLACING,
    STATE_MAPPED,
    STATE_UNMAPPING,
    STATE_UNMAPPED,
    STATE_LEAVING,
    STATE_LOST,
    STATE_COUNT,
};

static void bring_to(struct bench *bench, enum blob_state wanted)
{
    bench->fake.exports_have_fd = true;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    (void)bench_blob(bench, 1, 9, 5, 0x1000, PV_GPU_BLOB_FLAG_MAPPABLE);
    if (wanted == STATE_EXPORTING) {
        (void)bench_map(bench, 9, 0);
        (void)bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 9);
        (void)bench_flush(bench, 9, 0, 0, 1, 1);
        return;
    }
    if (wanted == STATE_LOST) {
        fake_lose(&bench->fake, 1);
        return;
    }
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    if (wanted == STATE_EXPORTED) {
        (void)bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 9);
        return;
    }
    (void)bench_map(bench, 9, 0);
    if (wanted == STATE_PLACING) {
        return;
    }
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_PLACE, 0), 0);
    (void)bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 9);
    if (wanted == STATE_MAPPED) {
        return;
    }
    if (wanted == STATE_LEAVING) {
        (void)unref(bench, 9);
        return;
    }
    (void)bench_resource(bench, PV_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 9);
    if (wanted == STATE_UNMAPPED) {
        fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_LEAVE, 1), 0);
        fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_LEAVE, 0), 0);
    }
}

/* Answer whatever the device has asked so far and still waits for. */
static void answer_all(struct bench *bench)
{
    for (size_t i = 0; i < bench->fake.call_count; i++) {
        const struct fake_call call = bench->fake.calls[i];

        if (call.op == FAKE_EXPORT || call.op == FAKE_PLACE || call.op == FAKE_LEAVE) {
            fake_answer(&bench->fake, &call, 0);
        }
    }
}

static void test_unref_in_every_state(void **state)
{
    (void)state;
    for (int wanted = 0; wanted < STATE_COUNT; wanted++) {
        struct bench *bench = bench_open();
        const struct bench_element *element;

        bring_to(bench, (enum blob_state)wanted);
        element = unref(bench, 9);
        if (wanted == STATE_LEAVING) {
            assert_int_equal(bench_answer(element), PV_GPU_ERR_INVALID_RESOURCE_ID);
        }
        /* The id is taken until the answer, and free from then on. */
        if (bench_answer(element) == PV_GPU_OK_NODATA) {
            bench_shmem(bench, 2, 9, 0x1000);
            assert_int_equal(bench_answer(unref(bench, 9)), PV_GPU_OK_NODATA);
        } else {
            assert_int_equal(bench_answer(bench_blob(bench, 2, 9, 0, 0x1000, 1)),
                             PV_GPU_ERR_INVALID_RESOURCE_ID);
        }
        answer_all(bench);
        answer_all(bench); /* what the first answers led to */
        answer_all(bench);
        assert_int_not_equal(bench_answer(element), 0);
        assert_int_equal(bench->device->resource_count, 0);
        assert_int_equal(bench->device->memory_used_bytes, 0);
        assert_int_equal(bench->device->window.used_bytes, 0);
        assert_int_equal(bench->device->resource_fd_count, 0);
        assert_int_equal(bench->device->held_count, 0);
        bench_close(bench);
    }
}

static void test_reset_in_every_state(void **state)
{
    (void)state;
    for (int wanted = 0; wanted < STATE_COUNT; wanted++) {
        struct bench *bench = bench_open();

        bring_to(bench, (enum blob_state)wanted);
        bench->ops->reset(bench->device);
        assert_int_equal(bench->device->resource_count, 0);
        assert_int_equal(bench->device->memory_used_bytes, 0);
        assert_int_equal(bench->device->held_count, 0);
        assert_int_equal(bench->device->resource_fd_count, 0);
        bench->ops->start(bench->device, 0x1f, true);
        bring_to(bench, (enum blob_state)wanted);
        bench_close(bench);
    }
}

static void test_loss_in_every_state(void **state)
{
    (void)state;
    for (int wanted = 0; wanted < STATE_LOST; wanted++) {
        struct bench *bench = bench_open();

        bring_to(bench, (enum blob_state)wanted);
        fake_lose_rudely(&bench->fake, 1);
        fake_lose_rudely(&bench->fake, 2);
        assert_int_equal(bench->device->held_count, 0);
        if (wanted != STATE_LEAVING) {
            assert_int_equal(bench_answer(unref(bench, 9)), PV_GPU_OK_NODATA);
        }
        assert_int_equal(bench->device->resource_count, 0);
        assert_int_equal(bench->device->window.used_bytes, 0);
        bench_close(bench);
    }
}

static void test_commands_behind_an_unref_find_nothing(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *unreffed;
    const struct bench_element *mapped;
    const struct bench_element *flushed;

    (void)state;
    bench_context(bench, 1, 4);
    (void)bench_blob(bench, 1, 9, 5, 0x1000, PV_GPU_BLOB_FLAG_MAPPABLE);
    unreffed = unref(bench, 9);
    mapped = bench_map(bench, 9, 0);
    flushed = bench_flush(bench, 9, 0, 0, 1, 1);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_int_equal(bench_answer(mapped), PV_GPU_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(bench_answer(flushed), PV_GPU_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(bench_answer(unreffed), 0);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_LEAVE, 0), 0);
    assert_int_equal(bench_answer(unreffed), PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_uuids_differ(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *a;
    const struct bench_element *b;

    (void)state;
    bench_2d(bench, 1, 1, 1);
    bench_2d(bench, 2, 1, 1);
    a = bench_resource(bench, PV_GPU_CMD_RESOURCE_ASSIGN_UUID, 0, 1);
    b = bench_resource(bench, PV_GPU_CMD_RESOURCE_ASSIGN_UUID, 0, 2);
    assert_int_equal(bench_answer(a), PV_GPU_OK_UUID);
    assert_int_equal(a->written_bytes, 40);
    assert_memory_not_equal(bench_payload(a), bench_payload(b), 16);
    b = bench_resource(bench, PV_GPU_CMD_RESOURCE_ASSIGN_UUID, 0, 1);
    assert_memory_equal(bench_payload(a), bench_payload(b), 16);
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_RESOURCE_ASSIGN_UUID, 0, 3)),
                     PV_GPU_ERR_INVALID_RESOURCE_ID);
    bench_close(bench);
}

static void test_resource_cap(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_2d(bench, 1, 1, 1);
    bench->device->resource_count = PV_GPU_RESOURCE_MAX;
    assert_int_equal(bench_answer(BENCH(bench, struct pv_gpu_cmd_create_2d,
                                        .header.type = PV_GPU_CMD_RESOURCE_CREATE_2D,
                                        .resource_id = 2, .format = 1, .width = 1, .height = 1)),
                     PV_GPU_ERR_OUT_OF_MEMORY);
    bench->device->resource_count = 1;
    bench->device->resource_fd_count = PV_GPU_RESOURCE_FD_MAX;
    assert_int_equal(bench_answer(BENCH(bench, struct pv_gpu_cmd_create_2d,
                                        .header.type = PV_GPU_CMD_RESOURCE_CREATE_2D,
                                        .resource_id = 2, .format = 1, .width = 1, .height = 1)),
                     PV_GPU_ERR_OUT_OF_MEMORY);
    bench->device->resource_fd_count = 1;
    bench_2d(bench, 2, 1, 1);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_unref_in_every_state),
        cmocka_unit_test(test_reset_in_every_state),
        cmocka_unit_test(test_loss_in_every_state),
        cmocka_unit_test(test_commands_behind_an_unref_find_nothing),
        cmocka_unit_test(test_uuids_differ),
        cmocka_unit_test(test_resource_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
