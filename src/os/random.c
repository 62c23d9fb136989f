/* SPDX-License-Identifier: MIT */
/*
 * Random bytes; see random.h.
 */
#include "os/random.h"

#include <errno.h>
#include <unistd.h>

int pv_os_random_fill(void *ret_bytes, size_t size_bytes)
{
    return getentropy(ret_bytes, size_bytes) < 0 ? -errno : 0;
}
