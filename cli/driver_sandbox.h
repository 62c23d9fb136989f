/* SPDX-License-Identifier: MIT */
/*
 * Entering the sandbox, for the programs that load the host's driver: pearvisor-render and
 * pearvisor-probe. Here because it reads and sets environment variables, which libraries do not.
 */
#ifndef PV_CLI_DRIVER_SANDBOX_H
#define PV_CLI_DRIVER_SANDBOX_H

#include <stddef.h>

#include "base/compiler.h"
#include "render/sandbox.h"

/*
 * Turn off the shader caches that drivers keep in files, forget variables that no driver reads
 * (unless the mode is "none"), and enter the sandbox.
 *
 * kept_fds     descriptors above 2 that stay open
 * ret_report   always set
 *
 * Returns what pv_render_sandbox_enter does. Threads: the only one of the process.
 */
PV_NODISCARD int pv_cli_driver_sandbox_enter(enum pv_render_sandbox_mode mode, const int *kept_fds,
                                             size_t kept_count,
                                             struct pv_os_isolation_report *ret_report);

#endif
