/* SPDX-License-Identifier: MIT */
/* The system calls that a worker and the drivers in it make; tables, with their sources. */
#ifndef PV_RENDER_SANDBOX_CALLS_H
#define PV_RENDER_SANDBOX_CALLS_H

#include <stddef.h>

/* Names, NULL-terminated: allowed whatever their arguments. os/isolation.h adds a few with safe
 * arguments only. */
extern const char *const pv_render_sandbox_calls[];

/* Families of ioctl that drivers use on the devices of sandbox_files.c. */
extern const unsigned char pv_render_sandbox_ioctls[];
extern const size_t pv_render_sandbox_ioctl_count;

#endif
