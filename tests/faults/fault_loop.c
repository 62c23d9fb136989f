/* SPDX-License-Identifier: MIT */
/*
 * The loop; see fault_loop.h.
 */
#include "fault_loop.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

/* Absent without sanitizers. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
void __sanitizer_symbolize_pc(void *pc, const char *format, char *text, size_t text_bytes)
    __attribute__((weak));
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static enum inject_class now_class;
static uint64_t now_at;
static bool is_living;
static bool has_failed; /* what that test left is no leak of the next */

static void say_where(void)
{
    const struct inject_report *report = inject_seen();
    char where[200] = "?";
    char text[320];
    int length;

    if (__sanitizer_symbolize_pc != NULL && report->caller != NULL) {
        __sanitizer_symbolize_pc((void *)(uintptr_t)report->caller, "%f %s:%l", where,
                                 sizeof(where));
    }
    length = snprintf(text, sizeof(text), "life with %s:%llu failing: %s in %s\n",
                      inject_class_name(now_class), (unsigned long long)now_at,
                      report->fired > 0 ? report->what : "not reached", where);

    (void)!write(STDERR_FILENO, text, (size_t)length);
}

static void on_signal(int number)
{
    say_where();
    if (number == SIGALRM) {
        (void)!write(STDERR_FILENO, "it does not end\n", 16);
    }
    (void)signal(number, SIG_DFL);
    abort();
}

static size_t count_entries(const char *path)
{
    DIR *folder = opendir(path);
    size_t count = 0;

    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

/* A thread that was joined may be listed for a moment. */
static size_t count_threads(size_t wanted)
{
    size_t count = count_entries("/proc/self/task");

    for (int i = 0; i < 100 && count > wanted; i++) {
        (void)usleep(1000);
        count = count_entries("/proc/self/task");
    }
    return count;
}

/* Returns whether the Nth call was reached. */
static bool live_once(void (*life)(void))
{
    const size_t fds = count_entries("/proc/self/fd");
    const size_t threads = count_entries("/proc/self/task");
    bool good;

    (void)alarm(FAULT_LIFE_MAX_S);
    is_living = true;
    inject_arm(now_class, now_at, false);
    life();
    inject_disarm();
    (void)alarm(0);
    good = count_entries("/proc/self/fd") == fds && count_threads(threads) == threads
           && (__lsan_do_recoverable_leak_check == NULL || has_failed
               || __lsan_do_recoverable_leak_check() == 0);
    if (!good) {
        say_where();
        fail_msg("descriptors %zu before, %zu after; threads %zu, %zu; or a leak", fds,
                 count_entries("/proc/self/fd"), threads, count_entries("/proc/self/task"));
    }
    is_living = false;
    return inject_seen()->fired > 0;
}

int fault_loop_teardown(void **state)
{
    (void)state;
    inject_reset();
    if (is_living) {
        has_failed = true;
        say_where();
    }
    is_living = false;
    return 0;
}

void fault_loop_run(enum inject_class class, void (*life)(void))
{
    const char *wanted = getenv("PV_FAULTS");
    const char *colon = wanted != NULL ? strchr(wanted, ':') : NULL;
    struct timespec start;
    struct timespec end;

    if (colon != NULL && strncmp(wanted, inject_class_name(class), (size_t)(colon - wanted)) != 0) {
        skip();
    }
    (void)signal(SIGALRM, on_signal);
    (void)signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(say_where);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    inject_pause();
    now_class = class;
    now_at = UINT64_MAX; /* what is allocated once for ever, and that the life is a good one */
    (void)live_once(life);
    now_at = colon != NULL ? strtoull(colon + 1, NULL, 10) : 1;
    while (live_once(life) && colon == NULL) {
        now_at++;
    }
    inject_resume();
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    print_message("# %s: %llu calls, each failed once, in %.1f s\n", inject_class_name(class),
                  (unsigned long long)now_at - 1,
                  (double)(end.tv_sec - start.tv_sec)
                      + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
    assert_true(now_at > 1 || colon != NULL);
}
