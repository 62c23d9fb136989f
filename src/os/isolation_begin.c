/* SPDX-License-Identifier: MIT */
/*
 * The part of isolation that needs nothing but the C library; see pv_os_isolation_begin.
 */
#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "os/isolation.h"

int pv_os_isolation_begin(void)
{
    const struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return -errno;
    }
    return 0;
}
