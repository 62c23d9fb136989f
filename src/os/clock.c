/* SPDX-License-Identifier: MIT */
/*
 * Time; see clock.h.
 */
#include "os/clock.h"

#include <sys/prctl.h>
#include <time.h>

uint64_t pv_os_clock_now_ns(void)
{
    struct timespec now;

    /* Cannot fail: the clock exists and the pointer is good. */
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void pv_os_clock_sleep_ns(uint64_t duration_ns)
{
    const struct timespec duration = {
        .tv_sec = (time_t)(duration_ns / 1000000000u),
        .tv_nsec = (long)(duration_ns % 1000000000u),
    };

    (void)nanosleep(&duration, NULL);
}

void pv_os_clock_sleep_precisely(void)
{
    /* Cannot fail. Linux lets sleeps of a thread end 50 us late otherwise, to save wake-ups. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}
