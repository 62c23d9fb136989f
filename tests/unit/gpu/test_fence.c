/* SPDX-License-Identifier: MIT */
/*
 * gpu/fence.c: order within a timeline, independence between them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "support/gpu_bench.h"

#define RING (PV_GPU_FLAG_FENCE | PV_GPU_FLAG_RING_IDX)

static struct bench_element *fenced_flush(struct bench *bench, uint32_t resource_id, uint64_t fence)
{
    return BENCH(bench, struct pv_gpu_cmd_flush,
                 .header = {.type = PV_GPU_CMD_RESOURCE_FLUSH,
                            .flags = PV_GPU_FLAG_FENCE,
                            .fence_id = fence},
                 .resource_id = resource_id);
}

static void test_a_fenced_answer_names_its_fence(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *element;
    struct pv_gpu_header header;

    (void)state;
    bench_context(bench, 3, 4);
    element = bench_submit(bench, 3, RING, 5, 0x123456789, "abcd", 4);
    assert_int_equal(bench_answer(element), 0);
    fake_retire(&bench->fake, 3, 5, 0x123456789);
    memcpy(&header, element->written, sizeof(header));
    assert_int_equal(header.type, PV_GPU_OK_NODATA);
    assert_int_equal(header.flags, PV_GPU_FLAG_FENCE);
    assert_int_equal(header.fence_id, 0x123456789);
    assert_int_equal(header.context_id, 3);
    element = bench_submit(bench, 3, 0, 0, 77, "abcd", 4);
    memcpy(&header, element->written, sizeof(header));
    assert_int_equal(header.flags, 0);
    assert_int_equal(header.fence_id, 0);
    bench_close(bench);
}

static void test_one_timeline_is_in_order(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *elements[4];

    (void)state;
    bench_context(bench, 1, 4);
    for (uint32_t i = 0; i < 4; i++) {
        elements[i] = bench_submit(bench, 1, RING, 1, i + 1, "abcd", 4);
    }
    fake_retire(&bench->fake, 1, 1, 2);      /* ends the first one too */
    assert_int_equal(elements[0]->order, 2); /* after the context's creation */
    assert_int_equal(elements[1]->order, 3);
    assert_int_equal(bench_answer(elements[2]), 0);
    fake_retire(&bench->fake, 1, 1, 2); /* again: nothing */
    assert_int_equal(bench_answer(elements[2]), 0);
    fake_retire(&bench->fake, 1, 1, 4);
    assert_int_equal(elements[2]->order, 4);
    assert_int_equal(elements[3]->order, 5);
    bench_close(bench);
}

static void test_timelines_are_independent(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *a;
    const struct bench_element *b;
    const struct bench_element *c;
    const struct bench_element *global;

    (void)state;
    bench_2d(bench, 1, 8, 8);
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    a = bench_submit(bench, 1, RING, 1, 1, "abcd", 4);
    b = bench_submit(bench, 1, RING, 2, 2, "abcd", 4);
    c = bench_submit(bench, 2, RING, 1, 3, "abcd", 4);
    global = fenced_flush(bench, 1, 4);
    assert_int_equal(bench_answer(global), PV_GPU_OK_NODATA);
    fake_retire(&bench->fake, 2, 1, 3);
    assert_int_equal(bench_answer(c), PV_GPU_OK_NODATA);
    fake_retire(&bench->fake, 1, 2, 2);
    assert_int_equal(bench_answer(b), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(a), 0);
    bench_close(bench);
}

static void test_commands_of_ours_wait_their_turn(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *stream;
    const struct bench_element *attach;

    (void)state;
    bench_2d(bench, 1, 8, 8);
    bench_context(bench, 1, 4);
    stream = bench_submit(bench, 1, RING, 3, 1, "abcd", 4);
    attach = BENCH(bench, struct pv_gpu_cmd_resource,
                   .header = {.type = PV_GPU_CMD_CTX_ATTACH_RESOURCE,
                              .flags = RING,
                              .fence_id = 2,
                              .context_id = 1,
                              .ring_index = 3},
                   .resource_id = 1);
    assert_int_equal(fake_count(&bench->fake, FAKE_ATTACH), 1); /* done, but not told */
    assert_int_equal(bench_answer(attach), 0);
    fake_retire(&bench->fake, 1, 3, 1);
    assert_int_equal(bench_answer(stream), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(attach), PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_a_finished_one_between_two_streams(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *elements[3];

    (void)state;
    bench_2d(bench, 1, 8, 8);
    bench_context(bench, 1, 4);
    elements[0] = bench_submit(bench, 1, RING, 3, 1, "abcd", 4);
    elements[1] = BENCH(bench, struct pv_gpu_cmd_resource,
                        .header = {.type = PV_GPU_CMD_CTX_ATTACH_RESOURCE,
                                   .flags = RING,
                                   .fence_id = 2,
                                   .context_id = 1,
                                   .ring_index = 3},
                        .resource_id = 1);
    elements[2] = bench_submit(bench, 1, RING, 3, 3, "abcd", 4);
    fake_retire(&bench->fake, 1, 3, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(bench_answer(elements[i]), PV_GPU_OK_NODATA);
    }
    assert_true(elements[0]->order < elements[1]->order);
    assert_true(elements[1]->order < elements[2]->order);
    bench_close(bench);
}

/* A program that names no ring cannot hold up the desktop's fences. */
static void test_a_stream_without_ring_is_on_ring_0_of_its_context(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *stream;

    (void)state;
    bench_2d(bench, 1, 8, 8);
    bench_context(bench, 1, 4);
    stream = bench_submit(bench, 1, PV_GPU_FLAG_FENCE, 63, 1, "abcd", 4);
    assert_int_equal(fake_last(&bench->fake, FAKE_SUBMIT, 0)->ring_index, 0);
    assert_int_equal(bench_answer(fenced_flush(bench, 1, 2)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(stream), 0);
    fake_retire(&bench->fake, 1, 0, 1);
    assert_int_equal(bench_answer(stream), PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_rings_that_cannot_be(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_context(bench, 1, 4);
    assert_int_equal(bench_answer(bench_submit(bench, 1, RING, 64, 1, "abcd", 4)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(bench_submit(bench, 1, RING, 255, 1, "abcd", 4)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(bench_submit(bench, 9, RING, 1, 1, "abcd", 4)),
                     PV_GPU_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(bench->device->fence_count, 0);
    assert_int_equal(bench_answer(bench_submit(bench, 1, RING, 63, 1, NULL, 0)), 0);
    fake_retire(&bench->fake, 1, 63, 1);
    assert_int_equal(bench->device->fence_count, 0);
    bench_close(bench);
}

static void test_a_fence_that_waits_for_a_blob_outlives_its_context(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *flush;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    (void)bench_blob(bench, 1, 5, 1, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    flush = BENCH(bench, struct pv_gpu_cmd_flush,
                  .header = {.type = PV_GPU_CMD_RESOURCE_FLUSH,
                             .flags = RING,
                             .fence_id = 9,
                             .context_id = 2,
                             .ring_index = 1},
                  .resource_id = 5);
    assert_int_equal(bench_answer(flush), 0);
    (void)BENCH(bench, struct pv_gpu_header, .type = PV_GPU_CMD_CTX_DESTROY, .context_id = 2);
    assert_int_equal(bench_answer(flush), 0);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_int_equal(bench_answer(flush), PV_GPU_OK_NODATA);
    assert_int_equal(bench->device->fence_count, 0);
    bench_close(bench);
}

static void test_equal_fence_ids(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *first;
    const struct bench_element *second;

    (void)state;
    bench_context(bench, 1, 4);
    first = bench_submit(bench, 1, RING, 1, 5, "abcd", 4);
    second = bench_submit(bench, 1, RING, 1, 5, "abcd", 4);
    fake_retire(&bench->fake, 1, 1, 5);
    assert_int_equal(bench_answer(first), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(second), 0);
    fake_retire(&bench->fake, 1, 1, 5);
    assert_int_equal(bench_answer(second), PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_retired_from_inside_the_call(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench->fake.answer_at_once = true;
    bench_context(bench, 1, 4);
    for (uint64_t i = 1; i < 300; i++) {
        assert_int_equal(bench_answer(bench_submit(bench, 1, RING, 1, i, "abcd", 4)),
                         PV_GPU_OK_NODATA);
    }
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fenced_answer_names_its_fence),
        cmocka_unit_test(test_one_timeline_is_in_order),
        cmocka_unit_test(test_timelines_are_independent),
        cmocka_unit_test(test_commands_of_ours_wait_their_turn),
        cmocka_unit_test(test_a_finished_one_between_two_streams),
        cmocka_unit_test(test_a_stream_without_ring_is_on_ring_0_of_its_context),
        cmocka_unit_test(test_rings_that_cannot_be),
        cmocka_unit_test(test_a_fence_that_waits_for_a_blob_outlives_its_context),
        cmocka_unit_test(test_equal_fence_ids),
        cmocka_unit_test(test_retired_from_inside_the_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
