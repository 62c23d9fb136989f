/* SPDX-License-Identifier: MIT */
/*
 * Loops under test; see loop_bench.h.
 */
#include "support/loop_bench.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define SETTLE_TURNS 20u
#define LOOK_NS      UINT64_C(500000)
#define LOOKS        60000u

struct watch {
    struct pv_os_loop *loop;
    struct pv_os_timer *timer;
    bool (*holds)(void *user);
    void *user;
    unsigned int left;
    bool held;
};

unsigned int open_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned int count = 0;

    assert_non_null(directory);
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

void stream_pair(int *ret_a, int *ret_b)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    *ret_a = pair[0];
    *ret_b = pair[1];
}

static void on_look(void *user)
{
    struct watch *watch = user;

    watch->held = watch->holds != NULL && watch->holds(watch->user);
    if (watch->held || --watch->left == 0) {
        pv_os_loop_stop(watch->loop);
        return;
    }
    pv_os_timer_set(watch->timer, watch->holds != NULL ? LOOK_NS : 0);
}

static bool run(struct watch *watch)
{
    assert_int_equal(pv_os_timer_create(watch->loop, on_look, watch, &watch->timer), 0);
    pv_os_timer_set(watch->timer, 0);
    assert_int_equal(pv_os_loop_run(watch->loop), 0);
    pv_os_timer_destroy(watch->timer);
    return watch->held;
}

void loop_settle(struct pv_os_loop *loop)
{
    struct watch watch = {.loop = loop, .left = SETTLE_TURNS};

    (void)run(&watch);
}

void loop_until(struct pv_os_loop *loop, bool (*holds)(void *user), void *user)
{
    struct watch watch = {.loop = loop, .holds = holds, .user = user, .left = LOOKS};

    assert_true(run(&watch));
}

static void on_over(void *user)
{
    pv_os_loop_stop(user);
}

static uint64_t own_cpu_ns(void)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t loop_busy_without_fds_ns(struct pv_os_loop *loop, uint64_t wall_ns)
{
    struct pv_os_timer *timer;
    struct rlimit before;
    struct rlimit none;
    uint64_t cpu_ns;
    int next_fd;

    assert_int_equal(pv_os_timer_create(loop, on_over, loop, &timer), 0);
    pv_os_timer_set(timer, wall_ns);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    next_fd = dup(STDERR_FILENO);
    none.rlim_cur = (rlim_t)next_fd;
    (void)close(next_fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    cpu_ns = own_cpu_ns();
    assert_int_equal(pv_os_loop_run(loop), 0);
    cpu_ns = own_cpu_ns() - cpu_ns;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    pv_os_timer_destroy(timer);
    return cpu_ns;
}
