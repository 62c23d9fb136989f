/* SPDX-License-Identifier: MIT */
/*
 * gpu/guest_context.c: contexts from creation to loss, and their streams.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "gpu/limits.h"
#include "support/gpu_bench.h"

static struct bench_element *create(struct bench *bench, uint32_t id, uint32_t init,
                                    uint32_t name_bytes)
{
    return BENCH(bench, struct pv_gpu_cmd_context_create,
                 .header = {.type = PV_GPU_CMD_CTX_CREATE, .context_id = id},
                 .name_bytes = name_bytes, .context_init = init, .name = "vk\ncube");
}

static struct bench_element *destroy(struct bench *bench, uint32_t id)
{
    return BENCH(bench, struct pv_gpu_header, .type = PV_GPU_CMD_CTX_DESTROY, .context_id = id);
}

static void test_create_refuses_bad_values(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    assert_int_equal(bench_answer(create(bench, 0, 4, 0)), PV_GPU_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(bench_answer(create(bench, 1, 1, 0)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(create(bench, 1, 255, 0)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(create(bench, 1, 4, 65)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(create(bench, 1, 4, UINT32_MAX)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(fake_count(&bench->fake, FAKE_CREATE), 0);
    assert_int_equal(bench_answer(create(bench, 1, 4, 64)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(create(bench, 1, 4, 0)), PV_GPU_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(bench_answer(create(bench, 1, 0, 0)), PV_GPU_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(bench_answer(create(bench, UINT32_MAX, 4, 0)), PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_names_are_cleaned(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_cmd_context_create command = {
        .header = {.type = PV_GPU_CMD_CTX_CREATE, .context_id = 2},
        .name_bytes = 64,
        .context_init = 4,
    };

    (void)state;
    (void)create(bench, 1, 4, 7);
    assert_string_equal(fake_last(&bench->fake, FAKE_CREATE, 0)->name, "vk?cube");
    memset(command.name, 'x', sizeof(command.name)); /* no NUL at the end */
    assert_int_equal(bench_answer(bench_send(bench, &command, sizeof(command))), PV_GPU_OK_NODATA);
    assert_int_equal(strlen(fake_last(&bench->fake, FAKE_CREATE, 0)->name), 63);
    bench_close(bench);
}

static void test_create_that_the_runner_refuses(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench->fake.fail_with[FAKE_CREATE] = -EAGAIN;
    assert_int_equal(bench_answer(create(bench, 1, 4, 0)), PV_GPU_ERR_OUT_OF_MEMORY);
    bench->fake.fail_with[FAKE_CREATE] = -ENOENT;
    assert_int_equal(bench_answer(create(bench, 1, 4, 0)), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench_answer(destroy(bench, 1)), PV_GPU_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(bench->device->context_count, 0);
    bench_close(bench);
}

static void test_context_cap(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    for (uint32_t i = 1; i <= PV_GPU_CONTEXT_MAX; i++) {
        assert_int_equal(bench_answer(create(bench, i, 0, 0)), PV_GPU_OK_NODATA);
    }
    assert_int_equal(bench_answer(create(bench, 9999, 0, 0)), PV_GPU_ERR_OUT_OF_MEMORY);
    assert_int_equal(bench_answer(destroy(bench, 5)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(create(bench, 9999, 0, 0)), PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_submit_checks_its_size(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_cmd_submit command = {.header = {.type = PV_GPU_CMD_SUBMIT_3D, .context_id = 1}};
    const uint32_t bad[] = {1, 2, 3, 5, 12, UINT32_MAX, UINT32_MAX - 3, 0x80000000u};

    (void)state;
    bench_context(bench, 1, 4);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        command.size_bytes = bad[i];
        assert_int_equal(
            bench_answer(bench_send_raw(bench, 0, &command, sizeof(command), "12345678", 8, 24)),
            PV_GPU_ERR_INVALID_PARAMETER);
    }
    assert_int_equal(fake_count(&bench->fake, FAKE_SUBMIT), 0);
    assert_int_equal(bench_answer(bench_submit(bench, 2, 0, 0, 0, "abcd", 4)),
                     PV_GPU_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(bench_answer(bench_submit(bench, 1, 0, 0, 0, "abcd", 4)), PV_GPU_OK_NODATA);
    assert_int_equal(fake_last(&bench->fake, FAKE_SUBMIT, 0)->size_bytes, 4);
    bench_close(bench);
}

static void test_submit_cap(void **state)
{
    struct bench *bench = bench_open();
    uint8_t *stream = calloc(1, PV_GPU_SUBMIT_MAX_BYTES + 4);

    (void)state;
    assert_non_null(stream);
    bench_context(bench, 1, 4);
    assert_int_equal(bench_answer(bench_submit(bench, 1, 0, 0, 0, stream, PV_GPU_SUBMIT_MAX_BYTES)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(fake_last(&bench->fake, FAKE_SUBMIT, 0)->size_bytes, PV_GPU_SUBMIT_MAX_BYTES);
    assert_int_equal(
        bench_answer(bench_submit(bench, 1, 0, 0, 0, stream, PV_GPU_SUBMIT_MAX_BYTES + 4)),
        PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(fake_count(&bench->fake, FAKE_SUBMIT), 1);
    bench_close(bench);
    free(stream);
}

/* Streams that the device has to keep are memory; short ones are not worth it. */
static void test_held_streams_are_charged(void **state)
{
    struct bench *bench = bench_open();
    uint8_t *stream = calloc(1, PV_GPU_SUBMIT_FREE_BYTES + 4);
    uint64_t used;

    (void)state;
    assert_non_null(stream);
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    (void)bench_blob(bench, 1, 3, 99, 0x1000, PV_GPU_BLOB_FLAG_MAPPABLE); /* no answer yet */
    (void)bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 3);
    used = bench->device->memory_used_bytes;
    (void)bench_submit(bench, 2, 0, 0, 0, stream, PV_GPU_SUBMIT_FREE_BYTES);
    assert_int_equal(bench->device->memory_used_bytes, used);
    (void)bench_submit(bench, 2, 0, 0, 0, stream, PV_GPU_SUBMIT_FREE_BYTES + 4);
    assert_int_equal(bench->device->memory_used_bytes, used + PV_GPU_SUBMIT_FREE_BYTES + 4);
    bench->device->memory_limit_bytes = bench->device->memory_used_bytes;
    assert_int_equal(
        bench_answer(bench_submit(bench, 2, 0, 0, 0, stream, PV_GPU_SUBMIT_FREE_BYTES + 4)),
        PV_GPU_ERR_OUT_OF_MEMORY);
    assert_int_equal(fake_count(&bench->fake, FAKE_SUBMIT), 0);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    assert_int_equal(fake_count(&bench->fake, FAKE_SUBMIT), 2);
    assert_int_equal(bench->device->memory_used_bytes, used);
    bench_close(bench);
    free(stream);
}

static void test_submit_to_an_empty_context(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_context(bench, 1, 0);
    assert_int_equal(bench_answer(bench_submit(bench, 1, 0, 0, 0, "abcd", 4)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(bench_submit(bench, 1, PV_GPU_FLAG_FENCE, 0, 3, NULL, 0)),
                     PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_submit_that_the_worker_refuses(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_context(bench, 1, 4);
    bench->fake.fail_with[FAKE_SUBMIT] = -EIO;
    assert_int_equal(bench_answer(bench_submit(bench, 1, 0, 0, 0, "abcd", 4)), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench_answer(bench_submit(bench, 1, PV_GPU_FLAG_FENCE, 0, 3, "abcd", 4)),
                     PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench->device->fence_count, 0);
    bench_close(bench);
}

static void test_fence_cap(void **state)
{
    struct bench *bench = bench_open();
    const uint32_t flags = PV_GPU_FLAG_FENCE | PV_GPU_FLAG_RING_IDX;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    for (uint32_t i = 0; i < PV_GPU_CONTEXT_FENCE_MAX; i++) {
        assert_int_equal(bench_answer(bench_submit(bench, 1, flags, 1, i + 1, NULL, 0)), 0);
    }
    assert_int_equal(bench_answer(bench_submit(bench, 1, flags, 1, 9999, NULL, 0)),
                     PV_GPU_ERR_OUT_OF_MEMORY);
    assert_int_equal(fake_count(&bench->fake, FAKE_SUBMIT), PV_GPU_CONTEXT_FENCE_MAX);
    assert_int_equal(bench_answer(bench_submit(bench, 2, flags, 1, 5000, NULL, 0)), 0);
    fake_retire(&bench->fake, 1, 1, 1);
    assert_int_equal(bench_answer(bench_submit(bench, 1, flags, 1, 6000, NULL, 0)), 0);
    fake_lose(&bench->fake, 1);
    fake_lose(&bench->fake, 2);
    assert_int_equal(bench->device->held_count, 0);
    bench_close(bench);
}

static void test_loss_answers_everything(void **state)
{
    struct bench *bench = bench_open();
    const uint32_t flags = PV_GPU_FLAG_FENCE | PV_GPU_FLAG_RING_IDX;

    (void)state;
    for (int rude = 0; rude < 2; rude++) {
        const struct bench_element *fenced;
        const struct bench_element *created;
        const struct bench_element *mapped;

        bench_context(bench, 1, 4);
        fenced = bench_submit(bench, 1, flags, 1, 1, "abcd", 4);
        created = bench_blob(bench, 1, 5, 1, 0x1000, PV_GPU_BLOB_FLAG_MAPPABLE);
        mapped = bench_map(bench, 5, 0);
        if (rude) {
            fake_lose_rudely(&bench->fake, 1);
            assert_int_equal(bench_answer(fenced), PV_GPU_ERR_UNSPEC);
        } else {
            fake_lose(&bench->fake, 1);
            assert_int_equal(bench_answer(fenced), PV_GPU_OK_NODATA);
        }
        assert_int_equal(bench_answer(created), PV_GPU_ERR_UNSPEC);
        assert_int_equal(bench_answer(mapped), PV_GPU_ERR_UNSPEC);
        assert_int_equal(bench->device->held_count, 0);
        /* It is a name until the guest destroys it. */
        assert_int_equal(bench_answer(bench_submit(bench, 1, 0, 0, 0, "abcd", 4)),
                         PV_GPU_ERR_UNSPEC);
        assert_int_equal(bench_answer(bench_submit(bench, 1, flags, 1, 2, "abcd", 4)),
                         PV_GPU_ERR_UNSPEC);
        assert_int_equal(bench_answer(bench_blob(bench, 1, 6, 0, 0x1000, 1)), PV_GPU_ERR_UNSPEC);
        assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, 5)),
                         PV_GPU_OK_NODATA);
        assert_int_equal(bench_answer(destroy(bench, 1)), PV_GPU_OK_NODATA);
    }
    bench_close(bench);
}

static void test_destroy_with_work_in_flight(void **state)
{
    struct bench *bench = bench_open();
    const uint32_t flags = PV_GPU_FLAG_FENCE | PV_GPU_FLAG_RING_IDX;
    const struct bench_element *fenced;
    const struct bench_element *created;
    const struct bench_element *mapped;

    (void)state;
    bench_context(bench, 1, 4);
    fenced = bench_submit(bench, 1, flags, 1, 1, "abcd", 4);
    created = bench_blob(bench, 1, 5, 1, 0x1000, PV_GPU_BLOB_FLAG_MAPPABLE);
    mapped = bench_map(bench, 5, 0);
    assert_int_equal(bench_answer(destroy(bench, 1)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(fenced), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(created), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench_answer(mapped), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench->device->held_count, 0);
    assert_int_equal(bench_answer(destroy(bench, 1)), PV_GPU_ERR_INVALID_CONTEXT_ID);
    bench_context(bench, 1, 4);
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, 5)),
                     PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_destroy_while_a_place_is_in_flight(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *mapped;

    (void)state;
    bench_context(bench, 1, 4);
    (void)bench_blob(bench, 1, 5, 1, 0x1000, PV_GPU_BLOB_FLAG_MAPPABLE);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    mapped = bench_map(bench, 5, 0);
    assert_int_equal(fake_count(&bench->fake, FAKE_PLACE), 1);
    (void)destroy(bench, 1);
    assert_int_equal(bench_answer(mapped), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench->device->window.used_bytes, 0);
    bench_close(bench);
}

/* Pages of a worker that is not gone yet are not given to others; the guest's id is. */
static void test_destroy_of_a_worker_that_ends_slowly(void **state)
{
    struct bench *bench = bench_open();
    const uint32_t flags = PV_GPU_FLAG_FENCE | PV_GPU_FLAG_RING_IDX;
    const struct bench_element *destroyed;
    const struct bench_element *fenced;
    const struct bench_element *unrefed;

    (void)state;
    for (int resets = 0; resets < 2; resets++) {
        bench->fake.ends_slowly = true;
        bench_context(bench, 1, 4);
        bench_shmem(bench, 1, 5, 0x1000);
        (void)bench_map(bench, 5, 0);
        fenced = bench_submit(bench, 1, flags, 1, 1, "abcd", 4);
        destroyed = destroy(bench, 1);
        unrefed = bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, 5);
        assert_int_equal(bench_answer(destroyed), 0);
        assert_int_equal(bench_answer(unrefed), 0);
        assert_int_not_equal(bench->device->window.used_bytes, 0);
        assert_int_equal(fake_count(&bench->fake, FAKE_DESTROY), 2 * resets);
        assert_int_equal(bench_answer(destroy(bench, 1)), PV_GPU_ERR_INVALID_CONTEXT_ID);
        if (resets) {
            break;
        }
        fake_lose(&bench->fake, 1);
        assert_int_equal(bench_answer(destroyed), PV_GPU_OK_NODATA);
        assert_int_equal(bench_answer(unrefed), PV_GPU_OK_NODATA);
        assert_int_equal(bench_answer(fenced), PV_GPU_OK_NODATA);
        assert_int_equal(bench->device->window.used_bytes, 0);
        bench->fake.ends_slowly = false;
        bench_context(bench, 1, 4); /* one that ends at once, under the same id */
        assert_int_equal(bench_answer(destroy(bench, 1)), PV_GPU_OK_NODATA);
        assert_int_equal(fake_count(&bench->fake, FAKE_DESTROY), 2);
    }
    bench_close(bench); /* in the middle of it */
}

static void test_events_that_make_no_sense(void **state)
{
    struct bench *bench = bench_open();
    struct fake_call call = {.op = FAKE_LEAVE, .context_id = 1, .cookie = 12345};

    (void)state;
    bench_context(bench, 1, 4);
    fake_answer(&bench->fake, &call, 0);
    call.op = FAKE_EXPORT;
    bench->fake.exports_have_fd = true; /* its fd must be closed */
    call.size_bytes = 4096;
    fake_answer(&bench->fake, &call, 0);
    fake_retire(&bench->fake, 1, 0, 777);
    fake_retire(&bench->fake, 1, 64, 777);
    fake_retire(&bench->fake, 1, UINT32_MAX, 777);
    fake_lose_rudely(&bench->fake, 1);
    fake_lose_rudely(&bench->fake, 1);
    assert_true(bench_still_answers(bench));
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_refuses_bad_values),
        cmocka_unit_test(test_names_are_cleaned),
        cmocka_unit_test(test_create_that_the_runner_refuses),
        cmocka_unit_test(test_context_cap),
        cmocka_unit_test(test_submit_checks_its_size),
        cmocka_unit_test(test_submit_cap),
        cmocka_unit_test(test_held_streams_are_charged),
        cmocka_unit_test(test_submit_to_an_empty_context),
        cmocka_unit_test(test_submit_that_the_worker_refuses),
        cmocka_unit_test(test_fence_cap),
        cmocka_unit_test(test_loss_answers_everything),
        cmocka_unit_test(test_destroy_with_work_in_flight),
        cmocka_unit_test(test_destroy_while_a_place_is_in_flight),
        cmocka_unit_test(test_destroy_of_a_worker_that_ends_slowly),
        cmocka_unit_test(test_events_that_make_no_sense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
