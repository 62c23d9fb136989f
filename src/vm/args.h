/* SPDX-License-Identifier: MIT */
/*
 * A growing list of strings for a program's arguments. The first failure sticks, so that a builder
 * adds all it wants and asks once at the end. All-zero is empty and ready. One thread.
 */
#ifndef PV_VM_ARGS_H
#define PV_VM_ARGS_H

#include <stddef.h>

#include "base/compiler.h"

struct pv_vm_args {
    char **items; /* NULL-terminated once something was added; owned */
    size_t count;
    int error; /* 0 or -errno of the first failure */
};

/* Append one formatted argument. */
void pv_vm_args_add(struct pv_vm_args *args, const char *format, ...) PV_PRINTF(2, 3);

/* Append an option and its formatted value, as two arguments. */
void pv_vm_args_pair(struct pv_vm_args *args, const char *option, const char *format, ...)
    PV_PRINTF(3, 4);

/* Frees the strings too. */
void pv_vm_args_finish(struct pv_vm_args *args);

#endif
