/* SPDX-License-Identifier: MIT */
/*
 * The architectures. Devices of the machine that no guest of ours uses are switched off: each
 * costs boot time under emulation. Five-level page tables and real pointer authentication make
 * emulation slower and serve nobody here.
 */
#include "vm/arch.h"

#include <stddef.h>
#include <string.h>

#include "base/compiler.h"

static const struct pv_vm_arch architectures[] = {
    {
        .debian_name = "amd64",
        .qemu_program = "qemu-system-x86_64",
        .machine = "q35,vmport=off,i8042=off,hpet=off,sata=off,smbus=off",
        .tcg_cpu = "max,la57=off",
        .console = "ttyS0",
        .early_option = "earlyprintk=ttyS0",
    },
    {
        .debian_name = "arm64",
        .qemu_program = "qemu-system-aarch64",
        .machine = "virt,gic-version=max",
        .tcg_cpu = "max,pauth-impdef=on",
        .console = "ttyAMA0",
        .early_option = "earlycon",
    },
};

const struct pv_vm_arch *pv_vm_arch_find(const char *debian_name)
{
    for (size_t i = 0; i < PV_ARRAY_LEN(architectures); i++) {
        if (strcmp(architectures[i].debian_name, debian_name) == 0) {
            return &architectures[i];
        }
    }
    return NULL;
}

const struct pv_vm_arch *pv_vm_arch_own(void)
{
#if defined(__x86_64__)
    return pv_vm_arch_find("amd64");
#elif defined(__aarch64__)
    return pv_vm_arch_find("arm64");
#else
    return NULL;
#endif
}
