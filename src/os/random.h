/* SPDX-License-Identifier: MIT */
/*
 * Random bytes from the system. Any thread.
 */
#ifndef PV_OS_RANDOM_H
#define PV_OS_RANDOM_H

#include <stddef.h>

#include "base/compiler.h"

/* Fill ret_bytes, size_bytes at most 256. Returns 0 or -errno. */
PV_NODISCARD int pv_os_random_fill(void *ret_bytes, size_t size_bytes);

#endif
