/* SPDX-License-Identifier: MIT */
/*
 * hosts/vhost-user/back_channel.c: requests in two parts. Nothing whole reaches the front end while
 * the gate is shut, each map has one outcome, and a front end that answers nonsense, nothing, or
 * goes in the middle costs the channel only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/shm.h"
#include "os/socket.h"
#include "support/loop_bench.h"
#include "vhost-user/back_channel.h"
#include "vhost-user/message.h"

#define WINDOW_BYTES UINT64_C(65536)
#define MAP_BYTES    (sizeof(struct pv_vhost_user_header) + sizeof(struct pv_vhost_user_shmem_map))

struct bench {
    struct pv_os_loop *loop;
    struct pv_vhost_user_back_channel *channel;
    int peer; /* the front end's side; -1: closed */
    int window_fd;
    bool gate_open;
    bool gate_unsure;
    unsigned int asked_unsure;
    unsigned int outcome_count;
    enum pv_vhost_user_map_outcome outcomes[8];
    unsigned int fds_before;
};

static bool is_gate_open(void *user)
{
    return ((struct bench *)user)->gate_open;
}

static bool is_gate_unsure(void *user)
{
    struct bench *bench = user;

    bench->asked_unsure++;
    return bench->gate_unsure;
}

static void map_done(void *user, enum pv_vhost_user_map_outcome outcome)
{
    struct bench *bench = user;

    assert_true(bench->outcome_count < PV_ARRAY_LEN(bench->outcomes));
    bench->outcomes[bench->outcome_count++] = outcome;
}

static const struct pv_vhost_user_back_channel_ops ops = {
    .is_gate_open = is_gate_open,
    .is_gate_unsure = is_gate_unsure,
    .map_done = map_done,
};

static int setup(void **state)
{
    static struct bench bench;
    int fd;

    bench = (struct bench){.gate_open = true, .fds_before = open_fds()};
    assert_int_equal(pv_os_loop_create(&bench.loop), 0);
    assert_int_equal(pv_os_shm_create("window", WINDOW_BYTES, &bench.window_fd), 0);
    stream_pair(&fd, &bench.peer);
    assert_int_equal(pv_vhost_user_back_channel_create(bench.loop, NULL, &ops, &bench, fd,
                                                       bench.window_fd, WINDOW_BYTES,
                                                       &bench.channel),
                     0);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    const unsigned int outcome_count = bench->outcome_count;

    pv_vhost_user_back_channel_destroy(bench->channel);
    assert_int_equal(bench->outcome_count, outcome_count); /* no call after the end */
    pv_os_loop_destroy(bench->loop);
    pv_os_fds_close(&bench->peer, 1);
    close(bench->window_fd);
    assert_int_equal(open_fds(), bench->fds_before);
    return 0;
}

/* The first byte of a request, as QEMU's reader takes it; fd: its descriptor, or -1. */
static uint8_t read_first(struct bench *bench, int *ret_fd)
{
    uint8_t byte;
    size_t fd_count;
    int fd = -1;

    assert_int_equal(pv_os_socket_receive(bench->peer, &byte, 1, &fd, 1, &fd_count), 1);
    *ret_fd = fd_count == 1 ? fd : -1;
    return byte;
}

static bool has_rest(void *user)
{
    return pv_os_fd_is_readable(((struct bench *)user)->peer);
}

/* The rest of a request. Returns its number. */
static uint32_t read_rest(struct bench *bench, uint8_t first, size_t *ret_size_bytes)
{
    uint8_t bytes[128] = {first};
    struct pv_vhost_user_header header;
    ssize_t got;

    loop_until(bench->loop, has_rest, bench);
    got = read(bench->peer, bytes + 1, sizeof(bytes) - 1);
    assert_true(got > 0);
    *ret_size_bytes = (size_t)got + 1;
    memcpy(&header, bytes, sizeof(header));
    assert_int_equal(*ret_size_bytes, sizeof(header) + header.size_bytes);
    return header.request;
}

static void say_bytes(struct bench *bench, const void *bytes, size_t size_bytes)
{
    assert_int_equal(write(bench->peer, bytes, size_bytes), size_bytes);
    loop_settle(bench->loop);
}

static void reply(struct bench *bench, uint32_t request, uint64_t status)
{
    const uint32_t words[5] = {request, PV_VHOST_USER_FLAG_VERSION | PV_VHOST_USER_FLAG_REPLY, 8,
                               (uint32_t)status, (uint32_t)(status >> 32)};

    say_bytes(bench, words, sizeof(words));
}

/* One map as far as its reply. */
static void take_map(struct bench *bench)
{
    size_t size_bytes;
    uint8_t first;
    int fd;

    first = read_first(bench, &fd);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(read_rest(bench, first, &size_bytes), PV_VHOST_USER_BACKEND_SHMEM_MAP);
    assert_int_equal(size_bytes, MAP_BYTES);
}

static void test_a_map_and_its_outcomes(void **state)
{
    struct bench *bench = *state;
    struct stat of_window;
    struct stat of_sent;
    size_t size_bytes;
    uint8_t first;
    int fd;

    pv_vhost_user_back_channel_request_map(bench->channel);
    assert_true(pv_vhost_user_back_channel_is_map_wanted(bench->channel));
    first = read_first(bench, &fd);
    assert_int_equal(first, PV_VHOST_USER_BACKEND_SHMEM_MAP);
    assert_int_equal(fstat(bench->window_fd, &of_window), 0);
    assert_int_equal(fstat(fd, &of_sent), 0);
    assert_int_equal(of_window.st_ino, of_sent.st_ino);
    close(fd);
    assert_int_equal(read_rest(bench, first, &size_bytes), PV_VHOST_USER_BACKEND_SHMEM_MAP);
    assert_false(pv_vhost_user_back_channel_is_map_wanted(bench->channel));
    assert_int_equal(bench->outcome_count, 0);
    reply(bench, PV_VHOST_USER_BACKEND_SHMEM_MAP, 0);
    assert_int_equal(bench->outcome_count, 1);
    assert_int_equal(bench->outcomes[0], PV_VHOST_USER_MAP_ACCEPTED);
    for (unsigned int i = 1; i < 3; i++) { /* either half of the status says no */
        pv_vhost_user_back_channel_request_map(bench->channel);
        take_map(bench);
        reply(bench, PV_VHOST_USER_BACKEND_SHMEM_MAP, i == 1 ? 1 : UINT64_C(1) << 32);
        assert_int_equal(bench->outcome_count, i + 1);
        assert_int_equal(bench->outcomes[i], PV_VHOST_USER_MAP_REFUSED);
    }
}

/* The second part waits for the first byte to be read, however long. */
static void test_nothing_whole_before_the_first_byte_is_read(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[128];
    size_t fd_count;
    int fd;

    pv_vhost_user_back_channel_request_map(bench->channel);
    usleep(3000);
    loop_settle(bench->loop);
    assert_int_equal(bench->asked_unsure, 0);
    assert_int_equal(pv_os_socket_receive(bench->peer, bytes, sizeof(bytes), &fd, 1, &fd_count), 1);
    close(fd);
}

static void test_the_gate(void **state)
{
    struct bench *bench = *state;
    size_t size_bytes;
    uint8_t first;
    int fd;

    /* shut: not a byte, until somebody says that it opened */
    bench->gate_open = false;
    pv_vhost_user_back_channel_request_map(bench->channel);
    loop_settle(bench->loop);
    assert_false(pv_os_fd_is_readable(bench->peer));
    bench->gate_open = true;
    pv_vhost_user_back_channel_poke(bench->channel);
    first = read_first(bench, &fd);
    close(fd);

    /* unsure: the front channel is looked at first */
    bench->gate_unsure = true;
    usleep(2000);
    loop_settle(bench->loop);
    assert_true(bench->asked_unsure > 0);
    assert_false(pv_os_fd_is_readable(bench->peer));

    /* shut between the parts: a request that the front end does not know, and made again later */
    bench->gate_unsure = false;
    bench->gate_open = false;
    assert_int_equal(read_rest(bench, first, &size_bytes),
                     PV_VHOST_USER_BACKEND_SHMEM_MAP | PV_VHOST_USER_BACKEND_WITHDRAWN);
    assert_int_equal(size_bytes, sizeof(struct pv_vhost_user_header));
    assert_true(pv_vhost_user_back_channel_is_map_wanted(bench->channel));
    bench->gate_open = true;
    pv_vhost_user_back_channel_poke(bench->channel);
    take_map(bench);
    reply(bench, PV_VHOST_USER_BACKEND_SHMEM_MAP, 0);
    assert_int_equal(bench->outcome_count, 1);
}

/* Withdrawn before and between the parts, and too late. */
static void test_withdrawn(void **state)
{
    struct bench *bench = *state;
    size_t size_bytes;
    uint8_t first;
    int fd;

    bench->gate_open = false;
    pv_vhost_user_back_channel_request_map(bench->channel);
    pv_vhost_user_back_channel_withdraw_map(bench->channel);
    bench->gate_open = true;
    pv_vhost_user_back_channel_poke(bench->channel);
    loop_settle(bench->loop);
    assert_false(pv_os_fd_is_readable(bench->peer));

    pv_vhost_user_back_channel_request_map(bench->channel);
    first = read_first(bench, &fd);
    close(fd);
    pv_vhost_user_back_channel_withdraw_map(bench->channel);
    assert_int_equal(read_rest(bench, first, &size_bytes),
                     PV_VHOST_USER_BACKEND_SHMEM_MAP | PV_VHOST_USER_BACKEND_WITHDRAWN);
    loop_settle(bench->loop);
    assert_int_equal(bench->outcome_count, 0);

    pv_vhost_user_back_channel_request_map(bench->channel);
    take_map(bench);
    pv_vhost_user_back_channel_withdraw_map(bench->channel);
    pv_vhost_user_back_channel_request_map(bench->channel); /* of the next start */
    reply(bench, PV_VHOST_USER_BACKEND_SHMEM_MAP, 0);
    assert_int_equal(bench->outcome_count, 1);
    assert_true(pv_vhost_user_back_channel_is_map_wanted(bench->channel));
    take_map(bench);
    reply(bench, PV_VHOST_USER_BACKEND_SHMEM_MAP, 1);
    assert_int_equal(bench->outcome_count, 2);
    assert_int_equal(bench->outcomes[1], PV_VHOST_USER_MAP_REFUSED);
}

static void test_config_changes_collapse_behind_a_map(void **state)
{
    struct bench *bench = *state;
    size_t size_bytes;
    uint8_t first;
    int fd;

    pv_vhost_user_back_channel_request_map(bench->channel);
    for (int i = 0; i < 10; i++) {
        pv_vhost_user_back_channel_request_config_change(bench->channel);
    }
    take_map(bench);
    assert_false(pv_os_fd_is_readable(bench->peer));
    reply(bench, PV_VHOST_USER_BACKEND_SHMEM_MAP, 0);
    first = read_first(bench, &fd);
    assert_int_equal(fd, -1); /* no descriptor goes with it */
    assert_int_equal(read_rest(bench, first, &size_bytes), PV_VHOST_USER_BACKEND_CONFIG_CHANGE);
    assert_int_equal(size_bytes, sizeof(struct pv_vhost_user_header));
    reply(bench, PV_VHOST_USER_BACKEND_CONFIG_CHANGE, 0);
    loop_settle(bench->loop);
    assert_false(pv_os_fd_is_readable(bench->peer));
    assert_int_equal(bench->outcome_count, 1);
}

static void assert_dead(struct bench *bench, unsigned int outcome_count)
{
    assert_false(pv_vhost_user_back_channel_is_usable(bench->channel));
    assert_int_equal(bench->outcome_count, outcome_count);
    if (outcome_count > 0) {
        assert_int_equal(bench->outcomes[outcome_count - 1], PV_VHOST_USER_MAP_LOST);
    }
    pv_vhost_user_back_channel_poke(bench->channel);
    pv_vhost_user_back_channel_request_config_change(bench->channel);
    loop_settle(bench->loop);
    assert_int_equal(bench->outcome_count, outcome_count);
}

static void test_replies_that_fit_nothing(void **state)
{
    static const uint32_t bad[][5] = {
        {PV_VHOST_USER_BACKEND_CONFIG_CHANGE, 5, 8, 0, 0},
        {PV_VHOST_USER_BACKEND_SHMEM_MAP, 1, 8, 0, 0}, /* no reply flag */
        {PV_VHOST_USER_BACKEND_SHMEM_MAP, 5, 0, 0, 0},
        {PV_VHOST_USER_BACKEND_SHMEM_MAP, 5, UINT32_MAX, 0, 0},
        {PV_VHOST_USER_BACKEND_SHMEM_MAP | PV_VHOST_USER_BACKEND_WITHDRAWN, 5, 8, 0, 0},
    };

    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        struct bench *bench = *state;

        pv_vhost_user_back_channel_request_map(bench->channel);
        take_map(bench);
        say_bytes(bench, bad[i], sizeof(bad[i]));
        assert_dead(bench, 1);
        teardown(state);
        setup(state);
    }
    /* and one that nobody asked for */
    reply(*state, PV_VHOST_USER_BACKEND_SHMEM_MAP, 0);
    assert_dead(*state, 0);
}

/* Each byte of a reply on its own; and a second one behind it, which is too much. */
static void test_a_reply_in_pieces(void **state)
{
    struct bench *bench = *state;
    const uint32_t words[5] = {PV_VHOST_USER_BACKEND_SHMEM_MAP, 5, 8, 0, 0};

    pv_vhost_user_back_channel_request_map(bench->channel);
    take_map(bench);
    for (size_t i = 0; i < sizeof(words); i++) {
        assert_int_equal(bench->outcome_count, 0);
        say_bytes(bench, (const uint8_t *)words + i, 1);
    }
    assert_int_equal(bench->outcome_count, 1);
    assert_int_equal(bench->outcomes[0], PV_VHOST_USER_MAP_ACCEPTED);
    say_bytes(bench, words, sizeof(words));
    assert_false(pv_vhost_user_back_channel_is_usable(bench->channel));
    assert_int_equal(bench->outcome_count, 1);
}

/* At rest; with the first byte unread; between the parts; before the reply; inside the reply. */
static void test_a_front_end_that_goes(void **state)
{
    for (int when = 0; when < 5; when++) {
        struct bench *bench = *state;
        uint8_t first;
        int fd;

        if (when > 0) {
            pv_vhost_user_back_channel_request_map(bench->channel);
        }
        if (when == 2) {
            bench->gate_unsure = true;
            first = read_first(bench, &fd);
            assert_int_equal(first, PV_VHOST_USER_BACKEND_SHMEM_MAP);
            close(fd);
        } else if (when > 2) {
            take_map(bench);
        }
        if (when == 4) {
            say_bytes(bench, "\x09\0\0\0\5", 5);
        }
        close(bench->peer);
        bench->peer = -1;
        loop_settle(bench->loop);
        assert_dead(bench, when > 0 ? 1 : 0);
        teardown(state);
        setup(state);
    }
}

/* It takes no bytes: its buffer is full. That ends the channel, nothing waits. */
static void test_a_front_end_that_does_not_read(void **state)
{
    struct bench *bench = *state;

    pv_vhost_user_back_channel_request_config_change(bench->channel);
    for (int i = 0; i < 50; i++) { /* never read, never answered */
        usleep(200);
        loop_settle(bench->loop);
    }
    assert_true(pv_vhost_user_back_channel_is_usable(bench->channel));
    pv_vhost_user_back_channel_request_map(bench->channel);
    pv_vhost_user_back_channel_withdraw_map(bench->channel);
    assert_int_equal(bench->outcome_count, 0);
}

/* Descriptors are no part of a reply: none of them is kept. */
static void test_descriptors_in_a_reply(void **state)
{
    struct bench *bench = *state;
    const uint32_t words[5] = {PV_VHOST_USER_BACKEND_SHMEM_MAP, 5, 8, 0, 0};
    const int fds[2] = {bench->window_fd, bench->window_fd};
    unsigned int fds_open;

    pv_vhost_user_back_channel_request_map(bench->channel);
    take_map(bench);
    fds_open = open_fds();
    assert_int_equal(pv_os_socket_send(bench->peer, words, sizeof(words), fds, 2), sizeof(words));
    loop_settle(bench->loop);
    assert_dead(bench, 1);
    assert_true(open_fds() < fds_open); /* the channel's own is gone */
}

static void test_a_descriptor_that_is_no_socket(void **state)
{
    struct bench *bench = *state;
    struct pv_vhost_user_back_channel *channel = NULL;
    const unsigned int fds_open = open_fds();
    const int fd = dup(bench->window_fd);

    /* it cannot be watched; taken all the same */
    assert_true(pv_vhost_user_back_channel_create(bench->loop, NULL, &ops, bench, fd,
                                                  bench->window_fd, WINDOW_BYTES, &channel)
                < 0);
    assert_null(channel);
    assert_int_equal(open_fds(), fds_open);
    assert_false(pv_vhost_user_back_channel_is_usable(NULL));
    pv_vhost_user_back_channel_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_map_and_its_outcomes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_whole_before_the_first_byte_is_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_gate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_withdrawn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_config_changes_collapse_behind_a_map, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replies_that_fit_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reply_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_front_end_that_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_front_end_that_does_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_descriptors_in_a_reply, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_descriptor_that_is_no_socket, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
