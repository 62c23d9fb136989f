/* SPDX-License-Identifier: MIT */
/*
 * base/fault.c and fault.h: the first fault stays, and each has words for the log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/fault.h"

static void test_the_first_fault_stays(void **state)
{
    struct pv_base_fault fault = {0};

    (void)state;
    assert_false(pv_base_fault_is_raised(&fault));
    pv_base_fault_raise_detail(&fault, PV_BASE_FAULT_COUNT, 17);
    pv_base_fault_raise_detail(&fault, PV_BASE_FAULT_HANDLE, 99);
    pv_base_fault_raise(&fault, PV_BASE_FAULT_SHORT);
    assert_true(pv_base_fault_is_raised(&fault));
    assert_int_equal(fault.kind, PV_BASE_FAULT_COUNT);
    assert_int_equal(fault.detail, 17);
}

static void test_each_kind_has_its_own_words(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < PV_BASE_FAULT_KIND_COUNT; i++) {
        const char *name = pv_base_fault_kind_name((enum pv_base_fault_kind)i);

        assert_non_null(name);
        assert_true(name[0] != '\0');
        for (unsigned int k = 0; k < i; k++) {
            assert_string_not_equal(name, pv_base_fault_kind_name((enum pv_base_fault_kind)k));
        }
    }
    /* A number from elsewhere must not read past the table. */
    assert_non_null(pv_base_fault_kind_name(PV_BASE_FAULT_KIND_COUNT));
    assert_non_null(pv_base_fault_kind_name((enum pv_base_fault_kind)0x7fffffff));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_fault_stays),
        cmocka_unit_test(test_each_kind_has_its_own_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
