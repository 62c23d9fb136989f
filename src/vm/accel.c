/* SPDX-License-Identifier: MIT */
/*
 * The accelerator probe.
 *
 * The remembered answer is a file of three lines: what it rests on (boot id, QEMU, kernel and
 * their times), yes or no, and the reason. It is replaced by rename, so that two probes at once
 * cannot mix their lines.
 */
#include "vm/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/process.h"
#include "vm/args.h"
#include "vm/qemu.h"

/* What guest/init prints. */
#define PROBE_WORD "PEARVISOR-PROBE-OK"
/* What QEMU prints when KVM gives up on an instruction; it would then sit there for ever. */
#define KVM_ERROR_WORD "KVM internal error"
#define BASIS_MAX      1024

static long long file_time(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? (long long)status.st_mtime : 0;
}

static void describe_basis(const struct pv_vm_accel_options *options, char *ret_basis)
{
    char boot_id[64] = "?";

    (void)!pv_os_boot_id(boot_id, sizeof(boot_id));
    snprintf(ret_basis, BASIS_MAX, "%s %s %lld %s %lld", boot_id, options->qemu_path,
             file_time(options->qemu_path), options->kernel_path, file_time(options->kernel_path));
}

static bool cache_read(const char *path, const char *basis, struct pv_vm_accel *ret_accel)
{
    char lines[3][BASIS_MAX] = {"", "", ""};
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        return false;
    }
    for (int i = 0; i < 3; i++) {
        if (fgets(lines[i], BASIS_MAX, file) == NULL) {
            lines[i][0] = '\0';
        }
        lines[i][strcspn(lines[i], "\n")] = '\0';
    }
    fclose(file);
    if (strcmp(lines[0], basis) != 0) {
        return false;
    }
    ret_accel->is_remembered = true;
    ret_accel->has_kvm = strcmp(lines[1], "kvm") == 0;
    snprintf(ret_accel->reason, sizeof(ret_accel->reason), "%.*s", PV_VM_ACCEL_REASON_MAX - 1,
             lines[2]);
    return true;
}

/* A cache that cannot be written costs time later, nothing else. */
static void cache_write(const char *path, const char *basis, const struct pv_vm_accel *accel)
{
    char temporary[PATH_MAX];
    FILE *file;
    int fd;

    if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary)) {
        return;
    }
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    file = fdopen(fd, "w");
    if (file == NULL) {
        close(fd);
        unlink(temporary);
        return;
    }
    fprintf(file, "%s\n%s\n%s\n", basis, accel->has_kvm ? "kvm" : "tcg", accel->reason);
    if (fclose(file) != 0 || rename(temporary, path) != 0) {
        unlink(temporary);
    }
}

static void try_kvm(const struct pv_vm_accel_options *options, struct pv_vm_accel *ret_accel)
{
    char kernel_options[128];
    const struct pv_vm_qemu_config config = {
        .arch = options->arch,
        .qemu_path = options->qemu_path,
        .use_kvm = true,
        .memory_mib = 512,
        .cpu_count = 1,
        .kernel_path = options->kernel_path,
        .initrd_path = options->initrd_path,
        .kernel_options = kernel_options,
        .agent_fd = -1,
        .qmp_fd = -1,
    };
    struct pv_vm_args args = {0};
    struct pv_os_process_options process = {0};
    struct pv_os_process_end end;
    char *text = malloc(65536);
    int r = -ENOMEM;

    ret_accel->has_kvm = false;
    snprintf(ret_accel->reason, sizeof(ret_accel->reason), "no memory to try it");
    snprintf(kernel_options, sizeof(kernel_options), "pearvisor.probe %s",
             options->arch->early_option);
    pv_vm_qemu_build(&config, &args);
    pv_vm_args_add(&args, "-no-reboot");
    if (text != NULL && args.error == 0) {
        const char *const needles[] = {PROBE_WORD, KVM_ERROR_WORD, NULL};

        process.arguments = (const char *const *)args.items;
        r = pv_os_process_run(&process, PV_VM_ACCEL_PROBE_TIMEOUT_MS, needles, text, 65536, &end);
        if (strstr(text, PROBE_WORD) != NULL) {
            ret_accel->has_kvm = true;
            ret_accel->reason[0] = '\0';
        } else if (strstr(text, KVM_ERROR_WORD) != NULL) {
            snprintf(ret_accel->reason, sizeof(ret_accel->reason),
                     "KVM fails on an instruction of a stock kernel");
        } else if (r == -ETIMEDOUT) {
            snprintf(ret_accel->reason, sizeof(ret_accel->reason),
                     "a stock kernel did not boot on KVM within %.1f s",
                     PV_VM_ACCEL_PROBE_TIMEOUT_MS / 1000.0);
        } else {
            text[strcspn(text, "\n")] = '\0';
            snprintf(ret_accel->reason, sizeof(ret_accel->reason), "QEMU cannot use KVM: %.100s",
                     text);
        }
    }
    pv_vm_args_finish(&args);
    free(text);
}

bool pv_vm_accel_has_device(struct pv_vm_accel *ret_accel)
{
    *ret_accel = (struct pv_vm_accel){.has_kvm = true};
    if (access("/dev/kvm", F_OK) != 0) {
        *ret_accel = (struct pv_vm_accel){.reason = "there is no /dev/kvm"};
    } else if (access("/dev/kvm", R_OK | W_OK) != 0) {
        *ret_accel = (struct pv_vm_accel){
            .reason = "this user may not open /dev/kvm; members of the group kvm may"};
    }
    return ret_accel->has_kvm;
}

void pv_vm_accel_probe(const struct pv_vm_accel_options *options, struct pv_vm_accel *ret_accel)
{
    char basis[BASIS_MAX];
    char cache_path[PATH_MAX] = "";

    if (!pv_vm_accel_has_device(ret_accel)) {
        return;
    }
    describe_basis(options, basis);
    if (options->cache_path != NULL) {
        snprintf(cache_path, sizeof(cache_path), "%s/accelerator-%s", options->cache_path,
                 options->arch->debian_name);
    }
    if (cache_path[0] != '\0' && !options->force && cache_read(cache_path, basis, ret_accel)) {
        return;
    }
    try_kvm(options, ret_accel);
    if (cache_path[0] != '\0') {
        cache_write(cache_path, basis, ret_accel);
    }
}
