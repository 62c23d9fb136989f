/* SPDX-License-Identifier: MIT */
/* hosts/bench/usage.c: what processes cost, looked up for this process and a child of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/usage.h"

static void own_process_has_memory_and_a_thread(void **state)
{
    struct pv_bench_usage usage;

    (void)state;
    assert_int_equal(pv_bench_usage_read(getpid(), &usage), 0);
    assert_int_equal(usage.pid, getpid());
    assert_true(usage.pss_kib > 0);
    assert_int_equal(usage.thread_count, 1);
    assert_string_equal(usage.name, "test_bench_usag");
}

static void sleeping_is_counted(void **state)
{
    struct pv_bench_usage before;
    struct pv_bench_usage after;

    (void)state;
    assert_int_equal(pv_bench_usage_read(getpid(), &before), 0);
    for (int i = 0; i < 5; i++) {
        (void)usleep(2000);
    }
    assert_int_equal(pv_bench_usage_read(getpid(), &after), 0);
    assert_true(after.wakeups >= before.wakeups + 5);
    assert_true(after.cpu_ns >= before.cpu_ns);
}

static void family_is_found_and_the_gone_are_not(void **state)
{
    struct pv_bench_usage usage;
    pid_t pids[8];
    const pid_t child = fork();

    (void)state;
    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    assert_int_equal(pv_bench_usage_family(getpid(), pids, 8), 2);
    assert_int_equal(pids[0], getpid());
    assert_int_equal(pids[1], child);
    assert_int_equal(pv_bench_usage_family(getpid(), pids, 1), 1);
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(pv_bench_usage_read(child, &usage), -ESRCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_process_has_memory_and_a_thread),
        cmocka_unit_test(sleeping_is_counted),
        cmocka_unit_test(family_is_found_and_the_gone_are_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
