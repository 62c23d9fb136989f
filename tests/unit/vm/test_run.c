/* SPDX-License-Identifier: MIT */
/*
 * vm/run.c: a VM around one command, and how each way to end shows in the result. fake-qemu plays
 * QEMU, the guest and its agent. pv_vm_run takes signals over, so the test sends them to itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "support/vm_bench.h"
#include "vm/run.h"

struct bench {
    struct pv_test_vm vm;
    struct pv_vm_run_options options;
    struct pv_vm_run_result result;
    const char *command[3];
    int output[2];
    int ready_count;
    int command_end_count;
    int signal_when_ready; /* 0: none */
    int signal_at_command_end;
};

static void on_ready(void *user)
{
    struct bench *bench = user;

    bench->ready_count++;
    if (bench->signal_when_ready != 0) {
        assert_int_equal(raise(bench->signal_when_ready), 0);
    }
}

static void on_command_end(void *user)
{
    struct bench *bench = user;

    bench->command_end_count++;
    if (bench->signal_at_command_end != 0) {
        assert_int_equal(raise(bench->signal_at_command_end), 0);
    }
}

static bool terminal_size(void *user, uint32_t *ret_columns, uint32_t *ret_rows)
{
    (void)user;
    *ret_columns = 123;
    *ret_rows = 45;
    return true;
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    pv_test_vm_init(&bench->vm);
    assert_int_equal(pipe2(bench->output, O_NONBLOCK), 0);
    bench->options = (struct pv_vm_run_options){.machine = pv_test_vm_options(&bench->vm),
                                                .command = bench->command,
                                                .input_fd = -1,
                                                .output_fd = bench->output[1],
                                                .error_fd = bench->output[1],
                                                .on_ready = on_ready,
                                                .on_command_end = on_command_end,
                                                .terminal_size = terminal_size,
                                                .user = bench};
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    close(bench->output[0]);
    close(bench->output[1]);
    pv_test_vm_finish(&bench->vm);
    free(bench);
    return 0;
}

static void run(struct bench *bench, const char *how, const char *word)
{
    pv_test_vm_behave(how);
    bench->command[0] = word;
    assert_int_equal(pv_vm_run(&bench->options, &bench->result), 0);
}

static void test_a_command(void **state)
{
    struct bench *bench = *state;
    char text[16] = "";

    run(bench, NULL, "hello");
    assert_int_equal(bench->result.end, PV_VM_MACHINE_STOPPED);
    assert_true(bench->result.was_ready);
    assert_true(bench->result.has_command_ended);
    assert_int_equal(bench->result.how, PV_VM_AGENT_EXIT_CODE);
    assert_int_equal(bench->result.value, 7);
    assert_int_equal(bench->result.signal_number, 0);
    assert_int_equal(read(bench->output[0], text, sizeof(text)), 6);
    assert_string_equal(text, "hello\n");
    assert_int_equal(bench->ready_count, 1);
    assert_int_equal(bench->command_end_count, 1);
}

static void test_with_a_device(void **state)
{
    struct bench *bench = *state;

    bench->options.machine.device_arguments = bench->vm.device;
    run(bench, NULL, "hello");
    assert_int_equal(bench->result.end, PV_VM_MACHINE_STOPPED);
    assert_int_equal(bench->result.value, 7);
}

static void test_a_command_that_the_guest_does_not_have(void **state)
{
    struct bench *bench = *state;

    run(bench, NULL, "no-such-program");
    assert_true(bench->result.has_command_ended);
    assert_int_equal(bench->result.how, PV_VM_AGENT_EXIT_NOT_RUN);
    assert_int_equal(bench->result.value, ENOENT);
}

static void test_a_command_that_is_too_long(void **state)
{
    struct bench *bench = *state;
    char *text = calloc(1, PV_VM_AGENT_PAYLOAD_MAX_BYTES + 1);

    assert_non_null(text);
    memset(text, 'x', PV_VM_AGENT_PAYLOAD_MAX_BYTES);
    pv_test_vm_behave(NULL);
    bench->command[0] = text;
    assert_int_equal(pv_vm_run(&bench->options, &bench->result), -E2BIG);
    free(text);
}

static void test_a_command_past_its_time(void **state)
{
    struct bench *bench = *state;

    bench->options.timeout_ms = 50;
    run(bench, NULL, "sleep");
    assert_true(bench->result.has_timed_out);
    assert_int_equal(bench->result.end, PV_VM_MACHINE_STOPPED);
}

static void test_a_terminal_has_a_size(void **state)
{
    struct bench *bench = *state;

    bench->options.wants_terminal = true;
    run(bench, NULL, "size");
    assert_true(bench->result.has_command_ended);
    assert_int_equal(bench->result.value, 123);
}

static void test_a_signal_stops_it(void **state)
{
    struct bench *bench = *state;

    bench->signal_when_ready = SIGTERM;
    run(bench, NULL, "sleep");
    assert_int_equal(bench->result.signal_number, SIGTERM);
    assert_int_equal(bench->result.end, PV_VM_MACHINE_STOPPED);
    assert_true(bench->result.was_ready);
}

static void test_a_signal_before_the_guest_answers(void **state)
{
    static const int numbers[] = {SIGHUP};
    struct bench *bench = *state;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, numbers[0]);
    assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    assert_int_equal(raise(numbers[0]), 0); /* it waits for pv_vm_run */
    run(bench, "hangs", "hello");
    assert_int_equal(bench->result.signal_number, SIGHUP);
    assert_false(bench->result.was_ready);
    assert_false(bench->result.has_command_ended);
}

static void test_kept_alive_until_a_signal(void **state)
{
    struct bench *bench = *state;

    bench->options.keep_alive = true;
    bench->signal_at_command_end = SIGINT;
    run(bench, NULL, "hello");
    assert_true(bench->result.has_command_ended);
    assert_int_equal(bench->result.value, 7);
    assert_int_equal(bench->result.signal_number, SIGINT);
}

static void test_no_command(void **state)
{
    struct bench *bench = *state;

    bench->options.command = NULL;
    bench->options.keep_alive = true;
    bench->signal_when_ready = SIGINT;
    pv_test_vm_behave(NULL);
    assert_int_equal(pv_vm_run(&bench->options, &bench->result), 0);
    assert_false(bench->result.has_command_ended);
    assert_int_equal(bench->result.signal_number, SIGINT);
    assert_int_equal(bench->command_end_count, 0);
}

/* The command goes with the guest that it ran in; the VM comes up again, but the run is over. */
static void test_the_guest_reboots(void **state)
{
    struct bench *bench = *state;

    run(bench, NULL, "reboot");
    assert_int_equal(bench->ready_count, 1);
    assert_true(bench->result.has_command_ended);
    assert_int_equal(bench->result.how, PV_VM_AGENT_EXIT_LOST);
}

static void test_the_guest_powers_off(void **state)
{
    struct bench *bench = *state;

    run(bench, NULL, "power-off");
    assert_int_equal(bench->result.end, PV_VM_MACHINE_STOPPED);
    assert_int_equal(bench->result.signal_number, 0);
}

static void test_qemu_crashes_while_the_command_runs(void **state)
{
    struct bench *bench = *state;

    run(bench, NULL, "crash");
    assert_int_equal(bench->result.end, PV_VM_MACHINE_QEMU_DIED);
    assert_true(bench->result.was_ready);
}

static void test_qemu_dies_at_once(void **state)
{
    struct bench *bench = *state;

    run(bench, "dies", "hello");
    assert_int_equal(bench->result.end, PV_VM_MACHINE_QEMU_DIED);
    assert_false(bench->result.was_ready);
    assert_false(bench->result.has_command_ended);
    assert_int_equal(bench->ready_count, 0);
}

static void test_a_vm_that_cannot_start(void **state)
{
    struct bench *bench = *state;

    bench->command[0] = "hello";
    bench->options.machine.qemu_path = "/nonexistent/qemu";
    bench->result.value = 99;
    assert_int_equal(pv_vm_run(&bench->options, &bench->result), -ENOENT);
    assert_int_equal(bench->result.value, 99); /* left alone */
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(test_a_command),
        BENCH_TEST(test_with_a_device),
        BENCH_TEST(test_a_command_that_the_guest_does_not_have),
        BENCH_TEST(test_a_command_that_is_too_long),
        BENCH_TEST(test_a_command_past_its_time),
        BENCH_TEST(test_a_terminal_has_a_size),
        BENCH_TEST(test_a_signal_stops_it),
        BENCH_TEST(test_a_signal_before_the_guest_answers),
        BENCH_TEST(test_kept_alive_until_a_signal),
        BENCH_TEST(test_no_command),
        BENCH_TEST(test_the_guest_reboots),
        BENCH_TEST(test_the_guest_powers_off),
        BENCH_TEST(test_qemu_crashes_while_the_command_runs),
        BENCH_TEST(test_qemu_dies_at_once),
        BENCH_TEST(test_a_vm_that_cannot_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
