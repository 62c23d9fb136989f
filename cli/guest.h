/* SPDX-License-Identifier: MIT */
/*
 * A guest that `pearvisor run` keeps, for commands that want something of it: where it listens, and
 * why it does not answer. Main thread.
 */
#ifndef PV_CLI_GUEST_H
#define PV_CLI_GUEST_H

#include <stdbool.h>

#include "base/compiler.h"
#include "vm/runtime.h"

/*
 * Path of a socket of a running guest. Says on stderr why there is none.
 *
 * name         the guest's; NULL: the only one that runs
 * socket_name  PV_VM_MACHINE_AGENT_SOCKET or PV_VM_MACHINE_CONTROL_SOCKET
 * ret_path     set when true is returned; somebody may listen there or not
 */
PV_NODISCARD bool pv_cli_guest_find(const char *name, const char *socket_name,
                                    char ret_path[PV_VM_RUNTIME_PATH_MAX]);

/* What an error (-errno) of the display client means. Borrowed. */
const char *pv_cli_guest_why(int error);

#endif
