/* SPDX-License-Identifier: MIT */
/*
 * virtio/chain.c: each way in which a descriptor chain may be wrong, or too big.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/fake_guest.h"
#include "virtio/chain.h"

#define SIZE  16u
#define DATA  (FAKE_GUEST_ADDR + (1 << 20))
#define TABLE (FAKE_GUEST_ADDR + (2 << 20))

struct fixture {
    struct fake_guest guest;
    struct pv_virtio_chain *chain;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->chain = malloc(sizeof(*fixture->chain));
    assert_non_null(fixture->chain);
    assert_int_equal(fake_guest_init(&fixture->guest, SIZE), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    fake_guest_finish(&fixture->guest);
    free(fixture->chain);
    free(fixture);
    return 0;
}

static const char *walk(struct fixture *fixture, uint32_t head)
{
    return pv_virtio_chain_walk(fixture->guest.space,
                                fake_guest_at(&fixture->guest, FAKE_GUEST_ADDR), SIZE, head,
                                fixture->chain);
}

static void describe(struct fixture *fixture, uint32_t index, uint64_t addr, uint32_t size_bytes,
                     uint16_t flags, uint16_t next)
{
    fake_guest_describe(&fixture->guest, index, addr, size_bytes, flags, next);
}

static void describe_in_table(struct fixture *fixture, uint32_t index, uint64_t addr,
                              uint32_t size_bytes, uint16_t flags, uint16_t next)
{
    fake_guest_describe_at(&fixture->guest, TABLE, index, addr, size_bytes, flags, next);
}

static void test_one_descriptor(void **state)
{
    struct fixture *fixture = *state;

    describe(fixture, 3, DATA, 100, 0, 0);
    assert_null(walk(fixture, 3));
    assert_int_equal(fixture->chain->readable.count, 1);
    assert_int_equal(fixture->chain->readable.size_bytes, 100);
    assert_int_equal(fixture->chain->writable.count, 0);
}

static void test_both_directions_in_order(void **state)
{
    struct fixture *fixture = *state;

    describe(fixture, 0, DATA, 10, FAKE_NEXT, 5);
    describe(fixture, 5, DATA + 100, 20, FAKE_NEXT, 2);
    describe(fixture, 2, DATA + 200, 30, FAKE_WRITE | FAKE_NEXT, 9);
    describe(fixture, 9, DATA + 300, 40, FAKE_WRITE, 0);
    assert_null(walk(fixture, 0));
    assert_int_equal(fixture->chain->readable.count, 2);
    assert_true(fixture->chain->readable.parts[1].addr == DATA + 100);
    assert_int_equal(fixture->chain->writable.count, 2);
    assert_int_equal(fixture->chain->writable.size_bytes, 70);
}

static void test_neighbours_are_joined(void **state)
{
    struct fixture *fixture = *state;

    describe(fixture, 0, DATA, 10, FAKE_NEXT, 1);
    describe(fixture, 1, DATA + 10, 20, FAKE_NEXT, 2);
    describe(fixture, 2, DATA + 31, 1, 0, 0);
    assert_null(walk(fixture, 0));
    assert_int_equal(fixture->chain->readable.count, 2);
    assert_int_equal(fixture->chain->readable.parts[0].size_bytes, 30);
}

static void test_whole_ring_in_one_chain(void **state)
{
    struct fixture *fixture = *state;

    for (uint32_t i = 0; i < SIZE; i++) {
        describe(fixture, i, DATA + 64 * i, 1, i + 1 < SIZE ? FAKE_NEXT : 0, (uint16_t)(i + 1));
    }
    assert_null(walk(fixture, 0));
    assert_int_equal(fixture->chain->readable.count, SIZE);
}

static void test_zero_length_is_nothing(void **state)
{
    struct fixture *fixture = *state;

    describe(fixture, 0, DATA, 0, FAKE_NEXT, 1);
    describe(fixture, 1, DATA, 0, FAKE_WRITE, 0);
    assert_null(walk(fixture, 0));
    assert_int_equal(fixture->chain->readable.count, 0);
    assert_int_equal(fixture->chain->writable.size_bytes, 0);
}

static void test_loop_of_one(void **state)
{
    struct fixture *fixture = *state;

    describe(fixture, 0, DATA, 10, FAKE_NEXT, 0);
    assert_string_equal(walk(fixture, 0), "a descriptor loop");
}

static void test_loop_of_all(void **state)
{
    struct fixture *fixture = *state;

    for (uint32_t i = 0; i < SIZE; i++) {
        describe(fixture, i, DATA, 1, FAKE_NEXT, (uint16_t)((i + 1) % SIZE));
    }
    assert_string_equal(walk(fixture, 7), "a descriptor loop");
}

static void test_next_outside_the_table(void **state)
{
    struct fixture *fixture = *state;

    describe(fixture, 0, DATA, 10, FAKE_NEXT, SIZE);
    assert_string_equal(walk(fixture, 0), "descriptor index outside the table");
    describe(fixture, 0, DATA, 10, FAKE_NEXT, UINT16_MAX);
    assert_string_equal(walk(fixture, 0), "descriptor index outside the table");
}

static void test_head_outside_the_table(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(walk(fixture, SIZE), "descriptor index outside the table");
}

static void test_readable_behind_writable(void **state)
{
    struct fixture *fixture = *state;

    describe(fixture, 0, DATA, 10, FAKE_WRITE | FAKE_NEXT, 1);
    describe(fixture, 1, DATA, 10, 0, 0);
    assert_string_equal(walk(fixture, 0), "a readable descriptor behind a writable one");
}

static void test_indirect_table(void **state)
{
    struct fixture *fixture = *state;

    describe(fixture, 0, TABLE, 3 * 16, FAKE_INDIRECT, 0);
    describe_in_table(fixture, 0, DATA, 10, FAKE_NEXT, 2);
    describe_in_table(fixture, 2, DATA + 100, 20, FAKE_NEXT, 1);
    describe_in_table(fixture, 1, DATA + 200, 30, FAKE_WRITE, 0);
    assert_null(walk(fixture, 0));
    assert_int_equal(fixture->chain->readable.size_bytes, 30);
    assert_int_equal(fixture->chain->writable.size_bytes, 30);
    assert_int_equal(fixture->chain->descriptor_count, 4);
}

static void test_direct_before_indirect(void **state)
{
    struct fixture *fixture = *state;

    describe(fixture, 0, DATA, 5, FAKE_NEXT, 1);
    describe(fixture, 1, TABLE, 16, FAKE_INDIRECT | FAKE_WRITE, 0); /* WRITE means nothing here */
    describe_in_table(fixture, 0, DATA + 100, 6, 0, 0);
    assert_null(walk(fixture, 0));
    assert_int_equal(fixture->chain->readable.size_bytes, 11);
}

static void test_nested_indirect(void **state)
{
    struct fixture *fixture = *state;

    describe(fixture, 0, TABLE, 16, FAKE_INDIRECT, 0);
    describe_in_table(fixture, 0, TABLE, 16, FAKE_INDIRECT, 0);
    assert_string_equal(walk(fixture, 0), "an indirect table inside an indirect table");
}

static void test_indirect_with_successor(void **state)
{
    struct fixture *fixture = *state;

    describe(fixture, 0, TABLE, 16, FAKE_INDIRECT | FAKE_NEXT, 1);
    describe(fixture, 1, DATA, 16, 0, 0);
    assert_string_equal(walk(fixture, 0), "an indirect descriptor with a successor");
}

static void test_indirect_sizes(void **state)
{
    static const uint32_t sizes[] = {0, 1, 15, 17, 31, UINT32_MAX};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < PV_ARRAY_LEN(sizes); i++) {
        describe(fixture, 0, TABLE, sizes[i], FAKE_INDIRECT, 0);
        assert_string_equal(walk(fixture, 0),
                            "an indirect table of a size that is no multiple of 16");
    }
}

static void test_indirect_unbacked(void **state)
{
    static const uint64_t addrs[] = {0, FAKE_GUEST_ADDR + FAKE_GUEST_BYTES,
                                     FAKE_GUEST_ADDR + FAKE_GUEST_BYTES - 8, UINT64_MAX - 15,
                                     UINT64_MAX};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < PV_ARRAY_LEN(addrs); i++) {
        describe(fixture, 0, addrs[i], 16, FAKE_INDIRECT, 0);
        assert_string_equal(walk(fixture, 0), "indirect table at an unbacked address");
    }
}

static void test_indirect_loop_and_range(void **state)
{
    struct fixture *fixture = *state;

    describe(fixture, 0, TABLE, 2 * 16, FAKE_INDIRECT, 0);
    describe_in_table(fixture, 0, DATA, 1, FAKE_NEXT, 1);
    describe_in_table(fixture, 1, DATA, 1, FAKE_NEXT, 0);
    assert_string_equal(walk(fixture, 0), "a descriptor loop");
    describe_in_table(fixture, 1, DATA, 1, FAKE_NEXT, 2);
    assert_string_equal(walk(fixture, 0), "descriptor index outside the table");
}

static void test_indirect_backwards_and_long(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t count = 1000;

    describe(fixture, 0, TABLE, count * 16, FAKE_INDIRECT, 0);
    for (uint32_t i = 0; i < count; i++) {
        /* 0, 999, 998, ..., 1 */
        const uint32_t next = i == 0 ? count - 1 : i - 1;

        describe_in_table(fixture, i, DATA + 16 * i, 1, i == 1 ? 0 : FAKE_NEXT, (uint16_t)next);
    }
    assert_null(walk(fixture, 0));
    assert_int_equal(fixture->chain->readable.count, count);
    assert_true(fixture->chain->readable.parts[1].addr == DATA + 16 * (count - 1));
    assert_true(fixture->chain->readable.parts[count - 1].addr == DATA + 16);
}

static void test_readable_bytes_cap(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t cap = (uint32_t)PV_VIRTIO_CHAIN_READABLE_BYTES_MAX;

    describe(fixture, 0, DATA, cap, FAKE_NEXT, 1);
    describe(fixture, 1, DATA, 8, FAKE_WRITE, 0);
    assert_null(walk(fixture, 0));
    assert_int_equal(fixture->chain->readable.size_bytes, cap);
    assert_false(fixture->chain->readable.is_cut);

    describe(fixture, 0, DATA, cap + 1, FAKE_NEXT, 1);
    assert_null(walk(fixture, 0));
    assert_int_equal(fixture->chain->readable.size_bytes, cap);
    assert_true(fixture->chain->readable.is_cut);
    assert_int_equal(fixture->chain->writable.size_bytes, 8); /* the answer has its place */
}

static void test_sum_of_lengths_does_not_wrap(void **state)
{
    struct fixture *fixture = *state;

    for (uint32_t i = 0; i < SIZE; i++) {
        describe(fixture, i, DATA, UINT32_MAX, FAKE_WRITE | (i + 1 < SIZE ? FAKE_NEXT : 0),
                 (uint16_t)(i + 1));
    }
    assert_null(walk(fixture, 0));
    assert_int_equal(fixture->chain->writable.size_bytes, PV_VIRTIO_CHAIN_WRITABLE_BYTES_MAX);
}

static void test_part_count_cap(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t cap = PV_VIRTIO_CHAIN_READABLE_COUNT_MAX;

    for (uint32_t count = cap; count <= cap + 1; count++) {
        describe(fixture, 0, TABLE, (count + 1) * 16, FAKE_INDIRECT, 0);
        for (uint32_t i = 0; i < count; i++) {
            describe_in_table(fixture, i, DATA + 2 * i, 1, FAKE_NEXT, (uint16_t)(i + 1));
        }
        describe_in_table(fixture, count, DATA, 24, FAKE_WRITE, 0);
        assert_null(walk(fixture, 0));
        assert_int_equal(fixture->chain->readable.count, cap);
        assert_int_equal(fixture->chain->readable.is_cut, count > cap);
        assert_int_equal(fixture->chain->writable.size_bytes, 24);
    }
}

static void test_writable_part_count_cap(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t cap = PV_VIRTIO_CHAIN_WRITABLE_COUNT_MAX;

    for (uint32_t count = cap; count <= cap + 1; count++) {
        describe(fixture, 0, TABLE, count * 16, FAKE_INDIRECT, 0);
        for (uint32_t i = 0; i < count; i++) {
            describe_in_table(fixture, i, DATA + 2 * i, 1,
                              FAKE_WRITE | (i + 1 < count ? FAKE_NEXT : 0), (uint16_t)(i + 1));
        }
        assert_null(walk(fixture, 0));
        assert_int_equal(fixture->chain->writable.count, cap);
        assert_int_equal(fixture->chain->writable.is_cut, count > cap);
    }
}

static void test_address_sums_that_wrap_are_not_joined(void **state)
{
    struct fixture *fixture = *state;

    describe(fixture, 0, UINT64_MAX - 9, 10, FAKE_NEXT, 1);
    describe(fixture, 1, 0, 10, 0, 0);
    assert_null(walk(fixture, 0));
    assert_int_equal(fixture->chain->readable.count, 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_one_descriptor),
        T(test_both_directions_in_order),
        T(test_neighbours_are_joined),
        T(test_whole_ring_in_one_chain),
        T(test_zero_length_is_nothing),
        T(test_loop_of_one),
        T(test_loop_of_all),
        T(test_next_outside_the_table),
        T(test_head_outside_the_table),
        T(test_readable_behind_writable),
        T(test_indirect_table),
        T(test_direct_before_indirect),
        T(test_nested_indirect),
        T(test_indirect_with_successor),
        T(test_indirect_sizes),
        T(test_indirect_unbacked),
        T(test_indirect_loop_and_range),
        T(test_indirect_backwards_and_long),
        T(test_readable_bytes_cap),
        T(test_sum_of_lengths_does_not_wrap),
        T(test_part_count_cap),
        T(test_writable_part_count_cap),
        T(test_address_sums_that_wrap_are_not_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
