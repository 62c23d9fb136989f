/* SPDX-License-Identifier: MIT */
/*
 * os/process.c: children with their files and variables, and how they end. Children are the shell
 * and its tools, which every host has.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/clock.h"
#include "os/process.h"

/* Long enough for a child on a busy machine; no test waits this long when all is well. */
#define PATIENCE_MS 20000
#define NS_PER_MS   UINT64_C(1000000)

static void spawn(const char *script, struct pv_os_process *ret_process)
{
    const char *const arguments[] = {"sh", "-c", script, NULL};
    const struct pv_os_process_options options = {.arguments = arguments};

    assert_int_equal(pv_os_process_spawn(&options, ret_process), 0);
    assert_true(ret_process->pid > 0);
}

static void reap(struct pv_os_process *process, bool by_signal, int value)
{
    struct pv_os_process_end end;

    assert_int_equal(pv_os_process_reap(process, PATIENCE_MS, &end), 0);
    assert_int_equal(end.by_signal, by_signal);
    assert_int_equal(end.value, value);
    assert_int_equal(process->pid, 0);
    assert_int_equal(process->exit_fd, -1);
}

static void test_exit_status(void **state)
{
    struct pv_os_process process;

    (void)state;
    spawn("exit 0", &process);
    reap(&process, false, 0);
    spawn("exit 77", &process);
    reap(&process, false, 77);
}

static void test_end_is_readable(void **state)
{
    struct pv_os_process process;
    struct pollfd entry = {.events = POLLIN};

    (void)state;
    spawn("exit 3", &process);
    entry.fd = process.exit_fd;
    assert_int_equal(poll(&entry, 1, PATIENCE_MS), 1);
    reap(&process, false, 3);
}

static void test_signals_reach_the_whole_group(void **state)
{
    struct pv_os_process process;

    (void)state;
    /* The shell waits for its child: it ends only when both got the signal. */
    spawn("sleep 100; exit 1", &process);
    pv_os_process_signal(&process, SIGTERM);
    reap(&process, true, SIGTERM);
}

static void test_reap_does_not_wait_longer_than_told(void **state)
{
    struct pv_os_process process;
    struct pv_os_process_end end;

    (void)state;
    spawn("sleep 100", &process);
    assert_int_equal(pv_os_process_reap(&process, 0, &end), -ETIMEDOUT);
    assert_int_equal(pv_os_process_reap(&process, 10, &end), -ETIMEDOUT);
    pv_os_process_kill(&process);
    assert_int_equal(process.pid, 0);
}

static void test_no_child(void **state)
{
    struct pv_os_process process = {.exit_fd = -1};
    struct pv_os_process_end end;

    (void)state;
    pv_os_process_signal(&process, SIGKILL); /* not our own group */
    assert_int_equal(pv_os_process_reap(&process, 0, &end), -ESRCH);
    pv_os_process_kill(&process);
}

static void test_program_that_is_not_there(void **state)
{
    const char *const arguments[] = {"/nonexistent/program", NULL};
    const struct pv_os_process_options options = {.arguments = arguments};
    struct pv_os_process process = {.pid = 1234};

    (void)state;
    assert_int_equal(pv_os_process_spawn(&options, &process), -ENOENT);
    assert_int_equal(process.pid, 1234); /* outputs are left alone on errors */
}

static void test_only_kept_files_stay_open(void **state)
{
    const int kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char script[128];
    const char *const arguments[] = {"sh", "-c", script, NULL};
    const struct pv_os_process_options options = {
        .arguments = arguments, .kept_fds = &kept, .kept_count = 1};
    struct pv_os_process process;

    (void)state;
    assert_true(kept > 2 && other > 2);
    (void)snprintf(script, sizeof(script), "test -e /proc/self/fd/%d && ! test -e /proc/self/fd/%d",
                   kept, other);
    assert_int_equal(pv_os_process_spawn(&options, &process), 0);
    reap(&process, false, 0);
    close(kept);
    close(other);
}

static void test_variables_and_output_are_collected(void **state)
{
    static const char *const variables[] = {"PV_TEST_WORD=pear", NULL};
    static const char *const arguments[] = {"sh", "-c", "echo $PV_TEST_WORD; echo tree >&2", NULL};
    const struct pv_os_process_options options = {.arguments = arguments, .variables = variables};
    struct pv_os_process_end end;
    char text[64];

    (void)state;
    assert_int_equal(pv_os_process_run(&options, PATIENCE_MS, NULL, text, sizeof(text), &end), 0);
    assert_false(end.by_signal);
    assert_int_equal(end.value, 0);
    assert_string_equal(text, "pear\ntree\n");
}

static void test_output_that_does_not_fit_is_dropped(void **state)
{
    static const char *const arguments[] = {"sh", "-c", "seq 10000; exit 5", NULL};
    const struct pv_os_process_options options = {.arguments = arguments};
    struct pv_os_process_end end;
    char text[8];

    (void)state;
    assert_int_equal(pv_os_process_run(&options, PATIENCE_MS, NULL, text, sizeof(text), &end), 0);
    assert_int_equal(end.value, 5);
    assert_string_equal(text, "1\n2\n3\n4");
}

static void test_a_needle_ends_the_program(void **state)
{
    static const char *const needles[] = {"never", "ready", NULL};
    static const char *const arguments[] = {"sh", "-c", "echo ready; sleep 100", NULL};
    const struct pv_os_process_options options = {.arguments = arguments};
    struct pv_os_process_end end;
    char text[64];

    (void)state;
    assert_int_equal(pv_os_process_run(&options, PATIENCE_MS, needles, text, sizeof(text), &end),
                     0);
    assert_true(end.by_signal);
    assert_string_equal(text, "ready\n");
}

static void test_run_ends_at_its_limit(void **state)
{
    static const char *const arguments[] = {"sh", "-c", "echo begun; sleep 100", NULL};
    const struct pv_os_process_options options = {.arguments = arguments};
    const uint64_t start_ns = pv_os_clock_now_ns();
    struct pv_os_process_end end;
    char text[64];

    (void)state;
    assert_int_equal(pv_os_process_run(&options, 300, NULL, text, sizeof(text), &end), -ETIMEDOUT);
    assert_true(pv_os_clock_now_ns() - start_ns >= 300 * NS_PER_MS);
    assert_true(pv_os_clock_now_ns() - start_ns < PATIENCE_MS * NS_PER_MS);
}

static void test_texts_fit_or_are_refused(void **state)
{
    char path[4096];
    char tiny[2];
    char id[64];

    (void)state;
    assert_int_equal(pv_os_process_own_path(path, sizeof(path)), 0);
    assert_non_null(strstr(path, "test_os_process"));
    assert_int_equal(pv_os_process_own_path(tiny, sizeof(tiny)), -ENAMETOOLONG);
    assert_int_equal(pv_os_boot_id(id, sizeof(id)), 0);
    assert_true(strlen(id) > 8);
}

static void test_processor_time(void **state)
{
    const uint64_t begun_ns = pv_os_clock_now_ns();
    uint64_t first_ns;
    uint64_t now_ns;

    (void)state;
    assert_int_equal(pv_os_process_cpu_ns(getpid(), &first_ns), 0);
    do {
        assert_int_equal(pv_os_process_cpu_ns(getpid(), &now_ns), 0);
    } while (now_ns < first_ns + 50000000 && pv_os_clock_now_ns() < begun_ns + 20000000000);
    assert_true(now_ns >= first_ns + 50000000);
    assert_true(now_ns - first_ns <= pv_os_clock_now_ns() - begun_ns + 20000000);
    assert_int_equal(pv_os_process_cpu_ns(0x7ffffff0, &now_ns), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_status),
        cmocka_unit_test(test_end_is_readable),
        cmocka_unit_test(test_signals_reach_the_whole_group),
        cmocka_unit_test(test_reap_does_not_wait_longer_than_told),
        cmocka_unit_test(test_no_child),
        cmocka_unit_test(test_program_that_is_not_there),
        cmocka_unit_test(test_only_kept_files_stay_open),
        cmocka_unit_test(test_variables_and_output_are_collected),
        cmocka_unit_test(test_output_that_does_not_fit_is_dropped),
        cmocka_unit_test(test_a_needle_ends_the_program),
        cmocka_unit_test(test_run_ends_at_its_limit),
        cmocka_unit_test(test_texts_fit_or_are_refused),
        cmocka_unit_test(test_processor_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
