/* SPDX-License-Identifier: MIT */
/* A folder for a VM that fake-qemu plays; see the header. */
#include "support/vm_bench.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define BOOT_TIMEOUT_MS 20000

static const char *fake_qemu(void)
{
    const char *path = getenv("PV_TEST_FAKE_QEMU");

    assert_non_null(path);
    return path;
}

void pv_test_vm_init(struct pv_test_vm *vm)
{
    int fd;

    memset(vm, 0, sizeof(*vm));
    snprintf(vm->folder, sizeof(vm->folder), "/tmp/pv-test-vm-XXXXXX");
    assert_non_null(mkdtemp(vm->folder));
    snprintf(vm->empty_file, sizeof(vm->empty_file), "%s/empty", vm->folder);
    fd = open(vm->empty_file, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(pv_vm_runtime_create(vm->folder, "vm", &vm->runtime), 0);
    assert_int_equal(pv_vm_runtime_file(&vm->runtime, PV_VM_MACHINE_GPU_SOCKET, vm->gpu_socket), 0);
    vm->device[0] = fake_qemu();
    vm->device[1] = "device";
    vm->device[2] = vm->gpu_socket;
    pv_test_vm_behave(NULL);
}

void pv_test_vm_finish(struct pv_test_vm *vm)
{
    pv_vm_runtime_destroy(&vm->runtime);
    assert_int_equal(unlink(vm->empty_file), 0);
    assert_int_equal(rmdir(vm->folder), 0); /* nothing else was left there */
}

void pv_test_vm_behave(const char *how)
{
    if (how != NULL) {
        assert_int_equal(setenv("PV_FAKE_QEMU", how, 1), 0);
    } else {
        assert_int_equal(unsetenv("PV_FAKE_QEMU"), 0);
    }
}

struct pv_vm_machine_options pv_test_vm_options(const struct pv_test_vm *vm)
{
    return (struct pv_vm_machine_options){
        .runtime = &vm->runtime,
        .arch = pv_vm_arch_find("amd64"),
        .qemu_path = fake_qemu(),
        .memory_mib = 512,
        .cpu_count = 1,
        .kernel_path = vm->empty_file,
        .modules_path = vm->empty_file,
        .programs_path = vm->empty_file,
        .root_path = vm->empty_file,
        .boot_timeout_ms = BOOT_TIMEOUT_MS,
    };
}
