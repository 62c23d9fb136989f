/* SPDX-License-Identifier: MIT */
/*
 * os/clock.c: it goes on, in nanoseconds, and never back; a sleep is as long as it was asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include "os/clock.h"

static void test_it_never_goes_back(void **state)
{
    uint64_t before_ns = pv_os_clock_now_ns();

    (void)state;
    for (uint32_t i = 0; i < 100000; i++) {
        const uint64_t now_ns = pv_os_clock_now_ns();

        assert_true(now_ns >= before_ns);
        before_ns = now_ns;
    }
}

/* The same clock as condition variables and poll of this project use. */
static void test_it_is_the_monotonic_one(void **state)
{
    struct timespec system;
    uint64_t system_ns;

    (void)state;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &system), 0);
    system_ns = (uint64_t)system.tv_sec * 1000000000u + (uint64_t)system.tv_nsec;
    assert_true(pv_os_clock_now_ns() - system_ns < UINT64_C(5000000000));
}

static void test_sleeps(void **state)
{
    static const uint64_t durations_ns[] = {0, 1, 999999, 1000000, 20000000};

    (void)state;
    for (size_t i = 0; i < sizeof(durations_ns) / sizeof(durations_ns[0]); i++) {
        const uint64_t before_ns = pv_os_clock_now_ns();
        uint64_t slept_ns;

        pv_os_clock_sleep_ns(durations_ns[i]);
        slept_ns = pv_os_clock_now_ns() - before_ns;
        assert_true(slept_ns >= durations_ns[i]);
        assert_true(slept_ns < durations_ns[i] + UINT64_C(5000000000));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_never_goes_back),
        cmocka_unit_test(test_it_is_the_monotonic_one),
        cmocka_unit_test(test_sleeps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
