/* SPDX-License-Identifier: MIT */
/*
 * Which accelerator a VM can use here, found by trying it.
 *
 * /dev/kvm that opens proves little: nested or restricted KVM may fail at the first unusual
 * instruction. So the image's own kernel is booted under KVM until its first user-space program
 * has run; the answer is remembered until the machine is started again or one of the pieces
 * changes.
 */
#ifndef PV_VM_ACCEL_H
#define PV_VM_ACCEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "vm/arch.h"

/* A KVM that works brings a stock kernel to user space in about one second. */
#define PV_VM_ACCEL_PROBE_TIMEOUT_MS 2700

#define PV_VM_ACCEL_REASON_MAX 160

struct pv_vm_accel_options {
    const struct pv_vm_arch *arch;
    const char *qemu_path;
    const char *kernel_path;
    const char *initrd_path; /* with our first stage in it, which knows pearvisor.probe */
    const char *cache_path;  /* folder for the remembered answer; NULL: none */
    bool force;              /* try even if an answer is remembered */
};

struct pv_vm_accel {
    bool has_kvm;
    bool is_remembered;                  /* an earlier answer, nothing was tried now */
    char reason[PV_VM_ACCEL_REASON_MAX]; /* why not, in a few words; "" with KVM */
};

/*
 * Whether there is a KVM device that this user may open: the least that KVM needs. Sets ret_accel
 * as pv_vm_accel_probe does. Any thread.
 */
bool pv_vm_accel_has_device(struct pv_vm_accel *ret_accel);

/* Find out. Never fails: what cannot be tried is not usable. Blocks up to 3 s; any thread. */
void pv_vm_accel_probe(const struct pv_vm_accel_options *options, struct pv_vm_accel *ret_accel);

#endif
