/* SPDX-License-Identifier: MIT */
/*
 * A running VM: the device process, QEMU, and the relay to the guest's agent, from start to stop.
 *
 *   starting   the device has been started; its socket is awaited, then QEMU is started
 *   booting    QEMU runs; the agent is awaited
 *   ready      commands can be run; a guest that reboots goes back to booting
 *   stopping   power-off asked of the agent, then "quit" of QEMU, then SIGKILL, each with its time
 *   stopped    both processes reaped; on_stopped has been called
 *
 * Whatever ends first, on_stopped comes once, with the reason, and after it no process is left. All
 * children die with this process too.
 *
 * Threads: all functions and callbacks on the loop's thread, which lives as long as the process.
 */
#ifndef PV_VM_MACHINE_H
#define PV_VM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/log.h"
#include "os/loop.h"
#include "vm/arch.h"
#include "vm/relay.h"
#include "vm/runtime.h"

struct pv_vm_machine;

enum pv_vm_machine_end {
    PV_VM_MACHINE_STOPPED,      /* pv_vm_machine_stop was called, or the guest powered off */
    PV_VM_MACHINE_NOT_BOOTED,   /* the agent did not answer in time, or the guest reset before */
    PV_VM_MACHINE_QEMU_DIED,    /* QEMU ended by itself */
    PV_VM_MACHINE_DEVICE_DIED,  /* the device process ended by itself, or never listened */
    PV_VM_MACHINE_HOST_TROUBLE, /* a process or file could not be had */
};

struct pv_vm_machine_options {
    struct pv_os_loop *loop;             /* borrowed; outlives the machine, as do the next two */
    struct pv_base_log *log;             /* or NULL */
    const struct pv_vm_runtime *runtime; /* sockets and logs go there */
    const struct pv_vm_arch *arch;
    /* Strings are borrowed for the call of _create only. */
    const char *qemu_path;
    bool use_kvm;
    uint32_t memory_mib;
    uint32_t cpu_count;
    bool use_network;
    const char *kernel_path;
    const char *modules_path;
    const char *programs_path; /* cpio archive with the first stage and the agent */
    const char *root_path;
    const char *kernel_options; /* NULL: none */
    const char *serial_path;    /* NULL: in the runtime folder */
    /* The device's command line; the socket it must listen on is PV_VM_MACHINE_GPU_SOCKET in the
     * runtime folder. NULL: a VM without a GPU. */
    const char *const *device_arguments;
    uint32_t boot_timeout_ms;
    void (*on_ready)(void *user); /* the agent answers; again after each reboot of the guest */
    void (*on_stopped)(void *user, enum pv_vm_machine_end end);
    void *user;
};

/* Names of files in the runtime folder. */
#define PV_VM_MACHINE_GPU_SOCKET     "gpu.sock"
#define PV_VM_MACHINE_CONTROL_SOCKET "control.sock"
#define PV_VM_MACHINE_AGENT_SOCKET   "agent.sock"
#define PV_VM_MACHINE_SERIAL_LOG     "serial.log"
#define PV_VM_MACHINE_QEMU_LOG       "qemu.log"

/* Start a VM. Returns 0, and the callbacks tell the rest; or -errno, and nothing is left behind. */
PV_NODISCARD int pv_vm_machine_create(const struct pv_vm_machine_options *options,
                                      struct pv_vm_machine **ret_machine);

/* Kills what still runs. Accepts NULL. */
void pv_vm_machine_destroy(struct pv_vm_machine *machine);

/* Begin to stop; on_stopped follows. A second call skips the polite steps. */
void pv_vm_machine_stop(struct pv_vm_machine *machine);

/* The relay, for clients of one's own; borrowed. NULL before QEMU was started. */
struct pv_vm_relay *pv_vm_machine_get_relay(struct pv_vm_machine *machine);

/* Process ids, for messages and tests; 0 when not running. */
int pv_vm_machine_qemu_pid(const struct pv_vm_machine *machine);
int pv_vm_machine_device_pid(const struct pv_vm_machine *machine);

#endif
