/* SPDX-License-Identifier: MIT */
/*
 * render/context.c: workers that go, fall silent or never come. Whatever they do, each request is
 * answered once, fences retire, rings are told, and a user may destroy the context at any moment.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/account.h"
#include "os/clock.h"
#include "os/shm.h"
#include "render/protocol.h"
#include "support/backend_bench.h"

static void test_a_worker_that_closes(void **state)
{
    struct pv_gpu_memory memory = {.size_bytes = 8192, .is_shmem = true};
    uint32_t *words;

    (void)state;
    assert_int_equal(pv_os_shm_create("test", memory.size_bytes, &memory.fd), 0);
    assert_int_equal(pv_os_shm_map(memory.fd, 0, 8192, (void **)&words), 0);
    assert_int_equal(pv_render_context_ops.attach(bench.context, 11, &memory), 0);
    close(memory.fd);
    worker_say_ring(11, 128, true);
    worker_say_ring(11, 4096, true);
    worker_say_ring(11, 4096, false);
    for (uint64_t cookie = 1; cookie <= 5; cookie++) {
        ask_leave(cookie);
    }
    for (uint64_t id = 1; id <= 3; id++) {
        assert_int_equal(pv_render_context_ops.submit(bench.context, NULL, 0, true, 1, id), 0);
    }
    worker_say_done(1, 0, 0, -1);
    worker_close();
    backend_until_lost();
    assert_int_equal(bench.done_count, 5);
    assert_int_equal(bench.done[0].status, 0); /* what it said before it went counts */
    for (unsigned i = 1; i < 5; i++) {
        assert_int_equal(bench.done[i].cookie, i + 1);
        assert_int_equal(bench.done[i].status, -EIO);
    }
    assert_int_equal(bench.fence_count, 3);
    assert_int_equal(bench.last_fence, 3);
    assert_int_equal(words[32], 2);
    assert_int_equal(words[1024], 0);
    backend_assert_refuses_all();
    pv_os_shm_unmap(words, 8192);
}

/* The same, with packets that wait for it. */
static void test_a_worker_that_goes_unread(void **state)
{
    static uint8_t stream[PV_RENDER_INLINE_MAX_BYTES];

    (void)state;
    worker_say_ring(11, 128, true);
    ask_leave(1);
    for (uint64_t id = 1; id <= 1000; id++) {
        assert_int_equal(
            pv_render_context_ops.submit(bench.context, stream, sizeof(stream), true, 0, id), 0);
    }
    worker_say_done(1, 0, 0, -1);
    worker_close();
    backend_until_lost();
    assert_int_equal(bench.done[0].status, 0);
    assert_int_equal(bench.fence_count, 1000);
    backend_assert_refuses_all();
}

/* No answer within the deadline, however much else it says. */
static void test_a_worker_that_falls_silent(void **state)
{
    uint64_t before_ns;

    (void)backend_teardown(state);
    backend_start(100000000);
    before_ns = pv_os_clock_now_ns();
    ask_leave(1);
    ask_leave(2);
    worker_say_done(1, 0, 0, -1);
    worker_say_ring(3, 128, true);
    backend_until_lost();
    assert_true(pv_os_clock_now_ns() - before_ns >= 100000000);
    assert_int_equal(bench.done[0].status, 0);
    assert_int_equal(bench.done[1].status, -EIO);
    backend_assert_refuses_all();
}

/* From inside of any event, and with everything outstanding. */
static void test_destroy_inside_of_events(void **state)
{
    for (int i = 0; i < 3; i++) {
        ask_leave(1);
        ask_leave(2);
        assert_int_equal(pv_render_context_ops.submit(bench.context, NULL, 0, true, 1, 7), 0);
        bench.destroys = true;
        if (i == 0) {
            worker_say_done(1, 0, 0, -1);
            worker_say_done(2, 0, 0, -1);
        } else if (i == 1) {
            worker_close();
        } else {
            worker_say("ab", 2);
        }
        assert_int_equal(pv_os_loop_run(bench.loop), 0);
        assert_null(bench.context);
        assert_int_equal(bench.done_count + bench.fence_count + bench.lost_count, 1);
        assert_int_equal(pv_render_backend_context_count(bench.backend), 0);
        (void)backend_teardown(state);
        backend_start(0);
    }
}

/* ---- workers that are processes, and their ends ---- */

#define TICK_NS UINT64_C(10000000)

struct ticks {
    struct pv_os_timer *timer;
    unsigned int count;
};

static void on_tick(void *user)
{
    struct ticks *ticks = user;

    ticks->count++;
    pv_os_timer_set(ticks->timer, TICK_NS);
    pv_os_loop_stop(bench.loop);
}

/* Serve until the condition holds. Returns how often the loop could do something else meanwhile. */
static unsigned int serve_until(bool (*holds)(void))
{
    struct ticks ticks = {0};

    assert_int_equal(pv_os_timer_create(bench.loop, on_tick, &ticks, &ticks.timer), 0);
    pv_os_timer_set(ticks.timer, 0);
    while (!holds()) {
        assert_true(ticks.count < 3000);
        assert_int_equal(pv_os_loop_run(bench.loop), 0);
    }
    pv_os_timer_destroy(ticks.timer);
    return ticks.count;
}

static bool is_lost(void)
{
    return bench.lost_count > 0;
}

static bool backend_is_empty(void)
{
    return pv_render_backend_context_count(bench.backend) == 0;
}

static pid_t worker_pid(void)
{
    struct pv_gpu_context_usage usage;

    pv_render_context_ops.get_usage(bench.context, &usage);
    return (pid_t)usage.worker_pid;
}

static bool is_killed(void)
{
    return worker_pid() == 0;
}

static int program_setup(void **state)
{
    const char *closer = getenv("PV_TEST_CLOSER");

    (void)state;
    backend_start_program(closer != NULL ? closer : "/bin/false");
    return 0;
}

static int sleeper_setup(void **state)
{
    (void)state;
    backend_start_program("/bin/sleep"); /* as many seconds as the descriptor's number */
    return 0;
}

static int program_teardown(void **state)
{
    if (bench.context != NULL) {
        pv_render_context_ops.destroy(bench.context);
        bench.context = NULL;
    }
    (void)serve_until(backend_is_empty);
    return backend_teardown(state);
}

/* Closed its socket and lives: it is killed at once. */
static void test_a_process_that_closes_and_lives(void **state)
{
    const pid_t pid = worker_pid();

    (void)state;
    (void)serve_until(is_lost);
    assert_int_equal(kill(pid, 0), -1);
    backend_assert_refuses_all();
}

/* The same with one that does not die: the loop goes on meanwhile, the answer to a leave waits for
 * its end, but not for ever. */
static void test_a_process_that_dies_slowly(void **state)
{
    const pid_t pid = worker_pid();

    (void)state;
    if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEEXIT) < 0) {
        skip(); /* not allowed here */
    }
    (void)serve_until(is_killed);
    assert_int_equal(bench.lost_count, 0);
    assert_int_equal(pv_render_context_ops.leave(bench.context, 5, 1), 0);
    assert_int_equal(bench.done_count, 0);
    assert_true(serve_until(is_lost) > 1);
    assert_int_equal(bench.done_count, 1);
    assert_string_equal(bench.reason, "render worker closed its socket");
    pv_render_context_ops.destroy(bench.context);
    bench.context = NULL;
    assert_int_equal(pv_render_backend_context_count(bench.backend), 1); /* its end is awaited */
    assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
    (void)serve_until(backend_is_empty);
}

/* Its user ends one that runs: `lost` comes by the loop; destroyed, nothing does. */
static void test_a_process_that_is_ended(void **state)
{
    (void)state;
    assert_int_equal(pv_render_context_ops.submit(bench.context, NULL, 0, true, 1, 7), 0);
    assert_true(pv_render_context_ops.end(bench.context));
    assert_true(pv_render_context_ops.end(bench.context));
    assert_int_equal(bench.lost_count + bench.fence_count, 0);
    (void)serve_until(is_lost);
    assert_int_equal(bench.fence_count, 1);
    assert_false(pv_render_context_ops.end(bench.context));
}

static void test_a_process_that_is_destroyed(void **state)
{
    (void)state;
    pv_render_context_ops.destroy(bench.context);
    bench.context = NULL;
    pv_render_context_ops.settle(bench.backend);
    (void)serve_until(backend_is_empty);
    assert_int_equal(bench.lost_count, 0);
}

static void test_creation_is_refused(void **state)
{
    struct pv_gpu_context *more[PV_RENDER_CONTEXT_MAX];
    struct pv_gpu_context *one;
    const int first_fd = bench.worker_fd;

    (void)state;
    assert_int_equal(
        pv_render_context_ops.create(bench.backend, 8, 2, "gl", &backend_events, NULL, &one),
        -EINVAL);
    for (uint32_t i = 0; i + 1 < PV_RENDER_CONTEXT_MAX; i++) {
        assert_int_equal(
            pv_render_context_ops.create(bench.backend, 8, 4, "", &backend_events, NULL, &more[i]),
            0);
        close(bench.worker_fd);
        bench.worker_fd = -1;
    }
    assert_int_equal(
        pv_render_context_ops.create(bench.backend, 8, 4, "", &backend_events, NULL, &one),
        -EAGAIN);
    for (uint32_t i = 0; i + 1 < PV_RENDER_CONTEXT_MAX; i++) {
        pv_render_context_ops.destroy(more[i]);
    }
    bench.worker_fd = first_fd;
}

/* Workers that never say anything, as many as one likes: the handle is the descriptor. */
static int many_start(void *user, int worker_fd, void **ret_handle)
{
    (void)user;
    *ret_handle = (void *)(intptr_t)worker_fd;
    return 0;
}

static void many_stop(void *user, void *handle)
{
    (void)user;
    close((int)(intptr_t)handle);
}

static const struct pv_render_carrier_ops many_carrier = {
    .start = many_start,
    .stop = many_stop,
};

/* ---- what workers count ---- */

/* What the worker writes to its slot is what is told of it; its end gives everything back. */
static void test_usage_and_its_end(void **state)
{
    struct pv_base_account *account = pv_render_backend_account(bench.backend);
    struct pv_gpu_context_usage usage;

    (void)state;
    assert_true(pv_base_account_charge(&account->memory, 1, 4096, 8192));
    pv_base_account_count(&account->figures[1].commands[0], 5);
    pv_base_account_count(&account->figures[1].commands[64], 2);
    atomic_store(&account->figures[1].object_count, 3);
    pv_render_context_ops.get_usage(bench.context, &usage);
    assert_int_equal(usage.memory_bytes, 4096);
    assert_int_equal(usage.command_count, 7);
    assert_int_equal(usage.object_count, 3);
    assert_int_equal(usage.worker_pid, 0);
    worker_close();
    backend_until_lost();
    assert_int_equal(pv_base_account_sum(&account->memory), 0);
    assert_int_equal(pv_base_account_commands(account, 1), 0);
    assert_true(pv_base_account_charge(&account->memory, PV_BASE_ACCOUNT_DEVICE, 8192, 8192));
    pv_render_context_ops.get_usage(bench.context, &usage);
    assert_int_equal(usage.memory_bytes, 0);
}

/* A worker that was taken over writes words that are nobody's: they do not outlive it. */
static void test_forged_words_end_with_their_worker(void **state)
{
    struct pv_base_account *account = pv_render_backend_account(bench.backend);
    const uint32_t last = PV_BASE_ACCOUNT_SLOT_COUNT - 1;

    (void)state;
    pv_base_account_set(&account->memory, last, UINT64_MAX);
    pv_base_account_set(&account->memory, PV_BASE_ACCOUNT_DEVICE, UINT64_MAX);
    pv_base_account_set(&account->copies, last, UINT64_MAX);
    pv_base_account_set(&account->copies, PV_BASE_ACCOUNT_DEVICE, UINT64_MAX);
    worker_close();
    backend_until_lost();
    assert_int_equal(pv_base_account_sum(&account->memory), 0);
    assert_int_equal(pv_base_account_sum(&account->copies), 0);
}

/* Each context has a slot of its own, under one limit; what one had is free when it ends. */
static void test_limit_of_all_contexts(void **state)
{
    struct pv_render_backend_options options = {
        .size_bytes = sizeof(options),
        .loop = bench.loop,
        .carrier = &many_carrier,
        .window_fd = -1,
    };
    struct pv_base_account *account;
    struct pv_render_backend *backend;
    struct pv_gpu_context *contexts[2];
    struct pv_gpu_context_usage usage;

    (void)state;
    assert_int_equal(pv_render_backend_create(&options, &backend), 0);
    account = pv_render_backend_account(backend);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(pv_render_context_ops.create(backend, i + 1, 4, "", &backend_events, NULL,
                                                      &contexts[i]),
                         0);
    }
    assert_true(pv_base_account_charge(&account->memory, 1, 4096, 8192));
    assert_false(pv_base_account_charge(&account->memory, 2, 4097, 8192));
    pv_render_context_ops.get_usage(contexts[1], &usage);
    assert_int_equal(usage.memory_bytes, 0);
    pv_render_context_ops.destroy(contexts[0]);
    assert_true(pv_base_account_charge(&account->memory, 2, 8192, 8192));
    pv_render_context_ops.get_usage(contexts[1], &usage);
    assert_int_equal(usage.memory_bytes, 8192);
    pv_render_context_ops.destroy(contexts[1]);
    assert_int_equal(pv_base_account_sum(&account->memory), 0);
    pv_render_backend_destroy(backend);
}

/* ---- the cap of workers ---- */

static void test_contexts_at_the_cap(void **state)
{
    static struct pv_gpu_context *contexts[PV_RENDER_CONTEXT_MAX];
    struct pv_render_backend_options options = {
        .size_bytes = sizeof(options),
        .loop = bench.loop,
        .carrier = &many_carrier,
        .window_fd = -1,
        .context_max = PV_RENDER_CONTEXT_MAX + 1,
    };
    struct pv_render_backend *backend;
    struct pv_gpu_context *more;

    (void)state;
    assert_int_equal(pv_render_backend_create(&options, &backend), -EINVAL);
    options.context_max = 0;
    assert_int_equal(pv_render_backend_create(&options, &backend), 0);
    for (uint32_t i = 0; i < PV_RENDER_CONTEXT_MAX; i++) {
        assert_int_equal(pv_render_context_ops.create(backend, i + 1, 4, "", &backend_events, NULL,
                                                      &contexts[i]),
                         0);
    }
    assert_int_equal(
        pv_render_context_ops.create(backend, 1000, 4, "", &backend_events, NULL, &more), -EAGAIN);
    pv_render_context_ops.destroy(contexts[99]);
    assert_int_equal(
        pv_render_context_ops.create(backend, 1000, 4, "", &backend_events, NULL, &contexts[99]),
        0);
    assert_int_equal(
        pv_render_context_ops.create(backend, 1001, 4, "", &backend_events, NULL, &more), -EAGAIN);
    for (uint32_t i = 0; i < PV_RENDER_CONTEXT_MAX; i++) {
        pv_render_context_ops.destroy(contexts[i]);
    }
    pv_render_backend_destroy(backend);
    options.context_max = 1; /* as --max-contexts sets it */
    assert_int_equal(pv_render_backend_create(&options, &backend), 0);
    assert_int_equal(
        pv_render_context_ops.create(backend, 1, 4, "", &backend_events, NULL, &contexts[0]), 0);
    assert_int_equal(pv_render_context_ops.create(backend, 2, 4, "", &backend_events, NULL, &more),
                     -EAGAIN);
    pv_render_context_ops.destroy(contexts[0]);
    pv_render_backend_destroy(backend);
}

#define PROGRAM_TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, program_teardown)
#define TEST(name)                cmocka_unit_test_setup_teardown(name, backend_setup, backend_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_worker_that_closes),
        TEST(test_a_worker_that_goes_unread),
        TEST(test_a_worker_that_falls_silent),
        TEST(test_destroy_inside_of_events),
        PROGRAM_TEST(test_a_process_that_closes_and_lives, program_setup),
        PROGRAM_TEST(test_a_process_that_dies_slowly, program_setup),
        PROGRAM_TEST(test_a_process_that_is_ended, sleeper_setup),
        PROGRAM_TEST(test_a_process_that_is_destroyed, sleeper_setup),
        TEST(test_creation_is_refused),
        TEST(test_usage_and_its_end),
        TEST(test_forged_words_end_with_their_worker),
        TEST(test_limit_of_all_contexts),
        TEST(test_contexts_at_the_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
