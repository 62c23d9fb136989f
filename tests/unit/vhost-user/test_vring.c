/* SPDX-License-Identifier: MIT */
/*
 * hosts/vhost-user/vring.c: doorbells of all kinds, replaced at any time. A dead one costs nothing
 * and the next one is heard; positions are kept over a stop.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/event.h"
#include "os/socket.h"
#include "support/front_bench.h"
#include "support/loop_bench.h"

static int setup(void **state)
{
    static struct front_bench bench;

    front_open(&bench, false);
    front_connect(&bench);
    front_set_up(&bench);
    front_enable(&bench);
    assert_true(bench.host->is_running);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    front_close(*state);
    return 0;
}

static void give_kick(struct front_bench *bench, int fd)
{
    const uint64_t index = 0;

    front_say(bench, PV_VHOST_USER_SET_VRING_KICK, &index, sizeof(index), &fd, 1);
    assert_int_equal(bench->closed_count, 0);
}

static void assert_served(struct front_bench *bench)
{
    assert_int_equal(fake_guest_used_idx(&bench->guest), bench->guest.available_idx);
}

/* A request that only a ring of the front end's eventfd can have announced. */
static void assert_hears_its_bell(struct front_bench *bench)
{
    front_publish(bench, FAKE_ECHO);
    loop_settle(bench->loop);
    assert_int_not_equal(fake_guest_used_idx(&bench->guest), bench->guest.available_idx);
    front_kick(bench);
    assert_served(bench);
}

static void test_a_request(void **state)
{
    struct front_bench *bench = *state;

    assert_hears_its_bell(bench);
    assert_true(pv_os_fd_is_readable(bench->call_fds[0]));
    assert_int_equal(bench->device.counts.elements, 1);
}

/* More than one turn's worth behind one ring of the bell. */
static void test_a_full_queue(void **state)
{
    struct front_bench *bench = *state;

    for (uint32_t i = 0; i < FRONT_QUEUE_SIZE / 2; i++) {
        front_publish(bench, FAKE_ECHO);
    }
    front_kick(bench);
    assert_served(bench);
    assert_int_equal(bench->device.counts.elements, FRONT_QUEUE_SIZE / 2);
}

/* What the old bell rang for unheard is served too. */
static void test_a_bell_is_replaced(void **state)
{
    struct front_bench *bench = *state;
    int other;

    assert_int_equal(pv_os_event_create(&other), 0);
    front_publish(bench, FAKE_ECHO);
    give_kick(bench, other);
    assert_served(bench);
    front_publish(bench, FAKE_ECHO);
    front_kick(bench); /* the old one: nobody listens */
    assert_int_equal(bench->device.counts.elements, 1);
    pv_os_event_signal(other);
    loop_settle(bench->loop);
    assert_served(bench);
    close(other);
}

static void test_bells_that_die(void **state)
{
    for (int kind = 0; kind < 4; kind++) {
        struct front_bench *bench = *state;
        int fds[2];

        if (kind == 0) {
            assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        } else {
            assert_int_equal(socketpair(AF_UNIX, kind == 1 ? SOCK_STREAM : SOCK_SEQPACKET, 0, fds),
                             0);
        }
        give_kick(bench, fds[0]);
        if (kind == 3) {
            assert_int_equal(write(fds[1], "last words", 10), 10);
        }
        assert_non_null(bench->host->vrings[0].kick_source);
        pv_os_fds_close(fds, 2);
        loop_settle(bench->loop);
        /* not looked at any more: a closed socket is readable for ever */
        assert_null(bench->host->vrings[0].kick_source);
        assert_true(bench->host->vrings[0].is_running);
        give_kick(bench, bench->kick_fds[0]);
        loop_settle(bench->loop);
        assert_hears_its_bell(bench);
    }
}

/* One that cannot be watched at all: the other queue goes on, and so does this one with the next.
 */
static void test_a_bell_that_is_a_file(void **state)
{
    struct front_bench *bench = *state;
    FILE *file = tmpfile();

    assert_non_null(file);
    give_kick(bench, fileno(file));
    assert_null(bench->host->vrings[0].kick_source);
    give_kick(bench, bench->kick_fds[0]);
    assert_hears_its_bell(bench);
    (void)fclose(file);
}

/* A listening socket can't be read from, and a full pipe does not hold up an interrupt. */
static void test_bells_that_are_nothing(void **state)
{
    struct front_bench *bench = *state;
    const uint64_t index = 0;
    char path[80];
    int fds[2];

    (void)snprintf(path, sizeof(path), "%s.bell", bench->path);
    assert_int_equal(pv_os_socket_listen(path, &fds[0]), 0);
    give_kick(bench, fds[0]);
    assert_int_equal(pv_os_socket_connect(path, &fds[1]), 0);
    loop_settle(bench->loop);
    assert_null(bench->host->vrings[0].kick_source);
    pv_os_fds_close(fds, 2);
    (void)unlink(path);
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(fds[1], "x", 1) == 1) {
    }
    front_say(bench, PV_VHOST_USER_SET_VRING_CALL, &index, sizeof(index), &fds[1], 1);
    give_kick(bench, bench->kick_fds[0]);
    assert_hears_its_bell(bench);
    pv_os_fds_close(fds, 2);
    assert_hears_its_bell(bench);
}

static void test_positions_are_kept(void **state)
{
    struct front_bench *bench = *state;

    for (uint32_t i = 0; i < 4; i++) {
        front_publish(bench, FAKE_ECHO);
        front_kick(bench);
        assert_int_equal(front_stop(bench), 2 * i + 1);
        front_publish(bench, FAKE_ECHO);
        front_kick(bench);
        assert_int_equal(fake_guest_used_idx(&bench->guest), 2 * i + 1); /* it stands still */
        front_set_base(bench, 2 * i + 1);
        front_enable(bench);
        assert_served(bench); /* without another ring of the bell */
        assert_int_equal(bench->device.counts.resumes, i + 1);
    }
    assert_int_equal(bench->device.counts.starts, 1);
    assert_int_equal(bench->device.counts.resets, 0);
}

/* A ring whose addresses nothing backs breaks its queue; whoever wants to know is told. */
static void test_a_broken_queue_is_told(void **state)
{
    struct front_bench *bench = *state;
    const struct pv_vhost_user_vring_addr addr = {.index = 0, .descriptor = 4096, .used = 8192};
    const uint64_t index = 0;
    int err_fd;

    assert_int_equal(pv_os_event_create(&err_fd), 0);
    front_say(bench, PV_VHOST_USER_SET_VRING_ERR, &index, sizeof(index), &err_fd, 1);
    (void)front_stop(bench);
    front_say(bench, PV_VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
    front_set_base(bench, 0);
    front_enable(bench);
    assert_true(pv_os_fd_is_readable(err_fd));
    assert_false(bench->host->vrings[0].is_running);
    assert_int_equal(bench->closed_count, 0);
    close(err_fd);
}

static void test_a_queue_without_a_bell_is_idle(void **state)
{
    struct front_bench *bench = *state;

    (void)front_stop(bench);
    assert_int_equal(bench->host->vrings[0].kick_fd, -1); /* GET_VRING_BASE takes it away */
    front_enable(bench);
    assert_true(bench->host->is_running);
    assert_false(bench->host->vrings[0].is_running);
    front_publish(bench, FAKE_ECHO);
    front_kick(bench);
    assert_int_equal(fake_guest_used_idx(&bench->guest), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_request, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_bell_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bells_that_die, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_bell_that_is_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bells_that_are_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_positions_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_broken_queue_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_queue_without_a_bell_is_idle, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
