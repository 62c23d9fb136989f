/* SPDX-License-Identifier: MIT */
/*
 * venus/context.c: what it refuses at its birth, what it does once lost, and that it takes all with
 * it at its end, at whatever moment that comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "os/shm.h"
#include "support/venus_fixture.h"

static void lose(void)
{
    venus_command(&b, 0x7fffffff, false);
    venus_bench_submit(&bench, &b);
    assert_true(venus_bench_is_lost(&bench));
    b.size_bytes = 0;
}

static void test_options_of_another_size(void **state)
{
    struct pv_venus_context_options options = {.size_bytes = sizeof(options) - 8};
    struct pv_venus_context *context = NULL;

    (void)state;
    assert_int_equal(pv_venus_context_create(&options, &context), -EINVAL);
    options.size_bytes = 0;
    assert_int_equal(pv_venus_context_create(&options, &context), -EINVAL);
    assert_null(context);
    pv_venus_context_destroy(NULL);
}

/* A fault does no more than its own harm: later calls answer -EIO or do nothing, fences retire. */
static void test_after_the_loss(void **state)
{
    struct pv_venus_exported exported;
    int fd;

    (void)state;
    venus_allocate(&b, VENUS_DEVICE, 10, 4096, venus_bench_visible_type(), 0, false, true);
    assert_int_equal(result(), VK_SUCCESS);
    lose();
    assert_int_equal(bench.lost_count, 1);
    assert_int_equal(pv_os_shm_create("test", 4096, &fd), 0);
    assert_int_equal(pv_venus_context_attach(bench.context, 900, fd, 0, 4096, false, true), -EIO);
    close(fd);
    assert_int_equal(
        pv_venus_context_export_blob(bench.context, 901, 10, 4096, true, false, &exported), -EIO);
    assert_int_equal(pv_venus_context_place(bench.context, 901, 0), -EIO);
    /* The guest still takes its memory back: that has to work. */
    assert_int_equal(pv_venus_context_leave(bench.context, ring.layout.resource_id), 0);
    assert_int_equal(pv_venus_context_leave(bench.context, ring.layout.resource_id), -ENOENT);
    fake_driver_hold_fences();
    for (uint32_t i = 0; i < 3; i++) {
        pv_venus_context_fence(bench.context, i, 100 + i);
    }
    assert_int_equal(bench.fence_count, 3);
    assert_int_equal(fake_driver_held(), 0);
    lose();
    assert_int_equal(bench.lost_count, 1);
}

static void test_submissions_of_odd_sizes(void **state)
{
    (void)state;
    b.size_bytes = 0;
    venus_bench_submit(&bench, &b); /* nothing */
    assert_false(venus_bench_is_lost(&bench));
    for (size_t size_bytes = 1; size_bytes < 4; size_bytes++) {
        b.size_bytes = 0;
        venus_instance_version(&b);
        b.size_bytes = 12 + size_bytes;
        venus_bench_submit(&bench, &b);
        assert_true(venus_bench_is_lost(&bench));
        assert_non_null(strstr(bench.reason, "multiple of 4"));
        (void)fixture_teardown(NULL);
        (void)fixture_setup(NULL);
    }
}

/* Objects of all kinds, fences outstanding, blobs exported, rings at work: nothing is left. */
static void test_the_end_takes_all(void **state)
{
    static const uint64_t ids[] = {30, 31};
    struct pv_venus_exported exported;

    (void)state;
    for (uint32_t round = 0; round < 10; round++) {
        const struct venus_image image = {.width = 8, .height = 8};
        struct venus_ring second;

        fake_driver_hold_fences();
        venus_allocate(&b, VENUS_DEVICE, 10, 4096, venus_bench_visible_type(), 0, true, true);
        assert_int_equal(result(), VK_SUCCESS);
        assert_int_equal(
            pv_venus_context_export_blob(bench.context, 900, 10, 4096, true, true, &exported), 0);
        close(exported.fd);
        venus_create_image(&b, VENUS_DEVICE, 11, &image, false);
        venus_create_fence(&b, VENUS_DEVICE, 12, false);
        venus_create_semaphore(&b, VENUS_DEVICE, 13);
        venus_create_command_pool(&b, VENUS_DEVICE, 14, false);
        venus_allocate_command_buffers(&b, VENUS_DEVICE, 14, 2, ids, false);
        venus_queue_submit(&b, VENUS_QUEUE, &(struct venus_submit){.fence = 12}, false);
        run();
        pv_venus_context_fence(bench.context, 1, 1);
        venus_ring_init(&second, &bench, 65536, 20000);
        for (uint64_t id = 100; id < 140; id++) {
            venus_create_buffer(&b, VENUS_DEVICE, id, 64, false);
        }
        venus_ring_write(&second, &b);
        venus_wait_seqno(&b, 9);
        venus_ring_write(&ring, &b);
        pv_venus_context_destroy(bench.context);
        bench.context = NULL;
        assert_int_equal(bench.fence_count, 1);
        venus_ring_finish(&second);
        (void)fixture_teardown(NULL); /* which asks the driver what is left */
        (void)fixture_setup(NULL);
    }
}

/* No instance yet, or a context that was never used. */
static void test_an_early_end(void **state)
{
    (void)state;
    venus_ring_finish(&ring);
    venus_bench_finish(&bench);
    venus_bench_init(&bench, false);
    venus_bench_finish(&bench);
    venus_bench_init(&bench, true);
    venus_bench_finish(&bench);
    (void)fixture_setup(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_options_of_another_size),
        TEST(test_after_the_loss),
        TEST(test_submissions_of_odd_sizes),
        TEST(test_the_end_takes_all),
        TEST(test_an_early_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
