/* SPDX-License-Identifier: MIT */
/*
 * vm/machine.c: whatever happens to QEMU or the device, on_stopped comes once with the reason, and
 * no process is left. fake-qemu plays both.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/clock.h"
#include "support/loop_bench.h"
#include "support/vm_bench.h"

#define NS_PER_S UINT64_C(1000000000)

struct bench {
    struct pv_test_vm vm;
    struct pv_os_loop *loop;
    struct pv_base_log log;
    int log_lines;
    struct pv_vm_machine_options options;
    struct pv_vm_machine *machine;
    int ready_count;
    int stopped_count;
    enum pv_vm_machine_end end;
    int qemu_pid; /* that were seen */
    int device_pid;
};

static void count_line(void *user, enum pv_base_log_level level, const char *line)
{
    (void)level;
    (void)line;
    ((struct bench *)user)->log_lines++;
}

static void on_ready(void *user)
{
    struct bench *bench = user;

    bench->ready_count++;
    bench->qemu_pid = pv_vm_machine_qemu_pid(bench->machine);
    bench->device_pid = pv_vm_machine_device_pid(bench->machine);
}

static void on_stopped(void *user, enum pv_vm_machine_end end)
{
    struct bench *bench = user;

    bench->stopped_count++;
    bench->end = end;
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    pv_test_vm_init(&bench->vm);
    assert_int_equal(pv_os_loop_create(&bench->loop), 0);
    pv_base_log_init(&bench->log, "test");
    bench->log.write = count_line;
    bench->log.user = bench;
    bench->options = pv_test_vm_options(&bench->vm);
    bench->options.loop = bench->loop;
    bench->options.log = &bench->log;
    bench->options.on_ready = on_ready;
    bench->options.on_stopped = on_stopped;
    bench->options.user = bench;
    *state = bench;
    return 0;
}

static bool is_gone(int pid)
{
    return pid == 0 || (kill(pid, 0) != 0 && errno == ESRCH);
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    pv_vm_machine_destroy(bench->machine);
    pv_vm_machine_destroy(NULL);
    assert_true(is_gone(bench->qemu_pid));
    assert_true(is_gone(bench->device_pid));
    pv_os_loop_destroy(bench->loop);
    pv_test_vm_finish(&bench->vm);
    free(bench);
    return 0;
}

static bool has_stopped(void *user)
{
    return ((struct bench *)user)->stopped_count > 0;
}

static bool is_ready(void *user)
{
    return ((struct bench *)user)->ready_count > 0;
}

static void start(struct bench *bench, const char *how)
{
    pv_test_vm_behave(how);
    assert_int_equal(pv_vm_machine_create(&bench->options, &bench->machine), 0);
}

static void start_to_ready(struct bench *bench, const char *how)
{
    start(bench, how);
    loop_until(bench->loop, is_ready, bench);
    assert_int_equal(bench->ready_count, 1);
    assert_false(is_gone(bench->qemu_pid));
}

static void expect_stopped(struct bench *bench, enum pv_vm_machine_end end)
{
    loop_until(bench->loop, has_stopped, bench);
    loop_settle(bench->loop);
    assert_int_equal(bench->stopped_count, 1);
    assert_int_equal(bench->end, end);
    assert_int_equal(pv_vm_machine_qemu_pid(bench->machine), 0);
    assert_int_equal(pv_vm_machine_device_pid(bench->machine), 0);
}

static void test_boots_and_stops(void **state)
{
    struct bench *bench = *state;

    start_to_ready(bench, NULL);
    assert_true(pv_vm_relay_is_ready(pv_vm_machine_get_relay(bench->machine)));
    pv_vm_machine_stop(bench->machine);
    assert_int_equal(bench->stopped_count, 0); /* not from inside the call */
    expect_stopped(bench, PV_VM_MACHINE_STOPPED);
    assert_int_equal(bench->log_lines, 0);
}

static void test_with_a_device(void **state)
{
    struct bench *bench = *state;

    bench->options.device_arguments = bench->vm.device;
    start(bench, NULL);
    bench->device_pid = pv_vm_machine_device_pid(bench->machine);
    assert_true(bench->device_pid > 0);
    assert_int_equal(pv_vm_machine_qemu_pid(bench->machine), 0); /* the device comes first */
    assert_null(pv_vm_machine_get_relay(bench->machine));
    loop_until(bench->loop, is_ready, bench);
    pv_vm_machine_stop(bench->machine);
    expect_stopped(bench, PV_VM_MACHINE_STOPPED);
}

static void test_qemu_that_dies_at_once(void **state)
{
    struct bench *bench = *state;

    bench->options.device_arguments = bench->vm.device;
    start(bench, "dies");
    bench->device_pid = pv_vm_machine_device_pid(bench->machine);
    expect_stopped(bench, PV_VM_MACHINE_QEMU_DIED);
    assert_int_equal(bench->ready_count, 0);
    assert_int_equal(bench->log_lines, 1);
}

/* What QEMU said is kept for its user. */
static void test_qemu_log(void **state)
{
    struct bench *bench = *state;
    char path[PV_VM_RUNTIME_PATH_MAX];
    char text[64] = "";
    FILE *file;

    start(bench, "dies");
    expect_stopped(bench, PV_VM_MACHINE_QEMU_DIED);
    assert_int_equal(pv_vm_runtime_file(&bench->vm.runtime, PV_VM_MACHINE_QEMU_LOG, path), 0);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    assert_string_equal(text, "fake-qemu: no such machine\n");
    assert_int_equal(fclose(file), 0);
}

static void test_a_guest_that_powers_off_before_it_answers(void **state)
{
    start(*state, "ends");
    expect_stopped(*state, PV_VM_MACHINE_NOT_BOOTED);
}

static void test_a_guest_that_resets_before_it_answers(void **state)
{
    start(*state, "resets");
    expect_stopped(*state, PV_VM_MACHINE_NOT_BOOTED);
}

/* Neither the guest nor QEMU answers, not even to "quit": killed after both times have run out. */
static void test_qemu_that_never_answers(void **state)
{
    struct bench *bench = *state;
    const uint64_t start_ns = pv_os_clock_now_ns();

    bench->options.boot_timeout_ms = 100;
    start(bench, "hangs");
    expect_stopped(bench, PV_VM_MACHINE_NOT_BOOTED);
    assert_true(pv_os_clock_now_ns() - start_ns < 15 * NS_PER_S); /* 3.1 on a quiet machine */
}

static void test_qemu_that_hangs_up_and_stays(void **state)
{
    struct bench *bench = *state;

    bench->options.boot_timeout_ms = 300;
    start(bench, "hangs up");
    loop_settle(bench->loop);
    bench->qemu_pid = pv_vm_machine_qemu_pid(bench->machine);
    /* No need to sit the polite steps out. */
    pv_vm_machine_stop(bench->machine);
    pv_vm_machine_stop(bench->machine);
    expect_stopped(bench, PV_VM_MACHINE_STOPPED);
}

static void test_a_second_stop_is_not_polite(void **state)
{
    struct bench *bench = *state;
    const uint64_t start_ns = pv_os_clock_now_ns();

    bench->vm.device[3] = "stubborn";
    bench->options.device_arguments = bench->vm.device;
    start_to_ready(bench, "stubborn");
    pv_vm_machine_stop(bench->machine);
    loop_settle(bench->loop);
    assert_int_equal(bench->stopped_count, 0);
    pv_vm_machine_stop(bench->machine); /* ends QEMU; the device then has its time */
    expect_stopped(bench, PV_VM_MACHINE_STOPPED);
    assert_true(pv_os_clock_now_ns() - start_ns < 15 * NS_PER_S);
}

static void test_qemu_that_says_rubbish(void **state)
{
    struct bench *bench = *state;

    start_to_ready(bench, "rubbish");
    pv_vm_machine_stop(bench->machine);
    expect_stopped(bench, PV_VM_MACHINE_STOPPED);
}

static void test_qemu_is_killed(void **state)
{
    struct bench *bench = *state;

    bench->options.device_arguments = bench->vm.device;
    start_to_ready(bench, NULL);
    assert_int_equal(kill(bench->qemu_pid, SIGKILL), 0);
    expect_stopped(bench, PV_VM_MACHINE_QEMU_DIED);
    assert_true(is_gone(bench->device_pid));
}

/* Asked to power off, it crashes instead: that is told, and not when it was we who killed it. */
static void test_qemu_dies_while_it_powers_off(void **state)
{
    struct bench *bench = *state;

    start_to_ready(bench, "stubborn");
    pv_vm_machine_stop(bench->machine);
    assert_int_equal(kill(bench->qemu_pid, SIGKILL), 0);
    expect_stopped(bench, PV_VM_MACHINE_QEMU_DIED);
    assert_int_equal(bench->log_lines, 1);
}

static void test_the_device_dies_at_once(void **state)
{
    struct bench *bench = *state;

    bench->vm.device[3] = "dies";
    bench->options.device_arguments = bench->vm.device;
    start(bench, NULL);
    expect_stopped(bench, PV_VM_MACHINE_DEVICE_DIED);
    assert_int_equal(bench->log_lines, 1);
}

static bool has_no_device(void *user)
{
    return pv_vm_machine_device_pid(((struct bench *)user)->machine) == 0;
}

/* QEMU ends by itself, which the device notices before we do. */
static void test_the_device_ends_just_before_qemu(void **state)
{
    struct bench *bench = *state;

    bench->options.device_arguments = bench->vm.device;
    start_to_ready(bench, NULL);
    assert_int_equal(kill(bench->device_pid, SIGUSR1), 0);
    loop_until(bench->loop, has_no_device, bench);
    assert_int_equal(bench->stopped_count, 0);
    assert_int_equal(kill(bench->qemu_pid, SIGUSR1), 0);
    expect_stopped(bench, PV_VM_MACHINE_STOPPED);
    assert_int_equal(bench->log_lines, 0);
}

static void test_the_device_leaves_qemu(void **state)
{
    struct bench *bench = *state;

    bench->options.device_arguments = bench->vm.device;
    start_to_ready(bench, NULL);
    assert_int_equal(kill(bench->device_pid, SIGUSR1), 0);
    expect_stopped(bench, PV_VM_MACHINE_DEVICE_DIED);
    assert_true(is_gone(bench->qemu_pid));
    assert_int_equal(bench->log_lines, 1);
}

static void test_the_device_is_killed(void **state)
{
    struct bench *bench = *state;

    bench->options.device_arguments = bench->vm.device;
    start_to_ready(bench, NULL);
    assert_int_equal(kill(bench->device_pid, SIGKILL), 0);
    expect_stopped(bench, PV_VM_MACHINE_DEVICE_DIED);
    assert_true(is_gone(bench->qemu_pid));
}

static void test_no_qemu(void **state)
{
    struct bench *bench = *state;

    bench->options.qemu_path = "/nonexistent/qemu";
    assert_int_equal(pv_vm_machine_create(&bench->options, &bench->machine), -ENOENT);
    assert_null(bench->machine);
    /* With a device it is found out later, when that listens. */
    bench->options.device_arguments = bench->vm.device;
    start(bench, NULL);
    bench->device_pid = pv_vm_machine_device_pid(bench->machine);
    expect_stopped(bench, PV_VM_MACHINE_HOST_TROUBLE);
}

static void test_no_device_program(void **state)
{
    struct bench *bench = *state;

    bench->vm.device[0] = "/nonexistent/device";
    bench->options.device_arguments = bench->vm.device;
    assert_int_equal(pv_vm_machine_create(&bench->options, &bench->machine), -ENOENT);
    assert_null(bench->machine);
}

static void test_no_guest_programs(void **state)
{
    struct bench *bench = *state;

    bench->options.programs_path = "/nonexistent/programs";
    assert_int_equal(pv_vm_machine_create(&bench->options, &bench->machine), -ENOENT);
    assert_null(bench->machine);
}

static void test_a_folder_whose_path_is_too_long(void **state)
{
    struct bench *bench = *state;
    struct pv_vm_runtime runtime = {.lock_fd = -1};

    memset(runtime.path, 'x', sizeof(runtime.path) - 2);
    runtime.path[0] = '/';
    bench->options.runtime = &runtime;
    assert_int_equal(pv_vm_machine_create(&bench->options, &bench->machine), -ENAMETOOLONG);
    assert_null(bench->machine);
}

static void test_an_agent_socket_that_is_taken(void **state)
{
    struct bench *bench = *state;
    char path[PV_VM_RUNTIME_PATH_MAX];
    struct stat status;

    assert_int_equal(pv_vm_runtime_file(&bench->vm.runtime, PV_VM_MACHINE_AGENT_SOCKET, path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(pv_vm_machine_create(&bench->options, &bench->machine) < 0);
    assert_null(bench->machine);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(rmdir(path), 0);
}

static void test_destroyed_while_it_runs(void **state)
{
    struct bench *bench = *state;

    bench->options.device_arguments = bench->vm.device;
    start_to_ready(bench, "stubborn");
    pv_vm_machine_destroy(bench->machine);
    bench->machine = NULL;
    assert_int_equal(bench->stopped_count, 0);
    assert_true(is_gone(bench->qemu_pid));
    assert_true(is_gone(bench->device_pid));
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(test_boots_and_stops),
        BENCH_TEST(test_with_a_device),
        BENCH_TEST(test_qemu_that_dies_at_once),
        BENCH_TEST(test_qemu_log),
        BENCH_TEST(test_a_guest_that_powers_off_before_it_answers),
        BENCH_TEST(test_a_guest_that_resets_before_it_answers),
        BENCH_TEST(test_qemu_that_never_answers),
        BENCH_TEST(test_qemu_that_hangs_up_and_stays),
        BENCH_TEST(test_a_second_stop_is_not_polite),
        BENCH_TEST(test_qemu_that_says_rubbish),
        BENCH_TEST(test_qemu_is_killed),
        BENCH_TEST(test_qemu_dies_while_it_powers_off),
        BENCH_TEST(test_the_device_dies_at_once),
        BENCH_TEST(test_the_device_ends_just_before_qemu),
        BENCH_TEST(test_the_device_leaves_qemu),
        BENCH_TEST(test_the_device_is_killed),
        BENCH_TEST(test_no_qemu),
        BENCH_TEST(test_no_device_program),
        BENCH_TEST(test_no_guest_programs),
        BENCH_TEST(test_a_folder_whose_path_is_too_long),
        BENCH_TEST(test_an_agent_socket_that_is_taken),
        BENCH_TEST(test_destroyed_while_it_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
