/* SPDX-License-Identifier: MIT */
/*
 * base/reader.h, base/writer.h and base/checked.h: nothing past the end, padding, overflow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/reader.h"
#include "base/writer.h"

static void test_short_reads_raise_and_stop(void **state)
{
    const uint8_t bytes[10] = {1, 0, 0, 0, 2, 0, 0, 0, 3, 0};
    struct pv_base_fault fault = {0};
    struct pv_base_reader reader;
    uint64_t wide;
    uint32_t narrow;

    (void)state;
    pv_base_reader_init(&reader, bytes, sizeof(bytes), &fault);
    assert_true(pv_base_reader_u64(&reader, &wide));
    assert_int_equal(wide, UINT64_C(0x200000001));
    assert_false(pv_base_reader_u32(&reader, &narrow));
    assert_int_equal(narrow, 0);
    assert_int_equal(fault.kind, PV_BASE_FAULT_SHORT);
    assert_int_equal(pv_base_reader_left_bytes(&reader), 0);
}

static void test_padding_and_huge_sizes(void **state)
{
    const uint8_t bytes[8] = {0};
    struct pv_base_fault fault = {0};
    struct pv_base_reader reader;

    (void)state;
    pv_base_reader_init(&reader, bytes, sizeof(bytes), &fault);
    assert_non_null(pv_base_reader_take_padded(&reader, 5));
    assert_int_equal(pv_base_reader_left_bytes(&reader), 0);
    pv_base_reader_init(&reader, bytes, sizeof(bytes), &fault);
    assert_null(pv_base_reader_take_padded(&reader, SIZE_MAX));
    assert_null(pv_base_reader_take_padded(&reader, SIZE_MAX - 2));
}

static void test_writer_stops_at_its_end(void **state)
{
    uint8_t bytes[12] = {0};
    struct pv_base_fault fault = {0};
    struct pv_base_writer writer;

    (void)state;
    pv_base_writer_init(&writer, bytes, 11, &fault);
    pv_base_writer_u32(&writer, 7);
    pv_base_writer_u64(&writer, 9);
    assert_int_equal(fault.kind, PV_BASE_FAULT_REPLY);
    assert_int_equal(bytes[4], 0);
    pv_base_writer_u32(&writer, 1);
    assert_int_equal(bytes[4], 0);
}

static void test_checked_ranges(void **state)
{
    uint64_t sum;

    (void)state;
    assert_true(pv_base_range_is_inside(0, 0, 0));
    assert_true(pv_base_range_is_inside(4, 4, 8));
    assert_false(pv_base_range_is_inside(4, 5, 8));
    assert_false(pv_base_range_is_inside(UINT64_MAX, 2, 8));
    assert_false(pv_base_range_is_inside(2, UINT64_MAX, 8));
    assert_false(pv_base_u64_align_up(UINT64_MAX, 4096, &sum));
    assert_true(pv_base_u64_align_up(4097, 4096, &sum));
    assert_int_equal(sum, 8192);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_reads_raise_and_stop),
        cmocka_unit_test(test_padding_and_huge_sizes),
        cmocka_unit_test(test_writer_stops_at_its_end),
        cmocka_unit_test(test_checked_ranges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
