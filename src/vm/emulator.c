/* SPDX-License-Identifier: MIT */
/* QEMU as a process; see the header. */
#include "vm/emulator.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vm/initrd.h"
#include "vm/qemu.h"

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void pv_vm_emulator_init(struct pv_vm_emulator *emulator)
{
    *emulator = (struct pv_vm_emulator){
        .process = {.exit_fd = -1},
        .agent_fds = {-1, -1},
        .qmp_fds = {-1, -1},
    };
}

int pv_vm_emulator_prepare(struct pv_vm_emulator *emulator,
                           const struct pv_vm_machine_options *options, const char *gpu_socket_path)
{
    char initrd_path[PV_VM_RUNTIME_PATH_MAX];
    char serial_path[PV_VM_RUNTIME_PATH_MAX];
    struct pv_vm_qemu_config config = {
        .arch = options->arch,
        .qemu_path = options->qemu_path,
        .use_kvm = options->use_kvm,
        .memory_mib = options->memory_mib,
        .cpu_count = options->cpu_count,
        .use_network = options->use_network,
        .kernel_path = options->kernel_path,
        .initrd_path = initrd_path,
        .root_path = options->root_path,
        .kernel_options = options->kernel_options,
        .serial_path = options->serial_path != NULL ? options->serial_path : serial_path,
        .gpu_socket_path = gpu_socket_path,
    };
    int r = pv_vm_runtime_file(options->runtime, "initrd", initrd_path);

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, emulator->agent_fds) != 0
        || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, emulator->qmp_fds) != 0) {
        return -errno;
    }
    config.agent_fd = emulator->agent_fds[1];
    config.qmp_fd = emulator->qmp_fds[1];
    if (r == 0) {
        r = pv_vm_runtime_file(options->runtime, PV_VM_MACHINE_SERIAL_LOG, serial_path);
    }
    if (r == 0) {
        r = pv_vm_initrd_write(initrd_path, options->modules_path, options->programs_path);
    }
    if (r == 0) {
        pv_vm_qemu_build(&config, &emulator->arguments);
        r = emulator->arguments.error;
    }
    return r;
}

int pv_vm_emulator_start(struct pv_vm_emulator *emulator, const struct pv_vm_runtime *runtime)
{
    const int kept[] = {emulator->agent_fds[1], emulator->qmp_fds[1]};
    struct pv_os_process_options process = {
        .arguments = (const char *const *)emulator->arguments.items,
        .kept_fds = kept,
        .kept_count = PV_ARRAY_LEN(kept),
    };
    char path[PV_VM_RUNTIME_PATH_MAX];
    int log_fd = -1;
    int r = pv_vm_runtime_file(runtime, PV_VM_MACHINE_QEMU_LOG, path);

    if (r == 0) {
        log_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        r = log_fd < 0 ? -errno : 0;
    }
    if (r == 0) {
        process.output_fd = log_fd;
        process.error_fd = log_fd;
        r = pv_os_process_spawn(&process, &emulator->process);
    }
    close_fd(&log_fd);
    close_fd(&emulator->agent_fds[1]);
    close_fd(&emulator->qmp_fds[1]);
    return r;
}

void pv_vm_emulator_finish(struct pv_vm_emulator *emulator)
{
    pv_os_process_kill(&emulator->process);
    for (int i = 0; i < 2; i++) {
        close_fd(&emulator->agent_fds[i]);
        close_fd(&emulator->qmp_fds[i]);
    }
    pv_vm_args_finish(&emulator->arguments);
}
