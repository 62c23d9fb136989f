/* SPDX-License-Identifier: MIT */
/*
 * A folder for a VM that fake-qemu plays: options for vm/machine.c with everything that they name.
 * Needs PV_TEST_FAKE_QEMU, the path of that program.
 */
#ifndef PV_TEST_VM_BENCH_H
#define PV_TEST_VM_BENCH_H

#include "vm/machine.h"

struct pv_test_vm {
    char folder[64];
    char empty_file[80]; /* stands for kernel, modules and programs */
    struct pv_vm_runtime runtime;
    char gpu_socket[PV_VM_RUNTIME_PATH_MAX];
    const char *device[5]; /* arguments of a device that listens; [3] says how, see fake-qemu */
};

/* Make the folder and the runtime in it. */
void pv_test_vm_init(struct pv_test_vm *vm);

/* Remove both. */
void pv_test_vm_finish(struct pv_test_vm *vm);

/* How the next QEMU behaves; NULL: well. */
void pv_test_vm_behave(const char *how);

/* All options but loop, log and callbacks; without a device. Borrows from vm. */
struct pv_vm_machine_options pv_test_vm_options(const struct pv_test_vm *vm);

#endif
