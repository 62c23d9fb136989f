/* SPDX-License-Identifier: MIT */
/*
 * The folder of one running VM: its sockets and logs, visible to its user only, gone with the VM.
 *
 * A VM's folder stands in a base folder and holds a file "lock" that its owner keeps locked. So a
 * folder whose owner was killed is recognised, and the next VM sweeps it away.
 */
#ifndef PV_VM_RUNTIME_H
#define PV_VM_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

/* A Unix socket's path has to fit into 107 characters, so a base folder may not be long. */
#define PV_VM_RUNTIME_PATH_MAX 108

struct pv_vm_runtime {
    char path[PV_VM_RUNTIME_PATH_MAX]; /* "" when there is none */
    int lock_fd;
};

/* Bytes of a VM's name: what a base folder of ordinary length leaves. */
#define PV_VM_RUNTIME_NAME_MAX 40

/* Whether a VM can be called so: letters, digits, '-', '_', '.', the first no dot. Any thread. */
bool pv_vm_runtime_is_name(const char *name);

/*
 * Make a folder for a VM.
 *
 * base_path  made if it is not there (0700); one of another user is refused with -EPERM
 * name       what others call the VM (see pv_vm_runtime_is_name); NULL: one is made up
 *
 * Returns 0, -EEXIST when a VM of that name runs, -EINVAL for a name that is none, -ENAMETOOLONG
 * when sockets in it would not work, or another -errno. Sweeps folders of dead VMs.
 */
PV_NODISCARD int pv_vm_runtime_create(const char *base_path, const char *name,
                                      struct pv_vm_runtime *ret_runtime);

/* The VM's name: the last part of its path. Borrowed. */
const char *pv_vm_runtime_name(const struct pv_vm_runtime *runtime);

/* Path of a file in it, which need not exist. Returns 0 or -ENAMETOOLONG. */
PV_NODISCARD int pv_vm_runtime_file(const struct pv_vm_runtime *runtime, const char *file_name,
                                    char ret_path[PV_VM_RUNTIME_PATH_MAX]);

/* Remove the folder and what is in it. Accepts an empty one. */
void pv_vm_runtime_destroy(struct pv_vm_runtime *runtime);

/*
 * Find the folder of a running VM, by name, or the only one when name is NULL. ret_runtime->path is
 * set, no lock is taken. Returns 0, -ENOENT, or -ENOTUNIQ when there are several to choose from.
 */
PV_NODISCARD int pv_vm_runtime_find(const char *base_path, const char *name,
                                    struct pv_vm_runtime *ret_runtime);

#endif
