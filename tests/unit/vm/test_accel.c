/* SPDX-License-Identifier: MIT */
/*
 * vm/accel.c: KVM counts only when a kernel comes up on it; every other outcome ends in time with a
 * reason, and the answer is remembered. A script plays QEMU.
 */
#include <errno.h>
#include <fcntl.h>
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

#include <time.h>

#include "vm/accel.h"

static char folder[64];
static char qemu[80];
static struct pv_vm_accel_options options;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/pv-test-accel-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(qemu, sizeof(qemu), "%s/qemu", folder);
    options = (struct pv_vm_accel_options){
        .arch = pv_vm_arch_find("amd64"),
        .qemu_path = qemu,
        .kernel_path = "/dev/null",
        .initrd_path = "/dev/null",
        .cache_path = folder,
    };
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

/* The probe takes a program with another time for another QEMU; here all have the same. */
static void play(const char *script)
{
    static const struct timespec same_time[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    FILE *file = fopen(qemu, "w");

    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", script);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(qemu, 0700), 0);
    assert_int_equal(utimensat(AT_FDCWD, qemu, same_time, 0), 0);
}

/* Returns false where the machine has no /dev/kvm for us, which the probe then says. */
static bool probe(struct pv_vm_accel *ret_accel)
{
    struct timespec start;
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &start);
    pv_vm_accel_probe(&options, ret_accel);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - start.tv_sec <= 10); /* 3 on a machine with nothing else to do */
    assert_int_equal(ret_accel->has_kvm, ret_accel->reason[0] == '\0');
    return strstr(ret_accel->reason, "/dev/kvm") == NULL;
}

static void test_a_kernel_that_comes_up(void **state)
{
    struct pv_vm_accel accel;

    (void)state;
    play("echo PEARVISOR-PROBE-OK; exec sleep 60");
    if (!probe(&accel)) {
        skip();
    }
    assert_true(accel.has_kvm);
}

static void test_an_instruction_that_fails(void **state)
{
    struct pv_vm_accel accel;

    (void)state;
    play("echo 'KVM internal error. Suberror: 1' >&2; exec sleep 60");
    if (!probe(&accel)) {
        skip();
    }
    assert_false(accel.has_kvm);
    assert_non_null(strstr(accel.reason, "instruction"));
}

static void test_a_kernel_that_hangs(void **state)
{
    struct pv_vm_accel accel;

    (void)state;
    play("exec sleep 60");
    if (!probe(&accel)) {
        skip();
    }
    assert_false(accel.has_kvm);
    assert_non_null(strstr(accel.reason, "did not boot"));
}

static void test_qemu_refuses(void **state)
{
    struct pv_vm_accel accel;

    (void)state;
    play("echo 'failed to initialize kvm: no'; echo more; exit 1");
    if (!probe(&accel)) {
        skip();
    }
    assert_string_equal(accel.reason, "QEMU cannot use KVM: failed to initialize kvm: no");
}

static void test_the_answer_is_remembered(void **state)
{
    struct pv_vm_accel accel;
    struct stat before;

    (void)state;
    play("echo run >> $0.log; echo PEARVISOR-PROBE-OK; exec sleep 60");
    if (!probe(&accel)) {
        skip();
    }
    assert_false(accel.is_remembered);
    assert_true(probe(&accel));
    assert_true(accel.has_kvm);
    assert_true(accel.is_remembered);
    snprintf(qemu + strlen(qemu), sizeof(qemu) - strlen(qemu), ".log");
    assert_int_equal(stat(qemu, &before), 0);
    assert_int_equal(before.st_size, 4); /* it ran once */
    qemu[strlen(qemu) - 4] = '\0';
    options.force = true;
    assert_true(probe(&accel));
    assert_false(accel.is_remembered);
    options.force = false;
    options.kernel_path = "/dev/zero"; /* another kernel: another question */
    assert_true(probe(&accel));
    snprintf(qemu + strlen(qemu), sizeof(qemu) - strlen(qemu), ".log");
    assert_int_equal(stat(qemu, &before), 0);
    assert_int_equal(before.st_size, 12);
}

/* What `pearvisor doctor` does once KVM is mended: the next that asks hears the new answer. */
static void test_a_forced_probe_replaces_the_answer(void **state)
{
    struct pv_vm_accel accel;

    (void)state;
    play("echo no kvm today; exit 1");
    if (!probe(&accel)) {
        skip();
    }
    assert_false(accel.has_kvm);
    play("echo PEARVISOR-PROBE-OK; exec sleep 60");
    assert_true(probe(&accel));
    assert_false(accel.has_kvm);
    options.force = true;
    assert_true(probe(&accel));
    assert_true(accel.has_kvm);
    options.force = false;
    assert_true(probe(&accel));
    assert_true(accel.has_kvm);
    assert_true(accel.is_remembered);
}

static void test_the_device_alone(void **state)
{
    struct pv_vm_accel accel = {0};
    const bool has_device = pv_vm_accel_has_device(&accel);

    (void)state;
    assert_int_equal(has_device, access("/dev/kvm", R_OK | W_OK) == 0);
    assert_int_equal(accel.has_kvm, has_device);
    assert_int_equal(accel.has_kvm, accel.reason[0] == '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_kernel_that_comes_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_instruction_that_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_kernel_that_hangs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_qemu_refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_answer_is_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_forced_probe_replaces_the_answer, set_up, tear_down),
        cmocka_unit_test(test_the_device_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
