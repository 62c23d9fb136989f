/* SPDX-License-Identifier: MIT */
/*
 * vkhost/facts.c: which memory types count, and for what.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "support/profile.h"

static void test_types(void **state)
{
    static struct pv_vkhost_facts facts;
    const VkMemoryPropertyFlags types[] = {
        0x1,                                    /* DEVICE_LOCAL */
        0x6,                                    /* VISIBLE, COHERENT */
        0xa,                                    /* VISIBLE, CACHED */
        0x6 | VK_MEMORY_PROPERTY_PROTECTED_BIT, /* not plain */
        0x7,                                    /* no import */
    };

    (void)state;
    pv_test_profile_make(types, 5, 0xf, &facts);
    assert_false(pv_vkhost_facts_type_is_importable(&facts, 0)); /* named, but not visible */
    assert_true(pv_vkhost_facts_type_is_importable(&facts, 1));
    assert_false(pv_vkhost_facts_type_is_importable(&facts, 2));
    assert_false(pv_vkhost_facts_type_is_importable(&facts, 3));
    assert_false(pv_vkhost_facts_type_is_importable(&facts, 4));
    assert_false(pv_vkhost_facts_type_is_plain(&facts, 3));
    assert_int_equal(pv_vkhost_facts_type_guest_flags(&facts, 1), 0x6);
    assert_int_equal(pv_vkhost_facts_type_guest_flags(&facts, 2), 0);
    assert_int_equal(pv_vkhost_facts_type_guest_flags(&facts, 4), 1);
}

static void test_extensions(void **state)
{
    static struct pv_vkhost_facts facts;

    (void)state;
    pv_test_profile_load("moltenvk-1.4.2", &facts);
    assert_true(pv_vkhost_facts_has_extension(&facts, "VK_KHR_portability_subset"));
    assert_false(pv_vkhost_facts_has_extension(&facts, "VK_KHR_portability"));
    assert_false(pv_vkhost_facts_has_extension(&facts, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_extensions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
