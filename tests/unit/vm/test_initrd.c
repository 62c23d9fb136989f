/* SPDX-License-Identifier: MIT */
/*
 * vm/initrd.c: both archives, one behind the other, and nothing in silence when one is missing.
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

#include "vm/initrd.h"

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void test_one_behind_the_other(void **state)
{
    char folder[] = "/tmp/pv-test-initrd-XXXXXX";
    char text[64] = "";
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    write_file("modules", "first ");
    write_file("programs", "second");
    assert_int_equal(pv_vm_initrd_write("both", "modules", "programs"), 0);
    assert_int_equal(pv_vm_initrd_write("both", "modules", "programs"), 0); /* replaced */
    file = fopen("both", "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    assert_string_equal(text, "first second");
    assert_int_equal(pv_vm_initrd_write("both", "modules", "absent"), -ENOENT);
    assert_int_equal(pv_vm_initrd_write("absent/both", "modules", "programs"), -ENOENT);
    unlink("both");
    unlink("modules");
    unlink("programs");
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_behind_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
