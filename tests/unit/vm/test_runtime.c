/* SPDX-License-Identifier: MIT */
/*
 * vm/runtime.c: a VM's folder is found while its owner lives, swept after it died, and never made
 * where another user could have put something.
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

#include "vm/runtime.h"

static char base[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(base, sizeof(base), "/tmp/pv-test-runtime-XXXXXX");
    return mkdtemp(base) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(base); /* fails when something was left */
}

static void test_made_found_and_gone(void **state)
{
    struct pv_vm_runtime vm;
    struct pv_vm_runtime found;
    char path[PV_VM_RUNTIME_PATH_MAX];
    struct stat status;
    FILE *file;

    (void)state;
    assert_int_equal(pv_vm_runtime_find(base, NULL, &found), -ENOENT);
    assert_int_equal(pv_vm_runtime_create(base, NULL, &vm), 0);
    assert_int_equal(stat(vm.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(pv_vm_runtime_find(base, NULL, &found), 0);
    assert_string_equal(found.path, vm.path);
    assert_int_equal(pv_vm_runtime_find(base, pv_vm_runtime_name(&vm), &found), 0);
    assert_int_equal(pv_vm_runtime_find(base, "other", &found), -ENOENT);
    assert_int_equal(pv_vm_runtime_find(base, "../etc", &found), -ENOENT);
    assert_int_equal(pv_vm_runtime_file(&vm, "serial.log", path), 0);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    pv_vm_runtime_destroy(&vm);
    assert_int_equal(access(path, F_OK), -1);
    pv_vm_runtime_destroy(&vm); /* an empty one */
}

static void test_names(void **state)
{
    struct pv_vm_runtime one;
    struct pv_vm_runtime two;
    struct pv_vm_runtime found;

    (void)state;
    assert_int_equal(pv_vm_runtime_create(base, "one", &one), 0);
    assert_string_equal(pv_vm_runtime_name(&one), "one");
    assert_int_equal(pv_vm_runtime_create(base, "one", &two), -EEXIST);
    assert_int_equal(pv_vm_runtime_create(base, "", &two), -EINVAL);
    assert_int_equal(pv_vm_runtime_create(base, "..", &two), -EINVAL);
    assert_int_equal(pv_vm_runtime_create(base, "a/b", &two), -EINVAL);
    assert_int_equal(pv_vm_runtime_create(base, "two", &two), 0);
    assert_int_equal(pv_vm_runtime_find(base, NULL, &found), -ENOTUNIQ);
    assert_int_equal(pv_vm_runtime_find(base, "two", &found), 0);
    pv_vm_runtime_destroy(&one);
    pv_vm_runtime_destroy(&two);
}

static void test_a_dead_vm_is_swept(void **state)
{
    struct pv_vm_runtime dead;
    struct pv_vm_runtime next;
    struct pv_vm_runtime found;

    (void)state;
    assert_int_equal(pv_vm_runtime_create(base, "vm", &dead), 0);
    close(dead.lock_fd); /* as when its owner is killed */
    assert_int_equal(pv_vm_runtime_find(base, "vm", &found), -ENOENT);
    assert_int_equal(pv_vm_runtime_create(base, "vm", &next), 0);
    pv_vm_runtime_destroy(&next);
}

static void test_a_long_base_is_refused(void **state)
{
    struct pv_vm_runtime vm;
    char path[PV_VM_RUNTIME_PATH_MAX];

    (void)state;
    memset(path, 'x', sizeof(path));
    memcpy(path, base, strlen(base));
    path[strlen(base)] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(pv_vm_runtime_create(path, NULL, &vm), -ENAMETOOLONG);
    assert_int_equal(rmdir(path), 0);
}

static void test_a_base_that_others_may_write_is_refused(void **state)
{
    struct pv_vm_runtime vm;

    (void)state;
    assert_int_equal(chmod(base, 0777), 0);
    assert_int_equal(pv_vm_runtime_create(base, NULL, &vm), -EPERM);
    assert_int_equal(chmod(base, 0700), 0);
    assert_int_equal(pv_vm_runtime_create("/dev/null", NULL, &vm), -ENOTDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_found_and_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_dead_vm_is_swept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_long_base_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_base_that_others_may_write_is_refused, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
