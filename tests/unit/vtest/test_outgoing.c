/* SPDX-License-Identifier: MIT */
/*
 * hosts/vtest/outgoing.c: replies stay in order and whole over a socket that takes them in pieces,
 * each descriptor goes to the client or is closed, and the queue has an end.
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
#include "os/socket.h"
#include "support/loop_bench.h"
#include "vtest/outgoing.h"

struct bench {
    struct pv_vtest_outgoing outgoing;
    int fd;
    int peer; /* -1: closed */
    unsigned int fds_before;
};

static int setup(void **state)
{
    static struct bench bench;
    const int small = 4096;

    bench.fds_before = open_fds();
    stream_pair(&bench.fd, &bench.peer);
    assert_int_equal(setsockopt(bench.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    pv_vtest_outgoing_init(&bench.outgoing, bench.fd);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    pv_vtest_outgoing_finish(&bench->outgoing);
    assert_false(pv_vtest_outgoing_is_waiting(&bench->outgoing));
    assert_int_equal(bench->outgoing.queued_bytes, 0);
    pv_vtest_outgoing_finish(&bench->outgoing);
    close(bench->fd);
    pv_os_fds_close(&bench->peer, 1);
    assert_int_equal(open_fds(), bench->fds_before);
    return 0;
}

static int new_fd(void)
{
    int fd;

    assert_int_equal(pv_os_shm_create("test", 4096, &fd), 0);
    return fd;
}

/* Bytes in their order; descriptors where they belong: on the byte behind their reply. */
static void read_reply(struct bench *bench, uint32_t command, uint32_t word_count, bool has_fd)
{
    uint8_t bytes[8 + 4 * 2048];
    size_t size_bytes = 8 + 4 * word_count;
    uint32_t header[2];

    for (size_t at = 0; at < size_bytes;) {
        const ssize_t got = read(bench->peer, bytes + at, size_bytes - at);

        if (got < 0) {
            assert_int_equal(errno, EAGAIN);
            assert_int_equal(pv_vtest_outgoing_flush(&bench->outgoing), 0);
            continue;
        }
        at += (size_t)got;
    }
    memcpy(header, bytes, sizeof(header));
    assert_int_equal(header[0], word_count);
    assert_int_equal(header[1], command);
    if (has_fd) {
        ssize_t got;
        size_t fd_count;
        int fd;

        while ((got = pv_os_socket_receive(bench->peer, bytes, 1, &fd, 1, &fd_count)) == -EAGAIN) {
            assert_int_equal(pv_vtest_outgoing_flush(&bench->outgoing), 0);
        }
        assert_int_equal(got, 1);
        assert_int_equal(fd_count, 1);
        close(fd);
    }
}

static void test_replies_stay_in_order(void **state)
{
    static uint32_t words[2048];
    struct bench *bench = *state;
    uint32_t count = 0;

    /* into a socket that is full at some point, in the middle of a reply */
    for (; count < 40; count++) {
        const int fd = count % 3 == 0 ? new_fd() : -1;

        assert_int_equal(
            pv_vtest_outgoing_reply(&bench->outgoing, count, words, count % 2 ? 2048 : 0, fd), 0);
    }
    assert_true(pv_vtest_outgoing_is_waiting(&bench->outgoing));
    for (uint32_t i = 0; i < count; i++) {
        read_reply(bench, i, i % 2 ? 2048 : 0, i % 3 == 0);
    }
    assert_false(pv_vtest_outgoing_is_waiting(&bench->outgoing));
    assert_int_equal(bench->outgoing.queued_bytes, 0);
    assert_int_equal(pv_vtest_outgoing_flush(&bench->outgoing), 0);
}

/* The queue's end: what does not fit is refused, its descriptor closed. */
static void test_the_queue_has_an_end(void **state)
{
    static uint32_t words[2048];
    struct bench *bench = *state;
    unsigned int fds_open;
    int r = 0;

    while (r == 0) {
        fds_open = open_fds();
        r = pv_vtest_outgoing_reply(&bench->outgoing, 1, words, 2048, new_fd());
    }
    assert_int_equal(r, -ENOBUFS);
    assert_int_equal(open_fds(), fds_open);
    assert_true(bench->outgoing.queued_bytes <= PV_VTEST_OUTGOING_MAX_BYTES);
    assert_true(bench->outgoing.queued_bytes > PV_VTEST_OUTGOING_MAX_BYTES - 16384);
}

/* The reply fits, the byte of its descriptor does not. */
static void test_a_descriptor_past_the_end(void **state)
{
    static uint32_t words[2048];
    struct bench *bench = *state;
    unsigned int fds_open;
    size_t left_bytes;

    while (PV_VTEST_OUTGOING_MAX_BYTES - bench->outgoing.queued_bytes >= 8 + sizeof(words)) {
        assert_int_equal(pv_vtest_outgoing_reply(&bench->outgoing, 1, words, 2048, -1), 0);
    }
    left_bytes = PV_VTEST_OUTGOING_MAX_BYTES - bench->outgoing.queued_bytes;
    while (left_bytes % 4 != 0 || left_bytes < 8) {
        fail(); /* all sizes here are words */
    }
    fds_open = open_fds();
    assert_int_equal(pv_vtest_outgoing_reply(&bench->outgoing, 1, words,
                                             (uint32_t)(left_bytes - 8) / 4, new_fd()),
                     -ENOBUFS);
    assert_int_equal(open_fds(), fds_open);
}

/* With replies and descriptors waiting, and with none. */
static void test_a_client_that_goes(void **state)
{
    static uint32_t words[2048];

    for (int waiting = 0; waiting < 2; waiting++) {
        struct bench *bench = *state;
        const int fd = new_fd();

        while (waiting != 0 && !pv_vtest_outgoing_is_waiting(&bench->outgoing)) {
            assert_int_equal(pv_vtest_outgoing_reply(&bench->outgoing, 1, words, 2048, new_fd()),
                             0);
        }
        close(bench->peer);
        bench->peer = -1;
        assert_true(pv_vtest_outgoing_reply(&bench->outgoing, 1, words, 1, fd) < 0);
        assert_true(pv_vtest_outgoing_flush(&bench->outgoing) < 0);
        teardown(state);
        setup(state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replies_stay_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_queue_has_an_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_descriptor_past_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_client_that_goes, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
