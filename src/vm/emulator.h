/* SPDX-License-Identifier: MIT */
/*
 * The QEMU of one machine as a process: what it is given (RAM disk, command line, sockets, a log),
 * its start, and what has to be given back. When that happens is the machine's business
 * (machine.h).
 *
 * Threads: the machine's. Source of the command line: qemu.h.
 */
#ifndef PV_VM_EMULATOR_H
#define PV_VM_EMULATOR_H

#include "base/compiler.h"
#include "os/process.h"
#include "vm/args.h"
#include "vm/machine.h"

struct pv_vm_emulator {
    struct pv_os_process process; /* pid 0: does not run */
    struct pv_vm_args arguments;
    int agent_fds[2]; /* ours, QEMU's; -1: closed, or given to it */
    int qmp_fds[2];
};

/* Nothing to give back yet; pv_vm_emulator_finish may follow. */
void pv_vm_emulator_init(struct pv_vm_emulator *emulator);

/*
 * Write the RAM disk, make the sockets and put the command line together: all that the strings of
 * the options are needed for.
 *
 * gpu_socket_path  where the device will listen; NULL: a machine without our device
 *
 * Returns 0 or -errno.
 */
PV_NODISCARD int pv_vm_emulator_prepare(struct pv_vm_emulator *emulator,
                                        const struct pv_vm_machine_options *options,
                                        const char *gpu_socket_path);

/* Start what was prepared; it says what it has to say in a file of the folder. Returns 0 or -errno.
 */
PV_NODISCARD int pv_vm_emulator_start(struct pv_vm_emulator *emulator,
                                      const struct pv_vm_runtime *runtime);

/* Kill it if it runs, and give everything back. */
void pv_vm_emulator_finish(struct pv_vm_emulator *emulator);

#endif
