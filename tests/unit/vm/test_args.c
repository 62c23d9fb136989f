/* SPDX-License-Identifier: MIT */
/* vm/args.c: strings are kept as given, the list is NULL-terminated, the first failure sticks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "vm/args.h"

static void test_nothing_was_added(void **state)
{
    struct pv_vm_args args = {0};

    (void)state;
    assert_int_equal(args.error, 0);
    pv_vm_args_finish(&args);
    pv_vm_args_finish(&args); /* twice does no harm */
    assert_null(args.items);
}

static void test_arguments_in_order(void **state)
{
    struct pv_vm_args args = {0};

    (void)state;
    pv_vm_args_add(&args, "%s", "program");
    pv_vm_args_pair(&args, "-m", "%u", 512u);
    pv_vm_args_pair(&args, "-%s", "a,%s=%d", "b", -1); /* the option is no format */
    pv_vm_args_add(&args, "%s", "");
    pv_vm_args_add(&args, "%s", "%d %n");
    assert_int_equal(args.error, 0);
    assert_int_equal(args.count, 7);
    assert_string_equal(args.items[0], "program");
    assert_string_equal(args.items[1], "-m");
    assert_string_equal(args.items[2], "512");
    assert_string_equal(args.items[3], "-%s");
    assert_string_equal(args.items[4], "a,b=-1");
    assert_string_equal(args.items[5], "");
    assert_string_equal(args.items[6], "%d %n");
    assert_null(args.items[7]);
    pv_vm_args_finish(&args);
    assert_int_equal(args.count, 0);
}

static void test_many_and_long_ones(void **state)
{
    struct pv_vm_args args = {0};
    char *text = calloc(1, 100001);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 100000);
    for (int i = 0; i < 1000; i++) {
        pv_vm_args_add(&args, "%d", i);
    }
    pv_vm_args_add(&args, "%s", text);
    assert_int_equal(args.error, 0);
    assert_int_equal(args.count, 1001);
    assert_string_equal(args.items[999], "999");
    assert_string_equal(args.items[1000], text);
    assert_null(args.items[1001]);
    pv_vm_args_finish(&args);
    free(text);
}

static void test_the_first_failure_sticks(void **state)
{
    struct pv_vm_args args = {0};

    (void)state;
    pv_vm_args_add(&args, "before");
    args.error = -EMSGSIZE; /* as a builder does that has met trouble of its own */
    pv_vm_args_add(&args, "after");
    pv_vm_args_pair(&args, "-o", "after");
    assert_int_equal(args.error, -EMSGSIZE);
    assert_int_equal(args.count, 1);
    assert_null(args.items[1]);
    pv_vm_args_finish(&args);
    assert_int_equal(args.error, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_was_added),
        cmocka_unit_test(test_arguments_in_order),
        cmocka_unit_test(test_many_and_long_ones),
        cmocka_unit_test(test_the_first_failure_sticks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
