/* SPDX-License-Identifier: MIT */
/*
 * os/listener.c: who connects is handed over, who comes while there are no descriptors waits, and
 * nothing spins meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/fd.h"
#include "os/listener.h"
#include "os/socket.h"
#include "support/loop_bench.h"

struct bench {
    struct pv_os_loop *loop;
    struct pv_base_log log;
    char path[64];
    int listen_fd;
    struct pv_os_listener *listener;
    int fds[4]; /* accepted */
    unsigned int count;
    unsigned int lines;
    bool ends; /* the next connection ends the listener */
};

static void on_connection(void *user, int fd)
{
    struct bench *bench = user;

    assert_true(bench->count < PV_ARRAY_LEN(bench->fds));
    bench->fds[bench->count++] = fd;
    if (bench->ends) {
        pv_os_listener_destroy(bench->listener);
        bench->listener = NULL;
    }
}

static void on_line(void *user, enum pv_base_log_level level, const char *line)
{
    struct bench *bench = user;

    assert_int_equal(level, PV_BASE_LOG_WARN);
    assert_non_null(strstr(line, "test.listener"));
    bench->lines++;
}

static int setup(void **state)
{
    static struct bench bench;

    memset(&bench, 0, sizeof(bench));
    pv_base_log_init(&bench.log, "test");
    bench.log.write = on_line;
    bench.log.user = &bench;
    (void)snprintf(bench.path, sizeof(bench.path), "/tmp/pv-listener-%d", (int)getpid());
    assert_int_equal(pv_os_loop_create(&bench.loop), 0);
    assert_int_equal(pv_os_socket_listen(bench.path, &bench.listen_fd), 0);
    assert_int_equal(pv_os_listener_create(bench.loop, bench.listen_fd, &bench.log, "test.listener",
                                           on_connection, &bench, &bench.listener),
                     0);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    pv_os_listener_destroy(bench->listener);
    pv_os_fds_close(bench->fds, bench->count);
    pv_os_fd_close(bench->listen_fd);
    pv_os_loop_destroy(bench->loop);
    (void)unlink(bench->path);
    return 0;
}

static int join(const struct bench *bench)
{
    int fd = -1;

    assert_int_equal(pv_os_socket_connect(bench->path, &fd), 0);
    return fd;
}

static void test_connections(void **state)
{
    struct bench *bench = *state;
    const int first = join(bench);
    int second;

    loop_settle(bench->loop);
    assert_int_equal(bench->count, 1);
    pv_os_listener_set_accepting(bench->listener, false);
    second = join(bench);
    loop_settle(bench->loop);
    assert_int_equal(bench->count, 1);
    bench->ends = true;
    pv_os_listener_set_accepting(bench->listener, true);
    loop_settle(bench->loop);
    assert_int_equal(bench->count, 2);
    assert_null(bench->listener);
    pv_os_fd_close(first);
    pv_os_fd_close(second);
}

static bool has_two(void *user)
{
    return ((struct bench *)user)->count == 2;
}

/* One line for each time that it begins, not for each look. */
static void test_no_descriptors_left(void **state)
{
    struct bench *bench = *state;
    const int first = join(bench);
    const int second = join(bench);

    assert_true(loop_busy_without_fds_ns(bench->loop, 4 * PV_OS_LISTENER_PAUSE_NS)
                < PV_OS_LISTENER_PAUSE_NS);
    assert_int_equal(bench->count, 0);
    assert_int_equal(bench->lines, 1);
    /* Its user's wish does not end the pause. */
    pv_os_listener_set_accepting(bench->listener, false);
    pv_os_listener_set_accepting(bench->listener, true);
    assert_true(loop_busy_without_fds_ns(bench->loop, PV_OS_LISTENER_PAUSE_NS)
                < PV_OS_LISTENER_PAUSE_NS / 2);
    loop_until(bench->loop, has_two, bench);
    assert_int_equal(bench->lines, 1);
    pv_os_fd_close(first);
    pv_os_fd_close(second);
}

static void test_what_cannot_listen(void **state)
{
    struct bench *bench = *state;
    struct pv_os_listener *listener = NULL;
    const unsigned int fds_open = open_fds();

    assert_true(pv_os_listener_create(bench->loop, -1, NULL, "", on_connection, bench, &listener)
                < 0);
    assert_null(listener);
    assert_int_equal(open_fds(), fds_open);
    pv_os_listener_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_descriptors_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_listen, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
