/* SPDX-License-Identifier: MIT */
/*
 * render/spawner.c: workers that cannot start, that end by themselves, that have to be killed, and
 * one whose end takes its time (held at its exit by ptrace).
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/clock.h"
#include "render/spawner.h"
#include "support/loop_bench.h"

struct bench {
    struct pv_render_spawner spawner;
    struct pv_render_worker worker;
    int start_error; /* the carrier's */
    int carried_fd;
    unsigned int stops;
    unsigned int fds_before;
};

static int carrier_start(void *user, int worker_fd, void **ret_handle)
{
    struct bench *bench = user;

    if (bench->start_error != 0) {
        return bench->start_error; /* worker_fd stays the spawner's */
    }
    bench->carried_fd = worker_fd;
    *ret_handle = bench;
    return 0;
}

static void carrier_stop(void *user, void *handle)
{
    struct bench *bench = user;
    char byte;

    assert_ptr_equal(user, handle);
    assert_int_equal(read(bench->carried_fd, &byte, 1), 0); /* our end is closed already */
    close(bench->carried_fd);
    bench->stops++;
}

static const struct pv_render_carrier_ops carrier = {carrier_start, carrier_stop};

static int setup(void **state)
{
    static struct bench bench;

    memset(&bench, 0, sizeof(bench));
    bench.fds_before = open_fds();
    bench.worker = PV_RENDER_WORKER_NONE;
    bench.spawner = (struct pv_render_spawner){.renderer = "/bin/cat", .carrier_user = &bench};
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    struct pv_os_process_end end;

    pv_render_spawner_kill(&bench->spawner, &bench->worker);
    (void)!pv_render_spawner_reap(&bench->worker, -1, &end);
    pv_render_spawner_kill(&bench->spawner, &bench->worker); /* none: nothing happens */
    assert_int_equal(open_fds(), bench->fds_before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, not even a dead one */
    assert_int_equal(errno, ECHILD);
    return 0;
}

static void assert_none(const struct pv_render_worker *worker)
{
    assert_int_equal(worker->fd, -1);
    assert_int_equal(worker->process.pid, 0);
    assert_int_equal(worker->process.exit_fd, -1);
    assert_null(worker->carried);
}

static void test_a_renderer_that_is_not_there(void **state)
{
    struct bench *bench = *state;
    const unsigned int fds_open = open_fds();

    bench->spawner.renderer = "/nowhere/pearvisor-render";
    assert_int_equal(pv_render_spawner_start(&bench->spawner, &bench->worker), -ENOENT);
    bench->spawner.renderer = "/etc/passwd";
    assert_int_equal(pv_render_spawner_start(&bench->spawner, &bench->worker), -EACCES);
    assert_none(&bench->worker);
    assert_int_equal(open_fds(), fds_open);
}

static void test_a_carrier(void **state)
{
    struct bench *bench = *state;
    const unsigned int fds_open = open_fds();
    struct pv_os_process_end end;

    bench->spawner.carrier = &carrier;
    bench->start_error = -EAGAIN;
    assert_int_equal(pv_render_spawner_start(&bench->spawner, &bench->worker), -EAGAIN);
    assert_none(&bench->worker);
    assert_int_equal(open_fds(), fds_open);
    bench->start_error = 0;
    assert_int_equal(pv_render_spawner_start(&bench->spawner, &bench->worker), 0);
    assert_true(pv_render_spawner_reap(&bench->worker, 0, &end) < 0); /* no process */
    pv_render_spawner_kill(&bench->spawner, &bench->worker);
    assert_int_equal(bench->stops, 1);
    assert_none(&bench->worker);
    assert_int_equal(open_fds(), fds_open);
}

static void test_a_worker_that_ends_by_itself(void **state)
{
    struct bench *bench = *state;
    struct pv_os_process_end end;
    char byte;

    bench->spawner.renderer = "/bin/false";
    assert_int_equal(pv_render_spawner_start(&bench->spawner, &bench->worker), 0);
    while (read(bench->worker.fd, &byte, 1) < 0) { /* its end of the socket is the only one */
        assert_int_equal(errno, EAGAIN);
        pv_os_clock_sleep_ns(1000000);
    }
    assert_int_equal(pv_render_spawner_reap(&bench->worker, -1, &end), 0);
    assert_false(end.by_signal);
    assert_int_equal(end.value, 1);
    assert_true(pv_render_spawner_reap(&bench->worker, 0, &end) < 0); /* once */
}

static void test_a_worker_that_crashes(void **state)
{
    struct bench *bench = *state;
    struct pv_os_process_end end;

    bench->spawner.renderer = getenv("PV_TEST_CRASHER");
    if (bench->spawner.renderer == NULL) {
        skip();
    }
    assert_int_equal(pv_render_spawner_start(&bench->spawner, &bench->worker), 0);
    assert_int_equal(pv_render_spawner_reap(&bench->worker, -1, &end), 0);
    assert_true(end.by_signal);
    assert_int_equal(end.value, SIGSEGV);
}

/* One that hangs is killed, and its end is seen. */
static void test_a_worker_that_hangs(void **state)
{
    struct bench *bench = *state;
    struct pv_os_process_end end;
    pid_t pid;

    bench->spawner.renderer = "/bin/sleep"; /* as many seconds as the descriptor's number */
    assert_int_equal(pv_render_spawner_start(&bench->spawner, &bench->worker), 0);
    pid = bench->worker.process.pid;
    assert_int_equal(kill(pid, SIGSTOP), 0); /* and it does not even run */
    assert_int_equal(pv_render_spawner_reap(&bench->worker, 0, &end), -ETIMEDOUT);
    pv_render_spawner_kill(&bench->spawner, &bench->worker);
    assert_int_equal(pv_render_spawner_reap(&bench->worker, -1, &end), 0);
    assert_true(end.by_signal);
    assert_int_equal(end.value, SIGKILL);
    assert_none(&bench->worker);
    assert_int_equal(kill(pid, 0), -1);
}

/* A kill that takes its time is not waited for. */
static void test_a_worker_that_dies_slowly(void **state)
{
    struct bench *bench = *state;
    struct pv_os_process_end end;
    pid_t pid;

    bench->spawner.renderer = "/bin/sleep";
    assert_int_equal(pv_render_spawner_start(&bench->spawner, &bench->worker), 0);
    pid = bench->worker.process.pid;
    if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEEXIT) < 0) {
        skip(); /* not allowed here */
    }
    pv_render_spawner_kill(&bench->spawner, &bench->worker);
    assert_int_equal(bench->worker.fd, -1);
    assert_int_equal(pv_render_spawner_reap(&bench->worker, 1, &end), -ETIMEDOUT);
    assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
    assert_int_equal(pv_render_spawner_reap(&bench->worker, -1, &end), 0);
    assert_none(&bench->worker);
}

/* Many at once, and the end of them all. */
static void test_many(void **state)
{
    struct bench *bench = *state;
    struct pv_render_worker workers[8];
    struct pv_os_process_end end;
    const unsigned int fds_open = open_fds();

    bench->spawner.renderer = "/bin/sleep";
    for (size_t i = 0; i < PV_ARRAY_LEN(workers); i++) {
        workers[i] = PV_RENDER_WORKER_NONE;
        assert_int_equal(pv_render_spawner_start(&bench->spawner, &workers[i]), 0);
    }
    for (size_t i = 0; i < PV_ARRAY_LEN(workers); i++) {
        pv_render_spawner_kill(&bench->spawner, &workers[i]);
    }
    for (size_t i = 0; i < PV_ARRAY_LEN(workers); i++) {
        assert_int_equal(pv_render_spawner_reap(&workers[i], -1, &end), 0);
        assert_none(&workers[i]);
    }
    assert_int_equal(open_fds(), fds_open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_renderer_that_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_carrier, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_worker_that_ends_by_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_worker_that_crashes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_worker_that_hangs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_worker_that_dies_slowly, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
