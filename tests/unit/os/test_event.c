/* SPDX-License-Identifier: MIT */
/*
 * os/event.c and the small helpers of os/socket.c beside it: doorbells never block, a peer's
 * reading can be told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "os/event.h"
#include "os/socket.h"

static void test_rings_collapse(void **state)
{
    int fd = -1;

    (void)state;
    assert_int_equal(pv_os_event_create(&fd), 0);
    assert_false(pv_os_fd_is_readable(fd));
    pv_os_event_signal(fd);
    pv_os_event_signal(fd);
    assert_true(pv_os_fd_is_readable(fd));
    assert_true(pv_os_event_drain(fd));
    assert_false(pv_os_fd_is_readable(fd));
    assert_true(pv_os_event_drain(fd)); /* silent already */
    close(fd);
}

static void test_a_full_doorbell_does_not_block(void **state)
{
    const uint64_t nearly = UINT64_MAX - 1;
    int fd = -1;

    (void)state;
    assert_int_equal(pv_os_event_create(&fd), 0);
    assert_int_equal(write(fd, &nearly, sizeof(nearly)), sizeof(nearly));
    pv_os_event_signal(fd);
    assert_true(pv_os_fd_is_readable(fd));
    close(fd);
}

static void test_a_pipe_in_its_place_does_not_block(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pv_os_event_prepare(fds[0]), 0);
    assert_int_equal(pv_os_event_prepare(fds[1]), 0);
    assert_true(pv_os_event_drain(fds[0]));
    for (int i = 0; i < 100000; i++) {
        pv_os_event_signal(fds[1]);
    }
    pv_os_fds_close(&fds[1], 1);
    while (pv_os_fd_is_readable(fds[0]) && pv_os_event_drain(fds[0])) {
    }
    assert_false(pv_os_event_drain(fds[0])); /* it says so each time */
    pv_os_fds_close(fds, 1);
    assert_true(pv_os_event_prepare(fds[0]) < 0);
    assert_false(pv_os_event_drain(fds[0]));
}

static void test_what_the_peer_has_read(void **state)
{
    size_t bytes = 1;
    char byte;
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(pv_os_socket_unread_by_peer(fds[0], &bytes), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(pv_os_socket_send(fds[0], "x", 1, &fds[1], 1), 1);
    assert_int_equal(pv_os_socket_unread_by_peer(fds[0], &bytes), 0);
    assert_true(bytes > 0);
    assert_true(pv_os_fd_is_readable(fds[1]));
    assert_int_equal(read(fds[1], &byte, 1), 1);
    assert_int_equal(pv_os_socket_unread_by_peer(fds[0], &bytes), 0);
    assert_int_equal(bytes, 0);
    pv_os_fds_close(fds, 2);
    assert_true(pv_os_socket_unread_by_peer(-1, &bytes) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rings_collapse),
        cmocka_unit_test(test_a_full_doorbell_does_not_block),
        cmocka_unit_test(test_a_pipe_in_its_place_does_not_block),
        cmocka_unit_test(test_what_the_peer_has_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
