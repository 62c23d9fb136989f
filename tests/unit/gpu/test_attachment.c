/* SPDX-License-Identifier: MIT */
/*
 * gpu/attachment.c: who may use a resource, and what waits for one that is not ready.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gpu/limits.h"
#include "support/gpu_bench.h"

static struct bench_element *attach(struct bench *bench, uint32_t context_id, uint32_t id)
{
    return bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, context_id, id);
}

static struct bench_element *detach(struct bench *bench, uint32_t context_id, uint32_t id)
{
    return bench_resource(bench, PV_GPU_CMD_CTX_DETACH_RESOURCE, context_id, id);
}

static void test_ids_that_are_wrong(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_context(bench, 1, 4);
    bench_2d(bench, 1, 8, 8);
    assert_int_equal(bench_answer(attach(bench, 0, 1)), PV_GPU_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(bench_answer(attach(bench, 2, 1)), PV_GPU_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(bench_answer(attach(bench, 1, 0)), PV_GPU_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(bench_answer(attach(bench, 1, 2)), PV_GPU_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(bench_answer(detach(bench, 1, 1)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(detach(bench, 2, 1)), PV_GPU_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(fake_count(&bench->fake, FAKE_ATTACH), 0);
    bench_close(bench);
}

static void test_a_2d_resource_reaches_the_worker(void **state)
{
    struct bench *bench = bench_open();
    const struct fake_call *call;

    (void)state;
    bench_context(bench, 1, 4);
    bench_2d(bench, 1, 8, 8);
    assert_int_equal(bench_answer(attach(bench, 1, 1)), PV_GPU_OK_NODATA);
    call = fake_last(&bench->fake, FAKE_ATTACH, 0);
    assert_int_equal(call->size_bytes, 4096);
    assert_false(call->in_window);
    assert_false(call->is_shmem);
    assert_int_equal(bench_answer(attach(bench, 1, 1)), PV_GPU_OK_NODATA);
    assert_int_equal(fake_count(&bench->fake, FAKE_ATTACH), 1);
    assert_int_equal(bench_answer(detach(bench, 1, 1)), PV_GPU_OK_NODATA);
    assert_int_equal(fake_count(&bench->fake, FAKE_LEAVE), 1);
    assert_int_equal(bench_answer(detach(bench, 1, 1)), PV_GPU_ERR_INVALID_PARAMETER);
    bench_close(bench);
}

static void test_empty_contexts_have_no_worker(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_context(bench, 1, 0);
    bench_2d(bench, 1, 8, 8);
    assert_int_equal(bench_answer(attach(bench, 1, 1)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(detach(bench, 1, 1)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(attach(bench, 1, 1)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, 1)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(bench->fake.call_count, 0);
    bench_close(bench);
}

static void test_unmapped_shmem_is_told_when_it_is_mapped(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    bench_shmem(bench, 1, 3, 0x1000);
    assert_int_equal(bench_answer(attach(bench, 2, 3)), PV_GPU_OK_NODATA);
    assert_int_equal(fake_count(&bench->fake, FAKE_ATTACH), 0);
    (void)bench_map(bench, 3, 0x4000);
    assert_int_equal(fake_count(&bench->fake, FAKE_ATTACH), 2);
    assert_int_equal(fake_last(&bench->fake, FAKE_ATTACH, 0)->offset_bytes, 0x4000);
    bench_close(bench);
}

/* The compositor imports a buffer whose maker has not answered yet. */
static void test_attach_of_a_pending_blob_holds_up_its_context_only(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *attached;
    const struct bench_element *submitted;
    const struct bench_element *other;

    (void)state;
    bench->fake.exports_have_fd = true;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    bench_context(bench, 3, 4);
    (void)bench_blob(bench, 1, 9, 77, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    attached = attach(bench, 2, 9);
    submitted = bench_submit(bench, 2, 0, 0, 0, "uses", 4);
    other = bench_submit(bench, 3, 0, 0, 0, "abcd", 4);
    assert_int_equal(bench_answer(attached), 0);
    assert_int_equal(bench_answer(submitted), 0);
    assert_int_equal(bench_answer(other), PV_GPU_OK_NODATA);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_int_equal(bench_answer(attached), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(submitted), PV_GPU_OK_NODATA);
    assert_memory_equal(fake_last(&bench->fake, FAKE_SUBMIT, 0)->bytes, "uses", 4);
    assert_true(fake_last(&bench->fake, FAKE_ATTACH, 0) < fake_last(&bench->fake, FAKE_SUBMIT, 0));
    bench_close(bench);
}

static void test_attach_of_a_blob_that_fails(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *attached;
    const struct bench_element *again;
    const struct bench_element *submitted;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    (void)bench_blob(bench, 1, 9, 77, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    attached = attach(bench, 2, 9);
    again = attach(bench, 2, 9);
    submitted = bench_submit(bench, 2, 0, 0, 0, "uses", 4);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), -EINVAL);
    assert_int_equal(bench_answer(attached), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench_answer(again), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench_answer(submitted), PV_GPU_OK_NODATA);
    assert_int_equal(fake_count(&bench->fake, FAKE_ATTACH), 0);
    assert_int_equal(bench_answer(attach(bench, 2, 9)), PV_GPU_ERR_UNSPEC);
    bench_close(bench);
}

static void test_attach_twice_to_a_pending_blob(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *first;
    const struct bench_element *second;

    (void)state;
    bench->fake.exports_have_fd = true;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    (void)bench_blob(bench, 1, 9, 77, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    first = attach(bench, 2, 9);
    second = attach(bench, 2, 9);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_int_equal(bench_answer(first), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(second), PV_GPU_OK_NODATA);
    assert_int_equal(fake_count(&bench->fake, FAKE_ATTACH), 1);
    bench_close(bench);
}

static void test_context_dies_while_its_attach_waits(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *attached;
    const struct bench_element *submitted;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    (void)bench_blob(bench, 1, 9, 77, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    attached = attach(bench, 2, 9);
    submitted = bench_submit(bench, 2, 0, 0, 0, "uses", 4);
    assert_int_equal(bench_answer(BENCH(bench, struct pv_gpu_header, .type = PV_GPU_CMD_CTX_DESTROY,
                                        .context_id = 2)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(submitted), PV_GPU_ERR_UNSPEC);
    bench_context(bench, 2, 4); /* ids are reused at once */
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_int_equal(bench_answer(attached), PV_GPU_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(fake_count(&bench->fake, FAKE_ATTACH), 0);
    bench_close(bench);
}

/* Its worker takes its time to die, and the id is another context's by the time of the answer. */
static void test_context_ends_slowly_while_its_attach_waits(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *attached;
    const struct bench_element *submitted;
    const struct bench_element *destroyed;

    (void)state;
    bench->fake.exports_have_fd = true;
    bench->fake.ends_slowly = true;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    (void)bench_blob(bench, 1, 9, 77, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    attached = attach(bench, 2, 9);
    submitted = bench_submit(bench, 2, 0, 0, 0, "uses", 4);
    destroyed = BENCH(bench, struct pv_gpu_header, .type = PV_GPU_CMD_CTX_DESTROY, .context_id = 2);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_int_equal(bench_answer(attached), PV_GPU_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(fake_count(&bench->fake, FAKE_ATTACH), 0);
    fake_lose(&bench->fake, 2);
    assert_int_equal(bench_answer(submitted), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench_answer(destroyed), PV_GPU_OK_NODATA);
    bench_close(bench);
}

/* An ATTACH behind the UNREF of a resource that is busy: it fails, and its context goes on. */
static void test_attach_behind_an_unref(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *unrefed;
    const struct bench_element *attached;
    const struct bench_element *submitted;

    (void)state;
    bench->fake.exports_have_fd = true;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    (void)bench_blob(bench, 1, 9, 77, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    unrefed = bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, 9);
    attached = attach(bench, 2, 9);
    submitted = bench_submit(bench, 2, 0, 0, 0, "uses", 4);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_int_equal(bench_answer(attached), PV_GPU_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(bench_answer(submitted), PV_GPU_OK_NODATA);
    assert_int_equal(fake_count(&bench->fake, FAKE_ATTACH), 0);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_LEAVE, 0), 0);
    assert_int_equal(bench_answer(unrefed), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(BENCH(bench, struct pv_gpu_header, .type = PV_GPU_CMD_CTX_DESTROY,
                                        .context_id = 2)),
                     PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_maker_dies_while_others_wait(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *attached;
    const struct bench_element *submitted;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    (void)bench_blob(bench, 1, 9, 77, 0x1000, PV_GPU_BLOB_FLAG_SHAREABLE);
    attached = attach(bench, 2, 9);
    submitted = bench_submit(bench, 2, 0, 0, 0, "uses", 4);
    fake_lose(&bench->fake, 1);
    assert_int_equal(bench_answer(attached), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench_answer(submitted), PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_detach_then_unref_waits_for_the_leave(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *detached;
    const struct bench_element *unreffed;

    (void)state;
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 3, 0x1000);
    (void)bench_map(bench, 3, 0);
    detached = detach(bench, 1, 3);
    unreffed = bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, 3);
    assert_int_equal(bench_answer(detached), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(unreffed), 0);
    assert_int_equal(fake_count(&bench->fake, FAKE_LEAVE), 1);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_LEAVE, 0), 0);
    assert_int_equal(bench_answer(unreffed), PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_attach_that_the_worker_refuses(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_context(bench, 1, 4);
    bench_2d(bench, 1, 8, 8);
    bench->fake.fail_with[FAKE_ATTACH] = -ENOMEM;
    assert_int_equal(bench_answer(attach(bench, 1, 1)), PV_GPU_ERR_OUT_OF_MEMORY);
    bench_close(bench);
}

static void test_lost_contexts_take_nothing(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_context(bench, 1, 4);
    bench_2d(bench, 1, 8, 8);
    fake_lose(&bench->fake, 1);
    assert_int_equal(bench_answer(attach(bench, 1, 1)), PV_GPU_ERR_UNSPEC);
    bench_close(bench);
}

/* All resources on all contexts together; what is given up makes room. */
static void test_attachment_cap(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    bench_shmem(bench, 1, 5, 0x1000);
    assert_int_equal(bench->device->attachment_count, 1);
    bench->device->attachment_count += PV_GPU_ATTACHMENT_MAX - 2;
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 5)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(bench_blob(bench, 1, 6, 0, 0x1000, PV_GPU_BLOB_FLAG_MAPPABLE)),
                     PV_GPU_ERR_OUT_OF_MEMORY);
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_CTX_DETACH_RESOURCE, 2, 5)),
                     PV_GPU_OK_NODATA);
    bench_shmem(bench, 1, 6, 0x1000);
    assert_int_equal(bench->device->attachment_count, PV_GPU_ATTACHMENT_MAX);
    bench->device->attachment_count -= PV_GPU_ATTACHMENT_MAX - 2;
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, 6)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(bench->device->attachment_count, 1);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_that_are_wrong),
        cmocka_unit_test(test_a_2d_resource_reaches_the_worker),
        cmocka_unit_test(test_empty_contexts_have_no_worker),
        cmocka_unit_test(test_unmapped_shmem_is_told_when_it_is_mapped),
        cmocka_unit_test(test_attach_of_a_pending_blob_holds_up_its_context_only),
        cmocka_unit_test(test_attach_of_a_blob_that_fails),
        cmocka_unit_test(test_attach_twice_to_a_pending_blob),
        cmocka_unit_test(test_context_dies_while_its_attach_waits),
        cmocka_unit_test(test_context_ends_slowly_while_its_attach_waits),
        cmocka_unit_test(test_attach_behind_an_unref),
        cmocka_unit_test(test_maker_dies_while_others_wait),
        cmocka_unit_test(test_detach_then_unref_waits_for_the_leave),
        cmocka_unit_test(test_attach_that_the_worker_refuses),
        cmocka_unit_test(test_attachment_cap),
        cmocka_unit_test(test_lost_contexts_take_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
