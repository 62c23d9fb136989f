/* SPDX-License-Identifier: MIT */
/*
 * QEMU's version check and command line.
 *
 * No default devices and no user configuration: a VM is what stands here. The root disk is opened
 * with snapshot=on, so what a guest writes goes to a nameless temporary file and many VMs may run
 * from one image. Paths are passed with doubled commas, as QEMU's option parser wants them.
 */
#include "vm/qemu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/process.h"

#define QUERY_TIMEOUT_MS 20000

/*
 * quiet, loglevel   messages on an emulated serial port are slow; errors still come
 * panic=-1          a dead kernel resets the machine, which the runner sees and reports
 * mitigations=off   against neighbours in the same guest: there are none, and emulation pays double
 * tsc=reliable      the emulated counter is the host's; else time is read by exits to QEMU
 * no_timer_check    a busy host delays emulated interrupts; the kernel would take them for broken
 */
#define KERNEL_OPTIONS                                                                             \
    "root=/dev/vda rw quiet loglevel=4 panic=-1 mitigations=off audit=0 rcupdate.rcu_expedited=1 " \
    "systemd.show_status=0 random.trust_cpu=on"

int pv_vm_qemu_parse_version(const char *text, unsigned int *ret_major, unsigned int *ret_minor)
{
    static const char intro[] = "QEMU emulator version ";
    const char *version = strstr(text, intro);

    if (version == NULL
        || sscanf(version + sizeof(intro) - 1, "%3u.%3u", ret_major, ret_minor) != 2) {
        return -EINVAL;
    }
    return 0;
}

static int query(const char *path, const char *first, const char *second, char *text,
                 size_t text_bytes)
{
    const char *arguments[] = {path, first, second, NULL};
    const struct pv_os_process_options options = {.arguments = arguments};
    struct pv_os_process_end end;
    const int r = pv_os_process_run(&options, QUERY_TIMEOUT_MS, NULL, text, text_bytes, &end);

    if (r < 0) {
        return r;
    }
    return end.by_signal || end.value != 0 ? -EIO : 0;
}

enum pv_vm_qemu_state pv_vm_qemu_find(const struct pv_vm_arch *arch, const char *path,
                                      struct pv_vm_qemu *ret_qemu)
{
    char text[4096];

    *ret_qemu = (struct pv_vm_qemu){0};
    snprintf(ret_qemu->path, sizeof(ret_qemu->path), "%s",
             path != NULL ? path : arch->qemu_program);
    if (query(ret_qemu->path, "--version", NULL, text, sizeof(text)) != 0
        || pv_vm_qemu_parse_version(text, &ret_qemu->major, &ret_qemu->minor) != 0) {
        return PV_VM_QEMU_MISSING;
    }
    if (ret_qemu->major < PV_VM_QEMU_VERSION_MIN_MAJOR
        || (ret_qemu->major == PV_VM_QEMU_VERSION_MIN_MAJOR
            && ret_qemu->minor < PV_VM_QEMU_VERSION_MIN_MINOR)) {
        return PV_VM_QEMU_TOO_OLD;
    }
    if (query(ret_qemu->path, "-device", PV_VM_QEMU_DEVICE ",help", text, sizeof(text)) != 0
        || strstr(text, "virtio-id") == NULL) {
        return PV_VM_QEMU_NO_DEVICE;
    }
    return PV_VM_QEMU_USABLE;
}

void pv_vm_qemu_explain(enum pv_vm_qemu_state state, const struct pv_vm_qemu *qemu, char *ret_text,
                        size_t text_bytes)
{
    static const char mend[] = "run scripts/setup --for=demo, then '. build/sysroot/env.sh' in "
                               "this shell; or name another with --qemu";

    ret_text[0] = '\0';
    switch (state) {
    case PV_VM_QEMU_USABLE:
        break;
    case PV_VM_QEMU_MISSING:
        snprintf(ret_text, text_bytes, "%s cannot be started: %s", qemu->path, mend);
        break;
    case PV_VM_QEMU_TOO_OLD:
        snprintf(ret_text, text_bytes, "%s is version %u.%u, but %d.%d is needed: %s", qemu->path,
                 qemu->major, qemu->minor, PV_VM_QEMU_VERSION_MIN_MAJOR,
                 PV_VM_QEMU_VERSION_MIN_MINOR, mend);
        break;
    case PV_VM_QEMU_NO_DEVICE:
        snprintf(ret_text, text_bytes, "%s lacks the device " PV_VM_QEMU_DEVICE ": %s", qemu->path,
                 mend);
        break;
    }
}

/* A path as a value inside a QEMU option: commas doubled. NULL when memory is short. */
static char *quote(const char *path)
{
    char *quoted = malloc(2 * strlen(path) + 1);
    char *out = quoted;

    if (quoted == NULL) {
        return NULL;
    }
    for (; *path != '\0'; path++) {
        if (*path == ',') {
            *out++ = ',';
        }
        *out++ = *path;
    }
    *out = '\0';
    return quoted;
}

/* An option whose formatted value ends with "%s" for a quoted path. */
static void add_path(struct pv_vm_args *args, const char *option, const char *before,
                     const char *path, const char *after)
{
    char *quoted = quote(path);

    if (quoted == NULL) {
        args->error = args->error != 0 ? args->error : -ENOMEM;
        return;
    }
    pv_vm_args_pair(args, option, "%s%s%s", before, quoted, after);
    free(quoted);
}

static void add_machine(const struct pv_vm_qemu_config *config, struct pv_vm_args *args)
{
    /* The device maps the guest's memory, so it is a shared file. */
    pv_vm_args_pair(args, "-machine", "%s,memory-backend=memory", config->arch->machine);
    pv_vm_args_pair(args, "-object", "memory-backend-memfd,id=memory,size=%uM,share=on",
                    config->memory_mib);
    pv_vm_args_pair(args, "-m", "%u", config->memory_mib);
    pv_vm_args_pair(args, "-smp", "%u", config->cpu_count);
    pv_vm_args_pair(args, "-accel", "%s", config->use_kvm ? "kvm" : "tcg,thread=multi");
    pv_vm_args_pair(args, "-cpu", "%s", config->use_kvm ? "host" : config->arch->tcg_cpu);
}

static void add_kernel(const struct pv_vm_qemu_config *config, struct pv_vm_args *args)
{
    pv_vm_args_pair(args, "-kernel", "%s", config->kernel_path);
    pv_vm_args_pair(args, "-initrd", "%s", config->initrd_path);
    pv_vm_args_pair(args, "-append", "console=%s " KERNEL_OPTIONS "%s%s%s", config->arch->console,
                    config->use_kvm ? "" : " tsc=reliable no_timer_check",
                    config->kernel_options != NULL ? " " : "",
                    config->kernel_options != NULL ? config->kernel_options : "");
}

void pv_vm_qemu_build(const struct pv_vm_qemu_config *config, struct pv_vm_args *args)
{
    pv_vm_args_add(args, "%s", config->qemu_path);
    pv_vm_args_add(args, "-nodefaults");
    pv_vm_args_add(args, "-no-user-config");
    pv_vm_args_pair(args, "-name", "pearvisor");
    add_machine(config, args);
    pv_vm_args_pair(args, "-display", "none");
    pv_vm_args_pair(args, "-vga", "none");
    add_kernel(config, args);
    if (config->serial_path != NULL) {
        add_path(args, "-chardev", "file,id=console,path=", config->serial_path, "");
    } else {
        pv_vm_args_pair(args, "-chardev", "stdio,id=console,signal=off");
    }
    pv_vm_args_pair(args, "-serial", "chardev:console");
    if (config->root_path != NULL) {
        add_path(args, "-drive", "if=none,id=root,format=raw,snapshot=on,file=", config->root_path,
                 "");
        pv_vm_args_pair(args, "-device", "virtio-blk-pci,drive=root");
    }
    pv_vm_args_pair(args, "-device", "virtio-rng-pci");
    if (config->agent_fd >= 0) {
        pv_vm_args_pair(args, "-chardev", "socket,id=agent,fd=%d", config->agent_fd);
        pv_vm_args_pair(args, "-device", "virtio-serial-pci");
        pv_vm_args_pair(args, "-device", "virtserialport,chardev=agent,name=org.pearvisor.agent.0");
    }
    if (config->qmp_fd >= 0) {
        pv_vm_args_pair(args, "-chardev", "socket,id=qmp,fd=%d", config->qmp_fd);
        pv_vm_args_pair(args, "-mon", "chardev=qmp,mode=control");
    }
    if (config->gpu_socket_path != NULL) {
        add_path(args, "-chardev", "socket,id=gpu,path=", config->gpu_socket_path, "");
        pv_vm_args_pair(args, "-device",
                        PV_VM_QEMU_DEVICE
                        ",chardev=gpu,virtio-id=16,num_vqs=2,vq_size=256,config_size=16");
    }
    if (config->use_network) {
        pv_vm_args_pair(args, "-netdev", "user,id=net");
        pv_vm_args_pair(args, "-device", "virtio-net-pci,netdev=net,romfile=");
    }
}
