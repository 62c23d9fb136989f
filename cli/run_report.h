/* SPDX-License-Identifier: MIT */
/* How a run ended: what its user is told, and the exit status. Main thread. */
#ifndef PV_CLI_RUN_REPORT_H
#define PV_CLI_RUN_REPORT_H

#include "cli/run_options.h"
#include "vm/run.h"

/*
 * Say on stderr what happened, if it is not just what was asked for.
 *
 * runtime  the VM's folder, still there: the last lines of its logs are shown if the VM failed
 *
 * Returns the exit status of `pearvisor run`.
 */
int pv_cli_run_report(const struct pv_cli_run_options *options, const struct pv_vm_runtime *runtime,
                      const struct pv_vm_run_result *result);

#endif
