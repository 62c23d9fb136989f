/* SPDX-License-Identifier: MIT */
/* vm/arch.c: what is known is complete, what is not known is NULL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "vm/arch.h"

static void check_complete(const char *debian_name, const char *qemu_program)
{
    const struct pv_vm_arch *arch = pv_vm_arch_find(debian_name);

    assert_non_null(arch);
    assert_string_equal(arch->debian_name, debian_name);
    assert_string_equal(arch->qemu_program, qemu_program);
    assert_true(strlen(arch->machine) > 0);
    assert_true(strlen(arch->tcg_cpu) > 0);
    assert_true(strncmp(arch->console, "tty", 3) == 0);
    /* The kernel takes it with or without a value, never empty. */
    assert_true(strncmp(arch->early_option, "early", 5) == 0);
}

static void test_known_ones_are_complete(void **state)
{
    (void)state;
    check_complete("amd64", "qemu-system-x86_64");
    check_complete("arm64", "qemu-system-aarch64");
}

static void test_unknown_ones(void **state)
{
    (void)state;
    assert_null(pv_vm_arch_find(""));
    assert_null(pv_vm_arch_find("AMD64"));
    assert_null(pv_vm_arch_find("amd64 "));
    assert_null(pv_vm_arch_find("riscv64"));
}

static void test_our_own(void **state)
{
    const struct pv_vm_arch *own = pv_vm_arch_own();

    (void)state;
#if defined(__x86_64__) || defined(__aarch64__)
    assert_non_null(own);
    assert_ptr_equal(own, pv_vm_arch_find(own->debian_name));
#else
    assert_null(own);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_ones_are_complete),
        cmocka_unit_test(test_unknown_ones),
        cmocka_unit_test(test_our_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
