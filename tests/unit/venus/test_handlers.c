/* SPDX-License-Identifier: MIT */
/*
 * venus/handlers.c: each hand-written command has its handler, and no two share one by mistake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/compiler.h"
#include "venus/handlers.h"

static void test_rows(void **state)
{
    const void *rows[sizeof(pv_venus_handlers) / sizeof(void *)];

    (void)state;
    assert_int_equal(sizeof(rows), sizeof(pv_venus_handlers));
    memcpy(rows, &pv_venus_handlers, sizeof(rows));
    for (size_t i = 0; i < PV_ARRAY_LEN(rows); i++) {
        assert_non_null(rows[i]);
        for (size_t k = 0; k < i; k++) {
            assert_ptr_not_equal(rows[i], rows[k]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
