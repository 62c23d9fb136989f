/* SPDX-License-Identifier: MIT */
/*
 * What a child gets as its standard output and error, where it is not trusted with ours: a socket
 * or a file that can be read could tell it things, and take more than text. Then it gets a pipe,
 * and what comes out of that is passed on, up to a budget.
 *
 * Threads: the loop's.
 */
#ifndef PV_OS_OUTPUT_H
#define PV_OS_OUTPUT_H

#include <stddef.h>

#include "base/compiler.h"
#include "os/loop.h"

struct pv_os_output;

/* Our own standard error, for those who know no platform. */
#define PV_OS_OUTPUT_OUR_ERROR_FD 2

/* Bytes that are passed on for all children of one loop together; the rest is dropped. */
#define PV_OS_OUTPUT_MAX_BYTES ((size_t)1 << 20)

/*
 * Prepare what children get.
 *
 * error_fd  ours, borrowed, PV_OS_OUTPUT_OUR_ERROR_FD but in tests. Children get it as it is if it
 * can only be written to, or is a terminal, which a sandbox narrows by itself (os/isolation.h)
 *
 * Returns 0 or -errno.
 */
PV_NODISCARD int pv_os_output_create(struct pv_os_loop *loop, int error_fd,
                                     struct pv_os_output **ret_output);

/* For output_fd of struct pv_os_process_options: /dev/null, for writing. */
int pv_os_output_null_fd(const struct pv_os_output *output);

/* For error_fd of struct pv_os_process_options; 0: ours. */
int pv_os_output_error_fd(const struct pv_os_output *output);

/* Pass on what is there; children that still run write into nothing. Accepts NULL. */
void pv_os_output_destroy(struct pv_os_output *output);

#endif
