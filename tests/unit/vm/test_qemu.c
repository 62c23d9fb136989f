/* SPDX-License-Identifier: MIT */
/*
 * vm/qemu.c: the version is read whatever follows it, each reason against a QEMU gets its sentence,
 * and the command line says what the device and the agent need.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "vm/qemu.h"

/* A script that plays QEMU: answers --version and -device NAME,help. */
static void fake_qemu(char *ret_path, size_t path_bytes, const char *version, const char *help)
{
    FILE *file;
    int fd;

    snprintf(ret_path, path_bytes, "/tmp/pv-test-qemu-XXXXXX");
    fd = mkstemp(ret_path);
    assert_true(fd >= 0);
    file = fdopen(fd, "w");
    assert_non_null(file);
    fprintf(file,
            "#!/bin/sh\ncase $1 in --version) echo '%s' ;; -device) %s ;; *) exit 3 ;; esac\n",
            version, help);
    assert_int_equal(fchmod(fd, 0700), 0);
    assert_int_equal(fclose(file), 0);
}

static void check_version(const char *text, int expected, unsigned int major, unsigned int minor)
{
    unsigned int ret_major = 0;
    unsigned int ret_minor = 0;

    assert_int_equal(pv_vm_qemu_parse_version(text, &ret_major, &ret_minor), expected);
    assert_int_equal(ret_major, major);
    assert_int_equal(ret_minor, minor);
}

static void test_versions(void **state)
{
    (void)state;
    check_version("QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1~bpo13+1)\n", 0, 11, 1);
    check_version("a warning first\nQEMU emulator version 7.2.19", 0, 7, 2);
    check_version("QEMU emulator version 12.0.50 (v12.0.0-1-gabcdef)", 0, 12, 0);
    check_version("QEMU emulator version eleven", -EINVAL, 0, 0);
    check_version("", -EINVAL, 0, 0);
}

static void check_find(const char *version, const char *help, enum pv_vm_qemu_state expected,
                       const char *expected_words)
{
    struct pv_vm_qemu qemu;
    char path[64];
    char text[PV_VM_QEMU_PATH_MAX + 256];

    fake_qemu(path, sizeof(path), version, help);
    assert_int_equal(pv_vm_qemu_find(pv_vm_arch_find("amd64"), path, &qemu), expected);
    pv_vm_qemu_explain(expected, &qemu, text, sizeof(text));
    assert_non_null(strstr(text, expected_words));
    assert_null(strchr(text, '\n'));
    if (expected == PV_VM_QEMU_USABLE) {
        assert_string_equal(text, "");
    } else {
        assert_non_null(strstr(text, "scripts/setup --for=demo"));
    }
    assert_int_equal(unlink(path), 0);
}

static void test_find_tells_what_is_wrong(void **state)
{
    struct pv_vm_qemu qemu;

    (void)state;
    check_find("QEMU emulator version 11.1.0", "echo virtio-id=...", PV_VM_QEMU_USABLE, "");
    check_find("QEMU emulator version 12.0.0", "echo virtio-id=...", PV_VM_QEMU_USABLE, "");
    check_find("QEMU emulator version 11.0.9", "echo virtio-id=...", PV_VM_QEMU_TOO_OLD,
               "version 11.0, but 11.1");
    check_find("QEMU emulator version 11.1.0", "exit 1", PV_VM_QEMU_NO_DEVICE, PV_VM_QEMU_DEVICE);
    check_find("something else", "exit 1", PV_VM_QEMU_MISSING, "cannot be started");
    assert_int_equal(pv_vm_qemu_find(pv_vm_arch_find("amd64"), "/no/such/file", &qemu),
                     PV_VM_QEMU_MISSING);
}

/* The value that follows an option for the nth time, or NULL. */
static const char *option(const struct pv_vm_args *args, const char *name, int n)
{
    for (size_t i = 0; i + 1 < args->count; i++) {
        if (strcmp(args->items[i], name) == 0 && n-- == 0) {
            return args->items[i + 1];
        }
    }
    return NULL;
}

static bool has(const struct pv_vm_args *args, const char *text)
{
    for (size_t i = 0; i < args->count; i++) {
        if (strstr(args->items[i], text) != NULL) {
            return true;
        }
    }
    return false;
}

static const struct pv_vm_qemu_config whole_vm = {
    .qemu_path = "/opt/qemu",
    .memory_mib = 1234,
    .cpu_count = 3,
    .kernel_path = "/i/vmlinuz",
    .initrd_path = "/r/initrd",
    .root_path = "/i/root.img",
    .serial_path = "/r/serial,log",
    .gpu_socket_path = "/r/gpu.sock",
    .agent_fd = 11,
    .qmp_fd = 12,
};

static void test_a_whole_vm(void **state)
{
    struct pv_vm_qemu_config config = whole_vm;
    struct pv_vm_args args = {0};

    (void)state;
    config.arch = pv_vm_arch_find("amd64");
    pv_vm_qemu_build(&config, &args);
    assert_int_equal(args.error, 0);
    assert_string_equal(args.items[0], "/opt/qemu");
    assert_null(args.items[args.count]);
    assert_string_equal(option(&args, "-object", 0),
                        "memory-backend-memfd,id=memory,size=1234M,share=on");
    assert_non_null(strstr(option(&args, "-machine", 0), "memory-backend=memory"));
    assert_string_equal(option(&args, "-smp", 0), "3");
    assert_string_equal(option(&args, "-accel", 0), "tcg,thread=multi");
    assert_non_null(strstr(option(&args, "-append", 0), "console=ttyS0 root=/dev/vda"));
    assert_non_null(strstr(option(&args, "-drive", 0), "snapshot=on,file=/i/root.img"));
    assert_true(has(&args, "vhost-user-test-device-pci,chardev=gpu,virtio-id=16,num_vqs=2,"
                           "vq_size=256,config_size=16"));
    assert_true(has(&args, "socket,id=gpu,path=/r/gpu.sock"));
    assert_true(has(&args, "socket,id=agent,fd=11"));
    assert_true(has(&args, "name=org.pearvisor.agent.0"));
    assert_true(has(&args, "socket,id=qmp,fd=12"));
    assert_true(has(&args, "path=/r/serial,,log"));
    assert_false(has(&args, "-netdev"));
    pv_vm_args_finish(&args);
}

static void test_a_vm_with_nothing(void **state)
{
    struct pv_vm_qemu_config config = whole_vm;
    struct pv_vm_args args = {0};

    (void)state;
    config.arch = pv_vm_arch_find("arm64");
    config.use_kvm = true;
    config.root_path = NULL;
    config.serial_path = NULL;
    config.gpu_socket_path = NULL;
    config.agent_fd = -1;
    config.qmp_fd = -1;
    config.use_network = true;
    config.kernel_options = "one two";
    pv_vm_qemu_build(&config, &args);
    assert_int_equal(args.error, 0);
    assert_string_equal(option(&args, "-accel", 0), "kvm");
    assert_string_equal(option(&args, "-cpu", 0), "host");
    assert_non_null(strstr(option(&args, "-append", 0), "console=ttyAMA0"));
    assert_non_null(strstr(option(&args, "-append", 0), " one two"));
    assert_null(strstr(option(&args, "-append", 0), "tsc="));
    assert_true(has(&args, "virtio-net-pci"));
    assert_false(has(&args, "vhost-user"));
    assert_false(has(&args, "-drive"));
    assert_false(has(&args, "virtserialport"));
    pv_vm_args_finish(&args);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_find_tells_what_is_wrong),
        cmocka_unit_test(test_a_whole_vm),
        cmocka_unit_test(test_a_vm_with_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
