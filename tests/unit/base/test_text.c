/* SPDX-License-Identifier: MIT */
/*
 * base/text.c: what is not printable does not get through, and every text has an end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/text.h"

static void test_every_byte(void **state)
{
    char text[257];

    (void)state;
    for (int i = 0; i < 255; i++) {
        text[i] = (char)(i + 1);
    }
    text[255] = '\0';
    text[256] = 'x';
    pv_base_text_clean(text, sizeof(text) - 1);
    for (int i = 0; i < 255; i++) {
        const int byte = i + 1;

        assert_int_equal(text[i], byte >= 0x20 && byte < 0x7f ? byte : '?');
    }
    assert_int_equal(text[256], 'x');
}

static void test_text_without_an_end(void **state)
{
    char text[4] = {'a', '\n', 'c', 'd'};

    (void)state;
    pv_base_text_clean(text, sizeof(text));
    assert_string_equal(text, "a?c");
    pv_base_text_clean(text, 1);
    assert_string_equal(text, "");
}

static void test_copies(void **state)
{
    char text[4];

    (void)state;
    pv_base_text_copy(text, sizeof(text), "a\033", 2);
    assert_string_equal(text, "a?");
    pv_base_text_copy(text, sizeof(text), "a\0b", 3);
    assert_string_equal(text, "a");
    pv_base_text_copy(text, sizeof(text), "abcd", 3);
    assert_string_equal(text, "abc");
    pv_base_text_copy(text, sizeof(text), "abcd", 4);
    assert_string_equal(text, "abc");
    pv_base_text_copy(text, sizeof(text), "abcd", SIZE_MAX);
    assert_string_equal(text, "abc");
    pv_base_text_copy(text, sizeof(text), "", 0);
    assert_string_equal(text, "");
    pv_base_text_copy(text, 1, "abc", 3);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_text_without_an_end),
        cmocka_unit_test(test_copies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
