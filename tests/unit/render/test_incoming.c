/* SPDX-License-Identifier: MIT */
/*
 * render/incoming.c: workers that lie or flood; nothing is taken at their word.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/shm.h"
#include "render/protocol.h"
#include "support/backend_bench.h"

static void test_an_export(void **state)
{
    int fd;

    (void)state;
    assert_int_equal(pv_os_shm_create("test", 8192, &fd), 0);
    ask_export(1);
    ask_export(2);
    ask_export(3);
    worker_say_done(1, 0, 8192, fd);
    worker_say_done(2, 0, 4096, -1); /* without a file: it has no place yet */
    worker_say_done(3, -ENOMEM, 0, -1);
    backend_until_done(3);
    assert_true(bench.done[0].fd >= 0);
    assert_int_equal(bench.done[0].size_bytes, 8192);
    assert_int_equal(bench.done[1].fd, -1);
    assert_int_equal(bench.done[2].status, -ENOMEM);
    assert_int_equal(bench.lost_count, 0);
    close(fd);
}

static void test_a_worker_that_is_lost(void **state)
{
    struct pv_render_lost message = {.kind = PV_RENDER_LOST};

    (void)state;
    memset(message.reason, '\n', sizeof(message.reason)); /* no end, and a line of its own */
    memcpy(message.reason, "because", 7);
    ask_leave(1);
    worker_say(&message, sizeof(message));
    backend_until_lost();
    assert_int_equal(bench.done[0].status, -EIO);
    assert_memory_equal(bench.reason, "because??", 9);
    backend_assert_refuses_all();
}

struct lie {
    const char *what;
    void (*tell)(void);
};

static void lie_unknown_cookie(void)
{
    worker_say_done(99, 0, 0, -1);
}

static void lie_cookie_twice(void)
{
    worker_say_done(1, 0, 0, -1);
    worker_say_done(1, 0, 0, -1);
}

static void lie_positive_status(void)
{
    worker_say_done(1, 1, 0, -1);
}

static void lie_unknown_kind(void)
{
    const uint32_t words[6] = {200};

    worker_say(words, sizeof(words));
}

static void lie_own_kind(void)
{
    const struct pv_render_leave message = {PV_RENDER_LEAVE, 5, 1};

    worker_say(&message, sizeof(message));
}

static void lie_short(void)
{
    const uint32_t kind = PV_RENDER_DONE;

    worker_say(&kind, sizeof(kind));
}

static void lie_tiny(void)
{
    worker_say("ab", 2);
}

static void lie_long(void)
{
    const struct pv_render_done message[2] = {{PV_RENDER_DONE, 0, 1, 0}};

    worker_say(message, sizeof(message));
}

static void lie_huge(void)
{
    static const uint32_t words[2048] = {PV_RENDER_DONE};

    worker_say(words, sizeof(words));
}

static void lie_unknown_fence(void)
{
    const struct pv_render_fence message = {PV_RENDER_FENCE, 0, 1};

    worker_say(&message, sizeof(message));
}

static void lie_ring_beyond_its_memory(void)
{
    worker_say_ring(11, 8192, true);
}

static void lie_ring_twice(void)
{
    worker_say_ring(11, 0, true);
    worker_say_ring(11, 0, true);
}

static void lie_too_many_rings(void)
{
    for (uint32_t i = 0; i < 65; i++) {
        worker_say_ring(11, 4 * i, true);
    }
}

static void lie_log_level(void)
{
    const struct pv_render_log message = {.kind = PV_RENDER_LOG, .level = 9};

    worker_say(&message, sizeof(message));
}

static void lie_export_of_nothing(void)
{
    worker_say_done(2, 0, 0, -1);
}

static void lie_export_of_half_a_page(void)
{
    worker_say_done(2, 0, 4097, -1);
}

static void lie_export_of_a_short_file(void)
{
    int fd;

    assert_int_equal(pv_os_shm_create("test", 4096, &fd), 0);
    worker_say_done(2, 0, 8192, fd);
    close(fd);
}

/* It could be cut off while others read it. */
static void lie_export_of_a_pipe(void)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    worker_say_done(2, 0, 4096, fds[0]);
    close(fds[0]);
    close(fds[1]);
}

static void lie_two_descriptors(void)
{
    const struct pv_render_done message = {PV_RENDER_DONE, 0, 1, 0};
    const int fds[2] = {0, 1};

    worker_say_with(&message, sizeof(message), fds, 2);
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
        backend_until_lost();
        for (unsigned k = 0; k < bench.done_count; k++) {
            assert_int_equal(bench.done[k].fd, -1);
            answered += 1u << bench.done[k].cookie;
        }
        assert_int_equal(answered, 6); /* both, once */
        backend_assert_refuses_all();
        (void)backend_teardown(state);
        backend_start(0);
    }
}

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
            backend_until_done(1);
        } else {
            pv_os_loop_stop(bench.loop);
            assert_int_equal(pv_os_loop_run(bench.loop), 0);
        }
    }
    assert_int_equal(bench.lost_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, backend_setup, backend_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_export),
        TEST(test_a_worker_that_is_lost),
        TEST(test_lies),
        TEST(test_a_flood_is_served_in_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
