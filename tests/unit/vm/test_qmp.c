/* SPDX-License-Identifier: MIT */
/*
 * vm/qmp.c: the greeting is answered, events arrive whole however they were cut, and what is no
 * event, too long or too deep does nothing. The test plays QEMU.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "support/loop_bench.h"
#include "vm/qmp.h"

#define LINE_MAX_BYTES ((size_t)64 << 10)

struct bench {
    struct pv_os_loop *loop;
    struct pv_vm_qmp *qmp;
    int qemu_fd;
    int our_fd;
    int event_count;
    char last_name[64];
    char last_data[128]; /* as JSON; "" without */
};

static void on_event(void *user, const char *name, const json_t *data)
{
    struct bench *bench = user;
    char *text = json_dumps(data, JSON_COMPACT);

    bench->event_count++;
    snprintf(bench->last_name, sizeof(bench->last_name), "%s", name);
    snprintf(bench->last_data, sizeof(bench->last_data), "%s", text != NULL ? text : "");
    free(text);
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    int fds[2];

    assert_non_null(bench);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    bench->qemu_fd = fds[0];
    bench->our_fd = fds[1];
    assert_int_equal(pv_os_loop_create(&bench->loop), 0);
    assert_int_equal(pv_vm_qmp_create(bench->loop, bench->our_fd, on_event, bench, &bench->qmp), 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;

    pv_vm_qmp_destroy(bench->qmp);
    pv_vm_qmp_destroy(NULL);
    pv_os_loop_destroy(bench->loop);
    close(bench->our_fd);
    if (bench->qemu_fd >= 0) {
        close(bench->qemu_fd);
    }
    free(bench);
    return 0;
}

static void say_bytes(struct bench *bench, const char *bytes, size_t count)
{
    while (count > 0) {
        const ssize_t sent = send(bench->qemu_fd, bytes, count, MSG_DONTWAIT);

        if (sent > 0) {
            bytes += sent;
            count -= (size_t)sent;
        }
        loop_settle(bench->loop);
    }
    loop_settle(bench->loop);
}

static void say(struct bench *bench, const char *text)
{
    say_bytes(bench, text, strlen(text));
}

static void expect_said(struct bench *bench, const char *text)
{
    char bytes[256] = "";
    const ssize_t count = recv(bench->qemu_fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT);

    if (text == NULL) {
        assert_true(count < 0);
    } else {
        assert_string_equal(bytes, text);
    }
}

static void test_greeting(void **state)
{
    struct bench *bench = *state;

    say(bench, "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 11}}, \"capabilities\": []}}\r\n");
    expect_said(bench, "{\"execute\":\"qmp_capabilities\"}\n");
    say(bench, "{\"return\": {}}\r\n");
    expect_said(bench, NULL);
    pv_vm_qmp_send(bench->qmp, "quit");
    expect_said(bench, "{\"execute\":\"quit\"}\n");
    assert_int_equal(bench->event_count, 0);
}

static void test_events(void **state)
{
    struct bench *bench = *state;

    say(bench, "{\"event\": \"RESET\", \"data\": {\"guest\": true}}\r\n");
    assert_int_equal(bench->event_count, 1);
    assert_string_equal(bench->last_name, "RESET");
    assert_string_equal(bench->last_data, "{\"guest\":true}");
    say(bench, "{\"event\": \"POWERDOWN\"}\n{\"event\": \"SHUTDOWN\"}\n");
    assert_int_equal(bench->event_count, 3);
    assert_string_equal(bench->last_name, "SHUTDOWN");
    assert_string_equal(bench->last_data, "");
}

static void test_an_event_in_pieces(void **state)
{
    static const char text[] = "{\"event\": \"STOP\"}\n";
    struct bench *bench = *state;

    for (size_t i = 0; i < strlen(text); i++) {
        assert_int_equal(bench->event_count, 0);
        say_bytes(bench, &text[i], 1);
    }
    assert_int_equal(bench->event_count, 1);
}

static void test_what_is_no_event(void **state)
{
    static const char *const lines[] = {
        "\n",
        "\r\n",
        "hello\n",
        "{\n",
        "[]\n",
        "7\n",
        "\"event\"\n",
        "null\n",
        "{\"event\": null}\n",
        "{\"event\": 7}\n",
        "{\"event\": [\"RESET\"]}\n",
        "{\"event\": \"RESET\"\n",
        "{\"event\": \"RESET\"} {\"event\": \"RESET\"}\n",
        "{\"event\": \"a\\u0000b\"}\n",
        "{\"event\": \"\xff\xfe\"}\n",
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n",
        "{\"return\": {\"event\": \"RESET\"}}\n",
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        say(bench, lines[i]);
        assert_int_equal(bench->event_count, 0);
    }
    say_bytes(bench, "{\"event\": \"RE\0SET\"}\n", 20);
    assert_int_equal(bench->event_count, 0);
    say(bench, "{\"event\": \"RESET\"}\n");
    assert_int_equal(bench->event_count, 1);
}

/* A line at the limit counts, one byte more does not, and its tail is not taken for a line. */
static void test_the_longest_line(void **state)
{
    static const char start[] = "{\"event\": \"LONG\", \"x\": \"";
    static const char tail[] = "\"}\n";
    struct bench *bench = *state;
    char *text = malloc(LINE_MAX_BYTES + 2);

    assert_non_null(text);
    for (size_t more = 0; more <= 1; more++) {
        const size_t length = LINE_MAX_BYTES + more;

        memset(text, 'x', length);
        memcpy(text, start, strlen(start));
        memcpy(text + length - strlen(tail), tail, strlen(tail));
        say_bytes(bench, text, length);
        assert_int_equal(bench->event_count, 1);
    }
    memset(text, 'x', LINE_MAX_BYTES);
    say_bytes(bench, text, LINE_MAX_BYTES);
    say(bench, "{\"event\": \"TAIL\"}\n");
    assert_int_equal(bench->event_count, 1);
    say(bench, "{\"event\": \"NEXT\"}\n");
    assert_int_equal(bench->event_count, 2);
    free(text);
}

static void test_nesting_without_end(void **state)
{
    struct bench *bench = *state;
    char *text = malloc(LINE_MAX_BYTES);

    assert_non_null(text);
    memset(text, '[', LINE_MAX_BYTES);
    text[LINE_MAX_BYTES - 1] = '\n';
    say_bytes(bench, text, LINE_MAX_BYTES);
    memset(text, '\n', LINE_MAX_BYTES);
    say_bytes(bench, text, LINE_MAX_BYTES);
    say(bench, "{\"event\": \"NEXT\"}\n");
    assert_int_equal(bench->event_count, 1);
    free(text);
}

/* QEMU asks for a greeting's answer for ever and reads nothing: we neither wait nor grow. */
static void test_greetings_without_end(void **state)
{
    struct bench *bench = *state;

    for (int i = 0; i < 3000; i++) {
        assert_int_equal(send(bench->qemu_fd, "{\"QMP\": 1}\n", 11, 0), 11);
        if (i % 100 == 0) {
            loop_settle(bench->loop);
        }
    }
    loop_settle(bench->loop);
    say(bench, "{\"event\": \"NEXT\"}\n");
    assert_int_equal(bench->event_count, 1);
}

static void test_qemu_hangs_up(void **state)
{
    struct bench *bench = *state;

    say(bench, "{\"event\": \"HAL");
    close(bench->qemu_fd);
    bench->qemu_fd = -1;
    loop_settle(bench->loop);
    assert_int_equal(bench->event_count, 0);
    pv_vm_qmp_send(bench->qmp, "quit"); /* nobody there, nothing happens */
    loop_settle(bench->loop);
}

static void test_a_command_that_is_too_long(void **state)
{
    struct bench *bench = *state;
    char command[200];

    memset(command, 'x', sizeof(command));
    command[sizeof(command) - 1] = '\0';
    pv_vm_qmp_send(bench->qmp, command);
    expect_said(bench, NULL);
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(test_greeting),
        BENCH_TEST(test_events),
        BENCH_TEST(test_an_event_in_pieces),
        BENCH_TEST(test_what_is_no_event),
        BENCH_TEST(test_the_longest_line),
        BENCH_TEST(test_nesting_without_end),
        BENCH_TEST(test_greetings_without_end),
        BENCH_TEST(test_qemu_hangs_up),
        BENCH_TEST(test_a_command_that_is_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
