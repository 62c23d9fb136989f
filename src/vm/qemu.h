/* SPDX-License-Identifier: MIT */
/*
 * Which QEMU to use, whether it can carry our device, and the command line that starts a VM.
 *
 * QEMU 11.1 is the first whose generic vhost-user device has a window (shared memory region).
 */
#ifndef PV_VM_QEMU_H
#define PV_VM_QEMU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "vm/arch.h"
#include "vm/args.h"

#define PV_VM_QEMU_VERSION_MIN_MAJOR 11
#define PV_VM_QEMU_VERSION_MIN_MINOR 1
#define PV_VM_QEMU_DEVICE            "vhost-user-test-device-pci"
#define PV_VM_QEMU_PATH_MAX          4096

struct pv_vm_qemu {
    char path[PV_VM_QEMU_PATH_MAX]; /* of the program; or its bare name, to be looked up in PATH */
    unsigned int major;
    unsigned int minor;
};

enum pv_vm_qemu_state {
    PV_VM_QEMU_USABLE,
    PV_VM_QEMU_MISSING,   /* it cannot be started */
    PV_VM_QEMU_TOO_OLD,   /* version below the minimum; major and minor are set */
    PV_VM_QEMU_NO_DEVICE, /* new enough, but built without the device */
};

/*
 * Look at the QEMU at path, or at the one in PATH when path is NULL. Starts it twice (0.2 s).
 * ret_qemu is filled as far as known, whatever comes back. Blocks; any thread.
 */
enum pv_vm_qemu_state pv_vm_qemu_find(const struct pv_vm_arch *arch, const char *path,
                                      struct pv_vm_qemu *ret_qemu);

/* One sentence on what is wrong, naming the command that mends it; "" when usable. */
void pv_vm_qemu_explain(enum pv_vm_qemu_state state, const struct pv_vm_qemu *qemu, char *ret_text,
                        size_t text_bytes);

/* Read "QEMU emulator version 11.1.3 (...)". Returns 0 or -EINVAL. */
PV_NODISCARD int pv_vm_qemu_parse_version(const char *text, unsigned int *ret_major,
                                          unsigned int *ret_minor);

/* What a VM is made of. All strings are borrowed. */
struct pv_vm_qemu_config {
    const struct pv_vm_arch *arch;
    const char *qemu_path;
    bool use_kvm;
    uint32_t memory_mib;
    uint32_t cpu_count;
    const char *kernel_path;
    const char *initrd_path;
    const char *root_path;       /* raw ext4 image; never written to; NULL: none */
    const char *kernel_options;  /* appended to our own; NULL: none */
    const char *serial_path;     /* the console's log; NULL: QEMU's standard output */
    const char *gpu_socket_path; /* where the device listens; NULL: no GPU */
    int agent_fd;                /* connected sockets, -1: none */
    int qmp_fd;
    bool use_network; /* user-mode network: the guest reaches out, nobody reaches in */
};

/* The largest VM that is asked for by mistake rather than on purpose lies beyond these. */
#define PV_VM_QEMU_MEMORY_MIN_MIB 256u
#define PV_VM_QEMU_MEMORY_MAX_MIB (1024u * 1024u)
#define PV_VM_QEMU_CPUS_MAX       64u

/* Build the command line into *args (which may hold something already). args->error tells. */
void pv_vm_qemu_build(const struct pv_vm_qemu_config *config, struct pv_vm_args *args);

#endif
