/* SPDX-License-Identifier: MIT */
/*
 * os/output.c: a child gets nothing of ours that it could read, and its text comes through, up to
 * the budget, without anybody waiting.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/output.h"
#include "os/process.h"
#include "support/loop_bench.h"

static struct pv_os_loop *loop;

static int setup(void **state)
{
    (void)state;
    return pv_os_loop_create(&loop);
}

static int teardown(void **state)
{
    (void)state;
    pv_os_loop_destroy(loop);
    return 0;
}

static bool has_text(void *user)
{
    char byte;

    return recv(*(const int *)user, &byte, 1, MSG_PEEK) == 1;
}

/* Our standard error is a socket: the child gets a pipe that it can write to, and /dev/null. */
static void test_a_socket(void **state)
{
    static const char script[] =
        "echo lost; test ! -S /dev/fd/2 && test -p /dev/fd/2 && test -c /dev/fd/1 && echo fine >&2";
    const char *arguments[] = {"/bin/sh", "-c", script, NULL};
    struct pv_os_process_options options = {.arguments = arguments};
    struct pv_os_process process;
    struct pv_os_process_end end;
    struct pv_os_output *output;
    const unsigned int fds_open = open_fds();
    char text[64] = "";
    int ours;
    int peer;

    (void)state;
    stream_pair(&ours, &peer);
    assert_int_equal(pv_os_output_create(loop, ours, &output), 0);
    options.output_fd = pv_os_output_null_fd(output);
    options.error_fd = pv_os_output_error_fd(output);
    assert_true(options.error_fd > 0);
    assert_int_equal(fcntl(options.error_fd, F_GETFL) & O_ACCMODE, O_WRONLY);
    assert_int_equal(fcntl(options.output_fd, F_GETFL) & O_ACCMODE, O_WRONLY);
    assert_int_equal(pv_os_process_spawn(&options, &process), 0);
    loop_until(loop, has_text, &peer);
    assert_int_equal(pv_os_process_reap(&process, -1, &end), 0);
    assert_int_equal(read(peer, text, sizeof(text) - 1), 5);
    assert_string_equal(text, "fine\n");
    pv_os_output_destroy(output);
    close(ours);
    close(peer);
    assert_int_equal(open_fds(), fds_open);
}

/* Nobody reads our standard error, and a child writes without end: it never waits, nor do we. */
static void test_a_flood(void **state)
{
    static char text[4096];
    struct pv_os_output *output;
    size_t passed_bytes = 0;
    ssize_t got;
    int ours;
    int peer;

    (void)state;
    stream_pair(&ours, &peer);
    assert_int_equal(pv_os_output_create(loop, ours, &output), 0);
    assert_int_equal(fcntl(pv_os_output_error_fd(output), F_SETFL, O_NONBLOCK), 0);
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < 2 * PV_OS_OUTPUT_MAX_BYTES / sizeof(text); i++) {
        while (write(pv_os_output_error_fd(output), text, sizeof(text)) != sizeof(text)) {
            loop_settle(loop);
        }
        while (i % 8 == 0 && (got = read(peer, text, sizeof(text))) > 0) {
            passed_bytes += (size_t)got;
        }
    }
    loop_settle(loop);
    while ((got = read(peer, text, sizeof(text))) > 0) {
        passed_bytes += (size_t)got;
    }
    assert_true(passed_bytes > 0 && passed_bytes <= PV_OS_OUTPUT_MAX_BYTES);
    pv_os_output_destroy(output);
    close(ours);
    close(peer);
}

/* A pipe or a file for writing is passed on as it is; one that can be read is not. */
static void test_which_are_narrow(void **state)
{
    struct pv_os_output *output;
    int fds[2];
    int fd;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pv_os_output_create(loop, fds[1], &output), 0);
    assert_int_equal(pv_os_output_error_fd(output), 0);
    pv_os_output_destroy(output);
    fd = open("/dev/null", O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pv_os_output_create(loop, fd, &output), 0);
    assert_true(pv_os_output_error_fd(output) > 0);
    pv_os_output_destroy(output);
    pv_os_output_destroy(NULL);
    close(fd);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_flood, setup, teardown),
        cmocka_unit_test_setup_teardown(test_which_are_narrow, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
