/* SPDX-License-Identifier: MIT */
/*
 * os/random.c: all bytes are filled and no two fills are equal; more than it can give is an error.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "os/random.h"

static void test_fills(void **state)
{
    uint8_t first[256];
    uint8_t second[256];

    (void)state;
    assert_int_equal(pv_os_random_fill(first, sizeof(first)), 0);
    assert_int_equal(pv_os_random_fill(second, sizeof(second)), 0);
    assert_memory_not_equal(first, second, 16);
    assert_memory_not_equal(first + 240, second + 240, 16);
}

/* A byte that is 0 sixty-four times is one that nobody has filled. */
static void test_every_byte(void **state)
{
    uint8_t seen[33] = {0};

    (void)state;
    for (uint32_t i = 0; i < 64; i++) {
        uint8_t bytes[33] = {0};

        assert_int_equal(pv_os_random_fill(bytes, 32), 0);
        for (uint32_t k = 0; k < 33; k++) {
            seen[k] |= bytes[k];
        }
    }
    for (uint32_t k = 0; k < 32; k++) {
        assert_int_not_equal(seen[k], 0);
    }
    assert_int_equal(seen[32], 0); /* and not one more */
}

static void test_too_many(void **state)
{
    uint8_t bytes[257] = {0};

    (void)state;
    assert_int_equal(pv_os_random_fill(bytes, 257), -EIO);
    assert_int_equal(pv_os_random_fill(bytes, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
