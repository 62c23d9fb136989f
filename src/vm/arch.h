/* SPDX-License-Identifier: MIT */
/*
 * What differs between the architectures that a VM can have. A guest has its host's own.
 */
#ifndef PV_VM_ARCH_H
#define PV_VM_ARCH_H

struct pv_vm_arch {
    const char *debian_name;
    const char *qemu_program;
    const char *machine;      /* QEMU machine with its options */
    const char *tcg_cpu;      /* processor under emulation */
    const char *console;      /* the kernel's name for the first serial port */
    const char *early_option; /* kernel option for messages before that console works */
};

/* The architecture that this program was built for; NULL if no VM can be had on it. */
const struct pv_vm_arch *pv_vm_arch_own(void);

/* Look one up by its Debian name; NULL if unknown. */
const struct pv_vm_arch *pv_vm_arch_find(const char *debian_name);

#endif
