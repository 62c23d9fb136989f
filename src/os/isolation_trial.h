/* SPDX-License-Identifier: MIT */
/*
 * Trying what isolation forbids, to see whether it does: for `pearvisor doctor`, and for tests.
 * Each trial is chosen so that it does no harm where it succeeds.
 */
#ifndef PV_OS_ISOLATION_TRIAL_H
#define PV_OS_ISOLATION_TRIAL_H

#include <stdbool.h>
#include <stddef.h>

struct pv_os_isolation_trial {
    const char *name; /* what was tried: "write a file", ... */
    bool is_refused;
    int error; /* errno of the attempt; 0 where it succeeded */
};

#define PV_OS_ISOLATION_TRIAL_MAX 24

/*
 * Try everything. Returns how many trials there were.
 *
 * home   the user's home folder, or NULL
 *
 * Threads: any; a child may be started and waited for where that is not refused.
 */
size_t pv_os_isolation_try(const char *home,
                           struct pv_os_isolation_trial ret_trials[PV_OS_ISOLATION_TRIAL_MAX]);

#endif
