/* SPDX-License-Identifier: MIT */
/*
 * render/in_process.c: the whole message boundary in one process. Requests of a context reach a
 * worker that is a thread, answers come back as events on the loop, and a stream that makes no
 * sense costs this context alone.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/loop.h"
#include "os/shm.h"
#include "render/in_process.h"

struct seen {
    struct pv_os_loop *loop;
    uint64_t cookie;
    int status;
    uint64_t fence_id;
    bool lost;
    unsigned int wanted; /* events until the loop stops */
};

static void count(struct seen *seen)
{
    if (--seen->wanted == 0) {
        pv_os_loop_stop(seen->loop);
    }
}

static void on_fence(void *user, uint32_t ring_index, uint64_t fence_id)
{
    struct seen *seen = user;

    assert_int_equal(ring_index, 0);
    seen->fence_id = fence_id;
    count(seen);
}

static void on_done(void *user, uint64_t cookie, int status, const struct pv_gpu_exported *exported)
{
    struct seen *seen = user;

    assert_null(exported);
    seen->cookie = cookie;
    seen->status = status;
    count(seen);
}

static void on_lost(void *user, const char *reason)
{
    struct seen *seen = user;

    assert_non_null(reason);
    seen->lost = true;
    count(seen);
}

static const struct pv_gpu_context_events events = {
    .fence_retired = on_fence,
    .done = on_done,
    .lost = on_lost,
};

static void wait_for(struct seen *seen, unsigned int count_of_events)
{
    seen->wanted = count_of_events;
    assert_int_equal(pv_os_loop_run(seen->loop), 0);
}

static void make(struct seen *seen, struct pv_render_backend **ret_backend,
                 struct pv_gpu_context **ret_context)
{
    struct pv_render_backend_options options = {
        .size_bytes = sizeof(options),
        .carrier = &pv_render_in_process_ops,
        .placement = PV_RENDER_PLACEMENT_FILE,
        .window_fd = -1,
        .memory_max_bytes = UINT64_C(1) << 30,
    };

    *seen = (struct seen){0};
    assert_int_equal(pv_os_loop_create(&seen->loop), 0);
    options.loop = seen->loop;
    assert_int_equal(pv_render_backend_create(&options, ret_backend), 0);
    assert_int_equal(
        pv_render_context_ops.create(*ret_backend, 7, 4, "test", &events, seen, ret_context), 0);
}

static void finish(struct seen *seen, struct pv_render_backend *backend,
                   struct pv_gpu_context *context)
{
    pv_render_context_ops.destroy(context);
    assert_int_equal(pv_render_backend_context_count(backend), 0);
    pv_render_backend_destroy(backend);
    pv_os_loop_destroy(seen->loop);
}

static void test_requests_are_answered_in_order(void **state)
{
    struct pv_gpu_memory memory = {.size_bytes = 65536, .is_shmem = true};
    struct pv_render_backend *backend;
    struct pv_gpu_context *context;
    struct seen seen;

    (void)state;
    make(&seen, &backend, &context);
    assert_int_equal(pv_os_shm_create("test", memory.size_bytes, &memory.fd), 0);
    assert_int_equal(pv_render_context_ops.attach(context, 1, &memory), 0);
    close(memory.fd);
    assert_int_equal(pv_render_context_ops.leave(context, 1, 11), 0);
    wait_for(&seen, 1);
    assert_int_equal(seen.cookie, 11);
    assert_int_equal(seen.status, 0);

    assert_int_equal(pv_render_context_ops.leave(context, 1, 12), 0);
    wait_for(&seen, 1);
    assert_int_equal(seen.cookie, 12);
    assert_int_equal(seen.status, -ENOENT);

    assert_int_equal(pv_render_context_ops.export_blob(context, 2, 99, 4096, 1, 13), 0);
    wait_for(&seen, 1);
    assert_int_equal(seen.status, -ENOENT);

    assert_int_equal(pv_render_context_ops.submit(context, NULL, 0, true, 0, 5), 0);
    wait_for(&seen, 1);
    assert_int_equal(seen.fence_id, 5);
    finish(&seen, backend, context);
}

static void test_a_bad_stream_costs_its_context(void **state)
{
    static const uint32_t unknown_command[2] = {0x7fffffff, 0};
    struct pv_render_backend *backend;
    struct pv_gpu_context *context;
    struct seen seen;

    (void)state;
    make(&seen, &backend, &context);
    assert_int_equal(
        pv_render_context_ops.submit(context, unknown_command, sizeof(unknown_command), true, 0, 6),
        0);
    wait_for(&seen, 2);
    assert_true(seen.lost);
    assert_int_equal(seen.fence_id, 6);
    assert_int_equal(pv_render_context_ops.leave(context, 1, 14), -EIO);
    assert_int_equal(pv_render_context_ops.submit(context, NULL, 0, false, 0, 0), -EIO);
    finish(&seen, backend, context);
}

static void test_destroy_with_requests_outstanding(void **state)
{
    struct pv_render_backend *backend;
    struct pv_gpu_context *context;
    struct seen seen;

    (void)state;
    make(&seen, &backend, &context);
    for (uint64_t cookie = 1; cookie <= 100; cookie++) {
        assert_int_equal(pv_render_context_ops.leave(context, 1, cookie), 0);
    }
    finish(&seen, backend, context);
    assert_int_equal(seen.cookie, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_answered_in_order),
        cmocka_unit_test(test_a_bad_stream_costs_its_context),
        cmocka_unit_test(test_destroy_with_requests_outstanding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
