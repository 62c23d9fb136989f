/* SPDX-License-Identifier: MIT */
/*
 * Arguments that make no sense: what more than one subcommand says of them. A user's mistake gets
 * one sentence, not the whole help.
 *
 * Needs the C library and base only: the device process uses it too. Main thread.
 */
#ifndef PV_CLI_USAGE_H
#define PV_CLI_USAGE_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/log.h"

/*
 * Say on stderr what is wrong, and where the help is.
 *
 * command      name of the subcommand
 * format, ...  the sentence, as for printf, without full stop
 *
 * Returns PV_CLI_USAGE, the exit status to leave with.
 */
int pv_cli_usage_error(const char *command, const char *format, ...) PV_PRINTF(2, 3);

/* Apply --log to a log; specification NULL: the option was not given. False: said what is wrong. */
PV_NODISCARD bool pv_cli_log_configure(struct pv_base_log *log, const char *specification);

#endif
