/* SPDX-License-Identifier: MIT */
/*
 * hosts/vhost-user/life.c: start, pause and reset as they follow from vrings and from the outcome
 * of the map. A back channel that is slow, silent, replaced or gone never lets the device see
 * requests of a new life with the old one's state.
 */
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
    front_connect(&bench);
    front_set_up(&bench);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    front_close(*state);
    return 0;
}

static void assert_life(const struct front_bench *bench, unsigned int starts, unsigned int pauses,
                        unsigned int resumes, unsigned int resets)
{
    assert_int_equal(bench->device.counts.starts, starts);
    assert_int_equal(bench->device.counts.pauses, pauses);
    assert_int_equal(bench->device.counts.resumes, resumes);
    assert_int_equal(bench->device.counts.resets, resets);
    assert_int_equal(bench->closed_count, 0);
}

/* The next start, as the front end makes it after a stop. */
static void start_again(struct front_bench *bench, uint32_t base)
{
    const uint64_t index = 1;

    front_set_base(bench, base);
    front_say(bench, PV_VHOST_USER_SET_VRING_KICK, &index, 8, &bench->kick_fds[1], 1);
    front_enable(bench);
}

static void test_start_pause_resume_reset(void **state)
{
    struct front_bench *bench = *state;

    front_give_back_channel(bench);
    front_say_state(bench, PV_VHOST_USER_SET_VRING_ENABLE, 0, 1);
    loop_settle(bench->loop);
    assert_false(bench->host->is_started); /* not all of them */
    front_enable(bench);
    front_publish(bench, FAKE_ECHO);
    front_kick(bench);
    assert_life(bench, 0, 0, 0, 0); /* nothing before the outcome */
    front_answer_map(bench, 0);
    assert_life(bench, 1, 0, 0, 0);
    assert_int_equal(bench->device.counts.window_is_mapped, 1);
    assert_int_equal(fake_guest_used_idx(&bench->guest), 1);

    front_publish(bench, FAKE_HOLD);
    front_kick(bench);
    assert_int_equal(front_stop(bench), 2);
    assert_life(bench, 1, 1, 0, 0);
    start_again(bench, 2);
    front_answer_map(bench, 1); /* still mapped: the same life */
    assert_life(bench, 1, 1, 1, 0);
    front_publish(bench, FAKE_RELEASE);
    front_kick(bench);
    assert_int_equal(fake_guest_used_idx(&bench->guest), 3);

    front_publish(bench, FAKE_HOLD);
    front_kick(bench);
    (void)front_stop(bench);
    front_clear_queue(bench);
    start_again(bench, 0);
    front_answer_map(bench, 0); /* empty again: a reset was in between */
    assert_life(bench, 2, 2, 1, 1);
    assert_null(bench->device.held);
}

/* Never an answer, and never a read: the device does not start; front channel and stop go on. */
static void test_a_back_channel_that_never_answers(void **state)
{
    struct front_bench *bench = *state;

    front_give_back_channel(bench);
    for (int i = 0; i < 5; i++) {
        front_enable(bench);
        front_publish(bench, FAKE_ECHO);
        front_kick(bench);
        if (i == 2) {
            front_take_map(bench);
        }
        usleep(2000);
        loop_settle(bench->loop);
        assert_life(bench, 0, 0, 0, 0);
        (void)front_stop(bench);
        assert_life(bench, 0, 0, 0, 0);
        start_again(bench, 0);
        (void)front_stop(bench);
    }
    assert_int_equal(bench->device.counts.elements, 0);
    start_again(bench, 0);
    front_give_back_channel(bench); /* a new one answers */
    front_answer_map(bench, 0);
    assert_life(bench, 1, 0, 0, 0);
    assert_int_equal(bench->device.counts.window_is_mapped, 1);
}

/* The outcome of an earlier start does not begin this one. */
static void test_an_outcome_that_comes_late(void **state)
{
    static const uint32_t accepted[5] = {PV_VHOST_USER_BACKEND_SHMEM_MAP, 5, 8, 0, 0};
    struct front_bench *bench = *state;

    front_give_back_channel(bench);
    front_enable(bench);
    front_take_map(bench);
    (void)front_stop(bench);
    start_again(bench, 0);
    assert_int_equal(write(bench->back_peer, accepted, sizeof(accepted)), sizeof(accepted));
    loop_settle(bench->loop);
    assert_life(bench, 0, 0, 0, 0);
    front_answer_map(bench, 1);
    assert_life(bench, 1, 0, 0, 0);
    assert_int_equal(bench->device.counts.window_is_mapped, 1);
}

/* Replaced while the map is on its way: the old one's outcome will never be known. */
static void test_a_back_channel_that_is_replaced(void **state)
{
    struct front_bench *bench = *state;

    front_give_back_channel(bench);
    front_enable(bench);
    front_take_map(bench);
    front_give_back_channel(bench);
    assert_life(bench, 0, 0, 0, 0);
    front_answer_map(bench, 0);
    assert_life(bench, 1, 0, 0, 0);
    front_give_back_channel(bench); /* while running: nothing is asked */
    usleep(1000);
    loop_settle(bench->loop);
    assert_false(pv_os_fd_is_readable(bench->back_peer));
    assert_life(bench, 1, 0, 0, 0);
}

/* Gone before, during and after the map: positions decide, and the guest runs without a window. */
static void test_a_back_channel_that_goes(void **state)
{
    for (int when = 0; when < 3; when++) {
        struct front_bench *bench = *state;

        front_give_back_channel(bench);
        if (when > 0) {
            front_enable(bench);
        }
        if (when == 2) {
            front_take_map(bench);
        }
        pv_os_fds_close(&bench->back_peer, 1);
        bench->back_peer = -1;
        loop_settle(bench->loop);
        front_enable(bench);
        assert_life(bench, 1, 0, 0, 0);
        assert_int_equal(bench->device.counts.window_is_mapped, 0);
        front_publish(bench, FAKE_ECHO);
        front_kick(bench);
        assert_int_equal(fake_guest_used_idx(&bench->guest), 1);
        start_again(bench, front_stop(bench));
        assert_life(bench, 1, 1, 1, 0); /* the position that we gave: the same life */
        (void)front_stop(bench);
        start_again(bench, 0);
        assert_life(bench, 2, 2, 1, 1); /* another: a new one */
        teardown(state);
        setup(state);
    }
}

static void test_reset_device(void **state)
{
    struct front_bench *bench = *state;

    front_say(bench, PV_VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0);
    assert_life(bench, 0, 0, 0, 0);
    front_give_back_channel(bench);
    front_enable(bench);
    front_answer_map(bench, 0);
    front_publish(bench, FAKE_HOLD);
    front_kick(bench);
    front_say(bench, PV_VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0);
    front_say(bench, PV_VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0);
    assert_life(bench, 1, 1, 0, 1);
    assert_null(bench->device.held);
    front_publish(bench, FAKE_ECHO);
    front_kick(bench);
    assert_int_equal(bench->device.counts.elements, 1);
}

/* It waits for a channel, then for the start; many become one. */
static void test_configuration_changes(void **state)
{
    struct front_bench *bench = *state;
    uint8_t bytes[64];

    for (int i = 0; i < 3; i++) {
        bench->device.transport->ops->config_changed(bench->device.transport->transport);
    }
    assert_true(bench->host->is_config_change_waiting);
    front_give_back_channel(bench);
    assert_false(bench->host->is_config_change_waiting);
    loop_settle(bench->loop);
    assert_false(pv_os_fd_is_readable(bench->back_peer));
    front_enable(bench);
    /* it is offered first: at the start the gate opens for the map, and that goes first */
    front_answer_map(bench, 0);
    assert_life(bench, 1, 0, 0, 0);
    assert_int_equal(read(bench->back_peer, bytes, sizeof(bytes)), 1);
    assert_int_equal(bytes[0], PV_VHOST_USER_BACKEND_CONFIG_CHANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start_pause_resume_reset, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_back_channel_that_never_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_outcome_that_comes_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_back_channel_that_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_back_channel_that_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_device, setup, teardown),
        cmocka_unit_test_setup_teardown(test_configuration_changes, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
