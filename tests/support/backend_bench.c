/* SPDX-License-Identifier: MIT */
/*
 * The device's half of the message boundary under test; see backend_bench.h.
 */
#include "support/backend_bench.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/socket.h"
#include "render/protocol.h"

struct backend_bench bench;

/* ---- the fake worker's carrier, and events ---- */

static int carrier_start(void *user, int worker_fd, void **ret_handle)
{
    struct backend_bench *one = user;

    one->worker_fd = worker_fd;
    *ret_handle = one;
    return 0;
}

void worker_close(void)
{
    if (bench.worker_fd >= 0) {
        close(bench.worker_fd);
        bench.worker_fd = -1;
    }
}

static void carrier_stop(void *user, void *handle)
{
    (void)user;
    (void)handle;
    worker_close();
}

static const struct pv_render_carrier_ops carrier = {
    .start = carrier_start,
    .stop = carrier_stop,
};

static void after_event(void)
{
    if (bench.destroys) {
        bench.destroys = false;
        pv_render_context_ops.destroy(bench.context);
        bench.context = NULL;
    }
    pv_os_loop_stop(bench.loop);
}

static void on_fence(void *user, uint32_t ring_index, uint64_t fence_id)
{
    (void)user;
    (void)ring_index;
    bench.fence_count++;
    bench.last_fence = fence_id;
    after_event();
}

static void on_done(void *user, uint64_t cookie, int status, const struct pv_gpu_exported *exported)
{
    (void)user;
    assert_true(bench.done_count < DONE_MAX);
    bench.done[bench.done_count].cookie = cookie;
    bench.done[bench.done_count].status = status;
    bench.done[bench.done_count].fd = exported != NULL ? exported->fd : -1;
    bench.done[bench.done_count].size_bytes = exported != NULL ? exported->size_bytes : 0;
    bench.done_count++;
    if (exported != NULL && exported->fd >= 0) {
        close(exported->fd);
    }
    after_event();
}

static void on_lost(void *user, const char *reason)
{
    (void)user;
    bench.lost_count++;
    strncpy(bench.reason, reason, sizeof(bench.reason) - 1);
    after_event();
}

const struct pv_gpu_context_events backend_events = {
    .fence_retired = on_fence,
    .done = on_done,
    .lost = on_lost,
};

static void start(uint64_t deadline_ns, const char *renderer)
{
    struct pv_render_backend_options options = {
        .size_bytes = sizeof(options),
        .renderer = renderer,
        .carrier = renderer == NULL ? &carrier : NULL,
        .carrier_user = &bench,
        .placement = PV_RENDER_PLACEMENT_FILE,
        .window_fd = -1,
        .memory_max_bytes = UINT64_C(1) << 30,
        .deadline_ns = deadline_ns,
    };

    memset(&bench, 0, sizeof(bench));
    bench.worker_fd = -1;
    assert_int_equal(pv_os_loop_create(&bench.loop), 0);
    options.loop = bench.loop;
    assert_int_equal(pv_render_backend_create(&options, &bench.backend), 0);
    assert_int_equal(pv_render_context_ops.create(bench.backend, 7, 4, "a \"test\"\n\x1b[1m",
                                                  &backend_events, NULL, &bench.context),
                     0);
}

void backend_start(uint64_t deadline_ns)
{
    start(deadline_ns, NULL);
}

void backend_start_program(const char *renderer)
{
    start(0, renderer);
}

int backend_setup(void **state)
{
    (void)state;
    backend_start(0);
    return 0;
}

int backend_teardown(void **state)
{
    (void)state;
    if (bench.context != NULL) {
        pv_render_context_ops.destroy(bench.context);
    }
    assert_int_equal(pv_render_backend_context_count(bench.backend), 0);
    pv_render_backend_destroy(bench.backend);
    pv_os_loop_destroy(bench.loop);
    worker_close();
    return 0;
}

void backend_until_lost(void)
{
    while (bench.lost_count == 0) {
        assert_int_equal(pv_os_loop_run(bench.loop), 0);
    }
    assert_int_equal(bench.lost_count, 1);
    for (const char *c = bench.reason; *c != '\0'; c++) {
        assert_true(*c >= ' ' && *c <= '~');
    }
}

void backend_until_done(unsigned count)
{
    while (bench.done_count < count && bench.lost_count == 0) {
        assert_int_equal(pv_os_loop_run(bench.loop), 0);
    }
    assert_true(bench.done_count >= count);
}

/* ---- what workers say ---- */

void worker_say_with(const void *message, size_t size_bytes, const int *fds, size_t fd_count)
{
    assert_int_equal(pv_os_socket_send(bench.worker_fd, message, size_bytes, fds, fd_count),
                     (ssize_t)size_bytes);
}

void worker_say(const void *message, size_t size_bytes)
{
    worker_say_with(message, size_bytes, NULL, 0);
}

void worker_say_done(uint64_t cookie, int status, uint64_t size_bytes, int fd)
{
    const struct pv_render_done message = {PV_RENDER_DONE, status, cookie, size_bytes};

    worker_say_with(&message, sizeof(message), &fd, fd >= 0 ? 1 : 0);
}

void worker_say_ring(uint32_t resource_id, uint64_t offset_bytes, bool present)
{
    const struct pv_render_ring message = {PV_RENDER_RING, resource_id, offset_bytes, present, 0};

    worker_say(&message, sizeof(message));
}

void ask_leave(uint64_t cookie)
{
    assert_int_equal(pv_render_context_ops.leave(bench.context, 5, cookie), 0);
}

void ask_export(uint64_t cookie)
{
    assert_int_equal(pv_render_context_ops.export_blob(bench.context, 9, 100, 4096, 1, cookie), 0);
}

/* After a loss: each of these is refused, and nothing arrives any more. */
void backend_assert_refuses_all(void)
{
    const unsigned done_count = bench.done_count;
    struct pv_gpu_memory memory = {.fd = 0, .size_bytes = 4096};

    assert_int_equal(pv_render_context_ops.leave(bench.context, 5, 77), -EIO);
    assert_int_equal(pv_render_context_ops.place(bench.context, 5, 0, 78), -EIO);
    assert_int_equal(pv_render_context_ops.export_blob(bench.context, 5, 1, 1, 1, 79), -EIO);
    assert_int_equal(pv_render_context_ops.submit(bench.context, "", 0, true, 0, 80), -EIO);
    assert_int_equal(pv_render_context_ops.attach(bench.context, 6, &memory), -EIO);
    assert_int_equal(bench.done_count, done_count);
}
