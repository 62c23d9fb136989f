/* SPDX-License-Identifier: MIT */
/*
 * What a value on the command line must be beyond its kind, checked before anything is started.
 * Each function returns whether the value will do, and has said why not in one sentence.
 *
 * option  its name with the dashes, for the sentence
 *
 * Main thread.
 */
#ifndef PV_CLI_CHECKS_H
#define PV_CLI_CHECKS_H

#include <stdbool.h>

#include "base/compiler.h"

/* auto, kvm or tcg; kvm needs a /dev/kvm that may be opened. */
PV_NODISCARD bool pv_cli_check_accel(const char *option, const char *value);

/* What a VM can be called. */
PV_NODISCARD bool pv_cli_check_vm_name(const char *option, const char *value);

/* A file that can be made, or made anew, where it is wanted. It is not touched. */
PV_NODISCARD bool pv_cli_check_output(const char *option, const char *value);

#endif
