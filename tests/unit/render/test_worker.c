/* SPDX-License-Identifier: MIT */
/*
 * render/worker.c: messages of a device that is right, wrong, or gone in the middle. All of them
 * stand in the socket before the worker begins, so each case is one call on this thread; afterwards
 * every descriptor is closed, those of refused messages too. No Vulkan driver is loaded for this.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/shm.h"
#include "os/socket.h"
#include "render/protocol.h"
#include "render/worker.h"
#include "support/loop_bench.h"
#include "venus/context.h"

#define PAGE pv_os_page_bytes()

struct bench {
    int fd; /* the worker's; -1: it has taken it */
    int peer;
    int file; /* 4 pages, to be sent */
    unsigned int fds_before;
};

static int setup(void **state)
{
    static struct bench bench;

    bench.fds_before = open_fds();
    assert_int_equal(pv_os_socket_pair(&bench.peer, &bench.fd), 0);
    assert_int_equal(pv_os_shm_create("test", 4 * PAGE, &bench.file), 0);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    pv_os_fds_close(&bench->fd, 1);
    close(bench->peer);
    close(bench->file);
    assert_int_equal(open_fds(), bench->fds_before);
    return 0;
}

static void again(void **state)
{
    teardown(state);
    setup(state);
}

static void say(struct bench *bench, const void *message, size_t size_bytes, bool with_file)
{
    assert_int_equal(
        pv_os_socket_send(bench->peer, message, size_bytes, &bench->file, with_file ? 1 : 0),
        size_bytes);
}

static struct pv_render_init good_init(void)
{
    return (struct pv_render_init){
        .kind = PV_RENDER_INIT,
        .version = PV_RENDER_PROTOCOL_VERSION,
        .placement = PV_VENUS_PLACEMENT_FILE,
        .memory_max_bytes = UINT64_C(1) << 30,
        .name = "test",
    };
}

static void say_init(struct bench *bench)
{
    const struct pv_render_init init = good_init();

    say(bench, &init, sizeof(init), false);
}

/* The worker's life: it takes what is there, then finds the device gone. */
static int run(struct bench *bench)
{
    int r;

    assert_int_equal(shutdown(bench->peer, SHUT_WR), 0);
    r = pv_render_worker_run(bench->fd, NULL);
    bench->fd = -1;
    assert_int_equal(open_fds(), bench->fds_before + 2);
    return r;
}

/* The next message of the worker; 0: no more. */
static uint32_t next(struct bench *bench, struct pv_render_done *ret_done)
{
    union {
        uint32_t kind;
        struct pv_render_done done;
        uint8_t bytes[512];
    } message = {0};
    const ssize_t got = recv(bench->peer, &message, sizeof(message), MSG_DONTWAIT);

    if (got <= 0) {
        return 0;
    }
    if (message.kind == PV_RENDER_DONE) {
        assert_int_equal(got, sizeof(message.done));
        *ret_done = message.done;
    }
    return message.kind;
}

static void test_requests_and_answers(void **state)
{
    struct bench *bench = *state;
    const struct pv_render_attach attach = {
        .kind = PV_RENDER_ATTACH, .resource_id = 4, .size_bytes = 4 * PAGE, .is_shmem = 1};
    const struct pv_render_submit submit = {
        .kind = PV_RENDER_SUBMIT, .is_fenced = 1, .fence_id = 77};
    const struct pv_render_leave leaves[2] = {{PV_RENDER_LEAVE, 4, 1}, {PV_RENDER_LEAVE, 5, 2}};
    const struct pv_render_export export = {
        .kind = PV_RENDER_EXPORT, .resource_id = 6, .blob_id = 9, .size_bytes = PAGE, .cookie = 3};
    const struct pv_render_place place = {PV_RENDER_PLACE, 7, 0, 4};
    struct pv_render_done done = {0};

    say_init(bench);
    say(bench, &attach, sizeof(attach), true);
    say(bench, &attach, sizeof(attach), true); /* again: no harm */
    say(bench, &submit, sizeof(submit), false);
    say(bench, &leaves[0], sizeof(leaves[0]), false);
    say(bench, &leaves[1], sizeof(leaves[1]), false); /* it never had that one */
    say(bench, &export, sizeof(export), false);
    say(bench, &place, sizeof(place), false);
    assert_int_equal(run(bench), 0);
    assert_int_equal(next(bench, &done), PV_RENDER_FENCE);
    for (uint64_t cookie = 1; cookie <= 4; cookie++) {
        assert_int_equal(next(bench, &done), PV_RENDER_DONE);
        assert_int_equal(done.cookie, cookie);
        assert_true(cookie == 1 ? done.status == 0 : done.status < 0);
    }
    assert_int_equal(next(bench, &done), 0);
}

static void test_inits_that_cannot_be(void **state)
{
    for (int kind = 0; kind < 10; kind++) {
        struct bench *bench = *state;
        struct pv_render_init init = good_init();
        size_t size_bytes = sizeof(init);
        bool with_file = false;

        switch (kind) {
        case 0:
            size_bytes--;
            break;
        case 1:
            init.version++;
            break;
        case 2:
            init.placement = PV_VENUS_PLACEMENT_WINDOW + 1;
            break;
        case 3:
            init.placement = UINT32_MAX;
            break;
        case 4: /* a window is announced, and does not come */
            init.has_window = 1;
            break;
        case 5: /* and the other way round */
            with_file = true;
            break;
        case 6: /* smaller than it says */
            init.has_window = 1;
            init.window_size_bytes = 4 * PAGE + 1;
            with_file = true;
            break;
        case 7:
            init.has_window = 1;
            init.window_size_bytes = UINT64_MAX;
            with_file = true;
            break;
        case 8:
            memset(init.log, 'x', sizeof(init.log)); /* no NUL, and no specification */
            break;
        default: /* twice */
            say_init(bench);
            break;
        }
        say(bench, &init, size_bytes, with_file);
        assert_int_equal(run(bench), -EPROTO);
        again(state);
    }
}

/* A name without an end, and a window that fits exactly. */
static void test_inits_at_their_limits(void **state)
{
    struct bench *bench = *state;
    struct pv_render_init init = good_init();

    memset(init.name, 'n', sizeof(init.name));
    init.placement = PV_VENUS_PLACEMENT_WINDOW;
    init.has_window = 1;
    init.window_size_bytes = 4 * PAGE;
    say(bench, &init, sizeof(init), true);
    assert_int_equal(run(bench), 0);
}

static const struct {
    uint32_t kind;
    size_t size_bytes;
} kinds[] = {
    {PV_RENDER_ATTACH, sizeof(struct pv_render_attach)},
    {PV_RENDER_LEAVE, sizeof(struct pv_render_leave)},
    {PV_RENDER_SUBMIT, sizeof(struct pv_render_submit)},
    {PV_RENDER_EXPORT, sizeof(struct pv_render_export)},
    {PV_RENDER_PLACE, sizeof(struct pv_render_place)},
};

/* One byte short, one long, without an init before; and kinds that are none. */
static void test_messages_that_cannot_be(void **state)
{
    static const uint32_t unknown[] = {0, 7, PV_RENDER_DONE, PV_RENDER_LOG, UINT32_MAX};
    struct bench *bench = *state;
    uint32_t message[32];

    for (size_t i = 0; i < PV_ARRAY_LEN(kinds); i++) {
        for (int how = 0; how < 3; how++) {
            memset(message, 0, sizeof(message));
            message[0] = kinds[i].kind;
            if (how < 2) {
                say_init(bench);
            }
            say(bench, message,
                kinds[i].size_bytes
                    + (how == 0   ? -1
                       : how == 1 ? 1
                                  : 0),
                kinds[i].kind == PV_RENDER_ATTACH);
            assert_int_equal(run(bench), -EPROTO);
            again(state);
        }
    }
    for (size_t i = 0; i < PV_ARRAY_LEN(unknown); i++) {
        message[0] = unknown[i];
        say_init(bench);
        say(bench, message, 64, true);
        assert_int_equal(run(bench), -EPROTO);
        again(state);
    }
    say_init(bench);
    say(bench, "abc", 3, true); /* no room for a kind */
    assert_int_equal(run(bench), -EPROTO);
}

/* In the window and with a file, or neither: one of the two. */
static void test_attachments_that_cannot_be(void **state)
{
    for (uint32_t in_window = 0; in_window < 2; in_window++) {
        struct bench *bench = *state;
        const struct pv_render_attach attach = {
            .kind = PV_RENDER_ATTACH, .resource_id = 1, .size_bytes = PAGE, .in_window = in_window};

        say_init(bench);
        say(bench, &attach, sizeof(attach), in_window != 0);
        assert_int_equal(run(bench), -EPROTO);
        again(state);
    }
}

/* Ranges past the file's end: the worker goes on, the resource is not there. */
static void test_attachments_past_the_end(void **state)
{
    static const uint64_t spans[][2] = {
        {0, 0}, {0, UINT64_MAX}, {UINT64_MAX & ~UINT64_C(4095), 8192}, {1, 4096}, {65536, 65536},
    };
    struct bench *bench = *state;
    struct pv_render_done done;
    uint32_t kind;
    uint64_t cookie = 0;

    say_init(bench);
    for (uint32_t i = 0; i < PV_ARRAY_LEN(spans); i++) {
        const struct pv_render_attach attach = {.kind = PV_RENDER_ATTACH,
                                                .resource_id = i + 1,
                                                .offset_bytes = spans[i][0],
                                                .size_bytes = spans[i][1],
                                                .is_shmem = 1};
        const struct pv_render_leave leave = {PV_RENDER_LEAVE, i + 1, i + 1};

        say(bench, &attach, sizeof(attach), true);
        say(bench, &leave, sizeof(leave), false);
    }
    assert_int_equal(run(bench), 0);
    while ((kind = next(bench, &done)) != 0) {
        if (kind == PV_RENDER_DONE) {
            assert_int_equal(done.cookie, ++cookie);
        }
    }
    assert_int_equal(cookie, PV_ARRAY_LEN(spans));
}

/* The size that is said, that of the packet, and that of the file have to fit. */
static void test_streams_that_cannot_be(void **state)
{
    static const struct {
        uint32_t size_bytes;
        size_t inline_bytes;
        bool with_file;
    } streams[] = {
        {8, 4, false}, {4, 8, false},         {UINT32_MAX, 0, false},
        {4, 4, true},  {UINT32_MAX, 0, true}, /* longer than the file */
    };

    for (size_t i = 0; i < PV_ARRAY_LEN(streams); i++) {
        struct bench *bench = *state;
        uint8_t message[64] = {0};
        const struct pv_render_submit submit = {
            .kind = PV_RENDER_SUBMIT, .size_bytes = streams[i].size_bytes, .is_fenced = 1};
        struct pv_render_done done;

        memcpy(message, &submit, sizeof(submit));
        say_init(bench);
        say(bench, message, sizeof(submit) + streams[i].inline_bytes, streams[i].with_file);
        assert_int_equal(run(bench), -EPROTO);
        assert_int_equal(next(bench, &done), 0); /* no fence either */
        again(state);
    }
}

/* A stream that is no Venus: the context is lost, the worker lives and answers. */
static void test_a_stream_that_makes_no_sense(void **state)
{
    for (int with_file = 0; with_file < 2; with_file++) {
        struct bench *bench = *state;
        uint8_t message[128];
        const struct pv_render_submit submit = {
            .kind = PV_RENDER_SUBMIT, .size_bytes = 64, .is_fenced = 1, .fence_id = 5};
        const struct pv_render_leave leave = {PV_RENDER_LEAVE, 1, 1};
        struct pv_render_done done = {0};
        uint32_t kind;
        unsigned int lost = 0;
        unsigned int fences = 0;

        memset(message, 0xff, sizeof(message));
        memcpy(message, &submit, sizeof(submit));
        assert_int_equal(pwrite(bench->file, message + sizeof(submit), 64, 0), 64);
        say_init(bench);
        say(bench, message, sizeof(submit) + (with_file ? 0 : 64), with_file != 0);
        say(bench, &leave, sizeof(leave), false);
        assert_int_equal(run(bench), 0);
        while ((kind = next(bench, &done)) != 0) {
            lost += kind == PV_RENDER_LOST ? 1 : 0;
            fences += kind == PV_RENDER_FENCE ? 1 : 0;
        }
        assert_int_equal(lost, 1);
        assert_int_equal(fences, 1);
        assert_int_equal(done.cookie, 1);
        again(state);
    }
}

/* A packet that does not fit, and one with two descriptors: nothing is left open. */
static void test_packets_that_do_not_fit(void **state)
{
    static const uint8_t bytes[PV_RENDER_PACKET_MAX_BYTES + 1];
    struct bench *bench = *state;
    const int fds[2] = {bench->file, bench->file};

    say_init(bench);
    say(bench, bytes, sizeof(bytes), true);
    assert_int_equal(run(bench), -EMSGSIZE);
    again(state);
    assert_int_equal(pv_os_socket_send(bench->peer, bytes, 64, fds, 2), 64);
    assert_int_equal(run(bench), -EMSGSIZE);
}

/* The device is gone altogether: what it said last is served, answers go nowhere. */
static void test_a_device_that_goes(void **state)
{
    struct bench *bench = *state;
    const struct pv_render_leave leave = {PV_RENDER_LEAVE, 1, 1};

    say_init(bench);
    say(bench, &leave, sizeof(leave), false);
    say(bench, &leave, sizeof(leave), false);
    close(bench->peer);
    assert_int_equal(pv_render_worker_run(bench->fd, NULL), 0);
    bench->fd = -1;
    bench->peer = dup(bench->file); /* for teardown's count */
    again(state);
    assert_int_equal(run(bench), 0); /* before the first word */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_requests_and_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inits_that_cannot_be, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inits_at_their_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_messages_that_cannot_be, setup, teardown),
        cmocka_unit_test_setup_teardown(test_attachments_that_cannot_be, setup, teardown),
        cmocka_unit_test_setup_teardown(test_attachments_past_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_streams_that_cannot_be, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stream_that_makes_no_sense, setup, teardown),
        cmocka_unit_test_setup_teardown(test_packets_that_do_not_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_device_that_goes, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
