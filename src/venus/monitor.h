/* SPDX-License-Identifier: MIT */
/*
 * The watchdog's other half: guests that wait clear ALIVE on their instance ring and abort when it
 * is not set again within their reporting period. One thread per context sets it on all monitored
 * rings, whatever the rings themselves are doing.
 *
 * Threads: all functions on the message thread.
 */
#ifndef PV_VENUS_MONITOR_H
#define PV_VENUS_MONITOR_H

#include "venus/state.h"

/*
 * A monitored ring was made: start the monitor, or shorten its period. period_us: what the guest
 * asked for, not 0. Returns 0 or -errno.
 */
PV_NODISCARD int pv_venus_monitor_start(struct pv_venus_context *context, uint32_t period_us);

/* Stop and free the monitor if there is one. */
void pv_venus_monitor_stop(struct pv_venus_context *context);

#endif
