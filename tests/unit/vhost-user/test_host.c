/* SPDX-License-Identifier: MIT */
/*
 * hosts/vhost-user/host.c: who may connect, and how it ends: once, with everything closed, whatever
 * moment the front end chooses.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/socket.h"
#include "support/front_bench.h"
#include "support/loop_bench.h"

static int setup(void **state)
{
    static struct front_bench bench;

    front_open(&bench, true);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    front_close(*state);
    return 0;
}

static void hang_up(struct front_bench *bench)
{
    pv_os_fds_close(&bench->peer, 1);
    bench->peer = -1;
    loop_settle(bench->loop);
}

static void test_options_that_cannot_be(void **state)
{
    struct front_bench *bench = *state;
    struct pv_virtio_device_ops ops = fake_device_ops;
    struct pv_vhost_user_host_options options = bench->host->options;
    struct pv_vhost_user_host *host = NULL;
    const unsigned int fds_open = open_fds();

    options.device_ops = &ops;
    options.window_size_bytes = FRONT_WINDOW_BYTES + 4096;
    assert_int_equal(pv_vhost_user_host_create(&options, &host), -EINVAL);
    options.window_size_bytes = FRONT_WINDOW_BYTES;
    ops.queue_count = 0;
    assert_int_equal(pv_vhost_user_host_create(&options, &host), -EINVAL);
    ops.queue_count = PV_VIRTIO_QUEUE_COUNT_MAX + 1;
    assert_int_equal(pv_vhost_user_host_create(&options, &host), -EINVAL);
    ops.queue_count = PV_VIRTIO_QUEUE_COUNT_MAX;
    ops.config_size_bytes = PV_VIRTIO_CONFIG_BYTES_MAX + 1;
    assert_int_equal(pv_vhost_user_host_create(&options, &host), -EINVAL);
    ops.config_size_bytes = PV_VIRTIO_CONFIG_BYTES_MAX;
    /* half built: the socket is the other host's, whose file stays */
    assert_int_equal(pv_vhost_user_host_create(&options, &host), -EADDRINUSE);
    assert_int_equal(access(bench->path, F_OK), 0);
    options.window_fd = -1;
    assert_true(pv_vhost_user_host_create(&options, &host) < 0);
    assert_null(host);
    assert_int_equal(open_fds(), fds_open);
    pv_vhost_user_host_destroy(NULL);
}

/* Who only looks, or says half a word, is no front end. */
static void test_passers_by(void **state)
{
    struct front_bench *bench = *state;
    const unsigned int fds_open = open_fds();

    for (int i = 0; i < 3; i++) {
        front_connect(bench);
        if (i > 0) {
            assert_int_equal(
                pv_os_socket_send(bench->peer, "12345678901", 11, &bench->window_fd, i - 1), 11);
            loop_settle(bench->loop);
        }
        hang_up(bench);
        assert_int_equal(bench->closed_count, 0);
        assert_int_equal(open_fds(), fds_open);
        assert_int_equal(access(bench->path, F_OK), 0);
    }
    front_connect(bench);
    front_set_up(bench); /* the one that stays */
    assert_int_equal(access(bench->path, F_OK), -1);
    hang_up(bench);
    assert_int_equal(bench->closed_count, 1);
    assert_int_equal(bench->closed_status, 0);
}

/* Others wait in line, and find the door shut when the first one turns out to be the one. */
static void test_a_second_one(void **state)
{
    struct front_bench *bench = *state;
    int second;
    char byte;

    front_connect(bench);
    assert_int_equal(pv_os_socket_connect(bench->path, &second), 0);
    loop_settle(bench->loop);
    assert_int_equal(write(second, "x", 1), 1);
    loop_settle(bench->loop);
    assert_int_equal(bench->closed_count, 0);
    front_set_up(bench);
    assert_true(read(second, &byte, 1) <= 0);
    close(second);
    loop_settle(bench->loop);
    assert_int_equal(bench->closed_count, 0);
    assert_true(pv_os_socket_connect(bench->path, &second) < 0);
}

/* Before the start, while the map is asked for, running, paused, in the middle of a message. */
static void test_the_front_end_goes(void **state)
{
    for (int when = 0; when < 6; when++) {
        struct front_bench *bench = *state;

        front_connect(bench);
        front_set_up(bench);
        if (when > 0) {
            front_give_back_channel(bench);
            front_enable(bench);
        }
        if (when == 2) {
            front_take_map(bench);
        } else if (when > 2) {
            front_answer_map(bench, 0);
            front_publish(bench, FAKE_HOLD);
            front_kick(bench);
        }
        if (when == 4) {
            (void)front_stop(bench);
        } else if (when == 5) {
            const uint32_t header[3] = {PV_VHOST_USER_SET_MEM_TABLE, 1, 264};

            assert_int_equal(pv_os_socket_send(bench->peer, header, 12, &bench->guest.fd, 1), 12);
            loop_settle(bench->loop);
        }
        hang_up(bench);
        assert_int_equal(bench->closed_count, 1);
        assert_int_equal(bench->closed_status, 0);
        assert_int_equal(bench->device.counts.starts, when > 2 ? 1 : 0);
        assert_int_equal(bench->device.counts.resets, bench->device.counts.starts);
        assert_null(bench->host->back);
        pv_os_fds_close(&bench->back_peer, 1);
        bench->back_peer = -1;
        loop_settle(bench->loop);
        assert_int_equal(bench->closed_count, 1);
        teardown(state);
        setup(state);
    }
}

/* It asks and does not read: the connection ends, the loop never waits. */
static void test_a_front_end_that_takes_no_answers(void **state)
{
    struct front_bench *bench = *state;
    const uint32_t header[3] = {PV_VHOST_USER_GET_SHMEM_CONFIG, PV_VHOST_USER_FLAG_VERSION, 0};

    front_connect(bench);
    for (int i = 0; i < 100000 && bench->closed_count == 0; i++) {
        if (write(bench->peer, header, sizeof(header)) != sizeof(header)) {
            loop_settle(bench->loop);
        }
    }
    assert_int_equal(bench->closed_count, 1);
    assert_int_equal(bench->closed_status, -EPROTO);
}

/* Destroyed while the device runs and holds requests; front_close looks at what is left. */
static void test_destroyed_alive(void **state)
{
    struct front_bench *bench = *state;

    front_connect(bench);
    front_set_up(bench);
    front_give_back_channel(bench);
    front_enable(bench);
    front_answer_map(bench, 0);
    front_publish(bench, FAKE_HOLD);
    front_kick(bench);
    assert_int_equal(bench->device.counts.held, 1);
}

static bool is_connected(void *user)
{
    return ((struct front_bench *)user)->host->front_source != NULL;
}

/* Who connects while there is no descriptor waits, and costs nothing meanwhile. */
static void test_no_descriptors_left(void **state)
{
    struct front_bench *bench = *state;

    assert_int_equal(pv_os_socket_connect(bench->path, &bench->peer), 0);
    assert_true(loop_busy_without_fds_ns(bench->loop, UINT64_C(400000000)) < UINT64_C(200000000));
    assert_false(is_connected(bench));
    loop_until(bench->loop, is_connected, bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_options_that_cannot_be, setup, teardown),
        cmocka_unit_test_setup_teardown(test_passers_by, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_second_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_front_end_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_front_end_that_takes_no_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_destroyed_alive, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_descriptors_left, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
