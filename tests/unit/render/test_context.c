/* SPDX-License-Identifier: MIT */
/*
 * render/context.c, incoming.c and requests.c: the device's half of the message boundary against
 * workers that lie, flood, fall silent or go. Whatever they do, each request is answered once,
 * fences retire, rings are told, and nothing is taken at their word.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/clock.h"
#include "os/loop.h"
#include "os/shm.h"
#include "os/socket.h"
#include "render/context.h"
#include "render/protocol.h"

#define DONE_MAX 8192

struct bench {
    struct pv_os_loop *loop;
    struct pv_render_backend *backend;
    struct pv_gpu_context *context;
    int worker_fd; /* the fake worker's end; -1: closed */
    unsigned done_count;
    struct {
        uint64_t cookie;
        int status;
        int fd;
        uint64_t size_bytes;
    } done[DONE_MAX];
    unsigned fence_count;
    uint64_t last_fence;
    unsigned lost_count;
    char reason[256];
    bool destroys; /* the next event destroys the context */
};

static struct bench bench;

/* ---- the fake worker's carrier, and events ---- */

static int carrier_start(void *user, int worker_fd, void **ret_handle)
{
    struct bench *one = user;

    one->worker_fd = worker_fd;
    *ret_handle = one;
    return 0;
}

static void worker_close(void)
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

static const struct pv_gpu_context_events events = {
    .fence_retired = on_fence,
    .done = on_done,
    .lost = on_lost,
};

static void start(uint64_t deadline_ns)
{
    struct pv_render_backend_options options = {
        .size_bytes = sizeof(options),
        .carrier = &carrier,
        .carrier_user = &bench,
        .placement = PV_RENDER_PLACEMENT_FILE,
        .window_fd = -1,
        .memory_max_bytes = UINT64_C(1) << 30,
        .deadline_ns = deadline_ns,
    };

    memset(&bench, 0, sizeof(bench));
    assert_int_equal(pv_os_loop_create(&bench.loop), 0);
    options.loop = bench.loop;
    assert_int_equal(pv_render_backend_create(&options, &bench.backend), 0);
    assert_int_equal(pv_render_context_ops.create(bench.backend, 7, 4, "a \"test\"\n\x1b[1m",
                                                  &events, NULL, &bench.context),
                     0);
}

static int setup(void **state)
{
    (void)state;
    start(0);
    return 0;
}

static int teardown(void **state)
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

static void until_lost(void)
{
    while (bench.lost_count == 0) {
        assert_int_equal(pv_os_loop_run(bench.loop), 0);
    }
    assert_int_equal(bench.lost_count, 1);
    for (const char *c = bench.reason; *c != '\0'; c++) {
        assert_true(*c >= ' ' && *c <= '~');
    }
}

static void until_done(unsigned count)
{
    while (bench.done_count < count && bench.lost_count == 0) {
        assert_int_equal(pv_os_loop_run(bench.loop), 0);
    }
    assert_true(bench.done_count >= count);
}

/* ---- what workers say ---- */

static void say_with(const void *message, size_t size_bytes, const int *fds, size_t fd_count)
{
    assert_int_equal(pv_os_socket_send(bench.worker_fd, message, size_bytes, fds, fd_count),
                     (ssize_t)size_bytes);
}

static void say(const void *message, size_t size_bytes)
{
    say_with(message, size_bytes, NULL, 0);
}

static void say_done(uint64_t cookie, int status, uint64_t size_bytes, int fd)
{
    const struct pv_render_done message = {PV_RENDER_DONE, status, cookie, size_bytes};

    say_with(&message, sizeof(message), &fd, fd >= 0 ? 1 : 0);
}

static void say_ring(uint32_t resource_id, uint64_t offset_bytes, bool present)
{
    const struct pv_render_ring message = {PV_RENDER_RING, resource_id, offset_bytes, present, 0};

    say(&message, sizeof(message));
}

static void ask_leave(uint64_t cookie)
{
    assert_int_equal(pv_render_context_ops.leave(bench.context, 5, cookie), 0);
}

static void ask_export(uint64_t cookie)
{
    assert_int_equal(pv_render_context_ops.export_blob(bench.context, 9, 100, 4096, 1, cookie), 0);
}

/* After a loss: each of these is refused, and nothing arrives any more. */
static void assert_refuses_all(void)
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

/* ---- good workers ---- */

static void test_init_and_requests(void **state)
{
    struct pv_render_init init;
    struct pv_render_leave leave;

    (void)state;
    assert_int_equal(read(bench.worker_fd, &init, sizeof(init)), sizeof(init));
    assert_int_equal(init.kind, PV_RENDER_INIT);
    assert_int_equal(init.version, PV_RENDER_PROTOCOL_VERSION);
    assert_string_equal(init.name, "a \"test\"??[1m");
    ask_leave(1);
    ask_leave(2);
    assert_int_equal(read(bench.worker_fd, &leave, sizeof(leave)), sizeof(leave));
    assert_int_equal(leave.cookie, 1);
    say_done(2, 0, 0, -1); /* in any order */
    say_done(1, -ENOENT, 0, -1);
    until_done(2);
    assert_int_equal(bench.done[0].cookie, 2);
    assert_int_equal(bench.done[1].status, -ENOENT);
}

static void test_an_export(void **state)
{
    int fd;

    (void)state;
    assert_int_equal(pv_os_shm_create("test", 8192, &fd), 0);
    ask_export(1);
    ask_export(2);
    ask_export(3);
    say_done(1, 0, 8192, fd);
    say_done(2, 0, 4096, -1); /* without a file: it has no place yet */
    say_done(3, -ENOMEM, 0, -1);
    until_done(3);
    assert_true(bench.done[0].fd >= 0);
    assert_int_equal(bench.done[0].size_bytes, 8192);
    assert_int_equal(bench.done[1].fd, -1);
    assert_int_equal(bench.done[2].status, -ENOMEM);
    assert_int_equal(bench.lost_count, 0);
    close(fd);
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

/* ---- workers that go ---- */

static void test_a_worker_that_closes(void **state)
{
    struct pv_gpu_memory memory = {.size_bytes = 8192, .is_shmem = true};
    uint32_t *words;

    (void)state;
    assert_int_equal(pv_os_shm_create("test", memory.size_bytes, &memory.fd), 0);
    assert_int_equal(pv_os_shm_map(memory.fd, 0, 8192, (void **)&words), 0);
    assert_int_equal(pv_render_context_ops.attach(bench.context, 11, &memory), 0);
    close(memory.fd);
    say_ring(11, 128, true);
    say_ring(11, 4096, true);
    say_ring(11, 4096, false);
    for (uint64_t cookie = 1; cookie <= 5; cookie++) {
        ask_leave(cookie);
    }
    for (uint64_t id = 1; id <= 3; id++) {
        assert_int_equal(pv_render_context_ops.submit(bench.context, NULL, 0, true, 1, id), 0);
    }
    say_done(1, 0, 0, -1);
    worker_close();
    until_lost();
    assert_int_equal(bench.done_count, 5);
    assert_int_equal(bench.done[0].status, 0); /* what it said before it went counts */
    for (unsigned i = 1; i < 5; i++) {
        assert_int_equal(bench.done[i].cookie, i + 1);
        assert_int_equal(bench.done[i].status, -EIO);
    }
    assert_int_equal(bench.fence_count, 3);
    assert_int_equal(bench.last_fence, 3);
    assert_int_equal(words[32], 2);
    assert_int_equal(words[1024], 0);
    assert_refuses_all();
    pv_os_shm_unmap(words, 8192);
}

/* The same, with packets that wait for it. */
static void test_a_worker_that_goes_unread(void **state)
{
    static uint8_t stream[PV_RENDER_INLINE_MAX_BYTES];

    (void)state;
    say_ring(11, 128, true);
    ask_leave(1);
    for (uint64_t id = 1; id <= 1000; id++) {
        assert_int_equal(
            pv_render_context_ops.submit(bench.context, stream, sizeof(stream), true, 0, id), 0);
    }
    say_done(1, 0, 0, -1);
    worker_close();
    until_lost();
    assert_int_equal(bench.done[0].status, 0);
    assert_int_equal(bench.fence_count, 1000);
    assert_refuses_all();
}

static void test_a_worker_that_is_lost(void **state)
{
    struct pv_render_lost message = {.kind = PV_RENDER_LOST};

    (void)state;
    memset(message.reason, '\n', sizeof(message.reason)); /* no end, and a line of its own */
    memcpy(message.reason, "because", 7);
    ask_leave(1);
    say(&message, sizeof(message));
    until_lost();
    assert_int_equal(bench.done[0].status, -EIO);
    assert_memory_equal(bench.reason, "because??", 9);
    assert_refuses_all();
}

/* No answer within the deadline, however much else it says. */
static void test_a_worker_that_falls_silent(void **state)
{
    uint64_t before_ns;

    (void)teardown(state);
    start(100000000);
    before_ns = pv_os_clock_now_ns();
    ask_leave(1);
    ask_leave(2);
    say_done(1, 0, 0, -1);
    say_ring(3, 128, true);
    until_lost();
    assert_true(pv_os_clock_now_ns() - before_ns >= 100000000);
    assert_int_equal(bench.done[0].status, 0);
    assert_int_equal(bench.done[1].status, -EIO);
    assert_refuses_all();
}

/* ---- workers that lie ---- */

struct lie {
    const char *what;
    void (*tell)(void);
};

static void lie_unknown_cookie(void)
{
    say_done(99, 0, 0, -1);
}

static void lie_cookie_twice(void)
{
    say_done(1, 0, 0, -1);
    say_done(1, 0, 0, -1);
}

static void lie_positive_status(void)
{
    say_done(1, 1, 0, -1);
}

static void lie_unknown_kind(void)
{
    const uint32_t words[6] = {200};

    say(words, sizeof(words));
}

static void lie_own_kind(void)
{
    const struct pv_render_leave message = {PV_RENDER_LEAVE, 5, 1};

    say(&message, sizeof(message));
}

static void lie_short(void)
{
    const uint32_t kind = PV_RENDER_DONE;

    say(&kind, sizeof(kind));
}

static void lie_tiny(void)
{
    say("ab", 2);
}

static void lie_long(void)
{
    const struct pv_render_done message[2] = {{PV_RENDER_DONE, 0, 1, 0}};

    say(message, sizeof(message));
}

static void lie_huge(void)
{
    static const uint32_t words[2048] = {PV_RENDER_DONE};

    say(words, sizeof(words));
}

static void lie_unknown_fence(void)
{
    const struct pv_render_fence message = {PV_RENDER_FENCE, 0, 1};

    say(&message, sizeof(message));
}

static void lie_ring_beyond_its_memory(void)
{
    say_ring(11, 8192, true);
}

static void lie_ring_twice(void)
{
    say_ring(11, 0, true);
    say_ring(11, 0, true);
}

static void lie_too_many_rings(void)
{
    for (uint32_t i = 0; i < 65; i++) {
        say_ring(11, 4 * i, true);
    }
}

static void lie_log_level(void)
{
    const struct pv_render_log message = {.kind = PV_RENDER_LOG, .level = 9};

    say(&message, sizeof(message));
}

static void lie_export_of_nothing(void)
{
    say_done(2, 0, 0, -1);
}

static void lie_export_of_half_a_page(void)
{
    say_done(2, 0, 4097, -1);
}

static void lie_export_of_a_short_file(void)
{
    int fd;

    assert_int_equal(pv_os_shm_create("test", 4096, &fd), 0);
    say_done(2, 0, 8192, fd);
    close(fd);
}

/* It could be cut off while others read it. */
static void lie_export_of_a_pipe(void)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    say_done(2, 0, 4096, fds[0]);
    close(fds[0]);
    close(fds[1]);
}

static void lie_two_descriptors(void)
{
    const struct pv_render_done message = {PV_RENDER_DONE, 0, 1, 0};
    const int fds[2] = {0, 1};

    say_with(&message, sizeof(message), fds, 2);
}

static void test_lies(void **state)
{
    static const struct lie lies[] = {
        {"unknown cookie", lie_unknown_cookie},
        {"cookie twice", lie_cookie_twice},
        {"positive status", lie_positive_status},
        {"unknown kind", lie_unknown_kind},
        {"a request", lie_own_kind},
        {"short", lie_short},
        {"tiny", lie_tiny},
        {"long", lie_long},
        {"huge", lie_huge},
        {"unknown fence", lie_unknown_fence},
        {"ring beyond its memory", lie_ring_beyond_its_memory},
        {"ring twice", lie_ring_twice},
        {"too many rings", lie_too_many_rings},
        {"log level", lie_log_level},
        {"export of nothing", lie_export_of_nothing},
        {"export of half a page", lie_export_of_half_a_page},
        {"export of a short file", lie_export_of_a_short_file},
        {"export of a pipe", lie_export_of_a_pipe},
        {"two descriptors", lie_two_descriptors},
    };

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct pv_gpu_memory memory = {.size_bytes = 8192, .is_shmem = true};
        unsigned answered = 0;

        assert_int_equal(pv_os_shm_create("test", memory.size_bytes, &memory.fd), 0);
        assert_int_equal(pv_render_context_ops.attach(bench.context, 11, &memory), 0);
        close(memory.fd);
        ask_leave(1);
        ask_export(2);
        print_message("# %s\n", lies[i].what);
        lies[i].tell();
        until_lost();
        for (unsigned k = 0; k < bench.done_count; k++) {
            assert_int_equal(bench.done[k].fd, -1);
            answered += 1u << bench.done[k].cookie;
        }
        assert_int_equal(answered, 6); /* both, once */
        assert_refuses_all();
        (void)teardown(state);
        start(0);
    }
}

/* ---- floods ---- */

/* A worker that talks without end holds up nobody. */
static void test_a_flood_is_served_in_turns(void **state)
{
    int said = 0;

    (void)state;
    while (said < 100000) {
        const struct pv_render_ring message = {PV_RENDER_RING, 3, 128, said % 2 == 0, 0};
        const ssize_t sent = send(bench.worker_fd, &message, sizeof(message), MSG_DONTWAIT);

        if (sent < 0) {
            break;
        }
        said++;
    }
    ask_leave(1);
    while (bench.done_count == 0) {
        const struct pv_render_done message = {PV_RENDER_DONE, 0, 1, 0};

        /* It fits once some of the flood has been served. */
        if (send(bench.worker_fd, &message, sizeof(message), MSG_DONTWAIT) > 0) {
            until_done(1);
        } else {
            pv_os_loop_stop(bench.loop);
            assert_int_equal(pv_os_loop_run(bench.loop), 0);
        }
    }
    assert_int_equal(bench.lost_count, 0);
}

/* A worker that never reads: what waits for it is bounded, and then it is lost. */
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
    until_lost();
    assert_int_equal(bench.fence_count, sent);
    assert_refuses_all();
}

static void test_too_many_requests(void **state)
{
    (void)state;
    for (uint64_t cookie = 0; cookie < PV_RENDER_PENDING_MAX; cookie++) {
        ask_leave(cookie);
    }
    assert_int_equal(pv_render_context_ops.leave(bench.context, 5, 99999), -ENOSPC);
    worker_close();
    until_lost();
    assert_int_equal(bench.done_count, PV_RENDER_PENDING_MAX);
}

/* ---- the user's side ---- */

/* From inside of any event, and with everything outstanding. */
static void test_destroy_inside_of_events(void **state)
{
    for (int i = 0; i < 3; i++) {
        ask_leave(1);
        ask_leave(2);
        assert_int_equal(pv_render_context_ops.submit(bench.context, NULL, 0, true, 1, 7), 0);
        bench.destroys = true;
        if (i == 0) {
            say_done(1, 0, 0, -1);
            say_done(2, 0, 0, -1);
        } else if (i == 1) {
            worker_close();
        } else {
            say("ab", 2);
        }
        assert_int_equal(pv_os_loop_run(bench.loop), 0);
        assert_null(bench.context);
        assert_int_equal(bench.done_count + bench.fence_count + bench.lost_count, 1);
        assert_int_equal(pv_render_backend_context_count(bench.backend), 0);
        (void)teardown(state);
        start(0);
    }
}

static void test_creation_is_refused(void **state)
{
    struct pv_gpu_context *more[PV_RENDER_CONTEXT_MAX];
    struct pv_gpu_context *one;
    const int first_fd = bench.worker_fd;

    (void)state;
    assert_int_equal(pv_render_context_ops.create(bench.backend, 8, 2, "gl", &events, NULL, &one),
                     -EINVAL);
    for (uint32_t i = 0; i + 1 < PV_RENDER_CONTEXT_MAX; i++) {
        assert_int_equal(
            pv_render_context_ops.create(bench.backend, 8, 4, "", &events, NULL, &more[i]), 0);
        close(bench.worker_fd);
        bench.worker_fd = -1;
    }
    assert_int_equal(pv_render_context_ops.create(bench.backend, 8, 4, "", &events, NULL, &one),
                     -EAGAIN);
    for (uint32_t i = 0; i + 1 < PV_RENDER_CONTEXT_MAX; i++) {
        pv_render_context_ops.destroy(more[i]);
    }
    bench.worker_fd = first_fd;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_init_and_requests),
        TEST(test_an_export),
        TEST(test_a_long_stream),
        TEST(test_a_worker_that_closes),
        TEST(test_a_worker_that_goes_unread),
        TEST(test_a_worker_that_is_lost),
        TEST(test_a_worker_that_falls_silent),
        TEST(test_lies),
        TEST(test_a_flood_is_served_in_turns),
        TEST(test_a_worker_that_never_reads),
        TEST(test_too_many_requests),
        TEST(test_destroy_inside_of_events),
        TEST(test_creation_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
