/* SPDX-License-Identifier: MIT */
/* os/signals.c: signals from a file or as calls of the loop; children do not inherit the block. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/process.h"
#include "os/signals.h"

#define PATIENCE_MS 20000

struct bench {
    struct pv_os_loop *loop;
    struct pv_os_signals *signals;
    int last;
    int count;
};

static void on_signal(void *user, int number)
{
    struct bench *bench = user;

    bench->last = number;
    bench->count++;
    pv_os_loop_stop(bench->loop);
}

static void begin(struct bench *bench)
{
    static const int numbers[] = {SIGUSR1, SIGUSR2};

    assert_int_equal(pv_os_loop_create(&bench->loop), 0);
    assert_int_equal(pv_os_signals_watch(bench->loop, numbers, PV_ARRAY_LEN(numbers), on_signal,
                                         bench, &bench->signals),
                     0);
}

static void test_signals_come_from_a_file(void **state)
{
    static const int numbers[] = {SIGUSR1};
    int fd;

    (void)state;
    assert_int_equal(pv_os_signals_open(numbers, 1, &fd), 0);
    assert_int_equal(pv_os_signals_next(fd), -EAGAIN);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(pv_os_signals_next(fd), SIGUSR1);
    assert_int_equal(pv_os_signals_next(fd), -EAGAIN);
    close(fd);
}

static void test_a_signal_comes_as_a_call(void **state)
{
    struct bench bench = {0};

    (void)state;
    begin(&bench);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(bench.count, 0); /* not from inside raise */
    assert_int_equal(pv_os_loop_run(bench.loop), 0);
    assert_int_equal(bench.last, SIGUSR1);
    assert_int_equal(raise(SIGUSR2), 0);
    assert_int_equal(pv_os_loop_run(bench.loop), 0);
    assert_int_equal(bench.last, SIGUSR2);
    assert_int_equal(bench.count, 2);
    pv_os_signals_destroy(bench.signals);
    pv_os_loop_destroy(bench.loop);
}

static void test_several_at_once_come_one_by_one(void **state)
{
    struct bench bench = {0};

    (void)state;
    begin(&bench);
    assert_int_equal(raise(SIGUSR2), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(raise(SIGUSR1), 0); /* the same, still waiting: the kernel keeps one */
    assert_int_equal(pv_os_loop_run(bench.loop), 0);
    assert_int_equal(bench.count, 2);
    pv_os_signals_destroy(bench.signals);
    pv_os_loop_destroy(bench.loop);
}

static void test_a_child_does_not_inherit_the_block(void **state)
{
    static const char *const arguments[] = {"sh", "-c", "kill -USR1 $$; exit 0", NULL};
    const struct pv_os_process_options options = {.arguments = arguments};
    struct pv_os_process process;
    struct pv_os_process_end end;
    struct bench bench = {0};

    (void)state;
    begin(&bench);
    assert_int_equal(pv_os_process_spawn(&options, &process), 0);
    assert_int_equal(pv_os_process_reap(&process, PATIENCE_MS, &end), 0);
    assert_true(end.by_signal);
    assert_int_equal(end.value, SIGUSR1);
    assert_int_equal(bench.count, 0);
    pv_os_signals_destroy(bench.signals);
    pv_os_signals_destroy(NULL);
    pv_os_loop_destroy(bench.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_come_from_a_file),
        cmocka_unit_test(test_a_signal_comes_as_a_call),
        cmocka_unit_test(test_several_at_once_come_one_by_one),
        cmocka_unit_test(test_a_child_does_not_inherit_the_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
