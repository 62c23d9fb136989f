/* SPDX-License-Identifier: MIT */
/*
 * render/outbox.c: packets stay whole and in order over a socket that is full, descriptors are
 * borrowed or closed, and what is queued has an end.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/shm.h"
#include "os/socket.h"
#include "render/context.h"
#include "render/outbox.h"
#include "render/protocol.h"
#include "support/loop_bench.h"

struct bench {
    struct pv_render_outbox outbox;
    int fd;
    int peer; /* -1: closed */
    int file; /* a descriptor to send */
    unsigned int fds_before;
};

static int setup(void **state)
{
    static struct bench bench;

    bench.fds_before = open_fds();
    assert_int_equal(pv_os_socket_pair(&bench.fd, &bench.peer), 0);
    assert_int_equal(pv_os_fd_set_nonblocking(bench.fd, true), 0);
    assert_int_equal(pv_os_fd_set_nonblocking(bench.peer, true), 0);
    assert_int_equal(pv_os_shm_create("test", 4096, &bench.file), 0);
    pv_render_outbox_init(&bench.outbox, bench.fd);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    pv_render_outbox_finish(&bench->outbox);
    assert_int_equal(bench->outbox.queued_bytes, 0);
    assert_false(pv_render_outbox_is_waiting(&bench->outbox));
    pv_render_outbox_finish(&bench->outbox);
    close(bench->fd);
    close(bench->file);
    pv_os_fds_close(&bench->peer, 1);
    assert_int_equal(open_fds(), bench->fds_before);
    return 0;
}

/* Packets that say their number, some with a descriptor, until that many wait. Returns how many. */
static uint32_t fill(struct bench *bench, uint32_t waiting)
{
    static const uint8_t tail[4096];
    uint32_t count = 0;

    for (uint32_t queued = 0; queued < waiting; count++) {
        assert_int_equal(pv_render_outbox_send(&bench->outbox, &count, sizeof(count), tail,
                                               count % 2 ? sizeof(tail) : 0,
                                               count % 3 == 0 ? bench->file : -1),
                         0);
        queued += pv_render_outbox_is_waiting(&bench->outbox) ? 1 : 0;
    }
    return count;
}

static void test_packets_stay_whole_and_in_order(void **state)
{
    struct bench *bench = *state;
    const uint32_t count = fill(bench, 50);
    uint8_t packet[PV_RENDER_PACKET_MAX_BYTES];

    for (uint32_t i = 0; i < count; i++) {
        size_t fd_count;
        int fd = -1;
        ssize_t got;
        uint32_t number;

        while ((got = pv_os_socket_receive(bench->peer, packet, sizeof(packet), &fd, 1, &fd_count))
               == -EAGAIN) {
            assert_int_equal(pv_render_outbox_flush(&bench->outbox), 0);
        }
        assert_int_equal(got, sizeof(number) + (i % 2 ? 4096 : 0));
        memcpy(&number, packet, sizeof(number));
        assert_int_equal(number, i);
        assert_int_equal(fd_count, i % 3 == 0 ? 1 : 0);
        if (fd_count == 1) {
            close(fd);
        }
    }
    assert_false(pv_render_outbox_is_waiting(&bench->outbox));
    assert_int_equal(bench->outbox.queued_bytes, 0);
}

static void test_sizes(void **state)
{
    struct bench *bench = *state;
    static const uint8_t bytes[PV_RENDER_PACKET_MAX_BYTES];
    static uint8_t got[PV_RENDER_PACKET_MAX_BYTES + 1];

    assert_int_equal(pv_render_outbox_send(&bench->outbox, bytes, sizeof(bytes), NULL, 0, -1), 0);
    assert_int_equal(read(bench->peer, got, sizeof(got)), sizeof(bytes));
    assert_int_equal(pv_render_outbox_send(&bench->outbox, bytes, 1, bytes, sizeof(bytes) - 1, -1),
                     0);
    assert_int_equal(read(bench->peer, got, sizeof(got)), sizeof(bytes));
    assert_int_equal(pv_render_outbox_send(&bench->outbox, bytes, 1, bytes, sizeof(bytes), -1),
                     -EMSGSIZE);
    assert_int_equal(read(bench->peer, got, sizeof(got)), -1); /* nothing of it */
}

/* A worker that reads nothing: up to the cap and not a packet further; a refused one leaves the
 * rest as it was. */
static void test_the_queue_has_an_end(void **state)
{
    struct bench *bench = *state;
    static const uint8_t bytes[PV_RENDER_PACKET_MAX_BYTES];
    size_t queued_bytes;
    int r = 0;

    while (r == 0) {
        queued_bytes = bench->outbox.queued_bytes;
        r = pv_render_outbox_send(&bench->outbox, bytes, sizeof(bytes), NULL, 0, -1);
    }
    assert_int_equal(r, -ENOBUFS);
    assert_int_equal(bench->outbox.queued_bytes, queued_bytes);
    assert_int_equal(queued_bytes, PV_RENDER_QUEUE_MAX_BYTES);
    assert_int_equal(pv_render_outbox_send(&bench->outbox, bytes, 1, NULL, 0, bench->file),
                     -ENOBUFS);
    assert_int_equal(pv_render_outbox_flush(&bench->outbox), 0);
    assert_int_equal(bench->outbox.queued_bytes, queued_bytes);
}

/* Descriptors of packets that wait are duplicates: the caller's may be closed meanwhile. */
static void test_waiting_descriptors(void **state)
{
    struct bench *bench = *state;
    unsigned int fds_open;

    (void)fill(bench, 1);
    fds_open = open_fds();
    assert_int_equal(pv_render_outbox_send(&bench->outbox, "x", 1, NULL, 0, bench->file), 0);
    assert_int_equal(open_fds(), fds_open + 1);
    /* one that cannot be duplicated is refused */
    assert_int_equal(pv_render_outbox_send(&bench->outbox, "x", 1, NULL, 0, 1 << 20), -EBADF);
    assert_int_equal(open_fds(), fds_open + 1);
}

/* With packets waiting, and with none. */
static void test_a_worker_that_goes(void **state)
{
    for (uint32_t waiting = 0; waiting < 2; waiting++) {
        struct bench *bench = *state;

        (void)fill(bench, waiting);
        close(bench->peer);
        bench->peer = -1;
        if (waiting != 0) { /* it is queued; the flush tells */
            assert_int_equal(pv_render_outbox_send(&bench->outbox, "x", 1, NULL, 0, bench->file),
                             0);
            assert_true(pv_render_outbox_flush(&bench->outbox) < 0);
        } else {
            assert_int_equal(pv_render_outbox_send(&bench->outbox, "x", 1, NULL, 0, bench->file),
                             -EPIPE);
        }
        teardown(state);
        setup(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_packets_stay_whole_and_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_queue_has_an_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiting_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_worker_that_goes, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
