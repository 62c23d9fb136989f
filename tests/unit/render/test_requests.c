/* SPDX-License-Identifier: MIT */
/*
 * render/requests.c: requests as the worker finds them in its socket, and one that never looks.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/account.h"
#include "os/fd.h"
#include "os/shm.h"
#include "os/socket.h"
#include "render/protocol.h"
#include "support/backend_bench.h"

static void test_init_and_requests(void **state)
{
    struct pv_render_account account;
    struct pv_render_init init;
    struct pv_render_leave leave;

    (void)state;
    assert_int_equal(read(bench.worker_fd, &account, sizeof(account)), sizeof(account));
    assert_int_equal(account.kind, PV_RENDER_ACCOUNT);
    assert_int_equal(account.slot, 1);
    assert_int_equal(read(bench.worker_fd, &init, sizeof(init)), sizeof(init));
    assert_int_equal(init.kind, PV_RENDER_INIT);
    assert_int_equal(init.version, PV_RENDER_PROTOCOL_VERSION);
    assert_string_equal(init.name, "a \"test\"??[1m");
    ask_leave(1);
    ask_leave(2);
    assert_int_equal(read(bench.worker_fd, &leave, sizeof(leave)), sizeof(leave));
    assert_int_equal(leave.cookie, 1);
    worker_say_done(2, 0, 0, -1); /* in any order */
    worker_say_done(1, -ENOENT, 0, -1);
    backend_until_done(2);
    assert_int_equal(bench.done[0].cookie, 2);
    assert_int_equal(bench.done[1].status, -ENOENT);
}

/* A stream longer than a packet is a file, and says the same. */
static void test_a_long_stream(void **state)
{
    static uint8_t stream[PV_RENDER_INLINE_MAX_BYTES + 4];
    struct pv_render_init init;
    uint8_t packet[PV_RENDER_PACKET_MAX_BYTES];
    struct pv_render_submit *submit = (struct pv_render_submit *)(void *)packet;
    uint8_t copy[sizeof(stream)];
    size_t fd_count;
    int fd;

    (void)state;
    memset(stream, 0x5a, sizeof(stream));
    assert_int_equal(read(bench.worker_fd, packet, sizeof(packet)),
                     sizeof(struct pv_render_account));
    assert_int_equal(read(bench.worker_fd, &init, sizeof(init)), sizeof(init));
    assert_int_equal(
        pv_render_context_ops.submit(bench.context, stream, sizeof(stream) - 4, true, 3, 44), 0);
    assert_int_equal(
        pv_os_socket_receive(bench.worker_fd, packet, sizeof(packet), &fd, 1, &fd_count),
        (ssize_t)(sizeof(*submit) + sizeof(stream) - 4));
    assert_int_equal(fd_count, 0);
    assert_int_equal(submit->fence_id, 44);
    assert_int_equal(
        pv_render_context_ops.submit(bench.context, stream, sizeof(stream), false, 0, 0), 0);
    assert_int_equal(
        pv_os_socket_receive(bench.worker_fd, packet, sizeof(packet), &fd, 1, &fd_count),
        sizeof(*submit));
    assert_int_equal(fd_count, 1);
    assert_int_equal(submit->size_bytes, sizeof(stream));
    assert_int_equal(pread(fd, copy, sizeof(copy), 0), sizeof(copy));
    assert_memory_equal(copy, stream, sizeof(copy));
    close(fd);
}

/* A worker that never reads: what waits for it is bounded, and then it is lost. */
/* Each is a file: so many may wait for a worker, and their bytes are its context's memory. */
static void test_long_streams_at_the_cap(void **state)
{
    static uint8_t stream[PV_RENDER_INLINE_MAX_BYTES + 4];
    struct pv_base_account *account = pv_render_backend_account(bench.backend);
    const struct pv_gpu_context_ops *ops = &pv_render_context_ops;

    (void)state;
    for (uint32_t i = 0; i < PV_RENDER_STREAM_MAX; i++) {
        assert_int_equal(ops->submit(bench.context, stream, sizeof(stream), false, 0, 0), 0);
    }
    assert_int_equal(pv_base_account_bytes(&account->memory, 1),
                     PV_RENDER_STREAM_MAX * sizeof(stream));
    assert_int_equal(ops->submit(bench.context, stream, sizeof(stream), false, 0, 0), -EAGAIN);
    assert_int_equal(ops->submit(bench.context, stream, sizeof(stream), true, 0, 1), -EAGAIN);
    assert_int_equal(ops->submit(bench.context, stream, sizeof(stream) - 4, false, 0, 0), 0);
    /* The worker is through with one. */
    pv_base_account_refund(&account->memory, 1, sizeof(stream));
    pv_base_account_count(&account->figures[1].stream_count, 1);
    assert_int_equal(ops->submit(bench.context, stream, sizeof(stream), false, 0, 0), 0);
    assert_int_equal(ops->submit(bench.context, stream, sizeof(stream), false, 0, 0), -EAGAIN);
    assert_int_equal(bench.lost_count + bench.fence_count, 0);
}

/* The memory limit of the bench is 1 GiB. */
static void test_long_streams_are_memory(void **state)
{
    static uint8_t stream[PV_RENDER_INLINE_MAX_BYTES + 4];
    struct pv_base_account *account = pv_render_backend_account(bench.backend);
    const struct pv_gpu_context_ops *ops = &pv_render_context_ops;

    (void)state;
    pv_base_account_add(&account->memory, 7, ((uint64_t)1 << 30) - sizeof(stream));
    assert_int_equal(ops->submit(bench.context, stream, sizeof(stream), false, 0, 0), 0);
    assert_int_equal(ops->submit(bench.context, stream, sizeof(stream), false, 0, 0), -ENOMEM);
    assert_int_equal(pv_base_account_bytes(&account->memory, 1), sizeof(stream));
}

/* Packets with a descriptor each, to a worker that fetches none: the queue holds so many of them.
 */
static void test_descriptors_at_the_cap(void **state)
{
    struct pv_gpu_memory memory = {.size_bytes = 4096};
    const uint32_t most = PV_RENDER_QUEUE_FD_MAX + 4096; /* the socket has room for some hundred */
    uint32_t sent = 0;

    (void)state;
    pv_os_fd_limit_raise(2 * most);
    assert_int_equal(pv_os_shm_create("test", memory.size_bytes, &memory.fd), 0);
    while (sent < most && pv_render_context_ops.attach(bench.context, sent + 1, &memory) == 0) {
        sent++;
    }
    close(memory.fd);
    assert_in_range(sent, PV_RENDER_QUEUE_FD_MAX, most - 1);
    backend_until_lost();
    backend_assert_refuses_all();
}

static void test_a_worker_that_never_reads(void **state)
{
    static uint8_t stream[PV_RENDER_INLINE_MAX_BYTES];
    unsigned sent = 0;

    (void)state;
    while (pv_render_context_ops.submit(bench.context, stream, sizeof(stream), true, 0, sent + 1)
           == 0) {
        sent++;
        assert_true(sent * sizeof(stream) < 2 * PV_RENDER_QUEUE_MAX_BYTES);
    }
    assert_true(sent * sizeof(stream) > PV_RENDER_QUEUE_MAX_BYTES / 2);
    /* Not from inside of the request, and nothing is sent after the gap. */
    assert_int_equal(bench.lost_count, 0);
    assert_int_equal(pv_render_context_ops.submit(bench.context, NULL, 0, false, 0, 0), -EIO);
    backend_until_lost();
    assert_int_equal(bench.fence_count, sent);
    backend_assert_refuses_all();
}

/* A worker that cannot be told to leave has its pages until its end: nobody hears earlier that it
 * has left, or the pages would be somebody else's meanwhile. */
static void test_too_many_requests(void **state)
{
    (void)state;
    for (uint64_t cookie = 0; cookie < PV_RENDER_PENDING_MAX; cookie++) {
        ask_leave(cookie);
    }
    assert_int_equal(
        pv_render_context_ops.export_blob(bench.context, 5, 1, 4096, 0, PV_RENDER_PENDING_MAX),
        -ENOSPC);
    assert_int_equal(pv_render_context_ops.leave(bench.context, 5, 99999), 0);
    assert_int_equal(bench.done_count, 0);
    backend_until_lost();
    assert_int_equal(bench.done_count, PV_RENDER_PENDING_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, backend_setup, backend_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_init_and_requests),       TEST(test_long_streams_at_the_cap),
        TEST(test_long_streams_are_memory), TEST(test_descriptors_at_the_cap),
        TEST(test_a_long_stream),           TEST(test_a_worker_that_never_reads),
        TEST(test_too_many_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
