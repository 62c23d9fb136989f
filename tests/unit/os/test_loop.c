/* SPDX-License-Identifier: MIT */
/*
 * os/loop.c: sources, their removal from inside callbacks, timers, and stop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/clock.h"
#include "os/loop.h"

struct watch {
    struct pv_os_loop *loop;
    struct pv_os_source *source;
    struct pv_os_source *other; /* removed by the first callback */
    int fd;
    uint32_t events;
    unsigned int calls;
};

static void on_event(void *user, uint32_t events)
{
    struct watch *watch = user;
    char byte;

    watch->events = events;
    watch->calls++;
    if ((events & PV_OS_LOOP_READ) != 0) {
        assert_true(read(watch->fd, &byte, 1) >= 0);
    }
    pv_os_source_remove(watch->other);
    watch->other = NULL;
    pv_os_loop_stop(watch->loop);
}

static void test_readable_and_hung_up(void **state)
{
    struct watch watch = {0};
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    watch.fd = fds[0];
    assert_int_equal(pv_os_loop_create(&watch.loop), 0);
    assert_int_equal(
        pv_os_loop_add(watch.loop, fds[0], PV_OS_LOOP_READ, on_event, &watch, &watch.source), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(pv_os_loop_run(watch.loop), 0);
    assert_int_equal(watch.events, PV_OS_LOOP_READ);
    close(fds[1]);
    assert_int_equal(pv_os_loop_run(watch.loop), 0);
    assert_true((watch.events & PV_OS_LOOP_HUP) != 0);
    pv_os_source_remove(watch.source);
    pv_os_source_remove(NULL);
    pv_os_loop_destroy(watch.loop);
    pv_os_loop_destroy(NULL);
    close(fds[0]);
}

static void test_a_source_removed_in_the_same_batch_is_not_called(void **state)
{
    struct watch watches[2] = {{0}, {0}};
    struct pv_os_loop *loop;
    int fds[2][2];

    (void)state;
    assert_int_equal(pv_os_loop_create(&loop), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe(fds[i]), 0);
        watches[i].loop = loop;
        watches[i].fd = fds[i][0];
        assert_int_equal(pv_os_loop_add(loop, fds[i][0], PV_OS_LOOP_READ, on_event, &watches[i],
                                        &watches[i].source),
                         0);
        assert_int_equal(write(fds[i][1], "x", 1), 1);
    }
    /* Whichever comes first removes the other. */
    watches[0].other = watches[1].source;
    watches[1].other = watches[0].source;
    assert_int_equal(pv_os_loop_run(loop), 0);
    assert_int_equal(watches[0].calls + watches[1].calls, 1);
    pv_os_loop_destroy(loop);
    for (int i = 0; i < 2; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

static void on_timer(void *user)
{
    struct watch *watch = user;

    watch->calls++;
    pv_os_loop_stop(watch->loop);
}

static void test_timers_fire_once_and_not_early(void **state)
{
    struct watch watch = {0};
    struct pv_os_timer *timer;
    struct pv_os_timer *never;
    uint64_t start_ns;

    (void)state;
    assert_int_equal(pv_os_loop_create(&watch.loop), 0);
    assert_int_equal(pv_os_timer_create(watch.loop, on_timer, &watch, &timer), 0);
    assert_int_equal(pv_os_timer_create(watch.loop, on_timer, &watch, &never), 0);
    pv_os_timer_set(never, 1000000);
    pv_os_timer_clear(never);
    start_ns = pv_os_clock_now_ns();
    pv_os_timer_set(timer, 5000000);
    assert_int_equal(pv_os_loop_run(watch.loop), 0);
    assert_true(pv_os_clock_now_ns() - start_ns >= 5000000);
    pv_os_timer_set(timer, 0);
    assert_int_equal(pv_os_loop_run(watch.loop), 0);
    assert_int_equal(watch.calls, 2);
    pv_os_timer_destroy(timer);
    pv_os_timer_destroy(never);
    pv_os_timer_destroy(NULL);
    pv_os_loop_destroy(watch.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readable_and_hung_up),
        cmocka_unit_test(test_a_source_removed_in_the_same_batch_is_not_called),
        cmocka_unit_test(test_timers_fire_once_and_not_early),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
