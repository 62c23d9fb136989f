/* SPDX-License-Identifier: MIT */
/*
 * The control socket of a running device, for commands that ask it something.
 */
#ifndef PV_CLI_CONTROL_H
#define PV_CLI_CONTROL_H

#include <stdbool.h>

#include "vm/runtime.h"

/*
 * Path of the control socket of a VM that `pearvisor run` keeps: of that name, or of the only one
 * when name is NULL. False, after a sentence on stderr, if there is none.
 */
bool pv_cli_control_find(const char *name, char ret_path[PV_VM_RUNTIME_PATH_MAX]);

/* What an error (-errno) of the display client means. Borrowed. */
const char *pv_cli_control_why(int error);

#endif
