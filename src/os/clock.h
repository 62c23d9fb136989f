/* SPDX-License-Identifier: MIT */
/*
 * Time, from a clock that never goes back. Any thread.
 */
#ifndef PV_OS_CLOCK_H
#define PV_OS_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some fixed moment. */
uint64_t pv_os_clock_now_ns(void);

/* Sleep for at least duration_ns; returns early only on a signal. */
void pv_os_clock_sleep_ns(uint64_t duration_ns);

/* From now on sleeps of the calling thread end when they should, not up to 50 us later. */
void pv_os_clock_sleep_precisely(void);

#endif
